"""What the priors say about quantities that people have opinions on, before any data are seen.

Parameters are drawn from their joint prior, with signs, bounds and positive definiteness on, and
turned into standardised loadings, R2, correlations, effects and shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared
from bayessem.criticism.headline import Drawn, Quantity, headline
from bayessem.criticism.prior_table import prior_table
from bayessem.errors import FitError
from bayessem.model.prepare import Prepared
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.prior_draws import prior_draws
from bayessem.results.estimates import tail_probability
from bayessem.results.latent_responses import reported
from bayessem.text.columns import column, intervals, more_rows
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Heading, Lines, Paragraph, Table
from bayessem.text.formats import SHORT, SHORT_INTERVAL, group_text, percent_text
from bayessem.text.numbers import number

DRAWS = 2000
SHOWN = 12
# A prior that puts more than half its mass where data never are deserves a word.
EXTREME, MOSTLY = 0.95, 0.5
NOTHING = (
    "Nothing implausible was found: R2, loadings and correlations are spread over their range."
)
TITLES = {
    "standardised loading": "Standardised loadings",
    "standardised path": "Standardised paths",
    "correlation": "Correlations",
    "R2": "R2",
    "effect": "Standardised indirect and total effects",
    "shape": "Slopes at the ends and turning points",
    "defined": "Defined parameters",
}


@dataclass(frozen=True, repr=False)
class PriorConsequences(Described):
    """Implied priors of what people report; `print` it.

    Attributes
    ----------
    table : DataFrame
        A row a quantity: kind, quantity, group, median, lower, upper, p_positive, p_extreme (of
        |standardised| > .95, or R2 > .95; nan where that has no meaning). Of shapes the draws are
        probabilities, and median, lower and upper are nan and p_positive is the prior probability.
    draws : DataArray (draw, quantity)
        Of the quantities, in the order of the table.
    priors : DataFrame
        The priors as used: parameter, kind, prior, lower, upper.
    ci_prob : float
        Probability of the equal-tailed intervals.
    findings : tuple of str
        What deserves a second thought, in words; empty when nothing does.
    """

    table: pd.DataFrame
    draws: xr.DataArray
    priors: pd.DataFrame
    ci_prob: float
    findings: tuple[str, ...]

    def document(self) -> Document:
        """What deserves a second thought, and the quantities kind by kind."""
        shapes = self.table[self.table["kind"] == "probability"]
        return Document.of(
            Heading("What the priors imply before the data"),
            [Paragraph(finding) for finding in self.findings or (NOTHING,)],
            *(_quantities(self, kind, title) for kind, title in TITLES.items()),
            Table(
                (_row_names(shapes), column(shapes, "p_positive", "P", SHORT)),
                "Prior probability of shapes",
            ),
        )


def _quantities(result: PriorConsequences, kind: str, title: str) -> tuple[Table, Lines]:
    """Quantities of a kind; empty when the model has none."""
    part = result.table[result.table["kind"] == kind]
    shown = part.head(SHOWN)
    table = Table(
        (
            _row_names(shown),
            column(shown, "median", how=SHORT),
            intervals(shown, percent_text(result.ci_prob), SHORT_INTERVAL),
            column(shown, "p_positive", "P(>0)", SHORT),
        ),
        title,
    )
    return table, more_rows(part, SHOWN)


def _row_names(table: pd.DataFrame) -> Column:
    return Column("", list(map(group_text, table["quantity"], table["group"])))


@check_shared
def prior_consequences(
    prepared: Prepared, *, draws: int = DRAWS, ci_prob: float = 0.95, random_seed: int = 0
) -> PriorConsequences:
    """Draw from the prior and summarise what it implies.

    Arguments, result and errors: `SEM.prior_consequences`.
    """
    if draws < 100:
        raise FitError(f"draws has to be at least 100, not {draws}")
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    values = prior_draws(
        prepared.space, prepared.structure, density, draws=draws, random_seed=random_seed
    )
    elements = reported(prepared.structure, density.elements(values))
    source = Drawn(prepared, elements[None])
    found = [q for q in headline(source) if q.kind != "path"]
    tail = tail_probability(ci_prob)
    table = pd.DataFrame([_row(q, tail) for q in found])
    return PriorConsequences(
        table=table,
        draws=xr.DataArray(
            np.stack([q.values[0] for q in found], axis=-1),
            dims=("draw", "quantity"),
            coords={"quantity": [f"{q.kind}: {q.label}" for q in found]},
            name="prior_consequences",
        ),
        priors=prior_table(prepared),
        ci_prob=ci_prob,
        findings=tuple(_findings(found, prepared)),
    )


def _row(q: Quantity, tail: float) -> dict:
    flat = q.values[np.isfinite(q.values)]
    ends = (np.nan, np.nan, np.nan)
    if flat.size and q.kind != "probability":
        ends = np.quantile(flat, [0.5, tail, 1.0 - tail])
    scaled = flat.size and q.kind in ("standardised loading", "correlation", "R2")
    return {
        "kind": q.kind,
        "quantity": q.name,
        "group": q.group,
        **dict(zip(("median", "lower", "upper"), map(float, ends), strict=True)),
        "p_positive": float(np.mean(flat > 0)) if flat.size else np.nan,
        "p_extreme": float(np.mean(np.abs(flat) > EXTREME)) if scaled else np.nan,
    }


def _findings(found: list[Quantity], prepared: Prepared) -> Iterator[str]:
    """Implications that are hardly anybody's belief."""

    def mostly(kind: str, condition: Callable[[np.ndarray], np.ndarray]) -> list[str]:
        """The quantities of a kind of which it holds in most draws."""
        return [
            q.label
            for q in found
            if q.kind == kind and np.mean(condition(q.values[np.isfinite(q.values)])) > MOSTLY
        ]

    full, none = mostly("R2", lambda v: v > EXTREME), mostly("R2", lambda v: v < 0.05)
    perfect = mostly("standardised loading", lambda v: np.abs(v) > EXTREME)
    weak = mostly("standardised loading", lambda v: np.abs(v) < 0.2)
    tied = mostly("correlation", lambda v: np.abs(v) > EXTREME)
    flat = [
        c.name
        for c in prepared.space.coordinates
        if c.prior.family in ("normal", "student_t", "cauchy")
        and c.kind in ("loading", "path")
        and c.prior.named.get("sigma", c.prior.named.get("beta", 0.0)) > 1000.0
    ]
    if full:
        yield (
            f"The priors say that {' and '.join(full)} is most probably above {EXTREME:g}: almost "
            "nothing is left to chance. Narrower priors of the paths, or a wider one of the "
            "disturbance, would say something else."
        )
    if none:
        yield (
            f"The priors say that {' and '.join(none)} is most probably below .05: they expect "
            "no effects. Wider priors of the paths would leave more to the data."
        )
    if perfect:
        yield (
            "The priors expect nearly perfect indicators (standardised loadings beyond "
            f"{EXTREME:g} in most draws): {_some(perfect)}. Wider priors of the residual sds would "
            "help."
        )
    if weak:
        yield (
            "The priors expect indicators that hardly measure their construct (standardised "
            f"loadings below .2 in most draws): {_some(weak)}."
        )
    if tied:
        yield f"The priors expect correlations near 1 or -1: {_some(tied)}."
    for q in found:
        if q.kind == "probability" and q.values.mean() > 0.9:
            yield (
                f"The prior probability of {q.label} is already {number(q.values.mean(), 2)}: the "
                "data can hardly add to it."
            )
    if flat:
        yield (
            f"Nearly flat priors ({_some(flat)}) are not neutral: in standardised terms they "
            "expect enormous effects."
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
