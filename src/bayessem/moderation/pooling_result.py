"""Partially pooled parameters: a sentence each as a paper would put it, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import xarray as xr

from bayessem.model.pooling import Pooling
from bayessem.moderation.differences import differences_table, surest
from bayessem.text.columns import column, labels, summary
from bayessem.text.described import Described
from bayessem.text.document import Document, Heading, Lines, Notes, Paragraph, Table
from bayessem.text.formats import SHARE, interval_text, percent_text
from bayessem.text.numbers import number

LABELS = ["parameter", "quantity", "group"]
# Pairs of groups whose difference is shown, at most; all are in `differences`.
PAIRS = 6


@dataclass(frozen=True, repr=False)
class PoolingReport(Described):
    """Partially pooled parameters; `print` it.

    Attributes
    ----------
    pooling : Pooling
        What was asked for.
    groups : tuple of str
    sizes : tuple of int
        Respondents by group.
    table : DataFrame
        A row a quantity: parameter, quantity ("population mean", "slope on <by>", "sd between
        groups", "correlation with <parameter>", "group", "new group"), group, and its summary. Of a
        variance: that of a typical group (its logarithm is the mean of logarithms) as population
        mean, and slope, sd and correlation of the logarithm of its square root.
    differences : DataFrame
        Each parameter's difference between two groups: parameter, group, other, and its summary;
        p_positive is P(beta_group > beta_other).
    scales : tuple of str
        The parameters that are variances.
    shrinkage : DataFrame
        parameter, shrinkage: 0 (groups left alone) to 1 (pooled completely).
    sensitivity : DataFrame
        Power-scaling sensitivity of the sd between groups to its prior and to the data, and the
        prior's share in the two; empty when the sd is fixed.
    draws : DataArray (chain, draw, quantity)
        In the order of the table.
    ci_prob : float
        Probability of the equal-tailed intervals.
    notes : tuple of str
        What a reader must know, in words.
    """

    pooling: Pooling
    groups: tuple[str, ...]
    sizes: tuple[int, ...]
    table: pd.DataFrame
    differences: pd.DataFrame
    scales: tuple[str, ...]
    shrinkage: pd.DataFrame
    sensitivity: pd.DataFrame
    draws: xr.DataArray
    ci_prob: float
    notes: tuple[str, ...]

    def document(self) -> Document:
        """A sentence a parameter, all quantities, the surest differences, and sensitivity."""
        title = str(self.pooling)
        sizes = ", ".join(f"{g} {n}" for g, n in zip(self.groups, self.sizes, strict=True))
        count = len(self.differences)
        few = f" (the {PAIRS} with the surest sign of {count})" if count > PAIRS else ""
        return Document.of(
            Heading(title[:1].upper() + title[1:]),
            Paragraph(f"{len(self.groups)} groups: {sizes}"),
            Lines(tuple(_sentence(self, name) for name in self.shrinkage["parameter"])),
            _quantities(self),
            differences_table(
                surest(self.differences, PAIRS),
                self.ci_prob,
                title=f"Differences between groups{few}",
                sd=True,
            ),
            Table(
                (
                    *labels(self.sensitivity, ("parameter",), titles={"parameter": ""}),
                    column(self.sensitivity, "prior", "to its prior"),
                    column(self.sensitivity, "data", "to the data"),
                    column(self.sensitivity, "share", "prior's share", SHARE),
                ),
                "Sensitivity of the sd between groups (power-scaling)",
            ),
            Notes(self.notes),
        )


def _quantities(report: PoolingReport) -> Table:
    """All quantities; without a probability to be positive where that is their nature."""
    table = report.table
    free = table["quantity"].str.startswith(("slope on", "correlation with"))
    scale = table["parameter"].isin(report.scales) & ~free
    positive = scale | (table["quantity"] == "sd between groups")
    shown = table.assign(p_positive=table["p_positive"].mask(positive))
    names = labels(shown, LABELS, titles=dict.fromkeys(LABELS, ""))
    return Table((*names, *summary(shown, report.ci_prob, quality=True)))


def _sentence(report: PoolingReport, parameter: str) -> str:
    """One parameter as a paper would put it."""
    own = report.table[report.table["parameter"] == parameter]
    by = {r["quantity"]: r for r in own.to_dict("records")}
    said = {
        name: (number(r["mean"], 2), interval_text((r["lower"], r["upper"])))
        for name, r in by.items()
    }
    scale = parameter in report.scales
    over = "the variance of a typical group is" if scale else "the population of groups averages"
    text = f"{parameter}: {over} 0"
    if "population mean" in by:
        mean, ends = said["population mean"]
        text = f"{parameter}: {over} {mean} ({percent_text(report.ci_prob)} {ends})"
    slope = f"slope on {report.pooling.by}"
    if slope in by:
        changes = "the log of its square root changes by" if scale else "changes by"
        text += (
            f" and {changes} {' '.join(said[slope])} for one unit of {report.pooling.by} "
            f"(P(> 0) = {number(by[slope]['p_positive'])})"
        )
    if "sd between groups" in by:
        what = "the logs of groups' standard deviations differ" if scale else "groups differ"
        text += f"; {what} with a standard deviation of {' '.join(said['sd between groups'])}"
    share = report.shrinkage.set_index("parameter")["shrinkage"][parameter]
    return f"{text}. {share:.0%} of the differences between groups were pooled away."
