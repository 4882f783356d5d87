"""The parameter table: what a model is, a row a parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from bayessem.syntax.expression import Expression, number_text
from bayessem.syntax.responses import Responses
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Lines, Table

# Name of the degrees of freedom of respondents with heavy tails, and of the relation in their row.
NU = "nu"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row of the table.

    Attributes
    ----------
    lhs, op, rhs : str
        The relation; `op` is one of `=~ <~ ~ ~~ ~1 | := == < >`, `rhs` is "" for `~1`; "nu" for
        the degrees of freedom of heavy tails, of which `rhs` is "", too.
    group : int
        From 0; -1 for `:=`, `==`, `<`, `>`. In a two-level model the block: level of a group.
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
        A moment that the model takes from the sample: of a covariate that it conditions on
        (lavaan's fixed.x), or a (co)variance of the items of a composite.
    slope : str
        Of a path with a random slope the name of the slope, a variable of level 2; the path itself
        is fixed at 0.
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
    slope: str = ""
    user: bool = True
    expression: Expression | None = None

    @property
    def name(self) -> str:
        """Lavaan's name, such as `RAD~AMC` or `x1~1`, without the group."""
        return self.lhs if self.op in (":=", NU) else f"{self.lhs}{self.op}{self.rhs}"


@dataclass(frozen=True, repr=False)
class ParameterTable(Described):
    """A structural equation model.

    Attributes
    ----------
    rows : tuple of Parameter
        By group; then definitions and constraints.
    groups : tuple of str
        Their names, ("",) for one group; in a two-level model those of the blocks, "within" and
        "between" of each group.
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
    responses : Responses
        The variables that are not normal, with link and parameterization.
    level_variables : tuple of tuple of str
        Of a two-level model, the observed variables at level 1 and at level 2; else ().
    composites : tuple of (name, items)
        Constructs that are weighted sums of observed items (`<~`).
    """

    rows: tuple[Parameter, ...]
    groups: tuple[str, ...]
    observed: tuple[str, ...]
    latent: tuple[str, ...]
    products: tuple[tuple[str, tuple[str, ...]], ...]
    exogenous: tuple[str, ...]
    parameters: tuple[str, ...]
    promoted: tuple[str, ...]
    responses: Responses = field(default_factory=Responses)
    level_variables: tuple[tuple[str, ...], ...] = ()
    composites: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def items(self) -> frozenset[str]:
        """Observed variables that are parts of composites."""
        return frozenset(item for _, items in self.composites for item in items)

    @property
    def levels(self) -> int:
        """2 for a two-level model, else 1."""
        return len(self.level_variables) or 1

    @property
    def split(self) -> tuple[str, ...]:
        """Observed variables at both levels: those with random intercepts."""
        if self.levels == 1:
            return ()
        within, between = self.level_variables
        return tuple(name for name in within if name in between)

    @property
    def between_only(self) -> tuple[str, ...]:
        """Observed variables of clusters."""
        if self.levels == 1:
            return ()
        within, between = self.level_variables
        return tuple(name for name in between if name not in within)

    @property
    def slopes(self) -> tuple[str, ...]:
        """Random slopes: variables of level 2 that are paths of level 1."""
        return tuple(dict.fromkeys(row.slope for row in self.rows if row.slope))

    @property
    def constructs(self) -> tuple[str, ...]:
        """What is measured: latent variables other than random slopes."""
        return tuple(name for name in self.latent if name not in self.slopes)

    @property
    def ordered(self) -> tuple[str, ...]:
        """Observed variables that are answers in ordered categories."""
        return tuple(self.responses.families)

    @property
    def answered(self) -> tuple[str, ...]:
        """Observed variables that are not normal: ordered ones, counts, durations, shares."""
        return (*self.responses.families, *self.responses.others)

    @property
    def answers_said(self) -> str:
        """What `answered` are, for messages."""
        if not self.responses.others:
            return "ordered answers"
        return f"{', '.join(sorted(set(self.responses.others.values())))} responses"

    @property
    def heavy_tailed(self) -> bool:
        """Whether respondents are drawn from a multivariate t (family="student")."""
        return self.responses.heavy_tailed

    @property
    def declared(self) -> str:
        """The options that make variables other than normal, for messages."""
        used = [("ordered=", self.responses.families), ("family=", self.responses.others)]
        return " and ".join(name for name, have in used if have)

    @property
    def block_title(self) -> str:
        """What the names in `groups` are, as the title of a column."""
        return "level" if self.levels == len(self.groups) > 1 else "group"

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

    def document(self) -> Document:
        """What each parameter is and where it came from; counted from 1, as lavaan prints them."""
        rows = self.rows
        groups = [self.groups[r.group] if r.group >= 0 else "" for r in rows]
        columns = (
            *(Column(name, [getattr(r, name) for r in rows]) for name in ("lhs", "op", "rhs")),
            *([Column(self.block_title, groups)] if len(self.groups) > 1 else []),
            Column("free", [str(r.free + 1) if r.free >= 0 else "" for r in rows]),
            Column("value", [_value_text(r) for r in rows]),
            *_unless_empty("slope", [r.slope for r in rows]),
            *_unless_empty("label", ["" if r.op == ":=" else r.label for r in rows]),
            *_unless_empty("prior", [_prior_text(r) for r in rows]),
            Column("from", [_origin(r) for r in rows]),
        )
        fixed = sum(row.group >= 0 and row.free < 0 for row in rows)
        counts = (
            f"{len(self.parameters)} free parameters, {fixed} fixed; "
            f"{len(self.observed)} observed variables, {len(self.latent)} latent"
        )
        return Document.of(Table(columns), Lines((counts,)))


def _unless_empty(title: str, cells: list[str]) -> list[Column]:
    return [Column(title, cells)] if any(cells) else []


def _origin(row: Parameter) -> str:
    if row.expression is not None:
        return "defined" if row.op == ":=" else "constraint"
    if row.exogenous:
        return "data"
    return "model" if row.user else "lavaan rule"


def _value_text(row: Parameter) -> str:
    if row.slope:
        return ""
    if row.value is None:
        return "" if row.start is None else f"start {number_text(row.start)}"
    return "sample" if row.exogenous else number_text(row.value)


def _prior_text(row: Parameter) -> str:
    if math.isinf(row.lower) and math.isinf(row.upper):
        return row.prior
    bounds = f"[{number_text(row.lower)}, {number_text(row.upper)}]"
    return f"{row.prior} in {bounds}" if row.prior else f"in {bounds}"
