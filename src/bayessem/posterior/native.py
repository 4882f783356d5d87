"""The posterior density as a C function for nutpie: compiled once for all models.

nutpie calls a C function (dimension, x, gradient, log-density, user data) of entry.py; the user
data are the addresses of the packed arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayessem.posterior.density import Density
from bayessem.posterior.entry import copy, value_and_gradient
from bayessem.posterior.nuts import VARIABLE, CompiledModel, _lib

DIMENSION = "coordinate"


@dataclass(frozen=True)
class NativeModel(CompiledModel):
    """A `Density` in the form that `nutpie.sample` takes.

    density : the density;  starts : (chain start, D) points, one of which each chain takes.
    """

    density: Density
    starts: np.ndarray

    @property
    def n_dim(self) -> int:
        """Number of coordinates."""
        return self.density.size

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of the one variable that is sampled."""
        return {VARIABLE: (self.n_dim,)}

    @property
    def coords(self) -> dict[str, Any]:
        """Coordinates of its dimension."""
        return {DIMENSION: pd.Index(self.density.names)}

    def _start(self, seed: int) -> np.ndarray:
        generator = np.random.default_rng(seed)
        return np.ascontiguousarray(self.starts[generator.integers(len(self.starts))])

    def _make_model(self, init_mean: np.ndarray) -> Any:
        user_data = self.density.calls.user_data.ctypes.data
        expand = _lib.ExpandFunc(self.n_dim, self.n_dim, copy.address, user_data, self)
        density = _lib.LogpFunc(value_and_gradient.address, user_data, self)
        sizes = {DIMENSION: self.n_dim}
        variables = _lib.PyVariable.new_variables(
            [VARIABLE], ["float64"], [(self.n_dim,)], sizes, {VARIABLE: (DIMENSION,)}
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


def native_model(density: Density, starts: np.ndarray) -> NativeModel:
    """Wrap a density for nutpie; starts (start, D) are the points that chains start from."""
    return NativeModel(
        dims={VARIABLE: (DIMENSION,)},
        density=density,
        starts=np.ascontiguousarray(starts, dtype=np.float64),
    )
