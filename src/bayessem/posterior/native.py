"""The posterior density as a C function for nutpie: compiled once for all models.

nutpie calls a C function (dimension, x, gradient, log-density, user data) of entry.py; the user
data are the addresses of the packed arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayessem.posterior import scores_entry
from bayessem.posterior.density import Density
from bayessem.posterior.entry import copy, value_and_gradient
from bayessem.posterior.nuts import VARIABLE, CompiledModel, _lib
from bayessem.posterior.scores import ScoredDensity

DIMENSION = "coordinate"


@dataclass(frozen=True)
class NativeModel(CompiledModel):
    """A `Density` in the form that `nutpie.sample` takes.

    density : the density;  starts : (chain start, n_dim) points, one of which each chain takes.
    With scores only the coordinates of the parameters are kept of a draw.
    """

    density: Density | ScoredDensity
    starts: np.ndarray

    @property
    def n_dim(self) -> int:
        """Number of coordinates."""
        return self.density.size

    @property
    def n_kept(self) -> int:
        """Number of coordinates that are kept of a draw."""
        return len(self.density.names)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of the one variable that is kept."""
        return {VARIABLE: (self.n_kept,)}

    @property
    def coords(self) -> dict[str, Any]:
        """Coordinates of its dimension."""
        return {DIMENSION: pd.Index(self.density.names)}

    def _start(self, seed: int) -> np.ndarray:
        generator = np.random.default_rng(seed)
        return np.ascontiguousarray(self.starts[generator.integers(len(self.starts))])

    def _make_model(self, init_mean: np.ndarray) -> Any:
        if isinstance(self.density, ScoredDensity):
            functions, user_data = (
                (scores_entry.keep, scores_entry.value_and_gradient),
                self.density.user_data,
            )
        else:
            functions, user_data = (copy, value_and_gradient), self.density.calls.user_data
        at, kept = user_data.ctypes.data, self.n_kept
        expand = _lib.ExpandFunc(self.n_dim, kept, functions[0].address, at, self)
        density = _lib.LogpFunc(functions[1].address, at, self)
        sizes = {DIMENSION: kept}
        variables = _lib.PyVariable.new_variables(
            [VARIABLE], ["float64"], [(kept,)], sizes, {VARIABLE: (DIMENSION,)}
        )
        return _lib.PyMcModel(
            density, expand, variables, self.n_dim, sizes, self.coords, self._start, None
        )

    def _make_sampler(
        self,
        settings: Any,
        init_mean: np.ndarray,
        cores: int,
        progress_type: Any,
        extra_callback: Any,
        extra_callback_rate: Any,
        store: Any,
    ) -> Any:
        return _lib.PySampler.from_pymc(
            settings,
            cores,
            self._make_model(init_mean),
            progress_type,
            extra_callback,
            extra_callback_rate,
            store,
        )


def native_model(density: Density | ScoredDensity, starts: np.ndarray) -> NativeModel:
    """Wrap a density for nutpie; starts (start, n_dim) are the points that chains start from."""
    return NativeModel(
        dims={VARIABLE: (DIMENSION,)},
        density=density,
        starts=np.ascontiguousarray(starts, dtype=np.float64),
    )
