"""A codebook: what each column of the data holds, and what a model would do with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bayessem.arguments import check_shared
from bayessem.errors import DataError
from bayessem.model.columns import is_numeric, numbers
from bayessem.model.data_checks import suspected_codes
from bayessem.model.frames import NOTES, as_frame, labelled, value_labels, variable_labels
from bayessem.model.texts import FEW, why_not_numeric
from bayessem.text.columns import column
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Heading, Items, Notes, Paragraph, Table
from bayessem.text.formats import COUNT, RAW, shortened

if TYPE_CHECKING:
    import pandas as pd

# Labels of values that say that there is no answer.
NO_ANSWER = re.compile(
    r"\b(no answer|not? (applicable|asked|stated|ascertained)|refus\w*|missing|do(n'?t| not) know|"
    r"prefer not|n/?a|dk|keine angabe|wei(ß|ss) (es )?nicht|k\. ?a\.|sans r[ée]ponse|ne sait pas|"
    r"no sabe|no contesta|non risponde)\b",
    re.I,
)
# Answers below which a scale is no longer nearly continuous (`data_checks`).
ANSWERS = 5
# Characters of a label, and of values, that a table shows.
LONG = 60
# Columns that cannot be used and are explained.
EXPLAINED = 12


@dataclass(frozen=True, repr=False)
class Codebook(Described):
    """What the columns of a data frame hold; `print` it.

    Attributes
    ----------
    table : DataFrame
        A row a column of the data: variable, label, type, answers (that are not missing), missing,
        distinct, minimum, maximum, mean, sd (of numbers; else nan), values (with their labels),
        codes (numbers that look like codes for a missing answer), use (what a model does with it).
    respondents : int
        Rows of the data.
    explanations : tuple of str
        What columns without numbers hold, and how to make numbers of them.
    notes : tuple of str
        What was found out when the file was read, and labels that are not clear.
    """

    table: pd.DataFrame
    respondents: int
    explanations: tuple[str, ...]
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """The table, a row a column of the data."""
        return self.table.copy()

    def document(self) -> Document:
        """The columns, their labels and values, and what stands in the way of using them."""
        t = self.table
        cells = int(t["missing"].sum())
        total = self.respondents * len(t)
        gone = f"{cells} of {total} cells ({100 * cells / total:.1f} %) are empty" if cells else ""
        suspicious = t[t["codes"] != ""]
        ends = [
            f"{_short(lo)} to {_short(hi)}" if lo == lo else ""
            for lo, hi in zip(t["minimum"], t["maximum"], strict=True)
        ]
        told = t[(t["label"] != "") | (t["values"] != "")]
        return Document.of(
            Paragraph(
                f"{self.respondents} respondents (rows), {len(t)} variables (columns); "
                f"{gone or 'no cell is empty'}."
            ),
            Table(
                (
                    Column("variable", t["variable"].tolist()),
                    Column("type", t["type"].tolist()),
                    column(t, "missing", how=COUNT),
                    column(t, "distinct", how=COUNT),
                    Column("range", ends),
                    Column("mean", list(zip(t["mean"], t["sd"], strict=True)), RAW),
                    Column("sd", list(zip(t["sd"], t["sd"], strict=True)), RAW),
                    Column("in a model", t["use"].tolist()),
                )
            ).without_empty(),
            Table(
                (
                    Column("variable", told["variable"].tolist()),
                    column(told, "label", how=shortened(LONG)),
                    column(told, "values", how=shortened(LONG)),
                ),
                "Labels and values",
            ).without_empty(),
            [
                Paragraph(
                    "Numbers that look like codes for a missing answer, and would be taken as "
                    "answers: "
                    + "; ".join(f"{r.variable}: {r.codes}" for r in suspicious.itertuples())
                    + f". If so, make them missing: {_remedy(suspicious.iloc[0])}.",
                    warning=True,
                )
            ]
            if len(suspicious)
            else None,
            [
                Heading("Columns without numbers, and how to make numbers of them", 2),
                Items(self.explanations),
            ]
            if self.explanations
            else None,
            Notes(self.notes),
        )


def _remedy(row: pd.Series) -> str:
    """Code that makes the codes of one column missing."""
    here = f"data[{row['variable']!r}]"
    codes = ", ".join(re.findall(r"([-\d.e+]+) \(", row["codes"]))
    return f"{here} = {here}.mask({here}.isin([{codes}]))"


@check_shared
def describe(data: object) -> Codebook:
    """The codebook of a data frame: types, labels, values, missing answers, and their use.

    Parameters
    ----------
    data : DataFrame
        Of pandas, polars, pyarrow or another library; one row a respondent. Labels are those of
        its `attrs` (see `read_data`).

    Returns
    -------
    Codebook
        `print` it; `to_frame()` is a row a column.

    Raises
    ------
    DataError
        When it is no data frame, or has no columns.
    """
    import pandas as pd

    frame = as_frame(data)
    if not len(frame.columns):
        raise DataError("the data have no columns")
    labels = variable_labels(frame)
    rows, explanations = [], []
    notes = [str(x) for x in frame.attrs.get(NOTES, ())]
    for i, name in enumerate(map(str, frame.columns)):
        own = value_labels(frame, name) if list(frame.columns).count(name) == 1 else {}
        series = frame.iloc[:, i]
        row, why = _row(series, name, own)
        rows.append({"variable": name, "label": labels.get(name, ""), **row})
        if why:
            explanations.append(f"{name}: {why}")
        try:
            if own:
                labelled(frame, name)
        except DataError as error:
            notes.append(str(error))
    more = len(explanations) - EXPLAINED
    if more > 0:
        explanations[EXPLAINED:] = [f"and {more} more"]
    columns = (
        "variable label type answers missing distinct minimum maximum mean sd values codes use"
    )
    return Codebook(
        pd.DataFrame(rows)[columns.split()], len(frame), tuple(explanations), tuple(notes)
    )


def _row(series: pd.Series, name: str, labels: Mapping[Any, str]) -> tuple[dict[str, Any], str]:
    """What one column holds; and, where a model cannot use it, why and what would work."""
    known = series.dropna()
    distinct = _different(known)
    row: dict[str, Any] = {
        "answers": len(known),
        "missing": len(series) - len(known),
        "distinct": len(distinct),
        **dict.fromkeys(("minimum", "maximum", "mean", "sd"), float("nan")),
        "codes": "",
        "values": _values(distinct, labels),
    }
    if not len(known):
        return {**row, "type": "empty", "use": "refused: no values"}, ""
    if not is_numeric(series):
        text, why = _type(series), why_not_numeric(name, series)
        named = text in ("text", "category") and 1 < len(distinct) <= max(FEW, len(known) // 10)
        named &= not all(re.fullmatch(r"[-+]?[\d.,]+%?", str(x).strip()) for x in distinct)
        return {**row, "type": text, "use": "groups (group=)" if named else "not as it is"}, why
    values = numbers(series.to_frame(name), [name])[:, 0]
    values = values[~np.isnan(values)]
    row["minimum"], row["maximum"] = float(values.min()), float(values.max())
    whole = bool(np.all(values == np.round(values)))
    row["type"] = "yes/no" if _logical(known) else "whole number" if whole else "number"
    if np.isinf(values).any():
        return {**row, "use": "refused: infinite values"}, ""
    row["mean"], row["sd"] = (
        float(values.mean()),
        float(values.std(ddof=1)) if len(values) > 1 else 0.0,
    )
    codes = _codes(values, labels)
    row["codes"] = ", ".join(f"{c:g} ({int((values == c).sum())} times)" for c in codes)
    return {**row, "use": _use(values, len(distinct) - len(codes), whole)}, ""


def _use(values: np.ndarray, answers: int, whole: bool) -> str:
    """What a model does with a column of numbers."""
    if np.ptp(values) == 0:
        return "refused: every answer is the same"
    if whole and len(values) > FEW and len(np.unique(values)) == len(values):
        return "number; no two are the same, an identifier?"
    if answers == 2:
        return "number: covariate, or groups (group=)"
    if answers < ANSWERS:
        return f"number; with {answers} answers, loadings come out small"
    return "number"


def _different(known: pd.Series) -> list[Any]:
    try:
        return list(known.unique())
    except TypeError:  # lists and other values that are not hashable
        return list(known.astype(str).unique())


def _logical(known: pd.Series) -> bool:
    return all(isinstance(x, bool | np.bool_) for x in known.head(20))


def _type(series: pd.Series) -> str:
    import pandas as pd

    checks: tuple[tuple[Callable[[Any], bool], str], ...] = (
        (lambda x: isinstance(x, pd.CategoricalDtype), "category"),
        (lambda x: x.kind in "Mm" or isinstance(x, pd.PeriodDtype), "date"),
        (lambda x: x.kind == "c", "complex number"),
    )
    for holds, text in checks:
        if holds(series.dtype):
            return text
    kinds = {type(x) for x in series.dropna()}
    if kinds <= {str}:
        return "text"
    return "date" if all(hasattr(k, "isoformat") for k in kinds) else "mixed"


def _values(distinct: list[Any], labels: Mapping[Any, str]) -> str:
    """The values with their labels; of many, only those that have labels."""
    if labels:
        return ", ".join(f"{_short(code)} = {text}" for code, text in labels.items())
    if len(distinct) > FEW:
        return ""
    try:
        ordered = sorted(distinct)
    except TypeError:
        ordered = distinct
    return ", ".join(map(_short, ordered))


def _short(value: Any) -> str:
    if isinstance(value, str):
        return repr(value)
    if not isinstance(value, float | np.floating):
        return str(value)
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}"


def _codes(values: np.ndarray, labels: Mapping[Any, str]) -> list[float]:
    """Values that look like codes for a missing answer, by themselves or by their labels."""
    said = {code for code, text in labels.items() if NO_ANSWER.search(text)}
    # an extreme value that has a label of its own is an answer
    apart = {c for c in suspected_codes(values) if c in said or c not in labels}
    return sorted(c for c in apart | said if isinstance(c, int | float) and (values == c).any())
