"""What `print` shows of a shape: a paragraph, then the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayessem.effects.effects import chance_text, sd_text
from bayessem.shapes.turning_point import SHAPES
from bayessem.syntax.listing import aligned, number, prose

if TYPE_CHECKING:
    from bayessem.shapes.shape import Shape


def shape_text(result: Shape) -> str:
    """A paragraph a group, then the tables."""
    percent = f"{100 * result.ci_prob:g} % interval"
    grouped = (result.probabilities["group"] != "").any()
    labels = ["group"] if grouped else []

    def lead(row: dict) -> list[str]:
        return [row[c] for c in labels]

    blocks = [f"Shape of the relation of {result.y} with {result.x} ({result.effect} effect)"]
    blocks += [prose(_sentence(result, k)) for k in range(len(result.probabilities))]
    body = [
        [*lead(r), *(number(r[s]) for s in SHAPES)] for r in result.probabilities.to_dict("records")
    ]
    blocks.append(
        "Posterior probability of each shape\n"
        + aligned([*labels, *SHAPES], body, left=len(labels))
    )
    body = [
        [
            r["step"], *lead(r), number(r["estimate"]),
            "" if np.isnan(r["lower"]) else f"[{number(r['lower'])}, {number(r['upper'])}]",
            number(r["probability"]), "yes" if r["holds"] else "no",
        ]
        for r in result.steps.to_dict("records")
    ]  # fmt: skip
    header = ["", *labels, "estimate", percent, "probability", "holds"]
    blocks.append(
        "Three steps (Haans, Pieters & He 2016)\n" + aligned(header, body, left=1 + len(labels))
    )
    if len(result.moderated):
        blocks.append(_moderated_text(result, labels, percent))
    if len(result.lines):
        blocks.append(_lines_text(result, labels, percent))
    blocks.append("\n".join(prose(note) for note in result.notes))
    return "\n\n".join(blocks)


def _sentence(result: Shape, k: int) -> str:
    chances = result.probabilities.iloc[k]
    turn = result.turning_point.iloc[k]
    kind = max(SHAPES, key=lambda name: chances[name])
    article = "an" if kind[0] in "iu" and kind != "U" else "a"
    what = f"{article} {kind}" if kind in ("inverted U", "U") else kind
    where = f"In group {chances['group']}: between" if chances["group"] else "Between"
    text = (
        f"{where} {result.x} = {number(turn['low'])} and {number(turn['high'])} "
        f"({result.bounds}) the relation is most probably {what}, with probability "
        f"{chance_text(chances[kind])}. "
    )
    if np.isnan(turn["median"]):
        return text + "The square is too near 0 for a turning point."
    return text + (
        f"The curve has a {turn['kind']} (a {'negative' if turn['kind'] == 'peak' else 'positive'} "
        f"square) with probability {chance_text(turn['p_kind'])}; "
        f"given that, the {turn['kind']} is at {result.x} = {number(turn['median'])}, "
        f"{100 * result.ci_prob:g} % interval {number(turn['lower'])} to {number(turn['upper'])}. "
        f"It lies inside the bounds with probability {chance_text(turn['p_inside'])}."
    )


def _moderated_text(result: Shape, labels: list[str], percent: str) -> str:
    body = []
    for r in result.moderated.to_dict("records"):
        where = "" if np.isnan(r["value_sd"]) else f"{r['moderator']} at {sd_text(r['value_sd'])}"
        name = {
            "turning point": "turning point",
            "shift": f"its shift for 1 SD of {r['moderator']}",
            "flip": f"curvature is 0 at {r['moderator']} =",
        }[r["quantity"]]
        body.append(
            [
                name,
                where,
                *(r[c] for c in labels),
                number(r["median"]),
                f"[{number(r['lower'])}, {number(r['upper'])}]",
                number(r["p_positive"]),
            ]
        )
    header = ["", "", *labels, "median", percent, "P(>0)"]
    return "Moderated turning point\n" + aligned(header, body, left=2 + len(labels))


def _lines_text(result: Shape, labels: list[str], percent: str) -> str:
    body = []
    for r in result.lines.to_dict("records"):
        first, second = ("> 0", "< 0") if r["hypothesis"] == "inverted U" else ("< 0", "> 0")
        for side, sign in (("low", first), ("high", second)):
            body.append(
                [
                    f"{'below' if side == 'low' else 'above'} {number(r['break_point'])}",
                    *(r[c] for c in labels),
                    number(r[side]),
                    f"[{number(r[f'{side}_lower'])}, {number(r[f'{side}_upper'])}]",
                    f"P({sign}) = {number(r[f'p_{side}'])}",
                ]
            )
        body.append(
            [
                f"both ({r['hypothesis']})",
                *(r[c] for c in labels),
                "",
                "",
                f"P = {number(r['p_both'])}",
            ]
        )
    header = ["", *labels, "slope", percent, ""]
    return "Two lines\n" + aligned(header, body, left=1 + len(labels))
