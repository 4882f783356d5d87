"""Everything that a report shows, computed once: a result each, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bayessem.comparison.loo import Loo, loo
from bayessem.criticism.headline import indirect_pairs, squares
from bayessem.criticism.indices import Indices, fit_indices
from bayessem.criticism.predictive import PredictiveCheck, predictive_check
from bayessem.criticism.prior_consequences import PriorConsequences, prior_consequences
from bayessem.criticism.residuals import Residuals, residuals
from bayessem.criticism.sensitivity import Sensitivity, sensitivity
from bayessem.effects.category_effects import (
    CategoryEffects,
    category_effects,
    caused_pairs,
)
from bayessem.effects.expected_effects import (
    ExpectedEffects,
    Ratios,
    expected_effects,
    ratios,
)
from bayessem.effects.hypotheses_result import Hypotheses
from bayessem.effects.mediation import mediation
from bayessem.effects.mediation_result import Mediation
from bayessem.errors import BayessemError
from bayessem.measurement.quality import measurement
from bayessem.measurement.quality_result import Measurement
from bayessem.ml.estimate import MLFit, maximum_likelihood
from bayessem.moderation.pooling_report import pooling_report
from bayessem.results.fitted import Fitted
from bayessem.results.intraclass import IntraclassCorrelations, intraclass_correlations
from bayessem.results.respondent_weights import RespondentWeights, respondent_weights
from bayessem.shapes.cubic_result import CubicShape
from bayessem.shapes.response_surface import response_surface
from bayessem.shapes.response_surface_result import ResponseSurface
from bayessem.shapes.shape import shape
from bayessem.shapes.shape_result import Shape
from bayessem.shapes.surface_coefficients import surface_triples
from bayessem.syntax.responses import STUDENT


@dataclass(frozen=True)
class Contents:
    """Results of one fit.

    Attributes
    ----------
    fit : Fitted
        The sampled model.
    mediations, shapes, surfaces : tuple
        Of every predictor and outcome with something between them; of every square; of every two
        predictors whose product and squares are in an equation.
    measurement, indices, residuals, predictive, loo, sensitivity, priors, ml
        None where the model has none; then `reasons` says why.
    pooling : object or None
        Of a model with partial pooling.
    answers : PredictiveCheck or None
        Shares of the answers, of a model with ordered variables.
    category_effects : tuple of CategoryEffects
        Of every cause of an ordered outcome.
    reasons : dict
        What could not be computed, with the reason.
    hypotheses : Hypotheses or None
        Where some were given.
    ratios : Ratios or None
        Of a model with counts, durations or shares.
    expected_effects : tuple of ExpectedEffects
        Of every cause of such an outcome.
    weights : RespondentWeights or None
        Of a model with heavy tails.
    intraclass : IntraclassCorrelations or None
        Of a two-level model.
    """

    fit: Fitted
    mediations: tuple[Mediation, ...]
    shapes: tuple[Shape | CubicShape, ...]
    surfaces: tuple[ResponseSurface, ...]
    measurement: Measurement | None
    indices: Indices | None
    residuals: Residuals | None
    predictive: PredictiveCheck | None
    loo: Loo | None
    sensitivity: Sensitivity | None
    priors: PriorConsequences | None
    ml: MLFit | None
    pooling: Any
    reasons: dict[str, str]
    hypotheses: Hypotheses | None = None
    answers: PredictiveCheck | None = None
    category_effects: tuple[CategoryEffects, ...] = ()
    ratios: Ratios | None = None
    expected_effects: tuple[ExpectedEffects, ...] = ()
    weights: RespondentWeights | None = None
    intraclass: IntraclassCorrelations | None = None


def gather(
    fit: Fitted,
    *,
    hypotheses: Hypotheses | None = None,
    random_seed: int = 0,
    told: Callable[[str], None] | None = None,
) -> Contents:
    """Compute what the report shows.

    Parameters
    ----------
    fit : Fitted
        A sampled model.
    hypotheses : Hypotheses, optional
        Already judged.
    random_seed : int
        Of replicated data and prior draws.
    told : callable, optional
        Hears what is computed next.
    """
    reasons: dict[str, str] = {}

    def result(name: str, compute: Callable[[], Any]) -> Any:
        if told is not None:
            told(name)
        try:
            return compute()
        except BayessemError as problem:
            reasons[name] = str(problem)
            return None

    def caused(outcomes: Sequence[str], named: str, compute: Callable[..., Any]) -> tuple[Any, ...]:
        """A result for each of these outcomes and what causes it, without those that failed."""
        found = [
            result(named.format(x=x, y=y), partial(compute, fit, x, y, random_seed=random_seed))
            for x, y in caused_pairs(prepared.structure, outcomes)
        ]
        return tuple(one for one in found if one is not None)

    prepared = fit.prepared
    mediations, shapes, surfaces = _relations(fit, result, random_seed)
    latent = bool(prepared.table.constructs)
    pooled = prepared.pooling is not None and prepared.pooling.how == "partial"
    others = tuple(prepared.table.responses.others)
    return Contents(
        fit=fit,
        mediations=mediations,
        shapes=shapes,
        surfaces=surfaces,
        measurement=result("measurement", lambda: measurement(fit)) if latent else None,
        **_criticism(fit, result, random_seed),
        pooling=result("pooling", lambda: pooling_report(fit)) if pooled else None,
        reasons=reasons,
        hypotheses=hypotheses,
        answers=result(
            "answers", lambda: predictive_check(fit, "indicators", random_seed=random_seed)
        )
        if prepared.table.ordered
        else None,
        category_effects=caused(
            prepared.table.ordered, "categories of {y} by {x}", category_effects
        ),
        ratios=result("ratios", lambda: ratios(fit)) if others else None,
        expected_effects=caused(others, "expected {y} by {x}", expected_effects),
        weights=result("weights", lambda: respondent_weights(fit))
        if prepared.table.heavy_tailed or STUDENT in prepared.table.responses.others.values()
        else None,
        intraclass=result("intraclass correlations", lambda: intraclass_correlations(fit))
        if prepared.table.split
        else None,
    )


def _criticism(
    fit: Fitted, result: Callable[[str, Callable[[], Any]], Any], random_seed: int
) -> dict[str, Any]:
    """What is said of every model's fit, by its name in `Contents`."""
    return {
        "indices": result("indices", lambda: fit_indices(fit, random_seed=random_seed)),
        "residuals": result("residuals", lambda: residuals(fit)),
        "predictive": result(
            "predictive check", lambda: predictive_check(fit, random_seed=random_seed)
        ),
        "loo": result("loo", lambda: loo(fit)),
        "sensitivity": result("sensitivity", lambda: sensitivity(fit)),
        "priors": result(
            "prior consequences", lambda: prior_consequences(fit.prepared, random_seed=random_seed)
        ),
        "ml": result("maximum likelihood", lambda: maximum_likelihood(fit.prepared)),
    }


def _relations(
    fit: Fitted, result: Callable[[str, Callable[[], Any]], Any], random_seed: int
) -> tuple[tuple[Any, ...], ...]:
    """Mediations, shapes and surfaces of a model, without those that could not be computed."""
    structure = fit.prepared.structure
    mediations = [
        result(f"mediation of {x} on {y}", partial(mediation, fit, x, y))
        for x, y in indirect_pairs(structure)
    ]
    shapes = [
        result(f"shape of {y} on {x}", partial(shape, fit, x, y)) for x, y in squares(structure)
    ]
    surfaces = [
        result(
            f"surface of {y} over {x} and {z}",
            partial(response_surface, fit, x, z, y, random_seed=random_seed),
        )
        for x, z, y in surface_triples(structure)
    ]
    return tuple(
        tuple(found for found in results if found is not None)
        for results in (mediations, shapes, surfaces)
    )
