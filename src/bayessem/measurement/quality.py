"""Measurement quality of a fitted model: loadings, reliability, discriminant validity.

Everything the model implies is computed for every draw, so that a threshold is passed with a
probability; HTMT and the classic alpha come from the data, with a Bayesian bootstrap. Of ordered
items all is about latent responses, standardised, with what concerns sums of the answers beside it
(ordinal.py), and HTMT is of the correlations of latent responses that the model implies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.effects.effects import chosen_groups
from bayessem.errors import ModelError, NotSupported
from bayessem.measurement.constructs import (
    Construct,
    find_constructs,
    indicator_moments,
    item_weights,
)
from bayessem.measurement.htmt import (
    bootstrap_covariances,
    construct_htmt,
    correlations,
    cronbach_alpha,
)
from bayessem.measurement.levels import cluster_means_reliability, level_constructs
from bayessem.measurement.ordinal import omega_of_answers
from bayessem.measurement.quality_result import Measurement
from bayessem.measurement.tables import (
    Part,
    Quantities,
    correlations_table,
    draws_dataset,
    fornell_larcker_table,
    htmt_table,
    join_groups,
    loadings_table,
    reliability_table,
)
from bayessem.measurement.weights import weights_table
from bayessem.model.prepare import Prepared
from bayessem.model.structure import Structure
from bayessem.results.fitted import Fitted
from bayessem.results.reliability import average_variance_extracted, composite_reliability
from bayessem.results.standardize import model_moments
from bayessem.syntax.parameters import ParameterTable
from bayessem.threads import one_blas_thread


@check_shared
@one_blas_thread()
def measurement(
    fit: Fitted,
    *,
    ci_prob: float = 0.95,
    group: str | Sequence[str] | None = None,
    standardized: bool = False,
    bootstrap: int = 1000,
    random_seed: int | None = None,
) -> Measurement:
    """Judge how well the constructs of a fitted model are measured.

    Arguments, result and errors: `Fit.measurement`.
    """
    seed = fit.settings["random_seed"] if random_seed is None else random_seed
    return assess(
        fit.prepared,
        fit.elements,
        ci_prob=ci_prob,
        group=group,
        standardized=standardized,
        bootstrap=bootstrap,
        random_seed=seed,
    )


def assess(
    prepared: Prepared,
    elements: np.ndarray,
    *,
    ci_prob: float = 0.95,
    group: str | Sequence[str] | None = None,
    standardized: bool = False,
    bootstrap: int = 1000,
    random_seed: int = 0,
) -> Measurement:
    """Judge the measurement of constructs from draws of the model matrices.

    Parameters
    ----------
    prepared : Prepared
        The model with its data.
    elements : ndarray (chain, draw, elements)
        Draws of the flat model matrices of all groups.
    ci_prob, group, standardized, bootstrap, random_seed
        See `measurement`.
    """
    structure, labels = prepared.structure, prepared.table.groups
    constructs = find_constructs(structure)
    if not constructs and not structure.composites:
        raise ModelError(
            "the model has no constructs, so there is no measurement to judge; constructs are "
            "written as 'f =~ x1 + x2 + x3'"
        )
    _refuse_families(prepared.table, constructs)
    related = _related(constructs)
    levels = prepared.table.levels > 1
    ordered = bool(prepared.table.ordered)
    of_answers = standardized
    standardized = standardized or ordered  # the unit of a latent response is a convention
    parts = []
    for g in chosen_groups(labels, group):
        own = level_constructs(structure, constructs, g) if levels else constructs
        model = _quantities(structure, elements, own, group=g, standardized=standardized)
        if levels:
            means = cluster_means_reliability(prepared, elements, own, g)
            model = replace(model, omega_means=means)
            parts.append(Part(labels[g], model, (), np.empty(0), np.empty((1, 0)), {}))
        else:
            responses = _latent_responses(structure, elements, g) if ordered else None
            data = _pairs(prepared, own, g, responses, of_answers, bootstrap, random_seed + g)
            parts.append(Part(labels[g], model, *data))
    if constructs and not any(part.model.loading for part in parts):
        raise ModelError(
            "no construct of the levels asked for has a measurement of its own: at level 1 those "
            "that random slopes lead to have none, since their variance depends on the predictors"
        )

    def by_group(table: Callable[..., pd.DataFrame], *arguments: Any) -> pd.DataFrame:
        return join_groups([table(p, *arguments) for p in parts], len(labels) > 1)

    return Measurement(
        weights=join_groups(
            [
                weights_table(prepared, elements, prepared.sample.labels, group=g, ci_prob=ci_prob)
                for g in chosen_groups(labels, group)
            ],
            len(labels) > 1,
        ),
        loadings=by_group(loadings_table, constructs, prepared.sample.labels, ci_prob),
        reliability=by_group(reliability_table, constructs, ci_prob),
        fornell_larcker=by_group(fornell_larcker_table, structure, related),
        htmt=by_group(htmt_table, ci_prob),
        correlations=by_group(correlations_table, structure, related, ci_prob),
        draws=draws_dataset(parts, structure, len(labels) > 1),
        constructs=constructs,
        notes=(*_notes(structure, constructs, parts), *_ordered_notes(structure, constructs)),
        groups=tuple(p.group for p in parts),
        ci_prob=ci_prob,
        standardized=standardized,
        bootstrap=bootstrap,
        random_seed=random_seed,
        ordered=ordered,
        levels=levels,
    )


def _latent_responses(structure: Structure, elements: np.ndarray, group: int) -> np.ndarray:
    """Covariances of latent responses and observed variables, (chains times draws, p, p)."""
    covariance = model_moments(structure, elements, group=group).observed_covariance
    return covariance.reshape(-1, *covariance.shape[-2:])


def _quantities(
    structure: Structure,
    elements: np.ndarray,
    constructs: Sequence[Construct],
    *,
    group: int,
    standardized: bool,
) -> Quantities:
    moments = model_moments(structure, elements, group=group)
    matrices = structure.matrices(elements, group)
    sd = np.sqrt(np.diagonal(moments.latent_covariance, axis1=-2, axis2=-1))
    out = Quantities({}, {}, {}, {}, {}, {}, correlations(moments.latent_covariance))
    for c in constructs:
        j = structure.variables.index(c.name)
        loadings, block = indicator_moments(structure, matrices, moments, c)
        spread = np.sqrt(np.diagonal(block, axis1=-2, axis2=-1))
        standard = loadings * sd[..., j, None] / spread
        for i, indicator in enumerate(c.indicators):
            out.loading[c.name, indicator] = standard[..., i]
        if len(c.indicators) < 2:
            continue
        variance = sd[..., j] ** 2
        if standardized or c.level > 1:
            loadings, variance = standard, np.ones_like(variance)
            block = correlations(block)
        out.omega[c.name] = composite_reliability(loadings, variance, block)
        out.ave[c.name] = average_variance_extracted(
            loadings, variance, np.diagonal(block, axis1=-2, axis2=-1)
        )
        out.alpha[c.name] = cronbach_alpha(block)
        if _answered(structure, c):
            out.omega_answers[c.name] = _omega_of_answers(
                structure, matrices, c.indicators, standard, spread, correlations(block)
            )
        if c.level > 1:
            weights, columns = item_weights(structure, matrices, constructs, c.name)
            items = moments.observed_covariance[..., columns, :][..., :, columns]
            if standardized:
                weights = weights / np.sqrt(np.diagonal(items, axis1=-2, axis2=-1))
                items = correlations(items)
            out.omega_items[c.name] = composite_reliability(weights, sd[..., j] ** 2, items)
    return out


def _refuse_families(table: ParameterTable, constructs: Sequence[Construct]) -> None:
    """Refuse constructs that counts, durations or shares measure: their sum is no score."""
    for construct in constructs:
        own = [x for x in construct.indicators if x in table.responses.others]
        if own:
            raise NotSupported(
                f"reliability and validity are not there for constructs with counts, durations or "
                f"shares among their indicators ({construct.name}: {', '.join(own)}); loadings "
                "and R2 are in print(fit)"
            )


def _answered(structure: Structure, construct: Construct) -> bool:
    """Whether all indicators are ordered, with normal latent responses."""
    responses = structure.table.responses
    return responses.link == "probit" and set(construct.indicators) <= set(responses.families)


def _omega_of_answers(
    structure: Structure,
    matrices: dict[str, np.ndarray],
    items: Sequence[str],
    standard: np.ndarray,
    spread: np.ndarray,
    correlation: np.ndarray,
) -> np.ndarray:
    """Reliability of the sum of the answers, (chain, draw).

    standard, spread : ndarray (chain, draw, k)
        Standardised loadings, and standard deviations of the latent responses.
    correlation : ndarray (chain, draw, k, k)
        Of the latent responses.
    """
    counts = structure.table.responses.thresholds
    cuts = []
    for i, name in enumerate(items):
        first = structure.threshold_at[name]
        cut = matrices["thresholds"][..., first : first + counts[name]] / spread[..., i, None]
        cuts.append(cut.reshape(-1, counts[name]))
    k = len(items)
    found = omega_of_answers(cuts, standard.reshape(-1, k), correlation.reshape(-1, k, k))
    return found.reshape(standard.shape[:-1])


def _pairs(
    prepared: Prepared,
    constructs: Sequence[Construct],
    group: int,
    responses: np.ndarray | None,
    standardized: bool,
    bootstrap: int,
    seed: int,
) -> tuple[tuple, np.ndarray, np.ndarray, dict]:
    """As `_from_data`, with HTMT of the model's correlations of latent responses where given."""
    pairs, found, drawn, alpha = _from_data(
        prepared, constructs, group, standardized, bootstrap, seed
    )
    if responses is None:
        return pairs, found, drawn, alpha
    position = {n: i for i, n in enumerate(prepared.structure.observed)}
    measures = {c.name: [[position[item] for item in items] for items in c.items]
                for c in constructs if len(c.indicators) > 1}  # fmt: skip
    drawn = construct_htmt(responses, measures, pairs)
    return pairs, drawn.mean(axis=0), drawn, alpha


def _from_data(
    prepared: Prepared,
    constructs: Sequence[Construct],
    group: int,
    standardized: bool,
    bootstrap: int,
    seed: int,
) -> tuple[tuple, np.ndarray, np.ndarray, dict]:
    """Pairs, HTMT and its draws, and alpha by construct, of one group's data."""
    sample, position = prepared.sample, {n: i for i, n in enumerate(prepared.sample.variables)}
    several = [c for c in constructs if len(c.indicators) > 1]
    related = _related(constructs)
    pairs = tuple(
        (a.name, b.name) for a, b in combinations(several, 2) if b.name not in related[a.name]
    )
    values = sample.values[sample.group == group]
    whole = prepared.covariances[group]
    if sample.ordered:  # the moments there are of scores; here of the answers as numbers
        whole = pd.DataFrame(values).cov(ddof=0).to_numpy()
    resampled = bootstrap_covariances(values, draws=bootstrap, random_seed=seed)
    measures = {c.name: [[position[item] for item in items] for items in c.items] for c in several}
    alpha = {}
    for c in several:
        if c.level == 1:
            at = np.array([columns[0] for columns in measures[c.name]])
            blocks = [m[..., at, :][..., :, at] for m in (whole, resampled)]
            if standardized:
                blocks = [correlations(b) for b in blocks]
            alpha[c.name] = (float(cronbach_alpha(blocks[0])), cronbach_alpha(blocks[1]))
    found, drawn = (construct_htmt(m, measures, pairs) for m in (whole, resampled))
    return pairs, found, drawn, alpha


def _related(constructs: Sequence[Construct]) -> dict[str, set[str]]:
    """Of each construct, those it measures or is measured by, at any distance."""
    below: dict[str, set[str]] = {}
    for c in sorted(constructs, key=lambda c: c.level):
        below[c.name] = set(c.indicators).union(*(below.get(i, set()) for i in c.indicators))
    out = {name: set(inside) for name, inside in below.items()}
    for name, inside in below.items():
        for other in inside:
            out.setdefault(other, set()).add(name)
    return out


def _notes(
    structure: Structure, constructs: Sequence[Construct], parts: Sequence[Part]
) -> tuple[str, ...]:
    """What has no reliability and why, and what makes a number doubtful."""
    out = []
    measured = {i for c in constructs for i in c.indicators}
    observed = [v for v in structure.variables if v in structure.observed and v not in measured]
    if observed:
        out.append(
            f"{', '.join(observed)}: observed, taken as measured without error; no reliability."
        )
    growth = [c.name for c in constructs if len(c.indicators) > 1 and _all_fixed(structure, c)]
    if growth:
        out.append(
            f"{', '.join(growth)}: all loadings are fixed, as those of growth factors. Such "
            "factors describe change and are no scales: loadings, reliability, AVE, "
            "Fornell-Larcker and HTMT say nothing about them."
        )
    for c in constructs:
        by_indicator = {
            i: float(np.nanmean([p.model.loading[c.name, i] for p in there]))
            for i in c.indicators
            if (there := [p for p in parts if (c.name, i) in p.model.loading])
        }
        if not by_indicator:
            out.append(
                f"{c.name}: random slopes lead to it, so that its variance at level 1 depends on "
                "the predictors' values; it has no reliability there."
            )
            continue
        negative = [i for i, mean in by_indicator.items() if mean < 0]
        if len(c.indicators) == 1:
            out.append(
                f"{c.name} has one indicator, {c.indicators[0]}: its reliability is not estimated "
                f"but what the model takes it to be ({by_indicator[c.indicators[0]] ** 2:.2f})."
            )
        elif negative and len(negative) < len(by_indicator):
            out.append(
                f"{', '.join(negative)} load{'s' if len(negative) == 1 else ''} on {c.name} with "
                "the other sign: omega and alpha are about the plain sum of the indicators; "
                "reverse such items in the data."
            )
        if c.level > 1:
            out.append(
                f"{c.name} is measured by {', '.join(c.indicators)}: its omega, AVE and alpha are "
                "about these dimensions, standardised and free of their items' error; omega_items "
                f"is the share of {c.name} in the variance of the sum of all its items."
            )
    return tuple(out)


def _ordered_notes(structure: Structure, constructs: Sequence[Construct]) -> tuple[str, ...]:
    """What is ordered, and of which scales the sum of the answers has no reliability here."""
    ordered = set(structure.table.responses.families)
    if not ordered:
        return ()
    out = []
    without = [
        c.name
        for c in constructs
        if len(c.indicators) > 1 and set(c.indicators) & ordered and not _answered(structure, c)
    ]
    if without:
        why = "logistic residuals" if structure.table.responses.link == "logit" else (
            "items that are not ordered beside those that are"
        )  # fmt: skip
        out.append(f"{', '.join(without)}: no omega of the sum of the answers ({why}).")
    return tuple(out)


def _all_fixed(structure: Structure, construct: Construct) -> bool:
    """Whether the user gave every loading of a construct its value."""
    rows = [r for r in structure.table.rows if r.op == "=~" and r.lhs == construct.name]
    return all(r.free < 0 and r.user for r in rows)
