"""Score tests of parameters that are fixed at 0 by not being in the model.

At a draw of the parameters theta the score of a fixed parameter d is not free of theta's distance
from its maximum. Neyman's (1959) C(alpha) takes it out: with the score g and the information I,

    e = g_d - I_dt I_tt^-1 g_t,   v = I_dd - I_dt I_tt^-1 I_td,   MI = e^2 / v,   EPC = e / v.

At the maximum of the likelihood g_t = 0 and these are the modification index (Sorbom 1989,
doi:10.1007/BF02294623) and the expected parameter change (Saris, Satorra & Sorbom 1987,
doi:10.2307/271030) that lavaan prints. N(EPC, 1/v) is one Newton step towards the posterior of the
freed parameter under a flat prior: near it for small changes, too wide and often too far for large
ones.

I is the expected information at the draw. With product terms, which have no closed form of it, I is
the mean over data simulated at the posterior mean (C(alpha) allows any consistent estimate). The
observed information would not do: where the model is wrong it can be far too small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
import pandas as pd

from bayessem.criticism.replicate import replicate
from bayessem.ml.information import FLAT, information_rows
from bayessem.ml.two_levels import level_information
from bayessem.model.data import Sample
from bayessem.model.prepare import Prepared
from bayessem.model.structure import Structure, build_structure
from bayessem.posterior.assemble import likelihood_density
from bayessem.posterior.density import Density
from bayessem.results.estimates import free_draws
from bayessem.results.standardize import model_moments, row_values
from bayessem.syntax.parameters import Parameter, ParameterTable
from bayessem.threads import side_by_side

KINDS = ("cross-loading", "residual covariance", "direct effect")
# Share of a parameter's information that must be left by the others for it to be estimable.
DETERMINED = 1e-6
# Respondents simulated for the expected information of a model with product terms.
SIMULATED = 4000
# Clusters simulated where a two-level model has no closed form of it.
CLUSTERS = 1000
# Difference steps, in standard units.
STEP = 1e-4


def candidate_rows(structure: Structure, kinds: Sequence[str] = KINDS) -> list[Parameter]:
    """Rows of the parameters that are fixed at 0 by not being in the model, as free rows.

    Cross-loadings: every construct on every indicator of others. Residual covariances: every pair
    of indicators whose residual variances are not fixed at 0. Of a two-level model by level. Direct
    effects, of models of one level: every covariate on every indicator, outcome and construct that
    it does not explain.
    """
    table = structure.table
    items = structure.table.items  # related to others through their composites alone
    indicators = [n for n in structure.observed if n not in structure.variables and n not in items]
    out: list[Parameter] = []
    for g in range(len(table.groups)):
        own = [r for r in table.rows if r.group == g]
        loading = {(r.lhs, r.rhs) for r in own if r.op == "=~"}
        covariance = {frozenset((r.lhs, r.rhs)) for r in own if r.op == "~~"}
        fixed = {
            r.lhs for r in own if r.op == "~~" and r.lhs == r.rhs and r.free < 0 and not r.value
        }
        constructs: Sequence[str] = table.latent
        there = indicators
        if table.levels > 1:  # what measures something at this level
            constructs = [f for f in table.latent if any(f == one for one, _ in loading)]
            there = [y for y in indicators if y in table.level_variables[g % 2]]
        if KINDS[0] in kinds:
            out += [
                Parameter(f, "=~", y, g, -1)
                for f in constructs
                for y in there
                if (f, y) not in loading
            ]
        if KINDS[1] in kinds:
            out += [
                Parameter(a, "~~", b, g, -1)
                for k, b in enumerate(there)
                for a in there[:k]
                if frozenset((a, b)) not in covariance and not {a, b} & fixed
            ]
        if KINDS[2] in kinds and table.levels == 1:
            explained = {(r.lhs, r.rhs) for r in own if r.op == "~"}
            composites = [structure.variables[one.variable] for one in structure.composites]
            out += [
                Parameter(y, "~", x, g, -1)
                for y in (*structure.observed, *table.latent)
                for x in table.exogenous
                if y not in (*table.exogenous, *items, *composites) and (y, x) not in explained
            ]
    return out


def extended_table(table: ParameterTable, rows: Sequence[Parameter]) -> ParameterTable:
    """The table with more free parameters behind its own."""
    first = len(table.parameters)
    added = tuple(replace(row, free=first + i) for i, row in enumerate(rows))
    names = tuple(f"{row.name}#{row.group}" for row in rows)
    return replace(table, rows=(*table.rows, *added), parameters=(*table.parameters, *names))


def efficient_weights(rows: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What takes the free parameters out of the scores of the fixed ones behind them.

    Parameters
    ----------
    rows : ndarray (D, D + k)
        Information of the free parameters, with all.
    own : ndarray (k,)
        Of each fixed one.

    Returns
    -------
    weights : ndarray (k, D)
        I_dt I_tt^-1.
    left : ndarray (k,)
        I_dd - I_dt I_tt^-1 I_td; nan where a parameter could not be estimated besides the others.
    """
    free = len(rows)
    within, across = rows[:, :free], rows[:, free:]
    scale = np.sqrt(np.abs(np.diag(within)))
    scale = np.where(scale > 0, scale, 1.0)
    roots, vectors = np.linalg.eigh(within / np.outer(scale, scale))
    keep = roots > FLAT * roots[-1]
    half = (vectors[:, keep] / np.sqrt(roots[keep])).T / scale  # half' half = I_tt^-1
    projected = half @ across
    left = own - np.sum(projected**2, axis=0)
    return projected.T @ half, np.where(left > DETERMINED * np.abs(own), left, np.nan)


def modification_values(
    prepared: Prepared,
    elements: np.ndarray,
    rows: Sequence[Parameter],
    *,
    centre: np.ndarray | None = None,
    random_seed: int = 0,
    told: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Mi, epc and sd of epc, (point, row, 3), at points given as flat matrices (point, elements).

    Parameters
    ----------
    prepared : Prepared
        Model and data.
    elements : ndarray (point, elements)
        Draws, or the maximum of the likelihood.
    rows : sequence of Parameter
        From `candidate_rows`.
    centre : ndarray (elements,), optional
        Where data are simulated for the information of a model with product terms.
    random_seed : int
        Of these data.
    told : callable, optional
        Hears how many points are done.
    """
    structure = prepared.structure
    added = [_as_loading(structure, row) for row in rows]
    extended = build_structure(extended_table(structure.table, added))
    density = likelihood_density(extended, prepared.space, prepared.sample)
    free = len(structure.table.parameters)
    fixed = None
    if centre is not None:
        information = simulated_information(prepared, extended, centre, random_seed=random_seed)
        fixed = efficient_weights(information[:free], np.diag(information)[free:])

    def at(own: np.ndarray) -> np.ndarray:
        x = np.concatenate([own, np.zeros(len(rows))])
        score = density.value_and_gradient(x)[1]
        weights, left = fixed or efficient_weights(*_expected(extended, density, x, prepared, free))
        efficient = score[free:] - weights @ score[:free]
        return np.stack([efficient**2 / left, efficient / left, 1.0 / np.sqrt(left)], axis=-1)

    out = np.empty((len(elements), len(rows), 3))
    points = free_draws(structure, row_values(structure, elements))
    with closing(side_by_side(at, points)) as scores:
        for done, values in enumerate(scores, start=1):
            out[done - 1] = values
            if told is not None:
                told(done)
    return out


def _as_loading(structure: Structure, row: Parameter) -> Parameter:
    """A covariate's effect on an indicator as a loading on the covariate, which is the same."""
    if row.op != "~" or row.lhs in structure.variables:
        return row
    return replace(row, lhs=row.rhs, op="=~", rhs=row.lhs)


def _expected(
    extended: Structure, density: Density, x: np.ndarray, prepared: Prepared, free: int
) -> tuple[np.ndarray, np.ndarray]:
    """Expected information of the free parameters with all, and of each fixed one."""
    if extended.table.levels > 1:
        whole = level_information(extended, density, x, prepared.sample)
        return whole[:free], np.diag(whole)[free:]
    return information_rows(extended, density, x, prepared.sample, free=free)


def _repeated(sample: Sample, drawn: np.ndarray) -> Sample:
    """Data sets (time, respondent, p) as one sample; clusters of each are clusters of their own."""
    times = len(drawn)
    clusters = sample.clusters
    if clusters is not None:
        count = len(clusters.labels)
        codes = [clusters.code + count * k for k in range(times)]
        clusters = replace(clusters, labels=clusters.labels * times, code=np.concatenate(codes))
    return replace(
        sample,
        values=drawn.reshape(-1, drawn.shape[-1]),
        group=np.tile(sample.group, times),
        rows=pd.RangeIndex(times * sample.size),
        clusters=clusters,
    )


def simulated_information(
    prepared: Prepared, extended: Structure, centre: np.ndarray, *, random_seed: int = 0
) -> np.ndarray:
    """Expected information (D + k, D + k) at flat matrices, by simulation; 0 between fixed ones.

    The observed information of data drawn there (with the data's covariates and missing values),
    scaled to the size of the sample.
    """
    sample, structure = prepared.sample, prepared.structure
    wanted = SIMULATED / sample.size
    if sample.clusters is not None and structure.table.levels > 1:
        wanted = max(wanted, CLUSTERS / len(sample.clusters.labels))
    times = max(1, round(wanted))
    drawn = replicate(prepared, np.repeat(centre[None], times, axis=0), random_seed=random_seed)
    density = likelihood_density(extended, prepared.space, _repeated(sample, drawn))
    own = free_draws(structure, row_values(structure, centre))
    x = np.concatenate([own, np.zeros(density.size - len(own))])
    return _observed(density, x, len(own), parameter_units(extended, density.elements(x))) / times


def parameter_units(structure: Structure, elements: np.ndarray) -> np.ndarray:
    """What each free parameter is when its standardised value is 1, (D,).

    Parameters
    ----------
    structure : Structure
        The model.
    elements : ndarray (elements,)
        Flat model matrices, whose implied standard deviations count.
    """
    out = np.ones(len(structure.table.parameters))
    for g in range(len(structure.table.groups)):
        moments = model_moments(structure, elements, group=g)
        latent = np.sqrt(np.diag(moments.latent_covariance))
        observed = np.sqrt(np.diag(moments.observed_covariance))
        for k, place in structure.rows_of_groups[g].items():
            free = structure.table.rows[k].free
            if free < 0:
                continue
            i, j = place.i, place.j
            match place.matrix:
                case "loadings":
                    out[free] = observed[i] / latent[j]
                case "paths":
                    out[free] = latent[i] / latent[j]
                case "products":
                    out[free] = latent[i] / np.prod(latent[list(structure.products[j])])
                case "disturbances":
                    out[free] = latent[i] * latent[j]
                case "residuals":
                    out[free] = observed[i] * observed[j]
                case "intercepts":
                    out[free] = observed[i]
                case "means":
                    out[free] = latent[i]
    return out


def _observed(density: Density, x: np.ndarray, free: int, units: np.ndarray) -> np.ndarray:
    """Minus the Hessian, but for the elements between two fixed parameters (0).

    units : (D,), of which the difference steps are a small share.
    """
    step = STEP * units
    out = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        up, down = x.copy(), x.copy()
        up[i] += step[i]
        down[i] -= step[i]
        change = density.value_and_gradient(down)[1] - density.value_and_gradient(up)[1]
        row = change / (2.0 * step[i])
        if i < free:
            out[i] = row
        else:
            out[i, i] = row[i]
    out[:free, :free] = 0.5 * (out[:free, :free] + out[:free, :free].T)
    return out
