"""In which units a variable of a model is, in words, for the axes of figures."""

from __future__ import annotations

from bayessem.model.prepare import Prepared
from bayessem.syntax.parameters import ParameterTable


def units_of(prepared: Prepared, *names: str) -> dict[str, str]:
    """What one unit and the zero of each variable are.

    Parameters
    ----------
    prepared : Prepared
        Model and data.
    names : str
        Variables of the model.

    Returns
    -------
    dict of str to str
        Such as "latent, centred, in units of co1"; "" for columns of the data, which have theirs.
    """
    table = prepared.table
    return {name: _latent(table, name) if name in table.latent else "" for name in names}


def _latent(table: ParameterTable, name: str) -> str:
    parts = ["latent"]
    predicted = any(row.op == "~" and row.lhs == name for row in table.rows)
    predicted |= any(row.op == "=~" and row.rhs == name for row in table.rows)
    if not predicted:
        parts += _zero(table, name)
    marker = _marker(table, name)
    if marker:
        parts.append(f"in units of {marker}")
    elif _unit_variance(table, name):
        parts.append("in SD of its disturbance" if predicted else "in SD")
    return ", ".join(parts)


def _zero(table: ParameterTable, name: str) -> list[str]:
    """Where the mean of a construct that nothing predicts is."""
    means = [row for row in table.rows if row.op == "~1" and row.lhs == name]
    fixed = [row.group for row in means if row.free < 0 and row.value == 0]
    if len(fixed) == len(means):
        return ["centred"]
    return [f"0 at the mean of {table.groups[fixed[0]]}"] if fixed else []


def _marker(table: ParameterTable, name: str) -> str:
    """The column of the data whose loading is fixed at 1, in every group; "" without one."""
    for row in table.rows:
        if row.op == "=~" and row.lhs == name and row.free < 0 and row.value == 1.0:
            return _marker(table, row.rhs) if row.rhs in table.latent else row.rhs
    return ""


def _unit_variance(table: ParameterTable, name: str) -> bool:
    own = [row for row in table.rows if row.op == "~~" and row.lhs == row.rhs == name]
    return bool(own) and all(row.free < 0 and row.value == 1.0 for row in own)
