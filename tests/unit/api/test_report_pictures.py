# SPDX-License-Identifier: Apache-2.0
"""Pictures of a report against shapes whose picture is known."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import report_samples as sample
from report_samples import cube

from memoryguard.api.report import slices, solid
from memoryguard.api.report.centiles import CLASSES, CLASSES_Z, colour_of
from memoryguard.api.report.curves import COLOURS
from memoryguard.api.report.files import Surface, surfaces_of, volume_of
from memoryguard.api.report.raster import Seen, rasterise

WEB = Path(__file__).parents[3] / "web" / "src"
FRONT = solid.view_from(0, 0)


def seen(surface: Surface, turn: np.ndarray, scale: float = 1.0) -> Seen:
    points = surface.points_mm @ turn.T * scale * (1, -1, 1) + (100, 100, 0)
    return rasterise(points, surface.triangles, (200, 200))


@pytest.mark.parametrize("half", [5.0, 20.0, 60.0])
def test_a_cubes_silhouette_has_its_area(half: float) -> None:
    square = seen(cube((0, 0, 0), half), FRONT)
    assert square.any.sum() == pytest.approx((2 * half) ** 2, rel=0.01)
    # Seen along its diagonal it is a regular hexagon of area sqrt(3) a².
    corner = seen(cube((0, 0, 0), half), solid.view_from(45, np.degrees(np.arctan(np.sqrt(0.5)))))
    assert corner.any.sum() == pytest.approx(np.sqrt(3) * (2 * half) ** 2, rel=0.02)


def test_a_spheres_depth_is_that_of_a_sphere() -> None:
    lat, lon = np.meshgrid(np.linspace(0, np.pi, 61), np.linspace(0, 2 * np.pi, 121))
    at = np.stack([np.sin(lat) * np.cos(lon), np.sin(lat) * np.sin(lon), np.cos(lat)], -1)
    place = np.arange(121 * 61).reshape(121, 61)
    a, b, c, d = place[:-1, :-1], place[:-1, 1:], place[1:, 1:], place[1:, :-1]
    triangles = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    ball = Surface(at.reshape(-1, 3) * 80, at.reshape(-1, 3), triangles)
    found = seen(ball, FRONT)
    rows, columns = np.nonzero(found.any)
    squared = 80**2 - (columns + 0.5 - 100) ** 2 - (rows + 0.5 - 100) ** 2
    inner = squared > 20**2
    assert found.depth[rows, columns][inner] == pytest.approx(np.sqrt(squared[inner]), abs=0.6)
    # No crack: every row is one run of pixels.
    for row in range(25, 175):
        run = np.flatnonzero(found.any[row])
        assert run.size == run[-1] - run[0] + 1
    normals = found.mix(ball.normals, ball.triangles)
    assert np.abs(normals[inner][:, 2]).max() <= 1.0001


def test_the_nearer_surface_is_seen_whatever_comes_first() -> None:
    near, far = cube((0, 0, 0), 10), cube((0, -50, 0), 30)
    parts = [(near, (255, 0, 0)), (far, (0, 0, 255))]
    for each in (parts, parts[::-1]):
        picture = solid.draw(each, [], FRONT, 120)
        rows, columns = picture.shape[:2]
        red, _, blue = picture[rows // 2, columns // 2].astype(int)
        assert red > 80 and blue == 0
        red, _, blue = picture[rows // 8, columns // 2].astype(int)
        assert blue > 80 and red == 0
        assert (picture[0, 0] == 255).all()


def test_a_shell_lets_through_what_lies_inside_and_hides_nothing_before_it() -> None:
    shell, inside, before = cube((0, 0, 0), 50), cube((0, 0, 0), 10), cube((0, 60, 0), 10)
    plain = solid.draw([(inside, (200, 0, 0))], [], FRONT, 100)
    within = solid.draw([(inside, (200, 0, 0))], [shell], FRONT, 100)
    centre = within[within.shape[0] // 2, within.shape[1] // 2].astype(int)
    alone = plain[plain.shape[0] // 2, plain.shape[1] // 2].astype(int)
    assert centre[0] > centre[2] and centre[2] > alone[2]  # still red, through glass
    ahead = solid.draw([(before, (200, 0, 0))], [shell], FRONT, 100)
    assert ahead[ahead.shape[0] // 2, ahead.shape[1] // 2][2] == 0


def test_left_and_right_are_not_mixed_up() -> None:
    parts = [(cube((-30, 0, 0), 10), (200, 0, 0)), (cube((30, 0, 0), 10), (0, 0, 200))]
    picture = solid.draw(parts, [], FRONT, 100).astype(
        int
    )  # face to face: the left is on our right
    rows, columns = picture.shape[:2]
    middle = picture[rows // 2]
    assert middle[columns // 6, 2] > middle[columns // 6, 0]
    assert middle[-columns // 6, 0] > middle[-columns // 6, 2]


def test_files_are_read_as_the_processor_writes_them() -> None:
    read = surfaces_of(sample.files()["structures.glb"])
    assert read["hippocampus_left"].points_mm.mean(axis=0) == pytest.approx((-16, 0, -8))
    assert read["cortex_left"].triangles.shape == (12, 3)
    volume = volume_of(sample.files()["labels.nii.gz"])
    assert (volume.voxels == sample.labels()).all()
    assert (volume.ras_from_ijk == sample.AFFINE).all()
    for kind in (np.uint8, np.float32, np.uint16):
        again = volume_of(sample.nifti(sample.labels().astype(kind), sample.AFFINE))
        assert (again.voxels == sample.labels()).all()


def yellow_columns(each: slices.Slice) -> np.ndarray:
    red, green, blue = np.moveaxis(each.rgb.astype(int), -1, 0)
    return np.flatnonzero(((red > blue + 60) & (green > blue + 30)).any(axis=0))


def test_slices_go_through_the_hippocampi_seen_as_radiologists_do() -> None:
    made = sample.files()
    brain, labels = volume_of(made["brain.nii.gz"]), volume_of(made["labels.nii.gz"])
    both = labels.voxels.copy()
    both[both == 3] = 2  # the cortex has an outline of a colour near theirs
    drawn = slices.draw(brain, slices.Volume(both, labels.ras_from_ijk))
    assert [each.left + each.right for each in drawn] == ["RL", "RL", "AP"]
    # Voxels 26 to 29 are centred at 27.5: R = 40 - 55.
    axial, coronal, sagittal = drawn
    assert sagittal.at_mm == pytest.approx(-15) and axial.at_mm == pytest.approx(-7)
    for each in (axial, coronal):
        half = each.rgb.shape[1] / 2
        assert yellow_columns(each).min() < half < yellow_columns(each).max()
        assert (each.rgb[0] == 0).all()  # air
    only = both.copy()
    only[only == 53] = 2
    one = slices.draw(brain, slices.Volume(only, labels.ras_from_ijk))[1]
    assert yellow_columns(one).min() > one.rgb.shape[1] / 2  # the left one is on the right
    empty = slices.Volume(np.zeros_like(both), labels.ras_from_ijk)
    assert slices.draw(brain, empty) == []


def test_interpolation_is_exact_for_what_is_linear() -> None:
    ramp = np.add.outer(np.add.outer(np.arange(6.0), 10 * np.arange(7.0)), 100 * np.arange(8.0))
    volume = slices.Volume(ramp, np.eye(4))
    points = np.random.default_rng(0).uniform(0, 5, (50, 3))
    assert slices._between(volume, points) == pytest.approx(points @ (1, 10, 100))


@pytest.mark.parametrize(("z", "place"), [(-3, 0), (-1, 1), (0, 2), (0.7, 3), (1.7, 4)])
def test_a_colour_is_that_of_the_centile(z: float, place: int) -> None:
    assert colour_of(z) == CLASSES[place][1]


def test_colours_are_those_of_the_web_application() -> None:
    scale = re.findall(r'^  "#(\w{6})",$', (WEB / "brain" / "colour.ts").read_text(), re.M)
    parts = np.array([list(bytes.fromhex(each)) for each in scale])
    for z, (_, colour) in zip(CLASSES_Z, CLASSES, strict=True):
        of_z = [np.interp(z, range(-3, 4), part) for part in parts.T]
        assert colour == pytest.approx(of_z, abs=0.51)
        assert colour_of(z) == colour
    light = (WEB / "charts" / "charts.css").read_text().split("@media")[0]
    assert COLOURS.items() <= dict(re.findall(r"--([\w-]+): (#\w{6});", light)).items()
