# SPDX-License-Identifier: Apache-2.0
"""Files that were made of a scan: picture, surfaces, brain and labels. None shows a face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from memoryguard.api import described
from memoryguard.api.access import Access, hidden
from memoryguard.api.analysis import ARTIFACTS, artifact_of
from memoryguard.common.http.conditional import answer, tag_of, unchanged
from memoryguard.common.http.route import Route
from memoryguard.common.runtime.platform import Platform
from memoryguard.common.security.policy import PEOPLE, Policy

PATH = "/api/v1/imaging/{imaging_id}/"


@dataclass(frozen=True, slots=True)
class Served:
    """How a file is served, what a look at it is called in the log, and what it is."""

    content_type: str
    action: str
    what: str


SERVED: Mapping[str, Served] = {
    "picture": Served("image/png", "imaging.picture", "picture of slices"),
    "structures.glb": Served("model/gltf-binary", "imaging.structures", "surfaces"),
    "brain.nii.gz": Served("application/gzip", "imaging.brain", "brain, without the head"),
    "labels.nii.gz": Served("application/gzip", "imaging.labels", "label map"),
}


def routes(platform: Platform, access: Access) -> list[Route]:
    """One route for every kind of file."""
    return [_route(platform, access, name) for name in ARTIFACTS]


def _route(platform: Platform, access: Access, name: str) -> Route:
    served = SERVED[name]

    async def artifact(request: web.Request) -> web.Response:
        scan = await access.scan(request, "results")
        reference = artifact_of(scan, name)
        if reference is None:
            raise hidden()
        tag = tag_of(reference.sha256)
        if unchanged(request, tag):  # then nothing has to be fetched and decrypted
            return answer(request, b"", served.content_type, tag)
        content = await platform.objects.get(reference, scan.subject_id)
        return answer(request, content, served.content_type, tag)

    doc = described.artifact(served.what, served.content_type)
    return Route("GET", PATH + name, artifact, Policy(served.action, PEOPLE), doc=doc)
