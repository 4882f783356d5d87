"""The same model with other respondents or without its products, and what its covariates are."""

from __future__ import annotations

from dataclasses import replace

from bayessem.ml.linear_part import linear_structure
from bayessem.model.composites import item_covariances
from bayessem.model.data import Sample
from bayessem.model.prepare import Prepared, sample_moments
from bayessem.model.space import build_space
from bayessem.syntax.parameters import ParameterTable


def covariate_names(table: ParameterTable) -> tuple[str, ...]:
    """The covariates of a model, whether it conditions on them or not (lavaan's `ov.x`)."""
    if table.exogenous:
        return table.exogenous
    explained = {r.lhs if r.op == "~" else r.rhs for r in table.rows if r.op in ("~", "=~")}
    mentioned = {x for r in table.rows if r.user and r.op in ("~~", "~1") for x in (r.lhs, r.rhs)}
    return tuple(name for name in table.promoted if name not in explained and name not in mentioned)


def with_sample(prepared: Prepared, sample: Sample) -> Prepared:
    """The same model with other respondents."""
    covariances, means = sample_moments(sample)
    space = build_space(
        prepared.structure,
        means=sample.means,
        sds=sample.sds,
        covariances=covariances,
        group_means=means,
        items=item_covariances(prepared.structure, sample),
    )
    return replace(prepared, sample=sample, space=space, covariances=covariances, means=means)


def linear_counterpart(prepared: Prepared) -> Prepared:
    """The model without its product terms, with the same data."""
    structure = linear_structure(prepared.structure)
    return with_sample(
        replace(prepared, table=structure.table, structure=structure), prepared.sample
    )
