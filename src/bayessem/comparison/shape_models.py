"""Is the relation of y with x a line, a parabola, a cubic or some other curve? All four by LOO.

The fourth is a natural cubic spline, which bends wherever the data do. Of an observed x it is a
spline of x. A construct has no values to make a spline of; its score has: the mean of its
standardised items, each with the sign of its loading. The score is computed from the items of x
alone, so a model of y given the score and the items of x remains a density of the same data, and
its elpd can be compared with those of the others. What the measurement error of the score flattens
is lost to the spline: where it predicts better, the polynomials miss something; where it does not,
they may still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.comparison.compare import compare
from bayessem.comparison.compare_result import Comparison
from bayessem.effects.pathways import position
from bayessem.errors import DataError, ModelError
from bayessem.model.level_data import refuse_levels
from bayessem.model.prepare import prepare
from bayessem.model.prior_checks import priors_that_apply
from bayessem.model.priors import Prior
from bayessem.model.thresholds import refuse_answers
from bayessem.posterior.settings import DEFAULTS, Sampling
from bayessem.results.estimate import estimate
from bayessem.results.fitted import Fitted
from bayessem.results.standardize import model_moments
from bayessem.shapes.cubic_result import CubicShape
from bayessem.shapes.shape import shape
from bayessem.shapes.shape_result import Shape
from bayessem.shapes.two_lines import spline_basis
from bayessem.syntax.parameters import ParameterTable
from bayessem.syntax.specification import Specification
from bayessem.syntax.statements import Statement
from bayessem.text.described import Described
from bayessem.text.document import Block, Document, Heading, Notes, Paragraph

POWERS = {"linear": 1, "quadratic": 2, "cubic": 3}


@dataclass(frozen=True, repr=False)
class ShapeComparison(Described):
    """Forms of the relation of y with x, compared by LOO; `print` it.

    Attributes
    ----------
    x, y : str
    fits : dict of str to Fitted
        By form: linear, quadratic, cubic, spline.
    comparison : Comparison
        Of all by leave-one-out cross-validation.
    shapes : dict of str to Shape or CubicShape
        Of the quadratic and of the cubic.
    notes : tuple of str
    """

    x: str
    y: str
    fits: dict[str, Fitted]
    comparison: Comparison
    shapes: dict[str, Shape | CubicShape]
    notes: tuple[str, ...]

    def document(self) -> Document:
        """The comparison, and what shape the polynomials have."""
        parts: list[Block] = []
        for name, found in self.shapes.items():
            parts += [Heading(name.capitalize(), 2), *found.answers()]
        return Document.of(
            Heading(f"Form of the relation of {self.y} with {self.x}"),
            _answer(self.comparison),
            self.comparison.document().within(2),
            parts,
            Notes(self.notes),
        )


def _answer(found: Comparison) -> Paragraph:
    good = [
        str(name) for name, v in found.table["verdict"].items() if v in ("best", "no difference")
    ]
    simplest = next(name for name in (*POWERS, "spline") if name in good)
    text = f"The best prediction is that of the {found.best} model"
    if simplest != found.best:
        text += f"; the {simplest} one, which is simpler, predicts as well"
    return Paragraph(f"{text}.")


@check_shared
def compare_shapes(
    sem: Specification,
    data: pd.DataFrame,
    x: str,
    y: str,
    *,
    spline: bool = True,
    bounds: tuple[float, float] | None = None,
    group: str | None = None,
    ci_prob: float = 0.95,
    missing: str = "fiml",
    priors: Mapping[str, str | Prior] | None = None,
    max_refits: int = 25,
    sampling: Sampling = DEFAULTS,
) -> ShapeComparison:
    """Fit linear, quadratic, cubic and spline models of one relation, and compare them.

    Arguments and result: `bayessem.compare_shapes`.
    """
    base = _of_degree(sem, x, y, 1)
    if spline and x not in base.table.observed:
        refuse_answers(base.table, "a spline of a construct (spline=True)")
        refuse_levels(base.table, "a spline of a construct (spline=True)")
    reading: dict[str, Any] = {"group": group, "missing": missing}

    def fitted(model: Specification, frame: pd.DataFrame) -> Fitted:
        own = priors and priors_that_apply(priors, prepare(model, frame, **reading).kinds)
        return estimate(prepare(model, frame, priors=own, **reading), sampling)

    for degree in (2, 3):  # what cannot be fitted is told before anything is
        prepare(_of_degree(sem, x, y, degree), data, **reading)
    fits = {"linear": fitted(base, data)}
    for name in ("quadratic", "cubic"):
        fits[name] = fitted(_of_degree(sem, x, y, POWERS[name]), data)
    notes = []
    if spline:
        frame, columns, note = _with_spline(fits["linear"], data, x)
        fits["spline"] = fitted(base.extended([f"{y} ~ {' + '.join(columns)}"]), frame)
        notes.append(note)
    shapes = {
        name: shape(fits[name], x, y, effect="direct", bounds=bounds, lines=False, ci_prob=ci_prob)
        for name in ("quadratic", "cubic")
    }
    found = compare(fits, max_refits=max_refits)
    return ShapeComparison(x, y, fits, found, shapes, tuple(notes))


def _of_degree[S: Specification](sem: S, x: str, y: str, degree: int) -> S:
    """The model with y ~ x to this power: lower ones are added, higher ones and := left out.

    Definitions may be about what is left out, and nothing here depends on them.
    """
    kept: list[Statement] = []
    there: set[int] = set()
    for statement in sem.statements:
        power = _power(statement, x, y)
        if power > degree or statement.op == ":=":
            continue
        there.add(power)
        kept.append(statement)
    missing = [":".join([x] * k) for k in range(1, degree + 1) if k not in there]
    try:
        plain = sem.of_statements(kept)
        return plain.extended([f"{y} ~ {' + '.join(missing)}"]) if missing else plain
    except ModelError as problem:
        raise ModelError(f"the model of degree {degree} in {x}: {problem}") from None


def _power(statement: Statement, x: str, y: str) -> int:
    """Which power of x alone stands in this predictor of y, 0 for any other statement."""
    if statement.op != "~" or statement.lhs != y:
        return 0
    factors = statement.factors or (statement.rhs,)
    return len(factors) if set(factors) == {x} else 0


def _with_spline(fit: Fitted, data: pd.DataFrame, x: str) -> tuple[pd.DataFrame, list[str], str]:
    """The data with the columns of the spline of x, their names, and a note."""
    structure, sample = fit.prepared.structure, fit.prepared.sample
    at = position(structure, x)
    if x in sample.variables:
        values = sample.values[:, sample.variables.index(x)]
        note = f"The spline is a natural cubic one of {x} with five knots."
    else:
        values = _score(fit, at)
        note = (
            f"The spline is a natural cubic one with five knots of the score of {x}, the mean of "
            f"its standardised items, beside the linear effect of {x} itself."
        )
    known = np.isfinite(values)
    basis = spline_basis(values[known])[:, 2:]  # what bends; level and line are in the model
    if basis.shape[1] == 0:
        raise DataError(
            f"{x} has too few different values for a spline with knots; use spline=False"
        )
    bends = np.full((len(values), basis.shape[1]), np.nan)
    bends[known] = (basis - basis.mean(axis=0)) / basis.std(axis=0)
    names: list[str] = []
    for k in range(basis.shape[1]):
        name = f"{x}_bend{k + 1}"
        while name in data.columns:
            name += "_"
        names.append(name)
    columns = pd.DataFrame(bends, columns=names, index=list(sample.rows))
    if len(columns) == len(data):
        columns.index = data.index
    elif not data.index.is_unique:
        raise DataError(
            "rows were left out, and the index of the data does not say which: give it unique "
            "labels"
        )
    return data.join(columns), names, note


def _score(fit: Fitted, x: int) -> np.ndarray:
    """Mean of the standardised items of a construct by respondent, with the signs of loadings."""
    structure, sample = fit.prepared.structure, fit.prepared.sample
    elements = fit.elements.reshape(-1, fit.elements.shape[-1]).mean(axis=0)
    items = _items(structure.table, structure.variables[x])
    columns = [sample.variables.index(item) for item in items]
    values = sample.values[:, columns]
    loadings = structure.matrices(elements)["loadings"]
    covariances = loadings @ model_moments(structure, elements).latent_covariance[:, x]
    signs = np.sign([covariances[structure.observed.index(item)] for item in items])
    unit = (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0) * signs
    known = np.isfinite(unit)
    # somebody without any item of x is in the middle, as the mean of nothing known
    return np.where(known, unit, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def _items(table: ParameterTable, construct: str) -> Sequence[str]:
    """The observed items of a construct, through its dimensions where it has some."""
    found: dict[str, None] = {}
    for row in table.rows:
        if row.op == "=~" and row.lhs == construct:
            own = _items(table, row.rhs) if row.rhs in table.latent else (row.rhs,)
            found |= dict.fromkeys(own)
    return tuple(found)
