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
  brain: { title: "This brain" },
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
