# SPDX-License-Identifier: Apache-2.0
"""Write the hashes in manifest.json again after calibration changed a file."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path


def seal(folder: Path) -> None:
    """Hash every file that the manifest names."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in sorted(manifest["files"])
    }
    path.write_text(json.dumps(manifest, indent=1) + "\n")


def main() -> None:
    """Seal one folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    seal(parser.parse_args().folder)


if __name__ == "__main__":
    main()
