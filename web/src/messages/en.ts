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
  },
  severity: (word: string | null, direction: string | null): string => {
    if (word === "none") return "within the usual range for age";
    if (word === "uncertain") return "too uncertain to say";
    if (word === null || !(word in degrees)) return "";
    return `${degrees[word as keyof typeof degrees]} ${direction === "high" ? "large" : "low"} for age`;
  },
};
