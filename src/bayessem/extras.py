"""Packages that only some files need; an error that says how to install them where they are not."""

from __future__ import annotations

import importlib
from typing import Any

from bayessem.errors import BayessemError


def extra(package: str, what: str, *, name: str, error: type[BayessemError]) -> Any:
    """A package of an extra, imported.

    Parameters
    ----------
    package : str
        As it is imported.
    what : str
        What it is needed for: "Excel workbooks are read by openpyxl".
    name : str
        The extra: `files`, `word`.
    error : type
        The error to raise, out of the family.

    Raises
    ------
    BayessemError
        When it is not installed, saying how to install it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as missing:
        if missing.name is not None and missing.name.partition(".")[0] != package:
            raise
        raise error(f"{what}, which is not installed: pip install 'bayessem[{name}]'") from None
