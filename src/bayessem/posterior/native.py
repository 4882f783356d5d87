"""The posterior density as a C function for nutpie: compiled once for all models.

nutpie calls a C function (dimension, x, gradient, log-density, user data). The user data are the
addresses of the four packed arrays of a `Density`, so the same machine code serves every model and
Numba's disk cache makes it ready in well under a second.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pandas as pd
from numba.core import cgutils, types
from numba.extending import intrinsic

from bayessem.likelihood.compiled import c_function
from bayessem.posterior.density import (
    Density,
    log_density,
    matrix_elements,
    natural_values,
    respondent_values,
)
from bayessem.posterior.nuts import VARIABLE, CompiledModel, _lib

DIMENSION = "coordinate"
# What the density returns outside its support; nutpie ends the trajectory and calls it divergent.
OUTSIDE = 4


@intrinsic
def _pointer(typing_context, address):
    """An address as a pointer."""

    def generate(context, builder, signature, args):
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


_DOUBLES = types.CPointer(types.double)  # type: ignore[attr-defined]


@c_function(types.int64(types.uint64, _DOUBLES, _DOUBLES, _DOUBLES, types.voidptr))
def _log_density(dimension, x, gradient, value, user_data):  # pragma: no cover - machine code
    addresses = numba.carray(user_data, (8,), np.int64)
    program = numba.carray(_pointer(addresses[0]), (addresses[1],), np.int64)
    numbers = numba.carray(_pointer(addresses[2]), (addresses[3],), np.float64)
    ints = numba.carray(_pointer(addresses[4]), (addresses[5],), np.int64)
    floats = numba.carray(_pointer(addresses[6]), (addresses[7],), np.float64)
    point = numba.carray(x, (dimension,), np.float64)
    out = numba.carray(gradient, (dimension,), np.float64)
    result = log_density(point, program, numbers, ints, floats, out)
    numba.carray(value, (1,), np.float64)[0] = result
    if not np.isfinite(result):
        return OUTSIDE
    for i in range(out.size):
        if not np.isfinite(out[i]):
            return 3
    return 0


@c_function(types.int64(types.uint64, types.uint64, _DOUBLES, _DOUBLES, types.voidptr))
def _copy(dimension, expanded, x, out, user_data):  # pragma: no cover - machine code
    numba.carray(out, (expanded,), np.float64)[:] = numba.carray(x, (dimension,), np.float64)
    return 0


def compile_all() -> None:
    """Compile what Python calls; importing this module has compiled what nutpie calls."""
    floats, integers = types.float64[::1], types.int64[::1]
    rows = types.float64[:, ::1]
    log_density.compile((floats, integers, floats, integers, floats, floats))
    natural_values.compile((rows, integers, floats, rows))
    matrix_elements.compile((rows, integers, floats, rows))
    respondent_values.compile((rows, integers, floats, integers, floats, rows))


@dataclass(frozen=True)
class NativeModel(CompiledModel):
    """A `Density` in the form that `nutpie.sample` takes.

    density : the density;  starts : (chain start, D) points, one of which each chain takes.
    """

    density: Density
    starts: np.ndarray
    addresses: np.ndarray
    kept: tuple[np.ndarray, ...]

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
        user_data = self.addresses.ctypes.data
        expand = _lib.ExpandFunc(self.n_dim, self.n_dim, _copy.address, user_data, self)
        density = _lib.LogpFunc(_log_density.address, user_data, self)
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
    kept = tuple(
        np.ascontiguousarray(a)
        for a in (density.program, density.numbers, density.ints, density.floats)
    )
    addresses = np.array([x for a in kept for x in (a.ctypes.data, a.size)], dtype=np.int64)
    return NativeModel(
        dims={VARIABLE: (DIMENSION,)},
        density=dataclasses.replace(
            density, program=kept[0], numbers=kept[1], ints=kept[2], floats=kept[3]
        ),
        starts=np.ascontiguousarray(starts, dtype=np.float64),
        addresses=addresses,
        kept=kept,
    )
