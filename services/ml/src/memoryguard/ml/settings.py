# SPDX-License-Identifier: Apache-2.0
"""Settings of ml, from the environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _decoded(value: Any) -> Any:
    """Read JSON here: what pydantic-settings cannot decode, it does not call a wrong setting."""
    return json.loads(value) if isinstance(value, str) else value


class MlSettings(BaseSettings):
    """Which model answers, and for which population."""

    model_config = SettingsConfigDict(
        env_prefix="MEMORYGUARD_ML_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    model: Path | None = Field(
        default=None,
        description="Folder with the manifest and ONNX file of another model; the shipped one if"
        " empty. It is checked at start.",
    )
    prevalence: Annotated[dict[str, float] | None, NoDecode, BeforeValidator(_decoded)] = Field(
        default=None,
        description="Shares of the model's groups among the people who are scanned here, as JSON;"
        " they add up to 1. If empty, those that the model states: for the shipped one"
        ' {"CN": 0.28, "MCI": 0.486, "Dementia": 0.234}, the 229, 398 and 192 people whom ADNI-1'
        " enrolled (Petersen 2010, PMC2809036).",
    )
