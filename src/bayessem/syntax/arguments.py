"""Arguments that lavaan's and other programs' users give: what they are here, or why they are not.

An unknown argument must not be dropped silently, nor answered by its name alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bayessem.errors import NotSupported, did_you_mean

ELSEWHERE = {
    "ordered": "bayessem does not have ordered (categorical) indicators: leave it out to treat "
    "them as continuous, which loses little with five or more answers",
    "estimator": "leave it out: fit samples the posterior, ml is maximum likelihood "
    '(se="robust" gives the standard errors of MLR)',
    "cluster": "bayessem does not have two-level models; group= with pooling=bs.partial(...) lets "
    "paths differ between known groups",
    "sampling_weights": "bayessem does not have sampling weights",
    "data": "the data go to the method: bs.SEM(model).fit(data)",
    "std_ov": "standardise columns before: (data - data.mean()) / data.std(); standardised "
    "estimates are printed anyway",
    "standardized": "leave it out: standardised estimates are always printed",
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
}


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
