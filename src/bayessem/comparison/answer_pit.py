"""PIT of answers in categories: intervals rather than points, and the band of their distribution.

An answer's PIT is anywhere between the predictive probability of the answers below it and that of
those up to it. The mean of these uniform distributions over the respondents is uniform where
predictions are calibrated, without any randomisation (Czado, Gneiting & Held 2009,
doi:10.1111/j.1541-0420.2009.01191.x); its band is that of answers drawn from the predictions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, ndtr

from bayessem.model.prepare import Prepared
from bayessem.model.structure import Structure, latent_values
from bayessem.results.intervention import normal_root
from bayessem.results.standardize import model_moments

GRID = np.linspace(0.0, 1.0, 101)
# Curves drawn for the band.
SIMULATIONS = 4000


@dataclass(frozen=True)
class Steps:
    """Predictive probabilities of an ordered variable.

    Attributes
    ----------
    below : ndarray (respondent, C + 1)
        Of the answers below each category; 0 first and 1 last.
    codes : ndarray (respondent,)
        The answers.
    """

    below: np.ndarray
    codes: np.ndarray

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the PIT of each respondent lies, (respondent,) each."""
        rows = np.arange(len(self.codes))
        return self.below[rows, self.codes], self.below[rows, self.codes + 1]

    def randomised(self, rng: np.random.Generator) -> np.ndarray:
        """A point of each respondent's interval, (respondent,)."""
        low, high = self.ends
        return low + rng.random(len(low)) * (high - low)

    def curve(self, ci_prob: float, rng: np.random.Generator) -> pd.DataFrame:
        """Mean PIT distribution less uniform, with a band for all of it: x, difference, ends."""
        low, high = self.below[:, :-1], self.below[:, 1:]
        rises = _rises(low, high) - GRID  # (respondent, category, x)
        rows = np.arange(len(self.codes))
        difference = rises[rows, self.codes].mean(axis=0)
        # answers drawn from the predictions: independent, with mean 0
        roots = (rises * np.sqrt(high - low)[:, :, None]).reshape(-1, len(GRID)) / len(rows)
        covariance = roots.T @ roots
        sd = np.sqrt(np.diag(covariance))
        size, vectors = np.linalg.eigh(covariance)
        normal = rng.standard_normal((SIMULATIONS, len(GRID)))
        drawn = normal * np.sqrt(np.maximum(size, 0.0)) @ vectors.T
        furthest = np.max(np.abs(drawn) / np.maximum(sd, 1e-12), axis=1)
        width = sd * np.quantile(furthest, ci_prob)
        return pd.DataFrame({"x": GRID, "difference": difference, "lower": -width, "upper": width})

    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation of the mean PIT distribution."""
        low, high = self.ends
        mean = float(np.mean(low + high)) / 2.0
        square = float(np.mean(low * low + low * high + high * high)) / 3.0
        return mean, math.sqrt(max(square - mean * mean, 0.0))


def _rises(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Distribution functions of uniform variables between `low` and `high` (...), at GRID."""
    width = np.maximum(high - low, 1e-300)[..., None]
    return np.clip((GRID - low[..., None]) / width, 0.0, 1.0)


def chances_below(
    prepared: Prepared,
    elements: np.ndarray,
    group: int,
    members: np.ndarray,
    known: Sequence[int],
    rng: np.random.Generator,
) -> Iterator[dict[str, np.ndarray]]:
    """P(answer below each inner threshold | covariates) for each draw, (respondent, C - 1) by name.

    Exactly where latent responses are normal together, else with latent variables drawn once a draw
    and respondent.

    Parameters
    ----------
    prepared : Prepared
    elements : ndarray (draw, elements)
        Flat model matrices.
    group : int
    members : ndarray (respondent,)
        Respondents of whom the same covariates are known.
    known : sequence of int
        These, as positions among the sample's variables.
    rng : Generator
        Of the latent variables.
    """
    structure, sample = prepared.structure, prepared.sample
    given = sample.values[np.ix_(members, list(known))]
    names = [sample.variables[j] for j in known]
    exact = structure.table.responses.link == "probit" and not structure.products
    moments = model_moments(structure, elements, group=group) if exact else None
    for d, draw in enumerate(elements):
        m = structure.matrices(draw, group)
        if moments is not None:
            columns = [structure.observed.index(name) for name in names]
            covariance, mean = moments.observed_covariance[d], moments.observed_mean[d]
            slopes = np.linalg.solve(covariance[np.ix_(columns, columns)], covariance[columns])
            centre = mean + (given - mean[columns]) @ slopes
            left = np.diag(covariance) - np.sum(slopes * covariance[columns], axis=0)
            yield {
                name: ndtr((_cuts(structure, m, name) - centre[:, j, None]) / math.sqrt(left[j]))
                for name in structure.table.ordered
                for j in [structure.observed.index(name)]
            }
            continue
        mean, variance = _drawn_predictors(structure, m, names, given, rng)
        link = structure.table.responses.link
        below = ndtr if link == "probit" else expit
        unit = structure.table.responses.residual_variance
        yield {
            name: below(
                (_cuts(structure, m, name) - mean[:, j, None]) / math.sqrt(variance[j] / unit)
            )
            for name in structure.table.ordered
            for j in [structure.observed.index(name)]
        }


def _cuts(structure: Structure, m: dict[str, np.ndarray], name: str) -> np.ndarray:
    at = structure.threshold_at[name]
    return m["thresholds"][at : at + structure.table.responses.thresholds[name]]


def _drawn_predictors(
    structure: Structure,
    m: dict[str, np.ndarray],
    names: Sequence[str],
    given: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Predictors (respondent, p) of observed variables, and their residual variances (p,)."""
    psi, variance = m["disturbances"].copy(), np.diag(m["residuals"]).copy()
    for name in structure.table.ordered:
        if name in structure.variables:  # its own disturbance is in the probability
            i = structure.variables.index(name)
            variance[structure.observed.index(name)] = psi[i, i]
            psi[i, :] = psi[:, i] = 0.0
    fixed = [structure.variables.index(name) for name in names]
    free = [j for j in range(len(structure.variables)) if j not in fixed]
    zeta = np.zeros((len(given), len(structure.variables)))
    zeta[:, fixed] = given - m["means"][fixed]
    slopes = np.linalg.solve(psi[np.ix_(fixed, fixed)], psi[np.ix_(fixed, free)])
    rest = psi[np.ix_(free, free)] - psi[np.ix_(free, fixed)] @ slopes
    noise = rng.standard_normal((len(given), len(free)))
    zeta[:, free] = zeta[:, fixed] @ slopes + noise @ normal_root(rest).T
    eta = latent_values(structure, m, m["means"] + zeta)
    return m["intercepts"] + eta @ m["loadings"].T, variance
