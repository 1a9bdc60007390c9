# SPDX-License-Identifier: Apache-2.0
"""The GLB is valid glTF 2.0 as a reader of our own sees it, small, named, and says its space."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from memoryguard.processor.domain.image import Grid
from memoryguard.processor.domain.palette import COLOURS, OTHER
from memoryguard.processor.meshes import meshes

GRID = Grid(
    (30, 30, 30), np.array([[-1.0, 0, 0, 40], [0, 0, 1.1, -9], [0, 0.9, 0, 5], [0, 0, 0, 1]])
)
NAMES = ("hippocampus_left", "hippocampus_right", "third_ventricle", "unheard_of")
TYPES = {5123: ("<u2", 1), 5126: ("<f4", 3)}


def ball(centre: tuple[int, int, int], radius: float) -> tuple[NDArray[np.float32], Grid]:
    away = np.linalg.norm(np.indices(GRID.shape) - np.array(centre)[:, None, None, None], axis=0)
    return np.clip(radius + 0.5 - away, 0, 1).astype(np.float32), GRID


@pytest.fixture(scope="module")
def structures() -> dict[str, tuple[NDArray[np.float32], Grid]]:
    centres = ((8, 15, 15), (22, 15, 15), (15, 8, 15), (15, 22, 15))
    return {name: ball(centre, 5.0) for name, centre in zip(NAMES, centres, strict=True)}


@pytest.fixture(scope="module")
def content(structures: dict[str, tuple[NDArray[np.float32], Grid]]) -> bytes:
    found = meshes(structures)
    assert found is not None
    return found


def unpacked(glb: bytes) -> tuple[dict[str, Any], bytes]:
    """Header, table and arrays; all lengths agree and all chunks are aligned."""
    magic, version, length = struct.unpack_from("<4sII", glb)
    assert (magic, version, length) == (b"glTF", 2, len(glb))
    size, kind = struct.unpack_from("<I4s", glb, 12)
    assert (kind, size % 4) == (b"JSON", 0)
    size_bin, kind = struct.unpack_from("<I4s", glb, 20 + size)
    assert (kind, size_bin % 4) == (b"BIN\0", 0)
    assert 28 + size + size_bin == len(glb)
    return json.loads(glb[20 : 20 + size]), glb[28 + size :]


def array(document: dict[str, Any], content: bytes, number: int) -> NDArray[Any]:
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    dtype, parts = TYPES[accessor["componentType"]]
    assert view["byteOffset"] % 4 == 0
    assert view["byteLength"] == accessor["count"] * parts * np.dtype(dtype).itemsize
    stored = content[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    return np.frombuffer(stored, dtype).reshape(accessor["count"], parts)


def surfaces(glb: bytes) -> dict[str, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Points, normals and triangles by the name of the node."""
    document, content = unpacked(glb)
    found: dict[str, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = {}
    for node in document["nodes"]:
        (primitive,) = document["meshes"][node["mesh"]]["primitives"]
        attributes = primitive["attributes"]
        found[node["name"]] = (
            array(document, content, attributes["POSITION"]),
            array(document, content, attributes["NORMAL"]),
            array(document, content, primitive["indices"]).reshape(-1, 3),
        )
    return found


def test_every_structure_is_a_node_of_its_name(content: bytes) -> None:
    document, _ = unpacked(content)
    assert {node["name"] for node in document["nodes"]} == set(NAMES)
    assert {mesh["name"] for mesh in document["meshes"]} == set(NAMES)
    assert document["scenes"][document["scene"]]["nodes"] == [0, 1, 2, 3]
    assert all(set(node) == {"name", "mesh"} for node in document["nodes"])  # no transform


def test_it_says_its_space_and_that_it_is_for_research(content: bytes) -> None:
    document, buffer = unpacked(content)
    assert document["asset"]["version"] == "2.0"
    assert document["asset"]["extras"] == {"space": "RAS", "unit": "mm", "research_use_only": True}
    assert document["buffers"] == [{"byteLength": len(buffer)}]


def test_points_are_where_the_structure_is_in_the_world(
    content: bytes, structures: dict[str, tuple[NDArray[np.float32], Grid]]
) -> None:
    for name, (points, normals, triangles) in surfaces(content).items():
        soft, grid = structures[name]
        centre_mm = np.tensordot(grid.points(), soft.astype(float), 3) / soft.sum(dtype=float)
        np.testing.assert_allclose(
            (points.min(axis=0) + points.max(axis=0)) / 2, centre_mm, atol=0.4
        )
        a, b, c = (points[triangles[:, i]].astype(float) for i in range(3))
        volume_mm3 = float((a * np.cross(b, c)).sum() / 6)
        soft_mm3 = float(soft.sum(dtype=float)) * grid.voxel_volume_mm3
        assert volume_mm3 == pytest.approx(soft_mm3, rel=1e-3)  # positive: seen from outside
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-5)


def test_bounds_and_indices_are_those_of_the_arrays(content: bytes) -> None:
    document, buffer = unpacked(content)
    for mesh in document["meshes"]:
        (primitive,) = mesh["primitives"]
        place = primitive["attributes"]["POSITION"]
        points = array(document, buffer, place)
        assert document["accessors"][place]["min"] == points.min(axis=0).tolist()
        assert document["accessors"][place]["max"] == points.max(axis=0).tolist()
        assert array(document, buffer, primitive["indices"]).max() == len(points) - 1


def test_the_same_brain_gives_the_same_bytes(
    content: bytes, structures: dict[str, tuple[NDArray[np.float32], Grid]]
) -> None:
    again = {name: structures[name] for name in reversed(NAMES)}
    assert meshes(again) == content


def test_sides_share_a_plain_colour(content: bytes) -> None:
    document, _ = unpacked(content)
    materials = {each["name"]: each["pbrMetallicRoughness"] for each in document["materials"]}
    assert set(materials) == {"hippocampus", "third_ventricle", "unheard_of"}
    colours = {"unheard_of": OTHER, **COLOURS}
    for name, look in materials.items():
        linear = np.array(look["baseColorFactor"][:3])
        srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
        np.testing.assert_allclose(srgb * 255, colours[name], atol=0.1)
        assert (look["metallicFactor"], look["baseColorFactor"][3]) == (0.0, 1.0)


def test_triangles_together_are_under_the_limit(content: bytes) -> None:
    assert sum(len(triangles) for _, _, triangles in surfaces(content).values()) < 30_000


def test_what_has_no_surface_is_left_out(
    structures: dict[str, tuple[NDArray[np.float32], Grid]],
) -> None:
    empty = (np.zeros(GRID.shape, np.float32), GRID)
    found = meshes({"amygdala_left": empty, NAMES[0]: structures[NAMES[0]]})
    assert found is not None
    assert list(surfaces(found)) == [NAMES[0]]
    assert meshes({"amygdala_left": empty}) is None
    assert meshes({}) is None
