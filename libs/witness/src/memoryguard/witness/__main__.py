# SPDX-License-Identifier: Apache-2.0
"""Run a witness: ``python -m memoryguard.witness``, or ``memoryguard witness``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from memoryguard.common.errors import EX_CONFIG, Corrupt, Misconfigured
from memoryguard.common.runtime.telemetry import set_up_logging
from memoryguard.tlog.errors import Unverified
from memoryguard.tlog.note import VerifierKey
from memoryguard.tlog.witness import Logs, logs_of
from memoryguard.witness.http import Witness
from memoryguard.witness.key import make_key, read_key
from memoryguard.witness.memory import open_memory

logger = logging.getLogger(__name__)

DEFAULT_PORT = 8471


def run(arguments: Sequence[str]) -> None:
    """Do what the command line says: serve, or make a key and print its public half.

    Raises
    ------
    Misconfigured, Corrupt
        What keeps the witness from running.
    """
    if "new-key" in arguments[:1]:
        _new_key(_maker().parse_args(arguments[1:]))
    else:
        _serve(_server().parse_args(arguments))


def _server() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "memoryguard witness",
        description="Cosign the growth of a log, and nothing that contradicts what was signed"
        " before. This proves something only where nobody who runs the log can reach it. The"
        " command `new-key` makes the key first.",
    )
    _places(parser)
    parser.add_argument(
        "--log-key",
        action="append",
        default=[],
        metavar="KEY",
        help="verifier key of a log that is witnessed (GET /api/v1/audit/key); may come again",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    return parser


def _maker() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "memoryguard witness new-key",
        description="Make the witness's key, where there is none, and print its verifier key.",
    )
    _places(parser)
    parser.add_argument("--name", required=True, help="of the witness, as an address without https")
    return parser


def _places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=Path, required=True, help="folder of what it remembers")
    parser.add_argument("--key", type=Path, help="file of its key; `key` in that folder by default")


def _new_key(asked: argparse.Namespace) -> None:
    asked.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    print(make_key(asked.key or asked.state / "key", asked.name).key)


def _serve(asked: argparse.Namespace) -> None:
    logs = _logs(asked.log_key)
    cosigner = read_key(asked.key or asked.state / "key")
    set_up_logging()
    with open_memory(asked.state, cosigner.key) as memory:
        app = Witness(memory, logs, cosigner).app()
        extra = {"key": str(cosigner.key), "port": asked.port, "logs": sorted(logs)}
        logger.info("witnessing", extra=extra)
        try:
            web.run_app(app, host=asked.host, port=asked.port, print=None, access_log=None)
        except OSError as error:
            raise Misconfigured(
                "port_taken", f"port {asked.port} is taken", "choose another with --port"
            ) from error


def _logs(keys: Sequence[str]) -> Logs:
    try:
        logs = logs_of(VerifierKey.parse(key) for key in keys)
    except Unverified:
        logs = None
    if not logs:
        raise Misconfigured(
            "bad_log_key", "no log is named by its verifier key", "--log-key KEY, once for each"
        )
    return logs


def main() -> None:
    """Run the command; what keeps it from running is one helpful line."""
    try:
        run(sys.argv[1:])
    except (Misconfigured, Corrupt) as error:
        print(f"{error} ({error.hint})", file=sys.stderr)
        raise SystemExit(EX_CONFIG if isinstance(error, Misconfigured) else 1) from None


if __name__ == "__main__":
    main()
