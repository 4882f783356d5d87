"""Results as JSON: their numbers unrounded, under keys that do not change with what is printed.

A result is an object with `type` (the class), `table` (the rows of `to_frame()`, by the names of
its columns) and `document` (what `print` shows, block by block). What is no number is null, an
infinite one the text "inf" or "-inf", so that every reader of JSON takes it.
"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bayessem.text.document import (
    Block,
    Document,
    Figure,
    Heading,
    Items,
    Lines,
    Notes,
    Paragraph,
    Table,
    Verbatim,
)
from bayessem.text.frame import table_frame

if TYPE_CHECKING:
    import pandas as pd


def result_object(kind: str, frame: pd.DataFrame, document: Document) -> dict[str, Any]:
    """A result as an object of JSON: `type`, `table`, `document`."""
    return {
        "type": kind,
        "table": frame_rows(frame),
        "document": document_objects(document),
    }


def json_text(content: Any) -> str:
    """Content as JSON, indented, with a line end."""
    return json.dumps(plain(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def frame_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a data frame, each an object; an index that says something is a column, too."""
    import pandas as pd

    if not isinstance(frame.index, pd.RangeIndex):
        named = frame.rename_axis([name or "row" for name in frame.index.names])
        frame = named.reset_index(allow_duplicates=True)
    names = [_key(name) for name in frame.columns]
    return [
        {name: plain(cell) for name, cell in zip(names, row, strict=True)}
        for row in frame.itertuples(index=False, name=None)
    ]


def document_objects(document: Document) -> list[dict[str, Any]]:
    """The blocks of a document, each an object with its `kind`."""
    return [_block(block) for block in document.blocks]


def _block(block: Block) -> dict[str, Any]:
    kind = type(block).__name__.lower()
    match block:
        case Heading(text, level):
            return {"kind": kind, "level": level, "text": text}
        case Paragraph(text, warning):
            return {"kind": kind, "text": text, "warning": warning}
        case Lines(texts) | Items(texts) | Notes(texts):
            return {"kind": kind, "texts": list(texts)}
        case Verbatim(text):
            return {"kind": kind, "text": text}
        case Figure():
            return {"kind": kind, "caption": block.caption}
        case Table():
            return {"kind": kind, "title": block.title, "rows": frame_rows(table_frame(block))}


def _key(name: Any) -> str:
    return " ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def plain(value: Any) -> Any:
    """A value as JSON has it: numbers and texts of Python, lists, objects, null."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {_key(key): plain(cell) for key, cell in value.items()}
    if hasattr(value, "tolist"):  # of NumPy, pandas and xarray
        value = value.tolist()
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(cell) for cell in value]
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return _number(float(value))
    text = str(value)
    return None if text in ("nan", "NaT", "<NA>") else text


def _number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")
