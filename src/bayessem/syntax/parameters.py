"""The parameter table: what a model is, a row a parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bayessem.syntax.expression import Expression, number_text


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row of the table.

    Attributes
    ----------
    lhs, op, rhs : str
        The relation; `op` is one of `=~ ~ ~~ ~1 := == < >`, `rhs` is "" for `~1`.
    group : int
        From 0; -1 for `:=`, `==`, `<`, `>`.
    free : int
        Position in `ParameterTable.parameters`, -1 when fixed or derived.
    label : str
        The user's label, or "".
    value : float or None
        The fixed value, nan when it is fixed to a moment of the sample, None when free.
    start : float or None
        Start value, if the user gave one.
    prior : str
        Prior, if the user gave one, as text.
    lower, upper : float
        Bounds, infinite without any.
    exogenous : bool
        A moment of a covariate that the model conditions on (lavaan's fixed.x).
    user : bool
        Written by the user, as against added by lavaan's rules.
    expression : Expression or None
        For `:=` the definition; for `==`, `<`, `>` left minus right side, to compare with 0.
    """

    lhs: str
    op: str
    rhs: str
    group: int
    free: int
    label: str = ""
    value: float | None = None
    start: float | None = None
    prior: str = ""
    lower: float = -math.inf
    upper: float = math.inf
    exogenous: bool = False
    user: bool = True
    expression: Expression | None = None

    @property
    def name(self) -> str:
        """Lavaan's name, such as `RAD~AMC` or `x1~1`, without the group."""
        return self.lhs if self.op == ":=" else f"{self.lhs}{self.op}{self.rhs}"


@dataclass(frozen=True)
class ParameterTable:
    """A structural equation model.

    Attributes
    ----------
    rows : tuple of Parameter
        By group; then definitions and constraints.
    groups : tuple of str
        Their names, ("",) for one group.
    observed, latent : tuple of str
        Columns of the data and constructs, in lavaan's order.
    products : tuple of (name, factors)
        Product terms.
    exogenous : tuple of str
        Observed covariates that the model conditions on.
    parameters : tuple of str
        Unique name of each free parameter.
    promoted : tuple of str
        Observed variables with a structural role: in `~` on either side, factor of a product,
        covariate, or covarying with a construct or with such a variable.
    """

    rows: tuple[Parameter, ...]
    groups: tuple[str, ...]
    observed: tuple[str, ...]
    latent: tuple[str, ...]
    products: tuple[tuple[str, tuple[str, ...]], ...]
    exogenous: tuple[str, ...]
    parameters: tuple[str, ...]
    promoted: tuple[str, ...]

    @property
    def defined(self) -> tuple[Parameter, ...]:
        """The rows of `:=`, each after those it refers to."""
        return tuple(row for row in self.rows if row.op == ":=")

    @property
    def constraints(self) -> tuple[Parameter, ...]:
        """The rows of `==`, `<` and `>` that shared parameters and bounds do not express."""
        return tuple(row for row in self.rows if row.op in ("==", "<", ">"))

    @property
    def names(self) -> dict[str, int | float]:
        """What the names in expressions stand for: a free parameter's position or a value.

        Labels and names of parameters; an int is a position in `parameters`, a float the
        value of a fixed parameter.
        """
        found: dict[str, int | float] = {name: i for i, name in enumerate(self.parameters)}
        for row in self.rows:
            if row.label and row.group >= 0:
                found[row.label] = row.free if row.free >= 0 else float(row.value or 0.0)
        return found

    def __str__(self) -> str:
        return table_text(self)


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
