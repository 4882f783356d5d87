"""Ordered answers in PyMC: one observed node whose constructs are integrated out on nodes.

The log-probability is that of the node engine, called as the kernel is (operation.py); random draws
are latent responses, cut at the thresholds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor.variable import TensorVariable

from bayessem.errors import NotSupported
from bayessem.graph.node import DIMS
from bayessem.graph.operation import GenerateIndicators
from bayessem.graph.respondents import RespondentLogLikelihood
from bayessem.likelihood.family_ordered import VARIANCES
from bayessem.model.data import Sample
from bayessem.model.structure import Structure, matrix_shapes, product_order
from bayessem.posterior.assemble import respondent_order


def answers_node(
    name: str,
    elements: TensorVariable,
    structure: Structure,
    sample: Sample,
    plan: tuple[np.ndarray, np.ndarray],
) -> TensorVariable:
    """The observed node of a model with ordered answers.

    Parameters
    ----------
    name : str
        Of the variable in the model that is open.
    elements : TensorVariable (elements,)
        Model matrices of all groups, see structure.py.
    structure : Structure
    sample : Sample
    plan : tuple of two ndarray
        Of the node engine, from `posterior.answers.answers_plan`.

    Returns
    -------
    TensorVariable
        The observed random variable (respondent, indicator), of ordered variables positions of
        categories. Its log-probability is by respondent.
    """
    ints = pytensor.shared(plan[0], name=f"{name}_plan")
    floats = pytensor.shared(plan[1], name=f"{name}_data")
    rows = pytensor.shared(respondent_order(sample), name=f"{name}_order")
    nothing = pytensor.shared(np.zeros(sample.size), name=f"{name}_covariates")

    def logp(value: Variable, elements: TensorVariable) -> TensorVariable:
        same = isinstance(value, Constant) and np.array_equal(
            value.data, sample.values, equal_nan=True
        )
        if not same:
            raise NotSupported(
                f"the data of {name!r} are part of its likelihood and cannot be exchanged; build a "
                "model with the other data"
            )
        return RespondentLogLikelihood()(elements, ints, floats, rows, nothing)

    def dist(elements: TensorVariable, size: Any) -> TensorVariable:
        return random_answers(elements, structure, sample)

    return pm.CustomDist(
        name,
        elements,
        dist=dist,
        logp=logp,
        signature="(e)->(n,p)",
        observed=pt.constant(sample.values),
        dims=DIMS,
        class_name="OrderedModel",
    )


def random_answers(
    elements: TensorVariable, structure: Structure, sample: Sample
) -> TensorVariable:
    """Answers (respondent, p) drawn from the model, covariates with them."""
    p, m, h = structure.shape
    groups = len(sample.groups)
    shapes = matrix_shapes(p, m, h, structure.thresholds)
    end = sum(int(np.prod(shape)) for name, shape in shapes.items() if name != "thresholds")
    by_group = elements.reshape((groups, end + structure.thresholds))
    draws = pm.Normal.dist(0.0, 1.0, size=(sample.size, m + p))
    if structure.table.responses.link == "logit":
        unit = 1.0 / math.sqrt(VARIANCES[1])
        columns = [
            structure.variables.index(x)
            if x in structure.variables
            else m + structure.observed.index(x)
            for x in structure.table.ordered
        ]
        logistic = pm.Logistic.dist(0.0, unit, size=(sample.size, len(columns)))
        draws = draws[:, columns].set(logistic)
    most = max(map(len, structure.products), default=0)
    order = product_order(structure)
    terms = np.full((len(order), 1 + most), -1)
    for row, t in enumerate(order):
        terms[row, : 1 + len(structure.products[t])] = (t, *structure.products[t])
    group = pt.constant(sample.group)
    out = GenerateIndicators((p, m, h))(by_group[:, :end].ravel(), draws, group, pt.constant(terms))
    for name, first in structure.threshold_at.items():
        j, count = structure.observed.index(name), structure.table.responses.thresholds[name]
        cut = by_group[:, end + first : end + first + count][group]
        answer = pt.sum(out[:, j, None] > cut, axis=1).astype("float64")
        out = out[:, j].set(answer)
    return out
