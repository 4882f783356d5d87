"""Cost of one gradient of the alliance model's likelihood, over the cost of what it cannot avoid.

`python -m benchmarks.gradient --json` prints one JSON object on the last line:

- linear_over_floor: linear, complete data, 27 indicators, over one LAPACK dpotrf + dpotri of the
  same 27-by-27 covariance, called from a compiled loop.
- product_over_floor: with the two squares, n = 278, over n * nodes exponentials by libm in a
  compiled loop; product_over_vector_floor: the same by NumPy's vectorised exp; nodes: average
  number of nodes a respondent.
- linear_n100000_over_n278: the linear model's gradient at the two sample sizes.

What is compared is run in turns, so that a change of the machine's speed meets all of it, and the
best of many turns counts; LAPACK on one thread (at this size it is several times slower on more).
Nothing else should be running.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from numba import njit
from numba.extending import get_cython_function_address

from bayessem.likelihood.entry import log_likelihood
from bayessem.likelihood.integral import quartic_integral
from bayessem.likelihood.oracle import linear_moments
from bayessem.likelihood.plan import REACH, STEP, build_plan, pattern_from_rows
from bayessem.likelihood.products import NO_PRODUCTS, plan_products
from bayessem.model.structure import MATRICES

AMC, RAD, INC, SUCC, SPEED = 0, 6, 7, 8, 9
ITEMS = (3, 3, 3, 3, 4, 3, 3, 4)  # of AMC's five dimensions, RAD, INC, SUCC
TURNS = 60


def _lapack(name: str) -> Callable[..., None]:
    address = get_cython_function_address("scipy.linalg.cython_lapack", name)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)(address)


dpotrf, dpotri = _lapack("dpotrf"), _lapack("dpotri")


@njit
def cholesky_and_inverse(matrix, work, size, uplo, info, times):
    for _ in range(times):
        work[:] = matrix
        dpotrf(uplo.ctypes, size.ctypes, work.ctypes, size.ctypes, info.ctypes)
        dpotri(uplo.ctypes, size.ctypes, work.ctypes, size.ctypes, info.ctypes)


@njit
def exponentials(arguments, times):
    total = 0.0
    for _ in range(times):
        for i in range(arguments.size):
            total += np.exp(arguments[i])
    return total


@njit
def gradients(elements, ints, floats, gradient, times):
    for _ in range(times):
        log_likelihood(elements, ints, floats, gradient)


@njit
def count_nodes(projected, gram, reach, step):
    sums = np.empty(5)
    nodes = 0.0
    for i in range(projected.shape[0]):
        _, used = quartic_integral(
            projected[i, 0], projected[i, 1], gram[0, 0], gram[0, 1], gram[1, 1], reach, step, sums
        )
        nodes += used
    return nodes


def best(calls: dict[str, tuple[Callable[[int], object], int]]) -> dict[str, float]:
    """Seconds of one run of each call, best of TURNS; calls take turns of so many runs each."""
    seconds = dict.fromkeys(calls, float("inf"))
    for call, _ in calls.values():
        call(1)
    for _ in range(TURNS):
        for name, (call, times) in calls.items():
            start = time.perf_counter()
            call(times)
            seconds[name] = min(seconds[name], (time.perf_counter() - start) / times)
    return seconds


def alliance(squares: bool) -> dict[str, np.ndarray]:
    """Model matrices of the alliance study: 26 items, SPEED, one second-order construct."""
    p, m, h = sum(ITEMS) + 1, 10, int(squares)
    loadings = np.zeros((p, m))
    row = 0
    for j, count in enumerate(ITEMS, start=1):
        loadings[row : row + count, j] = (0.85, 0.8, 0.75, 0.8)[:count]
        row += count
    loadings[row, SPEED] = 1.0
    paths = np.zeros((m, m))
    paths[1:6, AMC] = 0.8
    paths[RAD, AMC], paths[INC, AMC], paths[SUCC, AMC] = 0.75, 0.73, 0.2
    paths[SPEED, RAD], paths[SUCC, INC] = 0.15, 0.61
    products = np.zeros((m, h))
    if squares:
        products[RAD, 0], products[INC, 0] = 0.46, 0.39
    return {
        "loadings": loadings,
        "paths": paths,
        "disturbances": np.diag([1.0, *[0.36] * 5, 0.3, 0.3, 0.4, 0.98]),
        "residuals": np.diag([0.3] * (p - 1) + [0.0]),
        "intercepts": np.linspace(-1.0, 1.0, p),
        "means": np.zeros(m),
        "products": products,
    }


def simulate(model: dict[str, np.ndarray], n: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    m = len(model["means"])
    latent = rng.normal(size=(n, m)) * np.sqrt(np.diag(model["disturbances"]))
    latent += latent[:, :1] ** 2 @ model["products"].sum(axis=1, keepdims=True).T
    latent = latent @ np.linalg.inv(np.eye(m) - model["paths"]).T
    noise = rng.normal(size=(n, len(model["residuals"]))) * np.sqrt(np.diag(model["residuals"]))
    return model["intercepts"] + latent @ model["loadings"].T + noise


def gradient_of(model: dict[str, np.ndarray], rows: np.ndarray) -> Callable[[int], object]:
    """Repeated gradients of a model with these respondents."""
    p, m = model["loadings"].shape
    h = model["products"].shape[1]
    products = (
        plan_products([(AMC, AMC)], [{RAD, INC, SUCC, SPEED}], outcomes=[{RAD, INC}])
        if h
        else NO_PRODUCTS
    )
    pattern = pattern_from_rows(0, np.arange(p), rows)
    ints, floats = build_plan((p, m, h), [pattern], products=products)
    # those that are not there are empty
    elements = np.concatenate([model[name].ravel() for name in MATRICES if name in model])
    gradient = np.empty_like(elements)
    return lambda times: gradients(elements, ints, floats, gradient, times)


def nodes_of(model: dict[str, np.ndarray], rows: np.ndarray) -> float:
    """Nodes that the respondents' integrals use, all together."""
    total = np.linalg.inv(np.eye(len(model["means"])) - model["paths"])
    design = model["loadings"] @ np.stack([total[:, AMC], total @ model["products"][:, 0]], axis=1)
    mean, covariance = linear_moments(model)
    inverse = np.linalg.inv(covariance - np.outer(design[:, 0], design[:, 0]))
    projected = (rows - mean) @ inverse @ design
    return count_nodes(projected, design.T @ inverse @ design, REACH, STEP)


def measure(n: int = 278, large: int = 100_000) -> dict[str, float]:
    linear, quadratic = alliance(squares=False), alliance(squares=True)
    _, covariance = linear_moments(linear)
    size = np.array([len(covariance)], dtype=np.int32)
    uplo, info, work = np.array([76], np.int8), np.zeros(1, np.int32), np.empty_like(covariance)
    rows = simulate(quadratic, n)
    nodes = nodes_of(quadratic, rows)
    arguments = np.linspace(-20.0, 0.0, int(nodes))
    out = np.empty_like(arguments)

    def lapack(times: int) -> None:
        cholesky_and_inverse(covariance, work, size, uplo, info, times)

    seconds = best(
        {
            "lapack": (lapack, 1000),
            "linear": (gradient_of(linear, simulate(linear, n)), 400),
            "large": (gradient_of(linear, simulate(linear, large)), 400),
            "product": (gradient_of(quadratic, rows), 60),
            "exponentials": (lambda times: exponentials(arguments, times), 60),
            "vector": (lambda times: [np.exp(arguments, out=out) for _ in range(times)], 60),
        }
    )
    return {
        "linear_over_floor": seconds["linear"] / seconds["lapack"],
        "product_over_floor": seconds["product"] / seconds["exponentials"],
        "product_over_vector_floor": seconds["product"] / seconds["vector"],
        "linear_n100000_over_n278": seconds["large"] / seconds["linear"],
        "nodes": nodes / n,
        "linear_us": 1e6 * seconds["linear"],
        "product_us": 1e6 * seconds["product"],
        "lapack_us": 1e6 * seconds["lapack"],
        "exponentials_us": 1e6 * seconds["exponentials"],
        "vector_exponentials_us": 1e6 * seconds["vector"],
    }


ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

if __name__ == "__main__":
    if not ONE_THREAD.items() <= os.environ.items():  # read when LAPACK is loaded, so start again
        again = [sys.executable, "-m", "benchmarks.gradient", *sys.argv[1:]]
        sys.exit(subprocess.call(again, env=os.environ | ONE_THREAD))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    results = measure()
    if parser.parse_args().json:
        print(json.dumps({key: round(value, 4) for key, value in results.items()}))
    else:
        for key, value in results.items():
            print(f"{key:28} {value:10.3f}")
