"""What `print(fit.measurement())` shows: loadings, reliability, discriminant validity, formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayessem.measurement.quality import Measurement
from bayessem.measurement.tables import HTMT_LIMITS, THRESHOLDS
from bayessem.text.numbers import number
from bayessem.text.prose import prose
from bayessem.text.tables import aligned

if TYPE_CHECKING:
    import pandas as pd


def measurement_text(result: Measurement) -> str:
    """The report on measurement quality, as text."""
    percent = f"{100 * result.ci_prob:g} %"
    chains, draws = result.draws.sizes["chain"], result.draws.sizes["draw"]
    several = sum(len(c.indicators) > 1 for c in result.constructs)
    total = len(result.constructs)
    with_several = "each" if several == total and total > 1 else f"{several} of them"
    lines = [
        f"Measurement quality: {_count(total, 'construct')}, {with_several} with two or more "
        f"indicators; {chains * draws} draws, intervals of {percent}."
    ]
    for group in result.groups:
        if group:
            lines += ["", f"== {group} =="]
        lines += _group_lines(result, group)
    lines += ["", *map(prose, result.notes)] if result.notes else []
    lines += ["", "How it is computed", *_formulas(result)]
    return "\n".join(lines)


def _count(number_of: int, noun: str) -> str:
    return f"{number_of} {noun}{'' if number_of == 1 else 's'}"


def _of(table: pd.DataFrame, group: str) -> pd.DataFrame:
    return table[table["group"] == group] if "group" in table else table


def _interval(row: pd.Series) -> str:
    return f"[{number(row['lower'])}, {number(row['upper'])}]"


def _group_lines(result: Measurement, group: str) -> list[str]:
    lines = ["", "Standardised loadings", _loadings_text(_of(result.loadings, group))]
    reliability = _of(result.reliability, group)
    if len(reliability):
        lines += ["", "Reliability and convergent validity", _reliability_text(reliability)]
    if len(result.draws["variable"]) < 2:
        return lines
    return [*lines, "", *_discriminant_lines(result, group)]


def _loadings_text(table: pd.DataFrame) -> str:
    body, last = [], None
    for _, r in table.iterrows():
        body.append(
            [
                r["construct"] if r["construct"] != last else "",
                r["indicator"],
                number(r["mean"]),
                _interval(r),
                number(r["p_above"]),
            ]
        )
        last = r["construct"]
    header = ["", "", "mean", "interval", f"P(> {THRESHOLDS['loading']:.2f})"]
    return aligned(header, body, left=2)


def _reliability_text(table: pd.DataFrame) -> str:
    body = []
    for name, rows in table.groupby("construct", sort=False):
        by = rows.set_index("measure")
        line = [str(name), str(by["items"].iloc[0])]
        for measure in ("omega", "ave"):
            r = by.loc[measure]
            line += [number(r["mean"]), _interval(r), number(r["p_pass"])]
        for measure in ("alpha", "alpha_data", "omega_items"):
            line.append(number(by.loc[measure, "mean"]) if measure in by.index else "")
        body.append(line)
    header = ["", "k", "omega", "interval", f"P(> {THRESHOLDS['omega']:.2f})"]
    header += ["AVE", "interval", f"P(> {THRESHOLDS['ave']:.2f})"]
    header += ["alpha", "alpha (data)", "omega_items"]
    wanted = [i for i in range(len(header)) if i < 8 or any(line[i] for line in body)]
    return aligned([header[i] for i in wanted], [[line[i] for i in wanted] for line in body])


def _discriminant_lines(result: Measurement, group: str) -> list[str]:
    lines = [
        "Discriminant validity",
        "Below the diagonal correlations, on it sqrt(AVE), above it HTMT of the data",
        _matrix_text(result, group),
    ]
    limits = _of(result.fornell_larcker, group)
    limits = limits[limits["nearest"] != ""]
    if len(limits):
        body = [
            [
                r["construct"],
                number(r["ave"]),
                number(r["squared_correlation"]),
                r["nearest"],
                number(r["p_pass"]),
            ]
            for _, r in limits.iterrows()
        ]
        header = ["Fornell-Larcker", "AVE", "largest squared r", "with", "P(AVE > all)"]
        lines += ["", aligned(header, body)]
    sentences = (_htmt_sentence(result, group), _verdict_sentence(result, group))
    return [*lines, "", *map(prose, sentences)]


def _matrix_text(result: Measurement, group: str) -> str:
    names = [str(v) for v in result.draws["variable"].values]
    table: dict[tuple[str, str], str] = {}
    for _, r in _of(result.correlations, group).iterrows():
        table[r["other"], r["construct"]] = number(r["mean"], 2)
    for _, r in _of(result.htmt, group).iterrows():
        # Their order here may differ from that of the variables.
        first, second = sorted((r["construct"], r["other"]), key=names.index)
        table[first, second] = number(r["htmt"], 2)
    for _, r in _of(result.fornell_larcker, group).iterrows():
        table[r["construct"], r["construct"]] = f"({number(np.sqrt(r['ave']), 2)})"
    body = [[a, *(table.get((a, b), "") for b in names)] for a in names]
    return aligned(["", *names], body)


def _htmt_sentence(result: Measurement, group: str) -> str:
    table = _of(result.htmt, group)
    strict, loose = HTMT_LIMITS
    if not len(table):
        return "HTMT needs two constructs with two or more indicators each."

    def described(r: pd.Series) -> str:
        return f"{r['construct']} - {r['other']} {number(r['htmt'], 2)} " + (
            f"[{number(r['lower'], 2)}, {number(r['upper'], 2)}]"
        )

    largest = table.loc[table["htmt"].idxmax()]
    over = table[table["upper"] >= strict]
    if over.empty:
        return (
            f"HTMT: all {_count(len(table), 'interval')} below {strict:.2f}; "
            f"the largest is {described(largest)}."
        )
    listed = "; ".join(described(r) for _, r in over.iterrows())
    above = int((table["upper"] >= loose).sum())
    reach = "reaches" if len(over) == 1 else "reach"
    return (
        f"HTMT: {len(over)} of {_count(len(table), 'interval')} {reach} {strict:.2f}, {above} of "
        f"them {loose:.2f}: {listed}."
    )


def _verdict_sentence(result: Measurement, group: str) -> str:
    table = _of(result.correlations, group)
    judged = table[table["verdict"] != ""]
    if judged.empty:
        return "No two constructs to compare."
    doubtful = judged[judged["verdict"] != "no problem"]
    if doubtful.empty:
        return "Correlations of constructs: every interval lies below .80, no problem."
    listed = "; ".join(
        f"{r['construct']} - {r['other']} {number(r['mean'], 2)} "
        f"[{number(r['lower'], 2)}, {number(r['upper'], 2)}] {r['verdict']}"
        for _, r in doubtful.iterrows()
    )
    return f"Correlations of constructs whose interval reaches .80: {listed}."


def _formulas(result: Measurement) -> list[str]:
    items = "items standardised" if result.standardized else "items in their own units"
    lines = [
        f"lambda loadings, phi variance of the construct, Theta residual (co)variances; {items}.",
        "omega = composite reliability (CR) = (sum lambda)^2 phi / [(sum lambda)^2 phi + sum of "
        "all Theta],",
        "  residual covariances counted;",
        "AVE = sum lambda^2 phi / (sum lambda^2 phi + sum of the residual variances).",
        "  An item's loadings on other constructs count in both denominators.",
        "alpha = k/(k - 1) [1 - sum of variances / variance of the sum]: implied by the model, and "
        "of the data.",
        "Fornell-Larcker: the AVE of a construct exceeds its squared correlation with every other "
        "variable,",
        "  except those it measures or is measured by.",
        "HTMT = mean |r| between the items of two constructs / geometric mean of their mean |r| "
        "within;",
        f"  interval from {result.bootstrap} Bayesian bootstrap draws, seed {result.random_seed}. "
        "Constructs with one indicator have none.",
        "Verdict on a correlation by the end of its interval (Ronkko & Cho 2022): below .80 no "
        "problem, below .90",
        "  marginal, below 1 moderate, else severe.",
    ]
    if any(c.level > 1 for c in result.constructs):
        lines.insert(
            5,
            "Higher-order constructs: the same formulas with standardised dimensions in the place "
            "of items.",
        )
    return lines
