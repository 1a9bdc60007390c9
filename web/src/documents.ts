// SPDX-License-Identifier: Apache-2.0
// What the API answers, made of the parts that events are made of.
import type {
  Change,
  Contribution,
  Engine,
  NormPack,
  Person,
  Quality,
  RegionScore,
  Summary,
  ThicknessScore,
} from "./contracts/events";

export type Status = "uploaded" | "processing" | "completed" | "failed";
export type Severity = RegionScore["severity"];
export type Values = Record<string, number | null>;

export interface ScanStatus {
  imaging_id: string;
  user_id: string | null;
  modality: string | null;
  status: Status;
  stage: string;
  created_at: string;
  updated_at: string;
  stages: Record<string, number>;
  error?: { code: string; message: string; hint: string | null };
}

export interface ScanSummary extends ScanStatus {
  hippocampal_volume_total: number | null;
  cortical_thickness_mean: number | null;
  total_brain_volume: number | null;
  atrophy_severity: Severity;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export interface Artifact {
  path: string;
  sha256: string;
  bytes: number;
}

export interface Atrophy {
  regions: Record<string, RegionScore>;
  thickness: Record<string, ThicknessScore>;
  summaries: Record<string, Summary>;
  packs: Record<string, NormPack>;
  overall: Severity;
  overall_region: string | null;
  overall_at_least: boolean;
  flags: string[];
  change: Record<string, Change>;
  earlier_scans: string[];
  asymmetry_percent: Values;
  ratios: Values;
}

export interface Risk {
  model: Engine;
  probabilities: Record<string, number>;
  explained: string;
  base: number;
  output: number;
  contributions: Contribution[];
  missing: Record<string, string>;
  dementia_similarity: number | null;
  intervals95: Record<string, [number, number]> | null;
  prevalence: Record<string, number> | null;
  baseline: string | null;
  group_contributions: Record<string, number> | null;
}

export interface Analysis extends ScanSummary {
  id: string;
  quality: Quality | null;
  engine: Engine | null;
  person: Person | null;
  acquisition: Record<string, unknown> | null;
  volumes_mm3: Values;
  thickness_mm: Values;
  errors_sd: { volumes_mm3: Values; thickness_mm: Values };
  atrophy: Atrophy;
  risk: Risk | null;
  risk_withheld: { model: Engine; reasons: { code: string; message: string }[] } | null;
  health: Record<string, { value: number; provenance: string }>;
  seconds: Record<string, number>;
  picture: string | null;
  artifacts: Partial<Record<ArtifactName, Artifact>>;
  reasons: Reasons;
}

export type ArtifactName = "picture" | "structures.glb" | "brain.nii.gz" | "labels.nii.gz";

export interface Reasons {
  volumes_mm3: Record<string, string>;
  thickness_mm: Record<string, string>;
  asymmetry_percent: Record<string, string>;
  ratios: Record<string, string>;
  atrophy: Record<string, string>;
  risk: { code: string; message: string }[];
  picture?: string;
}
