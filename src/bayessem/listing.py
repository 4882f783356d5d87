"""The parameter table as aligned text: what a person reads to see what a model is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bayessem.expression import number_text

if TYPE_CHECKING:
    from bayessem.table import Parameter, ParameterTable


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
