"""The ladder of measurement invariance as sampled models: Bayesian fit of each step, and LOO.

Bayesian fit indices are those of Garnier-Villarreal & Jorgensen (2020, doi:10.1037/met0000224). The
change of an index from one step to the next is the difference of draws of two posteriors, which are
independent given the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from bayessem.comparison.compare import compare
from bayessem.comparison.compare_result import Comparison
from bayessem.comparison.criterion import CrossValidation, target_of
from bayessem.comparison.loo import loo
from bayessem.criticism.indices import Indices
from bayessem.moderation.approximate_invariance_result import ApproximateInvariance
from bayessem.moderation.invariance_steps import BEFORE
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted

SHOWN = ("BRMSEA", "BCFI")


def fit_by_step(indices: Mapping[str, Indices], *, ci_prob: float = 0.95) -> pd.DataFrame:
    """Bayesian fit of each step, and its change from the step before.

    Parameters
    ----------
    indices : mapping of str to Indices
        Of the sampled steps, in their order.
    ci_prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    DataFrame
        A row a step: ppp, p_d; brmsea, bcfi (posterior means) with _lower and _upper;
        brmsea_change, bcfi_change from the step before (`BEFORE`) with _lower and _upper, nan where
        that was not sampled.
    """
    rows = []
    for step, found in indices.items():
        row: dict[str, float] = {"ppp": found.ppp, "p_d": found.p_d}
        before = indices.get(BEFORE.get(step, ""))
        for name in SHOWN:
            own = found.draws.sel(index=name).values
            row |= _summary(name.lower(), own, ci_prob)
            change = np.full_like(own, np.nan)
            if before is not None:
                change = own - before.draws.sel(index=name).values
            row |= _summary(f"{name.lower()}_change", change, ci_prob)
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index(list(indices), name="step"))


def _summary(name: str, values: np.ndarray, ci_prob: float) -> dict[str, float]:
    found = summarise(values[..., None], ci_prob=ci_prob, quality=False).iloc[0]
    return {
        name: float(found["mean"]),
        f"{name}_lower": float(found["lower"]),
        f"{name}_upper": float(found["upper"]),
    }


def compare_steps(
    exact: Mapping[str, Fitted], near: ApproximateInvariance | None, *, executor: Any = None
) -> Comparison:
    """Compare sampled steps by leave-one-out cross-validation.

    Parameters
    ----------
    exact : mapping of str to Fitted
        Of the items as they are.
    near : ApproximateInvariance or None
        Of the items in standard units; its elpd is brought back to those of the data.
    executor : optional
        Where refits run.
    """
    results: dict[str, CrossValidation] = {
        name: loo(fit, executor=executor) for name, fit in exact.items()
    }
    first = next(iter(exact.values()))
    if near is not None:
        for name, fit in near.fits.items():
            results[name] = in_units_of(first, loo(fit, executor=executor), near.scales)
    return compare(results)


def in_units_of(
    fit: Fitted, result: CrossValidation, scales: Mapping[str, float]
) -> CrossValidation:
    """A cross-validation of rescaled items in the units of a fit of the same respondents.

    The density of y is that of y / s, divided by s, for each value that was observed.
    """
    sample = fit.prepared.sample
    logs = np.array([np.log(scales.get(name, 1.0)) for name in sample.variables])
    shift = (~np.isnan(sample.values)) @ logs  # (respondent,)
    pointwise = result.pointwise.assign(
        elpd=result.pointwise["elpd"] - shift, lppd=result.pointwise["lppd"] - shift
    )
    return replace(result, target=target_of(fit.prepared), pointwise=pointwise)
