# SPDX-License-Identifier: Apache-2.0
"""Norms as their sources state them, copied into pack documents without anything measured here."""

from __future__ import annotations

from typing import Any

VERSION = "2"
"""Of every pack; a change of what they say makes another."""

# The facts' region names that the service calls otherwise.
IXI_NAMES = {
    "hippocampus_left": "hippocampus_left",
    "hippocampus_right": "hippocampus_right",
    "hippocampus_total": "hippocampus_total",
    "log10_lateral_ventricles": "lateral_ventricles",
    "log10_third_ventricle": "third_ventricle",
    "cortical_grey": "cortical_grey_matter",
    "cerebral_white": "cerebral_white_matter",
    "total_brain": "total_brain",
}
POTVIN_NAMES = {
    "hippocampus_left": "hippocampus_left",
    "hippocampus_right": "hippocampus_right",
    "lateral_ventricle_left": "lateral_ventricle_left",
    "lateral_ventricle_right": "lateral_ventricle_right",
    "third_ventricle": "third_ventricle",
    "cortical_grey_left": "cortical_grey_left",
    "cortical_grey_right": "cortical_grey_right",
    "mean_cortical_thickness_left": "cortex_left",
    "mean_cortical_thickness_right": "cortex_right",
}
NOMIS_NAMES = {
    "hippocampus_left": "hippocampus_left",
    "hippocampus_right": "hippocampus_right",
    "lateral_ventricle_left": "lateral_ventricle_left",
    "lateral_ventricle_right": "lateral_ventricle_right",
    "third_ventricle": "third_ventricle",
    "total_brain (BrainSegVolNotVent)": "total_brain",
}
# NOMIS's inputs in the letters of a pack's terms. What only FreeSurfer states (CNR, surface holes)
# stands at its centre, where it adds nothing; `voxel` is 1, and its coefficient a constant.
NOMIS_TERMS = {
    "age": "A", "age2": "A^2", "age3": "A^3", "etiv": "V", "etiv2": "V^2", "etiv3": "V^3",
    "age_x_etiv": "A*V", "age_x_sex_m": "A*M", "etiv_x_sex_m": "V*M", "etiv_x_mfs_15": "V*F",
    "mfs_15_x_manufacturer_philips": "P*F", "mfs_15_x_manufacturer_ge": "G*F", "sex_m": "M",
    "mfs_15": "F", "manufacturer_philips": "P", "manufacturer_ge": "G",
}  # fmt: skip
NOMIS_AT_CENTRE = {"surfaceholes", "surfaceholes2", "surfaceholes3", "cnr", "cnr2", "cnr3"}
# Where the source's own sample size and ages could not be verified: those of Potvin 2016, whose
# authors made NOMIS of a larger sample.
POTVIN_N, POTVIN_CORTEX_N = 2790, 2713


def potvin(facts: dict[str, Any]) -> dict[str, Any]:
    """Potvin 2016/2017 as a pack document, without evidence."""
    model = facts["models"]["potvin_2016_2017"]
    by_name = {region["structure"]: region for region in model["regions"]}
    return {
        "name": "potvin_2016_2017",
        "version": VERSION,
        **{key: model[key] for key in ("citation", "address", "licence", "exactness", "software")},
        "licence_note": "coefficients are published facts; no text or code of the source is copied",
        "population": model["population"],
        "valid_age_years": model["valid_age"],
        "field_strengths_t": [1.5, 3.0],
        # 23 samples are pooled in the residual, so it already holds the spread between sites.
        "new_site_sd_factor": 1.0,
        "regions": {ours: _potvin_region(by_name[name]) for name, ours in POTVIN_NAMES.items()},
        "totals": {
            "hippocampus_total": _hippocampi(model["total_hippocampus"]),
            "lateral_ventricles": {
                "rule": "log10_of_sum",
                "parts": ["lateral_ventricle_left", "lateral_ventricle_right"],
                "resid_sd": model["total_lateral_ventricles"]["sd"],
                "status": model["total_lateral_ventricles"]["status"],
                "source": model["total_lateral_ventricles"]["sd_evidence"],
            },
            "cortical_grey_matter": _joined(facts, "sum", "cortical_grey", "ctxvol"),
            "cortex_mean": _joined(facts, "mean", "cortex", "thick"),
        },
        "evidence": {},
    }


def _hippocampi(total: dict[str, Any]) -> dict[str, Any]:
    return {
        "rule": "sum",
        "parts": ["hippocampus_left", "hippocampus_right"],
        "rho": total["rho"],
        "status": total["status"],
        "source": total["rho_evidence"],
    }


def _joined(facts: dict[str, Any], rule: str, name: str, key: str) -> dict[str, Any]:
    """Both sides together, by the correlation of their residuals within site (fcon1000)."""
    overall, within = facts["validation"]["more"][f"LRcorr_fcon {key}"]
    return {
        "rule": rule,
        "parts": [f"{name}_left", f"{name}_right"],
        "rho": within,
        "status": "derived here, not published",
        "source": f"residuals of the sides correlate {within} within site, {overall} over all"
        " (fcon1000, n=1043, computed_here)",
    }


def _potvin_region(region: dict[str, Any]) -> dict[str, Any]:
    cortical = region["region_key"].startswith("Cortex")
    return {
        "region_key": region["region_key"],
        "response": _scale(region["response"]),
        "center_age_years": region["center_age"],
        "center_icv_mm3": region["center_icv_mm3"],
        "coefficients": region["coefficients"],
        "resid_sd": region["resid_sd"],
        # The population's two sample sizes, as the facts give them.
        "fit_n": POTVIN_CORTEX_N if cortical else POTVIN_N,
    }


def _scale(response: str) -> str:
    return "log10_mm3" if response.startswith("log10") else response


def nomis(facts: dict[str, Any]) -> dict[str, Any]:
    """NOMIS (FreeSurfer 6) as a pack document, without evidence."""
    model = facts["models"]["nomis_fs6"]
    by_name = {region["structure"]: region for region in model["regions"]}
    return {
        "name": "nomis_fs6",
        "version": VERSION,
        "citation": [model["citation"]],
        **{key: model[key] for key in ("address", "licence", "exactness", "software")},
        "licence_note": "BSD 3-clause: coefficients copied with this notice of their source",
        "population": model["population"],
        "caution": f"{model['warning']} Here: {model['without_QC_inputs']}. Ages and sample size"
        " are those of Potvin 2016, since the source's own were not verified.",
        "valid_age_years": facts["models"]["potvin_2016_2017"]["valid_age"],
        "field_strengths_t": [1.5, 3.0],
        "new_site_sd_factor": 1.0,
        "regions": {
            ours: _nomis_region(by_name[name], model["centers"])
            for name, ours in NOMIS_NAMES.items()
        },
        "totals": {
            "hippocampus_total": _hippocampi(
                facts["models"]["potvin_2016_2017"]["total_hippocampus"]
            ),
            "lateral_ventricles": _joined(facts, "log10_of_sum", "lateral_ventricle", "latvent"),
        },
        "evidence": {},
    }


def _nomis_region(region: dict[str, Any], centers: dict[str, float]) -> dict[str, Any]:
    coefficients = dict(region["coefficients"])
    intercept = region["intercept"] + coefficients.pop("voxel")
    kept = {name: value for name, value in coefficients.items() if name not in NOMIS_AT_CENTRE}
    return {
        "region_key": region["region_key"],
        "response": _scale(region["response"]),
        "center_age_years": centers["age"],
        "center_icv_mm3": centers["etiv_mm3"],
        "coefficients": {"1": intercept} | {NOMIS_TERMS[name]: v for name, v in kept.items()},
        "resid_sd": region["resid_sd"],
        "fit_n": POTVIN_N,
    }


def ixi(facts: dict[str, Any]) -> dict[str, Any]:
    """The fit on IXI's SynthSeg volumes as a pack document, without evidence."""
    model = facts["models"]["ixi_synthseg_fit"]
    low, high = model["valid_age"]
    return {
        "name": "ixi_synthseg_fit",
        "version": VERSION,
        "citation": [
            "IXI dataset, brain-development.org (CC BY-SA 3.0): SynthSeg volumes of healthy adults",
            model["status"],
        ],
        "address": model["address"],
        "licence": "CC BY-SA 3.0 (IXI)",
        "licence_note": "regression summaries only, attributed to IXI; no individual values",
        "exactness": model["exactness"],
        "software": model["software"],
        "population": f"{model['status']}; total_brain is every label but ventricles and CSF",
        "valid_age_years": [low, high],
        "field_strengths_t": [1.5, 3.0],
        "caution": model["caution"],
        # From the caution: z spreads 1.3 times wider at a site that is not in the fit.
        "new_site_sd_factor": 1.3,
        "regions": {
            IXI_NAMES[name]: _ixi_region(name, region)
            for name, region in model["regions"].items()
            if name in IXI_NAMES
        },
        "totals": {},
        "evidence": {},
    }


def _ixi_region(name: str, region: dict[str, Any]) -> dict[str, Any]:
    return {
        "region_key": name,
        "response": "log10_mm3" if name.startswith("log10") else "mm3",
        "center_age_years": 65.0,
        "center_icv_mm3": 1.45e6,
        # The source states two coefficients per 100 years² and per 100 cm³ (1e5 mm³).
        "coefficients": {
            "1": region["b0"],
            "A": region["b_age"],
            "A^2": region["b_age2_per100"] / 100.0,
            "M": region["b_male"],
            "V": region["b_icv_per100cm3"] / 1e5,
        },
        "resid_sd": region["resid_sd"],
        "fit_n": region["n"],
    }
