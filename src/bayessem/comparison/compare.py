"""Comparison of models by their expected log predictive density, respondent by respondent.

Differences are taken unit by unit, so that what is common to the models cancels; stacking weights
and pseudo-BMA+ as in Yao, Vehtari, Simpson & Gelman (2018, doi:10.1214/17-BA1091); the limits of
the standard error of a difference: Sivula, Magnusson, Matamoros & Vehtari (2025,
doi:10.1214/25-BA1569).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from bayessem.arguments import check_shared
from bayessem.comparison.comparable import aligned_with, check_comparable
from bayessem.comparison.compare_result import Comparison
from bayessem.comparison.criterion import CrossValidation, Target, target_of
from bayessem.comparison.kfold import KFold
from bayessem.comparison.loo import Loo, loo
from bayessem.errors import FitError
from bayessem.results.fitted import Fitted, refuse_population

# Vehtari's rule of thumb: elpd differences below 4 are small whatever their standard error.
SMALL = 4.0
# A difference of fewer standard errors is not clear, and of this many clear.
UNCLEAR, CLEAR = 2.0, 4.0
# Below so many units the standard error of a difference is too small to lean on.
FEW_UNITS = 100
BOOTSTRAP = 1000


@check_shared
def compare(
    models: Mapping[str, Fitted | CrossValidation],
    *,
    random_seed: int = 0,
    max_refits: int = 25,
    executor: Any = None,
) -> Comparison:
    """Compare fits by leave-one-out cross-validation, or results of one kind of cross-validation.

    The same respondents in another order are put in order by their index labels; models of the same
    respondents with and without groups can be compared, since the unit is the respondent.

    Parameters
    ----------
    models : mapping
        Fits by name, or results of `Fit.loo`, `Fit.kfold` or `Fit.leave_group_out`.
    random_seed : int
        Of the Bayesian bootstrap behind the pseudo-BMA+ weights.
    max_refits : int
        As in `loo`, for each fit.
    executor : optional
        Where refits run, as in `bayessem.design`; the result is the same.

    Returns
    -------
    Comparison

    Raises
    ------
    FitError
        When the models do not predict the same values of the same respondents in the same way,
        saying which and why.
    """
    if not isinstance(models, Mapping) or len(models) < 2:
        raise FitError(
            'compare takes two or more models by name: compare({"linear": fit1, "square": fit2})'
        )
    given = {
        str(name): one.target if isinstance(one, CrossValidation) else _target(one)
        for name, one in models.items()
    }
    notes = check_comparable(given)  # before anything is computed
    results = {
        str(name): one
        if isinstance(one, CrossValidation)
        else loo(one, max_refits=max_refits, executor=executor)
        for name, one in models.items()
    }
    notes += _check_methods(results)
    return compare_results(results, notes, random_seed=random_seed)


def _target(fit: Fitted) -> Target:
    if not isinstance(fit, Fitted):
        raise FitError(
            f"compare takes fits (of sem.fit) or results of their cross-validation, not "
            f"{type(fit).__name__}"
        )
    refuse_population(fit, "cross-validation")
    return target_of(fit.prepared)


def _check_methods(results: Mapping[str, CrossValidation]) -> tuple[str, ...]:
    methods = {name: result.method for name, result in results.items()}
    if len(set(methods.values())) > 1:
        listed = ", ".join(f"{name} {method}" for name, method in methods.items())
        raise FitError(f"compare results of one kind of cross-validation; here: {listed}")
    folds = [result for result in results.values() if isinstance(result, KFold)]
    different = [r for r in folds if not r.folds_by_label().equals(folds[0].folds_by_label())]
    if different:
        return ("The models were cross-validated on different folds, which adds noise.",)
    return ()


def compare_results(
    results: Mapping[str, CrossValidation], notes: Sequence[str], *, random_seed: int
) -> Comparison:
    """Table, weights and pointwise differences of comparable results."""
    names = sorted(results, key=lambda name: -results[name].elpd)
    first = results[names[0]]
    elpd = np.column_stack(
        [
            results[name].pointwise["elpd"].to_numpy()[aligned_with(first, results[name])]
            for name in names
        ]
    )
    gap = elpd - elpd[:, :1]
    n = len(elpd)
    total = gap.sum(axis=0)
    se = np.sqrt(n) * gap.std(axis=0, ddof=1)
    table = pd.DataFrame(
        {
            "elpd": [results[name].elpd for name in names],
            "se": [results[name].se for name in names],
            "p_loo": [results[name].p_loo for name in names],
            "difference": total,
            "se_difference": se,
            "stacking": stacking_weights(elpd),
            "pseudo_bma": pseudo_bma_weights(elpd, random_seed=random_seed),
            "verdict": ["best", *map(verdict, total[1:], se[1:])],
            "unreliable": [
                len(r.unreliable) if isinstance(r := results[name], Loo) else 0 for name in names
            ],
        },
        index=pd.Index(names, name="model"),
    )
    differences = pd.DataFrame(gap[:, 1:], columns=names[1:], index=first.pointwise.index)
    return Comparison(table, differences, dict(results), (*notes, *_caveats(table, n, first)))


def verdict(difference: float, se: float) -> str:
    """A difference in words: below 4 none, else by its ratio to the standard error."""
    if abs(difference) < SMALL:
        return "no difference"
    ratio = abs(difference) / se if se > 0 else np.inf
    if ratio < UNCLEAR:
        return "worse, but not clearly"
    return "worse" if ratio < CLEAR else "clearly worse"


def _caveats(table: pd.DataFrame, n: int, first: CrossValidation) -> tuple[str, ...]:
    notes = []
    if n < FEW_UNITS:
        notes.append(
            f"With {n} {first.target.unit}s the standard errors of differences are too small, by "
            "up to a factor of two: read the verdicts with caution."
        )
    bad = table.index[table["unreliable"] > 0]
    if len(bad):
        listed = ", ".join(f"{name} {table.loc[name, 'unreliable']}" for name in bad)
        notes.append(
            f"Respondents whose Pareto k is too large and was not repaired: {listed}; their elpd "
            "is too optimistic. See the result of fit.loo()."
        )
    return tuple(notes)


def stacking_weights(elpd: np.ndarray, *, iterations: int = 20000) -> np.ndarray:
    """Weights of the mixture of predictive distributions with the largest elpd, (model,).

    elpd : (unit, model). The objective is concave; each step of the EM algorithm raises it.
    """
    density = np.exp(elpd - elpd.max(axis=1, keepdims=True))
    weights = np.full(elpd.shape[1], 1.0 / elpd.shape[1])
    for _ in range(iterations):
        share = density * weights
        new = np.mean(share / share.sum(axis=1, keepdims=True), axis=0)
        if np.abs(new - weights).max() < 1e-10:
            break
        weights = new
    return new / new.sum()


def pseudo_bma_weights(
    elpd: np.ndarray, *, random_seed: int, bootstrap: int = BOOTSTRAP
) -> np.ndarray:
    """Pseudo-BMA+ weights: exp(elpd), averaged over a Bayesian bootstrap of the units, (model,)."""
    n = len(elpd)
    rng = np.random.default_rng(random_seed)
    totals = n * rng.dirichlet(np.ones(n), size=bootstrap) @ (elpd - elpd.mean())
    return softmax(totals, axis=1).mean(axis=0)
