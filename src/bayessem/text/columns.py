"""Columns of tables from data frames, as results have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bayessem.text.document import Column, Lines
from bayessem.text.formats import COUNT, INTERVAL, NUMBER, TEXT, WORD, Format, percent_text

if TYPE_CHECKING:
    import pandas as pd


def column(
    frame: pd.DataFrame, name: str, title: str | None = None, how: Format = NUMBER
) -> Column:
    """A column of the frame; its name is the title where no other is given."""
    return Column(name if title is None else title, frame[name].tolist(), how)


def labels(
    frame: pd.DataFrame, names: Sequence[str], *, titles: Mapping[str, str] | None = None
) -> list[Column]:
    """Columns of text, without those that are empty in every row."""
    return [
        Column((titles or {}).get(name, name), frame[name].map(str).tolist(), TEXT)
        for name in names
        if (frame[name] != "").any()
    ]


def intervals(
    frame: pd.DataFrame,
    title: str,
    how: Format = INTERVAL,
    *,
    ends: Sequence[str] = ("lower", "upper"),
) -> Column:
    """A column of intervals from the columns of their ends; of value and ends for `ESTIMATE`."""
    return Column(title, list(zip(*(frame[end] for end in ends), strict=True)), how)


def marks(frame: pd.DataFrame, name: str, word: str) -> Column:
    """A column that says a word in the rows where the frame's column holds."""
    return Column("", [word if holds else "" for holds in frame[name]], WORD)


def more_rows(frame: pd.DataFrame, shown: int) -> Lines:
    """How many rows a table of the first ones leaves out; nothing when it has all."""
    left = len(frame) - shown
    return Lines(
        (f"... and {left} more (.table of the result in Python, or --json, has all)",)
        if left > 0
        else ()
    )


def summary(
    frame: pd.DataFrame,
    ci_prob: float,
    *,
    mean: str = "mean",
    sd: bool = True,
    p_positive: bool = True,
    quality: bool = False,
) -> list[Column]:
    """Columns of a summary of draws: mean (under this title), sd, interval, P(>0), R-hat, ESS."""
    out = [column(frame, "mean", mean)]
    out += [column(frame, "sd")] if sd else []
    out.append(intervals(frame, percent_text(ci_prob)))
    out += [column(frame, "p_positive", "P(>0)")] if p_positive else []
    if quality:
        out += [column(frame, "r_hat", "R-hat"), column(frame, "ess_bulk", "ESS", COUNT)]
    return out
