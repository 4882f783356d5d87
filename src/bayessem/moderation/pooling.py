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
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayessem.errors import ModelError, PriorError
from bayessem.model.priors import KINDS, LEVEL_WIDTH, Prior, parse_prior
from bayessem.model.space import Coordinate, Factor, PriorRow, Scaled, Space, Term
from bayessem.model.structure import Structure
from bayessem.syntax.rows import GROUP_EQUAL, row_key, row_name_key
from bayessem.syntax.statements import Statement, parse
from bayessem.syntax.table import ParameterTable

if TYPE_CHECKING:
    import pandas as pd

SCALES = ("residual_sd", "disturbance_sd")
POOLABLE = ("loading", "path", "product", "intercept", "mean", *SCALES)
# All that pooling does not release is equal across groups, unless group_equal says otherwise.
EVERYTHING = tuple(GROUP_EQUAL)
# Of the correlation matrix of the groups' deviations: LKJ.
ETA = 2.0
# Widths of the priors of a standardised parameter: for the logs of standard deviations, too.
LOG_WIDTH = 1.0


@dataclass(frozen=True)
class Pooling:
    """Which parameters differ between groups, and how.

    Attributes
    ----------
    how : {"partial", "none", "complete"}
        Drawn from a common distribution, free in each group, or equal.
    parameters : tuple of str
        Names such as "RAD~AMC", "RAD~AMC:AMC", "RAD~1", "f=~x2" or "RAD~~RAD".
    by : str or None
        Column of a group-level predictor (partial pooling only).
    sd : float or None
        Standard deviation between groups where it is fixed, not estimated.
    correlated : bool
        Whether the groups' deviations of the parameters are correlated.
    """

    how: str
    parameters: tuple[str, ...]
    by: str | None = None
    sd: float | None = None
    correlated: bool = False

    def __str__(self) -> str:
        more = f", by {self.by}" if self.by else ""
        more += f", sd {self.sd:g}" if self.sd is not None else ""
        more += ", correlated" if self.correlated else ""
        return f"{self.how} pooling of {', '.join(self.parameters) or 'everything'}{more}"


def _names(parameters: Sequence[str]) -> tuple[str, ...]:
    if not parameters:
        raise ModelError('say what to pool, for example partial("RAD ~ AMC", "INC ~ AMC")')
    out = []
    for text in parameters:
        key = row_name_key(text)
        if key is None:
            raise ModelError(
                f"pooling does not understand {text!r}; write 'y ~ x', 'y ~ x:z', 'y ~ 1', "
                "'f =~ x2' or 'y ~~ y'"
            )
        out.append("".join(text.split()))
    return tuple(dict.fromkeys(out))


def pooled_sd(name: str) -> str:
    """Name of the standard deviation between groups of a pooled parameter."""
    return f"sd({name})"


def slope_name(name: str, pooling: Pooling) -> str:
    """Name of the slope of a pooled parameter on the group-level predictor."""
    return f"{name}|{pooling.by}"


def link_name(name: str, other: str) -> str:
    """Name of the coefficient of one pooled parameter's z in the deviations of a later one."""
    return f"c({name},{other})"


def partial(
    *parameters: str, by: str | None = None, sd: float | None = None, correlated: bool = False
) -> Pooling:
    """Partial pooling: each group's value is drawn from a common normal distribution.

    Parameters
    ----------
    *parameters : str
        "RAD ~ AMC", "RAD ~ AMC:AMC", "RAD ~ 1" (of a latent variable: a random intercept with mean
        0), "f =~ x2", "RAD ~~ RAD" (on the log scale of its standard deviation).
    by : str, optional
        Column of the data that predicts the groups' values; its mean in each group is used.
    sd : float, optional
        Fix the standard deviation between groups, as for approximate invariance: loadings that
        differ by about sd (Muthen & Asparouhov 2013); by default it is estimated.
    correlated : bool
        Let the groups' deviations of the parameters correlate, with an LKJ(2) prior of their
        correlation matrix.
    """
    if sd is not None and not 0 < sd < np.inf:
        raise ModelError(f"sd between groups has to be positive, not {sd!r}")
    names = _names(parameters)
    if correlated and (len(names) < 2 or sd is not None):
        raise ModelError("correlated=True needs two or more parameters, and no fixed sd")
    return Pooling("partial", names, by, sd, correlated)


def no_pooling(*parameters: str) -> Pooling:
    """No pooling: the parameters are free in each group."""
    return Pooling("none", _names(parameters))


def complete_pooling() -> Pooling:
    """Complete pooling: one value for all groups."""
    return Pooling("complete", ())


def table_options(pooling: Pooling, options: Mapping[str, object]) -> dict[str, object]:
    """Table options (`build_table`) of a model with pooling: equal but for what is pooled."""
    out = dict(options)
    if not out.get("group_equal"):
        out["group_equal"] = EVERYTHING
    given = out.get("group_partial") or ()
    given = (given,) if isinstance(given, str) else tuple(given)  # type: ignore[arg-type]
    out["group_partial"] = (*given, *pooling.parameters)
    return out


def with_free_means(
    statements: Sequence[Statement], plain: ParameterTable, pooling: Pooling, *, groups: int
) -> tuple[tuple[Statement, ...], tuple[str, ...]]:
    """Free the means of latent variables that differ by group; the names of those pooled about 0.

    Without pooling, the mean is 0 in the first group.

    Parameters
    ----------
    statements : sequence of Statement
        The model.
    plain : ParameterTable
        Of one group, without pooling.
    pooling : Pooling
        What differs by group.
    groups : int
        How many groups there are.
    """
    fixed = {
        row_key(r.lhs, r.op, r.rhs): r.lhs
        for r in plain.rows
        if r.op == "~1" and r.lhs in plain.latent and r.free < 0 and not r.user
    }
    found = {p: fixed[key] for p in pooling.parameters if (key := row_name_key(p)) in fixed}
    if not found:
        return tuple(statements), ()
    none = pooling.how == "none"
    free = f"c(0{', NA' * (groups - 1)})" if none and groups > 1 else "NA"
    added = parse("\n".join(f"{name} ~ {free}*1" for name in found.values()))
    return (*statements, *added), () if none else tuple(found)


def group_predictor(
    data: pd.DataFrame, column: str, *, group: str, groups: Sequence[str]
) -> np.ndarray:
    """Mean of a column in each group, (group,).

    Raises
    ------
    ModelError
        When the column is absent, or the same in every group.
    """
    if column not in data.columns:
        raise ModelError(
            f"by={column!r} is not a column of the data; columns: "
            f"{', '.join(map(str, data.columns[:40]))}"
        )
    means = data[column].astype(float).groupby(data[group].astype(str)).mean()
    values = means.reindex(list(groups)).to_numpy()
    if not np.isfinite(values).all() or np.ptp(values) == 0:
        raise ModelError(f"by={column!r} does not differ between the groups: it predicts nothing")
    return values


@dataclass(frozen=True)
class Pooled:
    """One pooled parameter.

    Attributes
    ----------
    name : str
        Without the group, such as "RAD~AMC".
    members : tuple of str
        The parameter's name in each group.
    """

    name: str
    members: tuple[str, ...]


def pooled_parameters(structure: Structure, pooling: Pooling) -> tuple[Pooled, ...]:
    """The pooled parameters with their members by group.

    Raises
    ------
    ModelError
        When a name is no free parameter that differs by group.
    """
    table = structure.table
    out = []
    for name in pooling.parameters:
        key = row_name_key(name)
        assert key is not None
        rows = [
            (k, r)
            for k, r in enumerate(table.rows)
            if r.group >= 0 and row_key(r.lhs, r.op, r.rhs) == key
        ]
        if not rows:
            paths = sorted({r.name for r in table.rows if r.op == "~" and r.free >= 0})
            raise ModelError(f"pooling: {name} is not in the model; its paths: {', '.join(paths)}")
        free = [r.free for _, r in rows]
        if min(free) < 0:
            raise ModelError(f"pooling: {name} is fixed, there is nothing to pool")
        if len(set(free)) < len(table.groups):
            raise ModelError(
                f"pooling: {name} is equal across groups by its label; take the label away"
            )
        out.append(Pooled(name, tuple(table.parameters[i] for i in free)))
    return tuple(out)


def split_priors(
    pooling: Pooling, priors: Mapping[str, str | Prior] | None
) -> tuple[dict[str, str | Prior], dict[str, str | Prior]]:
    """The user's priors of mu, delta and tau, and all others."""
    names = {key for p in pooling.parameters for key in (p, pooled_sd(p), slope_name(p, pooling))}
    names |= {link_name(a, b) for a in pooling.parameters for b in pooling.parameters}
    own = {k: v for k, v in (priors or {}).items() if "".join(k.split()) in names}
    rest = {k: v for k, v in (priors or {}).items() if k not in own}
    return {"".join(k.split()): v for k, v in own.items()}, rest


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
    predictor = None if predictor is None else predictor - predictor.mean()
    pooled = pooled_parameters(structure, pooling)
    old = {c.name: c for c in space.coordinates}
    dropped = {m for p in pooled for m in p.members}
    coordinates = [c for c in space.coordinates if c.name not in dropped]
    replaced: dict[Term, tuple[Term, ...]] = {}
    scaled: list[Scaled] = []
    given_sds: list[Scaled] = []
    rows: list[PriorRow] = []
    for k, p in enumerate(pooled):
        first = old[p.members[0]]
        if first.kind not in POOLABLE:
            raise ModelError(
                f"pooling: {p.name} is a {first.kind}; loadings, paths, products, intercepts, "
                "means and variances can be pooled"
            )
        if p.name in zero_mean and p.name in given:
            raise PriorError(
                f"{p.name} varies between groups about 0, so its mean has no prior; that of the "
                f"standard deviation between groups is priors={{{pooled_sd(p.name)!r}: ...}}"
            )
        links, row = _links(pooled, k, given) if pooling.correlated else ([], None)
        rows += [row] if row is not None else []
        if links:
            own = pooled_sd(p.name)
            given_sds.append(
                Scaled(f"{own} given the earlier", own, row=tuple(c.name for c in links))
            )
        population = _population(p.name, first, pooling, predictor, given)
        coordinates += population[p.name in zero_mean :] + links
        coordinates += [
            Coordinate(m, "pool_z", Prior("normal", mu=0, sigma=1), -np.inf, np.inf)
            for m in p.members
        ]
        for g, member in enumerate(p.members):
            tau: Factor = pooled_sd(p.name) if pooling.sd is None else pooling.sd
            tau = f"{tau} given the earlier" if links else tau
            deviation: list[Term] = [(tau, member, 1.0)]
            deviation += [(tau, c.name, o.members[g]) for c, o in zip(links, pooled, strict=False)]
            if predictor is not None:
                deviation.append((slope_name(p.name, pooling), float(predictor[g]), 1.0))
            if first.kind in SCALES:
                scaled.append(Scaled(_scaled_name(member), p.name, tuple(deviation)))
            else:
                mean: tuple[Term, ...] = ((p.name, 1.0, 1.0),) if p.name not in zero_mean else ()
                replaced[(member, 1.0, 1.0)] = (*mean, *deviation)
    sds = {
        m: _scaled_name(m) for p in pooled if old[p.members[0]].kind in SCALES for m in p.members
    }

    def renamed(term: Term) -> Term:
        a, b, c = (sds.get(f, f) if isinstance(f, str) else f for f in term)
        return a, b, c

    cells = tuple(
        replaced[cell[0]] if cell[0] in replaced else tuple(renamed(t) for t in cell)
        for cell in space.cells
    )
    order = {kind: i for i, kind in enumerate(KINDS)}
    coordinates.sort(key=lambda c: order[c.kind])  # stable: blocks of correlations stay together
    return dataclasses.replace(
        space,
        coordinates=tuple(coordinates),
        cells=cells,
        scaled=(*given_sds, *scaled),
        rows=tuple(rows),
    )


def _scaled_name(member: str) -> str:
    """Name of the standard deviation that a variance's z stands for."""
    return f"sd of {member}"


def _population(
    name: str,
    member: Coordinate,
    pooling: Pooling,
    predictor: np.ndarray | None,
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
    if predictor is not None:
        text = f"normal(0, {width / float(predictor.std())!r})"
        prior = parse_prior(given.get(slope, text), where=slope)
        out.append(Coordinate(slope, "pool_slope", prior, *prior.support))
    return out


def _links(
    pooled: tuple[Pooled, ...], k: int, given: Mapping[str, str | Prior]
) -> tuple[list[Coordinate], PriorRow | None]:
    """Coefficients of the earlier deviations in those of parameter k, and their joint prior."""
    names = [link_name(pooled[k].name, other.name) for other in pooled[:k]]
    if not names:
        return [], None
    nu = len(pooled) - (k + 1) + 2 * ETA
    if not any(name in given for name in names):
        joint = [Coordinate(n, "pool_link", Prior("lkj", eta=ETA), -np.inf, np.inf) for n in names]
        return joint, PriorRow(tuple(names), nu)
    alone = f"student_t({nu!r}, 0, {nu**-0.5!r})"
    priors = [parse_prior(given.get(name, alone), where=name) for name in names]
    return [
        Coordinate(name, "pool_link", prior, *prior.support)
        for name, prior in zip(names, priors, strict=True)
    ], None
