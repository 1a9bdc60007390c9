# SPDX-License-Identifier: Apache-2.0
"""What a model says of itself, ``manifest.json``: read, and its files held against it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from memoryguard.common.errors import Misconfigured
from memoryguard.ml.domain.abstention import Input
from memoryguard.ml.domain.features import FEATURES

MANIFEST = "manifest.json"
LARGEST_SHARE_ERROR = 1e-6
Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FileOf(_Part):
    """A file beside the manifest."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class InputOf(_Part):
    """One input, in the order of the model's columns."""

    name: str
    low: float
    high: float
    required: bool = False
    largest_error_sd: float | None = Field(default=None, gt=0.0)


class Manifest(_Part):
    """``manifest.json``."""

    format: Literal[1]
    name: str = Field(min_length=1, max_length=100)
    version: str = Field(min_length=1, max_length=100)
    model: FileOf
    background: FileOf
    inputs: tuple[InputOf, ...] = Field(min_length=1, max_length=len(FEATURES))
    one_of: tuple[str, ...] = ()
    missing_as_nan: bool = False
    classes: tuple[str, ...] = Field(min_length=2, max_length=20)
    explained: str
    trained_for: dict[str, Share] | None = None
    prevalence: dict[str, Share] | None = None
    prevalence_source: str = ""
    made: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [each.name for each in self.inputs]
        if len(set(names)) < len(names) or len(set(self.classes)) < len(self.classes):
            raise ValueError("a name comes twice")
        if self.explained not in self.classes or not set(self.one_of) <= set(names):
            raise ValueError("a name is none of the model's")
        if any(each.low > each.high for each in self.inputs):
            raise ValueError("a range is empty")
        if (self.trained_for is None) != (self.prevalence is None):
            raise ValueError("trained_for and prevalence come together")
        if not all(adds_up(s, self.classes) for s in (self.trained_for, self.prevalence) if s):
            raise ValueError("shares do not add up over the classes")
        return self

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of the model's columns."""
        return tuple(each.name for each in self.inputs)

    def needs(self) -> tuple[Input, ...]:
        """Give the inputs as the domain knows them."""
        return tuple(
            Input(
                each.name,
                each.low,
                each.high,
                each.required or not self.missing_as_nan,
                each.largest_error_sd,
            )
            for each in self.inputs
        )


@dataclass(frozen=True, slots=True)
class Folder:
    """A model as it lies in a folder: every file read, and equal to its SHA-256.

    `background` (n, k) are the people that explanations compare with, columns as the inputs;
    `groups` names the group of each, empty where they belong to none.
    """

    manifest: Manifest
    sha256: str
    network: bytes
    background: NDArray[np.float64]
    groups: tuple[str, ...]


def adds_up(shares: Mapping[str, float], classes: tuple[str, ...]) -> bool:
    """Say whether every class has a share, and all together are 1."""
    total = math.fsum(shares.values())
    return set(shares) == set(classes) and abs(total - 1.0) <= LARGEST_SHARE_ERROR


def open_folder(folder: Path) -> Folder:
    """Read a model.

    Raises
    ------
    Misconfigured
        When a file is absent or differs from its SHA-256, the manifest is none, or it asks for
        features that are not gathered.
    """
    content = _read(folder, MANIFEST)
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise Misconfigured(
            "risk_model_manifest",
            f"the risk model's manifest is not valid ({error.error_count()} faults)",
            "compare it with services/ml/README.md",
        ) from None
    if not set(manifest.features) <= set(FEATURES):
        raise Misconfigured(
            "risk_model_features",
            "the risk model asks for features that are not gathered",
            f"there are: {', '.join(FEATURES)}",
        )
    background, groups = _background(manifest, _verified(folder, manifest.background))
    network = _verified(folder, manifest.model)
    return Folder(manifest, hashlib.sha256(content).hexdigest(), network, background, groups)


def _background(manifest: Manifest, content: bytes) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    try:
        document = json.loads(content)
        values = np.asarray(document["values"], dtype=np.float64)
        groups = tuple(document.get("groups") or ())
        sound = (
            tuple(document["features"]) == manifest.features
            and values.shape == (len(values), len(manifest.features))
            and bool(np.isfinite(values).all())
            and 0 < len(values) <= 100_000
            and (
                not groups or (len(groups) == len(values) and set(groups) == set(manifest.classes))
            )
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        sound, values, groups = False, np.empty(0), ()
    if not sound:
        raise Misconfigured(
            "risk_model_background",
            "the risk model's background is not a table of its inputs",
            "it holds features, values (people, inputs) without gaps, and groups or none",
        )
    return values, groups


def _verified(folder: Path, file: FileOf) -> bytes:
    data = _read(folder, file.name)
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise Misconfigured(
            "risk_model_damaged",
            "a file of the risk model differs from its manifest",
            "install the package again, or restore the folder",
        )
    return data


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise Misconfigured(
            "risk_model_absent",
            "a file of the risk model cannot be read",
            "install the package again, or check MEMORYGUARD_ML_MODEL",
        ) from error
