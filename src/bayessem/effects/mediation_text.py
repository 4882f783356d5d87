"""What `print` shows of a mediation: a paragraph, then the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayessem.effects.baron_kenny import conclusion
from bayessem.effects.effects import Effects, chance_text, effects_text, sd_text, without_repetition
from bayessem.syntax.listing import aligned, number, prose

if TYPE_CHECKING:
    from bayessem.effects.mediation import Mediation

IN_WORDS = {
    "indirect-only": "indirect-only (full) mediation",
    "complementary": "complementary (partial) mediation",
    "competitive": "competitive mediation (direct and indirect effect of opposite sign)",
    "direct-only": "a direct effect only (no mediation)",
    "none": "neither a direct nor an indirect effect",
}


def mediation_text(result: Mediation) -> str:
    """A paragraph a group, then the tables."""
    blocks = [
        f"Mediation of {result.x} -> {result.y} by {', '.join(result.mediators)}",
        *(prose(_paragraph(result, label)) for label in result.proportion["group"]),
        _section("Effects, unstandardised", result.effects),
        _section("Effects, standardised", result.standardized),
        _types_text(result),
    ]
    if len(result.conditional):
        blocks.append(_conditional_text(result))
    blocks += [_steps_text(result), "\n".join(prose(note) for note in result.notes)]
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
            f"(standardised {number(std['mean'])}; {side} with probability {chance_text(sign)})"
        )

    where = f"In group {group}: the" if group else "The"
    through = f"through {_listed(result.mediators)}"
    averaged = (_find(result.effects, "total indirect", group) or {"at": ""})["at"]
    kind = f"indirect effect ({averaged})" if averaged else "indirect effect"
    text = f"{where} {kind} of {result.x} on {result.y} {through} is {said('total indirect')}. "
    direct = said("direct")
    text += f"The direct effect is {direct}. " if direct else "The model has no direct effect. "
    text += f"The total effect is {said('total')}. "
    rows = result.types[result.types["group"] == group]
    row = rows[rows["path"] == "total indirect"].iloc[0]
    chance = float(row[row["type"]])
    text += (
        f"The most probable type is {IN_WORDS[row['type']]}, with probability {chance_text(chance)}"
    )
    second = sorted(((float(row[t]), t) for t in IN_WORDS), reverse=True)[1]
    if chance < 0.95:
        text += f", before {IN_WORDS[second[1]]}, {chance_text(second[0])}"
        text += " (undecided). " if chance < 0.75 else ". "
    else:
        text += ". "
    share = result.proportion[result.proportion["group"] == group].iloc[0]
    if not direct:
        return text.strip()
    if np.isnan(share["median"]):
        text += (
            "No proportion mediated is given: it needs a direct and an indirect effect of the same "
            f"sign, which has probability {chance_text(share['p_signs_agree'])} here."
        )
    else:
        text += (
            f"Of the total effect, {100 * share['median']:.0f} % is mediated "
            f"({percent} {100 * share['lower']:.0f} to {100 * share['upper']:.0f} %"
        )
        agree = share["p_signs_agree"]
        text += ")." if agree > 0.999 else f", given that both signs agree: {chance_text(agree)})."
    return text


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _types_text(result: Mediation) -> str:
    table = result.types
    if (table["path"] != "total indirect").sum() == table["group"].nunique():
        table = table[table["path"] != "total indirect"]
    grouped = (table["group"] != "").any()
    header = ["", *(["group"] if grouped else []), *IN_WORDS]
    body = [
        [r["path"], *([r["group"]] if grouped else []), *(number(r[t]) for t in IN_WORDS)]
        for r in table.to_dict("records")
    ]
    title = (
        "Type of mediation, posterior probabilities (Zhao, Lynch & Chen 2010); a standardised "
        f"direct effect within +-{result.rope:g} and an indirect one within "
        f"+-{result.rope_indirect:g} count as none"
    )
    return f"{prose(title)}\n{aligned(header, body, left=2 if grouped else 1)}"


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
        verdicts += [
            f"By these steps, {prefix}for {m}: {conclusion(own, m)}." for m in result.mediators
        ]
    title = "Baron and Kenny's (1986) steps, for comparison"
    return "\n".join([title, aligned(header, body, left=2 + len(labels)), *verdicts])
