// SPDX-License-Identifier: Apache-2.0
// What lies outside the usual range, in words.
import { signed } from "../format";
import { messages } from "../messages/en";
import { type Facts, isAlert, verdict } from "./facts";

export function Alerts({ facts, choose }: { facts: Facts[]; choose: (key: string) => void }) {
  const words = messages.brain.alerts;
  const outside = facts.filter(isAlert);
  if (outside.length === 0) {
    const compared = facts.filter(({ z }) => z !== null).length;
    return <p className="brain-alerts">{words.none(compared, facts.length)}</p>;
  }
  return (
    <div className="brain-alerts">
      <p>{words.some}</p>
      <ul>
        {outside.map((each) => (
          <li key={each.key}>
            <button type="button" onClick={() => choose(each.key)}>
              <b>{each.title}</b> {verdict(each)}
              {each.z !== null && `, z ${signed(each.z)}`}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
