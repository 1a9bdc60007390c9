# SPDX-License-Identifier: Apache-2.0
"""People: what they know of themselves, whom they let see it, and how they are forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

from memoryguard.client.documents import Invitation, Link
from memoryguard.client.wire import Document, Flow, delete, get, send

USERS = "/api/v1/users"
ACCESS = "/api/v1/access"
WORKLIST = "/api/v1/worklist"


def _at(path: str, name: str) -> str:
    return f"{path}/{quote(name, safe='')}"


def record_health(
    user_id: str, metrics: Mapping[str, float], *, recorded_on: str, provenance: str
) -> Flow[Document]:
    """Enter health metrics of a day (YYYY-MM-DD), and where they come from."""
    body = {"recorded_on": recorded_on, "provenance": provenance, "metrics": dict(metrics)}
    return send("PUT", _at(USERS, user_id) + "/health-metrics", body)


def erase(user_id: str) -> Flow[Document]:
    """Erase everything of an account's owner, for ever (role admin)."""
    return delete(_at(USERS, user_id))


def invite(
    grantee_id: str | None = None,
    *,
    scopes: Sequence[str] | None = None,
    expires_at: str | None = None,
) -> Flow[Invitation]:
    """Offer somebody to see one's own data: an account, or else whoever has the code."""
    given = {"grantee_id": grantee_id, "scopes": scopes, "expires_at": expires_at}
    body = {name: value for name, value in given.items() if value is not None}
    return cast("Flow[Invitation]", send("POST", f"{ACCESS}/invitations", body))


def withdraw(invitation_id: str) -> Flow[Document]:
    """Take an invitation back that nobody has accepted."""
    return delete(_at(f"{ACCESS}/invitations", invitation_id))


def accept(*, code: str | None = None, user_id: str | None = None) -> Flow[Document]:
    """Accept an invitation: by its code, or that of an account that names one's own."""
    given = {"code": code, "user_id": user_id}
    body: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return send("POST", f"{ACCESS}/grants", body)


def consents() -> Flow[Document]:
    """List what one has granted and offered, and what one was."""
    return get(f"{ACCESS}/grants")


def revoke(grantee_id: str) -> Flow[Document]:
    """Take back what an account may see. It holds when this returns."""
    return delete(_at(f"{ACCESS}/grants", grantee_id))


def session_link(path: str = "/") -> Flow[Link]:
    """Make a link that signs a browser in at a page; it works once, for ten minutes."""
    return cast("Flow[Link]", send("POST", "/api/v1/sessions", {"path": path}))


def worklist() -> Flow[Document]:
    """List scans of patients whom nobody has linked to an account yet (role clinician)."""
    return get(WORKLIST)


def link_patient(patient: str, user_id: str) -> Flow[Document]:
    """Say whose a patient's number is: what waits under it becomes their scans."""
    return send("POST", _at(WORKLIST, patient), {"user_id": user_id})


def discard_patient(patient: str) -> Flow[Document]:
    """Forget what waits under a patient's number."""
    return delete(_at(WORKLIST, patient))
