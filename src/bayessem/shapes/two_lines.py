"""Two lines instead of a quadratic: whether the slope of a relation really changes its sign.

A quadratic fits a relation that only flattens out, and then seems to turn. Simonsohn (2018,
doi:10.1177/2515245918805755) fits one line below and one above a break point; there is a U only if
both slopes differ from 0 and in sign. The break point comes from his "Robin Hood" procedure: of the
stretch where a smooth fit is within one standard error of its extreme value, take the quantile
|z2| / (|z1| + |z2|), which gives more respondents to the weaker line. Here the smooth fit is a
natural cubic spline with five knots (there: a penalised one), and standard errors are HC3.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from bayessem.arguments import check_shared
from bayessem.effects.pathways import arrows, descendants
from bayessem.model.structure import Structure
from bayessem.results.estimates import tail_probability
from bayessem.results.fitted import Fitted

KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95)
TRIM = 0.1  # the break point is looked for in the middle 80 % of x


@dataclass(frozen=True)
class TwoLines:
    """Two lines for each of several draws of (x, y).

    Attributes
    ----------
    break_point : ndarray (draw,)
    low, high : ndarray (draw,)
        Slopes below and above it.
    se_low, se_high : ndarray (draw,)
        Their standard errors.
    peak : ndarray of bool (draw,)
        Whether an inverted U was looked for (a peak), rather than a U.
    """

    break_point: np.ndarray
    low: np.ndarray
    high: np.ndarray
    se_low: np.ndarray
    se_high: np.ndarray
    peak: np.ndarray

    def slopes(self, rng: np.random.Generator, *, repeats: int = 20) -> np.ndarray:
        """Draws of both slopes (2, draw * repeats), with their sampling error."""
        size = (repeats, len(self.low))
        low = self.low + self.se_low * rng.standard_normal(size)
        high = self.high + self.se_high * rng.standard_normal(size)
        return np.stack([low.ravel(), high.ravel()])


def two_lines(x: np.ndarray, y: np.ndarray, controls: np.ndarray | None = None) -> TwoLines:
    """Fit two lines to each draw.

    Parameters
    ----------
    x, y : ndarray (draw, respondent)
    controls : ndarray (draw, respondent, control), optional
        Further predictors of y.
    """
    if controls is None:
        controls = np.zeros((*x.shape, 0))
    results = [_one(x[k], y[k], controls[k]) for k in range(len(x))]
    columns = [np.array(c) for c in zip(*results, strict=True)]
    return TwoLines(*columns)


def _one(
    x: np.ndarray, y: np.ndarray, controls: np.ndarray
) -> tuple[float, float, float, float, float, bool]:
    ones = np.ones_like(x)
    controls = controls - controls.mean(axis=0)
    beta, _ = least_squares(np.column_stack([ones, x, x * x, controls]), y)
    peak = bool(beta[1] + 2.0 * beta[2] * x.min() > 0)
    flat = _flat_stretch(x, y, controls, peak=peak)
    first = _interrupted(x, y, controls, float(np.median(flat)))
    z = np.abs([first[0] / first[2], first[1] / first[3]])
    break_point = float(np.quantile(flat, z[1] / z.sum()))
    return (break_point, *_interrupted(x, y, controls, break_point), peak)


def _flat_stretch(x: np.ndarray, y: np.ndarray, controls: np.ndarray, *, peak: bool) -> np.ndarray:
    """Values of x in its middle 80 % where a smooth fit is within one SE of its extreme value."""
    design = np.column_stack([spline_basis(x), controls])
    beta, covariance = least_squares(design, y)
    lowest, highest = np.quantile(x, [TRIM, 1.0 - TRIM])
    middle = (x > lowest) & (x < highest)
    if not middle.any():
        return np.array([np.median(x)])
    seen = design[middle].copy()
    seen[:, design.shape[1] - controls.shape[1] :] = 0.0
    fitted = seen @ beta * (1.0 if peak else -1.0)
    error = np.sqrt(np.einsum("ij,jk,ik->i", seen, covariance, seen))
    return x[middle][fitted + error >= fitted.max()]


def spline_basis(x: np.ndarray) -> np.ndarray:
    """Natural cubic spline (respondent, knots) with knots at `KNOTS` quantiles; linear beyond.

    Hastie, Tibshirani & Friedman (2009), section 5.2.1, doi:10.1007/978-0-387-84858-7.
    """
    scaled = (x - x.mean()) / x.std()
    knots = np.unique(np.quantile(scaled, KNOTS))
    if len(knots) < 3:
        return np.column_stack([np.ones_like(x), scaled])
    last = knots[-1]

    def bend(knot: float) -> np.ndarray:
        cubes = np.clip(scaled - knot, 0, None) ** 3 - np.clip(scaled - last, 0, None) ** 3
        return cubes / (last - knot)

    end = bend(knots[-2])
    return np.column_stack([np.ones_like(x), scaled, *(bend(k) - end for k in knots[:-2])])


def least_squares(design: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and their HC3 covariance.

    MacKinnon & White (1985), doi:10.1016/0304-4076(85)90158-7.
    Collinear columns share a coefficient (minimum norm of columns of length 1: whatever the units).
    """
    size = np.linalg.norm(design, axis=0)
    size = np.where(size > 0, size, 1.0)
    unit = design / size
    inverse = np.linalg.pinv(unit.T @ unit) / np.outer(size, size)
    beta = inverse @ (design.T @ y)
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    scaled = (y - design @ beta) / np.clip(1.0 - leverage, 1e-6, None)
    meat = (design * scaled[:, None] ** 2).T @ design
    return beta, inverse @ meat @ inverse


def _interrupted(
    x: np.ndarray, y: np.ndarray, controls: np.ndarray, at: float
) -> tuple[float, float, float, float]:
    """Slopes below and above a break point and their SEs; the point itself counts for both."""
    found = []
    for upper, column in ((x > at, 1), (x >= at, 2)):
        below, above = np.where(upper, 0.0, x - at), np.where(upper, x - at, 0.0)
        design = np.column_stack([np.ones_like(x), below, above, upper.astype(float), controls])
        beta, covariance = least_squares(design, y)
        found.append((float(beta[column]), float(np.sqrt(covariance[column, column]))))
    (low, se_low), (high, se_high) = found
    return low, high, se_low, se_high


LINES = [
    "group", "hypothesis", "break_point", "low", "low_lower", "low_upper", "high", "high_lower",
    "high_upper", "p_low", "p_high", "p_both",
]  # fmt: skip


def _values(fit: Fitted, variables: Sequence[int], seed: int) -> np.ndarray:
    """Values (draw, respondent, variable): the data if all are observed, else drawn scores."""
    structure, sample = fit.prepared.structure, fit.prepared.sample
    names = [structure.variables[v] for v in variables]
    if all(name in sample.variables for name in names):
        return sample.values[None][:, :, [sample.variables.index(name) for name in names]]
    from bayessem.results.scores import score_draws

    return score_draws(fit, random_seed=seed).values[:, :, list(variables)]


def _products(
    structure: Structure, x: int, y: int, known: Collection[int]
) -> list[tuple[int, ...]]:
    """The products in y's equation besides the square of x, of variables that are held or x."""
    in_equation = {
        structure.products[place.j]
        for place in structure.places.values()
        if place.matrix == "products" and place.i == y
    }
    return sorted(pair for pair in in_equation - {(x, x)} if set(pair) <= set(known))


def _product(factors: Sequence[np.ndarray]) -> np.ndarray:
    """Of deviations from the means, so that slopes are those at the average of the moderators."""
    return np.prod([f - f.mean(axis=1, keepdims=True) for f in factors], axis=0)


@check_shared
def lines_of_scores(
    fit: Fitted,
    x: int,
    y: int,
    square: int | None,
    group: int,
    *,
    kind: str,
    ci_prob: float,
    seed: int,
) -> dict[str, str | float]:
    """Two lines for one group: `LINES`, from the data or from draws of factor scores.

    Parameters
    ----------
    fit : Fitted
    x, y, square : int
        Positions of the variables; `square` of an observed one that holds x^2, or None.
    group : int
    kind : {"direct", "total"}
        Whether y's other predictors that x causes are held constant ("direct").
    ci_prob : float
    seed : int
        Of the draws of scores.
    """
    structure, sample = fit.prepared.structure, fit.prepared.sample
    members = sample.group == group
    # What x causes is part of its total effect, so it is no control there.
    caused = descendants(structure, x) if kind == "total" else set()
    controls = [
        v
        for v, children in arrows(structure).items()
        if y in children and v not in {x, square} | caused
    ]
    drawn = _values(fit, [x, y, *controls], seed)[:, members]
    drawn = drawn[:, ~np.isnan(drawn).any(axis=(0, 2))]
    columns = {v: drawn[:, :, k] for k, v in enumerate([x, y, *controls])}
    held = [columns[v] for v in controls]
    held += [
        _product([columns[v] for v in factors]) for factors in _products(structure, x, y, columns)
    ]
    found = two_lines(columns[x], columns[y], np.stack(held, axis=-1) if held else None)
    low, high = found.slopes(np.random.default_rng(seed), repeats=max(1, 4000 // len(drawn)))
    tail = tail_probability(ci_prob)
    peak = bool(found.peak.mean() >= 0.5)
    sign = 1.0 if peak else -1.0
    intervals = [np.quantile(s, [tail, 1.0 - tail]) for s in (low, high)]
    values = (
        structure.table.groups[group] if len(structure.table.groups) > 1 else "",
        "inverted U" if peak else "U",
        float(found.break_point.mean()),
        float(low.mean()), *map(float, intervals[0]),
        float(high.mean()), *map(float, intervals[1]),
        float((low * sign > 0).mean()),
        float((high * sign < 0).mean()),
        float(((low * sign > 0) & (high * sign < 0)).mean()),
    )  # fmt: skip
    return dict(zip(LINES, values, strict=True))
