# SPDX-License-Identifier: Apache-2.0
"""``memoryguard``: run the platform, use it, measure without it, and check its log.

Exit status: 0 done, 1 an error (one line says which), 3 refused, 4 the log is not intact,
5 not all of a result is signed yet, 78 wrongly configured.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from cyclopts import App, Parameter
from rich.console import Console

from memoryguard.cli.access import (
    DEFAULT_HOME,
    AsJson,
    HomeFolder,
    Token,
    Url,
    access_to,
)
from memoryguard.cli.home import Home, make_home
from memoryguard.cli.prepare import app as prepare_app
from memoryguard.client import ApiError
from memoryguard.common.errors import EX_CONFIG, MemoryGuardError, Misconfigured, Rejected
from memoryguard.common.security.policy import Role
from memoryguard.tlog.errors import Unverified

if TYPE_CHECKING:
    from memoryguard.cli.replay import Deed, Outcome

EX_REFUSED = 3

ServiceName: TypeAlias = Annotated[str, Parameter(help="Which service, or all of them: all.")]
DatabaseUrl: TypeAlias = Annotated[
    str | None,
    Parameter(env_var="MEMORYGUARD_DATABASE_URL", help="Database; that of --home by default."),
]

app = App(
    name="memoryguard",
    help="Brain-MRI analysis, event-driven and auditable. Research software, not a medical device.",
    version_flags=["--version"],
)
audit_app = App(name="audit", help="Questions to the audit log.")
app.command(audit_app)
audit_app.command("memoryguard.cli.answers:review", name="review")
audit_app.command("memoryguard.cli.answers:ledger", name="ledger")
audit_app.command("memoryguard.cli.prune:command", name="prune")
audit_app.command("memoryguard.cli.verifying:verify", name="verify")
audit_app.command("memoryguard.cli.verifying:dump", name="dump")
app.command(prepare_app)
app.command("memoryguard.cli.keys:app", name="keys")
app.command("memoryguard.cli.norms:app", name="norms")
app.command("memoryguard.cli.worklist:app", name="worklist")
app.command("memoryguard.cli.report:report", name="report")
app.command("memoryguard.cli.score.command:score", name="score")
app.command("memoryguard.cli.rerun.command:app", name="rerun")
app.command("memoryguard.cli.witness:app", name="witness")

out = Console()
err = Console(stderr=True)


@app.command
def up(
    *,
    home: HomeFolder = DEFAULT_HOME,
    host: str = "127.0.0.1",
    port: int = 8470,
    database_url: Annotated[
        str | None, Parameter(env_var="MEMORYGUARD_DATABASE_URL", help="Instead of the embedded.")
    ] = None,
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING",
) -> None:
    """Run the whole platform: embedded database, every service, one port. Ctrl-C stops it."""
    from memoryguard.cli.up import platform, serve_until_signal
    from memoryguard.common.runtime.telemetry import set_up_logging

    set_up_logging(log_level)

    async def run() -> None:
        async with platform(
            make_home(home), database_url=database_url, host=host, port=port
        ) as running:
            out.print(f"MemoryGuard serves at [bold]{running.url}[/]  (home: {home})")
            out.print("A token for yourself: memoryguard token me --role patient")
            await serve_until_signal(running)

    asyncio.run(run())


@app.command
def down(*, home: HomeFolder = DEFAULT_HOME, json: AsJson = False) -> None:
    """Stop a platform that was left running; it finishes what it has in hand."""
    from memoryguard.cli.operate import stop

    stopped = stop(Home(home.resolve()))
    if json:
        _print({"stopped": stopped})
    else:
        out.print("stopped" if stopped else "nothing runs in this home")


@app.command
def token(
    user: str,
    *,
    role: Annotated[
        list[Role] | None, Parameter(help="One or several; patient by default.")
    ] = None,
    hours: Annotated[float, Parameter(help="Lifetime.")] = 1.0,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Print a bearer token for an account, signed by the local issuer."""
    roles = role or ["patient"]
    issued = Home(home).issuer().issue(user, roles, int(hours * 3600))
    if json:
        _print({"token": issued, "user_id": user, "roles": roles, "hours": hours})
    else:
        print(issued)


@app.command
def upload(
    *places: Path,
    user: Annotated[
        str | None, Parameter(help="Whose scan it is, when you are a clinician.")
    ] = None,
    follow: Annotated[bool, Parameter("--follow", negative="", help="Then watch.")] = False,
    url: Url = None,
    token: Token = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Upload DICOM folders, zips or files; go on where a broken connection left off."""
    from memoryguard.cli import use

    access = access_to(home, url, token)
    for imaging_id in asyncio.run(use.upload(access, places, user, json, out, err)):
        if follow:
            asyncio.run(use.watch(access, imaging_id, json, out))


@app.command
def watch(
    imaging_id: str,
    *,
    url: Url = None,
    token: Token = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Follow a scan's status live until it is completed or failed."""
    from memoryguard.cli import use

    asyncio.run(use.watch(access_to(home, url, token), imaging_id, json, out))


@app.command
def result(
    imaging_id: str,
    *,
    url: Url = None,
    token: Token = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
    proof: Annotated[
        bool, Parameter("--proof", negative="", help="As JSON that `audit verify` can check.")
    ] = False,
) -> None:
    """Show a scan's analysis."""
    from memoryguard.cli import use

    asyncio.run(use.result(access_to(home, url, token), imaging_id, json or proof, out, proof))


@app.command
def analyze(
    path: Path,
    *,
    age: Annotated[
        float | None, Parameter(help="Age at the scan in years; else from DICOM.")
    ] = None,
    sex: Annotated[Literal["F", "M"] | None, Parameter(help="Else from DICOM.")] = None,
    labels: Annotated[Path | None, Parameter(help="Write the label map here (.nii.gz).")] = None,
    json: AsJson = False,
) -> None:
    """Measure a scan without any server: a DICOM folder, zip, multi-frame file or NIfTI."""
    from memoryguard.cli.analyze import analyze as measure
    from memoryguard.cli.show import show

    with err.status("measuring: about ten seconds"):
        document, status = measure(path, age_years=age, sex=sex, labels_out=labels)
    _print(document) if json else out.print(show(document))
    raise SystemExit(status)


@app.command
def sample(folder: Path, *, seed: int = 7, json: AsJson = False) -> None:
    """Make test data without patients: a synthetic person's two scans, as DICOM."""
    from memoryguard.cli.sample import make_sample

    with err.status("making two scans: about ten seconds"):
        person = make_sample(folder, seed)
    if json:
        _print(person.document)
    else:
        out.print(f"Two synthetic scans and [bold]sample.json[/] are in {folder}")


@app.command
def erase(
    user: str,
    *,
    yes: Annotated[bool, Parameter("--yes", negative="", help="Do not ask.")] = False,
    url: Url = None,
    token: Token = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Erase everything of an account's owner, for ever. Asked again, it sweeps up what was left."""
    from memoryguard.cli import use

    access = access_to(home, url, token, ["admin"])
    if not yes:
        use.confirm_erasure(user, out)
    asyncio.run(use.erase(access, user, json, out))


@app.command
def redrive(
    service: ServiceName,
    *,
    database_url: DatabaseUrl = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Give a service's dead events another chance."""
    from memoryguard.cli.replay import redrive

    _to_services(redrive, service, home, database_url, json)


@app.command
def rebuild(
    service: ServiceName,
    *,
    database_url: DatabaseUrl = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Derive again what a service derived from events. While it serves."""
    from memoryguard.cli.replay import rebuild

    with err.status("reading") as status:

        def told(done: int, there: int) -> None:
            status.update(f"{done:,} of {there:,} events")

        outcomes = _done(rebuild(told), service, home, database_url)
    _say_outcomes(outcomes, json)


@app.command
def replay(
    service: ServiceName,
    *,
    database_url: DatabaseUrl = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Feed a service everything on the bus again; it drops what it knows. While it serves."""
    from memoryguard.cli.replay import replay_all

    _to_services(replay_all, service, home, database_url, json)


@app.command
def recover(
    service: ServiceName,
    *,
    database_url: DatabaseUrl = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Tell a database restored from a backup what its service said since. While it is stopped."""
    from memoryguard.cli.replay import recover_from_bus

    _to_services(recover_from_bus, service, home, database_url, json)


@app.command
def republish(
    service: ServiceName,
    *,
    database_url: DatabaseUrl = None,
    home: HomeFolder = DEFAULT_HOME,
    json: AsJson = False,
) -> None:
    """Have a service say everything again: the bus was lost. While it is stopped."""
    from memoryguard.cli.replay import republish

    _to_services(republish, service, home, database_url, json)


@app.command
def doctor(*, home: HomeFolder = DEFAULT_HOME, json: AsJson = False) -> None:
    """Look for what is missing or wrong on this machine and in this home."""
    from memoryguard.cli import operate

    checks = asyncio.run(operate.doctor(Home(home.resolve())))
    if json:
        _print({"checks": [check.document() for check in checks]})
    else:
        for check in checks:
            out.print(f"[{'green]ok   ' if check.ok else 'red]wrong'}[/] {check.name}: {check.say}")
    raise SystemExit(0 if all(check.ok for check in checks) else 1)


@app.command
def demo(
    *,
    home: HomeFolder = Path("memoryguard-demo"),
    keep: Annotated[bool, Parameter("--keep", negative="", help="Leave it running.")] = False,
    port: int = 0,
) -> None:
    """Show everything on a synthetic person: start, upload, measure, explain, prove, tamper."""
    from memoryguard.cli.demo import run_demo

    asyncio.run(run_demo(home, keep=keep, port=port, out=out))


def _to_services(
    deed: Deed, service: str, home: Path, database_url: str | None, as_json: bool
) -> None:
    """Do a deed to one service or to all, and say what came of it."""
    _say_outcomes(_done(deed, service, home, database_url), as_json)


def _done(deed: Deed, service: str, home: Path, database_url: str | None) -> dict[str, Outcome]:
    from memoryguard.cli.replay import Place, do

    return asyncio.run(do(Place(Home(home.resolve()), database_url), service, deed))


def _say_outcomes(outcomes: dict[str, Outcome], as_json: bool) -> None:
    if as_json:
        _print(outcomes)
        return
    for name, outcome in outcomes.items():
        said = ", ".join(f"{what.replace('_', ' ')}: {value}" for what, value in outcome.items())
        out.print(f"{name}: {said}", highlight=False)


def _print(document: dict[str, Any]) -> None:
    """Print plain JSON, for programs."""
    print(json.dumps(document))


def main() -> None:
    """Run the command; an error is one helpful line."""
    try:
        app(exit_on_error=True)
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception as error:  # noqa: BLE001  # the border to the person at the terminal
        raise SystemExit(_tell(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _tell(error: BaseException) -> int:
    """Say what is wrong in one line; the exit status."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MemoryGuardError):
        hint = f" ({error.hint})" if error.hint else ""
        print(f"memoryguard: {error.code}: {error.message}{hint}", file=sys.stderr)
        if isinstance(error, Rejected) or (isinstance(error, ApiError) and error.is_refusal):
            return EX_REFUSED
        return EX_CONFIG if isinstance(error, Misconfigured) else 1
    if isinstance(error, Unverified):
        print(f"memoryguard: {error}", file=sys.stderr)
        return EX_REFUSED
    print(f"memoryguard: bug: {type(error).__name__}: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
