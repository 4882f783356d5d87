"""Thresholds of ordered variables that belong together, and what models with them cannot do yet."""

from __future__ import annotations

from dataclasses import dataclass

from bayessem.errors import NotSupported
from bayessem.model.structure import Structure
from bayessem.syntax.parameters import ParameterTable

# What answers, with ordered answers, what others ask.
WITHOUT_CHI_SQUARE = (
    "its saturated model is no normal one. sem.ml(data) has the log-likelihood and information "
    "criteria, and bs.compare compares fits by leave-one-out cross-validation"
)
WITHOUT_NEARLY_EQUAL = (
    "leave approximate= out: sem.invariance(data, group=...) tests equal loadings and thresholds, "
    "and names what to free"
)
WITHOUT_MODIFICATION = (
    "it is there for normal and ordered variables. Add the cross-loading or the construct that two "
    "items share to the model, and compare both fits with bs.compare"
)
WITHOUT_FAMILY_LADDER = (
    "fit SEM(..., group_equal=...) and SEM(...) by sem.ml(data, group=...), whose log-likelihoods "
    "may be compared, or by sem.fit and bs.compare"
)
WITHOUT_PIT = (
    "it is there for normal and ordered variables. fit.loo() predicts respondents, and "
    "fit.response_check(y) compares counts, durations and shares with what the model draws"
)


@dataclass(frozen=True)
class ThresholdSet:
    """All thresholds of one ordered variable in one group.

    Attributes
    ----------
    variable : str
        The ordered variable.
    group : int
        The first group that has these thresholds.
    names : tuple of str
        The free parameters, in order; () where some are fixed, or shared with others.
    """

    variable: str
    group: int
    names: tuple[str, ...]


def threshold_sets(structure: Structure) -> tuple[ThresholdSet, ...]:
    """The different sets of thresholds of a model, group by group.

    A set is whole, with names, when all its thresholds are free and no other set has some of them:
    those sets have a joint prior.
    """
    table = structure.table
    found: list[tuple[str, int, tuple[str | None, ...]]] = []
    for g in range(len(table.groups)):
        own: dict[int, str | None] = {}
        for k, place in structure.places.items():
            if place.matrix == "thresholds" and place.group == g:
                free = table.rows[k].free
                own[place.i] = table.parameters[free] if free >= 0 else None
        for name, at in structure.threshold_at.items():
            count = table.responses.thresholds[name]
            found.append((name, g, tuple(own[at + c] for c in range(count))))
    distinct = {names for _, _, names in found}
    out: dict[tuple[str | None, ...], ThresholdSet] = {}
    for k, (variable, g, names) in enumerate(found):
        whole = all(n is not None for n in names) and len(set(names)) == len(names)
        shared = any(set(names) & set(other) for other in distinct if other != names)
        key = names if whole and not shared else (*names, f"#{k}")
        kept = tuple(n for n in names if n is not None) if whole and not shared else ()
        out.setdefault(key, ThresholdSet(variable, g, kept))
    return tuple(out.values())


def refuse_tails(table: ParameterTable, what: str) -> None:
    """Refuse what is not there for models with heavy tails (`NotSupported`, naming it)."""
    if table.heavy_tailed:
        raise NotSupported(
            f"{what} is not there for models with heavy tails (family='student'); leave family= "
            "out to ask the normal model, and compare both fits with bs.compare"
        )


def refuse_answers(
    table: ParameterTable,
    what: str,
    instead: str = "",
    *,
    tails: bool = True,
    ordered: bool = True,
) -> None:
    """Refuse what is not there for models with ordered answers, or with heavy tails.

    Parameters
    ----------
    table : ParameterTable
        The model.
    what : str
        What was asked for, as the beginning of a sentence.
    instead : str
        What answers the question in its place, as the end of one; by default treating the answers
        as numbers.
    tails : bool
        Whether models with heavy tails are refused, too.
    ordered : bool
        Whether models are refused in which all answers that are not normal are ordered.

    Raises
    ------
    NotSupported
        Naming it, for a model with variables that are not normal.
    """
    if tails:
        refuse_tails(table, what)
    if table.responses.others or (ordered and table.answered):
        named = table.answered
        raise NotSupported(
            f"{what} is not there for models with {table.answers_said} "
            f"({', '.join(named[:3])}{', ...' if len(named) > 3 else ''}); "
            + (instead or f"leave {table.declared} out to treat the answers as numbers")
        )
