"""The respondents as maximum likelihood uses them, and the same model with other respondents."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayessem.errors import DataError, ModelError
from bayessem.ml.linear_part import linear_structure
from bayessem.model.data import Sample
from bayessem.model.prepare import Prepared, sample_moments
from bayessem.model.space import build_space
from bayessem.syntax.table import ParameterTable


def conditional_data(prepared: Prepared) -> tuple[Prepared, tuple[str, ...]]:
    """The data as maximum likelihood uses them, and what was done to them in words.

    Respondents without a value of a covariate are left out; without a mean structure each group is
    centred.

    Raises
    ------
    ModelError
        For missing values without a mean structure.
    """
    table, sample = prepared.table, prepared.sample
    notes: list[str] = []
    columns = [sample.variables.index(name) for name in table.exogenous]
    absent = np.isnan(sample.values[:, columns]).any(axis=1)
    if absent.any():
        notes.append(
            f"{int(absent.sum())} respondents have no value of a covariate "
            f"({', '.join(table.exogenous)}) and are left out; fixed_x=False keeps them"
        )
        sample = some_rows(sample, ~absent)
    if not has_means(table):
        if not sample.complete:
            raise ModelError(
                "a model for data with missing values needs means; leave out "
                'meanstructure=False, or use missing="listwise"'
            )
        means = np.array(
            [sample.values[sample.group == g].mean(axis=0) for g in range(len(sample.groups))]
        )
        sample = replace(sample, values=sample.values - means[sample.group])
    return (prepared if sample is prepared.sample else with_sample(prepared, sample)), tuple(notes)


def has_means(table: ParameterTable) -> bool:
    """Whether a table has a mean structure."""
    return any(row.op == "~1" for row in table.rows)


def covariate_names(table: ParameterTable) -> tuple[str, ...]:
    """The covariates of a model, whether it conditions on them or not (lavaan's `ov.x`)."""
    if table.exogenous:
        return table.exogenous
    explained = {r.lhs if r.op == "~" else r.rhs for r in table.rows if r.op in ("~", "=~")}
    mentioned = {x for r in table.rows if r.user and r.op in ("~~", "~1") for x in (r.lhs, r.rhs)}
    return tuple(name for name in table.promoted if name not in explained and name not in mentioned)


def some_rows(sample: Sample, keep: np.ndarray) -> Sample:
    """The respondents to keep (a mask); the others count as left out."""
    if not keep.any():
        raise DataError("no respondent is left: each one lacks a covariate")
    return replace(
        sample,
        values=sample.values[keep],
        group=sample.group[keep],
        rows=sample.rows[keep],
        dropped=(*sample.dropped, *sample.rows[~keep].tolist()),
    )


def with_sample(prepared: Prepared, sample: Sample) -> Prepared:
    """The same model with other respondents."""
    covariances, means = sample_moments(sample)
    space = build_space(
        prepared.structure,
        means=sample.means,
        sds=sample.sds,
        covariances=covariances,
        group_means=means,
    )
    return replace(prepared, sample=sample, space=space, covariances=covariances, means=means)


def linear_counterpart(prepared: Prepared) -> Prepared:
    """The model without its product terms, with the same data."""
    structure = linear_structure(prepared.structure)
    return with_sample(
        replace(prepared, table=structure.table, structure=structure), prepared.sample
    )
