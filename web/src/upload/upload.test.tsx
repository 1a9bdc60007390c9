// SPDX-License-Identifier: Apache-2.0
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { Problem } from "../http";
import { FoundList } from "./found-list";
import { filesWithin, JobList } from "./job-list";
import { Queue } from "./queue";
import type { Found, Series } from "./series";

afterEach(cleanup);

const SERIES: Series = {
  key: "t1",
  description: "Sag MPRAGE",
  number: 3,
  images: 176,
  bytes: 50e6,
  sources: [],
  looks: "t1",
  because: "name_t1",
  rank: 0,
};
const OTHER: Series = { ...SERIES, key: "t2", description: "t2_tse", looks: "other" };
const FOUND: Found = {
  studies: [{ key: "s", series: [SERIES, OTHER], best: "t1" }],
  skipped: [{ name: "notes.txt", skip: "not_dicom" }],
  people: 1,
};

describe("what was found", () => {
  it("is suggested, can be changed, and is sent", () => {
    const sent: [string[], string | null][] = [];
    render(
      <FoundList
        found={FOUND}
        needsAccount
        send={(series, user) => sent.push([series.map(({ key }) => key), user])}
        clear={() => undefined}
      />,
    );
    const [t1, t2] = screen.getAllByRole<HTMLInputElement>("checkbox");
    expect([t1?.checked, t2?.checked]).toEqual([true, false]);
    expect(screen.getAllByText(/176 images/)).toHaveLength(2);
    expect(screen.getByText("1 file is left out")).toBeTruthy();
    fireEvent.change(screen.getByLabelText(/Whose scan/), { target: { value: " anna " } });
    fireEvent.click(t2 as HTMLInputElement);
    fireEvent.click(screen.getByRole("button", { name: /Send these 2 series/ }));
    expect(sent).toEqual([[["t1", "t2"], "anna"]]);
  });

  it("of several people is left to choose", () => {
    const nothing = () => undefined;
    render(
      <FoundList
        found={{ ...FOUND, people: 2 }}
        needsAccount={false}
        send={nothing}
        clear={nothing}
      />,
    );
    expect(screen.getByText(/2 different people/)).toBeTruthy();
    const button = screen.getByRole<HTMLButtonElement>("button", { name: "Choose a series" });
    expect(button.disabled).toBe(true);
  });
});

describe("what was sent", () => {
  it("says in plain words why it was not taken, and what to do", async () => {
    const refusal = new Problem(
      422,
      "incomplete_series",
      "slices are missing",
      "send all of them",
      {
        files: [
          { name: "a", state: "refused", code: "x", message: "slices are missing" },
          { name: "b", state: "refused", code: "x", message: "slices are missing" },
        ],
      },
    );
    const queue = new Queue(() => Promise.reject(refusal));
    queue.add([{ title: "Sag MPRAGE", images: 1, bytes: 1, sources: [], userId: null }]);
    render(<JobList queue={queue} />);
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toContain("Slices are missing. Images are missing: copy the series");
    expect(alert.textContent).toContain("(2 ×)");
    expect(screen.queryByRole("button", { name: "Try again" })).toBeNull();
  });

  it("counts the files that are on their way as a whole", () => {
    const source = (bytes: number) => ({ name: "", bytes }) as Series["sources"][number];
    const sources = [source(10), source(20), source(30)];
    expect([0, 0.1, 0.2, 0.5, 0.99, 1].map((share) => filesWithin({ sources, share }))).toEqual([
      0, 0, 1, 2, 2, 3,
    ]);
  });
});
