"""Mediation: what part of an effect runs through other variables, and of which type it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayessem.algebra.polynomial import Polynomial, degree, replace_by_moments, value_at
from bayessem.arguments import check_shared
from bayessem.effects.baron_kenny import groups_or_none, overall, steps
from bayessem.effects.effects import (
    POINTS,
    EffectRow,
    Effects,
    effect_groups,
    effect_notes,
    effect_rows,
    table_of,
)
from bayessem.effects.mediation_result import TYPES, Mediation
from bayessem.effects.path_effects import (
    distribution_moments,
    path_effects,
    pooled_scale,
)
from bayessem.effects.pathways import directed_paths, mediators, moderators, position
from bayessem.errors import ModelError
from bayessem.results.estimates import summarise, tail_probability
from bayessem.results.fitted import Fitted
from bayessem.results.units import units_of

ROPE = 0.1
# A proportion mediated is reported where direct and indirect effect agree in sign this surely.
SIGNS_AGREE = 0.9


def type_probabilities(
    direct: np.ndarray, indirect: np.ndarray, *, rope: float = ROPE, rope_indirect: float = ROPE**2
) -> dict[str, float]:
    """Posterior probability of each type of mediation; they sum to 1.

    The typology of Zhao, Lynch & Chen (2010, doi:10.1086/651257), with regions of practical
    equivalence in place of significance tests: an effect within its region counts as none.

    Parameters
    ----------
    direct, indirect : ndarray (...)
        Draws of the standardised effects.
    rope, rope_indirect : float
        Half-widths of the regions. An indirect effect is a product of two paths, hence the square
        of the direct effect's region by default.
    """
    some_direct = np.abs(direct) >= rope
    some_indirect = np.abs(indirect) >= rope_indirect
    same = np.sign(direct) == np.sign(indirect)
    both = some_direct & some_indirect
    members = (
        some_indirect & ~some_direct,
        both & same,
        both & ~same,
        some_direct & ~some_indirect,
        ~some_direct & ~some_indirect,
    )
    return {name: float(np.mean(where)) for name, where in zip(TYPES, members, strict=True)}


def proportion_mediated(
    direct: np.ndarray, indirect: np.ndarray, *, ci_prob: float = 0.95
) -> dict[str, float]:
    """Indirect / total over the draws in which both effects have the same sign.

    Elsewhere it is no proportion (it would lie outside 0 to 1).

    Returns
    -------
    dict
        p_signs_agree, median, lower, upper; the last three nan unless the signs agree with
        probability `SIGNS_AGREE` or more.
    """
    agree = np.sign(direct) * np.sign(indirect) > 0
    sure = float(agree.mean())
    out = {"p_signs_agree": sure, "median": np.nan, "lower": np.nan, "upper": np.nan}
    if sure >= SIGNS_AGREE:
        share = indirect[agree] / (direct[agree] + indirect[agree])
        tail = tail_probability(ci_prob)
        out["lower"], out["median"], out["upper"] = np.quantile(share, [tail, 0.5, 1.0 - tail])
    return out


def _per_group(
    rows: Sequence[EffectRow], groups: Sequence[str], shape: tuple[int, ...]
) -> list[tuple[str, np.ndarray, list[EffectRow]]]:
    """Group, its direct effect (0 without a direct path) and its indirect effects."""
    out = []
    for label in groups:
        own = [row for row in rows if row.group == label]
        direct = overall(own, "direct")
        indirect = [*overall(own, "indirect"), *overall(own, "total indirect")]
        out.append((label, direct[0].values if direct else np.zeros(shape), indirect))
    return out


@check_shared
def mediation(
    fit: Fitted,
    x: str,
    y: str,
    *,
    rope: float = ROPE,
    rope_indirect: float | None = None,
    at: Sequence[float] = POINTS,
    group: str | Sequence[str] | None = None,
    ci_prob: float = 0.95,
) -> Mediation:
    """Mediation of the effect of x on y by the variables between them.

    Arguments, result and errors: `Fit.mediation`.
    """
    structure = fit.prepared.structure
    between = mediators(structure, x, y)
    if not between:
        raise ModelError(
            f"no variable lies between {x} and {y}: the model has {y} ~ {x} only; the total "
            f'effect is effects(fit, "{x}", "{y}")'
        )
    small = rope**2 if rope_indirect is None else rope_indirect
    every = structure.table.groups
    picked = effect_groups(structure, x, y, group)
    groups = [every[g] if len(every) > 1 else "" for g in picked]
    wanted = groups_or_none(groups)
    raw_rows = effect_rows(fit, x, y, group=wanted, at=at)
    std_rows = effect_rows(fit, x, y, standardized=True, group=wanted, at=at)
    types, proportions = [], []
    shape = fit.elements.shape[:-1]
    for label, direct, indirect in _per_group(std_rows, groups, shape):
        for row in indirect:
            chance = type_probabilities(direct, row.values, rope=rope, rope_indirect=small)
            kind = max(chance, key=lambda name: chance[name])
            name = row.path or "total indirect"
            types.append({"path": name, "group": label, **chance, "type": kind})
        total = indirect[-1].values
        proportions.append({"group": label, **proportion_mediated(direct, total, ci_prob=ci_prob)})
    step_table, source = steps(fit, x, y, between, groups=groups, ci_prob=ci_prob)
    conditional, index, sentences = conditional_effects(
        fit, x, y, at=at, groups=picked, ci_prob=ci_prob
    )
    notes = [note for note in effect_notes(fit, x, y, raw_rows, None) if "give at=" not in note]
    notes += sentences
    notes.append(f"c is from {source}; a, b and c' are of this fit.")
    raw_table, raw_draws = table_of(raw_rows, ci_prob)
    std_table, std_draws = table_of(std_rows, ci_prob)
    return Mediation(
        x=x,
        y=y,
        mediators=between,
        effects=Effects(
            x, y, raw_table, raw_draws, False, ci_prob, (), units_of(fit.prepared, x, y)
        ),
        standardized=Effects(x, y, std_table, std_draws, True, ci_prob, ()),
        types=pd.DataFrame(types),
        proportion=pd.DataFrame(proportions),
        steps=step_table,
        conditional=conditional,
        index=index,
        rope=rope,
        rope_indirect=small,
        notes=tuple(notes),
    )


@check_shared
def conditional_effects(
    fit: Fitted, x: str, y: str, *, at: Sequence[float], groups: Sequence[int], ci_prob: float
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Indirect effects omega(w) at values of each moderator, and their indices.

    The index of moderated mediation (Hayes 2015, doi:10.1080/00273171.2014.962683) is the slope
    of omega(w), where that is a straight line: a3 b for a moderated first stage, a b3 for the
    second. Where w moderates both stages, or x itself changes the effect, there is no one number.

    Returns
    -------
    DataFrame, DataFrame, list of str
        Conditional effects, indices (by unit of the moderator), and sentences about effects
        without an index.
    """
    structure, elements = fit.prepared.structure, fit.elements
    i, j = position(structure, x), position(structure, y)
    paths = directed_paths(structure, i, j)
    labels: list[dict] = []
    values: list[np.ndarray] = []
    index_labels: list[dict] = []
    index_values: list[np.ndarray] = []
    sentences: dict[str, None] = {}
    for w in moderators(structure, paths):
        name = structure.variables[w]
        mean, spread = pooled_scale(fit, w)
        for g in groups:
            found = path_effects(structure, elements, paths, set_to=(w,), group=g)
            label = structure.table.groups[g] if len(structure.table.groups) > 1 else ""
            for (kind, path), polynomial in zip(found.kinds, found.polynomials, strict=True):
                if "indirect" not in kind or not degree(polynomial, 1):
                    continue
                about = {"moderator": name, "effect": kind, "path": path, "group": label}
                omega = _over_x(fit, polynomial, i, group=g)
                for sd in at:
                    labels.append({**about, "value_sd": sd})
                    values.append(value_at(omega, [mean + sd * spread]))
                why = _no_index(polynomial, x, name, path or kind)
                if why:
                    sentences[why] = None
                else:
                    index_labels.append(about)
                    index_values.append(omega[1,])
    columns = ["moderator", "effect", "path", "group", "value_sd"]
    shape = elements.shape[:-1]
    return (
        _summary(labels, values, columns, shape, ci_prob),
        _summary(index_labels, index_values, columns[:-1], shape, ci_prob),
        list(sentences),
    )


def _over_x(fit: Fitted, polynomial: Polynomial, x: int, *, group: int) -> Polynomial:
    """A polynomial in (x, w) averaged over x: one in w."""
    moments = distribution_moments(fit, x, degree(polynomial, 0), group=group)
    return replace_by_moments(polynomial, 0, moments)


def _no_index(polynomial: Polynomial, x: str, moderator: str, effect: str) -> str:
    """Why an effect has no index of moderated mediation; "" when it has one."""
    if degree(polynomial, 1) > 1:
        return (
            f"{moderator} moderates more than one stage of {effect}: the indirect effect is not "
            f"a straight line in {moderator}, so there is no index of moderated mediation; read "
            "the conditional effects."
        )
    if any(powers[0] and powers[1] for powers in polynomial):
        return (
            f"{effect} depends on {moderator} and on {x} at once, so there is no index of "
            f"moderated mediation; the conditional effects are averaged over {x}."
        )
    return ""


def _summary(
    labels: list[dict],
    values: list[np.ndarray],
    columns: list[str],
    shape: tuple[int, ...],
    ci_prob: float,
) -> pd.DataFrame:
    if not labels:
        return pd.DataFrame(columns=[*columns, "mean", "sd", "lower", "upper", "p_positive"])
    drawn = np.stack([np.broadcast_to(v, shape) for v in values], axis=-1)
    return pd.concat([pd.DataFrame(labels)[columns], summarise(drawn, ci_prob=ci_prob)], axis=1)
