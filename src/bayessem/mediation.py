"""Mediation: what part of an effect runs through other variables, and of which type it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayessem.baron_kenny import conclusion, groups_or_none, overall, steps
from bayessem.effects import (
    POINTS,
    EffectRow,
    Effects,
    chosen_groups,
    distribution_moments,
    effect_notes,
    effect_rows,
    effects_text,
    group_sizes,
    mediators,
    path_effects,
    pooled_scale,
    sd_text,
    table_of,
    without_repetition,
)
from bayessem.errors import ModelError
from bayessem.estimates import summarise
from bayessem.intervention import directed_paths, moderators, position
from bayessem.listing import aligned, number
from bayessem.polynomial import Polynomial, degree, replace_by_moments, value_at

if TYPE_CHECKING:
    from bayessem.fit import Fit

TYPES = ("indirect-only", "complementary", "competitive", "direct-only", "none")
IN_WORDS = {
    "indirect-only": "indirect-only (full) mediation",
    "complementary": "complementary (partial) mediation",
    "competitive": "competitive mediation (direct and indirect effect of opposite sign)",
    "direct-only": "a direct effect only (no mediation)",
    "none": "neither a direct nor an indirect effect",
}
ROPE = 0.1
# A proportion mediated is reported where direct and indirect effect agree in sign this surely.
SIGNS_AGREE = 0.9


@dataclass(frozen=True)
class Mediation:
    """Mediation of the effect of x on y; `print` it.

    Attributes
    ----------
    x, y : str
    mediators : tuple of str
        Variables between them, causes first.
    effects, standardized : Effects
        Unstandardised and standardised.
    types : DataFrame
        A row a path (and the total indirect effect) and group: posterior probability of each of
        `TYPES`, and the most probable one.
    proportion : DataFrame
        group, p_signs_agree, and median, lower, upper of total indirect / total over the draws
        in which direct and indirect effect have the same sign; nan where that is not sure enough.
    steps : DataFrame
        Baron and Kenny's.
    conditional : DataFrame
        Conditional indirect effects: moderator, value_sd, effect, path, group, and their summary.
    index : DataFrame
        Index of moderated mediation: moderator, effect, path, group, and its summary; empty where
        there is none.
    rope, rope_indirect : float
        Standardised direct and indirect effects smaller than these count as none.
    notes : tuple of str
        What a reader must know, in words.
    """

    x: str
    y: str
    mediators: tuple[str, ...]
    effects: Effects
    standardized: Effects
    types: pd.DataFrame
    proportion: pd.DataFrame
    steps: pd.DataFrame
    conditional: pd.DataFrame
    index: pd.DataFrame
    rope: float
    rope_indirect: float
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return mediation_text(self)


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
        tail = (1.0 - ci_prob) / 2.0
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


def mediation(
    fit: Fit,
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

    Parameters
    ----------
    fit : Fit
        A sampled model.
    x, y : str
        Cause and outcome.
    rope : float
        Standardised direct effects smaller than this in size count as none.
    rope_indirect : float, optional
        The same for indirect effects; `rope` squared by default, as they are products.
    at : sequence of float
        Where instantaneous and conditional effects are shown, in standard deviations from the
        mean of x or of the moderator.
    group : str or sequence of str, optional
        All groups by default.
    ci_prob : float
        Probability of the equal-tailed intervals.

    Returns
    -------
    Mediation

    Raises
    ------
    ModelError
        When no variable lies between x and y.

    References
    ----------
    Types: Zhao, Lynch & Chen (2010), doi:10.1086/651257. Index of moderated mediation: Hayes
    (2015), doi:10.1080/00273171.2014.962683. Instantaneous indirect effects: Hayes & Preacher
    (2010), doi:10.1080/00273171.2010.498290.
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
    picked = chosen_groups(every, group)
    groups = [every[g] if len(every) > 1 else "" for g in picked]
    options = {"group": groups_or_none(groups), "at": at}
    raw_rows = effect_rows(fit, x, y, **options)
    std_rows = effect_rows(fit, x, y, standardized=True, **options)
    types, proportions = [], []
    shape = fit.elements.shape[:-1]
    for label, direct, indirect in _per_group(std_rows, groups, shape):
        for row in indirect:
            chance = type_probabilities(direct, row.values, rope=rope, rope_indirect=small)
            kind = max(chance, key=lambda name: chance[name])
            name = row.path or "total indirect"
            types.append({"path": name, "group": label, **chance, "type": kind})
        total = indirect[-1].values
        proportions.append(
            {"group": label, **proportion_mediated(direct, total, ci_prob=ci_prob)}
        )
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
        effects=Effects(x, y, raw_table, raw_draws, False, ci_prob, ()),
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


def conditional_effects(
    fit: Fit, x: str, y: str, *, at: Sequence[float], groups: Sequence[int], ci_prob: float
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
        mean, spread = pooled_scale(structure, elements, w, group_sizes(fit))
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


def _over_x(fit: Fit, polynomial: Polynomial, x: int, *, group: int) -> Polynomial:
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
    return pd.concat(
        [pd.DataFrame(labels)[columns], summarise(drawn, ci_prob=ci_prob)], axis=1
    )


def mediation_text(result: Mediation) -> str:
    """A paragraph a group, then the tables."""
    blocks = [
        f"Mediation of {result.x} -> {result.y} by {', '.join(result.mediators)}",
        *(_paragraph(result, label) for label in result.proportion["group"]),
        _section("Effects, unstandardised", result.effects),
        _section("Effects, standardised", result.standardized),
        _types_text(result),
    ]
    if len(result.conditional):
        blocks.append(_conditional_text(result))
    blocks += [_steps_text(result), "\n".join(result.notes)]
    return "\n\n".join(blocks)


def _section(title: str, effects: Effects) -> str:
    table = without_repetition(effects.table)
    return f"{title}\n{effects_text(table, effects.ci_prob)}"


def _find(effects: Effects, effect: str, group: str) -> dict | None:
    table = effects.table
    general = (table["at"] == "") | table["at"].str.startswith("averaged")
    rows = table[(table["effect"] == effect) & (table["group"] == group) & general]
    return rows.iloc[0].to_dict() if len(rows) else None


def _paragraph(result: Mediation, group: str) -> str:
    """The result for one group in words."""
    percent = f"{100 * result.effects.ci_prob:g} % interval"

    def said(effect: str) -> str:
        raw, std = (_find(e, effect, group) for e in (result.effects, result.standardized))
        if raw is None or std is None:
            return ""
        sign = max(raw["p_positive"], 1.0 - raw["p_positive"])
        side = "positive" if raw["p_positive"] >= 0.5 else "negative"
        return (
            f"{number(raw['mean'])}, {percent} {number(raw['lower'])} to {number(raw['upper'])} "
            f"(standardised {number(std['mean'])}; {side} with probability {_chance(sign)})"
        )

    where = f"In group {group}: the" if group else "The"
    several = len(result.mediators) > 1
    through = f"through {'all of ' if several else ''}{_listed(result.mediators)}"
    averaged = (_find(result.effects, "total indirect", group) or {"at": ""})["at"]
    kind = f"indirect effect ({averaged})" if averaged else "indirect effect"
    text = f"{where} {kind} of {result.x} on {result.y} {through} is {said('total indirect')}. "
    direct = said("direct")
    text += (
        f"The direct effect is {direct}. " if direct else "The model has no direct effect. "
    )
    text += f"In all the effect is {said('total')}. "
    rows = result.types[result.types["group"] == group]
    row = rows[rows["path"] == "total indirect"].iloc[0]
    chance = float(row[row["type"]])
    text += f"The most probable type is {IN_WORDS[row['type']]}, with probability {_chance(chance)}"
    second = sorted(((float(row[t]), t) for t in TYPES), reverse=True)[1]
    if chance < 0.95:
        text += f", before {IN_WORDS[second[1]]}, {_chance(second[0])}"
        text += " (undecided). " if chance < 0.75 else ". "
    else:
        text += ". "
    share = result.proportion[result.proportion["group"] == group].iloc[0]
    if not direct:
        return text.strip()
    if np.isnan(share["median"]):
        text += (
            "No proportion mediated is given: it needs a direct and an indirect effect of the same "
            f"sign, which has probability {_chance(share['p_signs_agree'])} here."
        )
    else:
        text += (
            f"Of the total effect, {100 * share['median']:.0f} % runs through the mediators "
            f"({percent} {100 * share['lower']:.0f} to {100 * share['upper']:.0f} %, over the "
            f"draws in which both signs agree, {100 * share['p_signs_agree']:.0f} %)."
        )
    return text


def _chance(probability: float) -> str:
    """A probability that never claims to be exactly 0 or 1."""
    if probability > 0.999:
        return "above .999"
    if probability < 0.001:
        return "below .001"
    return f"{probability:.3f}".removeprefix("0")


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _types_text(result: Mediation) -> str:
    table = result.types
    if (table["path"] != "total indirect").sum() == table["group"].nunique():
        table = table[table["path"] != "total indirect"]
    grouped = (table["group"] != "").any()
    header = ["", *(["group"] if grouped else []), *TYPES]
    body = [
        [r["path"], *([r["group"]] if grouped else []), *(number(r[t]) for t in TYPES)]
        for r in table.to_dict("records")
    ]
    return (
        "Type of mediation, posterior probabilities (Zhao, Lynch & Chen 2010); a standardised "
        f"direct effect within +-{result.rope:g}\nand an indirect one within "
        f"+-{result.rope_indirect:g} count as none\n"
        + aligned(header, body, left=2 if grouped else 1)
    )


def _conditional_text(result: Mediation) -> str:
    percent = f"{100 * result.effects.ci_prob:g} % interval"
    grouped = (result.conditional["group"] != "").any()
    labels = ["group"] if grouped else []

    def lines(table: pd.DataFrame, first: str) -> list[list[str]]:
        return [
            [
                row["path"] or row["effect"],
                *(row[c] for c in labels),
                f"{row['moderator']} at {sd_text(row['value_sd'])}" if first == "at" else first,
                number(row["mean"]),
                number(row["sd"]),
                f"[{number(row['lower'])}, {number(row['upper'])}]",
                number(row["p_positive"]),
            ]
            for row in table.to_dict("records")
        ]

    header = ["", *labels, "", "mean", "sd", percent, "P(>0)"]
    text = "Conditional indirect effects (unstandardised)\n"
    body = lines(result.conditional, "at")
    for name in dict.fromkeys(result.index["moderator"]):
        part = result.index[result.index["moderator"] == name]
        body += lines(part, f"index by {name}")
    return text + aligned(header, body, left=2 + len(labels))


def _steps_text(result: Mediation) -> str:
    grouped = (result.steps["group"] != "").any()
    labels = ["group"] if grouped else []
    percent = f"{100 * result.effects.ci_prob:g} % interval"
    header = ["", "", *labels, "estimate", percent, "differs from 0"]
    body = [
        [
            row["step"],
            row["relation"],
            *(row[c] for c in labels),
            number(row["mean"]),
            f"[{number(row['lower'])}, {number(row['upper'])}]",
            "yes" if row["differs"] else "no",
        ]
        for row in result.steps.to_dict("records")
    ]
    verdicts = []
    for label in dict.fromkeys(result.steps["group"]):
        own = result.steps[result.steps["group"] == label]
        prefix = f"{label}, " if label else ""
        verdicts += [f"By these steps, {prefix}{m}: {conclusion(own, m)}." for m in result.mediators]
    title = "Baron and Kenny's (1986) steps, for comparison"
    return "\n".join([title, aligned(header, body, left=2 + len(labels)), *verdicts])
