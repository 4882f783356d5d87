"""The parameter table as aligned text: what a person reads to see what a model is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from textwrap import fill
from typing import TYPE_CHECKING

from bayessem.syntax.expression import number_text

if TYPE_CHECKING:
    import pandas as pd

    from bayessem.fit import Fit
    from bayessem.syntax.table import Parameter, ParameterTable


def table_text(table: ParameterTable) -> str:
    """Return the table as aligned text: what each parameter is and where it came from.

    Free parameters are counted from 1, as lavaan prints them.
    """
    grouped = len(table.groups) > 1
    header = ["lhs", "op", "rhs", *(["group"] if grouped else []), "free", "value", "label"]
    header += ["prior", "from"]
    body = [_cells(row, table, grouped) for row in table.rows]
    widths = [max(len(line[i]) for line in [header, *body]) for i in range(len(header))]
    empty = {
        i
        for i, title in enumerate(header)
        if title in ("label", "prior") and all(not line[i] for line in body)
    }
    lines = [
        "  ".join(
            cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            if i not in empty
        ).rstrip()
        for line in [header, *body]
    ]
    fixed = sum(row.group >= 0 and row.free < 0 for row in table.rows)
    lines.append(
        f"{len(table.parameters)} free parameters, {fixed} fixed; "
        f"{len(table.observed)} observed variables, {len(table.latent)} latent"
    )
    return "\n".join(lines)


def _cells(row: Parameter, table: ParameterTable, grouped: bool) -> list[str]:
    group = [table.groups[row.group] if row.group >= 0 else ""] if grouped else []
    if row.expression is not None:
        origin = "defined" if row.op == ":=" else "constraint"
    elif row.exogenous:
        origin = "data"
    else:
        origin = "model" if row.user else "lavaan rule"
    label = "" if row.op == ":=" else row.label
    free = str(row.free + 1) if row.free >= 0 else ""
    return [
        row.lhs,
        row.op,
        row.rhs,
        *group,
        free,
        _value_text(row),
        label,
        _prior_text(row),
        origin,
    ]


def _value_text(row: Parameter) -> str:
    if row.value is None:
        return "" if row.start is None else f"start {number_text(row.start)}"
    return "sample" if row.exogenous else number_text(row.value)


def _prior_text(row: Parameter) -> str:
    if math.isinf(row.lower) and math.isinf(row.upper):
        return row.prior
    bounds = f"[{number_text(row.lower)}, {number_text(row.upper)}]"
    return f"{row.prior} in {bounds}" if row.prior else f"in {bounds}"


def aligned(header: list[str], body: list[list[str]], *, left: int = 1) -> str:
    """Lines of a text table, the first `left` columns to the left, numbers to the right."""
    widths = [max(len(line[i]) for line in [header, *body]) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [header, *body]
    )


SECTIONS = (
    ("=~", "Loadings"),
    ("~", "Paths"),
    (":=", "Defined parameters"),
    ("~~", "Variances and covariances"),
    ("~1", "Intercepts and means"),
)


def number(value: float, digits: int = 3) -> str:
    """A number for a table; empty when it is undefined."""
    if math.isnan(value):
        return ""
    text = f"{value:.{digits}f}"
    return text if text.strip("-0.") else text.removeprefix("-")  # no -0.00


def raw_number(value: float, sd: float) -> str:
    """A number in units of the data: three decimals, or three digits where those say nothing."""
    if math.isnan(value):
        return ""
    if 0.0 < sd < 0.001 or abs(value) >= 1e6:
        return f"{value:.3g}"
    return number(value)


def prose(text: str, *, width: int = 100, indent: str = "") -> str:
    """Wrapped prose that keeps a number and its % together; `indent` is of the later lines."""
    kept = text.replace(" %", "\N{NO-BREAK SPACE}%")
    lines = fill(kept, width, subsequent_indent=indent, break_long_words=False)
    return lines.replace("\N{NO-BREAK SPACE}", " ")


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


def fit_text(fit: Fit, *, ci_prob: float = 0.95) -> str:
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
