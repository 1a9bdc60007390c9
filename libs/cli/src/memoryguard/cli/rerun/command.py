# SPDX-License-Identifier: Apache-2.0
"""``memoryguard rerun``: which verdicts another risk model would change, as a signed list."""

from __future__ import annotations

import asyncio
import json as plain
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cyclopts import App, Parameter
from pydantic import SecretStr
from rich.console import Console
from rich.progress import Progress

from memoryguard.audit.settings import AuditSettings
from memoryguard.cli.access import DEFAULT_HOME, AsJson, HomeFolder
from memoryguard.cli.audit import key_of
from memoryguard.cli.home import Home
from memoryguard.cli.replay import Place, database
from memoryguard.cli.rerun.comparing import Comparison, Told
from memoryguard.cli.rerun.listing import check_list, write_list
from memoryguard.common.errors import Rejected
from memoryguard.common.runtime.database import open_pool
from memoryguard.common.runtime.settings import KafkaSettings
from memoryguard.ml.answer import answer
from memoryguard.ml.model import RiskModel
from memoryguard.ml.settings import MlSettings
from memoryguard.tlog.note import VerifierKey

SIGNING_KEY = "MEMORYGUARD_AUDIT_SIGNING_KEY"

app = App(name="rerun", help="Which verdicts another risk model would change; publishes nothing.")
err = Console(stderr=True)


@app.default
def rerun(
    *,
    model: Annotated[Path, Parameter(help="Folder of the other model.")],
    since: Annotated[str, Parameter(help="Day of the first verdict that counts: 2026-01-01.")],
    out: Annotated[Path, Parameter(help="The list; its signature comes beside it.")] = Path(
        "rerun.json"
    ),
    threshold: Annotated[
        float, Parameter(help="By how much dementia_similarity may move unlisted.")
    ] = 0.05,
    database_url: Annotated[
        str | None,
        Parameter(env_var="MEMORYGUARD_DATABASE_URL", help="Database; that of --home by default."),
    ] = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """List every scan whose verdict would change under another model, and sign the list."""
    place = Place(Home(home.resolve()), database_url)
    key = signing_key(place)
    predict = partial(answer, model=RiskModel(model, MlSettings().prevalence))
    comparison = Comparison(predict, start_of(since), threshold)
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("comparing", total=None)

        def told(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        asyncio.run(compare(place, comparison, told))
    document = comparison.document()
    signature = write_list(document, out, key)
    _tell(document, {"list": str(out), "signature": str(signature)}, as_json=json)


@app.command
def verify(
    place: Path,
    *,
    key: Annotated[
        str | None, Parameter(help="The log's public key (C2SP); that of --home by default.")
    ] = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Check that a list is as it was signed. Exit status 3: it is not."""
    public = VerifierKey.parse(key) if key else key_of(Home(home.resolve()))
    _tell(check_list(place, public), {"signature": "good"}, as_json=json)


async def compare(place: Place, comparison: Comparison, told: Told) -> None:
    """Compare everything that a place keeps."""
    async with database(place) as url, await open_pool(url, "ml", 2) as pool:
        await comparison.run(pool, KafkaSettings(), told)


def start_of(day: str) -> datetime:
    """Read a day as its beginning, UTC.

    Raises
    ------
    Rejected
        ``bad_date``.
    """
    try:
        return datetime.combine(date.fromisoformat(day), time.min, UTC)
    except ValueError:
        raise Rejected("bad_date", "a day is written 2026-01-01") from None


def signing_key(place: Place) -> Ed25519PrivateKey:
    """Find the log's private key: in the home, or of a deployment in the environment.

    Raises
    ------
    Misconfigured
        ``no_home``, ``no_signing_key``.
    """
    if place.database_url is None:
        pem = place.home.environment("")[SIGNING_KEY]
        return AuditSettings(signing_key=SecretStr(pem)).signer().private_key
    return AuditSettings().signer().private_key


def _tell(document: dict[str, Any], where: dict[str, str], *, as_json: bool) -> None:
    """Say how much would change; the scans stand in the list alone."""
    if as_json:
        told = {name: value for name, value in document.items() if name != "scans"}
        print(plain.dumps(told | where))
        return
    changed = document["changed"]
    print(f"compared: {document['compared']} scans; the verdict of {changed} would change")
    for name in ("changes", "not_compared"):
        counts: dict[str, int] = document[name]
        for what, count in counts.items():
            if count:
                print(f"  {name.replace('_', ' ')}: {what} {count}")
    for name, value in where.items():
        print(f"{name}: {value}")
