"""Everything that a report shows, computed once: a result each, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bayessem.criticism.headline import indirect_pairs, squares
from bayessem.errors import BayessemError

if TYPE_CHECKING:
    from bayessem.comparison.loo import Loo
    from bayessem.criticism.indices import Indices
    from bayessem.criticism.predictive import PredictiveCheck
    from bayessem.criticism.prior_consequences import PriorConsequences
    from bayessem.criticism.residuals import Residuals
    from bayessem.criticism.sensitivity import Sensitivity
    from bayessem.effects.mediation import Mediation
    from bayessem.fit import Fit
    from bayessem.measurement.quality import Measurement
    from bayessem.ml.estimate import MLFit
    from bayessem.shapes.shape import Shape


@dataclass(frozen=True)
class Contents:
    """Results of one fit.

    Attributes
    ----------
    fit : Fit
        The sampled model.
    mediations, shapes : tuple
        Of every predictor and outcome with something between them; of every square.
    measurement, indices, residuals, predictive, loo, sensitivity, priors, ml
        None where the model has none; then `reasons` says why.
    pooling : object or None
        Of a model with partial pooling.
    reasons : dict
        What could not be computed, with the reason.
    """

    fit: Fit
    mediations: tuple[Mediation, ...]
    shapes: tuple[Shape, ...]
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


def gather(fit: Fit, *, random_seed: int = 0) -> Contents:
    """Compute what the report shows.

    Parameters
    ----------
    fit : Fit
        A sampled model.
    random_seed : int
        Of replicated data and prior draws.
    """
    from bayessem.criticism.indices import fit_indices
    from bayessem.criticism.predictive import predictive_check
    from bayessem.criticism.prior_consequences import prior_consequences
    from bayessem.criticism.residuals import residuals
    from bayessem.criticism.sensitivity import sensitivity
    from bayessem.ml.estimate import fit_ml

    reasons: dict[str, str] = {}

    def result(name: str, compute: Callable[[], Any]) -> Any:
        try:
            return compute()
        except BayessemError as problem:
            reasons[name] = str(problem)
            return None

    structure, prepared = fit.prepared.structure, fit.prepared
    mediations = [
        result(f"mediation of {x} on {y}", partial(fit.mediation, x, y))
        for x, y in indirect_pairs(structure)
    ]
    shapes = [
        result(f"shape of {y} on {x}", partial(fit.shape, x, y)) for x, y in squares(structure)
    ]
    latent = bool(prepared.table.latent)
    pooled = prepared.pooling is not None and prepared.pooling.how == "partial"
    return Contents(
        fit=fit,
        mediations=tuple(m for m in mediations if m is not None),
        shapes=tuple(s for s in shapes if s is not None),
        measurement=result("measurement", fit.measurement) if latent else None,
        indices=result("indices", lambda: fit_indices(fit, random_seed=random_seed)),
        residuals=result("residuals", lambda: residuals(fit)),
        predictive=result(
            "predictive check", lambda: predictive_check(fit, random_seed=random_seed)
        ),
        loo=result("loo", fit.loo),
        sensitivity=result("sensitivity", lambda: sensitivity(fit)),
        priors=result(
            "prior consequences", lambda: prior_consequences(prepared, random_seed=random_seed)
        ),
        ml=result("maximum likelihood", lambda: fit_ml(prepared)),
        pooling=result("pooling", fit.pooling) if pooled else None,
        reasons=reasons,
    )
