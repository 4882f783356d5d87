"""Partial pooling of parameters across groups, as one more way to fill the matrices.

beta_g = mu + delta w_g + tau z_g with z_g standard normal: mu the mean of the population of groups,
delta the slope on a group-level predictor w (centred over the groups), tau the standard deviation
between groups. Variances are pooled as standard deviations on the log scale,
sd_g = m exp(delta w_g + tau z_g), m that of a typical group: the groups' standard deviations differ
by about 100 tau percent.

The mean of a latent variable, or its intercept, is 0 in a model of equal groups, since the
indicators' intercepts say where it is. Pooled, "RAD ~ 1" varies between groups about that 0: a
random intercept, with mu = 0.

With `correlated`, the deviations of later parameters contain those of earlier ones,
beta_kg = mu_k + delta_k w_g + tau_k (z_kg + sum_j c_kj z_jg) / sqrt(1 + |c_k|^2): tau_k is the
standard deviation between groups, and (c_k, 1) / sqrt(1 + |c_k|^2) are the rows of the Cholesky
factor of the correlation matrix. The correlation matrix of K parameters is LKJ(eta) when the c_k
(k = 2 .. K) are independent and multivariate t with K - k + 2 eta degrees of freedom and scale
I / df: the density of row k of the factor is prop. to its last element to the power
K - k + 2 eta - 2 (Lewandowski, Kurowicka & Joe 2009, doi:10.1016/j.jmva.2009.04.008), and c_k is
that row over its last element.

The parameters stay rows of the table, one a group; what is sampled are mu, delta, tau, c and z, so
that every effect, shape or index of a group is computed as in any multi-group model.

Gelman & Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from bayessem.errors import ModelError, PriorError
from bayessem.model.cells import Factor, Term
from bayessem.model.pooling import (
    Pooled,
    Pooling,
    link_name,
    pooled_parameters,
    pooled_sd,
    slope_name,
)
from bayessem.model.priors import KINDS, LEVEL_WIDTH, Prior, parse_prior
from bayessem.model.space import Coordinate, PriorRow, Scaled, Space
from bayessem.model.structure import Structure

SCALES = ("residual_sd", "disturbance_sd")
POOLABLE = ("loading", "path", "product", "intercept", "mean", *SCALES)
# Of the correlation matrix of the groups' deviations: LKJ.
ETA = 2.0
# Widths of the priors of a standardised parameter: for the logs of standard deviations, too.
LOG_WIDTH = 1.0


def pool_space(
    space: Space,
    structure: Structure,
    pooling: Pooling,
    *,
    predictor: np.ndarray | None,
    priors: Mapping[str, str | Prior] | None = None,
    zero_mean: Sequence[str] = (),
) -> Space:
    """Replace the groups' own parameters by mu, delta, tau and z.

    Parameters
    ----------
    space : Space
        With one coordinate a group for each pooled parameter.
    structure : Structure
        The model.
    pooling : Pooling
        Partial pooling.
    predictor : ndarray (group,), optional
        Group-level predictor; centred over the groups here.
    priors : mapping, optional
        The user's priors: "RAD~AMC" is that of mu (of the standard deviation m for "RAD~~RAD"),
        "RAD~AMC|by" of delta, "sd(RAD~AMC)" of tau, "c(RAD~1,RAD~AMC)" of a coefficient of
        correlated deviations, whose row then has independent priors.
    zero_mean : sequence of str
        Pooled parameters whose mean over the population of groups is 0.
    """
    given = dict(priors or {})
    weights = None if predictor is None else predictor - predictor.mean()
    pooled = pooled_parameters(structure, pooling)
    old = {c.name: c for c in space.coordinates}
    dropped = {m for p in pooled for m in p.members}
    coordinates = [c for c in space.coordinates if c.name not in dropped]
    cell_of: dict[str, tuple[Term, ...]] = {}  # of members that are not variances
    sd_of: dict[str, Scaled] = {}  # of those that are
    given_sds: list[Scaled] = []
    rows: list[PriorRow] = []
    for k, p in enumerate(pooled):
        first = old[p.members[0]]
        _check_poolable(p.name, first, has_prior=p.name in given, zero_mean=p.name in zero_mean)
        links, joint = _links(pooled, k, given) if pooling.correlated else ([], False)
        if joint:
            rows.append(PriorRow(tuple(c.name for c in links), _row_df(pooled, k)))
        tau: Factor = pooled_sd(p.name) if pooling.sd is None else pooling.sd
        if links:
            own = Scaled(f"{tau} given the earlier", str(tau), row=tuple(c.name for c in links))
            given_sds.append(own)
            tau = own.name
        population = _population(p.name, first, pooling, weights, given)
        coordinates += population[p.name in zero_mean :] + links
        coordinates += [
            Coordinate(m, "pool_z", Prior("normal", mu=0, sigma=1), -np.inf, np.inf)
            for m in p.members
        ]
        for g, member in enumerate(p.members):
            deviation: list[Term] = [(tau, member, 1.0)]
            deviation += [(tau, c.name, o.members[g]) for c, o in zip(links, pooled, strict=False)]
            if weights is not None:
                deviation.append((slope_name(p.name, pooling), float(weights[g]), 1.0))
            if first.kind in SCALES:
                sd_of[member] = Scaled(f"sd of {member}", p.name, tuple(deviation))
            else:
                mean: tuple[Term, ...] = ((p.name, 1.0, 1.0),) if p.name not in zero_mean else ()
                cell_of[member] = (*mean, *deviation)
    order = {kind: i for i, kind in enumerate(KINDS)}
    coordinates.sort(key=lambda c: order[c.kind])  # stable: blocks of correlations stay together
    return dataclasses.replace(
        space,
        coordinates=tuple(coordinates),
        cells=_cells(space.cells, cell_of, {m: s.name for m, s in sd_of.items()}),
        scaled=(*given_sds, *sd_of.values()),
        rows=tuple(rows),
    )


def _cells(
    cells: Sequence[tuple[Term, ...]],
    cell_of: Mapping[str, tuple[Term, ...]],
    name_of: Mapping[str, str],
) -> tuple[tuple[Term, ...], ...]:
    """The cells with those of pooled members in place, and other names for their sds."""
    own: dict[tuple[Term, ...], tuple[Term, ...]] = {
        ((member, 1.0, 1.0),): cell for member, cell in cell_of.items()
    }

    def renamed(term: Term) -> Term:
        a, b, c = (name_of.get(f, f) if isinstance(f, str) else f for f in term)
        return a, b, c

    return tuple(own.get(cell) or tuple(renamed(t) for t in cell) for cell in cells)


def _check_poolable(name: str, member: Coordinate, *, has_prior: bool, zero_mean: bool) -> None:
    """Refuse kinds that cannot be pooled, and a prior of a mean that is 0."""
    if member.kind not in POOLABLE:
        raise ModelError(
            f"pooling: {name} is of the kind {member.kind!r}; loadings, paths, products, "
            "intercepts, means and variances can be pooled"
        )
    if zero_mean and has_prior:
        raise PriorError(
            f"{name} varies between groups about 0, so its mean has no prior; that of the standard "
            f"deviation between groups is priors={{{pooled_sd(name)!r}: ...}}"
        )


def _population(
    name: str,
    member: Coordinate,
    pooling: Pooling,
    weights: np.ndarray | None,
    given: Mapping[str, str | Prior],
) -> list[Coordinate]:
    """Mean, sd between groups and slope of a pooled parameter, from one group's own."""
    scale = member.kind in SCALES
    width = LOG_WIDTH if scale else member.prior.named.get("sigma", 1.0)
    if member.kind in ("intercept", "mean"):  # groups differ by less than a mean may be off 0
        width /= LEVEL_WIDTH
    sd, slope = pooled_sd(name), slope_name(name, pooling)
    prior = parse_prior(given[name], where=name) if name in given else member.prior
    lower, upper = prior.support
    out = [Coordinate(name, "pool_mean", prior, max(lower, 0.0) if scale else lower, upper)]
    spread = parse_prior(given.get(sd, f"half_normal({0.5 * width!r})"), where=sd)
    if spread.support[0] < 0:
        raise PriorError(f"{sd}: {spread} is not a prior of a positive number; half_normal is")
    if pooling.sd is None:
        out.append(Coordinate(sd, "pool_sd", spread, *spread.support))
    if weights is not None:
        text = f"normal(0, {width / float(weights.std())!r})"
        prior = parse_prior(given.get(slope, text), where=slope)
        out.append(Coordinate(slope, "pool_slope", prior, *prior.support))
    return out


def _links(
    pooled: Sequence[Pooled], k: int, given: Mapping[str, str | Prior]
) -> tuple[list[Coordinate], bool]:
    """Coefficients of earlier deviations in those of parameter k, and if their prior is joint."""
    names = [link_name(pooled[k].name, other.name) for other in pooled[:k]]
    if names and not any(name in given for name in names):
        prior = Prior("lkj", eta=ETA)
        return [Coordinate(n, "pool_link", prior, -np.inf, np.inf) for n in names], True
    nu = _row_df(pooled, k)
    alone = f"student_t({nu!r}, 0, {nu**-0.5!r})"
    priors = [parse_prior(given.get(name, alone), where=name) for name in names]
    return [
        Coordinate(name, "pool_link", prior, *prior.support)
        for name, prior in zip(names, priors, strict=True)
    ], False


def _row_df(pooled: Sequence[Pooled], k: int) -> float:
    """Degrees of freedom of the multivariate t prior of row k (counted from 0)."""
    return len(pooled) - (k + 1) + 2 * ETA
