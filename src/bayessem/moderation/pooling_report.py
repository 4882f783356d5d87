"""What partial pooling found: the population of groups, the groups, and how far they were pooled.

Shrinkage is the pooling factor of Gelman & Pardoe (2006, doi:10.1198/004017005000000517), 1 less
the variance over groups of the posterior means of their deviations from what the population
predicts, over the posterior mean of the variance: 0 when every group is left alone, 1 when all are
pooled completely.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared
from bayessem.errors import FitError, ModelError
from bayessem.model.pooling import (
    Pooling,
    link_name,
    pooled_parameters,
    pooled_sd,
    slope_name,
)
from bayessem.moderation.differences import group_differences
from bayessem.moderation.pooling_result import LABELS, PoolingReport
from bayessem.posterior.prior_draws import DISTRIBUTIONS
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted

# Gelman (2006, doi:10.1214/06-BA117A): with fewer groups than this tau is led by its prior.
FEW_GROUPS = 5


def require_partial(fit: Fitted) -> Pooling:
    """The pooling of a fit.

    Raises
    ------
    FitError
        When nothing is pooled partially.
    """
    pooling = fit.prepared.pooling
    if pooling is None or pooling.how != "partial":
        raise FitError(
            "nothing is partially pooled in this fit; sample it with "
            'sem.fit(data, group=..., pooling=partial("y ~ x"))'
        )
    return pooling


def _values(fit: Fitted, name: str) -> np.ndarray | None:
    """Draws (chain, draw) of a sampled coordinate; None when there is no such one."""
    names = fit.prepared.space.names
    return fit.values[..., names.index(name)] if name in names else None


def between_groups(fit: Fitted, pooling: Pooling) -> tuple[np.ndarray, np.ndarray]:
    """Draws of sds between groups (..., P) and of their correlations (..., P, P)."""
    shape = fit.values.shape[:-1]
    names = pooling.parameters
    root = np.zeros((*shape, len(names), len(names)))
    sd = np.empty((*shape, len(names)))
    for k, name in enumerate(names):
        own = _values(fit, pooled_sd(name))
        tau = np.full(shape, pooling.sd) if own is None else own
        sd[..., k] = tau
        root[..., k, k] = 1.0
        for j in range(k):
            link = _values(fit, link_name(name, names[j]))
            if link is not None:
                root[..., k, j] = link
    root /= np.linalg.norm(root, axis=-1, keepdims=True)
    return sd, root @ np.swapaxes(root, -1, -2)


def population_values(fit: Fitted, name: str, *, at: float | None = None) -> np.ndarray:
    """Draws (chain, draw) of the population's mean of a parameter, where the predictor is `at`.

    Of a variance: the standard deviation of a typical group.
    """
    pooling = require_partial(fit)
    mean = _values(fit, name)
    if mean is None:  # a random intercept of a latent variable
        mean = np.zeros(fit.values.shape[:-1])
    slope = _values(fit, slope_name(name, pooling))
    if at is None:
        return mean
    if slope is None or fit.prepared.predictor is None:
        raise ModelError("at= is a value of the group-level predictor, and this model has none")
    change = slope * (at - fit.prepared.predictor.mean())
    return mean * np.exp(change) if is_scale(fit, name) else mean + change


def is_scale(fit: Fitted, name: str) -> bool:
    """Whether a pooled parameter is a variance, pooled on the log scale of its square root."""
    return name in fit.prepared.space.typical_sds


def _rows(
    fit: Fitted, pooling: Pooling, points: Sequence[float | None], rng: np.random.Generator
) -> list[tuple[str, str, str, np.ndarray]]:
    """Parameter, quantity, group and draws of everything in the table."""
    pooled = pooled_parameters(fit.prepared.structure, pooling)
    every = fit.parameters
    sd, correlation = between_groups(fit, pooling)
    groups = fit.prepared.table.groups
    out = []
    for k, p in enumerate(pooled):
        power = 2.0 if is_scale(fit, p.name) else 1.0  # variances are reported
        if p.name not in fit.prepared.zero_mean:
            out.append((p.name, "population mean", "", population_values(fit, p.name) ** power))
        slope = _values(fit, slope_name(p.name, pooling))
        if slope is not None:
            out.append((p.name, f"slope on {pooling.by}", "", slope))
        if pooling.sd is None:
            out.append((p.name, "sd between groups", "", sd[..., k]))
        if pooling.correlated:
            for j in range(k):
                what = f"correlation with {pooled[j].name}"
                out.append((p.name, what, "", correlation[..., k, j]))
        for group, member in zip(groups, p.members, strict=True):
            out.append((p.name, "group", group, every.sel(parameter=member).values))
        for at in points:
            label = "" if at is None else f"{pooling.by} = {at:g}"
            centre = population_values(fit, p.name, at=at)
            noise = rng.standard_normal(sd.shape[:-1])
            drawn = sd[..., k] * noise
            new = (centre * np.exp(drawn)) ** 2 if power == 2.0 else centre + drawn
            out.append((p.name, "new group", label, new))
    return out


def _shrinkage(fit: Fitted, pooling: Pooling) -> pd.DataFrame:
    rows = []
    predictor = fit.prepared.predictor
    for p in pooled_parameters(fit.prepared.structure, pooling):
        own = fit.parameters.sel(parameter=list(p.members)).values  # (chain, draw, group)
        points = [None] * own.shape[-1] if predictor is None else [float(w) for w in predictor]
        expected = np.stack([population_values(fit, p.name, at=w) for w in points], axis=-1)
        scale = is_scale(fit, p.name)
        deviation = 0.5 * np.log(own) - np.log(expected) if scale else own - expected
        means = deviation.mean(axis=(0, 1))
        share = 1.0 - means.var(ddof=1) / deviation.var(axis=-1, ddof=1).mean()
        rows.append({"parameter": p.name, "shrinkage": float(share)})
    return pd.DataFrame(rows)


def prior_share(fit: Fitted) -> pd.DataFrame:
    """How much the sds between groups owe to their priors, by power-scaling.

    Kallioinen, Paananen, Burkner & Vehtari (2024, doi:10.1007/s11222-023-10366-5): by how much the
    posterior of a quantity moves when its prior, or the likelihood of all respondents, is raised to
    a power slightly off 1. Each sd's own prior is scaled, not that of the groups' deviations.

    Returns
    -------
    DataFrame
        parameter, prior, data (sensitivities), share (of the prior in their sum).
    """
    import arviz_stats

    columns = ["parameter", "prior", "data", "share"]
    pooling = require_partial(fit)
    if pooling.sd is not None or "log_likelihood" not in fit.draws.children:
        return pd.DataFrame(columns=columns)
    stored = fit.draws["log_likelihood"].to_dataset()["y"].sum("respondent")
    kept = fit.draws["posterior"].to_dataset().sel(draw=stored["draw"])
    rows = []
    for name in pooling.parameters:
        sd = kept["pool_sd"].sel({"pool_sds": pooled_sd(name)}, drop=True)
        at = fit.prepared.space.names.index(pooled_sd(name))
        prior = fit.prepared.space.coordinates[at].prior
        if prior.family == "flat":
            continue
        density = DISTRIBUTIONS[prior.family](prior.named)
        tree = xr.DataTree.from_dict(
            {
                "posterior": xr.Dataset({"sd": sd}),
                "log_prior": xr.Dataset({"sd": (sd.dims, density.logpdf(sd.values))}),
                "log_likelihood": xr.Dataset({"y": stored}),
            }
        )
        both = [
            float(arviz_stats.psense(tree, var_names=["sd"], group=group)["sd"])
            for group in ("prior", "likelihood")
        ]
        rows.append((name, *both, both[0] / (both[0] + both[1])))
    return pd.DataFrame(rows, columns=columns)


@check_shared
def pooling_report(
    fit: Fitted,
    *,
    at: float | Sequence[float] | None = None,
    ci_prob: float = 0.95,
    random_seed: int | None = None,
) -> PoolingReport:
    """The population of groups, the groups, their differences, and how far they were pooled.

    Arguments, result and errors: `Fit.pooling`.
    """
    pooling = require_partial(fit)
    points = [None if at is None else float(v) for v in np.atleast_1d(0.0 if at is None else at)]
    seed = fit.settings["random_seed"] if random_seed is None else random_seed
    rows = _rows(fit, pooling, points, np.random.default_rng([seed, 5]))
    values = np.stack([r[3] for r in rows], axis=-1)
    labels = pd.DataFrame([r[:3] for r in rows], columns=LABELS)
    draws = xr.DataArray(
        values,
        dims=("chain", "draw", "quantity"),
        coords={"quantity": [" ".join(x for x in r[:3] if x) for r in rows]},
        name="pooling",
    )
    sample = fit.prepared.sample
    sizes = tuple(int(n) for n in np.bincount(sample.group, minlength=len(sample.groups)))
    sensitivity = prior_share(fit)
    return PoolingReport(
        pooling=pooling,
        groups=sample.groups,
        sizes=sizes,
        table=pd.concat([labels, summarise(values, ci_prob=ci_prob)], axis=1),
        differences=group_differences(fit, pooling, ci_prob),
        scales=tuple(name for name in pooling.parameters if is_scale(fit, name)),
        shrinkage=_shrinkage(fit, pooling),
        sensitivity=sensitivity,
        draws=draws,
        ci_prob=ci_prob,
        notes=_notes(fit, pooling, sensitivity),
    )


def _notes(fit: Fitted, pooling: Pooling, sensitivity: pd.DataFrame) -> tuple[str, ...]:
    groups = len(fit.prepared.sample.groups)
    notes = []
    if pooling.sd is None and groups < FEW_GROUPS:
        shares = " and ".join(
            f"{r['share']:.0%} for {r['parameter']}" for r in sensitivity.to_dict("records")
        )
        said = f" By power-scaling, the prior's share in it is {shares}." if shares else ""
        notes.append(
            f"{groups} groups say little about how much groups differ: the sd between groups, and "
            f"with it the population mean and a new group, are led by their priors.{said} The "
            "values of the groups themselves and their differences are less affected; try another "
            f'prior, priors={{"{pooled_sd(pooling.parameters[0])}": "half_normal(...)"}}.'
        )
    if pooling.by is not None and fit.prepared.predictor is not None:
        centre = fit.prepared.predictor.mean()
        notes.append(
            f"The population mean is that of groups whose {pooling.by} is {centre:.3g}, the "
            "average over the groups; the sd between groups is what it leaves unexplained."
        )
    if fit.prepared.zero_mean:
        notes.append(
            f"{', '.join(fit.prepared.zero_mean)}: the mean over the population of groups is 0; "
            "where the latent variable is, the indicators' intercepts say."
        )
    scales = [name for name in pooling.parameters if is_scale(fit, name)]
    if scales:
        notes.append(
            f"Variances ({', '.join(scales)}) are pooled on the log scale of their standard "
            "deviations: the population mean is the variance of a typical group, and a standard "
            "deviation between groups of .1 means that groups' standard deviations differ by about "
            "10 %."
        )
    notes.append(
        "Sampled between the non-centred and the centred form, chosen for each group and every "
        "sd between groups by what the group's data say."
    )
    return tuple(notes)
