"""Commands that ask a fit: effects, shape, measurement, compare, show."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from bayessem.commands.fitted import fit_of, require_groups, require_names, saved_run
from bayessem.commands.options import (
    DataOfModel,
    FitOptions,
    Groups,
    Interval,
    Json,
    RunOrModel,
    Seed,
    Whole,
    numbers,
    probability,
)
from bayessem.commands.outcome import UsedWrongly, conclude
from bayessem.errors import ModelError

if TYPE_CHECKING:
    from bayessem.fit import Fit
    from bayessem.text.described import Described

Cause = Annotated[str | None, Parameter(name="--from", help="predictor")]
Outcome = Annotated[str | None, Parameter(name="--to", help="outcome")]
At = Annotated[
    tuple[float, ...],
    Parameter(
        name="--at",
        converter=numbers,
        n_tokens=1,
        allow_leading_hyphen=True,  # -1,0,1 is no option
        help="standard deviations from the mean",
    ),
]


def effects(
    run: RunOrModel,
    data: DataOfModel = None,
    /,
    *,
    x: Cause = None,
    y: Outcome = None,
    standardized: Annotated[bool, Parameter(help="in standard deviations")] = False,
    mediation: Annotated[
        bool, Parameter(help="judge the mediation: kind, share, regions of equivalence")
    ] = False,
    at: At = (-1.0, 0.0, 1.0),
    only_group: Groups = None,
    interval: Interval = 0.95,
    seed: Seed = None,
    json: Json = False,
    options: FitOptions = FitOptions(),
) -> int:
    """Direct, indirect and total effects; without --from and --to of all that is mediated."""
    _both_or_none(x, y)
    ci_prob = probability(interval)
    if mediation and standardized:
        raise UsedWrongly("--mediation shows standardised effects anyway: leave --standardized out")
    fit = fit_of(run, data, options, seed=seed)
    require_names(fit, **{"from": x, "to": y})
    require_groups(fit, only_group)

    def result(x: str, y: str) -> Described:
        if mediation:
            return fit.mediation(x, y, at=at, group=only_group, ci_prob=ci_prob)
        return fit.effects(
            x, y, standardized=standardized, at=at, group=only_group, ci_prob=ci_prob
        )

    found = [result(*pair) for pair in _pairs(fit, x, y, "indirect_pairs", "no effect is mediated")]
    return conclude(*found, as_json=json)


def shape(
    run: RunOrModel,
    data: DataOfModel = None,
    /,
    *,
    x: Cause = None,
    y: Outcome = None,
    bounds: Annotated[
        tuple[float, float] | None, Parameter(help="interval of x, in its units, that counts")
    ] = None,
    square: Annotated[
        str | None, Parameter(help="column that holds x^2, where the model has one")
    ] = None,
    effect: Annotated[
        Literal["direct", "total"] | None, Parameter(help="in y's own equation, or of do(x)")
    ] = None,
    hypothesis: Annotated[
        Literal["U", "inverted U", "S", "inverted S", "increasing", "decreasing"] | None,
        Parameter(help="what the steps are about (what is more probable)"),
    ] = None,
    no_lines: Annotated[bool, Parameter(help="without the two lines beside it (faster)")] = False,
    only_group: Groups = None,
    interval: Interval = 0.95,
    seed: Seed = None,
    json: Json = False,
    options: FitOptions = FitOptions(),
) -> int:
    """Is it an inverted U, a U, an S, a J or one-sided? Without --from and --to of every square."""
    _both_or_none(x, y)
    ci_prob = probability(interval)
    fit = fit_of(run, data, options, seed=seed)
    require_names(fit, **{"from": x, "to": y})
    require_groups(fit, only_group)
    pairs = _pairs(fit, x, y, "squares", "the model has no square (y ~ x + x:x)")
    found = [
        fit.shape(
            *pair,
            bounds=bounds,
            square=square,
            effect=effect,
            hypothesis=hypothesis,
            lines=not no_lines,
            group=only_group,
            ci_prob=ci_prob,
            random_seed=0 if seed is None else seed,
        )
        for pair in pairs
    ]
    return conclude(*found, as_json=json)


def measurement(
    run: RunOrModel,
    data: DataOfModel = None,
    /,
    *,
    standardized: Annotated[bool, Parameter(help="omega, AVE and alpha of standardised items")] = (
        False
    ),
    bootstrap: Annotated[Whole, Parameter(help="samples behind HTMT and alpha")] = 1000,
    only_group: Groups = None,
    interval: Interval = 0.95,
    seed: Seed = None,
    json: Json = False,
    options: FitOptions = FitOptions(),
) -> int:
    """Reliability and validity: omega, AVE, alpha, HTMT, Fornell-Larcker, with intervals."""
    ci_prob = probability(interval)
    if bootstrap < 1:
        raise UsedWrongly(f"--bootstrap has to be at least 1, not {bootstrap}")
    fit = fit_of(run, data, options, seed=seed)
    require_groups(fit, only_group)
    found = fit.measurement(
        standardized=standardized,
        bootstrap=bootstrap,
        group=only_group,
        ci_prob=ci_prob,
        random_seed=seed,
    )
    return conclude(found, as_json=json)


def compare(
    *runs: Annotated[str, Parameter(help="folders of saved runs; NAME=FOLDER names one")],
    max_refits: Annotated[Whole, Parameter(help="respondents that a model may be refitted for")] = (
        25
    ),
    seed: Seed = None,
    json: Json = False,
) -> int:
    """Which model predicts better, by how much, and because of whom? Leave-one-out."""
    if len(runs) < 2:
        raise UsedWrongly("compare takes two or more saved runs: bayessem compare runs/a runs/b")
    if max_refits < 0:
        raise UsedWrongly(f"--max-refits has to be 0 or more, not {max_refits}")
    named = _named(runs)
    fits = {name: saved_run(folder) for name, folder in named.items()}
    from bayessem.comparison.compare import compare as compared

    found = compared(fits, max_refits=max_refits, random_seed=0 if seed is None else seed)
    return conclude(found, as_json=json)


def _named(runs: tuple[str, ...]) -> dict[str, str]:
    """Folders by name: their own, or what stands before "="."""
    out: dict[str, str] = {}
    for run in runs:
        name, sign, folder = run.partition("=")
        if not sign or os.path.exists(run):
            folder, name = run, os.path.basename(os.path.abspath(run))
        if name in out:
            raise UsedWrongly(
                f"two runs are called {name}: name one, as in compare first={out[name]} "
                f"second={folder}"
            )
        out[name] = folder
    return out


def show(
    run: Annotated[str, Parameter(help="folder of a saved run")], /, *, json: Json = False
) -> int:
    """Print a saved run: diagnostics and estimates."""
    return conclude(saved_run(run), as_json=json)


def _both_or_none(x: str | None, y: str | None) -> None:
    if (x is None) != (y is None):
        missing = "--to" if y is None else "--from"
        raise UsedWrongly(f"{missing} is missing: --from and --to belong together")


def _pairs(fit: Fit, x: str | None, y: str | None, every: str, none: str) -> list[tuple[str, str]]:
    """The predictor and outcome that were asked for, or all that the model has.

    Raises
    ------
    ModelError
        When the model has none.
    """
    if x is not None and y is not None:
        return [(x, y)]
    from bayessem.criticism import headline

    found: list[tuple[str, str]] = getattr(headline, every)(fit.prepared.structure)
    if not found:
        raise ModelError(f"{none}; --from and --to name a predictor and an outcome")
    return found
