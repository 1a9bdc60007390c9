// SPDX-License-Identifier: Apache-2.0
// A made-up analysis for tests: one hippocampus low for age, one as usual, the rest not compared.
import type { Change, RegionScore } from "../contracts/events";
import type { Analysis } from "../documents";

const SCORE = {
  volume_mm3: null,
  centile: null,
  centile_band: null,
  severity_reason: null,
  pack: null,
  site: null,
  reason: null,
} as unknown as RegionScore;

export const CHANGE: Change = {
  scans: 2,
  interval_years: 1.5,
  percent_per_year: -3.4,
  se_percent_per_year: 1.6,
  ci95_percent_per_year: [-6.5, -0.3],
  within_measurement_noise: false,
  published_percent_per_year: {},
  reason: null,
  error_reason: null,
  error_source: null,
} as Change;

export function analysis(more: Partial<Analysis> = {}): Analysis {
  return {
    id: "later",
    imaging_id: "later",
    user_id: "anna",
    created_at: "2026-01-01T00:00:00Z",
    volumes_mm3: {
      hippocampus_left: 2500,
      hippocampus_right: 3600,
      amygdala_left: 1500,
      third_ventricle: null,
    },
    thickness_mm: {},
    errors_sd: { volumes_mm3: { hippocampus_left: 200, hippocampus_right: 130 }, thickness_mm: {} },
    atrophy: {
      regions: {
        hippocampus_left: {
          ...SCORE,
          z: -2.7,
          z_sd: 0.8,
          median_mm3: 3700,
          centile: 0.4,
          centile_band: [0.01, 4],
          severity: "moderate",
          direction: "low",
        },
        hippocampus_right: {
          ...SCORE,
          z: -0.2,
          z_sd: null,
          median_mm3: 3650,
          centile: 42,
          severity: "none",
          direction: "low",
        },
      },
      thickness: {},
      summaries: {},
      packs: {},
      overall: "moderate",
      overall_region: "hippocampus_left",
      overall_at_least: false,
      flags: [],
      change: {},
      earlier_scans: [],
      asymmetry_percent: {},
      ratios: {},
    },
    artifacts: {},
    reasons: {
      volumes_mm3: { third_ventricle: "not_found" },
      thickness_mm: {},
      asymmetry_percent: {},
      ratios: {},
      atrophy: { amygdala_left: "no_norm_for_region" },
      risk: [],
    },
    ...more,
  } as Analysis;
}
