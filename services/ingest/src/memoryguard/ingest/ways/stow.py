# SPDX-License-Identifier: Apache-2.0
"""DICOMweb's way in: STOW-RS (PS3.18 10.5)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from aiohttp import web

from memoryguard.common.errors import Rejected
from memoryguard.common.http.app import concerns, principal_of
from memoryguard.common.http.route import Route
from memoryguard.common.security.policy import Policy
from memoryguard.ingest import described
from memoryguard.ingest.delivery import Intake
from memoryguard.ingest.domain.elements import checked_uid
from memoryguard.ingest.staging import Receipt, Sender
from memoryguard.ingest.ways.parts import Parts
from memoryguard.ingest.ways.statuses import SUCCESS, status_of

Attributes: TypeAlias = dict[str, dict[str, Any]]

JSON = "application/dicom+json"
DICOM = "application/dicom"
_ALL, _SOME, _NONE = 200, 202, 409


class UnsupportedMedia(Rejected):
    """The body is of a kind that is not taken."""

    http_status = 415


class NotAcceptable(Rejected):
    """The answer is wanted in a form that is not given."""

    http_status = 406


class Stow:
    """The routes of storing over DICOMweb."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def routes(self) -> Sequence[Route]:
        """Every route, with its policy."""
        policy = Policy("scan.store", roles=frozenset({"clinician", "integration"}))
        path = "/dicom-web/studies"
        return (
            Route("POST", path, self.store, policy, doc=described.STOW),
            Route("POST", path + "/{study_uid}", self.store, policy, doc=described.STOW),
        )

    async def store(self, request: web.Request) -> web.Response:
        """Store instances; the answer says of each what became of it.

        The query ``user_id`` may name the account that they belong to; else the patient's number
        decides, or a clinician who resolves the worklist.
        """
        _check_forms(request)
        user_id = request.query.get("user_id")
        concerns(request, user_id=user_id)
        study_uid = request.match_info.get("study_uid")
        sender = Sender(
            actor_id=principal_of(request).user_id,
            user_id=user_id,
            confirms=True,
            ends="quiet",
            study_uid=None if study_uid is None else checked_uid(study_uid),
        )
        parts = Parts(request.content, request.headers["Content-Type"])
        async with self._intake.delivery(sender) as delivery:
            async for _, file in parts.files():
                await delivery.add("", file)
            answer = await delivery.finish(complete=False)
        return _answered(answer.receipts)


def _check_forms(request: web.Request) -> None:
    kind = request.headers.get("Content-Type", "")
    if request.content_type != "multipart/related" or (
        "type=" in kind.lower() and DICOM + "+" in kind.lower()
    ):
        raise UnsupportedMedia(
            "unsupported_media_type",
            "the body is not made of DICOM files",
            'Content-Type: multipart/related; type="application/dicom"',
        )
    accepted = request.headers.get("Accept", "*/*").lower()
    if not any(form in accepted for form in (JSON, "application/json", "application/*", "*/*")):
        raise NotAcceptable(
            "not_acceptable", "the answer is given in DICOM JSON only", f"Accept: {JSON}"
        )


def _answered(receipts: Sequence[Receipt]) -> web.Response:
    stored = [receipt for receipt in receipts if status_of(receipt) == SUCCESS]
    failed = [receipt for receipt in receipts if status_of(receipt) != SUCCESS]
    dataset: Attributes = {}
    if stored:
        dataset["00081199"] = _sequence(_reference(r) | {"00081190": {"vr": "UR"}} for r in stored)
    if failed:
        dataset["00081198"] = _sequence(_reference(r) | _failure(r) for r in failed)
    status = _ALL if not failed else _SOME if stored else _NONE
    # Without a charset, which this type has not: clients compare the whole header.
    body = json.dumps(dataset).encode()
    return web.Response(body=body, status=status, headers={"Content-Type": JSON})


def _sequence(items: Iterable[Attributes]) -> dict[str, Any]:
    return {"vr": "SQ", "Value": list(items)}


def _reference(receipt: Receipt) -> Attributes:
    return {
        "00081150": _value("UI", receipt.sop_class),
        "00081155": _value("UI", receipt.sop_uid),
    }


def _failure(receipt: Receipt) -> Attributes:
    """Give the standard's number for the failure and, in a private block, our code for it."""
    return {
        "00081197": _value("US", status_of(receipt)),
        "00090010": _value("LO", "MEMORYGUARD"),
        "00091001": _value("LO", receipt.code),
        "00091002": _value("LT", receipt.message),
    }


def _value(vr: str, value: str | int) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]} if value != "" else {"vr": vr}
