"""The printed ladder of measurement invariance, and the printed approximate invariance."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bayessem.moderation.approximate_invariance import ApproximateInvariance
from bayessem.moderation.invariance import Invariance
from bayessem.text.numbers import number
from bayessem.text.prose import prose
from bayessem.text.tables import aligned

# Deviations that are printed at most; all are in the table.
SHOWN = 12


def invariance_text(result: Invariance) -> str:
    """What `print(sem.invariance(...))` shows."""
    lines = [f"Measurement invariance across {result.group} ({', '.join(result.groups)})", ""]
    lines.append(_ladder(result.table))
    if len(result.releases):
        rows = [
            [
                r["parameter"],
                number(r["chisq_difference"], 2),
                f"{r['df_difference']:.0f}",
                number(r["p"]),
                number(r["cfi"]),
                "free it" if r["suggested"] else "",
            ]
            for r in result.releases.to_dict("records")
        ]
        lines += ["", "What freeing one equality would gain"]
        lines.append(aligned(["", "chi-square", "df", "p", "CFI then", ""], rows))
    lines += ["", *(prose(note) for note in result.notes)]
    if len(result.bayesian):
        lines += ["", _bayesian(result)]
    if result.comparison is not None:
        lines += ["", str(result.comparison)]
    if result.approximate is not None:
        lines += ["", str(result.approximate)]
    return "\n".join(lines)


def _ladder(table: pd.DataFrame) -> str:
    body = []
    for name, r in table.iterrows():
        cells = [str(name), number(r["chisq"], 2), f"{r['df']:.0f}", number(r["cfi"])]
        cells += [number(r["rmsea"]), number(r["chisq_difference"], 2)]
        cells.append("" if pd.isna(r["df_difference"]) else f"{r['df_difference']:.0f}")
        cells += [number(r[k]) for k in ("p", "cfi_change", "rmsea_change")]
        body.append([*cells, str(r["verdict"])])
    header = ["step", "chi-square", "df", "CFI", "RMSEA", "difference", "df", "p"]
    header += ["CFI change", "RMSEA change", "invariance"]
    return aligned(header, body)


def _bayesian(result: Invariance) -> str:
    """Bayesian fit by step, with what changes."""
    body = []
    for step, r in result.bayesian.iterrows():
        cells = [str(step), number(r["ppp"]), number(r["p_d"], 1)]
        cells += [_with_interval(r, key) for key in ("brmsea", "bcfi", "bcfi_change")]
        body.append(cells)
    percent = f"{100 * result.ci_prob:g} %"
    header = ["step", "PPP", "pD", f"BRMSEA [{percent}]", f"BCFI [{percent}]", "BCFI change"]
    note = prose(
        "PPP: posterior predictive p-value. pD: effective parameters. The change is from the step "
        "before (of approximate metric from configural, of approximate scalar from approximate "
        "metric), its interval that of a difference of independent posteriors; read the means."
    )
    return f"Bayesian fit of each step\n{aligned(header, body)}\n{note}"


def _with_interval(row: Any, key: str) -> str:
    if pd.isna(row[key]):
        return ""
    return f"{number(row[key])} [{number(row[f'{key}_lower'])}, {number(row[f'{key}_upper'])}]"


def approximate_text(result: ApproximateInvariance) -> str:
    """What `print` of approximate invariance shows: a sentence a step, deviations, latent means."""
    head = "Approximate invariance: loadings and intercepts nearly equal across groups"
    about = prose(
        f"Each group's loading (intercept) is drawn around a common one with sd {result.sd:g}, of "
        "items in units of their standard deviation within groups and constructs with a variance "
        "of 1 in the first group."
    )
    lines = [head, about]
    lines += [prose(_sentence(result, step)) for step in result.named]
    lines += ["", _deviations(result)]
    if len(result.means):
        lines += ["", _means(result)]
    if result.suggested:
        lines += ["", prose(_what_now(result))]
    return "\n".join([*lines, *(prose(note) for note in result.notes)])


def _sentence(result: ApproximateInvariance, step: str) -> str:
    """One step in words: what deviates, where, and by how much."""
    table = result.table[(result.table["step"] == step)]
    what = "loadings" if step == "approximate metric" else "loadings and intercepts"
    count = table["parameter"].nunique()
    name = f"{step[:1].upper()}{step[1:]} invariance"
    if result.conflict[step]:
        far = ", ".join(result.conflict[step][:SHOWN])
        return (
            f"{name}: the deviations of {far} contradict an sd of {result.sd:g}. Against such data "
            "the prior bends the other items of a construct as well, so that what deviates cannot "
            f"be told; repeat with approximate={min(3 * result.sd, 0.9):g}, or with free= of what "
            "the exact ladder would release."
        )
    if not result.named[step]:
        allowed = (
            "paths can be compared between the groups"
            if step == "approximate metric"
            else "latent means can be compared as well"
        )
        return (
            f"{name}: none of {count} {what} deviates from the average over the groups by more "
            f"than nearly equal ones do; {allowed}."
        )
    parts = []
    for parameter in result.named[step]:
        own = table[table["parameter"] == parameter]
        r = own.loc[own["freed"].abs().idxmax()]
        way = "below" if r["freed"] < 0 else "above"
        parts.append(
            f"{parameter} (in {r['group']} {abs(r['freed']):.2f} {way} the average if it were free)"
        )
    verb = "deviates" if len(parts) == 1 else "deviate"
    rest = "the others are nearly equal" if count > len(parts) else "nothing is left to compare"
    return f"{name}: of {count} {what}, {'; '.join(parts)} {verb}; {rest}."


def _deviations(result: ApproximateInvariance) -> str:
    """The deviations of what is named, else the largest ones, of the last step."""
    step = list(result.named)[-1]
    table = result.table[result.table["step"] == step]
    every = {name for names in result.named.values() for name in names}
    order = table["deviation"].abs().sort_values(ascending=False, kind="stable").index
    picked = table.loc[order]
    own = picked[picked["parameter"].isin(every)]
    picked = own.head(max(SHOWN, 2 * len(every))) if len(own) else picked.head(SHOWN // 2)
    title = f"Deviations from the average over the groups ({step}"
    title += ")" if len(own) else "; the largest)"
    body = [
        [
            r["parameter"],
            str(r["group"]),
            number(r["value"]),
            number(r["deviation"]),
            f"[{number(r['lower'])}, {number(r['upper'])}]",
            number(r["p_positive"]),
            number(r["freed"]),
            "deviates" if r["named"] else "",
        ]
        for r in picked.to_dict("records")
    ]
    percent = f"{100 * result.ci_prob:g} % interval"
    header = ["", "group", "value", "deviation", percent, "P(>0)", "if free", ""]
    return f"{title}\n{aligned(header, body, left=2)}"


def _means(result: ApproximateInvariance) -> str:
    """Latent means; of many, those that differ most surely from the first group's."""
    table, title = result.means, "Latent means under approximate scalar invariance"
    if (table["what"] == "intercept").any():
        title += " (intercepts of constructs with predictors)"
    title += ", in sds of the first group, which has 0"
    if len(table) > 2 * SHOWN:
        sure = (table["p_positive"] - 0.5).abs().sort_values(ascending=False, kind="stable")
        title += f"; the {SHOWN} with the surest sign of {len(table)}"
        table = table.loc[sure.index[:SHOWN]]
    body = [
        [
            r["construct"],
            r["group"],
            number(r["mean"]),
            f"[{number(r['lower'])}, {number(r['upper'])}]",
            number(r["p_positive"]),
        ]
        for r in table.to_dict("records")
    ]
    percent = f"{100 * result.ci_prob:g} % interval"
    columns = aligned(["", "group", "mean", percent, "P(>0)"], body, left=2)
    return f"{prose(title)}\n{columns}"


def _what_now(result: ApproximateInvariance) -> str:
    return (
        "What deviates also pulls at the other items of its construct and at the latent means. "
        f"Repeat with free={list(result.suggested)!r}: they are free in each group then, the "
        "others nearly equal; and say so in the paper."
    )
