"""What `print(fit)` shows: the run, its diagnostics, the estimates and R2."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from bayessem.results.fitted import Fitted
from bayessem.text.numbers import number, raw_number
from bayessem.text.tables import aligned

SECTIONS = (
    ("=~", "Loadings"),
    ("~", "Paths"),
    (":=", "Defined parameters"),
    ("~~", "Variances and covariances"),
    ("~1", "Intercepts and means"),
)


def estimates_text(summary: pd.DataFrame, *, ci_prob: float = 0.95) -> str:
    """The table of estimates (`Fit.summary`) in sections, as text."""
    percent = f"{100 * ci_prob:g} %"
    squares = "std_square" in summary and _has_square(summary["rhs"])
    header = ["", "mean", "sd", f"{percent} interval", "P(>0)", "std", f"std {percent}"]
    header += (["std sq"] if squares else []) + ["R-hat", "ESS"]
    blocks = []
    for op, title in SECTIONS:
        part = summary[summary["op"] == op]
        if part.empty:
            continue
        body = []
        for _, r in part.iterrows():
            name = f"{r['lhs']} {op} {r['rhs']}" if op not in (":=", "~1") else f"{r['lhs']}"
            if "group" in r and r["group"]:
                name += f" [{r['group']}]"
            body.append(
                [
                    name,
                    raw_number(r["mean"], r["sd"]),
                    raw_number(r["sd"], r["sd"]),
                    f"[{raw_number(r['lower'], r['sd'])}, {raw_number(r['upper'], r['sd'])}]",
                    number(r["p_positive"]),
                    number(r["std"]),
                    ""
                    if math.isnan(r["std"])
                    else f"[{number(r['std_lower'])}, {number(r['std_upper'])}]",
                    *([number(r["std_square"])] if squares else []),
                    number(r["r_hat"]),
                    number(r["ess_bulk"], 0),
                ]
            )
        blocks.append(f"{title}\n{aligned([header[0], *header[1:]], body)}")
    return "\n\n".join(blocks)


def _has_square(terms: Iterable[str]) -> bool:
    """Whether a product of a variable with itself is among terms such as "X:Z"."""
    return any(len(f := t.split(":")) > 1 and len(set(f)) < len(f) for t in terms)


def fit_text(fit: Fitted, *, ci_prob: float = 0.95) -> str:
    """What `print(fit)` shows: the run, its diagnostics, the estimates and R2."""
    settings, sample = fit.settings, fit.prepared.sample
    groups = f" in {len(sample.groups)} groups" if len(sample.groups) > 1 else ""
    complete = " (all complete)" if sample.complete else ""
    lines = [
        f"bayessem: {sample.size} respondents{complete}{groups}, "
        f"{len(fit.prepared.table.parameters)} parameters; {settings['chains']} chains of "
        f"{settings['draws']} draws after {settings['tune']} of warm-up, "
        f"seed {settings['random_seed']}, "
        f"{fit.timings['total']:.1f} s.",
        str(fit.diagnosis),
        *fit.notes,
        "",
        estimates_text(fit.summary(ci_prob=ci_prob), ci_prob=ci_prob),
    ]
    products = [name for name, _ in fit.prepared.table.products]
    if products and not _has_square(products):
        lines += ["", "std: standardised per draw; of a product, of the standardised variables."]
    elif products:
        lines += [
            "",
            "std: standardised per draw; of a square, the coefficient of the square of the "
            "standardised factor.",
            "std sq: the coefficient of the standardised square, sqrt(2) times that (what "
            "product-indicator models print).",
        ]
    share = fit.r2(ci_prob=ci_prob)
    outcomes = {r.lhs for r in fit.prepared.table.rows if r.op == "~"}
    share = share[share["variable"].isin(outcomes)]
    if len(share):
        body = [
            [
                r["variable"] + (f" [{r['group']}]" if "group" in r else ""),
                number(r["mean"]),
                f"[{number(r['lower'])}, {number(r['upper'])}]",
            ]
            for _, r in share.iterrows()
        ]
        lines += [
            "",
            "R2 of the outcomes\n" + aligned(["", "mean", f"{100 * ci_prob:g} % interval"], body),
        ]
    return "\n".join(lines)
