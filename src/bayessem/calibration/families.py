"""One small model of each family, for the calibration of the program itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayessem.model.pooling import partial
from bayessem.model.prepare import Prepared, prepare
from bayessem.model.prior_checks import priors_that_apply
from bayessem.syntax.specification import Specification


@dataclass(frozen=True)
class Family:
    """A model with what its data look like.

    Attributes
    ----------
    text : str
        In lavaan's syntax.
    n : int
        Respondents.
    groups : int
        Groups of equal size.
    missing : float
        Share of values missing completely at random.
    pooled : tuple of str
        Partially pooled parameters; several have correlated deviations.
    clusters : int
        Clusters of a two-level model, of sizes that differ.
    ordered : tuple of str
        Indicators that are answers in ordered categories.
    categories : int
        How many each of those has, equally frequent in the template.
    priors : mapping, optional
        In place of `PRIORS`.
    family : mapping or str, optional
        As in `SEM`; so are `exposure` and `censored` (by limits).
    fixed_x : bool
        False: covariates are drawn, too, where the model would condition on them.
    """

    text: str
    n: int
    groups: int = 1
    missing: float = 0.0
    pooled: tuple[str, ...] = ()
    clusters: int = 0
    ordered: tuple[str, ...] = ()
    categories: int = 2
    priors: Mapping[str, str] | None = None
    family: Mapping[str, str] | str | None = None
    exposure: Mapping[str, str] | None = None
    censored: Mapping[str, tuple[float | None, float | None]] | None = None
    fixed_x: bool = True


# Narrower than the defaults: draws of the default priors hold residual variances near 0 and
# loadings of both signs, whose posteriors no sampler explores in a thousand draws. What is tested,
# that the program draws from the posterior of model and prior, does not depend on the width.
PRIORS = {
    "loading": "normal(1, 0.25)",
    "path": "normal(0.3, 0.4)",
    "product": "normal(0, 0.3)",
    "intercept": "normal(0, 0.3)",
    "residual_sd": "log_normal(-0.5, 0.2)",
    "disturbance_sd": "log_normal(-0.2, 0.2)",
}

# What composites cause and what explains them is sampled in units of their standard deviations, for
# which the defaults are meant.
COMPOSITE_PRIORS = {
    "loading": "normal(1, 0.25)",
    "intercept": "normal(0, 0.3)",
    "residual_sd": "log_normal(-0.5, 0.2)",
    "Y~~Y": "log_normal(-0.2, 0.2)",
}

TWO_FACTORS = "X =~ x1 + x2 + x3\nY =~ y1 + y2 + y3\n"
SIX = ("x1", "x2", "x3", "y1", "y2", "y3")
# An answer to one construct; its dispersion as far from 0 as data tell.
ONE_FACTOR = "X =~ x1 + x2 + x3\ny ~ X"
ANSWER_PRIORS = PRIORS | {"mean": "normal(0, 0.3)"}
SHARE_PRIORS = ANSWER_PRIORS | {"y~~y": "log_normal(-1.5, 0.2)"}
THIRD = "Z =~ z1 + z2 + z3\n"
NINE = (*SIX, "z1", "z2", "z3")

FAMILIES = {
    "linear": Family(TWO_FACTORS + "Y ~ X", 150),
    "second_order": Family(
        "S =~ A + B + C\nA =~ x1 + x2 + x3\nB =~ y1 + y2 + y3\nC =~ z1 + z2 + z3", 150
    ),
    "quadratic": Family(TWO_FACTORS + "Y ~ X + X:X", 100),
    "interaction": Family(TWO_FACTORS + "Z =~ z1 + z2 + z3\nY ~ X + Z + X:Z", 60),
    "surface": Family(
        TWO_FACTORS + "Z =~ z1 + z2 + z3\nY ~ X + Z + X:X + X:Z + Z:Z", 80, missing=0.1
    ),
    "three_products": Family(
        TWO_FACTORS + "Z =~ z1 + z2 + z3\nW =~ w1 + w2 + w3\nY ~ X + Z + W + X:X + X:Z + X:W + Z:W",
        80,
    ),
    "missing": Family(TWO_FACTORS + "Y ~ X", 150, missing=0.2),
    "grouped": Family(TWO_FACTORS + "Y ~ c(a, b)*X", 200, groups=2),
    "pooled": Family(TWO_FACTORS + "Y ~ X", 240, groups=6, pooled=("Y~X",)),
    "pooled_correlated": Family(
        TWO_FACTORS + "Y ~ X", 240, groups=6, pooled=("Y~X", "y1~1", "Y~~Y")
    ),
    "composites": Family(
        "A <~ x1 + x2 + x3\nB <~ z1 + z2 + z3\nY =~ y1 + y2 + y3\nB ~ A\nY ~ A + B",
        150,
        priors=COMPOSITE_PRIORS,
    ),
    "two_levels": Family(
        f"level: 1\n{TWO_FACTORS}Y ~ X\nlevel: 2\n{TWO_FACTORS}Y ~ X", 240, clusters=40
    ),
    "two_levels_clusters": Family(
        "level: 1\nX =~ x1 + x2 + x3\nlevel: 2\nB =~ x1 + x2 + x3\nZ =~ z1 + z2 + z3\nB ~ Z",
        200,
        clusters=40,
        missing=0.1,
    ),
    "two_levels_observed": Family("level: 1\ny ~ x\nlevel: 2\ny ~ x + w", 200, clusters=40),
    "two_levels_slopes": Family(
        'level: 1\ny ~ rv("s")*x\nlevel: 2\ny ~ w\ns ~ w\ns ~~ y', 240, clusters=40, fixed_x=False
    ),
    "binary": Family(
        "F =~ x1 + x2 + x3 + x4 + x5 + x6", 200, ordered=tuple(f"x{j}" for j in range(1, 7))
    ),
    "ordered": Family(TWO_FACTORS + THIRD, 120, ordered=NINE, categories=4),
    "ordered_square": Family(TWO_FACTORS + "Y ~ X + X:X", 100, ordered=SIX, categories=4),
    "ordered_mixed": Family(
        TWO_FACTORS + "Y ~ X", 120, missing=0.15, ordered=("x1", "x2", "y1"), categories=3
    ),
    "ordered_wide": Family(
        TWO_FACTORS + THIRD + "W =~ w1 + w2 + w3",
        120,
        ordered=(*NINE, "w1", "w2", "w3"),
        categories=4,
    ),
    "heavy_tails": Family(TWO_FACTORS + "Y ~ X", 120, missing=0.1, family="student"),
    "count": Family(
        ONE_FACTOR,
        80,
        family={"y": "negative_binomial"},
        exposure={"y": "years"},
        priors=ANSWER_PRIORS,
    ),
    "duration": Family(
        TWO_FACTORS + "Y ~ X\nt ~ Y + X",
        120,
        missing=0.1,
        family={"t": "lognormal"},
        censored={"t": (None, 1.5)},
        priors=ANSWER_PRIORS,
    ),
    "weibull": Family(
        ONE_FACTOR, 80, family={"y": "weibull"}, censored={"y": (None, 1.5)}, priors=ANSWER_PRIORS
    ),
    "share": Family(ONE_FACTOR, 80, family={"y": "beta"}, priors=SHARE_PRIORS),
}


# From a standardised number to a value that a response family may have.
ON_SCALE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "negative_binomial": lambda x: np.floor(np.exp(1.0 + 0.5 * x)),
    "lognormal": np.exp,
    "weibull": np.exp,
    "beta": lambda x: 1.0 / (1.0 + np.exp(-x)),
}


def specification(family: Family) -> Specification:
    """The family's model; constructs of ordered answers have variance 1."""
    if family.ordered:
        return Specification(family.text, ordered=list(family.ordered), std_lv=True)
    if family.family:
        return Specification(
            family.text, family=family.family, exposure=family.exposure, censored=family.censored
        )
    alike = family.groups > 1 and not family.pooled
    equal = ("loadings", "intercepts") if alike else ()
    return Specification(family.text, group_equal=equal, fixed_x=family.fixed_x)


def template(family: Family, *, random_seed: int = 1) -> pd.DataFrame:
    """Data that give the priors their scale and the calibration its sizes and missing cells.

    Indicators are standardised, with loadings of .8 on one common variable; those that are ordered
    are cut.
    """
    rng = np.random.default_rng(random_seed)
    table = specification(family).table
    observed = table.observed
    common = rng.standard_normal((family.n, 1))
    noise = rng.standard_normal((family.n, len(observed)))
    values = 0.8 * common + 0.6 * noise
    if family.clusters:
        code = np.sort(rng.integers(family.clusters, size=family.n))
        own = rng.standard_normal((family.clusters, len(observed)))[code]
        alone = np.array([name in table.between_only for name in observed])
        values = np.where(alone, own, np.sqrt(0.7) * values + np.sqrt(0.3) * own)
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    for name in family.ordered:
        column = values[:, observed.index(name)]
        cuts = np.quantile(column, np.linspace(0, 1, family.categories + 1)[1:-1])
        column[:] = np.searchsorted(cuts, column)
    if family.missing:
        gone = rng.random(values.shape) < family.missing
        gone[gone.all(axis=1)] = False
        values[gone] = np.nan
    frame = pd.DataFrame(values, columns=list(observed))
    for name, kind in table.responses.others.items():
        frame[name] = ON_SCALE[kind](frame[name].to_numpy())
    for exposure in table.responses.exposure.values():
        frame[exposure] = 1.0 + np.arange(family.n) % 3
    if family.clusters:
        frame[list(table.between_only)] = (
            frame[list(table.between_only)].groupby(code).transform("first")
        )
        frame["cluster"] = code
    if family.groups > 1:
        frame["group"] = [f"g{i % family.groups}" for i in range(family.n)]
    return frame


def prepared_family(family: Family) -> Prepared:
    """The family's model with its template data."""
    options: dict[str, Any] = {}
    if family.groups > 1:
        options["group"] = "group"
    if family.clusters:
        options["cluster"] = "cluster"
    if family.pooled:
        options["pooling"] = partial(*family.pooled, correlated=len(family.pooled) > 1)
    model = specification(family)
    data = template(family)
    given = PRIORS if family.priors is None else family.priors
    priors = priors_that_apply(given, prepare(model, data, **options).kinds)
    return prepare(model, data, priors=priors, **options)
