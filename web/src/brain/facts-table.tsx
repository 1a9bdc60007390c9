// SPDX-License-Identifier: Apache-2.0
// The picture as a table, for who hears the page.
import { messages } from "../messages/en";
import { type Facts, lines, verdict } from "./facts";

export function FactsTable({ facts }: { facts: Facts[] }) {
  const words = messages.brain;
  const heads = [words.facts.volume, words.facts.expected, words.facts.z, words.facts.centile];
  return (
    <div className="unseen">
      <table>
        <caption>{words.table}</caption>
        <thead>
          <tr>
            <th scope="col">{words.facts.structure}</th>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
            <th scope="col">{words.facts.verdict}</th>
          </tr>
        </thead>
        <tbody>
          {facts.map((each) => {
            const said = new Map(lines(each));
            return (
              <tr key={each.key}>
                <th scope="row">{each.title}</th>
                {heads.map((head) => (
                  <td key={head}>{said.get(head) ?? words.noZ}</td>
                ))}
                <td>{verdict(each)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
