"""Approximate measurement invariance: a sentence a step, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import xarray as xr

from bayessem.moderation.differences import surest
from bayessem.results.fitted import Fitted
from bayessem.text.columns import column, intervals, labels, marks, summary
from bayessem.text.described import Described
from bayessem.text.document import Document, Heading, Lines, Notes, Paragraph, Table
from bayessem.text.formats import percent_text
from bayessem.text.numbers import number

# Deviations that are shown at most; all are in the table.
SHOWN = 12


@dataclass(frozen=True, repr=False)
class ApproximateInvariance(Described):
    """Loadings and intercepts under small-variance priors of their deviations; `print` it.

    Attributes
    ----------
    table : DataFrame
        A row a deviation of a group from the average over the groups: step, parameter, group, value
        (posterior mean of the group's own loading or intercept), deviation (mean), sd, lower,
        upper, p_positive, r_hat, ess_bulk, ess_tail; freed, freed_sd (the deviation if this
        parameter and those that are named were free, see `deviations.py`); unit (the item's
        standard deviation: times this, a deviation is in the units of the data), named.
    draws : dict of str to DataArray (chain, draw, parameter, group)
        The deviations, by step.
    named : dict of str to tuple of str
        By step, what deviates by more than approximate invariance allows, the surest first.
    conflict : dict of str to tuple of str
        By step, what lies so far from the prior that nothing can be named (a larger sd can).
    means : DataFrame
        Latent means under approximate scalar invariance: construct, group, what ("mean", or
        "intercept" of a construct with predictors), mean, sd, lower, upper, p_positive, in
        (residual) standard deviations of the construct in the first group, which has 0.
    fits : dict of str to Fitted
        The sampled models, of items in units of their standard deviations.
    scales : dict of str to float
        These, by item.
    sd : float
        Standard deviation of the deviations' prior, standardised.
    ci_prob : float
        Probability of the equal-tailed intervals of single deviations.
    notes : tuple of str
    """

    table: pd.DataFrame
    draws: dict[str, xr.DataArray]
    named: dict[str, tuple[str, ...]]
    conflict: dict[str, tuple[str, ...]]
    means: pd.DataFrame
    fits: dict[str, Fitted]
    scales: dict[str, float]
    sd: float
    ci_prob: float
    notes: tuple[str, ...]

    @property
    def suggested(self) -> tuple[str, ...]:
        """What to free, for `free=` of `invariance`: all that is named at some step."""
        return tuple(dict.fromkeys(name for names in self.named.values() for name in names))

    def document(self) -> Document:
        """A sentence a step, the deviations of what is named or largest, and latent means."""
        return Document.of(
            Heading("Approximate invariance: loadings and intercepts nearly equal across groups"),
            Paragraph(
                "Each group's loading (intercept) is drawn around a common one with sd "
                f"{self.sd:g}, of items in units of their standard deviation within groups and "
                "constructs with a variance of 1 in the first group."
            ),
            Lines(tuple(_sentence(self, step) for step in self.named)),
            _deviations(self),
            _means(self) if len(self.means) else None,
            Paragraph(_what_now(self.suggested)),
            Notes(self.notes),
        )


def _sentence(result: ApproximateInvariance, step: str) -> str:
    """One step in words: what deviates, where, and by how much."""
    table = result.table[result.table["step"] == step]
    what = "loadings" if step == "approximate metric" else "loadings and intercepts"
    count = table["parameter"].nunique()
    name = f"{step[:1].upper()}{step[1:]} invariance"
    if result.conflict[step]:
        far = ", ".join(result.conflict[step][:SHOWN])
        return (
            f"{name}: the deviations of {far} contradict an sd of {result.sd:g}. Against such data "
            "the prior bends the other items of a construct as well, so that what deviates cannot "
            f"be told; repeat with approximate={min(3 * result.sd, 0.9):g}, or with free= of what "
            "the exact ladder would release."
        )
    if not result.named[step]:
        allowed = (
            "paths can be compared between the groups"
            if step == "approximate metric"
            else "latent means can be compared as well"
        )
        return (
            f"{name}: none of {count} {what} deviates from the average over the groups by more "
            f"than nearly equal ones do; {allowed}."
        )
    parts = []
    for parameter in result.named[step]:
        own = table[table["parameter"] == parameter]
        r = own.loc[own["freed"].abs().idxmax()]
        way = "below" if r["freed"] < 0 else "above"
        parts.append(
            f"{parameter} (in {r['group']} {number(abs(r['freed']), 2)} {way} the average if it "
            "were free)"
        )
    verb = "deviates" if len(parts) == 1 else "deviate"
    rest = "the others are nearly equal" if count > len(parts) else "nothing is left to compare"
    return f"{name}: of {count} {what}, {'; '.join(parts)} {verb}; {rest}."


def _deviations(result: ApproximateInvariance) -> Table:
    """The deviations of what is named, else the largest ones, of the last step."""
    step = list(result.named)[-1]
    table = result.table[result.table["step"] == step]
    order = table["deviation"].abs().sort_values(ascending=False, kind="stable").index
    picked = table.loc[order]
    own = picked[picked["parameter"].isin(result.suggested)]
    largest = "" if len(own) else "; the largest"
    picked = (
        own.head(max(SHOWN, 2 * len(result.suggested))) if len(own) else picked.head(SHOWN // 2)
    )
    return Table(
        (
            *labels(picked, ("parameter", "group"), titles={"parameter": ""}),
            column(picked, "value"),
            column(picked, "deviation"),
            intervals(picked, percent_text(result.ci_prob)),
            column(picked, "p_positive", "P(>0)"),
            column(picked, "freed", "if free"),
            marks(picked, "named", "deviates"),
        ),
        f"Deviations from the average over the groups ({step}{largest})",
    )


def _means(result: ApproximateInvariance) -> Table:
    """Latent means; of many, those that differ most surely from the first group's."""
    table, title = result.means, "Latent means under approximate scalar invariance"
    if (table["what"] == "intercept").any():
        title += " (intercepts of constructs with predictors)"
    title += ", in sds of the first group, which has 0"
    if len(table) > 2 * SHOWN:
        title += f"; the {SHOWN} with the surest sign of {len(table)}"
        table = surest(table, SHOWN)
    names = labels(table, ("construct", "group"), titles={"construct": ""})
    return Table((*names, *summary(table, result.ci_prob, sd=False)), title)


def _what_now(suggested: tuple[str, ...]) -> str:
    if not suggested:
        return ""
    return (
        "What deviates also pulls at the other items of its construct and at the latent means. "
        f"Repeat with free={list(suggested)!r}: they are free in each group then, the others "
        "nearly equal; and say so in the paper."
    )
