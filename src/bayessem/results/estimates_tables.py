"""The tables of `print(fit)`: estimates in sections, R2 of the outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from bayessem.syntax.parameters import NU
from bayessem.syntax.responses import SHAPE_BOUNDS
from bayessem.text.columns import column, intervals
from bayessem.text.document import Column, Table
from bayessem.text.formats import COUNT, NUMBER, RAW, RAW_INTERVAL, percent_text, shortened

if TYPE_CHECKING:
    import pandas as pd

# In place of a group's name, where there are more groups than these.
ALL, FEW = "all groups", 3
# Characters of a variable's label on the terminal.
LABEL = 30
# In place of | for what is no threshold (`syntax.responses.SHAPES`).
SHAPE = "shape"
SECTIONS = (
    ("=~", "Loadings"),
    ("<~", "Weights"),
    ("~", "Paths"),
    (":=", "Defined parameters"),
    ("~~", "Variances and covariances"),
    ("~1", "Intercepts and means"),
    ("|", "Thresholds"),
    (SHAPE, "Shapes of distributions"),
    (NU, "Degrees of freedom"),
)


def estimates_tables(
    summary: pd.DataFrame,
    *,
    ci_prob: float = 0.95,
    labels: Mapping[str, str] | None = None,
    longest: int = LABEL,
) -> Iterator[Table]:
    """The table of estimates (`Fitted.summary`), a section a kind of parameter.

    Parameters
    ----------
    summary : DataFrame
        As `Fitted.summary` makes it.
    ci_prob : float
        Probability of its intervals.
    labels : mapping, optional
        Labels of variables, which stand beside the loadings.
    longest : int
        Characters of a label that are shown.
    """
    percent = percent_text(ci_prob)
    squares = "std_square" in summary and has_square(summary["rhs"])
    summary = _once(summary)
    shape = (summary["op"] == "|") & summary["rhs"].isin(SHAPE_BOUNDS)
    kind = summary["op"].mask(shape, SHAPE)
    for op, title in SECTIONS:
        part = summary[kind == op]
        if part.empty:
            continue
        fixed = part["sd"] == 0
        sd, lower, upper = (part[c].mask(fixed) for c in ("sd", "lower", "upper"))
        yield Table(
            (
                Column("", [_name(r) for r in part.to_dict("records")]),
                Column("mean", list(zip(part["mean"], sd, strict=True)), RAW),
                Column("sd", list(zip(sd, sd, strict=True)), RAW),
                Column(percent, list(zip(lower, upper, sd, strict=True)), RAW_INTERVAL),
                # of a variance it says nothing
                Column("P(>0)", part["p_positive"].mask(_variance(part)).tolist(), NUMBER),
                column(part, "std"),
                intervals(part, f"std {100 * ci_prob:g} %", ends=("std_lower", "std_upper")),
                *([column(part, "std_square", "std sq")] if squares else []),
                column(part, "r_hat", "R-hat"),
                column(part, "ess_bulk", "ESS", COUNT),
                *_labels(part, labels or {}, longest),
            ),
            title,
        ).without_empty()


def _labels(part: pd.DataFrame, labels: Mapping[str, str], longest: int) -> list[Column]:
    """The labels of what constructs are measured by, where there are any."""
    if not part["op"].isin(["=~", "<~"]).all():
        return []
    return [Column("label", [labels.get(x, "") for x in part["rhs"]], shortened(longest))]


def _variance(part: pd.DataFrame) -> pd.Series:
    return (part["op"] == "~~") & (part["lhs"] == part["rhs"])


def _once(summary: pd.DataFrame) -> pd.DataFrame:
    """With many groups, parameters that are the same in all of them once.

    Their standardised values differ between groups: shown is the average.
    """
    groups = [g for g in summary["group"].unique() if g] if "group" in summary else []
    if len(groups) <= FEW:
        return summary
    what = ["lhs", "op", "rhs"]
    by = summary.groupby([*what, "mean", "sd"], sort=False, dropna=False)
    everywhere = by["group"].transform("nunique") == len(groups)
    out = summary.copy()
    for name in (c for c in ("std", "std_square") if c in out):
        out.loc[everywhere, name] = by[name].transform("mean")[everywhere]
    out.loc[everywhere, "group"] = ALL
    out.loc[everywhere, ["std_lower", "std_upper"]] = float("nan")
    return out[~(everywhere & out.duplicated([*what, "group"]))]


def _name(row: dict[str, str]) -> str:
    op = row["op"]
    name = f"{row['lhs']} {op} {row['rhs']}" if op not in (":=", "~1", NU) else row["lhs"]
    return f"{name} [{row['group']}]" if row.get("group") else name


def has_square(terms: Iterable[str]) -> bool:
    """Whether a product of a variable with itself is among terms such as "X:Z"."""
    return any(len(f := t.split(":")) > 1 and len(set(f)) < len(f) for t in terms)


def r2_table(
    share: pd.DataFrame, *, ci_prob: float = 0.95, title: str = "R2 of the outcomes"
) -> Table:
    """Explained variance (`Fitted.r2`)."""
    names = share["variable"].astype(str)
    if "group" in share:
        names = names + " [" + share["group"].astype(str) + "]"
    return Table(
        (
            Column("", names.tolist()),
            Column("mean", share["mean"].tolist(), NUMBER),
            intervals(share, percent_text(ci_prob)),
        ),
        title,
    )


def scale_notes(products: Iterable[str]) -> tuple[str, ...]:
    """What "std" means for product terms."""
    products = list(products)
    if not products:
        return ()
    if not has_square(products):
        return ("std: standardised per draw; of a product, of the standardised variables.",)
    return (
        "std: standardised per draw; of a square, the coefficient of the square of the "
        "standardised factor.",
        "std sq: the coefficient of the standardised square, sqrt(2) times that (what "
        "product-indicator models print).",
    )
