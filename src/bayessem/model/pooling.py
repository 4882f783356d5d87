"""Which parameters differ between groups, and how they are pooled.

beta_g = mu + delta w_g + tau z_g: mu the mean of the population of groups, delta the slope on a
group-level predictor w, tau the standard deviation between groups (`moderation/pooled_space.py`).

Gelman & Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical Models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayessem.arguments import check_shared, flag, real_number, shown
from bayessem.errors import ModelError
from bayessem.model.columns import number_column
from bayessem.model.priors import Prior
from bayessem.model.structure import Structure
from bayessem.syntax.parameters import ParameterTable
from bayessem.syntax.rows import GROUP_EQUAL, row_key, row_name_key
from bayessem.syntax.statements import Statement, parse

if TYPE_CHECKING:
    import pandas as pd

# All that pooling does not release is equal across groups, unless group_equal says otherwise.
EVERYTHING = tuple(GROUP_EQUAL)


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


@check_shared
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
    if sd is not None:
        sd = real_number("sd between groups", sd, ModelError)
        if sd <= 0:
            raise ModelError(f"sd between groups has to be positive, not {sd!r}")
    correlated = flag("correlated", correlated, ModelError)
    if by is not None and not isinstance(by, str):
        raise ModelError(f"by is the name of one column, not {shown(by)}")
    names = _names(parameters)
    if correlated and (len(names) < 2 or sd is not None):
        raise ModelError("correlated=True needs two or more parameters, and no fixed sd")
    return Pooling("partial", names, by, sd, correlated)


@check_shared
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
        When the column is the same in every group, or empty in one.
    DataError
        When it is absent or holds no numbers.
    """
    import pandas as pd

    numbers = pd.Series(number_column(data, column, "by"), index=data.index)
    means = numbers.groupby(data[group].astype(str)).mean()
    values = means.reindex(list(groups)).to_numpy()
    unknown = [g for g, value in zip(groups, values, strict=True) if not np.isfinite(value)]
    if unknown:
        raise ModelError(
            f"by={column!r} has no finite value in group {unknown[0]!r}; every group needs one"
        )
    if np.ptp(values) == 0:
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
