"""The fit that a question is about: a saved run, or a model that is fitted to data first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bayessem.commands.options import STDIN, FitOptions, one_standard_input
from bayessem.commands.outcome import UsedWrongly, of_the_call
from bayessem.errors import did_you_mean

if TYPE_CHECKING:
    from bayessem.fit import Fit


def fit_of(what: str, data: str | None, options: FitOptions, *, seed: int | None) -> Fit:
    """The fit of a run's folder, or of a model and its data.

    Raises
    ------
    UsedWrongly
        For a folder that is no run, or a model without data.
    """
    if data is None:
        if what == STDIN or os.path.isfile(what):
            raise UsedWrongly(
                f"{what} is no saved run (a folder that `bayessem fit --out` made); a model needs "
                f"its data behind it, to be fitted first: {what} data.csv"
            )
        fit = saved_run(what)
        if options != FitOptions():
            raise UsedWrongly(
                f"{what} is a saved run: options of the model, its data and how it is sampled are "
                "those of the run; leave them out, or name a model and its data instead"
            )
        return fit
    if os.path.isdir(what):
        raise UsedWrongly(f"{what} is a folder, and a saved run has its data: leave {data} out")
    one_standard_input(what, data)
    settings = options.sampling.arguments(seed)
    sem, frame = options.model.model(what), options.files.for_model(data)
    return sem.fit(frame, **options.respondents.arguments(), **settings)


def saved_run(path: str) -> Fit:
    """The fit in a folder.

    Raises
    ------
    UsedWrongly
        For what is no run.
    """
    from bayessem.sem import load

    with of_the_call():
        return load(path)


def require_names(fit: Fit, **named: str | None) -> None:
    """Refuse names in options that no variable of the model has.

    Raises
    ------
    UsedWrongly
        With the names that there are.
    """
    known = fit.prepared.structure.variables
    for option, name in named.items():
        if name is not None and name not in known:
            raise UsedWrongly(
                f"--{option.strip('_')} {name}: the model has no such variable; it has "
                f"{', '.join(known)}.{did_you_mean(name, known)}"
            )


def require_groups(fit: Fit, groups: tuple[str, ...] | None) -> None:
    """Refuse groups that the model does not have.

    Raises
    ------
    UsedWrongly
        With those that there are.
    """
    known = tuple(map(str, fit.prepared.sample.model_groups))
    for name in groups or ():
        if name not in known:
            there = f"they are {', '.join(known)}" if any(known) else "it has none"
            raise UsedWrongly(f"--only-group {name}: the model has no such group; {there}")
