"""What a predictive check computes of a data set: names, and a function of the data of a group."""

from __future__ import annotations

import numpy as np

from bayessem.criticism.answers import Answers, Look, shares_look
from bayessem.criticism.headline import squares
from bayessem.criticism.level_looks import level_correlations
from bayessem.criticism.statistics import (
    CURVE,
    MARGINS,
    composite,
    margins,
    pair_correlations,
    quadratic_fit,
)
from bayessem.effects.pathways import position
from bayessem.errors import ModelError
from bayessem.model.prepare import Prepared
from bayessem.model.structure import Structure

CHECKS = ("correlations", "indicators", "shape")
# In front of a category, as the name of its share.
SHARE = "share of "


def look_at(
    prepared: Prepared,
    check: str,
    members: np.ndarray,
    *,
    relation: tuple[str, str] | None = None,
) -> Look:
    """The numbers of a check.

    Parameters
    ----------
    prepared : Prepared
        The model.
    check : str
        One of `CHECKS`.
    members : ndarray (respondent,), bool
        The group's own, whose data tell how items are keyed.
    relation : (x, y), optional
        For "shape".

    Raises
    ------
    ModelError
        For an unknown check.
    """
    clusters = prepared.sample.clusters
    if check == "correlations" and clusters is not None and prepared.table.levels > 1:
        return level_correlations(prepared, clusters.code[members])
    if check == "correlations":
        return _correlations(prepared)
    if check == "indicators":
        return _indicators(prepared)
    if check == "shape" and relation is not None:
        return _shape(prepared.structure, prepared.sample.values[members], *relation)
    raise ModelError(f"check is one of {', '.join(CHECKS)}, not {check!r}")


def _correlations(prepared: Prepared) -> Look:
    """All pairs but those of two covariates, which are not drawn, or of one that is constant."""
    sample = prepared.sample
    names, given = sample.variables, prepared.table.exogenous
    constant = {
        name
        for g in range(len(sample.groups))
        for name, column in zip(names, sample.values[sample.group == g].T, strict=True)
        if name in given and np.ptp(column) == 0
    }
    pairs = list(zip(*np.tril_indices(len(names), -1), strict=True))
    hidden = censored_durations(prepared)
    keep = [
        k
        for k, (i, j) in enumerate(pairs)
        if not {names[i], names[j]} & hidden
        and not (names[i] in given and names[j] in given)
        and not {names[i], names[j]} & constant
    ]
    labels = tuple((f"{names[pairs[k][1]]} ~~ {names[pairs[k][0]]}", "correlation") for k in keep)
    return Look(labels, lambda values: pair_correlations(values)[..., keep])


def _indicators(prepared: Prepared) -> Look:
    """Statistics of what are numbers, shares of the categories of what is ordered."""
    names, given = prepared.sample.variables, prepared.table.exogenous
    ordered = ordered_scales(prepared)
    answered = {scale.variable for scale in ordered} | censored_durations(prepared)
    keep = [j for j, name in enumerate(names) if name not in given and name not in answered]
    labels = tuple((names[j], statistic) for j in keep for statistic in MARGINS)
    shares = shares_look(ordered)

    def measure(values: np.ndarray) -> np.ndarray:
        found = margins(values)[..., keep, :]
        flat = found.reshape(*found.shape[:-2], -1)
        return np.concatenate([flat, shares.measure(values)], axis=-1)

    return Look((*labels, *((name, f"{SHARE}{answer}") for name, answer in shares.names)), measure)


def censored_durations(prepared: Prepared) -> set[str]:
    """Responses some values of which are only known to lie in an interval of their own.

    What the model draws is not censored, so that the two cannot be compared value by value.
    """
    return {
        name
        for name, how in prepared.table.responses.censored.items()
        if isinstance(how, str) or isinstance(how[0], str)
        if prepared.sample.beside[name].censored.any()
    }


def ordered_scales(prepared: Prepared) -> list[Answers]:
    """The scales of the ordered variables."""
    sample = prepared.sample
    return [
        Answers(name, j, np.arange(float(len(labels))), tuple(map(str, labels)))
        for j, (name, labels) in enumerate(zip(sample.variables, sample.categories, strict=False))
        if labels
    ]


def _shape(structure: Structure, data: np.ndarray, x: str, y: str) -> Look:
    """Coefficients of the least-squares quadratic of y's composite score on x's."""
    used = []
    for name in (x, y):
        columns, _ = indicators_of(structure, name)
        with_first = [_correlation(data, columns[0], j) for j in columns]
        used.append((columns, np.where(np.array(with_first) < 0, -1.0, 1.0)))

    def measure(values: np.ndarray) -> np.ndarray:
        predictor, outcome = (composite(values, columns, signs) for columns, signs in used)
        return quadratic_fit(predictor, outcome)

    return Look(tuple((f"{y} ~ {x}", statistic) for statistic in CURVE), measure)


def score_range(structure: Structure, data: np.ndarray, x: str) -> tuple[float, float]:
    """2 % and 98 % quantiles of the composite score of x in the data."""
    columns, _ = indicators_of(structure, x)
    with_first = [_correlation(data, columns[0], j) for j in columns]
    score = composite(data, columns, np.where(np.array(with_first) < 0, -1.0, 1.0))
    low, high = np.nanquantile(score, [0.02, 0.98])
    return float(low), float(high)


def _correlation(data: np.ndarray, i: int, j: int) -> float:
    return 1.0 if i == j else float(pair_correlations(data[:, [i, j]])[0])


def quadratic_relation(structure: Structure, x: str | None, y: str | None) -> tuple[str, str]:
    """The relation to look at: as asked for, or the first square of the model.

    Raises
    ------
    ModelError
        When the model has no such square, or a name is not in it.
    """
    if x is not None and y is not None:
        for name in (x, y):
            position(structure, name)
        return x, y
    for found in squares(structure):
        if x in (None, found[0]) and y in (None, found[1]):
            return found
    raise ModelError(
        'check="shape" needs x and y: the model has no square'
        + (f" of {x}" if x else "")
        + (f" in the equation of {y}" if y else "")
    )


def indicators_of(structure: Structure, name: str) -> tuple[list[int], list[str]]:
    """Columns that measure a variable, through its dimensions too: positions and names."""
    if name in structure.observed:
        return [structure.observed.index(name)], [name]
    out: list[str] = []
    todo = [name]
    while todo:
        current = todo.pop(0)
        for r in structure.table.rows:
            if r.op == "=~" and r.lhs == current and r.group == 0:
                (out if r.rhs in structure.observed else todo).append(r.rhs)
    names = list(dict.fromkeys(out))
    return [structure.observed.index(n) for n in names], names
