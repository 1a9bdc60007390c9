// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { Cut, NotDicom, readHeader, Unreadable } from "./dicom";
import { EXPLICIT, IMPLICIT } from "./pydicom.fixture";

const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, "base64"));

describe.each([
  ["explicit", EXPLICIT],
  ["implicit, of undefined lengths", IMPLICIT],
])("a file that pydicom wrote, %s", (_, base64) => {
  it("tells what names its series and how it was made", () => {
    const header = readHeader(bytesOf(base64));
    expect(header).toMatchObject({
      modality: "MR",
      study: "2.25.7",
      series: "2.25.8",
      seriesNumber: 4,
      names: ["Schädel MPRAGE", "head", ""],
      imageType: ["ORIGINAL", "PRIMARY", "M"],
      scanning: ["GR", "IR"],
      threeD: true,
      repetition: 2300,
      echo: 2.98,
      inversion: 900,
      flip: 9,
      frames: 1,
      hasPixels: true,
    });
  });

  it("is cut, not misread, wherever it ends too early", () => {
    const whole = bytesOf(base64);
    for (let end = 400; end < whole.length; end += 7) {
      const read = () => readHeader(whole.subarray(0, end));
      try {
        // Without its last elements a header may stand, but then says that no pixels follow.
        expect(read().names[0]).toBe("Schädel MPRAGE");
      } catch (error) {
        expect([Cut, Unreadable]).toContain((error as Error).constructor);
      }
    }
  });
});

it("tells people apart without naming them elsewhere", () => {
  const { person, ...rest } = readHeader(bytesOf(EXPLICIT));
  expect(person).toContain("Nobody");
  expect(JSON.stringify(rest)).not.toContain("Nobody");
});

it("knows what is not DICOM", () => {
  expect(() => readHeader(new Uint8Array(1000))).toThrow(NotDicom);
  expect(() => readHeader(new Uint8Array(3))).toThrow(NotDicom);
});

it("leaves what is deflated or big-endian to the platform", () => {
  for (const syntax of ["1.2.840.10008.1.2.2\0", "1.2.840.10008.1.2.1.99"]) {
    const bytes = bytesOf(EXPLICIT);
    const text = Buffer.from(bytes).toString("latin1");
    const at = text.indexOf("1.2.840.10008.1.2.1");
    // The length stands before the value; a longer one needs no room of its own here.
    bytes[at - 2] = syntax.length;
    bytes.set(Buffer.from(syntax, "latin1"), at);
    expect(() => readHeader(bytes)).toThrow(Unreadable);
  }
});

it("does not follow nesting without end", () => {
  const start = [...Buffer.from(`${"\0".repeat(128)}DICM`, "latin1")];
  const meta = [2, 0, 0x10, 0, 0x55, 0x49, 18, 0, ...Buffer.from("1.2.840.10008.1.2\0", "latin1")];
  const open = [8, 0, 0x40, 0x11, 255, 255, 255, 255, 0xfe, 0xff, 0, 0xe0, 255, 255, 255, 255];
  const deep = Array.from({ length: 100 }, () => open).flat();
  expect(() => readHeader(new Uint8Array([...start, ...meta, ...deep]))).toThrow(Unreadable);
});
