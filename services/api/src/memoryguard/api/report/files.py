# SPDX-License-Identifier: Apache-2.0
"""What the processor made of a scan, as arrays: surfaces (GLB) and volumes (NIfTI-1).

Only files that the platform itself wrote are read here, and only as it writes them. A library for
either format takes about a second to import.
"""

from __future__ import annotations

import gzip
import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of the glTF 2.0 specification, sections 4.4 and 5.1.
GLB_HEADER = 12
CHUNK_HEADER = 8
COMPONENTS = {5123: "<u2", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC3": 3}
# Of the NIfTI-1 standard: datatype code and where the header's fields stand.
VOXELS = {2: "<u1", 4: "<i2", 16: "<f4", 512: "<u2"}
DIM, DATATYPE, VOX_OFFSET, SLOPE, SROW = 40, 70, 108, 112, 280


@dataclass(frozen=True, slots=True)
class Surface:
    """A closed surface.

    Parameters
    ----------
    points_mm
        float (n, 3), RAS.
    normals
        float (n, 3), outward unit vectors of the points.
    triangles
        int (m, 3), indices of points.
    """

    points_mm: NDArray[np.float64]
    normals: NDArray[np.float64]
    triangles: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Volume:
    """Voxels, indexed i, j, k, and the affine that takes their indices to RAS millimetres."""

    voxels: NDArray[Any]
    ras_from_ijk: NDArray[np.float64]


def surfaces_of(content: bytes) -> dict[str, Surface]:
    """Read the surfaces of a GLB by their names."""
    (length,) = struct.unpack_from("<I", content, GLB_HEADER)
    start = GLB_HEADER + CHUNK_HEADER
    table = json.loads(content[start : start + length])
    arrays = content[start + length + CHUNK_HEADER :]

    def array(accessor: int) -> NDArray[Any]:
        said = table["accessors"][accessor]
        view = table["bufferViews"][said["bufferView"]]
        width = WIDTHS[said["type"]]
        kind = COMPONENTS[said["componentType"]]
        found = np.frombuffer(arrays, kind, said["count"] * width, view["byteOffset"])
        return found.reshape(-1, width)

    found: dict[str, Surface] = {}
    for mesh in table["meshes"]:
        (part,) = mesh["primitives"]
        found[mesh["name"]] = Surface(
            array(part["attributes"]["POSITION"]).astype(np.float64),
            array(part["attributes"]["NORMAL"]).astype(np.float64),
            array(part["indices"]).reshape(-1, 3).astype(np.int64),
        )
    return found


def volume_of(content: bytes) -> Volume:
    """Read a compressed NIfTI-1 file."""
    plain = gzip.decompress(content)
    shape = struct.unpack_from("<3h", plain, DIM + 2)
    (datatype,) = struct.unpack_from("<h", plain, DATATYPE)
    offset, slope, intercept = struct.unpack_from("<3f", plain, VOX_OFFSET)
    count = shape[0] * shape[1] * shape[2]
    voxels: NDArray[Any] = np.frombuffer(plain, VOXELS[datatype], count, int(offset))
    voxels = voxels.reshape(shape, order="F")
    if slope and not (slope == 1 and intercept == 0):
        voxels = voxels * np.float32(slope) + np.float32(intercept)
    ras_from_ijk = np.eye(4)
    ras_from_ijk[:3] = np.frombuffer(plain, "<f4", 12, SROW).reshape(3, 4)
    return Volume(voxels, ras_from_ijk)
