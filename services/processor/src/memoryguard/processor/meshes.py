# SPDX-License-Identifier: Apache-2.0
"""Surfaces of the structures in one GLB (binary glTF 2.0): the same brain gives the same bytes.

Points are in RAS millimetres as measured. glTF's own convention (metres, +Y up) is *not*
followed: no axis is turned or flipped, so that a point can be set beside the scan, and
``asset.extras`` says so. The file is written here, not by a library: it is a header, a table and
arrays, and a library to do it takes two seconds to import.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memoryguard.processor.domain.image import Grid
from memoryguard.processor.domain.palette import colour_of
from memoryguard.processor.domain.surface import Surface, shared_out, stem, surface

EXTRAS: Final = {"space": "RAS", "unit": "mm", "research_use_only": True}

# Of the glTF 2.0 specification, section 5.1 (accessors), 5.11 (buffer views) and 4.4 (GLB).
UNSIGNED_SHORT: Final = 5123
FLOAT: Final = 5126
ARRAY_BUFFER: Final = 34962
ELEMENT_ARRAY_BUFFER: Final = 34963
MOST_SHORT: Final = 65_535

Json = dict[str, Any]


def meshes(structures: Mapping[str, tuple[NDArray[np.float32], Grid]]) -> bytes | None:
    """Make the surfaces of soft structures and pack them.

    Parameters
    ----------
    structures
        By name: probability (float32, 0..1) and the grid that it lies on.

    Returns
    -------
    bytes or None
        A GLB with one node and one mesh per structure, each named as the structure; fewer
        than 30,000 triangles together. None when no structure has a surface.
    """
    shares = shared_out(list(structures))
    made = {name: surface(*structures[name], shares[name]) for name in sorted(structures)}
    found = {name: each for name, each in made.items() if each is not None}
    return to_glb(found) if found else None


def to_glb(surfaces: Mapping[str, Surface]) -> bytes:
    """Pack surfaces, in the order given; paired structures share a material."""
    document: Json = {
        "asset": {"version": "2.0", "generator": "memoryguard", "extras": EXTRAS},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(surfaces)))}],
        "nodes": [{"name": name, "mesh": place} for place, name in enumerate(surfaces)],
        "meshes": [],
        "materials": [],
        "accessors": [],
        "bufferViews": [],
    }
    content = bytearray()
    materials: dict[str, int] = {}
    for name, each in surfaces.items():
        kind = stem(name)
        if kind not in materials:
            materials[kind] = len(materials)
            document["materials"].append(_material(kind))
        primitive = {
            "attributes": {
                "POSITION": _add(document, content, each.points_mm, ARRAY_BUFFER),
                "NORMAL": _add(document, content, each.normals, ARRAY_BUFFER),
            },
            "indices": _add(document, content, each.triangles, ELEMENT_ARRAY_BUFFER),
            "material": materials[kind],
        }
        document["meshes"].append({"name": name, "primitives": [primitive]})
    document["buffers"] = [{"byteLength": len(content)}]
    return _packed(document, bytes(content))


def _material(kind: str) -> Json:
    """Dull and plain, in the structure's colour; glTF wants linear light (section 3.9.2)."""
    srgb = np.array(colour_of(kind)) / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    look = {
        "baseColorFactor": [*(round(float(part), 6) for part in linear), 1.0],
        "metallicFactor": 0.0,
        "roughnessFactor": 0.8,
    }
    return {"name": kind, "pbrMetallicRoughness": look}


def _add(document: Json, content: bytearray, array: NDArray[Any], target: int) -> int:
    """Append an array to the buffer with its view and accessor; the accessor's number."""
    accessor: Json = {"bufferView": len(document["bufferViews"])}
    if target == ARRAY_BUFFER:
        stored = array.astype("<f4")
        accessor |= {"componentType": FLOAT, "type": "VEC3", "count": len(stored)}
        accessor |= {"min": stored.min(axis=0).tolist(), "max": stored.max(axis=0).tolist()}
    else:
        # Every surface has few points: far fewer triangles than this are shared out.
        if array.max() >= MOST_SHORT:
            raise ValueError("a surface has too many points for short indices")
        stored = array.astype("<u2")
        accessor |= {"componentType": UNSIGNED_SHORT, "type": "SCALAR", "count": stored.size}
    view = {"buffer": 0, "byteOffset": len(content), "byteLength": stored.nbytes, "target": target}
    document["bufferViews"].append(view)
    document["accessors"].append(accessor)
    content += stored.tobytes()
    content += bytes(-len(content) % 4)
    return len(document["accessors"]) - 1


def _packed(document: Json, content: bytes) -> bytes:
    """Set header, table and arrays one after the other."""
    table = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    table += b" " * (-len(table) % 4)
    chunks = struct.pack("<I4s", len(table), b"JSON") + table
    chunks += struct.pack("<I4s", len(content), b"BIN\0") + content
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
