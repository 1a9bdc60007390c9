// SPDX-License-Identifier: Apache-2.0
// Types of every event, from libs/common/schemas: one file, each definition once.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import openapiTS, { astToString } from "openapi-typescript";

const web = join(import.meta.dirname, "..");
const folder = join(web, "../libs/common/schemas");
const schemas = {};
for (const name of readdirSync(folder).sort()) {
  const text = readFileSync(join(folder, name), "utf8");
  const {
    $defs = {},
    $id,
    $schema,
    ...event
  } = JSON.parse(text.replaceAll("#/$defs/", "#/components/schemas/"));
  Object.assign(schemas, $defs, { [event.title]: event });
}
const document = {
  openapi: "3.1.0",
  info: { title: "Events", version: "1" },
  paths: {},
  components: { schemas },
};
const types = astToString(
  await openapiTS(document, {
    defaultNonNullable: true,
    rootTypes: true,
    rootTypesNoSchemaPrefix: true,
  }),
);
const banner = "// Written by tools/contracts.mjs from libs/common/schemas.\n";
mkdirSync(join(web, "src/contracts"), { recursive: true });
writeFileSync(join(web, "src/contracts/events.ts"), banner + types);
