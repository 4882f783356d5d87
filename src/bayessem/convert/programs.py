"""Which program a model's text is of, and its conversion: `convert_model`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from bayessem.arguments import check_shared
from bayessem.convert.amos import convert_amos
from bayessem.convert.conversion import Conversion
from bayessem.convert.mplus import convert_mplus
from bayessem.convert.seminr import convert_seminr
from bayessem.errors import BayessemError, ModelError, SyntaxProblem, did_you_mean
from bayessem.syntax.statements import parse

PROGRAMS: dict[str, Callable[..., Conversion]] = {
    "mplus": convert_mplus,
    "amos": convert_amos,
    "seminr": convert_seminr,
}


@check_shared
def convert_model(
    text: str, *, program: str | None = None, columns: Collection[str] = ()
) -> Conversion:
    r"""Convert a model of Mplus, Amos or seminr into lavaan's text.

    Parameters
    ----------
    text : str
        An input file of Mplus; arrows or equations of Amos; constructs() and relationships() of
        seminr.
    program : {"mplus", "amos", "seminr"}, optional
        Seen from the text by default.
    columns : collection of str, optional
        Names of the observed variables: of Amos, where constructs are otherwise seen from arrows.

    Returns
    -------
    Conversion
        `.model` is lavaan's text, `.model_options` and `.fit_options` go with it, and `.not_taken`
        lists all that the text says and the model does not.

    Raises
    ------
    SyntaxProblem
        For a text that is of none of these programs.
    ModelError, NotSupported
        When no model here could be what the text says.

    Examples
    --------
    >>> convert_model("MODEL: f BY x1-x3; y ON f;").model
    'f =~ x1 + x2 + x3\ny ~ f'
    """
    if not isinstance(text, str):
        raise SyntaxProblem(f"a model is a text, not {type(text).__name__}")
    chosen = program_of(text) if program is None else program
    if chosen not in PROGRAMS:
        raise SyntaxProblem(
            f"program is one of {', '.join(PROGRAMS)}, not {chosen!r}."
            f"{did_you_mean(str(chosen), PROGRAMS)}"
        )
    if chosen == "amos":
        return _readable(convert_amos(text, columns=tuple(map(str, columns))))
    return _readable(PROGRAMS[chosen](text))


def program_of(text: str) -> str:
    """The program that a text is of.

    Raises
    ------
    SyntaxProblem
        Where it is of none.
    """
    if re.search(r"(^|\n|;)[^\S\n]*MODEL\b[^\n:;]*:", text, re.I):
        return "mplus"
    if re.search(r"\b(constructs|relationships)\s*\(", text):
        return "seminr"
    if re.search(r"<-+>|<--+|--+>|AStructure", text):
        return "amos"
    lavaan = "; it looks like lavaan's, which needs no conversion" if "=~" in text else ""
    raise SyntaxProblem(
        "this text is neither an input of Mplus (MODEL: ...), nor arrows of Amos (x <--- f), nor "
        f"constructs() of seminr{lavaan}"
    )


def _readable(found: Conversion) -> Conversion:
    """A conversion whose text was read again.

    Raises
    ------
    ModelError
        Where it is no model: a name that lavaan's text cannot have, say.
    """
    try:
        parse(found.model)
    except BayessemError as problem:
        raise ModelError(
            f"the model of {found.program} cannot be written in lavaan's syntax: {problem}"
        ) from None
    return found
