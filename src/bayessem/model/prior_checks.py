"""Priors that a user gives: whether they are priors, and of parameters that the model has."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bayessem.arguments import shown
from bayessem.errors import PriorError
from bayessem.model.priors import KINDS, Prior
from bayessem.syntax.parameters import ParameterTable


def check_priors(priors: object) -> None:
    """Refuse priors that are no mapping of names to priors."""
    if priors is None:
        return
    if not isinstance(priors, Mapping):
        raise PriorError(
            "priors go by name: priors={'path': 'normal(0, 0.5)', 'y~x': 'normal(0.3, 0.1)'}, "
            f"not {priors!r}"
        )
    for key, prior in priors.items():
        if not isinstance(prior, str | Prior):
            raise PriorError(
                f"priors: {key!r} has {shown(prior)}; a prior is a text such as 'normal(0, 0.5)', "
                "or bs.Prior('normal', mu=0, sigma=0.5)"
            )


def check_used(
    priors: Mapping[str, str | Prior] | None, table: ParameterTable, kinds: Collection[str]
) -> None:
    """Refuse priors that would be ignored: of kinds that are not there, and given twice."""
    given = priors or {}
    absent = [k for k in given if k in KINDS and k not in kinds]
    if absent:
        there = ", ".join(k for k in KINDS if k in kinds)
        pooled = (
            "; those of pooled parameters go by name: 'sd(y~x)'"
            if absent[0].startswith("pool_")
            else ""
        )
        raise PriorError(
            f"priors: the model has no parameter of the kind {absent[0]!r}; its kinds: {there}"
            f"{pooled}"
        )
    first: dict[str, str] = {}
    for row in table.rows:
        if row.free >= 0:
            own = [k for k in (table.parameters[row.free], row.label, row.name) if k in given]
            keys = [*(["the model's text"] if row.prior else []), *dict.fromkeys(own)]
            for key in keys[1:]:
                first.setdefault(key, keys[0])
            for key in keys[:1]:
                first[key] = key
    for key, other in first.items():
        if key != other:
            where = other if other == "the model's text" else repr(other)
            raise PriorError(
                f"priors: {key!r} has a prior by {where} already, the same parameter; keep one"
            )


def priors_that_apply(
    priors: Mapping[str, str | Prior], kinds: Collection[str]
) -> dict[str, str | Prior]:
    """Of one set of priors for several models, those that are not of a kind that a model lacks.

    Parameters
    ----------
    priors : mapping
        Prior by parameter name, label or kind.
    kinds : collection of str
        The model's kinds of parameters, `Prepared.kinds`.
    """
    return {k: v for k, v in priors.items() if k not in KINDS or k in kinds}


def by_name(
    priors: Mapping[str, str | Prior] | None, table: ParameterTable
) -> dict[str, str | Prior] | None:
    """The user's priors with names as the table writes them: "y ~ x" is "y~x"."""
    if priors is None:
        return None
    known = {"".join(x.split()): x for x in (*table.parameters, *(r.name for r in table.rows))}
    out: dict[str, str | Prior] = {}
    for key, prior in priors.items():
        name = known.get("".join(str(key).split()), str(key))
        if name in out:
            raise PriorError(f"priors: {name!r} is given twice")
        out[name] = prior
    return out
