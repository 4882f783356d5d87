"""What printed comparisons say: elpd, how it was computed, and what a difference amounts to."""

from __future__ import annotations

from textwrap import fill

from bayessem.comparison.compare import Comparison
from bayessem.comparison.criterion import CrossValidation
from bayessem.comparison.groups_out import GroupsOut
from bayessem.comparison.kfold import KFold
from bayessem.comparison.loo import MATCHED, REFITTED, Loo
from bayessem.comparison.pit import LooPit
from bayessem.text.numbers import number
from bayessem.text.tables import aligned

WIDTH = 100
# From so many models on, sentences are about several at once.
MANY = 4


def target_text(result: CrossValidation) -> str:
    """What is predicted, as a sentence."""
    target = result.target
    given = f", given {', '.join(target.covariates)}" if target.covariates else ""
    what = "respondents" if target.unit == "respondent" else "groups"
    return (
        f"{result.method} of {result.n} {what}, {len(target.variables)} modelled "
        f"variable{'s' * (len(target.variables) != 1)}"
        f"{given}; latent variables integrated out."
    )


def estimates_lines(result: CrossValidation) -> str:
    """Table of elpd and p_loo."""
    rows = (("elpd", result.elpd, result.se), ("p_loo", result.p_loo, result.p_loo_se))
    body = [[name, number(value, 1), number(se, 1)] for name, value, se in rows]
    return aligned(["", "estimate", "SE"], body)


def loo_text(result: Loo) -> str:
    """What `print(fit.loo())` shows."""
    lines = [fill(target_text(result), WIDTH), "", estimates_lines(result), ""]
    return "\n".join([*lines, *(fill(note, WIDTH) for note in result.notes)])


def kfold_text(result: KFold) -> str:
    """What `print(fit.kfold())` shows."""
    lines = [fill(target_text(result), WIDTH), "", estimates_lines(result)]
    notes = (f"{result.k} refits; folds by random_seed={result.random_seed}.", *result.notes)
    return "\n".join([*lines, "", *(fill(note, WIDTH) for note in notes)])


def groups_text(result: GroupsOut) -> str:
    """What `print(fit.leave_group_out())` shows."""
    body = [
        [
            str(name),
            str(r["respondents"]),
            number(r["elpd"], 1),
            number(r["by_respondent"], 2),
            number(r["mcse"], 2),
        ]
        for name, r in zip(result.table.index, result.table.to_dict("records"), strict=True)
    ]
    header = ["group", "respondents", "elpd", "per respondent", "MC error"]
    lines = [fill(target_text(result), WIDTH), "", estimates_lines(result), ""]
    lines += [aligned(header, body), ""]
    text = (
        "Each group is predicted by a model that has not seen it; its pooled parameters are drawn "
        "from the population of groups."
    )
    return "\n".join([*lines, *(fill(note, WIDTH) for note in (text, *result.notes))])


def comparison_text(result: Comparison) -> str:
    """What `print(compare(...))` shows: a sentence, the table, and who favours which model."""
    first = result.results[result.best]
    lines = [fill(target_text(first), WIDTH), "", *_verdict_lines(result), ""]
    header = ["", "elpd", "SE", "p_loo", "difference", "SE", "stacking", "pseudo-BMA+", ""]
    body = [
        [
            str(name),
            number(r["elpd"], 1),
            number(r["se"], 1),
            number(r["p_loo"], 1),
            number(r["difference"], 1),
            number(r["se_difference"], 1),
            number(r["stacking"], 2),
            number(r["pseudo_bma"], 2),
            str(r["verdict"]),
        ]
        for name, r in zip(result.table.index, result.table.to_dict("records"), strict=True)
    ]
    lines += [aligned(header, body), ""]
    others = [str(name) for name in result.differences]
    shown = others if len(others) < MANY else [str(result.table.index[1])]
    lines += [fill(_who_favours(result, name), WIDTH) for name in shown]
    lines += [fill(note, WIDTH) for note in (*result.notes, *_repairs(result))]
    return "\n".join(lines)


def _repairs(result: Comparison) -> list[str]:
    """What was repaired in which model; one sentence when nothing was."""
    loos = {name: one for name, one in result.results.items() if isinstance(one, Loo)}
    touched = {
        name: one for name, one in loos.items() if sum(one.repaired.values()) or one.unreliable
    }
    lines = [f"{name}: {note}" for name, one in touched.items() for note in one.notes]
    if loos and not touched:
        limit = f"{min(one.good_k for one in loos.values()):.2f}".removeprefix("0")
        return [f"All Pareto k are at most {limit}: no repair was needed."]
    if len(touched) < MANY:
        return lines
    count = {how: sum(one.repaired[how] for one in touched.values()) for how in (MATCHED, REFITTED)}
    text = ", ".join(f"{n} by {how}" for how, n in count.items() if n)
    left = [f"{name} {len(one.unreliable)}" for name, one in touched.items() if one.unreliable]
    return [
        f"Pareto k was too large for {sum(count.values()) + sum(map(_unrepaired, loos.values()))} "
        f"respondents in {len(touched)} of {len(loos)} models; repaired: {text or 'none'}"
        + (f"; not repaired: {', '.join(left)}." if left else ".")
    ]


def _unrepaired(one: Loo) -> int:
    return len(one.unreliable)


def _verdict_lines(result: Comparison) -> list[str]:
    """A sentence a model on how it compares with the best."""
    best = result.best
    if len(result.table) > MANY:
        return _verdicts_by_kind(result)
    lines = []
    for name, r in list(zip(result.table.index, result.table.to_dict("records"), strict=True))[1:]:
        size, se = abs(r["difference"]), r["se_difference"]
        if r["verdict"] == "no difference":
            text = (
                f"{best} and {name} predict equally well: elpd differs by {size:.1f} "
                f"(SE {se:.1f}), and less than 4 is no difference."
            )
        else:
            ratio = f"{size / se:.1f} standard errors" if se > 0 else "for every unit the same"
            clear = "clearly " if r["verdict"] == "clearly worse" else ""
            doubt = ", but not clearly" if r["verdict"] == "worse, but not clearly" else ""
            text = (
                f"{best} predicts {clear}better than {name}{doubt}: elpd differs by {size:.1f} "
                f"(SE {se:.1f}; {ratio})."
            )
        lines.append(fill(text, WIDTH))
    return lines


def _verdicts_by_kind(result: Comparison) -> list[str]:
    """Of many models: which of them belong together in how they compare with the best."""
    said = {
        "no difference": "predicts as well as (a difference below 4 is none)",
        "worse, but not clearly": "predicts better, but not clearly, than",
        "worse": "predicts better than",
        "clearly worse": "predicts clearly better than",
    }
    others = result.table.iloc[1:]
    lines = []
    for verdict, words in said.items():
        names = [str(name) for name in others.index[others["verdict"] == verdict]]
        if names:
            lines.append(fill(f"{result.best} {words}: {'; '.join(names)}.", WIDTH))
    return lines


def _who_favours(result: Comparison, name: str) -> str:
    """How many units each of two models predicts better, and who says most."""
    gap = result.differences[name]
    what = "respondents" if result.target.unit == "respondent" else "groups"
    top = result.influential(name, count=3)
    listed = ", ".join(
        f"{label} ({abs(value):.1f} for {favours})"
        for label, value, favours in zip(top.index, top["difference"], top["favours"], strict=True)
    )
    return (
        f"{int((gap < 0).sum())} of {len(gap)} {what} are predicted better by {result.best}, "
        f"{int((gap > 0).sum())} by {name}; those who say most: {listed}. Without these "
        f"{len(top)} the difference is {number(float(top['without'].iloc[-1]), 1)} instead of "
        f"{number(float(gap.sum()), 1)}."
    )


def pit_text(result: LooPit) -> str:
    """What `print(fit.loo_pit())` shows."""
    wrong = result.table[result.table["outside"]]
    count = len(result.table)
    text = (
        f"LOO-PIT of {count} indicators: the predictions of {count - len(wrong)} are calibrated"
        + (f"; not those of {', '.join(map(str, wrong.index))}." if len(wrong) else ".")
    )
    body = [
        [
            str(name),
            str(r["n"]),
            number(r["mean"], 2),
            number(r["sd"], 2),
            number(r["largest"], 2),
            str(r["verdict"]),
        ]
        for name, r in zip(result.table.index, result.table.to_dict("records"), strict=True)
    ]
    header = ["", "n", "mean", "sd", "largest", ""]
    table = aligned(header, body)
    return "\n".join([fill(text, WIDTH), "", table, "", *(fill(n, WIDTH) for n in result.notes)])
