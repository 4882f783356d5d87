"""Versions of Python and of the packages that the numbers of a fit depend on."""

from __future__ import annotations

import importlib.metadata
import platform

PACKAGES = ("bayessem", "numpy", "scipy", "numba", "nutpie", "pymc", "arviz", "xarray")


def installed_versions() -> dict[str, str]:
    """Package (and "python") to the version that is installed here."""
    out = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            out[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out
