"""Groups beside each other: what differs first, then a column or a row a group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from bayessem.effects.effects import chance_text
from bayessem.effects.mediation_result import IN_WORDS, Mediation
from bayessem.measurement.quality_result import Measurement
from bayessem.moderation.differences import differences_table, surest
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.shapes.shape_result import SHAPES, Shape
from bayessem.text.document import Block, Column, Paragraph, Table
from bayessem.text.formats import CHANCE, NUMBER, SHORT_ESTIMATE, WORD, Format

# More groups than these are rows rather than columns; differences that are shown.
COLUMNS, SHOWN = 3, 12
PERCENT = 0.95


def is_grouped(fit: Fitted) -> bool:
    """Whether the model has several groups."""
    return len(fit.prepared.table.groups) > 1


def blocks_are(fit: Fitted) -> str:
    """What the names in `ParameterTable.groups` are of, in the plural."""
    table = fit.prepared.table
    if table.levels == 1:
        return "groups"
    return "levels" if len(table.groups) == table.levels else "groups and levels"


def path_differences(fit: Fitted) -> pd.DataFrame:
    """Differences between every two groups of the paths that are not the same in both.

    Returns
    -------
    DataFrame
        parameter, group, other, and the summary of group less other, unstandardised; empty where
        all paths are the same.
    """
    table = fit.prepared.table
    rows: dict[str, dict[int, int]] = {}
    for k, row in enumerate(table.rows):
        if row.op == "~" and row.free >= 0:
            rows.setdefault(f"{row.lhs} ~ {row.rhs}", {})[row.group] = k
    labels, values = [], []
    for name, by in rows.items():
        for i, j in combinations(sorted(by), 2):
            if table.rows[by[i]].free != table.rows[by[j]].free:
                labels.append(
                    {"parameter": name, "group": table.groups[i], "other": table.groups[j]}
                )
                values.append(fit.row_draws[..., by[i]] - fit.row_draws[..., by[j]])
    if not labels:
        return pd.DataFrame(columns=["parameter", "group", "other"])
    found = summarise(np.stack(values, axis=-1), ci_prob=PERCENT)
    return pd.concat([pd.DataFrame(labels), found], axis=1)


def differences(fit: Fitted) -> Iterator[Block]:
    """The paths that differ between groups: the surest differences, and a sentence."""
    if not any(row.op == "~" for row in fit.prepared.table.rows):
        return
    found = path_differences(fit)
    groups = fit.prepared.table.groups
    if found.empty and fit.prepared.table.levels > 1:
        return  # no path is at both levels
    if found.empty:
        yield Paragraph(f"All paths are equal in the {len(groups)} groups by the model's equality "
                        "constraints.")  # fmt: skip
        return
    sure = found[(found["p_positive"] - 0.5).abs() >= PERCENT - 0.5]
    paths = list(dict.fromkeys(sure["parameter"]))
    said = f"; they are of {', '.join(paths)}" if paths else ""
    yield Paragraph(
        f"Of {len(found)} difference{'s' * (len(found) != 1)} of paths between two of the "
        f"{len(groups)} {blocks_are(fit)}, "
        f"{len(sure)} {'has' if len(sure) == 1 else 'have'} a sign with probability .95 or "
        f"more{said}."
    )
    few = f" (the {SHOWN} with the surest sign of {len(found)})" if len(found) > SHOWN else ""
    shown = differences_table(
        surest(found, SHOWN),
        PERCENT,
        title=f"Differences of paths between {blocks_are(fit)}, unstandardised{few}",
        sd=True,
    )
    if shown is not None:
        yield shown


def crossed(
    frame: pd.DataFrame, rows: str, cells: Sequence[str], how: Format, *, title: str, key: str = ""
) -> Table | None:
    """A table of what there is of each row in each group, the groups beside or below each other.

    Parameters
    ----------
    frame : DataFrame
        With the columns `group`, `rows` and `cells`.
    rows : str
        The column whose values are crossed with the groups.
    cells : sequence of str
        Columns that make a cell: one, or those of a value with its interval.
    how : Format
    title, key : str
        Of the table; None is returned where the frame is empty.
    """
    if frame.empty:
        return None
    groups, names = (list(dict.fromkeys(frame[c])) for c in ("group", rows))
    nothing: Any = np.nan if len(cells) == 1 else (np.nan,) * len(cells)
    values = {
        (r["group"], r[rows]): r[cells[0]] if len(cells) == 1 else tuple(r[c] for c in cells)
        for r in frame.to_dict("records")
    }
    if len(groups) <= COLUMNS:
        columns = [Column(g, [values.get((g, n), nothing) for n in names], how) for g in groups]
        return Table((Column("", names), *columns), title, key)
    columns = [Column(n, [values.get((g, n), nothing) for g in groups], how) for n in names]
    return Table((Column("group", groups), *columns), title, key)


def paths(fit: Fitted) -> Iterator[Block]:
    """Standardised paths and R2, the groups side by side; what is equal in all groups once."""
    summary = fit.summary(ci_prob=PERCENT)
    own = summary[summary["op"] == "~"].assign(path=lambda f: f["lhs"] + " ~ " + f["rhs"])
    if own.empty:
        return
    by = own.groupby("path", sort=False)
    same = by["mean"].transform("nunique").eq(1) & by["sd"].transform("nunique").eq(1)
    many = own["group"].nunique()
    same &= by["group"].transform("nunique").eq(many) & (many > 1)
    ends = ("std", "std_lower", "std_upper")
    title = f"Standardised paths with 95 % intervals, {blocks_are(fit)} side by side"
    found = crossed(own[~same], "path", ends, SHORT_ESTIMATE, title=title, key="paths")
    if found is not None:
        yield found
    if same.any():
        rows = own[same].drop_duplicates("path")
        yield Table(
            (
                Column("", rows["path"].tolist()),
                Column(
                    "estimate",
                    list(zip(rows["mean"], rows["lower"], rows["upper"], strict=True)),
                    SHORT_ESTIMATE,
                ),
                Column("P(>0)", rows["p_positive"].tolist(), NUMBER),
            ),
            f"Paths that are equal in all {blocks_are(fit)}, unstandardised, with 95 % intervals",
        )
    share = fit.r2(ci_prob=PERCENT)
    share = share[share["variable"].isin(set(own["lhs"]))]
    title = f"Explained variance (R2) with 95 % intervals, {blocks_are(fit)} side by side"
    r2 = crossed(share, "variable", ("mean", "lower", "upper"), SHORT_ESTIMATE, title=title)
    if r2 is not None:
        yield r2


def mediation_by_group(result: Mediation) -> Iterator[Block]:
    """Standardised effects and type of mediation, a row a group, and the surest differences."""
    table = result.standardized.table
    general = (table["at"] == "") | table["at"].str.startswith("averaged")
    kinds = {"direct": "direct", "total indirect": "indirect", "total": "total"}
    groups = list(result.proportion["group"])
    own = table[general & table["effect"].isin(list(kinds))]
    types = result.types[result.types["path"] == "total indirect"].set_index("group")
    columns = [Column("group", groups)]
    for effect, title in kinds.items():
        by = own[own["effect"] == effect].set_index("group")[["mean", "lower", "upper"]]
        known = {str(g): tuple(row) for g, row in zip(by.index, by.to_numpy(), strict=True)}
        once = known.get("", (np.nan,) * 3)  # the same in all groups
        columns.append(Column(title, [known.get(g, once) for g in groups], SHORT_ESTIMATE))
    named = [str(types.loc[g, "type"]) for g in groups]
    columns += [
        Column("type", named, WORD),
        Column("probability", [float(types.loc[g, t]) for g, t in zip(groups, named, strict=True)],
               CHANCE),
    ]  # fmt: skip
    yield Table(
        tuple(columns),
        f"Standardised effects of {result.x} on {result.y} with 95 % intervals, and the most "
        "probable type of mediation",
    ).without_empty()
    most = ", ".join(f"{IN_WORDS[t]} in {named.count(t)}" for t in dict.fromkeys(named))
    yield Paragraph(f"Most probable types of mediation, by group: {most}.")
    contrasts = own[~own["group"].isin([*groups, ""]) & (own["effect"] == "total indirect")]
    if len(contrasts):
        shown = surest(contrasts, SHOWN)
        few = f" (the {SHOWN} with the surest sign of {len(contrasts)})"
        yield Table(
            (
                Column("groups", shown["group"].tolist()),
                Column(
                    "difference",
                    list(zip(shown["mean"], shown["lower"], shown["upper"], strict=True)),
                    SHORT_ESTIMATE,
                ),
                Column("P(>0)", shown["p_positive"].tolist(), NUMBER),
            ),
            "Differences of the standardised indirect effect between groups"
            + (few if len(contrasts) > SHOWN else ""),
        )


def shape_by_group(result: Shape) -> Iterator[Block]:
    """Most probable shape and turning point, a row a group."""
    chances = result.probabilities
    kinds = [SHAPES[k] for k in chances[list(SHAPES)].to_numpy().argmax(axis=1)]
    turn = result.turning_point
    yield Table(
        (
            Column("group", chances["group"].tolist()),
            Column("most probable shape", kinds, WORD),
            Column(
                "probability",
                [float(chances.iloc[k][kind]) for k, kind in enumerate(kinds)],
                CHANCE,
            ),
            Column("turning point", turn["kind"].tolist(), WORD),
            Column(
                "at",
                list(zip(turn["median"], turn["lower"], turn["upper"], strict=True)),
                SHORT_ESTIMATE,
            ),
            Column("P(inside)", turn["p_inside"].tolist(), CHANCE),
        ),
        f"Shape of the relation of {result.y} with {result.x}, groups side by side",
    ).without_empty()
    said = [f"{kind} in {kinds.count(kind)}" for kind in dict.fromkeys(kinds)]
    sure = min(float(chances.iloc[k][kind]) for k, kind in enumerate(kinds))
    yield Paragraph(
        f"Most probable shapes, by group: {', '.join(said)}; the least sure of them with "
        f"probability {chance_text(sure)}."
    )


def measurement_by_group(result: Measurement) -> Iterator[Block]:
    """Reliability, AVE and loadings, the groups side by side."""
    percent = f"{100 * result.ci_prob:g} % intervals"
    ends = ("mean", "lower", "upper")
    what = "level" if result.levels else "group"
    means = ("omega_means", "Reliability of the observed means of clusters (omega)")
    for measure, title in (
        ("omega", "Composite reliability (omega)"),
        *((means,) if result.levels else ()),
        ("ave", "Average variance extracted"),
    ):
        own = result.reliability[result.reliability["measure"] == measure]
        found = crossed(
            own, "construct", ends, SHORT_ESTIMATE, title=f"{title} with {percent}, by {what}"
        )
        if found is not None:
            yield found
    loadings = result.loadings
    names = [f"{r.construct} =~ {r.indicator}" for r in loadings.itertuples()]
    groups = list(dict.fromkeys(loadings["group"]))
    values = {(r.group, f"{r.construct} =~ {r.indicator}"): r.mean for r in loadings.itertuples()}
    names = list(dict.fromkeys(names))
    yield Table(
        (
            Column("", names),
            *(Column(g, [values.get((g, n), np.nan) for n in names], NUMBER) for g in groups),
        ),
        f"Standardised loadings (posterior means), {what}s side by side",
    )
