"""One data set of a design study: drawn from a population, fitted, and what was found in it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from bayessem.errors import DataError, FitError, IdentificationError, NotSupported
from bayessem.execution import task_seed
from bayessem.ml.estimate import fit_ml
from bayessem.ml.information import covariance_root
from bayessem.ml.levels import level_turn
from bayessem.ml.result import MLFit
from bayessem.model.pooling import Pooling
from bayessem.model.prepare import Prepared, prepare
from bayessem.model.priors import Prior
from bayessem.model.structure import Structure
from bayessem.planning.conditions import Condition
from bayessem.planning.population import Population, with_reliability
from bayessem.planning.targets import Points, Slopes, Target, has_shape, values_of
from bayessem.posterior.assemble import compile_for, likelihood_density
from bayessem.posterior.diagnostics import Diagnosis
from bayessem.posterior.settings import Sampling
from bayessem.results.estimate import estimate
from bayessem.results.estimates import tail_probability
from bayessem.results.fitted import Fitted
from bayessem.results.simulate import simulate
from bayessem.results.standardize import model_moments
from bayessem.syntax.specification import Specification

GROUP, CLUSTER = "group", "cluster"
# Standard errors by which parameters are moved for the derivatives of targets.
STEP = 1e-3
# Share of the draws that may diverge in a posterior that counts as explored.
DIVERGENT = 0.01
# What a data set can bring about that the model is not to blame for.
BAD_LUCK = (DataError, FitError, IdentificationError, np.linalg.LinAlgError)


@dataclass(frozen=True)
class Setting:
    """What all data sets of a study have in common.

    Attributes
    ----------
    specification : Specification
        The model that is fitted.
    populations : dict of str to Population
        By the condition's truth and number of groups.
    targets : tuple of Target
    sampling : Sampling or None
        How posteriors are sampled; None: maximum likelihood.
    ci_prob : float
        Probability of the intervals.
    priors, pooling
        As in `SEM.fit`.
    random_seed : int
    """

    specification: Specification
    populations: Mapping[tuple[str, int | None], Population]
    targets: tuple[Target, ...]
    sampling: Sampling | None
    ci_prob: float
    priors: Mapping[str, str | Prior] | None
    pooling: Pooling | None
    random_seed: int


def compile_setting(setting: Setting) -> None:
    """Compile what the fits of a study need and is not on disk."""
    truth, groups = next(iter(setting.populations))
    condition = Condition(truth, 400 * (groups or 1), None, groups, 0.0, None)
    if setting.specification.table.levels > 1:
        condition = replace(condition, cluster_size=10)
    compile_for(prepared_for(setting, condition, draw_data(setting, condition, 0)[0]))


def draw_data(
    setting: Setting, condition: Condition, number: int
) -> tuple[pd.DataFrame, np.ndarray]:
    """The data set of a replicate, and the flat model matrices (elements,) it was drawn at."""
    rng = np.random.default_rng(task_seed(setting.random_seed, condition.key, number))
    whole = setting.populations[condition.truth, condition.groups]
    one = replace(whole, elements=whole.elements[[int(rng.integers(len(whole.elements)))]])
    if condition.reliability is not None:
        one = with_reliability(one, condition.reliability)
    count, elements = len(one.groups), one.elements[0]
    sizes = [condition.n // count + (g < condition.n % count) for g in range(count)]
    frame = simulate(
        one.structure,
        elements,
        sizes,
        random_seed=rng,
        categories=one.labels,
        clusters=None if condition.clusters is None else max(condition.clusters // count, 1),
    )
    if condition.categories is not None and one.structure.table.levels > 1:
        raise NotSupported(
            "categories= is not there yet for two-level models; leave it out to draw numbers"
        )
    if condition.categories is not None:
        frame = _answered(frame, one.structure, elements, sizes, condition.categories)
    if condition.missing:
        frame = _with_holes(frame, one.structure, condition.missing, rng)
    return frame, elements


def _answered(
    frame: pd.DataFrame, structure: Structure, elements: np.ndarray, sizes: list[int], count: int
) -> pd.DataFrame:
    """Items as answers in categories of equal width over three standard deviations each way.

    The numbers of the categories are so far apart that an item keeps its mean and its variance,
    and parameters their units; what is lost is the rest.
    """
    share = np.array(sizes) / sum(sizes)
    moments = [model_moments(structure, elements, group=g) for g in range(len(sizes))]
    means = np.array([m.observed_mean for m in moments])
    variances = np.array([np.diag(m.observed_covariance) for m in moments])
    mean = share @ means
    sd = np.sqrt(share @ (variances + means**2) - mean**2)
    cuts = np.linspace(-3.0, 3.0, count + 1)[1:-1]
    steps = np.arange(count) - (count - 1) / 2.0
    chances = np.diff(norm.cdf(np.concatenate([[-np.inf], cuts, [np.inf]])))
    scores = steps / np.sqrt(chances @ steps**2)
    out = frame.copy()
    for name in items_of(structure):
        j = structure.observed.index(name)
        at = np.searchsorted(cuts, (frame[name].to_numpy() - mean[j]) / sd[j])
        out[name] = mean[j] + sd[j] * scores[at]
    return out


def items_of(structure: Structure) -> list[str]:
    """What measures constructs."""
    return [name for name in structure.observed if name not in structure.variables]


def _with_holes(
    frame: pd.DataFrame, structure: Structure, share: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Missing completely at random; covariates, and the last value of a respondent, stay.

    So do variables of clusters, and predictors with random slopes.
    """
    table = structure.table
    known = {
        *table.exogenous,
        *table.between_only,
        *(structure.observed[s.column] for s in structure.slopes if s.column >= 0),
    }
    names = [name for name in structure.observed if name not in known]
    gone = rng.random((len(frame), len(names))) < share
    kept = rng.integers(len(names), size=len(frame))
    empty = gone.all(axis=1)
    gone[empty, kept[empty]] = False
    out = frame.copy()
    out[names] = out[names].mask(gone)
    return out


def prepared_for(setting: Setting, condition: Condition, data: pd.DataFrame) -> Prepared:
    """The model with a data set, its groups in the order of the population's."""
    groups = setting.populations[condition.truth, condition.groups].groups
    several = len(groups) > 1
    return prepare(
        setting.specification,
        data,
        group=GROUP if several else None,
        group_order=groups if several else None,
        priors=setting.priors,
        pooling=setting.pooling,
        cluster=CLUSTER if condition.cluster_size is not None else None,
    )


def replicate(setting: Setting, item: tuple[str, int]) -> dict[str, Any]:
    """Draw and fit one data set.

    Parameters
    ----------
    setting : Setting
    item : (str, int)
        Key of the condition, number of the replicate.

    Returns
    -------
    dict
        As JSON has it: `converged`, `proper` (no negative variance and the like), `said` (why it
        failed), `seconds` and `cpu` (seconds of all cores), and `found`: by label the target's
        position, estimate, lower, upper and true value; of a shape its probability (1 - p of the
        test) and whether it is true (1 or 0).
    """
    wall, cpu = time.perf_counter(), time.process_time()
    condition, number = Condition.of(item[0]), item[1]
    data, elements = draw_data(setting, condition, number)
    out: dict[str, Any] = {"converged": False, "proper": False, "said": "", "found": {}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are about one of many data sets
        try:
            out |= _fitted(setting, condition, data, elements, number)
        except BAD_LUCK as problem:
            out["said"] = str(problem)
    out["seconds"], out["cpu"] = time.perf_counter() - wall, time.process_time() - cpu
    return out


def _fitted(
    setting: Setting, condition: Condition, data: pd.DataFrame, elements: np.ndarray, number: int
) -> dict[str, Any]:
    prepared = prepared_for(setting, condition, data)
    true = Points(prepared, elements[None, None])
    if setting.sampling is None:
        fit = fit_ml(prepared)
        usable = fit.converged and bool(np.isfinite(fit.covariance).all())
        said = "" if usable else next(iter(fit.problems), "no maximum was found")
        found = _by_likelihood(setting, fit, true) if usable else {}
        improper = any("Heywood" in x or "not positive definite" in x for x in fit.problems)
        return {
            "converged": usable,
            "proper": usable and not improper,
            "said": said,
            "found": found,
        }
    seed = task_seed(setting.random_seed, "sampling", condition.key, number) % 2**31
    sampled = estimate(prepared, replace(setting.sampling, random_seed=seed), checked=())
    good = _explored(sampled.diagnosis)
    said = "" if good else " ".join(sampled.diagnosis.advice)
    found = _by_posterior(setting, sampled, true)
    return {"converged": good, "proper": True, "said": said, "found": found}


def _explored(diagnosis: Diagnosis) -> bool:
    """Whether chains agree and follow the posterior well enough for one of many data sets.

    What a fit that is reported has to have besides, effective draws and an R-hat below 1.01, short
    chains do not have; what that costs is in the width and coverage of the intervals.
    """
    many = diagnosis.divergences > DIVERGENT * diagnosis.draws
    unknown = bool(np.isnan(diagnosis.worst_rhat[1]))
    return not (diagnosis.stuck or diagnosis.disagreeing or many or unknown)


def _by_likelihood(setting: Setting, fit: MLFit, true: Points) -> dict[str, list[Any]]:
    """Wald intervals, by the delta method; Lind and Mehlum's test of shapes."""
    prepared = fit.prepared
    density = likelihood_density(prepared.structure, prepared.space, prepared.sample)
    turn = level_turn(prepared.structure, density, fit.x)
    steps = STEP * covariance_root(fit.covariance, turn).T
    points = np.concatenate([fit.x[None], fit.x + steps, fit.x - steps])
    at = Points(prepared, density.elements(points)[None])
    z = norm.isf(tail_probability(setting.ci_prob))
    out: dict[str, list[Any]] = {}
    for k, target in enumerate(setting.targets):
        truths = values_of(target, true)
        for label, value in values_of(target, at).items():
            truth = truths[label]
            if isinstance(value, Slopes) and isinstance(truth, Slopes):
                sign = 1.0 if target.shape == "inverted U" else -1.0
                ends = [(sign * value.low, 1.0), (sign * value.high, -1.0)]
                p = max(norm.sf(side * v[0, 0] / _error(v)) for v, side in ends)
                out[label] = [k, 1.0 - p, None, None, int(has_shape(target, truth)[0, 0])]
            elif isinstance(value, np.ndarray) and isinstance(truth, np.ndarray):
                half = z * _error(value)
                middle = value[0, 0]
                out[label] = _record(k, middle, middle - half, middle + half, truth[0, 0])
    return out


def _by_posterior(setting: Setting, fit: Fitted, true: Points) -> dict[str, list[Any]]:
    """Posterior means, equal-tailed intervals, and probabilities of shapes."""
    tail = tail_probability(setting.ci_prob)
    out: dict[str, list[Any]] = {}
    for k, target in enumerate(setting.targets):
        truths = values_of(target, true)
        for label, value in values_of(target, fit).items():
            truth = truths[label]
            if isinstance(value, Slopes) and isinstance(truth, Slopes):
                chance = float(has_shape(target, value).mean())
                out[label] = [k, chance, None, None, int(has_shape(target, truth)[0, 0])]
            elif isinstance(value, np.ndarray) and isinstance(truth, np.ndarray):
                lower, upper = np.quantile(value, [tail, 1.0 - tail])
                out[label] = _record(k, value.mean(), lower, upper, truth[0, 0])
    return out


def _record(position: int, *numbers: float) -> list[Any]:
    return [position, *(float(x) if np.isfinite(x) else None for x in numbers)]


def _error(values: np.ndarray) -> float:
    """Standard error by the delta method from values at the maximum and moved both ways, (1, :)."""
    up, down = np.split(values[0, 1:], 2)
    return float(np.sqrt(np.sum(((up - down) / (2.0 * STEP)) ** 2)))
