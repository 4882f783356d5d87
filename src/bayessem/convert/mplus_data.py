"""The data behind an input of Mplus as a table with names: `mplus_data`.

Numbers between blanks or commas, a row a respondent, without a header; codes for missing values
become empty, DEFINE and USEOBSERVATIONS are done where they are simple.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bayessem.convert.mplus_input import read_input
from bayessem.convert.mplus_settings import Settings, read_settings
from bayessem.disk import told
from bayessem.errors import BayessemError, DataError, ModelError
from bayessem.syntax.expression import evaluate, names, parse_expression
from bayessem.syntax.tokens import tokenize

if TYPE_CHECKING:
    import pandas as pd

_COMPARISONS = {
    "EQ": "==",
    "==": "==",
    "=": "==",
    "NE": "!=",
    "/=": "!=",
    "GT": ">",
    ">": ">",
    "LT": "<",
    "<": "<",
    "GE": ">=",
    ">=": ">=",
    "LE": "<=",
    "<=": "<=",
}


def mplus_data(text: str, folder: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read the data file that an input of Mplus names.

    Parameters
    ----------
    text : str
        The input.
    folder : Path
        Where the data file is looked for: that of the input.

    Returns
    -------
    data : DataFrame
        A column a name of NAMES, and those that DEFINE makes; missing values are NaN.
    not_done : tuple of str
        What of DEFINE and USEOBSERVATIONS could not be done, with the reason.

    Raises
    ------
    DataError
        When there is no such file, or its rows do not hold as many numbers as there are names.
    """
    _, pieces = read_input(text)
    settings = read_settings(pieces)
    if not settings.file or not settings.columns:
        raise DataError("the input names no data: DATA: FILE IS ...; VARIABLE: NAMES ARE ...;")
    path = folder / settings.file
    with told(f"the data file {path} cannot be read", DataError):
        if not path.exists():
            raise DataError(f"there is no data file {path}, which the input names")
        content = path.read_bytes().decode("latin-1")
    frame = _table(content, settings, path)
    not_done = [problem for piece in settings.defined if (problem := _define(frame, piece.text))]
    if settings.observations:
        frame, problem = _observations(frame, settings.observations, settings)
        not_done += [problem] if problem else []
    return frame.reset_index(drop=True), tuple(not_done)


def _table(content: str, settings: Settings, path: Path) -> pd.DataFrame:
    """The numbers by name; free format runs on over line ends."""
    import numpy as np
    import pandas as pd

    width = len(settings.columns)
    rows = [
        re.split(r"[\s,]+", line.strip(" \t,")) for line in content.splitlines() if line.strip()
    ]
    words = [word for row in rows for word in row]
    if len(words) % width:
        odd = next((k for k, row in enumerate(rows, start=1) if len(row) != width), 1)
        raise DataError(
            f"{path} does not hold {width} numbers a respondent, as NAMES has: line {odd} has "
            f"{len(rows[odd - 1])} (formats with fixed columns are not read)"
        )
    values = np.empty(len(words))
    for k, word in enumerate(words):
        try:
            values[k] = np.nan if word in (".", "*") else float(word.replace("D", "E"))
        except ValueError:
            raise DataError(
                f"{path}: {word!r} is no number (row {k // width + 1}, "
                f"{settings.columns[k % width]})"
            ) from None
    frame = pd.DataFrame(values.reshape(-1, width), columns=settings.columns)
    for name, codes in settings.missing.items():
        own = frame.columns if not name else [name]
        numbers = [float(code) for code in codes if code != "."]
        frame[own] = frame[own].where(~frame[own].isin(numbers))
    whole = [name for name in frame if (frame[name].dropna() % 1 == 0).all()]
    return frame.astype(dict.fromkeys(whole, "Int64"))


def _define(frame: pd.DataFrame, text: str) -> str:
    """Do one statement of DEFINE; returns why it was not done, or ""."""
    said = " ".join(text.split())
    centred = re.fullmatch(r"CENTER\s+(.*?)\s*\(\s*GRANDMEAN\s*\)", said, re.I)
    scaled = re.fullmatch(r"STANDARDIZE\s+(.*)", said, re.I)
    try:
        if centred or scaled:
            for name in (centred or scaled)[1].replace(",", " ").split():  # type: ignore[index]
                column = frame[_column(frame, name)].astype(float)
                frame[_column(frame, name)] = (column - column.mean()) / (
                    column.std(ddof=0) if scaled else 1.0
                )
            return ""
        made, sign, formula = said.partition("=")
        if not sign or not re.fullmatch(r"\s*[A-Za-z]\w*\s*", made):
            raise ModelError("neither NAME = formula, nor CENTER ... (GRANDMEAN), nor STANDARDIZE")
        frame[made.strip()] = _computed(frame, formula)
    except BayessemError as problem:
        return f'DEFINE: "{said}": not done: {problem}'
    return ""


def _column(frame: pd.DataFrame, name: str) -> str:
    found = [column for column in frame if str(column).casefold() == name.casefold()]
    if not found:
        raise ModelError(f"there is no column {name}")
    return str(found[0])


def _computed(frame: pd.DataFrame, formula: str) -> Sequence[float]:
    """A formula of DEFINE: arithmetic, MEAN(a b), SUM(a b)."""
    rows = re.fullmatch(r"\s*(MEAN|SUM)\s*\(([^()]*)\)\s*", formula, re.I)
    if rows:
        own = frame[[_column(frame, name) for name in rows[2].replace(",", " ").split()]]
        own = own.astype(float)
        # the mean is of what was answered, a sum needs all
        return own.mean(axis=1) if rows[1].upper() == "MEAN" else own.sum(axis=1, skipna=False)
    text = re.sub(r"\b(LOG|EXP|SQRT|ABS)\b", lambda m: m[0].lower(), formula, flags=re.I)
    text = text.replace("**", "^")
    tokens = tokenize(text)
    expression, end = parse_expression(tokens, 0, text=text)
    if end != len(tokens):
        raise ModelError(f"cannot read {tokens[end].text!r}")
    values = {
        name: frame[_column(frame, name)].astype(float).to_numpy() for name in names(expression)
    }
    return evaluate(expression, values)  # type: ignore[return-value]


def _observations(
    frame: pd.DataFrame, condition: str, settings: Settings
) -> tuple[pd.DataFrame, str]:
    """Choose rows by comparisons that are joined by AND, or by OR."""
    text = condition.strip()
    joined = [x for x in ("AND", "OR") if re.search(rf"\b{x}\b", text, re.I)]
    try:
        if len(joined) > 1 or re.search(r"\bNOT\b", text, re.I):
            raise ModelError("AND and OR together, or NOT")
        parts = re.split(rf"\b{joined[0]}\b", text, flags=re.I) if joined else [text]
        chosen = [_comparison(frame, part) for part in parts]
    except ModelError as problem:
        return frame, f'USEOBSERVATIONS: "{condition}": not done: {problem}'
    mask = chosen[0]
    for one in chosen[1:]:
        mask = (mask | one) if joined == ["OR"] else (mask & one)
    return frame[mask], ""


def _comparison(frame: pd.DataFrame, text: str) -> pd.Series:
    import operator

    signs = {
        "==": operator.eq,
        "!=": operator.ne,
        ">": operator.gt,
        "<": operator.lt,
        ">=": operator.ge,
        "<=": operator.le,
    }
    found = re.fullmatch(
        r"([A-Za-z]\w*)\s*(EQ|NE|GT|LT|GE|LE|==|/=|>=|<=|=|>|<)\s*(-?[\d.]+)",
        text.strip().strip("()").strip(),
        re.I,
    )
    if found is None:
        raise ModelError(f"cannot read {text.strip()!r}")
    column = frame[_column(frame, found[1])].astype(float)
    compare = signs[_COMPARISONS[found[2].upper()]]
    return compare(column, float(found[3])) & column.notna()
