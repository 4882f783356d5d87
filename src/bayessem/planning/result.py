"""A design study as a result: its tables, what it says, the files it makes."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bayessem.disk import require_writable, write_whole
from bayessem.planning.conditions import FACTORS
from bayessem.text.columns import column, labels
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Heading, Lines, Notes, Paragraph, Table
from bayessem.text.formats import (
    COUNT,
    ENDS,
    NUMBER,
    SHARE,
    SHORT,
    SHORT_INTERVAL,
    TEXT,
    Format,
    percent_text,
)
from bayessem.text.json import frame_rows, json_text, result_object
from bayessem.text.progress import duration

# Replicates below which shares are too rough to plan with: half an interval of ten points.
FEW = 100
# Below this share of fits with a result something is wrong with the model at that size.
CONVERGES = 0.95
TITLES = {
    "truth": "truth",
    "reliability": "reliability",
    "groups": "groups",
    "missing": "missing",
    "categories": "categories",
    "cluster_size": "cluster size",
}
HOW = {
    "truth": TEXT,
    "reliability": SHORT,
    "groups": COUNT,
    "missing": SHARE,
    "categories": COUNT,
    "cluster_size": COUNT,
}


@dataclass(frozen=True, repr=False)
class Design(Described):
    """What samples of some sizes would find; `print` it, `.plot()` it.

    Attributes
    ----------
    table : DataFrame
        A row a condition (truth, reliability, groups, missing, categories, cluster_size,
        n) and target:
        `replicates`; `converged` (a posterior: chains agree, R-hat below 1.05, and at most 1 in 100
        draws diverged) and `proper` (no negative variance), shares of the fits; `true`
        value, and `there`, in which share of the data sets' populations the target is;
        `assurance`: the share of all data sets in which it was rightly found (nan where it is
        never there), with its Monte Carlo error `_mc` and 95 % interval `_lower`, `_upper`;
        `wrongly`: in which it was found although it is not there, or with the wrong sign.
        Of what has an interval, over the fits with a result: `mean` of the estimates, `bias`, `sd`
        of the errors, mean `width` and `coverage` of the intervals, with Monte Carlo errors.
    sizes : DataFrame
        A row a condition, target and assurance: the smallest `n` that reaches it with its 95 %
        interval, by interpolation between the sizes `smallest` to `largest`; 0: at most the
        smallest, inf: more than the largest.
    replicates : DataFrame
        A row a data set and target: estimate, interval, true value, whether it is there, found,
        rightly found, whether the fit converged, seconds and seconds of all cores (cpu). The
        estimate of a shape is its probability (in quick mode 1 - p of the test).
    settings : dict
        Model, truths, targets, how models were fitted, seed.
    """

    table: pd.DataFrame
    sizes: pd.DataFrame
    replicates: pd.DataFrame
    settings: dict[str, Any]

    @property
    def cpu_hours(self) -> float:
        """Hours of one core that the fits took."""
        return self._once("cpu") / 3600.0

    @property
    def n(self) -> list[int]:
        """The sizes, ascending."""
        return sorted({int(n) for n in self.table["n"]})

    def _once(self, name: str) -> float:
        """The sum of a column over data sets, each of which has a row for every target."""
        first = self.replicates["target"] == self.replicates["target"].iloc[0]
        return float(self.replicates.loc[first, name].sum())

    @property
    def crossed(self) -> list[str]:
        """The conditions besides n that vary."""
        names = ["truth", *FACTORS]
        return [name for name in names if self.table[name].nunique(dropna=False) > 1]

    def document(self) -> Document:
        """What was done, the sizes needed, and the tables by condition."""
        return Document.of(
            Heading("Design study"),
            Lines((self.opening,)),
            _sizes_table(self.sizes, self.crossed),
            _found_table(self.table, self.crossed),
            _interval_table(self.table, self.crossed, self.settings["ci_prob"]),
            [Paragraph(text, warning=True) for text in self._warnings()],
            Notes(self._notes()),
        )

    @property
    def opening(self) -> str:
        """How many data sets, fitted how, and what that cost."""
        settings, table = self.settings, self.table
        m = table["replicates"]
        each = f"{m.min()}" if m.min() == m.max() else f"{m.min()} to {m.max()}"
        how = "maximum likelihood"
        if settings["sampling"] is not None:
            how = "posteriors of {chains} x {draws} draws".format(**settings["sampling"])
        return (
            f"{each} data sets under each of {len(self._conditions())} conditions, fitted by "
            f"{how}, seed {settings['random_seed']}; "
            f"{duration(3600.0 * self.cpu_hours)} of one core."
        )

    def _conditions(self) -> pd.DataFrame:
        return self.table[["truth", *FACTORS, "n"]].drop_duplicates()

    def _warnings(self) -> list[str]:
        out = []
        poor = self.table[self.table["converged"] < CONVERGES]
        if len(poor):
            worst = poor.loc[poor["converged"].idxmin()]
            share, n = f"{worst['converged']:.0%}", int(worst["n"])
            out.append(
                f"Fits without a result count as not found: at n = {n} only {share} have one."
                if self.settings["sampling"] is None
                else f"At n = {n} only {share} of the posteriors were explored well (chains "
                "agree, few divergences); they count as they are: more draws= and tune= are needed."
            )
        return out

    def _notes(self) -> tuple[str, ...]:
        level = percent_text(self.settings["ci_prob"])
        if self.settings["sampling"] is None:
            how, shape = f"Wald's {level}", "Lind and Mehlum's test is significant at one side"
            shape += f" ({1 - self.settings['ci_prob']:.2g})"
        else:
            how = f"the equal-tailed posterior {level}"
            shape = f"its posterior probability is at least {self.settings['ci_prob']:g}"
        notes = [
            f"Assurance: the share of data sets in which the target is rightly found: {how} lies "
            "where the target says, on the side on which the true value is. Wrongly: found where "
            "it is not, or on the other side. In brackets the Monte Carlo error.",
        ]
        if (self.table["shape"] != "").any():
            notes.append(f"A shape is found when {shape}.")
        if self.table["cluster_size"].notna().any():
            notes.append("The n respondents are in n / cluster size clusters.")
        if len(self.sizes):
            notes.append(
                "The smallest n: monotone in n, interpolated on the probit scale along sqrt(n); "
                "its 95 % interval is about the number of data sets alone."
            )
        if self.table["replicates"].min() < FEW:
            notes.append(
                f"With fewer than {FEW} data sets under a condition, shares are rough; more "
                "replicates with the same store continue this study."
            )
        return tuple(notes)

    def more(self) -> dict[str, Any]:
        """What JSON has of a study beside its table: settings, sizes, and every data set."""
        return {
            "settings": self.settings,
            "sizes": frame_rows(self.sizes),
            "replicates": frame_rows(self.replicates),
        }

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """As every result, with `settings`, `sizes` and `replicates` (every data set).

        Parameters
        ----------
        path : path, optional
            Write it there, too; ends in .json.

        Raises
        ------
        FitError
            When the file cannot be written.
        """
        kind = type(self).__name__
        text = json_text(result_object(kind, self.table, self.document()) | self.more())
        if path is not None:
            write_whole(require_writable(path, "the study", suffixes=(".json",)), text, "the study")
        return text


def _factors(frame: pd.DataFrame, crossed: list[str]) -> list[Column]:
    return [_factor(frame, name) for name in crossed]


def _factor(frame: pd.DataFrame, name: str) -> Column:
    cells = [None if pd.isna(x) else x for x in frame[name]]
    how = HOW[name]

    def written(x: Any) -> str:
        return "as modelled" if x is None else how.write(x)

    return Column(TITLES[name], cells, Format(written, right=False))


def _sizes_table(sizes: pd.DataFrame, crossed: list[str]) -> Table | None:
    if not len(sizes):
        return None
    cells = list(zip(sizes["n"], sizes["smallest"], sizes["largest"], strict=True))
    ends = list(
        zip(sizes["lower"], sizes["upper"], sizes["smallest"], sizes["largest"], strict=True)
    )
    return Table(
        (
            *labels(sizes, ("target",)),
            *_factors(sizes, crossed),
            column(sizes, "assurance", how=SHARE),
            Column("smallest n", cells, Format(lambda cell: _size(*cell))),
            Column(percent_text(0.95), ends, Format(_size_interval)),
        ),
        "Sample sizes needed",
    )


def _size(n: float, smallest: int, largest: int) -> str:
    if n <= smallest:
        return f"at most {smallest}"
    return f"above {largest}" if math.isinf(n) else f"{math.ceil(n)}"


def _size_interval(cell: tuple[float, float, int, int]) -> str:
    lower, upper, smallest, largest = cell
    ends = [
        f"≤ {smallest}" if x <= smallest else f"> {largest}" if math.isinf(x) else f"{math.ceil(x)}"
        for x in (lower, upper)
    ]
    return ends[0] if ends[0] == ends[1] else f"[{ends[0]}, {ends[1]}]"


def _with_error(frame: pd.DataFrame, name: str, title: str) -> Column:
    """Shares with their Monte Carlo errors in brackets."""

    def written(cell: tuple[float, float]) -> str:
        return "" if math.isnan(cell[0]) else f"{NUMBER.write(cell[0])} ({NUMBER.write(cell[1])})"

    cells = list(zip(frame[name], frame[f"{name}_mc"], strict=True))
    return Column(title, cells, Format(written, numbers=tuple, ends=("", " MC error")))


def _limits(cell: tuple[float, float]) -> str:
    return "" if math.isnan(cell[0]) else SHORT_INTERVAL.write(cell)


def _found_table(table: pd.DataFrame, crossed: list[str]) -> Table:
    limits = list(zip(table["assurance_lower"], table["assurance_upper"], strict=True))
    return Table(
        (
            *labels(table, ("target",)),
            *_factors(table, crossed),
            column(table, "n", how=COUNT),
            column(table, "replicates", "data sets", COUNT),
            column(table, "converged", how=SHARE),
            _with_error(table, "assurance", "assurance"),
            Column(percent_text(0.95), limits, Format(_limits, numbers=tuple, ends=ENDS)),
            _with_error(table, "wrongly", "wrongly"),
        ),
        "What is found",
    )


def _interval_table(table: pd.DataFrame, crossed: list[str], ci_prob: float) -> Table | None:
    shown = table[(table["shape"] == "") & table["mean"].notna()]
    if not len(shown):
        return None
    return Table(
        (
            *labels(shown, ("target",)),
            *_factors(shown, crossed),
            column(shown, "n", how=COUNT),
            column(shown, "true"),
            _with_error(shown, "bias", "bias"),
            column(shown, "sd"),
            column(shown, "width", f"width of the {percent_text(ci_prob)}"),
            _with_error(shown, "coverage", "coverage"),
            column(shown, "proper", how=SHARE),
        ),
        "Estimates and intervals",
    )
