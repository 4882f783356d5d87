"""Maximum likelihood: estimates, standard errors and fit of a model, from the sampler's own kernel.

`fit_ml` takes what `prepare` made of a model and its data. As in lavaan, observed covariates are
conditioned on (their log-likelihood is left out), respondents without a value of a covariate are
left out, and without a mean structure the means are those of the sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bayessem.errors import ModelError, NotSupported
from bayessem.ml.constrained import Constrained, turned_basis
from bayessem.ml.far_covariates import LOST, centred, far_covariates
from bayessem.ml.fit_measures import (
    Ends,
    chi_square_measures,
    count_ends,
    information_criteria,
    residual_measures,
)
from bayessem.ml.information import (
    expected_information,
    invert_information,
    observed_information,
    score_products,
)
from bayessem.ml.item_moments import given_item_moments
from bayessem.ml.levels import level_turn
from bayessem.ml.maximum import find_maximum
from bayessem.ml.ordered import fit_ordered
from bayessem.ml.problems import improper_solutions, undefined_values
from bayessem.ml.result import MLFit
from bayessem.ml.sample import covariate_names, linear_counterpart
from bayessem.ml.student import fit_student
from bayessem.ml.table import all_values, defined_standardised, estimates
from bayessem.ml.two_levels import level_information, level_measures, saturate_levels
from bayessem.model.conditioning import has_means
from bayessem.model.covariance_input import made_from_moments
from bayessem.model.level_checks import FAR_SAID, far_predictors
from bayessem.model.prepare import Prepared
from bayessem.model.saturated import (
    Saturated,
    baseline_log_likelihood,
    covariate_log_likelihood,
    saturate,
)
from bayessem.model.starts import start_values
from bayessem.model.thresholds import WITHOUT_CHI_SQUARE, refuse_answers
from bayessem.posterior.assemble import likelihood_density
from bayessem.posterior.density import Density
from bayessem.results.orientation import direction_signs
from bayessem.results.reliability import reliability
from bayessem.results.standardize import model_moments, r_squared, standardised
from bayessem.threads import one_blas_thread

if TYPE_CHECKING:
    pass

STANDARD_ERRORS = ("observed", "expected", "robust", "none")


def _parameter_covariance(
    prepared: Prepared, density: Density, found: Constrained, scale: np.ndarray, se: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Covariance matrix of the free parameters (D, D) and what is wrong with it."""
    d = density.size
    structure = prepared.structure
    turn = level_turn(structure, density, found.x)
    free = given_item_moments(structure, density, found.x, prepared.sample, found.basis)
    basis = turned_basis(free, turn)
    if se == "none":
        return np.full((d, d), np.nan), ()
    if se == "expected" and structure.table.levels > 1:
        full = level_information(structure, density, found.x, prepared.sample, turn=turn)
    elif se == "expected":
        full = expected_information(structure, density, found.x, prepared.sample, turn=turn)
    else:
        full = observed_information(structure, density, found.x, scale=scale, turn=turn)
    inverse, flat = invert_information(basis.T @ full @ basis)
    if inverse is None:
        moved = np.abs(basis @ flat) / scale[:, None]
        share = moved.max(axis=1) / max(float(moved.max(initial=0.0)), 1e-300)
        involved = [n for n, s in zip(prepared.table.parameters, share, strict=True) if s > 0.1]
        return np.full((d, d), np.nan), (
            "the information matrix is not positive definite, so there are no standard errors: "
            f"the model may not be identified; look at {', '.join(involved[:12])}",
        )
    if se == "robust":
        scores = score_products(density, found.x, prepared.sample, scale=scale, turn=turn)
        inverse = inverse @ (basis.T @ scores @ basis) @ inverse
    return free @ inverse @ free.T, ()


def _standard_errors(prepared: Prepared, se: str | None) -> str:
    """Which standard errors: those asked for, or those that suit the sample."""
    if se is None:
        return "observed" if prepared.sample.design is None else "robust"
    if se not in STANDARD_ERRORS:
        raise ModelError(f"se is one of {', '.join(STANDARD_ERRORS)}, not {se!r}")
    if se == "expected" and prepared.sample.design is not None:
        raise NotSupported(
            "expected information is that of respondents drawn one by one; with weights= or "
            'cluster= use se="robust" (the default)'
        )
    if se == "expected" and prepared.structure.products:
        raise NotSupported(
            'expected information is not available for product terms; use se="observed"'
        )
    if se == "expected" and prepared.table.slopes:
        raise NotSupported(
            'expected information is not there yet for random slopes; use se="observed"'
        )
    if se == "expected" and prepared.table.levels > 1 and not prepared.sample.complete:
        raise NotSupported(
            "expected information of a two-level model is there for complete data only; use "
            'se="observed"'
        )
    if se == "robust" and made_from_moments(prepared.sample):
        raise NotSupported("robust standard errors need the raw data, not a covariance matrix")
    return se


@one_blas_thread()
def maximum_likelihood(prepared: Prepared, *, se: str | None = None) -> MLFit:
    """Fit any model by maximum likelihood; arguments, result and errors: `fit_ml`.

    Models with ordered answers or heavy tails have no chi-square and its indices (ml/ordered.py,
    ml/student.py).
    """
    if prepared.table.answered:
        return fit_ordered(prepared, se=se or "observed")
    if prepared.table.heavy_tailed:
        return fit_student(prepared, se=se)
    return fit_ml(prepared, se=se)


@one_blas_thread()
def fit_ml(prepared: Prepared, *, se: str | None = None) -> MLFit:
    """Fit a model by maximum likelihood.

    Parameters
    ----------
    prepared : Prepared
        Model and data, from `prepare`.
    se : {"observed", "expected", "robust", "none"}, optional
        By default "observed", and "robust" with weights or clusters that the model says nothing
        about. Standard errors from the observed information (minus the Hessian), the expected
        information (lavaan's default for complete data; linear models), or the sandwich of the
        observed information and the respondents' scores (lavaan's MLR; Yuan & Bentler 2000,
        doi:10.1111/0081-1750.00078), summed by cluster where there are any (its robust.cluster).

    Returns
    -------
    MLFit
        Whatever is doubtful about it is in `problems`.

    Raises
    ------
    BayessemError
        DataError for singular data, FitError when the likelihood is not finite at the start,
        NotSupported for standard errors that do not exist for the model.
    """
    refuse_answers(prepared.table, "a comparison by chi-square", WITHOUT_CHI_SQUARE)
    se = _standard_errors(prepared, se)
    # first, since it refuses singular data
    saturated = _saturated(prepared)
    counterpart, start, known = None, None, None
    if prepared.structure.products:
        usual = "expected" if prepared.sample.design is None else None
        counterpart = fit_ml(linear_counterpart(prepared), se=usual)
        start, known = _from_counterpart(prepared, counterpart)
    table, structure, sample = prepared.table, prepared.structure, prepared.sample
    density = likelihood_density(structure, prepared.space, sample)
    found, covariance, singular = _maximum(prepared, density, se, start=start, known=known)
    elements = density.elements(found.x)
    measures = _measures(prepared, found, elements, saturated)
    labels = [name or "all" for name in sample.groups]
    values = all_values(prepared, found.x, elements)
    problems = (
        *prepared.notes,
        *_convergence(found, saturated, measures),
        *_coarse(prepared, found),
        *_design_problems(prepared),
        *(f"{', '.join(map(repr, far))}: {FAR_SAID}" for far in [far_predictors(prepared)] if far),
        *singular,
        *improper_solutions(structure, elements),
        *undefined_values(table, values),
    )
    quality = [
        reliability(structure, elements, covariances=[s.covariance for s in saturated], group=g)
        for g in range(len(sample.groups))
    ]
    return MLFit(
        prepared=prepared,
        x=found.x,
        covariance=covariance,
        table=estimates(
            table,
            values=values,
            covariance=covariance,
            x=found.x,
            std_all=defined_standardised(table, standardised(structure, elements)),
            std_lv=defined_standardised(table, standardised(structure, elements, scale="latent")),
        ),
        measures=measures,
        r2={
            label: _numbers(r_squared(structure, elements, group=g))
            for g, label in enumerate(labels)
        },
        omega={label: _numbers(q["omega"]) for label, q in zip(labels, quality, strict=True)},
        ave={label: _numbers(q["ave"]) for label, q in zip(labels, quality, strict=True)},
        saturated=saturated,
        elements=elements,
        se=se,
        converged=found.converged,
        problems=problems,
        counterpart=counterpart,
    )


def _saturated(prepared: Prepared) -> tuple[Saturated, ...]:
    """Unrestricted moments of each group, or block of a two-level model."""
    if prepared.table.levels > 1:
        return saturate_levels(prepared)
    return tuple(saturate(prepared.sample, group=g) for g in range(len(prepared.sample.groups)))


def _maximum(
    prepared: Prepared,
    density: Density,
    se: str,
    *,
    start: np.ndarray | None,
    known: Mapping[str, float] | None,
) -> tuple[Constrained, np.ndarray, tuple[str, ...]]:
    """The maximum, the covariance matrix of the parameters and what is wrong with it."""
    structure = prepared.structure
    about = None
    if prepared.table.levels == 1:
        about = centred(prepared, start_values(structure, prepared.covariances, prepared.means))
    if about is not None:
        space, sample = about.prepared.space, about.prepared.sample
        density = likelihood_density(structure, space, sample)
    used = prepared if about is None else about.prepared
    found, scale = find_maximum(used, density, start=start, known=known)
    signs = direction_signs(structure, density.elements(found.x))
    found = replace(found, x=signs * found.x, basis=signs[:, None] * found.basis)
    covariance, singular = _parameter_covariance(used, density, found, scale, se)
    if about is not None:
        x, change, _ = about.back(found.x)
        found = replace(found, x=x, basis=change @ found.basis)
        return found, change @ covariance @ change.T, singular
    far = far_covariates(prepared, LOST)
    if far and any(r.op == "=~" for r in prepared.table.rows) and se != "none":
        singular = (
            *singular,
            f"{', '.join(map(repr, far))}: a mean more than {LOST:,.0f} standard deviations from "
            "0, where standard errors lose their digits; subtract it from the data",
        )
    return found, covariance, singular


def _design_problems(prepared: Prepared) -> tuple[str, ...]:
    """What the numbers about the model as a whole do not allow for."""
    if prepared.sample.design is None:
        return ()
    return (
        "chi-square, the indices made from it, AIC and BIC are of the weighted likelihood as if "
        "respondents were drawn one by one: too large where clusters or weights take information "
        "away",
    )


def _numbers(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _from_counterpart(
    prepared: Prepared, counterpart: MLFit
) -> tuple[np.ndarray, dict[str, float]]:
    """Start values and rough standard errors from the linear counterpart."""
    names = counterpart.prepared.table.parameters
    value = dict(zip(names, counterpart.x, strict=True))
    start = np.array([value.get(name, 0.0) for name in prepared.table.parameters])
    for row in prepared.table.rows:
        if row.free >= 0 and row.start is not None:
            start[row.free] = row.start
    spread = np.sqrt(np.diag(counterpart.covariance))
    return start, dict(zip(names, spread, strict=True))


def _measures(
    prepared: Prepared,
    found: Constrained,
    elements: np.ndarray,
    saturated: tuple[Saturated, ...],
) -> dict[str, float]:
    """Log-likelihood and criteria; for a linear model chi-square and fit indices too."""
    table, sample, structure = prepared.table, prepared.sample, prepared.structure
    # as in lavaan, the variance of a composite is one of the moments of its items
    own = len(structure.composites)
    npar = len(table.parameters) - found.equalities - own
    if table.levels > 1:
        return level_measures(prepared, found.value, npar, elements, saturated)
    fixed = [sample.variables.index(name) for name in table.exogenous]
    given = sum(covariate_log_likelihood(sample, fixed, group=g) for g in range(len(sample.groups)))
    logl = found.value - given
    criteria = information_criteria(logl, npar, sample.size)
    if structure.products:
        return criteria
    means = has_means(table)
    covariates = [sample.variables.index(name) for name in covariate_names(table)]
    counts = count_ends(
        len(sample.variables),
        len(covariates),
        conditioned=bool(fixed),
        groups=len(sample.groups),
        means=means,
    )
    baseline = sum(
        baseline_log_likelihood(sample, covariates, group=g) for g in range(len(sample.groups))
    )
    taken = sum(len(c.items) * (len(c.items) + 1) // 2 for c in structure.composites)
    counts = counts[0] - taken, counts[1] - taken
    ends = Ends(sum(s.log_likelihood for s in saturated) - given, baseline - given, *counts)
    moments = [model_moments(structure, elements, group=g) for g in range(len(sample.groups))]
    return {
        **criteria,
        **chi_square_measures(logl, npar, ends, size=sample.size, groups=len(sample.groups)),
        **residual_measures(
            saturated,
            [m.observed_covariance for m in moments],
            [m.observed_mean for m in moments] if means else None,
            covariates=fixed,
        ),
    }


def _coarse(prepared: Prepared, found: Constrained) -> list[str]:
    """What nodes of random slopes twice as dense say of the log-likelihood, where they differ."""
    if not prepared.structure.slopes_on_nodes:
        return []
    fine = likelihood_density(prepared.structure, prepared.space, prepared.sample, finer=2.0)
    error = abs(float(fine.value_and_gradient(found.x)[0]) - found.value)
    if error < 1e-4:
        return []
    return [
        f"the log-likelihood is off by {error:.1g}: the slope "
        f"{', '.join(prepared.structure.slopes_on_nodes)} is nearly determined by other effects of "
        "the clusters, and its nodes are too far apart; fix a correlation, or leave an effect out"
    ]


def _convergence(
    found: Constrained, saturated: tuple[Saturated, ...], measures: Mapping[str, float]
) -> list[str]:
    out = []
    if not found.converged:
        out.append(
            "no maximum of the likelihood was found "
            f"(Newton decrement {found.decrement:.2g}): do not use these estimates; try start(), "
            "more respondents, or a simpler model"
        )
    out += [f"at its bound: {text}" for text in found.active]
    if not all(s.converged for s in saturated):
        out.append(
            "the maximum of the saturated model was not found; chi-square and its indices are off"
        )
    if measures.get("df", 0.0) < 0:
        out.append(
            f"{int(measures['npar'])} parameters but only "
            f"{int(measures['npar'] + measures['df'])} moments: the model is not identified"
        )
    return out
