"""Files of SPSS, Stata and SAS: values as numbers, with the labels of variables and values.

Codes that the file declares missing are missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bayessem.errors import DataError
from bayessem.model.data_file import DataFile, extra, require_distinct

if TYPE_CHECKING:
    import pandas as pd

# By kind: the program, and pyreadstat's function.
READERS = {
    "sav": ("SPSS", "read_sav"),
    "por": ("SPSS", "read_por"),
    "dta": ("Stata", "read_dta"),
    "sas7bdat": ("SAS", "read_sas7bdat"),
    "xpt": ("SAS", "read_xport"),
}
# What is tried when a file does not say in which encoding its texts are.
OLDER = "WINDOWS-1252"


def read_statistics_file(path: str, kind: str, *, encoding: str | None = None) -> DataFile:
    """The table of a file of SPSS, Stata or SAS.

    Parameters
    ----------
    path : str
        Of the file.
    kind : str
        A key of `READERS`.
    encoding : str, optional
        Of its texts; by default as the file says.

    Raises
    ------
    DataError
        When it cannot be read.
    """
    program, function = READERS[kind]
    pyreadstat = extra("pyreadstat", f"{program} files are")
    options: dict[str, Any] = {"user_missing": True} if kind == "sav" else {}
    if encoding is not None:
        options["encoding"] = encoding
    read = getattr(pyreadstat, function)
    doubts: tuple[str, ...] = ()
    try:
        frame, about = read(path, **options)
    except Exception as first:  # pyreadstat has errors of several families
        said = str(first)
        if encoding is not None or "convert" not in said or kind == "por":
            raise DataError(_damaged(path, program, said)) from None
        try:
            frame, about = read(path, encoding=OLDER, **options)
        except Exception as error:
            raise DataError(_damaged(path, program, str(error))) from None
        doubts = (f"{path} does not say how its texts are encoded; read as {OLDER.title()}",)
    if not len(frame.columns):
        raise DataError(f"the data file {path!r} is empty: it has no variables")
    require_distinct(map(str, frame.columns), path)
    labels = {k: x for k, x in about.column_names_to_labels.items() if x and x.strip()}
    values = {k: dict(x) for k, x in about.variable_value_labels.items()}
    frame, notes = _without_missing(frame, about.missing_ranges, values, path)
    for name in frame.columns:
        if frame[name].dtype.kind not in "iufbM":
            frame[name] = frame[name].replace("", None).infer_objects()
    return DataFile(
        frame, (*doubts, *notes), doubts, labels, {k: x for k, x in values.items() if x}
    )


def _damaged(path: str, program: str, said: str) -> str:
    return (
        f"the data file {path!r} cannot be read as a file of {program} ({said}); is it whole? "
        f"Save it anew in {program}, or as CSV"
    )


def _without_missing(
    frame: pd.DataFrame,
    ranges: Mapping[str, Sequence[Mapping[str, Any]]],
    labels: Mapping[str, dict[Any, str]],
    path: str,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The frame with declared missing codes missing, and how many there were.

    The codes' labels are taken out of `labels`, since no value has them any more.
    """
    counts: dict[str, int] = {}
    for name, declared in ranges.items():
        column = frame[name]
        gone = column.isna()
        for one in declared:
            gone |= column.map(lambda x, r=one: _within(x, r)).astype(bool)
        own = labels.get(name, {})
        for code in [x for x in own if any(_within(x, r) for r in declared)]:
            del own[code]
        new = int((gone & column.notna()).sum())
        if new:
            counts[name] = new
            frame[name] = column.mask(gone)
    if not counts:
        return frame, ()
    listed = ", ".join(f"{name} {n}" for name, n in counts.items())
    return frame, (f"{path}: answers that the file declares missing are missing: {listed}",)


def _within(value: Any, one: Mapping[str, Any]) -> bool:
    """Whether a value is in a range of missing codes."""
    low, high = one["lo"], one["hi"]
    if isinstance(value, str) or isinstance(low, str):
        return isinstance(value, str) and value.rstrip() in (low, high)
    return isinstance(value, int | float) and not math.isnan(value) and low <= value <= high
