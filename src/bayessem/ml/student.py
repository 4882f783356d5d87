"""Maximum likelihood of models whose respondents have heavy tails (multivariate t).

Lange, Little & Taylor (1989), Robust statistical modeling using the t distribution. Journal of the
American Statistical Association, 84, 881-896. doi:10.1080/01621459.1989.10478852

What is maximised is a function of 1 / nu, which is regular where the data are normal: there nu has
no finite maximum, and ends at a bound. There is no chi-square: the saturated t has other moments
than the sample, and its test would be about nu as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from bayessem.errors import FitError, ModelError
from bayessem.ml.constrained import Constrained, maximise_within
from bayessem.ml.ordered import (
    likelihood_criteria,
    own_scale,
    parameter_covariance,
    turned,
    without_chi_square,
)
from bayessem.ml.result import MLFit
from bayessem.model.prepare import Prepared
from bayessem.model.starts import start_values
from bayessem.posterior.assemble import likelihood_density
from bayessem.posterior.density import Density
from bayessem.syntax.parameters import NU, ParameterTable

STANDARD_ERRORS = ("observed", "robust", "none")
# Bounds of 1 / nu; with a thousand degrees of freedom a t is a normal distribution.
LEAST, MOST = 1e-3, 0.499
# Climbs with the scale of the point where the last one ended.
ROUNDS, SETTLED = 3, 1e-6


@dataclass(frozen=True)
class _ByInverse:
    """A likelihood as a function of parameters with 1 / nu in place of nu."""

    density: Density
    at: int  # position of nu

    @property
    def units(self) -> np.ndarray:
        """Those of the density."""
        return self.density.units

    def natural(self, x: np.ndarray) -> np.ndarray:
        """The parameters with nu itself."""
        out = np.array(x)
        out[self.at] = 1.0 / out[self.at]
        return out

    def value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Log-likelihood and gradient; -inf outside of the bounds of a t with a variance."""
        if not 0.0 < x[self.at] < 0.5:
            return -np.inf, np.zeros(len(x))
        value, gradient = self.density.value_and_gradient(self.natural(x))
        gradient[self.at] *= -1.0 / x[self.at] ** 2
        return value, gradient


def fit_student(prepared: Prepared, *, se: str | None = None) -> MLFit:
    """Fit a model with family="student" by maximum likelihood.

    Parameters
    ----------
    prepared : Prepared
        Model and data.
    se : {"observed", "robust", "none"}, optional
        Standard errors from the observed information (differences of exact gradients), or the
        sandwich with the respondents' scores, which is the default with weights or clusters.

    Returns
    -------
    MLFit
        With log-likelihood and information criteria; without chi-square and its indices.

    Raises
    ------
    ModelError
        For other standard errors.
    FitError
        When the likelihood is not finite at the start.
    """
    se = se or ("observed" if prepared.sample.design is None else "robust")
    if se not in STANDARD_ERRORS:
        raise ModelError(
            f"se is one of {', '.join(STANDARD_ERRORS)} for models with heavy tails, not {se!r}"
        )
    density = likelihood_density(prepared.structure, prepared.space, prepared.sample)
    found, scale = _maximum(prepared, density)
    found = turned(prepared, density, found)
    covariance, problems = parameter_covariance(prepared, density, found, scale, se)
    return without_chi_square(
        prepared,
        found,
        covariance,
        density.elements(found.x),
        se=se,
        measures=likelihood_criteria(prepared, found),
        problems=(*_doubts(found), *problems),
    )


def _maximum(prepared: Prepared, density: Density) -> tuple[Constrained, np.ndarray]:
    """The maximum and the rough standard error of each parameter, both in terms of nu."""
    at = prepared.table.parameters.index(NU)
    inverse = _ByInverse(density, at)
    x = start_values(prepared.structure, prepared.covariances, prepared.means)
    x[at] = 1.0 / x[at]
    table = _bounded(prepared.table, at)
    if not np.isfinite(inverse.value_and_gradient(x)[0]):
        raise FitError(
            "the likelihood is not finite at the start values; give start() for loadings, or fix "
            "what is not identified"
        )
    last = -np.inf
    for _ in range(ROUNDS):
        scale = own_scale(prepared, cast(Density, inverse), x)
        found = maximise_within(cast(Any, inverse), table, x, scale=scale)
        x = found.x
        if found.value - last < SETTLED:
            break
        last = found.value
    basis = np.array(found.basis)
    basis[at] *= -1.0 / x[at] ** 2
    scale[at] /= x[at] ** 2
    return replace(found, x=inverse.natural(x), basis=basis), scale


def _bounded(table: ParameterTable, at: int) -> ParameterTable:
    """The table with bounds of 1 / nu."""
    rows = tuple(replace(r, lower=LEAST, upper=MOST) if r.free == at else r for r in table.rows)
    return replace(table, rows=rows)


def _doubts(found: Constrained) -> list[str]:
    """What makes the maximum doubtful."""
    out = []
    if not found.converged:
        out.append(
            "no maximum of the likelihood was found "
            f"(Newton decrement {found.decrement:.2g}): do not use these estimates; try start(), "
            "more respondents, or a simpler model"
        )
    for text in found.active:
        if not text.startswith(f"{NU} "):
            out.append(f"at its bound: {text}")
        elif ">" in text:
            out.append(
                f"nu is at its bound of {1.0 / LEAST:,.0f}: the data have no heavier tails than "
                "the normal distribution, and the normal model (without family=) says the same"
            )
        else:
            out.append(
                f"nu is at its bound of {1.0 / MOST:.3f}: tails so heavy that they have hardly a "
                "variance; look at the respondents that fit.weights() names"
            )
    return out
