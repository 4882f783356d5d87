"""Answers to arguments of other programs: lavaan's and blavaan's names, and what they are here.

Any other unknown argument is an `ArgumentError` that names those that there are.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any

from bayessem.arguments import bound_arguments, check_shared
from bayessem.errors import ArgumentError, NotSupported

# What bayessem does not have, or has elsewhere.
ELSEWHERE = {
    "estimator": "leave it out: fit samples the posterior, ml is maximum likelihood "
    '(se="robust" gives the standard errors of MLR)',
    "cluster": "of a two-level model ('level: 1', 'level: 2') fit, ml, check, priors and "
    "prior_consequences have it; without levels ml has it for standard errors that are robust to "
    "clusters, or name the clusters as groups: fit(data, group=..., pooling=bs.partial('y ~ 1')) "
    "has random intercepts, bs.partial('y ~ 1', 'y ~ x') slopes too",
    "data": "the data go to the method: bs.SEM(model).fit(data)",
    "std_ov": "standardise columns before: (data - data.mean()) / data.std(); standardised "
    "estimates are printed anyway",
    "standardized": "leave it out: standardised estimates are always printed "
    "(fit.effects and fit.measurement have standardized=True)",
    "bootstrap": "sem.bootstrap(data, 1000) is the bootstrap of maximum likelihood",
    "test": "leave it out: fit.indices() and sem.ml(data) print tests and indices of fit",
    "sample_cov": "bs.from_covariance(matrix, n) makes data of a covariance matrix",
    "sample_nobs": "bs.from_covariance(matrix, n) makes data of a covariance matrix",
    "constraints": 'write them into the model: "a == b", "a > 0"',
    "start": "write start values into the model: start(0.5)*x",
    "verbose": "leave it out; progress=False hides the progress bar",
}
# What has another name here.
RENAMED = {
    "sampling_weights": "weights",
    "seed": "random_seed",
    "random_state": "random_seed",
    "iter": "draws",
    "sample": "draws",
    "samples": "draws",
    "burnin": "tune",
    "warmup": "tune",
    "adapt": "tune",
    "n_chains": "chains",
    "nchains": "chains",
    "prior": "priors",
    "dp": "priors",
    "hdi_prob": "ci_prob",
    "prob": "ci_prob",
    "level": "ci_prob",
}


def answers_other_programs[C: type](
    *, of_model: Collection[str] = (), of_fit: Collection[str] = ()
) -> Callable[[C], C]:
    """Class decorator: public methods answer arguments that other programs have.

    Those that public calls have in common are checked besides (`arguments.check_shared`).

    Parameters
    ----------
    of_model, of_fit : collection of str
        Arguments that belong to `SEM(...)`, and to its methods (lavaan has them in one call).
    """

    def decorate(cls: C) -> C:
        for name in ("__init__", *(n for n in vars(cls) if not n.startswith("_"))):
            method = getattr(cls, name)
            if inspect.isfunction(method):
                where = cls.__name__ if name == "__init__" else name
                setattr(cls, name, _answering(method, where, of_model, of_fit))
        return cls

    return decorate


def _answering(
    method: Callable[..., Any], where: str, of_model: Collection[str], of_fit: Collection[str]
) -> Callable[..., Any]:
    signature = inspect.signature(method)
    known = signature.parameters
    # results are made of data, which have names of their own (`Fitted.draws`)
    makes = method.__name__ == "__init__"
    checked = method if makes else check_shared(method)

    @functools.wraps(method)
    def wrapper(*args: Any, **arguments: Any) -> Any:
        for name in arguments:
            if name not in known:
                _answer(name, where, known, of_model, of_fit)
        if makes:
            bound_arguments(method, signature, args, arguments)
        return checked(*args, **arguments)

    return wrapper


def _answer(
    name: str,
    where: str,
    known: Collection[str],
    of_model: Collection[str],
    of_fit: Collection[str],
) -> None:
    """Raise an error that says what would work; return when there is nothing to say."""
    plain = name.replace(".", "_")
    if plain in known:
        raise ArgumentError(f"{where} has no argument {name}; it is called {plain} here")
    if plain in of_model:
        raise ArgumentError(f"{name} belongs to the model: bs.SEM(model, {plain}=...)")
    if plain in ELSEWHERE:
        raise NotSupported(f"{where} has no argument {name}: {ELSEWHERE[plain]}")
    if plain in of_fit:
        raise ArgumentError(
            f"{where} has no argument {name}; it belongs to bs.SEM(model).fit(data, {plain}=...)"
        )
    renamed = RENAMED.get(plain, "")
    if renamed in known:
        raise ArgumentError(f"{where} has no argument {name}; it is called {renamed} here")
    if renamed in of_fit:
        raise ArgumentError(
            f"{where} has no argument {name}; it is bs.SEM(model).fit(data, {renamed}=...)"
        )
