"""Random slopes: paths at level 1 whose coefficient is a variable of the clusters, lavaan's `rv()`.

`y ~ rv("s")*x` below `level: 1` makes s a variable of level 2, which has a mean, a variance, causes
and covariances as a construct has: `s ~ z` is a cross-level moderation.

Rockwood, N. J. (2020). Maximum likelihood estimation of multilevel structural equation models with
random slopes for latent covariates. Psychometrika, 85(2), 275-300. doi:10.1007/s11336-020-09702-9
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bayessem.errors import ModelError, NotSupported
from bayessem.syntax.roles import Roles
from bayessem.syntax.statements import Statement

_NAME = re.compile(r"(?:[^\W\d]|\.)[\w.]*\Z")
# Modifiers that say something of a coefficient that is one number.
_OF_ONE_NUMBER = {
    "fixed": "a fixed value",
    "label": "a label",
    "start": "a start value",
    "equal": "an equality",
    "prior": "a prior",
    "lower": "a bound",
    "upper": "a bound",
}


def slope_of(statement: Statement) -> str:
    """Name of a statement's random slope, "" for a coefficient that is one number."""
    given = [m for m in statement.modifiers if m.kind == "rv"]
    return str(given[0].values[0]) if given else ""


def slope_names(statements: Sequence[Statement]) -> tuple[str, ...]:
    """The random slopes of a model, in order of appearance."""
    return tuple(dict.fromkeys(filter(None, map(slope_of, statements))))


def check_slope_statements(statements: Sequence[Statement]) -> None:
    """Refuse random slopes where there can be none.

    Raises
    ------
    ModelError
        For one outside level 1, of anything but a path, without a name, with two, or with modifiers
        that are about a number.
    """
    for statement in statements:
        given = [m for m in statement.modifiers if m.kind == "rv"]
        if not given:
            continue
        where, names = statement.where, sorted({str(v) for m in given for v in m.values})
        if len(names) > 1:
            raise ModelError(
                f"{where} has {len(names)} random slopes ({', '.join(names)}); one name is the "
                "slope of all groups"
            )
        name = names[0]
        if not _NAME.match(name):
            raise ModelError(
                f"{where}: {name!r} cannot name a random slope; it is a variable of level 2 and "
                'needs a name such as rv("s")'
            )
        if statement.op != "~":
            raise ModelError(f"{where}: only paths have random slopes, as in y ~ rv({name!r})*x")
        if statement.level != 1:
            raise ModelError(
                f"{where}: random slopes differ between clusters, so they belong to a two-level "
                f"model: y ~ rv({name!r})*x below 'level: 1', and what explains them ({name} ~ z) "
                "below 'level: 2'"
            )
        other = next((m for m in statement.modifiers if m.kind in _OF_ONE_NUMBER), None)
        if other is not None:
            raise ModelError(
                f"{where} has a random slope and {_OF_ONE_NUMBER[other.kind]}, which is about one "
                f"number; give it to the mean of the slope, below 'level: 2': {name} ~ a*1"
            )


def check_slopes(inner: Sequence[Statement], outer: Sequence[Statement], roles: Roles) -> None:
    """Refuse random slopes of which the likelihood has no closed form, and names used twice.

    Parameters
    ----------
    inner, outer : sequence of Statement
        Of level 1 and of level 2.
    roles : Roles
        Of level 1.

    Raises
    ------
    ModelError
        For a slope with the name of another variable.
    NotSupported
        For a predictor that its outcome explains in turn, and for several slopes of predictors that
        are not observed.
    """
    at_two = {name for s in outer for name in (s.lhs, s.rhs)}
    hidden: list[str] = []
    own = {*roles.observed, *roles.latent}
    for statement in inner:
        name, x = slope_of(statement), statement.rhs
        if not name:
            continue
        if name in own or any(s.op == "=~" and s.lhs == name for s in outer):
            raise ModelError(
                f"{statement.where}: the random slope {name!r} has the name of another variable; "
                "a slope is measured by nothing else"
            )
        if (x in roles.latent or x in at_two) and name not in hidden:
            hidden.append(name)
        if len(hidden) > 1:
            raise NotSupported(
                f"{statement.where}: {' and '.join(hidden)} are slopes of predictors that are not "
                "observed (constructs, or within parts of variables at both levels); one of them "
                "can be integrated out, several would take thousands of nodes a cluster: give "
                "several paths one slope, or let one predictor be a column of the data less its "
                "cluster mean, at level 1 alone"
            )
        if x in _explained_by(inner, statement.lhs):
            raise NotSupported(
                f"{statement.where}: {statement.lhs!r} explains {x!r} in turn; random slopes are "
                "there for models without such circles"
            )


def _explained_by(statements: Sequence[Statement], name: str) -> set[str]:
    """What a variable explains, directly or not."""
    arrows: dict[str, set[str]] = {}
    for s in statements:
        if s.op in ("~", "=~"):
            cause, effect = (s.rhs, s.lhs) if s.op == "~" else (s.lhs, s.rhs)
            arrows.setdefault(cause, set()).add(effect)
    found: set[str] = set()
    todo = [name]
    while todo:
        new = arrows.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found
