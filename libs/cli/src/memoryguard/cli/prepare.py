# SPDX-License-Identifier: Apache-2.0
"""Prepare a deployment: its secrets, database, topics and bucket. Everything may run twice."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import stat
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from cyclopts import App, Parameter
from pydantic import ValidationError

from memoryguard.cli.home import KEY_MODE, Home, make_home
from memoryguard.common.contracts.flow import SERVICES
from memoryguard.common.errors import Misconfigured, Unavailable

SHARED = ("IMAGING_ENCRYPTION_KEY", "MEMORYGUARD_VAULT_KEY", "MEMORYGUARD_TOKEN_PUBLIC_KEY")
OWN = {"audit": "MEMORYGUARD_AUDIT_SIGNING_KEY", "ingest": "MEMORYGUARD_IDENTITY_KEY"}
"""What only one service is given."""
SIGNATURE_LASTS = timedelta(minutes=1)
EXISTS = 409

app = App(name="prepare", help="Prepare a deployment; every command may run again.")


@app.command
def database(
    *,
    database_url: Annotated[
        str | None, Parameter(env_var="MEMORYGUARD_DATABASE_URL", help="Of an administrator.")
    ] = None,
    role_passwords: Annotated[
        str | None,
        Parameter(
            env_var="MEMORYGUARD_ROLE_PASSWORDS",
            help="Login passwords to set: a JSON object, service to password.",
        ),
    ] = None,
) -> None:
    """Make every service's role, schema and tables, and set login passwords."""
    if not database_url:
        raise _missing("MEMORYGUARD_DATABASE_URL")
    passwords = _passwords(role_passwords) if role_passwords else {}
    asyncio.run(prepare_database(database_url, passwords))
    print(f"the database is ready for {', '.join(SERVICES)}")


async def prepare_database(admin_url: str, passwords: Mapping[str, str]) -> None:
    """Make roles and schemas, and apply every service's migrations as that service's role."""
    from memoryguard.cli.up import every_recipe
    from memoryguard.common.runtime.database import (
        RUNTIME_MIGRATIONS,
        migrate,
        open_pool,
        prepare,
    )

    await prepare(admin_url, SERVICES, passwords)
    for recipe in every_recipe():
        packages = [RUNTIME_MIGRATIONS, *([recipe.migrations] if recipe.migrations else [])]
        async with await open_pool(admin_url, recipe.name, 1) as pool:
            await migrate(pool, recipe.name, packages)


@app.command
def topics() -> None:
    """Make the topics that are not there; MEMORYGUARD_KAFKA_SERVERS says where."""
    from memoryguard.common.runtime.settings import KafkaSettings
    from memoryguard.common.runtime.topics import create_topics

    try:
        settings = KafkaSettings()
    except ValidationError as error:
        names = (f"MEMORYGUARD_KAFKA_{part['loc'][0]}".upper() for part in error.errors())
        raise _missing(*names) from None
    made = asyncio.run(create_topics(settings))
    print(f"made: {', '.join(made)}" if made else "every topic is there")


@app.command
def bucket(
    *,
    storage: Annotated[
        str | None, Parameter(env_var="IMAGING_STORAGE_PATH", help="For instance s3://bucket.")
    ] = None,
) -> None:
    """Make the bucket of an S3-compatible store."""
    if not storage:
        raise _missing("IMAGING_STORAGE_PATH")
    print(asyncio.run(make_bucket(storage)))


async def make_bucket(storage: str) -> str:
    """Make the bucket of an address by a signed request; say what was done."""
    import aiohttp
    import obstore
    from obstore.store import S3Store

    from memoryguard.common.runtime.blobs import open_store

    address = urlsplit(storage)
    store = open_store(f"s3://{address.netloc}") if address.scheme == "s3" else None
    if not isinstance(store, S3Store):
        raise Misconfigured(
            "no_bucket_to_make",
            "only a bucket of an S3-compatible store is made here",
            "a folder is made when it is first used; make others with the cloud's own tools",
        )
    url = await obstore.sign_async(store, "PUT", "", SIGNATURE_LASTS)
    try:
        async with aiohttp.ClientSession() as session, session.put(url) as answer:
            status = answer.status
    except (aiohttp.ClientError, OSError) as error:
        raise Unavailable(
            "object_store_unavailable", "the object store did not answer", "is it running?"
        ) from error
    if status == EXISTS:
        return "the bucket is there"
    if status >= 400:
        raise Misconfigured(
            "bucket_not_made",
            f"the object store answered {status} to making the bucket",
            "check AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    return "made the bucket"


@app.command
def keys(
    *,
    home: Annotated[
        Path, Parameter(env_var="MEMORYGUARD_HOME", help="Folder where the keys are kept.")
    ] = Path("memoryguard-data"),
    kubernetes: Annotated[
        bool, Parameter(negative="", help="As Secrets, for kubectl apply -f -.")
    ] = False,
) -> None:
    """Print a deployment's secrets as an .env file; made once, kept in --home.

    The private key that signs tokens is not among them: it stays in --home, where
    `memoryguard token` finds it.
    """
    made = make_home(home)
    shared, passwords, own = _secrets(made)
    if kubernetes:
        print(json.dumps(_secret_list(shared, passwords, own), indent=1))
    else:
        alone = {OWN[service]: key for service, key in own.items()}
        alone["MEMORYGUARD_AUDIT_LOG_KEY"] = _log_key(made)
        print(_dotenv(shared | alone | _named(passwords)), end="")
    sys.stdout.flush()
    if stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode):
        os.fchmod(sys.stdout.fileno(), KEY_MODE)  # redirected into a file: for its owner alone


def _secrets(home: Home) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Give what every service needs, the database's passwords, and keys of one service each."""
    known = home.environment("")
    kept = home.keys / "deployment.json"
    if not kept.exists():
        made = {"AWS_SECRET_ACCESS_KEY": secrets.token_hex(20)}
        made |= {name: secrets.token_hex(24) for name in ("admin", *SERVICES)}
        with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_MODE), "w") as file:
            json.dump(made, file)
    passwords: dict[str, str] = json.loads(kept.read_text())
    shared = {name: known[name] for name in SHARED} | {
        "AWS_ACCESS_KEY_ID": "memoryguard",
        "AWS_SECRET_ACCESS_KEY": passwords.pop("AWS_SECRET_ACCESS_KEY"),
    }
    return shared, passwords, {service: known[name] for service, name in OWN.items()}


def _log_key(home: Home) -> str:
    """Give the key that the log is verified with: no secret, and a witness has to be told it."""
    from memoryguard.cli.audit import key_of

    return str(key_of(home))


def _named(passwords: Mapping[str, str]) -> dict[str, str]:
    return {f"{who.upper()}_DATABASE_PASSWORD": word for who, word in passwords.items()}


def _dotenv(variables: Mapping[str, str]) -> str:
    """Write variables for `docker compose`: one line each, also where a key has several."""
    lines = [
        "# Secrets of a deployment. Whoever has them can read every scan; keep a copy elsewhere."
    ]
    for name, value in variables.items():
        escaped = value.replace("\n", "\\n")
        lines.append(f'{name}="{escaped}"' if "\n" in value else f"{name}={value}")
    return "\n".join(lines) + "\n"


def _secret_list(
    shared: Mapping[str, str], passwords: Mapping[str, str], own: Mapping[str, str]
) -> dict[str, Any]:
    """Write several Secrets, so that nobody is given more than it needs."""
    content = {
        "memoryguard": shared,
        "memoryguard-database": passwords,
        **{f"memoryguard-{service}": {OWN[service]: key} for service, key in own.items()},
    }
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name},
                "type": "Opaque",
                "stringData": data,
            }
            for name, data in content.items()
        ],
    }


def _passwords(text: str) -> dict[str, str]:
    """Read service to password; Misconfigured names no value."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict) and set(found) <= set(SERVICES):  # a JSON object's names are text
        words: dict[str, Any] = found
        if all(isinstance(word, str) for word in words.values()):
            return words
    raise Misconfigured(
        "bad_role_passwords",
        "MEMORYGUARD_ROLE_PASSWORDS is not a JSON object of service to password",
        f"services: {', '.join(SERVICES)}",
    )


def _missing(*names: str) -> Misconfigured:
    return Misconfigured(
        "bad_settings",
        f"settings missing or wrong: {', '.join(names)}",
        "docs/CONFIG.md lists every setting",
    )
