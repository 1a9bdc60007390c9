# SPDX-License-Identifier: Apache-2.0
"""What each route of the api takes and answers, for docs/openapi.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, get_args

from memoryguard.api import answers
from memoryguard.api.answers import Severity
from memoryguard.api.bodies import Acceptance, Emergency, Offer
from memoryguard.api.status import Status
from memoryguard.api.wanted import MAX_TEXT
from memoryguard.common.http.operation import (
    PERIOD,
    Answer,
    Body,
    Operation,
    Parameter,
    Schema,
    paged,
)

NOT_FOUND: Final[Mapping[int, str]] = {404: "not_found"}


def _said(what: str, schema: Schema, status: int = 200) -> Mapping[int, Answer]:
    return {status: Answer(what, schema)}


# --- scans ---------------------------------------------------------------------------------

SCANS: Final = "Scans"
_PAGES: Final = paged(usual=20, most=100)
_STREAM: Final = ("text/event-stream",)

_CAME: Final = tuple(replace(each, what=f"When they came. {each.what}") for each in PERIOD)

SEARCH: Final = Operation(
    "List the scans whose results the caller may see",
    SCANS,
    _said("A page of scans, newest first.", answers.ScanPage),
    more="What filters is joined by and, and goes into next_cursor's link.",
    parameters=(
        Parameter("user_id", "Of this account only."),
        Parameter("q", "Part of the scan's name.", {"type": "string", "maxLength": MAX_TEXT}),
        Parameter("status", "Where they stand.", {"enum": [*get_args(Status)]}),
        Parameter("severity", "What the list says for age.", {"enum": [*get_args(Severity)]}),
        *_CAME,
        *_PAGES,
    ),
    errors={422: "bad_account bad_filter bad_limit bad_cursor"},
)
LIST: Final = Operation(
    "List an account's scans",
    SCANS,
    _said("A page of scans, newest first.", answers.UserScanPage),
    parameters=_PAGES,
    errors={404: "not_found", 422: "bad_limit bad_cursor"},
)
STATUS: Final = Operation(
    "Tell where a scan stands",
    SCANS,
    _said("Status, stage, and why it failed if it did.", answers.ScanStatus),
    errors=NOT_FOUND,
)
_PROOF: Final = Parameter(
    "proof", "1: with the proof of every event behind it.", {"enum": ["0", "1"]}
)
_PROVABLE: Final[Mapping[int, str]] = {
    404: "not_found",
    409: "not_ready",
    500: "subject_key_corrupt",
    503: "object_store_unavailable",
}
ANALYSIS: Final = Operation(
    "Give everything that is known about a scan",
    SCANS,
    _said("The analysis.", answers.Analysis),
    more="What is null has its reason in `reasons`. Every number has its error where one is known.",
    parameters=(_PROOF,),
    errors=_PROVABLE,
)
EVENTS: Final = Operation(
    "Watch a scan until it is finished",
    SCANS,
    {
        200: Answer(
            "Server-sent events named `status`, each with the status document, whenever it"
            " changes.",
            None, _STREAM, tagged=False,
        )
    },
    parameters=(
        Parameter("stay", "1: stay when it is finished, and say `closed` once the caller may no"
                  " longer look.", {"enum": ["0", "1"]}),
    ),
    errors=NOT_FOUND,
)  # fmt: skip


REPORT: Final = Operation(
    "Give the report of a scan as a PDF",
    SCANS,
    {200: Answer("PDF/A-2a and PDF/UA-1, made of the latest answers.", None, ("application/pdf",))},
    more="Two pages for clinicians or one in plain words, with the log's proof as a QR code.",
    parameters=(
        Parameter(
            "for",
            "Whom it is for; else for clinicians when one asks, and in plain words for others.",
            {"enum": ["clinician", "plain"]},
        ),
    ),
    errors={
        404: "not_found",
        409: "not_ready",
        422: "bad_audience subject_erased",
        500: "object_missing object_corrupt subject_key_corrupt",
        503: "object_store_unavailable",
    },
)


_FHIR: Final = ("application/fhir+json",)
FHIR: Final = Operation(
    "Give the result of a scan as FHIR R4",
    SCANS,
    {200: Answer("A Bundle in which every reference resolves.", None, _FHIR)},
    parameters=(_PROOF,),
    errors=_PROVABLE,
)
FHIR_RESOURCE: Final = Operation(
    "Give one resource of the result of a scan as FHIR R4",
    SCANS,
    {200: Answer("The resource; what it refers to is read in the same way.", None, _FHIR)},
    parameters=(_PROOF,),
    errors={**_PROVABLE, 404: "not_found no_such_resource"},
)
CAPABILITY: Final = Operation(
    "Say what can be read as FHIR R4",
    SCANS,
    {200: Answer("A CapabilityStatement, the same for every scan.", None, _FHIR)},
)
_CSV: Final = ("text/csv",)
_SHAPE: Final = "long: a row for every measurement; wide: one for every scan. Otherwise"
_SHAPES: Final = {"enum": ["long", "wide"]}
MEASUREMENTS: Final = Operation(
    "Give the measurements of a scan as a table",
    SCANS,
    {200: Answer("Comma-separated values (RFC 4180).", None, _CSV)},
    parameters=(Parameter("shape", f"{_SHAPE} long.", _SHAPES),),
    errors={404: "not_found", 409: "not_ready", 422: "bad_shape"},
)
ALL_MEASUREMENTS: Final = Operation(
    "Give the measurements of every scan that the caller may see as a table",
    SCANS,
    {200: Answer("Comma-separated values (RFC 4180), newest scan first.", None, _CSV, False)},
    parameters=(
        Parameter("shape", f"{_SHAPE} wide.", _SHAPES),
        Parameter("user_id", "Of this account only."),
    ),
    errors={422: "bad_account bad_shape"},
)


def artifact(what: str, media_type: str) -> Operation:
    """Describe a file that was made of a scan."""
    answer = Answer("The file. It shows no face.", None, (media_type,))
    return Operation(
        f"Give a scan's {what}",
        SCANS,
        {200: answer},
        errors={
            404: "not_found",
            422: "subject_erased",
            500: "object_missing object_corrupt subject_key_corrupt",
            503: "object_store_unavailable",
        },
    )


# --- sessions ------------------------------------------------------------------------------

SESSIONS: Final = "Sessions"
_PAGE: Final = {
    "type": "object",
    "properties": {
        "path": {
            "type": "string",
            "pattern": "^/(?!/)[A-Za-z0-9/._-]{0,300}$",
            "default": "/",
            "description": "The page that the link leads to.",
        }
    },
}
_HTML: Final = ("text/html",)

SHOW_SESSION: Final = Operation(
    "Say who is signed in",
    SESSIONS,
    {200: Answer("Account, roles, and the bearer token.", answers.Session, tagged=False)},
    more="A page reads its bearer token here. No other origin ever reads this answer by a cookie.",
)
MAKE_LINK: Final = Operation(
    "Make a link that opens a browser session once",
    SESSIONS,
    _said("The link; it works for ten minutes.", answers.SessionLink, 201),
    body=Body(_PAGE),
    errors={422: "bad_json bad_path"},
)
END_SESSIONS: Final = Operation(
    "End every session of the caller's account",
    SESSIONS,
    _said("How many there were.", answers.SessionsEnded),
)
FOLLOW_LINK: Final = Operation(
    "Open a browser session by a link",
    SESSIONS,
    {303: Answer("To the page, with the session's cookie.", None, (), tagged=False)},
    errors={404: "dead_link"},
)
WAYS: Final = Operation(
    "Say how one signs in here",
    SESSIONS,
    {200: Answer("The address that leads to the identity provider.", answers.WaysIn, tagged=False)},
)
BEGIN_SIGN_IN: Final = Operation(
    "Sign in at the identity provider",
    SESSIONS,
    {303: Answer("To the provider.", None, (), tagged=False)},
    more="OpenID Connect: authorization code flow with PKCE, state and nonce.",
    parameters=(Parameter("path", "The page that is wanted then."),),
    errors={404: "no_single_sign_on"},
)
END_SIGN_IN: Final = Operation(
    "Come back from the identity provider",
    SESSIONS,
    {303: Answer("To the page that was wanted, with the session's cookie.", None, (), False)},
    parameters=tuple(
        Parameter(name, what)
        for name, what in (
            ("code", "Of the provider."),
            ("state", "Of this browser."),
            ("iss", "The provider (RFC 9207)."),
            ("error", "Why the provider signs nobody in."),
        )
    ),
    errors={404: "no_single_sign_on"},
)
SIGN_OUT: Final = Operation(
    "End the session of this browser",
    SESSIONS,
    {200: Answer("A page that says so.", None, _HTML, tagged=False)},
)

# --- consent -------------------------------------------------------------------------------

CONSENT: Final = "Consent"

INVITE: Final = Operation(
    "Offer somebody to see one's own data",
    CONSENT,
    _said("The invitation, with a code unless an account is named.", answers.InvitationMade, 201),
    body=Body(Offer),
    errors={422: "bad_json bad_invitation own_account too_many_invitations erased"},
)
WITHDRAW: Final = Operation(
    "Take back an invitation that nobody has accepted",
    CONSENT,
    _said("It is closed.", answers.InvitationWithdrawn),
    errors=NOT_FOUND,
)
ACCEPT: Final = Operation(
    "Accept an invitation",
    CONSENT,
    _said("What the caller may see now.", answers.GrantAccepted),
    more="Send either the code or the account that invites. To accept again changes nothing.",
    body=Body(Acceptance),
    errors={404: "not_found", 422: "bad_json bad_acceptance own_account"},
)
GRANTS: Final = Operation(
    "List what one grants and offers, and was granted and offered",
    CONSENT,
    _said("Four lists.", answers.Grants),
)
REVOKE: Final = Operation(
    "Take back what an account may see",
    CONSENT,
    _said("It holds from now on.", answers.GrantRevoked),
    errors={422: "bad_grantee"},
)
BREAK_GLASS: Final = Operation(
    "Open somebody's data to oneself in an emergency",
    CONSENT,
    _said("It is open, for a while. Everybody who watches is told.", answers.GlassBroken, 201),
    body=Body(Emergency),
    errors={422: "bad_json bad_override not_needed"},
)

# --- DICOMweb ------------------------------------------------------------------------------

DICOM: Final = "DICOMweb"
_LIST: Final[Mapping[str, Any]] = {"type": "array", "items": {"type": "object"}}
_DICOM_JSON: Final = ("application/dicom+json",)
_NUMBER: Final = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
_MATCHED: Final = tuple(
    Parameter(name, f"{name} to match; several are separated by commas.")
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Modality", "PatientID")
)
QIDO: Final = Operation(
    "Search for results (QIDO-RS)",
    DICOM,
    {200: Answer("Attributes of what was found.", _LIST, _DICOM_JSON)},
    parameters=(
        *_MATCHED,
        Parameter("limit", "How many at most; never more than 100.", _NUMBER),
        Parameter("offset", "How many to leave out before.", _NUMBER),
    ),
    errors={400: "bad_query", 404: "not_found", 406: "not_acceptable"},
)
METADATA: Final = Operation(
    "Give the attributes of results, without pixels (WADO-RS)",
    DICOM,
    {200: Answer("Attributes of every object.", _LIST, _DICOM_JSON)},
    errors={404: "not_found", 406: "not_acceptable"},
)
RETRIEVE: Final = Operation(
    "Give results as DICOM files (WADO-RS)",
    DICOM,
    {200: Answer("One part for every file.", None, ("multipart/related",), tagged=False)},
    errors={404: "not_found", 406: "not_acceptable"},
)

# --- pages ---------------------------------------------------------------------------------

PAGES: Final = "Pages"

APP: Final = Operation(
    "Open the web application",
    PAGES,
    {
        200: Answer("The application; it asks the API for what it shows.", None, _HTML, False),
        404: Answer("It is not part of this build.", None, _HTML, False),
    },
)
ASSET: Final = Operation(
    "Load a file of the web application",
    PAGES,
    {200: Answer("The file.", None, ("*/*",))},
    errors={404: "no_such_asset"},
)
REFERENCE: Final = Operation(
    "Read about this API", PAGES, {200: Answer("A page for people.", None, _HTML, tagged=False)}
)
OPENAPI: Final = Operation(
    "Give this description", PAGES, _said("An OpenAPI 3.1 document.", {"type": "object"})
)
