"""Respondents as the likelihood uses them: with their covariates, and centred without means.

lavaan's rules: a model that conditions on covariates leaves out who lacks one (fixed.x; with
`fixed_x=False` covariates are random and nobody is left out), and a model without a mean structure
is about deviations from the sample's means.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bayessem.errors import DataError, ModelError
from bayessem.model.companions import kept_beside
from bayessem.model.data import Sample
from bayessem.syntax.parameters import ParameterTable

# Relative size of a mean that is 0 but for rounding: centring again changes nothing.
CENTRED = 1e-12


def has_means(table: ParameterTable) -> bool:
    """Whether a table has a mean structure."""
    return any(row.op == "~1" for row in table.rows)


def condition(sample: Sample, table: ParameterTable) -> tuple[Sample, tuple[str, ...]]:
    """The respondents that a model's likelihood is about, and what was done to them in words.

    Raises
    ------
    ModelError
        For missing values without a mean structure.
    DataError
        When nobody has all covariates.
    """
    notes: list[str] = []
    columns = [sample.variables.index(name) for name in table.exogenous]
    absent = np.isnan(sample.values[:, columns]).any(axis=1)
    if absent.any():
        n = int(absent.sum())
        who = "1 respondent has" if n == 1 else f"{n} respondents have"
        notes.append(
            f"{who} no value of a covariate ({', '.join(table.exogenous)}) and "
            f"{'is' if n == 1 else 'are'} left out; fixed_x=False keeps "
            f"{'it' if n == 1 else 'them'}"
        )
        sample = some_rows(sample, ~absent)
    if has_means(table):
        return sample, tuple(notes)
    if not sample.complete:
        raise ModelError(
            "a model for data with missing values needs means; leave out "
            'meanstructure=False, or use missing="listwise"'
        )
    members = [sample.group == g for g in range(len(sample.groups))]
    if sample.weights is None:
        means = np.array([sample.values[own].mean(axis=0) for own in members])
    else:
        w = sample.weights
        means = np.array([np.average(sample.values[o], axis=0, weights=w[o]) for o in members])
    if (np.abs(means) > CENTRED * sample.sds).any():
        sample = replace(sample, values=sample.values - means[sample.group])
    return sample, tuple(notes)


def some_rows(sample: Sample, keep: np.ndarray) -> Sample:
    """The respondents to keep (a mask); the others count as left out."""
    if not keep.any():
        raise DataError("no respondent is left: each one lacks a covariate")
    return replace(
        sample,
        values=sample.values[keep],
        group=sample.group[keep],
        clusters=None if sample.clusters is None else sample.clusters.kept(keep),
        design=None if sample.design is None else sample.design.kept(keep),
        beside=kept_beside(sample.beside, keep),
        rows=sample.rows[keep],
        dropped=(*sample.dropped, *sample.rows[~keep].tolist()),
    )
