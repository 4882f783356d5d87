"""What calls are given: names of other programs' arguments, misspelt ones, impossible values.

An unknown argument must not be dropped silently, nor answered by its name alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from bayessem.errors import FitError, NotSupported, did_you_mean

ELSEWHERE = {
    "ordered": "bayessem does not have ordered (categorical) indicators: leave it out to treat "
    "them as continuous, which loses little with five or more answers",
    "estimator": "leave it out: fit samples the posterior, ml is maximum likelihood "
    '(se="robust" gives the standard errors of MLR)',
    "cluster": "name the clusters as groups: fit(data, group=..., pooling=bs.partial('y ~ 1')) has "
    "random intercepts, bs.partial('y ~ 1', 'y ~ x') random slopes as well",
    "sampling_weights": "bayessem does not have sampling weights",
    "data": "the data go to the method: bs.SEM(model).fit(data)",
    "std_ov": "standardise columns before: (data - data.mean()) / data.std(); standardised "
    "estimates are printed anyway",
    "standardized": "leave it out: standardised estimates are always printed "
    "(fit.effects and fit.measurement have standardized=True)",
    "parameterization": "it belongs to ordered indicators, which bayessem does not have",
    "bootstrap": "sem.bootstrap(data, 1000) is the bootstrap of maximum likelihood",
    "test": "leave it out: fit.indices() and sem.ml(data) print tests and indices of fit",
    "sample_cov": "bs.from_covariance(matrix, n) makes data of a covariance matrix",
    "sample_nobs": "bs.from_covariance(matrix, n) makes data of a covariance matrix",
    "constraints": 'write them into the model: "a == b", "a > 0"',
    "start": "write start values into the model: start(0.5)*x",
    "verbose": "leave it out; progress=False hides the progress bar",
}
SAME = {
    "seed": "random_seed",
    "random_state": "random_seed",
    "iter": "draws",
    "sample": "draws",
    "samples": "draws",
    "burnin": "tune",
    "warmup": "tune",
    "n_chains": "chains",
    "nchains": "chains",
    "prior": "priors",
    "dp": "priors",
    "hdi_prob": "ci_prob",
    "prob": "ci_prob",
    "level": "ci_prob",
}


def keyword_arguments(call: Callable[..., Any]) -> dict[str, Any]:
    """Keyword arguments of a call, with their defaults."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(call).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def known_options(
    call: Callable[..., Any],
    options: Mapping[str, Any],
    *,
    name: str = "",
    passed_on: Collection[str] = (),
    of_model: Collection[str] = (),
    of_fit: Collection[str] = (),
) -> dict[str, Any]:
    """Options of a call as they are, once each is known to be one: ``f(x, **known_options(f, o))``.

    Parameters
    ----------
    call : callable
        What the options are for; its keyword arguments are the known ones.
    options : mapping
        Argument to value.
    name : str
        What its user calls it, where that is not its name.
    passed_on : collection of str
        Further arguments, which the call passes on.
    of_model, of_fit : collection of str
        As in `refuse_unknown`.

    Raises
    ------
    NotSupported, TypeError
        As `refuse_unknown`.
    """
    known = tuple(dict.fromkeys((*keyword_arguments(call), *passed_on)))
    refuse_unknown(
        name or call.__name__,
        [option for option in options if option not in known],
        known=known,
        of_model=of_model,
        of_fit=of_fit,
    )
    return dict(options)


def refuse_unknown(
    where: str,
    given: Iterable[str],
    *,
    known: Collection[str],
    of_model: Collection[str] = (),
    of_fit: Collection[str] = (),
) -> None:
    """Refuse arguments that a call does not have, with what would work.

    Parameters
    ----------
    where : str
        The call, as in "SEM" or "fit".
    given : iterable of str
        Names of arguments that are not among its own.
    known : collection of str
        Its own.
    of_model, of_fit : collection of str
        Arguments that belong to `SEM(...)`, and to its methods.

    Raises
    ------
    NotSupported
        For what lavaan has and bayessem has not.
    TypeError
        For everything else.
    """
    for name in given:
        plain = name.replace(".", "_")
        if plain in of_model and plain not in known:
            raise TypeError(f"{name} belongs to the model: bs.SEM(model, {plain}=...)")
        if plain in of_fit and plain not in known:
            raise TypeError(f"{name} belongs to the method: bs.SEM(model).fit(data, {plain}=...)")
        if plain in ELSEWHERE:
            raise NotSupported(f"{where} has no argument {name}: {ELSEWHERE[plain]}")
        if plain in SAME and SAME[plain] in known:
            raise TypeError(f"{where} has no argument {name}; it is called {SAME[plain]} here")
        raise TypeError(
            f"{where} has no argument {name}.{did_you_mean(plain, known)} Its arguments: "
            f"{', '.join(known)}"
        )


def check_sampling_arguments(
    *,
    draws: int,
    tune: int,
    chains: int,
    cores: int | None,
    random_seed: int | None,
    target_accept: float,
    latents: str = "integrated",
    engine: str = "auto",
) -> None:
    """Refuse values that sampling cannot have; the arguments are those of `SEM.fit`.

    Raises
    ------
    FitError
        Naming the argument and what it may be.
    """
    for name, value, allowed in (
        ("latents", latents, ("integrated", "sampled")),
        ("engine", engine, ("auto", "native", "pymc")),
    ):
        if value not in allowed:
            raise FitError(f"{name} is one of {', '.join(allowed)}, not {value!r}")
    counts = {"draws": draws, "tune": tune, "chains": chains}
    if cores is not None:  # None: as many as the machine has
        counts["cores"] = cores
    for name, count in counts.items():
        if not hasattr(count, "__index__"):
            raise FitError(f"{name} is a whole number, not {count!r}")
        if count < 1:
            raise FitError(f"{name} has to be at least 1, not {count}")
    if random_seed is not None and not hasattr(random_seed, "__index__"):
        raise FitError(f"random_seed is a whole number, not {random_seed!r}")
    if random_seed is not None and random_seed < 0:
        raise FitError(f"random_seed has to be 0 or more, not {random_seed}")
    if not 0 < target_accept < 1:
        raise FitError(f"target_accept lies between 0 and 1, not {target_accept}")
