# SPDX-License-Identifier: Apache-2.0
"""Copy the class moments the risk model is fitted on out of the sourced facts.

    python training/risk/copy_moments.py --facts DIR/groups.json

Writes ``moments.json`` beside this file: means and covariances of three diagnosed groups, never
an individual row.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

SOURCE = (
    "Synthetic (synthpop CART) copy of ADNIMERGE rows in the R package GSVD, "
    "github:derekbeaton/GSVD data/synthetic_ADNI.rda; hippocampus is left plus right in mm³ by "
    "FreeSurfer at UCSF, icv is FreeSurfer's in mm³, age and pteducat in years"
)


def main() -> None:
    """Write moments.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=Path, required=True)
    facts = json.loads(parser.parse_args().facts.read_text(encoding="utf-8"))
    document = {"source": SOURCE, **facts["moments_for_simulation"]}
    text = json.dumps(document, indent=1, ensure_ascii=False)
    Path(__file__).with_name("moments.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
