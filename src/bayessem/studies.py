"""Studies of several fits of one model, whose fits can be asked further."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bayessem.arguments import check_shared
from bayessem.comparison import shape_models
from bayessem.comparison.shape_models import ShapeComparison
from bayessem.fit import with_questions
from bayessem.model.priors import Prior
from bayessem.moderation import alternatives, poolings
from bayessem.moderation.alternatives import Moderation
from bayessem.moderation.poolings import Poolings
from bayessem.posterior.settings import Sampling
from bayessem.results.fitted import Fitted
from bayessem.syntax.specification import Specification


@check_shared
def compare_poolings(
    sem: Specification,
    data: pd.DataFrame,
    *parameters: str,
    group: str,
    by: str | None = None,
    correlated: bool = False,
    complete: Fitted | None = None,
    loo: bool = True,
    ci_prob: float = 0.95,
    group_order: Sequence[str] | None = None,
    missing: str = "fiml",
    priors: Mapping[str, str | Prior] | None = None,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    cores: int | None = None,
    random_seed: int | None = None,
    target_accept: float | None = None,
    progress: bool = True,
    executor: Any = None,
) -> Poolings:
    """Fit a model with complete, no and partial pooling of the same parameters.

    Everything else is equal across groups, unless the model's `group_equal` says otherwise. So a
    difference in the outcome's level between groups has no place in any of the three; where groups
    are made from a variable that may have an effect of its own, add that effect to the model
    ("RAD ~ apd"; `with_main_effects`), or let intercepts differ.

    Parameters
    ----------
    sem : SEM
        The model.
    data : DataFrame
        One row a respondent.
    *parameters : str
        What differs between groups, such as "RAD ~ AMC".
    group : str
        Column with the groups.
    by, correlated
        Of partial pooling, see `partial`.
    complete : Fit, optional
        Complete pooling where it is at hand: with all equal, that of other groups of the same
        respondents is the same model.
    loo : bool
        Compare the three by leave-one-out cross-validation.
    ci_prob : float
        Probability of the equal-tailed intervals.
    group_order, missing, priors
        As in `SEM.fit`.
    draws, tune, chains, cores, random_seed, target_accept, progress
        As in `SEM.fit`.
    executor : optional
        Where models and refits run, as in `bayessem.design`; the result is the same.

    Returns
    -------
    Poolings
    """
    sampling = Sampling(
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        random_seed=random_seed,
        target_accept=target_accept,
        progress=progress,
    )
    return with_questions(
        poolings.compare_poolings(
            sem,
            data,
            *parameters,
            group=group,
            by=by,
            correlated=correlated,
            complete=complete,
            loo=loo,
            ci_prob=ci_prob,
            group_order=group_order,
            missing=missing,
            priors=priors,
            sampling=sampling,
            executor=executor,
        )
    )


@check_shared
def moderation_study(
    sem: Specification,
    data: pd.DataFrame,
    *parameters: str,
    groupings: Mapping[str, str],
    by: Mapping[str, str] | None = None,
    moderator: str | None = None,
    loo: bool = True,
    ci_prob: float = 0.95,
    missing: str = "fiml",
    priors: Mapping[str, str | Prior] | None = None,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    cores: int | None = None,
    random_seed: int | None = None,
    target_accept: float | None = None,
    progress: bool = True,
    executor: Any = None,
) -> Moderation:
    """Do paths depend on a variable? By its groups with three poolings, and continuously.

    Parameters
    ----------
    sem : SEM
        The model.
    data : DataFrame
        One row a respondent.
    *parameters : str
        Paths, such as "RAD ~ AMC" and "RAD ~ AMC:AMC".
    groupings : mapping
        Column of the groups, by a name for each grouping.
    by : mapping, optional
        Group-level predictor, by the same names.
    moderator : str, optional
        Column of the continuous moderator; without it that model is left out. With it every model
        has its main effect on the outcomes, so that they differ only in the slopes.
    loo : bool
        Compare everything by leave-one-out cross-validation.
    ci_prob : float
        Probability of the equal-tailed intervals.
    missing, priors
        As in `SEM.fit`.
    draws, tune, chains, cores, random_seed, target_accept, progress
        As in `SEM.fit`.
    executor : optional
        Where models and refits run, as in `bayessem.design`; the result is the same.

    Returns
    -------
    Moderation
    """
    sampling = Sampling(
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        random_seed=random_seed,
        target_accept=target_accept,
        progress=progress,
    )
    return with_questions(
        alternatives.moderation_study(
            sem,
            data,
            *parameters,
            groupings=groupings,
            by=by,
            moderator=moderator,
            loo=loo,
            ci_prob=ci_prob,
            missing=missing,
            priors=priors,
            sampling=sampling,
            executor=executor,
        )
    )


@check_shared
def compare_shapes(
    sem: Specification,
    data: pd.DataFrame,
    x: str,
    y: str,
    *,
    spline: bool = True,
    bounds: tuple[float, float] | None = None,
    group: str | None = None,
    ci_prob: float = 0.95,
    missing: str = "fiml",
    priors: Mapping[str, str | Prior] | None = None,
    max_refits: int = 25,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    cores: int | None = None,
    random_seed: int | None = None,
    target_accept: float | None = None,
    progress: bool = True,
) -> ShapeComparison:
    """Is the relation of y with x a line, a parabola, a cubic or some other curve? By LOO.

    Fits the model with y ~ x, with x:x, with x:x and x:x:x, and with a natural cubic spline (of x,
    or of the score of a construct: the mean of its standardised items), and compares them by
    leave-one-out cross-validation.

    Parameters
    ----------
    sem : SEM
        The model; which powers of x it has for y does not matter.
    data : DataFrame
        One row a respondent.
    x, y : str
        Predictor and outcome: constructs or observed variables.
    spline : bool
        Whether the spline is among the models.
    bounds : (float, float), optional
        As in `Fit.shape`, for the shapes of the quadratic and the cubic.
    group : str, optional
        Column with the groups.
    ci_prob : float
        Probability of the equal-tailed intervals.
    missing, priors
        As in `SEM.fit`.
    max_refits : int
        As in `compare`.
    draws, tune, chains, cores, random_seed, target_accept, progress
        As in `SEM.fit`.

    Returns
    -------
    ShapeComparison

    Raises
    ------
    ModelError, DataError
        When one of the models cannot be, or x has too few values for a spline.
    """
    return with_questions(
        shape_models.compare_shapes(
            sem,
            data,
            x,
            y,
            spline=spline,
            bounds=bounds,
            group=group,
            ci_prob=ci_prob,
            missing=missing,
            priors=priors,
            max_refits=max_refits,
            sampling=Sampling(
                draws=draws,
                tune=tune,
                chains=chains,
                cores=cores,
                random_seed=random_seed,
                target_accept=target_accept,
                progress=progress,
            ),
        )
    )
