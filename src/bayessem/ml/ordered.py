"""Maximum likelihood of models with ordered answers, from the exact marginal likelihood on nodes.

Bock, R. D., & Lieberman, M. (1970). Fitting a response model for n dichotomously scored items.
Psychometrika, 35, 179-197, doi:10.1007/BF02291262.

What is maximised is theta (a residual of a latent response has a fixed variance), and delta is
computed from it, with standard errors by the delta method. There is no chi-square against the
saturated model, which has a parameter for each pattern of answers, most of which nobody gave; what
is tested are first and second moments of the answers (ml/limited_information.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayessem.errors import FitError, ModelError, NotSupported
from bayessem.ml.constrained import Constrained, climb, maximise_within
from bayessem.ml.fit_measures import information_criteria
from bayessem.ml.information import (
    covariance_root,
    invert_information,
    observed_information,
    score_products,
)
from bayessem.ml.limited_information import limited_information, residual_size
from bayessem.ml.problems import improper_solutions, undefined_values
from bayessem.ml.result import MLFit
from bayessem.ml.table import all_values, defined_standardised, estimates
from bayessem.model.answer_engine import NODES, answer_engine, closed_form
from bayessem.model.prepare import Prepared
from bayessem.model.starts import start_values
from bayessem.posterior.assemble import likelihood_density
from bayessem.posterior.covariates import covariate_log_density
from bayessem.posterior.density import Density
from bayessem.results.answer_margins import margins_of
from bayessem.results.latent_responses import reported
from bayessem.results.orientation import direction_signs
from bayessem.results.reliability import reliability
from bayessem.results.standardize import r_squared, standardised
from bayessem.syntax.parameters import ParameterTable

# Lattices are laid anew where the last climb ended, until the log-likelihood changes by less.
ROUNDS, SETTLED = 6, 1e-5
# Log-likelihood by which finer lattices may differ before it is said.
COARSE = 0.01
# Degrees of freedom from which on a t distribution is a normal one.
MOST = 1000.0
# Overdispersion below which counts are Poisson.
POISSON = 1e-3
STANDARD_ERRORS = ("observed", "robust", "none")


def fit_ordered(prepared: Prepared, *, se: str = "observed") -> MLFit:
    """Fit a model with ordered answers by maximum likelihood.

    Parameters
    ----------
    prepared : Prepared
        Model and data.
    se : {"observed", "robust", "none"}
        Standard errors from the observed information (differences of exact gradients), or the
        sandwich with the respondents' scores.

    Returns
    -------
    MLFit
        With log-likelihood and information criteria, C2 with its indices and SRMR; without
        chi-square against all patterns of answers.

    Raises
    ------
    ModelError
        For other standard errors.
    NotSupported
        For a model that is not integrated on nodes.
    FitError
        When the likelihood is not finite at the start.
    """
    _check(prepared, se)
    density, found, scale = _maximum(prepared)
    given = covariate_log_density(prepared.space, prepared.structure, prepared.sample).sum()
    found = turned(prepared, density, replace(found, value=found.value - given))
    covariance, problems = parameter_covariance(prepared, density, found, scale, se)
    x, change = _reported_parameters(prepared, density, found.x, scale)
    return without_chi_square(
        prepared,
        replace(found, x=x),
        change @ covariance @ change.T,
        reported(prepared.structure, density.elements(found.x)),
        se=se,
        measures=_measures(prepared, density, found, scale),
        problems=(*_doubts(prepared, density, found), *problems),
    )


def turned(prepared: Prepared, density: Density, found: Constrained) -> Constrained:
    """The maximum with constructs that run the way most of their items do."""
    signs = direction_signs(prepared.structure, density.elements(found.x))
    return replace(found, x=signs * found.x, basis=signs[:, None] * found.basis)


def without_chi_square(
    prepared: Prepared,
    found: Constrained,
    covariance: np.ndarray,
    elements: np.ndarray,
    *,
    se: str,
    measures: dict[str, float],
    problems: tuple[str, ...],
) -> MLFit:
    """The result at a maximum that has no saturated model to be compared with.

    Parameters
    ----------
    prepared : Prepared
        Model and data.
    found : Constrained
        The maximum, with the parameters as they are reported.
    covariance : ndarray (D, D)
        Of these.
    elements : ndarray (elements,)
        Flat model matrices.
    se : str
        Where the standard errors come from.
    measures : dict
        Log-likelihood, criteria and what else says how the model fits.
    problems : tuple of str
        What is doubtful.
    """
    structure, table, sample, x = prepared.structure, prepared.table, prepared.sample, found.x
    values = all_values(prepared, x, elements)
    labels = [name or "all" for name in sample.groups]
    quality = [reliability(structure, elements, group=g) for g in range(len(labels))]
    return MLFit(
        prepared=prepared,
        x=x,
        covariance=covariance,
        table=estimates(
            table,
            values=values,
            covariance=covariance,
            x=x,
            std_all=defined_standardised(table, standardised(structure, elements)),
            std_lv=defined_standardised(table, standardised(structure, elements, scale="latent")),
        ),
        measures=measures,
        r2={
            label: {n: float(v) for n, v in r_squared(structure, elements, group=g).items()}
            for g, label in enumerate(labels)
        },
        omega={
            n: {k: float(v) for k, v in q["omega"].items()}
            for n, q in zip(labels, quality, strict=True)
        },
        ave={
            n: {k: float(v) for k, v in q["ave"].items()}
            for n, q in zip(labels, quality, strict=True)
        },
        saturated=(),
        elements=elements,
        se=se,
        converged=found.converged,
        problems=(
            *prepared.notes,
            *problems,
            *improper_solutions(structure, elements),
            *undefined_values(table, values),
        ),
    )


@dataclass(frozen=True)
class Theta:
    """A maximum in the parameterization in which it is found, for climbs of resampled answers.

    Attributes
    ----------
    x : ndarray (D,)
    elements : ndarray (elements,)
        Flat model matrices there, by which lattices are chosen.
    scale : ndarray (D,)
        Rough standard errors.
    root : ndarray (D, k)
        A root of the covariance matrix of the estimates, the unit in which the likelihood is round.
    """

    x: np.ndarray
    elements: np.ndarray
    scale: np.ndarray
    root: np.ndarray


def theta_maximum(prepared: Prepared) -> Theta | None:
    """The maximum of the likelihood of a model with ordered answers; None without a covariance.

    Raises
    ------
    NotSupported
        For a model that is not integrated on nodes.
    """
    _check(prepared, "observed")
    density, found, scale = _maximum(prepared)
    found = turned(prepared, density, found)
    covariance, problems = parameter_covariance(prepared, density, found, scale, "observed")
    if problems:
        return None
    return Theta(found.x, density.elements(found.x), scale, covariance_root(covariance))


def climb_again(prepared: Prepared, at: Theta, *, plain: bool) -> np.ndarray | None:
    """Estimates (D,) of other answers, as they are reported; None where there is no maximum.

    Parameters
    ----------
    prepared : Prepared
        The model with these answers.
    at : Theta
        The maximum of those that they were drawn from, where the climb begins.
    plain : bool
        Whether there are no constraints that a climb could not keep.
    """
    structure, space, sample = prepared.structure, prepared.space, prepared.sample
    density = likelihood_density(structure, space, sample, at=at.elements)
    x = climb(density, at.x, at.root) if plain else None
    if x is None:
        found = maximise_within(density, prepared.table, at.x, scale=at.scale)
        if not found.converged:
            return None
        x = found.x
    return reported(structure, density.elements(x))[_places(prepared)]


def likelihood_criteria(prepared: Prepared, found: Constrained) -> dict[str, float]:
    """Log-likelihood and information criteria at a maximum."""
    npar = len(prepared.table.parameters) - found.equalities
    return information_criteria(found.value, npar, prepared.sample.size)


def _measures(
    prepared: Prepared, density: Density, found: Constrained, scale: np.ndarray
) -> dict[str, float]:
    """Log-likelihood and criteria; where moments of the answers say it, how the model fits."""
    criteria = likelihood_criteria(prepared, found)
    if prepared.sample.design is not None:
        return criteria
    try:
        margins = margins_of(prepared, "a test of the model")
    except NotSupported:
        return criteria
    return {
        **criteria,
        **limited_information(
            margins, prepared, found.x, density.elements, basis=found.basis, scale=scale
        ),
        "srmr": residual_size(margins, prepared, density.elements(found.x)),
    }


def _check(prepared: Prepared, se: str) -> None:
    if se not in STANDARD_ERRORS:
        raise ModelError(
            f"se is one of {', '.join(STANDARD_ERRORS)} for models with ordered answers, not {se!r}"
        )
    if closed_form(prepared.structure):
        return
    engine, model = answer_engine(prepared.structure, prepared.sample)
    if engine != NODES:
        raise NotSupported(
            f"{model.too_wide}; maximum likelihood is there for models that are integrated on "
            "nodes. sem.fit samples this one (its draws are weighted to the exact posterior)"
        )


def _maximum(prepared: Prepared) -> tuple[Density, Constrained, np.ndarray]:
    """The likelihood, its maximum and the rough standard error of each parameter."""
    structure, space, sample = prepared.structure, prepared.space, prepared.sample
    x = start_values(structure, prepared.covariances, prepared.means)
    at, last = None, -np.inf
    for _ in range(ROUNDS):
        density = likelihood_density(structure, space, sample, at=at)
        if not np.isfinite(density.value_and_gradient(x)[0]):
            raise FitError(
                "the likelihood is not finite at the start values; give start() for loadings, or "
                "fix what is not identified"
            )
        scale = own_scale(prepared, density, x)
        found = maximise_within(density, _bounded(prepared.table), x, scale=scale)
        x, at = found.x, density.elements(found.x)
        if abs(found.value - last) < SETTLED:
            break
        last = found.value
    return density, found, scale


def _bounded(table: ParameterTable) -> ParameterTable:
    """The table with degrees of freedom that end where they make no difference any more."""
    tails = [r.op == "|" and r.rhs == "nu" for r in table.rows]
    rows = [
        replace(r, upper=min(r.upper, MOST)) if t else r
        for r, t in zip(table.rows, tails, strict=True)
    ]
    return replace(table, rows=tuple(rows))


def _said_of_bound(text: str) -> str:
    """What a family's shape at its bound means, "" of other parameters."""
    name, _, shape = text.split(" ")[0].partition("|")
    if shape == "nu" and "<" in text:
        return (
            f" ({name} has no heavier tails than a normal variable; without family= the model says "
            "the same)"
        )
    if shape == "coi":
        value = 0 if ">" in text else 1
        return (
            f" (no share is {1 - value}; {name} | {value}*coi says so, and takes a parameter away)"
        )
    return ""


def own_scale(prepared: Prepared, density: Density, x: np.ndarray) -> np.ndarray:
    """Rough standard error of each parameter at x, from the slope of its own gradient."""
    step = 1e-3 * np.maximum(np.abs(x), 0.3)
    out = np.full(len(x), 1.0 / np.sqrt(prepared.sample.size))
    for i, h in enumerate(step):
        move = np.zeros(len(x))
        move[i] = h
        up, down = (density.value_and_gradient(x + s * move)[1][i] for s in (1, -1))
        bend = (down - up) / (2.0 * h)
        if np.isfinite(bend) and bend > 0:
            out[i] = 1.0 / np.sqrt(bend)
    return out


def parameter_covariance(
    prepared: Prepared, density: Density, found: Constrained, scale: np.ndarray, se: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Covariance matrix of the sampled parameters (D, D), and what is wrong with it."""
    d = density.size
    if se == "none":
        return np.full((d, d), np.nan), ()
    full = observed_information(prepared.structure, density, found.x, scale=scale)
    inverse, flat = invert_information(found.basis.T @ full @ found.basis)
    if inverse is None:
        moved = np.abs(found.basis @ flat).max(axis=1) / scale
        share = moved / max(float(moved.max(initial=0.0)), 1e-300)
        names = prepared.table.parameters
        involved = [n for n, s in zip(names, share, strict=True) if s > 0.1]
        return np.full((d, d), np.nan), (
            "the information matrix is not positive definite, so there are no standard errors: "
            f"the model may not be identified; look at {', '.join(involved[:12])}",
        )
    if se == "robust":
        scores = score_products(density, found.x, prepared.sample, scale=scale)
        inverse = inverse @ (found.basis.T @ scores @ found.basis) @ inverse
    return found.basis @ inverse @ found.basis.T, ()


def _places(prepared: Prepared) -> np.ndarray:
    """An element that holds each free parameter, (D,)."""
    out = np.zeros(len(prepared.table.parameters), dtype=np.int64)
    for k, place in reversed(prepared.structure.places.items()):
        free = prepared.table.rows[k].free
        if free >= 0:
            out[free] = prepared.structure.element(place)[0]
    return out


def _reported_parameters(
    prepared: Prepared, density: Density, x: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The parameters in the model's parameterization (D,), and their derivatives by x (D, D)."""
    structure, at = prepared.structure, _places(prepared)
    step = np.diag(1e-4 * scale)

    def values(points: np.ndarray) -> np.ndarray:
        return reported(structure, density.elements(points))[..., at]

    change = (values(x + step) - values(x - step)) / (2e-4 * scale[:, None])
    return values(x), change.T


def _way_out(prepared: Prepared, elements: np.ndarray) -> str:
    """What helps where the likelihood has no maximum inside: it rises towards an edge."""
    table, structure = prepared.table, prepared.structure
    poisson = sorted(
        {
            row.lhs
            for k, place in structure.places.items()
            for row in (table.rows[k],)
            if row.op == "~~"
            and row.lhs == row.rhs
            and table.responses.others.get(row.lhs) == "negative_binomial"
            and elements[structure.element(place)[0]] < POISSON
        }
    )
    if poisson:
        return (
            f"given their predictors, the counts of {', '.join(poisson)} vary no more than Poisson "
            "counts, whose overdispersion is 0: give them the family 'poisson'"
        )
    return "join sparse categories, or use sem.fit, whose priors keep loadings finite"


def _doubts(prepared: Prepared, density: Density, found: Constrained) -> list[str]:
    """What makes the maximum doubtful: no convergence, bounds, lattices that are too coarse."""
    out = []
    if not found.converged:
        out.append(
            "no maximum of the likelihood was found "
            f"(Newton decrement {found.decrement:.2g}): do not use these estimates; "
            f"{_way_out(prepared, density.elements(found.x))}"
        )
    out += [f"at its bound: {text}{_said_of_bound(text)}" for text in found.active]
    finer = likelihood_density(
        prepared.structure,
        prepared.space,
        prepared.sample,
        at=density.elements(found.x),
        finer=1.5,
    )
    off = abs(finer.value_and_gradient(found.x)[0] - density.value_and_gradient(found.x)[0])
    if not off < COARSE:
        out.append(f"finer lattices change the log-likelihood by {off:.2g}")
    return out
