"""A model as its text says it: statements, options and the parameter table they make."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from bayessem.syntax.parameters import ParameterTable
from bayessem.syntax.responses import Censored, Families
from bayessem.syntax.statements import Statement, group_count, model_text, parse
from bayessem.syntax.table import build_table, checked_flags
from bayessem.text.described import Described
from bayessem.text.document import Document


class Specification(Described):
    """A model before it meets data.

    Parameters
    ----------
    model : str
        lavaan's syntax.
    std_lv, meanstructure, fixed_x, group_equal, group_partial, growth, orthogonal, effect_coding, auto, ordered, family, link, parameterization, exposure, censored
        As in lavaan; see `bayessem.syntax.table.build_table`.

    Attributes
    ----------
    text : str
        The model as written.
    statements : tuple of Statement
        What it says.
    options : dict
        The keyword arguments.
    table : ParameterTable
        The parameters of one group, or of as many as `c(...)` modifiers name.

    Raises
    ------
    SyntaxProblem
        With line, column, a caret and what would work.
    ModelError, NotSupported
        When no model can be what the text says, or bayessem cannot do it.
    """  # noqa: E501 - names of parameters stand on one line

    def __init__(
        self,
        model: str,
        *,
        std_lv: bool = False,
        meanstructure: bool = True,
        fixed_x: bool = True,
        group_equal: str | Sequence[str] = (),
        group_partial: str | Sequence[str] = (),
        growth: bool = False,
        orthogonal: bool = False,
        effect_coding: bool | str | Sequence[str] = False,
        auto: bool = True,
        ordered: bool | str | Sequence[str] = False,
        family: Families | None = None,
        link: str = "probit",
        parameterization: str = "delta",
        exposure: Mapping[str, str] | None = None,
        censored: Mapping[str, Censored] | None = None,
    ) -> None:
        self.text = model
        self.statements = parse(model)
        self.options: dict[str, Any] = {
            "std_lv": std_lv,
            "meanstructure": meanstructure,
            "fixed_x": fixed_x,
            "group_equal": group_equal,
            "group_partial": group_partial,
            "growth": growth,
            "orthogonal": orthogonal,
            "effect_coding": effect_coding,
            "auto": auto,
            "ordered": ordered,
            "family": family,
            "link": link,
            "parameterization": parameterization,
            "exposure": exposure,
            "censored": censored,
        }
        self.options.update(checked_flags(self.options))
        self.table: ParameterTable = build_table(
            self.statements, groups=self.groups, **self.options
        )

    @property
    def groups(self) -> tuple[str, ...]:
        """Names for the groups that `c(...)` modifiers ask for, before the data are read."""
        count = group_count(self.statements)
        return ("",) if count == 1 else tuple(f"group {g + 1}" for g in range(count))

    def document(self) -> Document:
        """The parameter table."""
        return self.table.document()

    @property
    def changed(self) -> dict[str, Any]:
        """The options that are not the defaults."""
        defaults = inspect.signature(Specification).parameters
        # of a saved fit, sequences are lists
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in self.options.items()}
        return {k: v for k, v in given.items() if v != defaults[k].default}

    def __repr__(self) -> str:
        extra = "".join(f", {k}={v!r}" for k, v in self.changed.items())
        return f"{type(self).__name__}({model_text(self.statements)!r}{extra})"

    def extended(
        self, lines: Iterable[str] = (), *, options: Mapping[str, Any] | None = None
    ) -> Self:
        """The model with further lines, and other options where they are given."""
        text = "\n".join([self.text, *lines])
        return type(self)(text, **{**self.options, **(options or {})})

    def of_statements(
        self, statements: Iterable[Statement], *, options: Mapping[str, Any] | None = None
    ) -> Self:
        """A model of other statements, with these options where no others are given."""
        return type(self)(model_text(statements), **{**self.options, **(options or {})})
