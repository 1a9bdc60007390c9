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
    upload: "Send a scan",
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
    emptySend: "There is no scan for you to see yet. Drop one above to send it.",
    emptyShared:
      "There is no scan for you to see yet. The person whose scans you may see has to share them with you.",
    filter: "Filter",
    filterPeople: "Account or scan",
    filterText: "Scan",
    any: "Any",
    heads: {
      uploaded: "Uploaded",
      account: "Account",
      status: "Status",
      hippocampi: "Hippocampi, both",
      brain: "Whole brain",
      severity: "For age",
    },
    shown: (count: number, of: number) =>
      count === of ? `${count} shown` : `${count} of ${of} shown`,
    choose: "Compare",
    chooseOne: (when: string) => `Compare the scan of ${when}`,
    compare: "Compare these two scans",
    pickAnother: "Choose a second scan of the same person to compare the two.",
    notComparable: "Two completed scans of one person can be compared.",
    more: "Show older scans",
    unlinked: "not linked",
    absent: "—",
  },
  upload: {
    title: "Send a scan",
    intro:
      "A T1-weighted MRI of the head, as DICOM. Your browser first reads the headers and shows what it found; nothing is sent until you say so.",
    notAllowed:
      "Scans are sent by the person themselves or by a clinician. Ask one of them to send it.",
    drop: "Drop a folder, a zip or DICOM files here",
    dropNote:
      "Files without an ending are fine in a folder or a zip. On arrival names, birth date and other identifying entries are taken out of the images and kept apart, encrypted.",
    pickFiles: "Choose files",
    pickFolder: "Choose a folder",
    looking: (done: number, total: number) =>
      total === 0 ? "Looking for files…" : `Looking at files: ${done} of ${total}`,
    found: "What was found",
    foundCount: (series: number, files: number) =>
      `${series} series in ${files} ${files === 1 ? "file" : "files"}.`,
    nothing:
      "No MR images were found here. Choose the folder that came from the hospital or the scanner (often on a CD, named DICOM), or a zip of it.",
    people: (count: number) =>
      `These files name ${count} different people. Choose the scans of one person only.`,
    study: (number: number, of: number) => (of === 1 ? "Series" : `Examination ${number}`),
    number: (number: number) => `series ${number}`,
    unnamed: "Series without a name",
    image: "image",
    images: "images",
    file: "file",
    files: "files",
    looks: { t1: "Looks T1-weighted", unknown: "Does not say", other: "Not for measuring" },
    best: "Suggested",
    because: {
      name_t1: "By its name this is a T1-weighted series.",
      stated_t1: "Its images say that they are T1-weighted.",
      timing_t1: "Its timing is that of a T1-weighted sequence.",
      name_other: "By its name this is another kind of image.",
      stated_other: "Its images say that they are weighted otherwise.",
      echo_long: "Its timing is that of another weighting.",
      echo_planar: "This is a fast functional or diffusion series.",
      derived: "These images were computed from others.",
      not_mr: "This is not an MR image.",
      localizer: "This was made only to plan the other series.",
      silent: "Its header does not tell the weighting. It is judged after sending.",
      few_images: "Too few images for a volume of the head.",
      closed: "This zip cannot be looked into here. It is judged after sending.",
    },
    skipped: (count: number) =>
      count === 1 ? "1 file is left out" : `${count} files are left out`,
    skips: {
      not_dicom: "is not DICOM",
      nifti:
        "is NIfTI, which says neither age, sex nor scanner: send the DICOM files (memoryguard analyze measures it on your own computer)",
      unreadable: "cannot be read",
      no_image: "holds no image",
      listing: "is only a list of the others",
    },
    more: (count: number) => `And ${count} more.`,
    account: "Whose scan is it? Account:",
    send: (count: number, size: string) =>
      count === 0
        ? "Choose a series"
        : `Send ${count === 1 ? "this series" : `these ${count} series`} (${size})`,
    clear: "Clear",
    jobs: "Sent from here",
    states: {
      waiting: "Waits for its turn",
      sending: "Being sent",
      checking: "Being checked",
      taken: "Received",
      refused: "Not taken",
      cancelled: "Cancelled",
    },
    cancel: "Cancel",
    checking: "Everything is there. The files are being checked and stripped of names…",
    sent: (done: number, files: string, percent: number, size: string) =>
      `${done} of ${files}, ${percent} % of ${size}`,
    notes: "What was noticed",
    follow: "Go to this scan",
    result: "See the result",
    /** In place of the platform's own hint, where more can be said. */
    advice: {
      not_dicom: "Choose the folder or zip with the DICOM files of the examination.",
      no_t1_series:
        "Choose the T1-weighted series, often named MPRAGE, SPGR, BRAVO or TFE; ask who made the scan which one it is.",
      localizer: "Choose the three-dimensional T1 series instead.",
      too_few_slices: "Send the three-dimensional T1 series with all its images.",
      incomplete_series: "Images are missing: copy the series again and send all of it.",
      truncated_file: "A file was cut off when it was copied. Copy it again from its source.",
      mixed_patients: "Send the scans of one person at a time.",
      patient_mismatch:
        "This examination belongs to another person here. Check the account, or ask a clinician.",
      burned_in_annotation:
        "Text in the picture may name somebody. Send the original images of the scanner.",
      unsupported_modality: "Send an MRI of the head; CT and others are not measured.",
      unsupported_object: "Send the images themselves, not reports or screenshots.",
      unsupported_transfer_syntax:
        "Ask for an export without compression, or with JPEG 2000, JPEG-LS or RLE.",
      encrypted_archive: "Unpack it with its password and send the folder.",
      too_large: "Send one examination at a time.",
      no_user: "Name the account whose scan it is.",
      not_allowed: "You may not send scans for this account.",
      unreachable: "Check the connection and try again: what has arrived is not taken in twice.",
      unreadable_file: "Is the disk still there? Choose the files again.",
    } as Record<string, string>,
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
    summary: "Summary",
    contents: "Parts of this result",
    print: "Print",
    another: "Send another scan",
    quality: "Quality",
    sexes: { F: "Woman", M: "Man" } as Record<string, string>,
    age: (years: number) => `${Math.floor(years)} years old at the scan`,
    uploaded: (when: string) => `uploaded ${when}`,
    tiles: {
      hippocampal: "Hippocampi",
      ventricular_enlargement: "Lateral ventricles",
      cortical: "Cortex",
      whole_brain: "Whole brain",
    } as Record<string, string>,
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
  flags: {
    scanner_unknown:
      "The scanner is not stated, or none that the norms know: every comparison is less certain for it",
    scanner_changed: "The scans were made on different scanners",
    engine_changed: "The scans were measured by different versions of the program",
    intracranial_unusual: "The head is unusually small or large",
  } as Record<string, string>,
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
    others: (count: number) => `${count} more measurements that have no norm to stand beside`,
    plainCaption: "± is one standard deviation of the measurement.",
    plainHeads: ["Structure", "Measured", "Why not compared"],
    absent: (count: number) => `${count} that were not measured`,
    absentCaption: "Why there is no value.",
    absentHeads: ["Measure", "Reason"],
  },
  norms: {
    title: "On the age curve",
    caption:
      "This scan beside healthy people of the same sex, head size and scanner, over age. The curve compares people of different ages; it does not say what will become of one.",
    legend: {
      inner: "middle 50 % of healthy people",
      outer: "middle 90 %",
      median: "median",
      dot: "this scan, ± one standard deviation of the measurement",
      earlier: "earlier scans",
    },
    z: (z: string, sd: string | null) => `z ${z}${sd === null ? "" : ` ± ${sd}`}`,
    centile: (centile: string) => `centile ${centile}`,
    said: (name: string, value: string, age: number, centile: string, word: string) =>
      `${name}: ${value} at ${age} years, centile ${centile} of healthy people; ${word}.`,
    calibrated: (more: string) =>
      `The curve is drawn as this program measures: ${more} against the program of the norm.`,
    others: (count: number) => `Curves of ${count} more measurements`,
    table: "The curve as a table",
    tableOf: (name: string, unit: string) => `${name}, centiles of healthy people in ${unit}`,
    heads: ["Age", "5th", "25th", "Median", "75th", "95th"],
  },
  derived: {
    title: "Asymmetry and ratios",
    caption: "Difference of the sides in percent of their mean (plus: the left one is larger).",
    heads: ["Measure", "Value"],
    asymmetry: (name: string) => `${name}, left against right`,
  },
  change: {
    title: "Change over time",
    caption:
      "Change of each volume over this person's scans, in percent a year. The line is the 95 % interval; the small triangles are published means of healthy people.",
    heads: [
      "Structure",
      "Change a year",
      "95 % interval",
      "From −12 % to +12 %",
      "Published means",
    ],
    legend: {
      point: "a scan, ± one standard deviation of repeated measurements",
      line: "yearly change",
      interval: "its 95 % interval",
      healthy: "published means of healthy people",
    },
    rate: (rate: string, interval: string | null) =>
      `${rate} a year${interval === null ? "" : `, 95 % interval ${interval}`}`,
    others: (count: number) => `Change of ${count} more structures`,
    othersCaption: "The same of the other structures.",
    published: (count: number) => (count === 1 ? "1 study" : `${count} studies`),
    said: (
      name: string,
      scans: number,
      years: string,
      rate: string,
      interval: string | null,
      healthy: string | null,
    ) =>
      `${name}, ${scans} scans over ${years} years: ${rate} a year` +
      (interval === null ? ", interval unknown" : `, 95 % interval ${interval}`) +
      (healthy === null ? "." : `; published means of healthy people ${healthy}.`),
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
    normTitle: (name: string) => `${name} over age`,
    changeTitle: (name: string) => `${name} over time`,
    age: "Age in years",
    years: "Years before the newest scan",
    centiles: { p5: "5th", p25: "25th", p50: "50th", p75: "75th", p95: "95th" },
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
