# SPDX-License-Identifier: Apache-2.0
"""``python -m memoryguard.tlog verify FILE --key KEY``: verify without the platform.

This package and `cryptography` are all that it takes. Exit status: 0 intact, 3 not a file that can
be verified, 4 not intact, 5 some of it is not signed yet.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.files import EXIT_REFUSED, EXIT_STATUS, Refused, read_key, verify_file, worst
from memoryguard.tlog.note import VerifierKey


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the files; the worst of their exit statuses."""
    given = _parser().parse_args(arguments)
    try:
        key = read_key(VerifierKey, given.key)
        kept = [path.read_text(encoding="utf-8") for path in given.kept]
    except (Unverified, OSError, UnicodeDecodeError):
        print("the key, or a checkpoint that was kept, cannot be read", file=sys.stderr)
        return EXIT_REFUSED
    return worst(
        [_verify(path, key, kept, given.entry, as_json=given.json) for path in given.files]
    )


def _verify(
    path: Path, key: VerifierKey, kept: Sequence[str], entry: Path | None, *, as_json: bool
) -> int:
    try:
        verdict = verify_file(path, key, kept=kept, entry=entry)
    except Refused as error:
        print(f"{path}: {error.code}: {error.message}", file=sys.stderr)
        return EXIT_REFUSED
    print(json.dumps(verdict.document) if as_json else "\n".join(verdict.lines))
    return EXIT_STATUS[verdict.state]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m memoryguard.tlog", description=__doc__)
    commands = parser.add_subparsers(required=True)
    verify = commands.add_parser("verify", help="an export, a result, a dumped log, or a proof")
    verify.add_argument("files", nargs="+", type=Path, metavar="FILE")
    verify.add_argument("--key", required=True, help="the log's public key, or a file with it")
    verify.add_argument("--kept", type=Path, nargs="*", default=[], help="checkpoints you kept")
    verify.add_argument("--entry", type=Path, help="the entry that a proof is about")
    verify.add_argument("--json", action="store_true", help="print plain JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
