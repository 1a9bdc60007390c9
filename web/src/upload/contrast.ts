// SPDX-License-Identifier: Apache-2.0
// Whether a series looks T1-weighted: the rules of ingest's domain/contrast.py, which decides.
import type { Header } from "./dicom";

export type Looks = "t1" | "unknown" | "other";
export type Because =
  | "name_t1"
  | "stated_t1"
  | "timing_t1"
  | "name_other"
  | "stated_other"
  | "echo_long"
  | "echo_planar"
  | "derived"
  | "not_mr"
  | "localizer"
  | "silent";

export interface Judgement {
  looks: Looks;
  because: Because;
  /** Which is measured first when there are several; the least. */
  rank: number;
}

const LONGEST_T1_ECHO_MS = 40;
const LONGEST_SPIN_ECHO_TR_MS = 1000;
const LONGEST_SPIN_ECHO_TE_MS = 30;
const LONGEST_GRADIENT_ECHO_TE_MS = 10;
const MPRAGE_INVERSION_MS = [500, 1500] as const;
const SPOILED_TR_MS = 50;
const SPOILED_FLIP_DEG = 8;
const SILENT_RANK = 9;

const NAMES: [RegExp, number][] = [
  [/MP2RAGE.*\bUNI|\bUNI.*MP2RAGE/, 2],
  [/MP ?RAGE|\bTFL ?3D|TFL3D/, 0],
  [/SPGR|\bBRAVO\b|\bFLASH\b|\bMEMPR/, 0],
  [/T1.*TFE|\b3D TFE|TURBO FIELD ECHO|\bT1.*FFE/, 0],
  [/\bVIBE\b|\bLAVA\b|\bTHRIVE\b/, 1],
  [/T1.*\b(SE|TSE|FSE)\b|\b(SE|TSE|FSE)\b.*T1/, 3],
  [/\bT1W?I?\b|\b3DT1|\bT1(?!\d)/, 2],
];
const ANOTHER_KIND = new RegExp(
  "\\bT2|\\bPD|PROTON|STIR|CISS|FIESTA|\\bINV ?[12]\\b|SWI\\b|\\bPHASE|SUBTR" +
    "|DWI|DTI|\\bDIFF|\\bADC\\b|TRACE|\\bFA\\b|\\bB0\\b|\\bEPI?\\b|EP2D|BOLD|FMRI|\\bREST(ING)?\\b" +
    "|\\bTOF\\b|\\bMR[AV]\\b|\\bANGIO|\\bASL\\b|PCASL|PERF|SPECTR|\\bMRS\\b" +
    "|\\bMIP\\b|\\bMAP|T1MAP|T1 IMAGES|FIELD ?MAP" +
    "|LOCALI[SZ]ER|SCOUT|SURVEY|CALIB|\\bASSET|\\bREF\\b",
);
const NOT_A_WEIGHTING = new Set(["UNKNOWN", "T1", "MIXED", "NONE", ""]);
const DERIVED_OTHERWISE = new Set(
  (
    "PROJECTION IMAGE,MIP,MINIP,SUBTRACTION,ADC,PHASE,P,PHASE MAP,IMAGINARY," +
    "REAL,T1 MAP,T2 MAP,DIFFUSION,FA,R,I,FIELD_MAP"
  ).split(","),
);

/** Say whether images of this header look T1-weighted, and why. */
export function judge(header: Header): Judgement {
  const veto = vetoOf(header);
  if (veto) return { looks: "other", because: veto, rank: SILENT_RANK };
  for (const name of header.names) {
    const spaced = name
      .toUpperCase()
      .replace(/[^A-Z0-9+]+/g, " ")
      .trim();
    if (ANOTHER_KIND.test(spaced) || (spaced.includes("FLAIR") && !spaced.includes("T1"))) {
      return { looks: "other", because: "name_other", rank: SILENT_RANK };
    }
    const found = NAMES.find(([pattern]) => pattern.test(spaced));
    if (found) return { looks: "t1", because: "name_t1", rank: found[1] };
  }
  if (header.stated === "T1") return { looks: "t1", because: "stated_t1", rank: 2 };
  return byTiming(header);
}

function vetoOf(header: Header): Because | null {
  if (header.modality && header.modality !== "MR") return "not_mr";
  if (header.imageType.includes("LOCALIZER")) return "localizer";
  if (header.echo !== null && header.echo > LONGEST_T1_ECHO_MS) return "echo_long";
  if (header.scanning.includes("EP")) return "echo_planar";
  if (!NOT_A_WEIGHTING.has(header.stated)) return "stated_other";
  return header.imageType.some((word) => DERIVED_OTHERWISE.has(word)) ? "derived" : null;
}

function byTiming({ repetition, echo, inversion, flip, scanning, threeD }: Header): Judgement {
  const silent: Judgement = { looks: "unknown", because: "silent", rank: SILENT_RANK };
  if (repetition === null || echo === null) return silent;
  if (scanning.includes("GR") && echo <= LONGEST_GRADIENT_ECHO_TE_MS && threeD) {
    const [shortest, longest] = MPRAGE_INVERSION_MS;
    const inverted = inversion !== null && inversion >= shortest && inversion <= longest;
    const spoiled = repetition <= SPOILED_TR_MS && (flip ?? 0) >= SPOILED_FLIP_DEG;
    if (inverted || spoiled) return { looks: "t1", because: "timing_t1", rank: 0 };
  }
  if (scanning.length === 1 && scanning[0] === "SE") {
    const short = repetition <= LONGEST_SPIN_ECHO_TR_MS && echo <= LONGEST_SPIN_ECHO_TE_MS;
    if (!short) return { looks: "other", because: "echo_long", rank: SILENT_RANK };
    return { looks: "t1", because: "timing_t1", rank: 3 };
  }
  return silent;
}
