"""What a data file holds, and what is refused whatever program wrote it."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bayessem.errors import DataError
from bayessem.model.frames import NOTES, VALUES, VARIABLES
from bayessem.model.texts import MISSING_WORDS

if TYPE_CHECKING:
    import pandas as pd

# Rows below the header that may be looked through for further ones.
HEADERS = 3


@dataclass(frozen=True)
class DataFile:
    """What a data file holds.

    Attributes
    ----------
    frame : DataFrame
        One row a respondent.
    notes : tuple of str
        What was found out about the file, in words.
    doubts : tuple of str
        Those of the notes that are guesses, or say what was left out: to be looked at.
    variable_labels : dict
        Label by variable.
    value_labels : dict
        By variable, label by value.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    variable_labels: Mapping[str, str] = field(default_factory=dict)
    value_labels: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)

    def labelled_frame(self) -> pd.DataFrame:
        """The frame with labels and notes in its `attrs`."""
        frame = self.frame.copy(deep=False)
        found = {
            VARIABLES: dict(self.variable_labels),
            VALUES: {name: dict(labels) for name, labels in self.value_labels.items()},
            NOTES: list(self.notes),
        }
        frame.attrs = {**frame.attrs, **{key: x for key, x in found.items() if x}}
        return frame


def extra(package: str, what: str) -> Any:
    """A package of the extra `files`, imported.

    Parameters
    ----------
    package : str
    what : str
        What it is needed for: "Excel workbooks are".

    Raises
    ------
    DataError
        When it is not installed, saying how to install it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != package:
            raise
        raise DataError(
            f"{what} read by {package}, which is not installed: pip install 'bayessem[files]'"
        ) from None


def require_distinct(names: Iterable[str], path: str) -> None:
    """Refuse columns of the same name: nobody could say which of them is meant.

    Raises
    ------
    DataError
        Naming them and where they stand.
    """
    listed = list(names)
    double = [name for name, count in Counter(listed).items() if count > 1]
    if double:
        where = "; ".join(
            f"{name!r} in columns "
            + " and ".join(str(i + 1) for i, other in enumerate(listed) if other == name)
            for name in double[:5]
        )
        raise DataError(f"{path} has several columns of one name: {where}; rename them there")


def second_header(frame: pd.DataFrame, path: str, label_rows: int) -> None:
    """Refuse a table below whose header stands a row of words, with numbers only after it.

    Survey platforms write the wording of the questions there, spreadsheets have headers of two
    rows; the numbers below would be text with them.

    Raises
    ------
    DataError
        Saying which rows, and how to keep them as labels.
    """
    import pandas as pd

    found: dict[Any, int] = {}
    for name in frame.columns:
        column = frame[name]
        if column.dtype.kind in "iufbM":
            if column.head(1).notna().any():
                return  # a row of answers
            continue
        text = column.dropna().astype(str).str.strip()
        number = pd.to_numeric(text.str.replace(",", "."), errors="coerce").notna()
        words = text[~number]
        words = words[~words.str.lower().isin(MISSING_WORDS)]
        last = frame.index.get_loc(words.index[-1]) if len(words) else HEADERS
        if (
            last < HEADERS
            and number.iloc[last + 1 :].sum() > 1
            and words.index[0] == frame.index[0]
        ):
            found[name] = last + 1
    if len(found) < 2:
        return
    name, rows = max(found.items(), key=lambda item: item[1])
    first = str(frame[name].iloc[0])
    shown = first if len(first) <= 40 else f"{first[:37]}..."
    which = "the row" if rows == 1 else f"the {rows} rows"
    keep = f"read_data(path, label_rows={rows + label_rows})"
    raise DataError(
        f"{path}: {which} below the header hold{'s' * (rows == 1)} words where numbers follow "
        f"({shown!r} under {name!r}), a second header; delete {'it' if rows == 1 else 'them'}, or "
        f"keep the first as labels of the variables: {keep}"
    )
