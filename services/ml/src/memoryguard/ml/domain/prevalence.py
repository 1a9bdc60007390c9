# SPDX-License-Identifier: Apache-2.0
"""Groups' shares: moving probabilities from the shares trained for to those of a deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def moved(probabilities: NDArray[np.float64], odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities (..., groups) under other shares: p ∝ p·π/π_trained (Bayes' theorem).

    Parameters
    ----------
    probabilities
        Under the shares that the model was trained for.
    odds
        Share of each group over the share trained for (groups,).
    """
    weighed = probabilities * odds
    return weighed / weighed.sum(axis=-1, keepdims=True)


def seats(shares: Mapping[str, float], people: int) -> dict[str, int]:
    """Whole people of each group, `people` in all, by the largest remainders."""
    exact = {name: share * people for name, share in shares.items()}
    found = {name: int(count) for name, count in exact.items()}
    order = sorted(exact, key=lambda name: (found[name] - exact[name], name))
    for name in order[: people - sum(found.values())]:
        found[name] += 1
    return found


def mixed(
    people: NDArray[np.float64], groups: Sequence[str], counts: Mapping[str, int]
) -> NDArray[np.float64]:
    """Take the first people (n, k) of every group, as many as `counts` says."""
    where = np.asarray(groups)
    return np.concatenate([people[where == name][:count] for name, count in counts.items()])
