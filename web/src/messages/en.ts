// SPDX-License-Identifier: Apache-2.0
// Every text of the application, in English. A translation is another object of this type.
//
// One scan shows what is low or large for age, not loss over time; the model says how similar a
// person is to diagnosed groups today. The texts keep to that.
import names from "../../../services/api/src/memoryguard/api/names.json";

const degrees = { mild: "mildly", moderate: "moderately", severe: "severely" } as const;

interface Looked {
  what: string;
  action: string;
  grantee: string | null;
  code: string | null;
  purpose: string | null;
  basis: string | null;
}

interface Told {
  step: string;
  state: string;
  text?: string;
  facts: Record<string, string>;
}

const actions: Record<string, string> = {
  "imaging.status": "the status",
  "imaging.watch": "the status",
  "imaging.analysis": "the results",
  "imaging.search": "the list of scans",
  "imaging.list": "the list of scans",
  "imaging.picture": "the picture",
  "imaging.structures": "the 3D surfaces",
  "imaging.brain": "the slices",
  "imaging.labels": "the outlines",
  "access.accept": "an invitation",
  "access.invite": "an invitation",
  "access.withdraw": "an invitation",
  "access.revoke": "who may see the data",
  "access.list": "who may see the data",
  "access.override": "the data in an emergency",
  "audit.ledger": "this list",
  "audit.query": "the log",
  "scan.upload": "an upload",
  "session.create": "a new one-time link",
  "session.follow": "the site, by a one-time link",
  "session.oidc": "the site, by the organisation's sign-in",
  "session.show": "the open session",
};

const purposes: Record<string, string> = {
  TREAT: "treatment",
  ETREAT: "emergency treatment",
  HPAYMT: "payment",
  FAMRQT: "at the family's request",
  HCOMPL: "a legal duty",
  PATRQT: "at the person's own request",
  BTG: "emergency access",
  HOPERAT: "operation of the service",
  HRESCH: "research",
};

const emergencies: Record<string, string> = {
  emergency_treatment: "Emergency treatment",
  patient_cannot_consent: "The person cannot consent now",
  safety: "Somebody's safety",
};

const bases: Record<string, string> = {
  own: "own data",
  role: "by role",
  grant: "shared by you",
  override: "emergency access",
};

const failures: Record<string, string> = { failed: "This step does not hold." };

// Words in braces are facts of the step.
const told: Record<string, Record<string, string>> = {
  key: {
    passed: "It is the key that this browser saw before: {key}",
    noted:
      "Seen here for the first time, and remembered. Compare it once with what the operator publishes: {key}",
    failed: "The log is signed with another key than at the last visit.",
  },
  signature: {
    passed: "{origin} has signed that it has {size} entries.",
    none: "Nothing is signed yet. Try again in a minute.",
    failed: "What the log says about itself is not signed with its key.",
    unable:
      "This browser lacks Ed25519 signatures, so nobody can say here who made the checkpoint.",
  },
  witnesses: {
    passed: "Signed as well by {names}.",
    none: "No witness has signed this checkpoint: what this browser remembers has to do.",
    unknown: "Signed by {unknown}, whose keys this browser does not have.",
    failed: "A witness's signature does not belong to this checkpoint.",
  },
  growth: {
    passed:
      "The log of the last visit ({from} entries) is the beginning of this one ({to} entries).",
    noted:
      "This is the first visit: the size ({size} entries) and the root are remembered from now on.",
    failed:
      "The log of the last visit is not the beginning of this one: entries were changed or removed.",
  },
  leaf: {
    passed: "SHA-256 of the very bytes: {hash}",
    failed: "These bytes are not an entry of a log.",
  },
  path: {
    passed: "Entry {index} is one of the {size} that the signed root stands for. {type}",
    failed: "Joined with the hashes of the proof, these bytes do not lead to the signed root.",
  },
  event: {
    passed: "Opened, and of this scan: {type}",
    failed: "The entry does not open, or is of something else.",
  },
  values: {
    passed: "All {proven} groups of numbers are those of the log, value by value.",
    pending:
      "{proven} groups of numbers are those of the log; others are not signed yet: {unproven}",
    failed: "A number of this page is not what the log holds.",
  },
};

export const messages = {
  names: names as Record<string, string>,
  frame: {
    name: "MemoryGuard Imaging",
    skip: "Skip to the content",
    pages: "Pages",
    scans: "Scans",
    upload: "Send a scan",
    sharing: "Sharing",
    log: "Log",
    account: "Account",
    roles: {
      patient: "Patient",
      caregiver: "Caregiver",
      clinician: "Clinician",
      compliance: "Compliance officer",
      integration: "Integration",
      admin: "Administrator",
    } as Record<string, string>,
    signOut: "Sign out",
    signOutAll: "Sign out everywhere",
    offline: "This device is offline. What is shown may be out of date.",
    disclaimer: "Research use, not a diagnosis. This software is not a medical device.",
  },
  idle: {
    title: "Are you still there?",
    left: (seconds: number) =>
      `Nobody has used this page for a while. To protect what it shows, it signs out in ${seconds} ${seconds === 1 ? "second" : "seconds"}.`,
    stay: "Stay signed in",
  },
  closed: {
    title: "This scan is no longer open to you",
    text: "Permission to see it was taken back or has run out. What was shown is removed from this page.",
  },
  loading: { awaited: "One moment…", again: "Try again", code: "Code:" },
  notFound: {
    title: "Nothing here",
    text: "There is nothing at this address for you to see.",
    home: "To your scans",
  },
  breakGlass: {
    offer: "Open it in an emergency",
    title: "Emergency access",
    means:
      "You open this person's data without being let, for an hour. The person and the compliance officers see who did it, when and why.",
    account: "Account of the person",
    reason: "Reason",
    reasons: emergencies,
    open: "Open the data",
    leave: "Leave it closed",
    another:
      "The data of the account that you named is open to you for an hour, but this scan is not among it.",
  },
  signIn: {
    title: "Please sign in",
    why: {
      new: "",
      left: "You are signed out. Nothing that was shown is left on this page.",
      idle: "You were signed out, since nobody used this page for a while.",
      ended: "Your session has ended. Sign in again to go on.",
      away: "The platform does not answer. Try again in a moment.",
    },
    provider: "Sign in with your organisation",
    byLink: "With a one-time link",
    link: "The command line prints a link beside every result. It opens once, within ten minutes:",
    linkCommand: "memoryguard result <scan>",
    byToken: "With an access token",
    token: "Paste a token (from memoryguard token):",
    tokenKept: "The token is not kept by this page: it becomes a session of this browser.",
    submit: "Sign in",
  },
  sharing: {
    title: "Sharing",
    given: "Who may see your results",
    nobody:
      "You have shared with nobody. Clinicians may see results by their role, as far as this site is set up so.",
    givenCaption: "Accounts that you let see your data. It can be taken back at any time.",
    givenHeads: ["Account", "May see", "Until", "Take back"],
    openCaption: "Invitations that nobody has accepted yet.",
    openHeads: ["Invited", "Would see", "Accept by", "Withdraw"],
    anybody: "whoever has the code",
    scopes: { status: "status", results: "results" } as Record<string, string>,
    scopeMeans: {
      results: "Results: volumes, comparison with healthy people, pictures, reports",
      status: "Status: that there is a scan, and how far its work is",
    },
    day: (iso: string) => new Date(iso).toLocaleDateString("en-GB", { dateStyle: "medium" }),
    noEnd: "no end set",
    revoke: "Take back",
    revokeOf: (who: string) => `Take back what ${who} may see`,
    revokeTitle: (who: string) => `Take back what ${who} may see?`,
    revokeMeans:
      "It holds at once: the next request is refused, and a page that is open loses what it shows. What was seen or saved before cannot be taken back. You can share again later.",
    revokeNow: "Take back now",
    withdraw: "Withdraw",
    withdrawTitle: "Withdraw this invitation?",
    withdrawMeans: "Nobody can accept it any more. Nothing has been seen by it.",
    keep: "Leave it as it is",
    share: "Share with somebody",
    shareMeans:
      "You invite a caregiver or a clinician. They see nothing until they accept, and every look of theirs is listed below.",
    whom: "Account of the person (may be left empty)",
    whomHint: "Empty: you get a code that opens the invitation to whoever has it.",
    what: "What they may see",
    until: "Until",
    invite: "Invite",
    offered: (who: string, until: string) =>
      `${who} is invited, and may accept on the page Sharing until ${until}.`,
    giveCode: (until: string) =>
      `Give this code to the person, by a way you trust. It is shown once, and can be accepted once, until ${until}.`,
    copy: "Copy",
    received: "Shared with you",
    receivedNone: "Nobody has shared results with you.",
    receivedCaption: "People whose data you may see until they take it back.",
    receivedHeads: ["Account", "You may see", "Until"],
    invitedCaption: "Invitations to you.",
    invitedHeads: ["From", "You would see", "Accept by", "Accept"],
    accept: "Accept",
    code: "Code of an invitation",
    ledger: {
      title: "Who has looked at your data",
      own: "Show what you did yourself, too",
      none: "Nobody else in this part of the list.",
      caption:
        "Every look and every refusal, the newest first, from the log that nobody can alter unnoticed.",
      heads: ["When", "Who", "What", "Why"],
      newest: "Back to the newest",
      older: "Show older ones",
      you: "you",
      anonymous: "somebody not signed in",
      noTime: "—",
      scan: "of this scan",
      did: ({ what, action, grantee, code }: Looked): string =>
        ({
          seen: `looked at ${actions[action] ?? action}`,
          refused: `was refused ${actions[action] ?? action}${code ? ` (${code.replaceAll("_", " ")})` : ""}`,
          glass_broken: "opened your data in an emergency",
          invited: grantee ? `invited ${grantee}` : "made an invitation with a code",
          granted: `may see your data now${grantee ? `: ${grantee}` : ""}`,
          revoked: `may no longer see your data${grantee ? `: ${grantee}` : ""}`,
        })[what] ?? what,
      why: ({ purpose, basis }: Looked): string => {
        const told = [
          purpose && (purposes[purpose] ?? emergencies[purpose] ?? purpose),
          basis && (bases[basis] ?? basis),
        ];
        return [...new Set(told.filter(Boolean))].join("; ");
      },
    },
  },
  log: {
    title: "Log",
    intro:
      "Everything that happens on this platform is an entry of an append-only log. This page does not believe what it is told: it checks signatures and hashes in this browser.",
    checkpoint: "Checkpoint",
    checkpointCaption: "What the log has signed last: its size, and one hash over all its entries.",
    origin: "Log",
    size: "Entries",
    root: "Root",
    key: "Key",
    signedBy: "Signed by",
    witnessAt: (name: string, at: string) => `${name} (a witness, as it says at ${at})`,
    again: "Check again",
    trust: "What this browser trusts",
    forget: "Forget the last visit",
    forgetMeans:
      "Only after the log was set up anew for a reason that you know: the next visit then begins to trust from the start.",
    witnesses: "Keys of witnesses that you trust, one a line",
    keepWitnesses: "Keep these keys",
    entries: "Entries",
    entriesCaption: "The newest first.",
    heads: ["No.", "When", "What", "By", "About", "Outcome", "Proof"],
    narrow: "Filter the entries",
    filter: "Filter",
    clear: "Clear",
    filters: {
      action: "Action",
      actor: "By account",
      user: "About account",
      subject: "About pseudonym",
      scan: "Scan",
      type: "Type of event",
      outcome: "Outcome",
      from: "From",
      to: "Before",
    },
    outcomes: { "": "any", success: "success", denied: "denied", failure: "failure" },
    none: "No entry matches.",
    older: "Show older entries",
    newest: "Back to the newest",
    itself: "the person",
    nobody: "nobody",
    prove: "Check",
    proveOf: (number: number) => `Check the proof of entry ${number}`,
    entry: (number: number) => `Entry ${number}`,
    alter: "Alter one byte, to see it fail",
    unaltered: "Put the byte back",
    altered: (at: number) =>
      `One bit of byte ${at} of the entry was turned in this browser. Nothing was sent anywhere.`,
    proven: "What the entry says, as the log holds it",
    close: "Close",
  },
  proof: {
    offer: "The numbers of this page can be checked against the log, here in your browser.",
    check: "Check this result",
    limits:
      "This shows that the platform has said these numbers of this scan. It does not show that they are right. The account, times, and the latest health metrics are not covered.",
    insecure: "This browser checks signatures only on pages that come by an encrypted connection",
    reason: "Reason:",
    picture: "Picture of the path",
    pictureOf: (index: number, size: number, levels: number) =>
      `Entry ${index} at the foot, joined with ${levels} hashes on its way to the root of ${size} entries at the top`,
    verdicts: {
      passed: "Every step holds.",
      failed: "A step does not hold. Do not trust this.",
      noted: "Nothing is wrong, and not everything is proved yet.",
      unable: "This browser cannot check signatures (it lacks Ed25519). A newer one can.",
    },
    states: {
      passed: "holds",
      failed: "does not hold",
      noted: "for your information",
      unable: "cannot be checked here",
    },
    steps: {
      key: "The log's key",
      signature: "Signature of the checkpoint",
      witnesses: "Witnesses",
      growth: "Nothing was rewritten",
      leaf: "Fingerprint of the entry",
      path: "Path to the root",
      event: "Contents of the entry",
      values: "Numbers of the result",
    },
    told: ({ step, state, text, facts }: Told): string => {
      const known = told[step]?.[text ?? state] ?? failures[state] ?? "";
      return known.replaceAll(/\{(\w+)\}/g, (_, name: string) => facts[name] ?? "");
    },
  },
  scans: {
    title: "Scans",
    emptySend: "There is no scan for you to see yet. Drop one above to send it.",
    emptyShared:
      "There is no scan for you to see yet. The person whose scans you may see has to share them with you.",
    filter: "Filter",
    filters: {
      user_id: "Account, in full",
      q: "Scan",
      from: "Uploaded from",
      to: "Uploaded until",
    },
    noneMatches: "No scan matches this filter.",
    showAll: "Show all scans",
    any: "Any",
    heads: {
      uploaded: "Uploaded",
      account: "Account",
      status: "Status",
      hippocampi: "Hippocampi, both",
      brain: "Whole brain",
      severity: "For age",
    },
    shown: (count: number, older: boolean) =>
      older ? `${count} shown; there are older ones` : `${count} shown`,
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
      "Each volume beside healthy people of the same age, sex and head size. ± is one standard deviation of the measurement. Expected is their median, as this program measures. The green band is the middle 80 %, the dot is this scan, the line its uncertainty (one standard deviation).",
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
  downloads: {
    title: "Documents",
    /** Of the API, below the address of the scan. */
    made: [
      ["report.pdf?for=plain", "Report in plain words (PDF)"],
      ["report.pdf?for=clinician", "Report for clinicians (PDF)"],
      ["measurements.csv", "Measurements as a table (CSV)"],
      ["fhir", "Result for other systems (FHIR R4)"],
    ] as const,
    files: {
      picture: "Picture of the slices (PNG)",
      "structures.glb": "Surfaces of the structures (glTF)",
      "brain.nii.gz": "The brain without the head (NIfTI)",
      "labels.nii.gz": "Labels of its structures (NIfTI)",
    } as Record<string, string>,
    note: "What you save leaves the protection of this page. No face is in any of it.",
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
