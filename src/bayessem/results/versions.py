"""Versions of Python and of the packages that the numbers of a fit depend on."""

from __future__ import annotations

import platform
from functools import cache

PACKAGES = ("bayessem", "numpy", "scipy", "numba", "nutpie", "pymc", "arviz", "xarray")


def installed_versions() -> dict[str, str]:
    """Package (and "python") to the version that is installed here."""
    return dict(_found())


@cache
def _found() -> dict[str, str]:
    from importlib import metadata  # with it comes the reader of e-mail

    out = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out
