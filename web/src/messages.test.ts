// SPDX-License-Identifier: Apache-2.0
// Texts stand in the catalogue alone: no words between tags, and none in what is read aloud.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";

const READ = new Set(["aria-label", "alt", "title", "placeholder", "label"]);
const WORD = /\p{L}{2,}/u;

const files = readdirSync("src", { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".tsx") && !name.includes(".test."))
  .map((name) => join("src", name));

test("there are files to look at", () => expect(files.length).toBeGreaterThan(20));

test.each(files)("no text in %s", (file) => {
  const source = ts.createSourceFile(
    file,
    readFileSync(file, "utf8"),
    ts.ScriptTarget.Latest,
    true,
  );
  expect(textsIn(source)).toEqual([]);
});

test("it would be found", () => {
  const text = (code: string) =>
    textsIn(ts.createSourceFile("a.tsx", code, ts.ScriptTarget.Latest, true));
  expect(text("<p>Some words</p>")).toEqual(["Some words"]);
  expect(text('<img alt="a brain" />')).toEqual(["a brain"]);
  expect(text('<p>{"more words"}</p>')).toEqual(["more words"]);
  expect(text('<p className="lead">± {value}</p>')).toEqual([]);
});

function textsIn(node: ts.Node): string[] {
  return [...own(node), ...node.getChildren().flatMap(textsIn)].filter((text) => WORD.test(text));
}

function own(node: ts.Node): string[] {
  if (ts.isJsxText(node)) return [node.text.trim()];
  if (ts.isJsxAttribute(node) && READ.has(node.name.getText())) {
    const value = node.initializer;
    return value && ts.isStringLiteral(value) ? [value.text] : [];
  }
  const inside = ts.isJsxExpression(node) && ts.isJsxElement(node.parent) ? node.expression : null;
  return inside && ts.isStringLiteralLike(inside) ? [inside.text] : [];
}
