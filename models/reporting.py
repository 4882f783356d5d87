"""What the studies share: how their tables are printed and their figures written."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import bayessem as bs
from bayessem.disk import require_writable
from bayessem.effects.effects import chance_text
from bayessem.text.document import Column, Table
from bayessem.text.formats import COUNT, NUMBER, SHORT, SHORT_INTERVAL, WORD, fixed
from bayessem.text.numbers import number
from bayessem.text.terminal import prose, table_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bayessem.ml.estimate import MLFit

ROOT = Path(__file__).resolve().parents[1]

# From which posterior probability on a hypothesis is called what.
VERDICTS = (
    (0.95, "supported"),
    (0.75, "leaning to it"),
    (0.25, "open"),
    (0.05, "leaning against"),
    (0.0, "not supported"),
)
MEASURES = {"cfi": "CFI", "tli": "TLI", "ifi": "IFI", "gfi": "GFI", "rmsea": "RMSEA"}


@dataclass(frozen=True)
class Hypothesis:
    """One row of the closing table.

    Attributes
    ----------
    name : str
        "H1"; empty for a further row of the one above.
    claim : str
        What is claimed, and about which coefficient.
    reported : str
        The study's own number.
    mean, lower, upper : float
        Posterior of the same coefficient, in the same metric.
    probability : float
        Posterior probability of the claim.
    words : str
        A sentence on what was found; may be empty.
    """

    name: str
    claim: str
    reported: str
    mean: float
    lower: float
    upper: float
    probability: float
    words: str = ""

    @property
    def verdict(self) -> str:
        """In a word or two, by `VERDICTS`."""
        return next(word for least, word in VERDICTS if self.probability >= least)


def arguments(description: str, *, out: str, studies: Sequence[str] = ()) -> argparse.Namespace:
    """The options that every study script has."""
    parser = argparse.ArgumentParser(description=description)
    if studies:
        parser.add_argument("--study", choices=studies, default=studies[0])
    parser.add_argument("--seed", type=int, default=1, help="random seed (1)")
    parser.add_argument("--out", default=str(ROOT / "runs" / out), help="folder of the run")
    parser.add_argument("--figures", metavar="FOLDER", help="write the figures there, as PNG")
    given = parser.parse_args()
    for folder in (given.out, given.figures):
        if folder is not None:
            try:  # now, not after an hour of sampling
                require_writable(Path(folder) / "x", f"what belongs into {folder}")
            except bs.BayessemError as error:
                parser.error(str(error))
    return given


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n{'-' * len(text)}")


def paragraph(text: str) -> None:
    """Print prose, wrapped."""
    print(prose(text))


def print_table(*columns: Column) -> None:
    """Print a table."""
    print(table_text(Table(columns)))


def print_hypotheses(rows: Sequence[Hypothesis]) -> None:
    """Print the closing table, the rule of its verdicts, and a sentence for each that has one."""
    print_table(
        Column("", [row.name for row in rows]),
        Column("hypothesis", [row.claim for row in rows]),
        Column("reported", [row.reported for row in rows], WORD),
        Column("ours", [row.mean for row in rows], SHORT),
        Column("95 % interval", [(row.lower, row.upper) for row in rows], SHORT_INTERVAL),
        Column("probability", [chance_text(row.probability) for row in rows], WORD),
        Column("verdict", [row.verdict for row in rows], WORD),
    )
    print()
    rule = "; ".join(f"{word} from {least:.2f}" for least, word in VERDICTS[:-1])
    paragraph(
        "probability: posterior probability that the hypothesis holds, given model, priors and "
        f"data. Verdicts by it: {rule}; {VERDICTS[-1][1]} below."
    )
    for row in rows:
        if row.words:
            print()
            print(prose(f"{row.name}: {row.words}", indent="    "))


def print_published(fit: bs.Fit, published: Mapping[str, tuple[float, float]]) -> None:
    """Print published maximum likelihood estimates and errors beside posterior means and sds."""
    summary = fit.summary()
    ours = summary.set_index(summary["lhs"] + summary["op"] + summary["rhs"])
    estimates, errors = zip(*published.values(), strict=True)
    mean, sd = (ours.loc[list(published), name].tolist() for name in ("mean", "sd"))
    gaps = [(m - e) / se for m, e, se in zip(mean, estimates, errors, strict=True)]
    heading("Published maximum likelihood estimates and the posterior")
    print_table(
        Column("", list(published)),
        Column("published", estimates, NUMBER),
        Column("SE", errors, NUMBER),
        Column("posterior mean", mean, NUMBER),
        Column("sd", sd, NUMBER),
        Column("difference in SE", [f"{gap:+.2f}" for gap in gaps], WORD),
    )


def print_fit_measures(rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print rows of global fit: name, then chisq, df and any of `MEASURES`; what lacks is empty."""
    every = list(rows.values())
    print_table(
        Column("", list(rows)),
        Column("chi-square", [m["chisq"] for m in every], fixed(1)),
        Column("df", [m["df"] for m in every], COUNT),
        *(
            Column(title, [m.get(name, float("nan")) for m in every], NUMBER)
            for name, title in MEASURES.items()
        ),
    )


def fit_measures(fit: MLFit) -> dict[str, float]:
    """The measures of `print_fit_measures` from a maximum likelihood fit."""
    return {name: fit.measures[name] for name in ("chisq", "df", *MEASURES)}


def print_ranges(
    reported: Mapping[str, tuple[float, float]], found: Mapping[str, pd.Series]
) -> None:
    """Print reported ranges beside those of posterior means (by item or construct)."""
    theirs, ours, outside = [], [], []
    for name, (low, high) in reported.items():
        values = found[name]
        beyond = values[(values.round(2) < low) | (values.round(2) > high)]
        theirs.append(f"{number(low, 2)} to {number(high, 2)}")
        ours.append(f"{number(values.min(), 2)} to {number(values.max(), 2)}")
        outside.append(", ".join(f"{k} {number(v, 2)}" for k, v in beyond.items()))
    print_table(
        Column("", list(reported)),
        Column("reported", theirs),
        Column("ours (posterior means)", ours),
        Column("outside", outside),
    )


def write_figures(
    figures: Mapping[str, Callable[[], Axes | Figure]], folder: str | None
) -> list[Path]:
    """Draw and write each figure as `<name>.png`; nothing without a folder."""
    if folder is None:
        return []
    import matplotlib

    matplotlib.use("Agg")  # files only: no window, and none needed
    import matplotlib.pyplot as plt

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in figures.items():
        drawn = draw()
        figure = drawn.get_figure() if hasattr(drawn, "get_figure") else drawn
        written.append(place / f"{name}.png")
        figure.savefig(written[-1], dpi=200, bbox_inches="tight")
        plt.close(figure)
    count = f"{len(written)} figure{'' if len(written) == 1 else 's'}"
    print(f"\n{count} in {place}")
    return written
