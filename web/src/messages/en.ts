// SPDX-License-Identifier: Apache-2.0
// Every text of the application, in English. A translation is another object of this type.
//
// One scan shows what is low or large for age, not loss over time; the model says how similar a
// person is to diagnosed groups today. The texts keep to that.
import names from "./names.json";

const degrees = { mild: "mildly", moderate: "moderately", severe: "severely" } as const;

export const messages = {
  names: names.names as Record<string, string>,
  frame: {
    name: "MemoryGuard Imaging",
    skip: "Skip to the content",
    pages: "Pages",
    scans: "Scans",
    signOut: "Sign out",
    disclaimer: "Research use, not a diagnosis. This software is not a medical device.",
  },
  loading: { awaited: "One moment…", again: "Try again", code: "Code:" },
  notFound: {
    title: "Nothing here",
    text: "There is nothing at this address for you to see.",
    home: "To your scans",
  },
  signIn: {
    title: "Please sign in",
    idle: "You were signed out, since nobody used this page for a while.",
    link: "A one-time link opens this page: the command line prints one beside every result.",
    token: "Or paste an access token (memoryguard token):",
    submit: "Sign in",
  },
  scans: {
    title: "Scans",
    empty: "There is no scan for you to see yet.",
    filter: "Filter by account or scan",
    heads: ["Scan", "Account", "Uploaded", "Status", "Hippocampi, both", "Whole brain", "For age"],
    more: "Show older scans",
    unlinked: "not linked",
    absent: "—",
  },
  statuses: {
    uploaded: "Uploaded",
    processing: "Being worked on",
    completed: "Completed",
    failed: "No result",
  },
  distances: {
    none: "within the usual range",
    mild: "mildly outside",
    moderate: "moderately outside",
    severe: "severely outside",
    uncertain: "too uncertain to say",
  },
  result: {
    title: "Result of a brain scan",
    failed: "No result for this scan",
    waiting: "A scan being worked on",
    quality: "Quality",
    reason: (why: string) => `Reason: ${why}.`,
  },
  progress: {
    status: "Status:",
    stages: {
      received: "Received",
      measured: "Measured",
      scored: "Compared",
      explained: "Explained",
    },
  },
  verdicts: {
    accepted: "The scan can be measured.",
    warned: "The scan can be measured, with reservations.",
    refused: "The scan cannot be measured.",
  },
  overall: {
    none: "The regions that could be compared lie within the usual range for age.",
    uncertain:
      "Whether the regions lie within the usual range for age is too uncertain to say from this scan.",
    uncompared: "This scan could not be compared with healthy people.",
    region: "A region",
    atLeast: "A region beside it is uncertain and may lie further out.",
  },
  brain: {
    title: "This brain",
    picture: "The surfaces of this brain. The list and the tables say the same in words.",
    list: "Structures",
    table: "What the picture shows, as a table",
    noZ: "–",
    coming: "The picture is coming",
    none: "No surfaces were made of this scan.",
    noSurfaces: "The surfaces cannot be shown.",
    noSlices: "The slices cannot be shown.",
    noWebGl:
      "This browser does not draw in 3D (WebGL is off or missing). The slices, the list and the tables say the same.",
    compare: (which: number | null) =>
      which === null
        ? "Compare with the earlier scan"
        : `Compare with the earlier scan, number ${which}`,
    /** Structures that are seen but are not measured alone. */
    structures: {
      ventral_left: "Ventral diencephalon, left",
      ventral_right: "Ventral diencephalon, right",
    } as Record<string, string>,
    facts: {
      structure: "Structure",
      volume: "Volume",
      expected: "Expected",
      z: "z",
      centile: "Centile",
      verdict: "In words",
      notMeasured: "not measured",
      notCompared: (why: string | null) => (why ? `not compared: ${why}` : "not compared"),
    },
    alerts: {
      some: "Outside the usual range for age, sex and head size:",
      none: (compared: number, all: number) =>
        compared === 0
          ? "None of these structures could be compared with healthy people."
          : `${compared} of these ${all} structures could be compared with healthy people; none of them is said to lie outside the usual range.`,
    },
    legend: {
      title: "What the colours mean",
      less: "less than expected",
      more: "more than expected",
      scale: (span: number) =>
        `z: distance from what is expected for age, sex and head size, in standard deviations (colours end at ±${span}). For fluid, more is the unusual direction.`,
      grey: "not compared",
      short: (span: number) => `less to more than expected, z −${span} to +${span}`,
    },
    left: "L",
    right: "R",
    tools: {
      title: "The picture",
      views: "Look from",
      view: {
        oblique: "Reset",
        left: "Left",
        right: "Right",
        front: "Front",
        back: "Back",
        top: "Top",
        below: "Below",
      },
      nearer: "Nearer",
      farther: "Farther",
      turn: "Turn",
      save: "Save picture",
    },
    slices: {
      title: "Slices",
      shaded: "Smooth and zoomable",
      nowhere: "Click into a slice to learn what is there.",
      plane: { axial: "Axial slice", coronal: "Coronal slice", sagittal: "Sagittal slice" },
      axes: [
        { name: "Left to right", ends: ["left", "right"] },
        { name: "Back to front", ends: ["back", "front"] },
        { name: "Down to up", ends: ["down", "up"] },
      ] as const,
      /** Marks at the edges of a slice. */
      ends: [
        ["L", "R"],
        ["P", "A"],
        ["I", "S"],
      ] as const,
      side: (mm: number, ends: readonly [string, string]) =>
        mm === 0 ? "0 mm" : `${Math.abs(mm)} mm ${ends[mm < 0 ? 0 : 1]}`,
      overlay: "Overlay",
      percent: (value: number) => `${value} %`,
    },
  },
  compare: {
    title: "Two scans of one person",
    back: "To the result of the later scan",
    unrelated:
      "The platform has not compared these two scans: the later one does not name the other as an earlier scan of the same person.",
    same: "This is one scan, not two.",
    dates: (earlier: string, later: string) => `Uploaded ${earlier} and ${later}.`,
    years: (years: string) => `${years} years lie between the two scans.`,
    picture: "Before and after",
    slider: "Slide from the earlier brain to the later one",
    said: (percent: number) => `${percent} % of the width shows the earlier brain`,
    aligned:
      "The earlier brain is turned and shifted onto the later one by the centres of its structures; it is not stretched. What differs by less than the error of the measurement is no change.",
    earlier: "Earlier",
    later: "Later",
    volumes: "Volumes",
    caption:
      "± is one standard deviation of the measurement. The difference is given where the platform gives a change; the change a year has its 95 % interval.",
    heads: ["Structure", "Earlier", "Later", "Difference", "Change a year", "95 % interval"],
    noise: "within measurement noise",
    over: (scans: number) => `over ${scans} scans`,
    interval: (low: string, high: string) => `${low} to ${high}`,
    absent: "–",
  },
  volumes: {
    title: "Volumes",
    caption:
      "Each volume beside healthy people of the same age, sex and head size. ± is one standard deviation of the measurement. The green band is the middle 80 % of healthy people, the dot is this scan, the line its uncertainty (one standard deviation).",
    heads: [
      "Structure",
      "Measured",
      "Expected",
      "z",
      "Among healthy people",
      "Centile",
      "In words",
    ],
  },
  derived: {
    title: "Asymmetry and ratios",
    caption: "Difference of the sides in percent of their mean (plus: the left one is larger).",
    heads: ["Measure", "Value"],
    asymmetry: (name: string) => `${name}, left against right`,
  },
  change: {
    title: "Change since earlier scans",
    caption: "Change of each volume over this person's scans, in percent a year.",
    heads: ["Structure", "Scans", "Years", "Change a year", "95 % interval", "Published means"],
    none: "None to tell:",
    noise: "within measurement noise",
    interval: (low: string, high: string) => `${low} to ${high}`,
  },
  risk: {
    title: "Similarity to diagnosed groups",
    caption:
      "How similar age, sex, volumes and the health metrics given are to groups of people with a diagnosis, today. It is not a diagnosis and says nothing about the future.",
    groups: ["Group", "Similarity", "95 % interval"],
    interval: (low: string, high: string) => `${low} to ${high}`,
    prevalence: (shares: string) => `For people of whom so many belong to each group: ${shares}.`,
    moved: (what: string, base: string, whose: string, output: string) =>
      `What moves the ${what} from ${base} (${whose}) to ${output}, in percentage points (SHAP values).`,
    mean: "its mean",
    inputs: "The inputs of the model, and what each says.",
    heads: ["Input", "Value", "Points", "In words"],
    missing: (names: string) => `Not given to the model: ${names}.`,
    withheld: "The model gives no answer:",
  },
  health: {
    title: "Health metrics",
    caption: "The latest values of this account, which may be newer than the answer above.",
    heads: ["Metric", "Value", "Source"],
  },
  provenance: {
    title: "Where this comes from",
    scan: "Scan",
    engine: "Measured by",
    model: "Model",
    norms: "Norms",
    time: "Time taken",
    weights: "weights SHA-256",
  },
  charts: {
    normBar: (z: string, sd: string | null) =>
      `z ${z}${sd === null ? "" : ` plus or minus ${sd}`}; the band is the middle 80 % of healthy people`,
    base: "Base",
    output: "Output",
  },
  severity: (word: string | null, direction: string | null): string => {
    if (word === "none") return "within the usual range for age";
    if (word === "uncertain") return "too uncertain to say";
    if (word === null || !(word in degrees)) return "";
    return `${degrees[word as keyof typeof degrees]} ${direction === "high" ? "large" : "low"} for age`;
  },
};
