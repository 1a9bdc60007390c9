// SPDX-License-Identifier: Apache-2.0
// What forms send.
import { expect, test } from "vitest";
import { filterOf } from "./log/entries";
import { bodyOf } from "./sharing/invite";

function form(...fields: [string, string][]): FormData {
  const data = new FormData();
  for (const [name, value] of fields) data.append(name, value);
  return data;
}

test("an invitation names an account, or nobody, and ends with its day", () => {
  const named = bodyOf(form(["grantee", " carla "], ["scope", "status"], ["until", "2027-01-31"]));
  expect(named).toMatchObject({ grantee_id: "carla", scopes: ["status"] });
  const end = new Date(named.expires_at);
  expect([end.getDate(), end.getHours(), end.getMinutes()]).toEqual([31, 23, 59]);
  expect(bodyOf(form(["grantee", ""], ["until", "2027-01-31"])).grantee_id).toBeNull();
});

test("a filter sends moments in UTC", () => {
  const sent = filterOf(
    form(["actor", " doc "], ["outcome", "denied"], ["from", "2026-11-27T10:00"]),
  );
  expect(sent).toMatchObject({ actor: "doc", outcome: "denied", to: "", scan: "" });
  expect(sent["from"]).toBe(new Date(2026, 10, 27, 10).toISOString());
});
