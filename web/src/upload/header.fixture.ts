// SPDX-License-Identifier: Apache-2.0
import type { Header } from "./dicom";

/** A header that says nothing but what is given. */
export function header(changed: Partial<Header> = {}): Header {
  return {
    person: "one",
    modality: "MR",
    study: "study",
    series: "series",
    seriesNumber: null,
    names: ["", "", ""],
    stated: "",
    imageType: [],
    scanning: [],
    threeD: false,
    repetition: null,
    echo: null,
    inversion: null,
    flip: null,
    frames: 1,
    hasPixels: true,
    ...changed,
  };
}
