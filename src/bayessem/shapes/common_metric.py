"""Whether two variables are measured on one metric, and on which they are compared.

X = Z means something only where both have the same unit and the same zero point: the same items
with equal loadings and intercepts, or one scale of answers. Otherwise both are standardised, and
equal means equally many standard deviations above the mean.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayessem.effects.path_effects import pooled_scale
from bayessem.errors import BayessemWarning, ModelError, outside
from bayessem.results.fitted import Fitted
from bayessem.text.numbers import number

METRICS = ("raw", "standardized")
# Observed variables whose spreads differ more than this are not taken to have the same scale.
ALIKE = 2.0


@dataclass(frozen=True)
class Metric:
    """How x, z and y are measured from here on: (value - center) / scale.

    Attributes
    ----------
    name : {"raw", "standardized"}
    centers, scales : tuple of ndarray (...)
        Of x, z and y, in the model's units.
    sds : tuple of ndarray (...)
        Standard deviations of x, z and y in the metric, over all groups.
    means : tuple of ndarray (...)
        Means of x and z in the metric.
    words : str
        What it is, for the reader.
    """

    name: str
    centers: tuple[np.ndarray, np.ndarray, np.ndarray]
    scales: tuple[np.ndarray, np.ndarray, np.ndarray]
    sds: tuple[np.ndarray, np.ndarray, np.ndarray]
    means: tuple[np.ndarray, np.ndarray]
    words: str

    @property
    def common_sd(self) -> np.ndarray:
        """Standard deviation of x and z together: the root of their mean variance."""
        return np.sqrt((self.sds[0] ** 2 + self.sds[1] ** 2) / 2.0)


def common_metric(
    fit: Fitted, x: int, z: int, y: int, *, metric: str | None, center: float | None
) -> Metric:
    """The metric asked for, or the one that the measurement of x and z allows.

    Raises
    ------
    ModelError
        For another metric, or a center that is no number or belongs to another metric.

    Warns
    -----
    BayessemWarning
        When raw values are asked for that have no common metric.
    """
    if metric not in (None, *METRICS):
        raise ModelError(f'metric is "raw" or "standardized", not {metric!r}')
    problem, zero = _differences(fit, x, z)
    name = metric or ("standardized" if problem else "raw")
    if center is not None and name == "standardized":
        raise ModelError(
            'center= belongs to metric="raw"; standardised variables are measured from their means'
        )
    if center is not None and not np.isfinite(float(center)):
        raise ModelError(f"center is a number, such as the midpoint of the scale, not {center!r}")
    names = fit.prepared.structure.variables
    if problem and name == "raw":
        warnings.warn(
            f"{names[x]} and {names[z]} have no common metric ({problem}), so that {names[x]} = "
            f'{names[z]} has no meaning in raw values; use metric="standardized"',
            BayessemWarning,
            stacklevel=outside(),
        )
    scales = [pooled_scale(fit, v) for v in (x, z, y)]
    means = [mean for mean, _ in scales]
    sds = [sd for _, sd in scales]
    both = f"{names[x]} and {names[z]}"
    if name == "standardized":
        why = f" ({problem})" if problem else ""
        words = (
            f"Metric: {both} are standardised{why}: on the line of congruence both lie equally "
            f"many standard deviations from their means; {names[y]} is standardised too."
        )
        return _metric(name, means, sds, means, sds, words)
    origin, words = _origin(both, means, center, zero, problem)
    ones = [np.ones_like(means[0])] * 3
    return _metric(name, [*origin, np.zeros_like(means[0])], ones, means, sds, words)


def _metric(
    name: str,
    centers: list[np.ndarray],
    scales: list[np.ndarray],
    means: list[np.ndarray],
    sds: list[np.ndarray],
    words: str,
) -> Metric:
    measured = [(means[k] - centers[k]) / scales[k] for k in (0, 1)]
    spread = [sds[k] / scales[k] for k in range(3)]
    return Metric(
        name,
        (centers[0], centers[1], centers[2]),
        (scales[0], scales[1], scales[2]),
        (spread[0], spread[1], spread[2]),
        (measured[0], measured[1]),
        words,
    )


def _origin(
    both: str, means: list[np.ndarray], center: float | None, zero: str, problem: str
) -> tuple[list[np.ndarray], str]:
    """From where x and z are measured in raw values, and that in words."""
    if center is not None:
        words = f"Metric: {both} are in their own units, both measured from {number(float(center))}"
        origin = [np.full_like(means[0], float(center))] * 2
    elif zero:
        words = (
            f"Metric: {both} are in their own units, each measured from its own mean, since their "
            f"zero points differ ({zero})"
        )
        origin = means[:2]
    else:
        # one number for all draws: the same points of the scale in each of them
        middle = float(((means[0] + means[1]) / 2.0).mean())
        words = (
            f"Metric: {both} are in their own units, both measured from {number(middle)}, the "
            "average of their means"
        )
        origin = [np.full_like(means[0], middle)] * 2
    warned = f"; they have no common metric ({problem})" if problem else ""
    return origin, f"{words}{warned}."


def _differences(fit: Fitted, x: int, z: int) -> tuple[str, str]:
    """Why the units of x and z are not the same, and why their zero points are not; "" for none."""
    structure, sample = fit.prepared.structure, fit.prepared.sample
    names = (structure.variables[x], structure.variables[z])
    observed = [name in sample.variables for name in names]
    if all(observed):
        sds = [float(pooled_scale(fit, v)[1].mean()) for v in (x, z)]
        if max(sds) > ALIKE * min(sds):
            return f"their standard deviations are {number(sds[0])} and {number(sds[1])}", ""
        return "", ""
    if any(observed):
        return "one is observed and the other a construct", ""
    loadings = [_of_items(fit, name, "=~") for name in names]
    if not _same(*loadings):
        return "their loadings are not set equal", ""
    items = [[row[0] for row in found] for found in loadings]
    levels = [[_intercept(fit, item) for item in own] for own in items]
    same = all(
        a is not None and b is not None and _equal(a, b) for a, b in zip(*levels, strict=True)
    )
    return "", "" if same else "the intercepts of their items are not set equal"


def differs_by_group(fit: Fitted, variables: Sequence[int]) -> list[str]:
    """Names of the constructs whose loadings are not the same in all groups."""
    structure, sample = fit.prepared.structure, fit.prepared.sample
    names = [structure.variables[v] for v in variables]
    return [
        name
        for name in names
        if name not in sample.variables
        and not all(_equal(v[..., :1], v) for _, v in _of_items(fit, name, "=~"))
    ]


def _of_items(fit: Fitted, name: str, op: str) -> list[tuple[str, np.ndarray]]:
    """The items of a construct in the order of the model, each with its loadings (..., group)."""
    structure = fit.prepared.structure
    found: dict[str, list[np.ndarray]] = {}
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        if row.op == op and row.lhs == name:
            found.setdefault(row.rhs, []).append(fit.elements[..., structure.element(place)[0]])
    return [(item, np.stack(values, axis=-1)) for item, values in found.items()]


def _intercept(fit: Fitted, item: str) -> np.ndarray | None:
    found = _of_items(fit, item, "~1")
    return found[0][1] if found else None


def _same(first: list[tuple[str, np.ndarray]], second: list[tuple[str, np.ndarray]]) -> bool:
    """Whether the loadings are the same numbers in every draw, item by item."""
    return len(first) == len(second) and all(
        _equal(a, b) for (_, a), (_, b) in zip(first, second, strict=True)
    )


def _equal(first: np.ndarray, second: np.ndarray) -> bool:
    """Equal in every draw, but for rounding where `==` computes one from the other."""
    return bool(np.allclose(first, second, rtol=1e-9, atol=0.0))
