# SPDX-License-Identifier: Apache-2.0
"""What reports are made of: a head of a few boxes, and an analysis of it."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import api_facts as say
import nibabel
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from memoryguard.api.analysis import analysis_document
from memoryguard.api.report.files import Surface
from memoryguard.api.scans import Scan
from memoryguard.api.status import KIND_OF_EVENT, Arrived
from memoryguard.common.contracts.event import Fact
from memoryguard.common.contracts.events import AtrophyScored
from memoryguard.common.contracts.parts import ChangePoint, NormCurve
from memoryguard.processor.domain.surface import Surface as Cut
from memoryguard.processor.meshes import to_glb
from memoryguard.tlog.checkpoint import Checkpoint, sign_checkpoint
from memoryguard.tlog.merkle import Frontier, inclusion_proof, leaf_hash
from memoryguard.tlog.note import Signer

Document = dict[str, Any]

CURVE_MM3 = {
    "age_years": (50.0, 60.0, 70.0, 80.0),
    "p5": (6600.0, 6300.0, 5800.0, 5100.0),
    "p25": (7200.0, 6900.0, 6500.0, 5800.0),
    "p50": (7700.0, 7400.0, 7000.0, 6300.0),
    "p75": (8200.0, 7900.0, 7500.0, 6800.0),
    "p95": (8900.0, 8600.0, 8200.0, 7500.0),
}
"""Of the hippocampi."""

SIGNER = Signer("memoryguard/test", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
LEAVES = [b"entry %d" % number for number in range(1000)]
FRONTIER, _nodes = Frontier().append(leaf_hash(each) for each in LEAVES)
NODES = {(level, index): value for level, index, value in _nodes}
NOTE = sign_checkpoint(Checkpoint(SIGNER.name, len(LEAVES), FRONTIER.root), SIGNER)

_CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
_FACES = [
    (0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1),
    (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3),
]  # fmt: skip


def cube(centre: tuple[float, float, float], half: float) -> Surface:
    """A cube whose triangles turn left round as seen from outside."""
    normals = _CORNERS / np.sqrt(3)
    return Surface(_CORNERS * half + np.array(centre), normals, np.array(_FACES))


def glb(**surfaces: Surface) -> bytes:
    """Pack surfaces as the processor does."""
    return to_glb(
        {
            name: Cut(each.points_mm.astype(np.float32), each.normals.astype(np.float32),
                      each.triangles.astype(np.int32), 0.5)
            for name, each in surfaces.items()
        }
    )  # fmt: skip


def nifti(voxels: NDArray[Any], ras_from_ijk: NDArray[np.float64]) -> bytes:
    return gzip.compress(nibabel.Nifti1Image(voxels, ras_from_ijk).to_bytes(), mtime=0)


# Stored as scanners often do: the first index runs to the left, the last one downwards.
AFFINE = np.array([[-2.0, 0, 0, 40], [0, 2, 0, -50], [0, 0, -2, 40], [0, 0, 0, 1]])


def labels() -> NDArray[np.int16]:
    """A box of cortex with white matter and the two hippocampi, the left one lying at -R."""
    found = np.zeros((40, 50, 40), np.int16)
    found[4:36, 4:46, 4:36] = 3
    found[6:34, 6:44, 6:34] = 2
    found[26:30, 20:30, 22:26] = 17  # i 28: R = 40 - 56 = -16
    found[10:14, 20:30, 22:26] = 53
    return found


def files() -> dict[str, bytes]:
    voxels = np.where(labels() > 0, 500, 0).astype(np.int16)
    voxels[labels() == 2] = 900
    return {
        "brain.nii.gz": nifti(voxels, AFFINE),
        "labels.nii.gz": nifti(labels(), AFFINE),
        "structures.glb": glb(
            cortex_left=cube((0, 0, 0), 60),
            hippocampus_left=cube((-16, 0, -8), 8),
            hippocampus_right=cube((16, 0, -8), 8),
        ),
    }


def empty_files() -> dict[str, bytes]:
    """Files as the processor writes them, in which there is nothing to draw."""
    voxel = nifti(np.zeros((1, 1, 1), np.int16), AFFINE)
    return {"brain.nii.gz": voxel, "labels.nii.gz": voxel, "structures.glb": glb()}


def curved() -> AtrophyScored:
    """The score with the age curve of the hippocampi, and the volume of an earlier scan."""
    said, changes = say.scored(), say.change()
    name = "hippocampus_total"
    points = (
        ChangePoint(years=-1.5, volume_mm3=6290.0, error_sd_mm3=130.0),
        ChangePoint(years=0.0, volume_mm3=6000.0, error_sd_mm3=None),
    )
    region = said.regions[name].model_copy(update={"curve": NormCurve(**CURVE_MM3)})
    change = changes[name].model_copy(update={"points": points})
    return said.model_copy(
        update={
            "regions": {**said.regions, name: region},
            "change": {**changes, name: change},
            "change_reason": None,
        }
    )


def document(*facts: Fact, proved: bool = True) -> Document:
    """The analysis of a scan of which so much was said, with its proof."""
    facts = facts or (say.received(), say.extracted(), curved(), say.predicted())
    events = [say.at(fact, seconds) for seconds, fact in enumerate(facts)]
    arrived = {
        KIND_OF_EVENT.get(each.type, "rejected"): Arrived(
            each.time, each.time, each.data.model_dump(mode="json")
        )
        for each in events
    }
    last = events[-1].time
    scan = Scan(say.SCAN, say.SUBJECT, say.ANNA, events[0].time, last, arrived)
    found = analysis_document(scan, {})
    types = [each.type for each in events] if proved else []
    waiting = [] if proved else [each.type for each in events]
    found["proof"] = {
        "status": "complete",
        "pending": [{"type": each, "reason": "not_signed_yet"} for each in waiting],
        "checkpoint": NOTE if proved else None,
        "events": [event(name, 900 + n) for n, name in enumerate(types)],
        "scan": {"sha256": "0" * 64, "instances": 160},
    }
    return found


def event(name: str, sequence: int) -> Document:
    hashes = inclusion_proof(sequence, len(LEAVES), lambda level, index: NODES[level, index])
    return {
        "type": name,
        "sequence": sequence,
        "entry": base64.b64encode(LEAVES[sequence]).decode(),
        "opening": None,
        "proof": [base64.b64encode(each).decode() for each in hashes],
    }
