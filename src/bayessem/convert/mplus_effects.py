"""MODEL INDIRECT and MODEL CONSTRAINT of Mplus as defined parameters and constraints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bayessem.convert.mplus_input import Piece
from bayessem.convert.mplus_parameters import Key, Parameters
from bayessem.convert.names import Names
from bayessem.errors import BayessemError, ModelError
from bayessem.syntax.expression import FUNCTIONS, number_text
from bayessem.syntax.statements import parse

MOST_PATHS = 200


def indirect_lines(piece: Piece, parameters: Parameters, names: Names) -> list[str]:
    """The lines of `y IND m x`, `y IND x` or `y VIA m x`, for each group.

    Raises
    ------
    ModelError
        For other statements, and where no path leads from x to y.
    """
    words = piece.text.replace(",", " ").split()
    if len(words) < 3 or words[1].upper() not in ("IND", "VIA") or not _plain(words[2:]):
        raise ModelError("effects are written y IND m x, y IND x or y VIA m x")
    kind, y = words[1].upper(), names.add(words[0])
    between = [names.add(word) for word in reversed(words[2:])]  # the first cause stands last
    x, through = between[0], between[1:]
    found = list(_routes(parameters, x, y))
    if kind == "IND" and through:
        chosen = [route for route in found if route == [x, *through, y]]
    else:
        chosen = [route for route in found if len(route) > 2 and set(through) <= set(route)]
    if not chosen:
        raise ModelError(f"no path of the model (ON) leads from {' over '.join([*between, y])}")
    out: list[str] = []
    for g in range(len(parameters.groups)):
        out += _definitions(parameters, chosen, found, g, kind, through)
    return out


def _plain(words: Sequence[str]) -> bool:
    return all(re.fullmatch(r"[A-Za-z_][\w.]*", word) for word in words)


def _definitions(
    parameters: Parameters,
    chosen: list[list[str]],
    found: list[list[str]],
    group: int,
    kind: str,
    through: list[str],
) -> list[str]:
    """Each specific effect, their sum where there are several or all are meant, and the total."""
    suffix = f"_{parameters.groups[group]}" if len(parameters.groups) > 1 else ""
    specific = {
        f"ind_{'_'.join(route)}{suffix}": _product(parameters, route, group) for route in chosen
    }
    out = [f"{name} := {text}" for name, text in specific.items()]
    x, y = chosen[0][0], chosen[0][-1]
    sum_of = " + ".join(specific)
    if kind == "VIA":
        out.append(f"via_{'_'.join((x, *through, y))}{suffix} := {sum_of}")
    elif not through:
        out.append(f"indirect_{x}_{y}{suffix} := {sum_of}")
        direct = [_product(parameters, route, group) for route in found if len(route) == 2]
        out.append(f"total_{x}_{y}{suffix} := {' + '.join([sum_of, *direct])}")
    return out


def _product(parameters: Parameters, route: Sequence[str], group: int) -> str:
    factors = []
    for cause, outcome in zip(route, route[1:], strict=False):
        key = _path(parameters, cause, outcome)
        value = parameters.cells[key][group].fixed
        factors.append(parameters.label(key, group) if value is None else number_text(value))
    return "*".join(f"({f})" if f.startswith("-") else f for f in factors)


def _path(parameters: Parameters, cause: str, outcome: str) -> Key:
    return next(k for k in parameters.cells if k[:3] == (outcome, "~", cause))


def _routes(parameters: Parameters, x: str, y: str) -> Iterator[list[str]]:
    """Every way along paths from x to y that visits nothing twice."""
    outcomes: dict[str, list[str]] = {}
    for lhs, op, rhs, _ in parameters.cells:
        if op == "~" and rhs not in parameters.products:
            outcomes.setdefault(rhs, []).append(lhs)
    waiting, count = [[x]], 0
    while waiting:
        route = waiting.pop(0)
        for following in outcomes.get(route[-1], ()):
            if following == y:
                count += 1
                yield [*route, y]
            elif following not in route:
                waiting.append([*route, following])
        if count > MOST_PATHS:
            raise ModelError(f"more than {MOST_PATHS} paths lead from {x} to {y}")


def constraint_lines(
    pieces: Sequence[Piece], labels: Names, used: set[str]
) -> tuple[list[str], list[str]]:
    """The lines of MODEL CONSTRAINT, and what could not be taken of it.

    Parameters
    ----------
    pieces : sequence of Piece
        Its statements.
    labels : Names
        Labels that the model has.
    used : set of str
        Those of free parameters.
    """
    lines: list[str] = []
    refused: list[str] = []
    new: dict[str, bool] = {}  # name of a new parameter: has it been defined?
    for piece in pieces:
        found = re.fullmatch(r"\s*NEW\s*\((.*)\)\s*", piece.text, re.S | re.I)
        if found:
            new |= {labels.add(name): False for name in re.findall(r"[A-Za-z_]\w*", found[1])}
            continue
        try:
            line, defined = _constraint(piece.text, labels, new, used)
        except BayessemError as problem:
            refused.append(f"{piece.where}: {problem}")
            continue
        lines.append(line)
        new |= {defined: True} if defined else {}
    refused += [
        f"MODEL CONSTRAINT: the new parameter {name} is defined by no 'NAME = ...'"
        for name, defined in new.items()
        if not defined
    ]
    return lines, refused


def _constraint(text: str, labels: Names, new: dict[str, bool], used: set[str]) -> tuple[str, str]:
    """One constraint as lavaan's line, and the new parameter that it defines, or ""."""
    if re.match(r"\s*(DO|PLOT|LOOP|IF)\b", text, re.I):
        raise ModelError("loops, conditions and plots; write the lines out")
    parts = re.split(r"(?<![<>=])(==|=|<|>)(?![<>=])", " ".join(text.split()))
    if len(parts) != 3:
        raise ModelError("a constraint is written a = b, a > b or a < b")
    left, sign, right = (part.strip() for part in parts)
    left, right = _arithmetic(left, labels), _arithmetic(right, labels)
    defines = left if sign in ("=", "==") and left in new and not new[left] else ""
    known = used | {name for name, defined in new.items() if defined}
    unknown = [n for n in _names(f"{'' if defines else left} {right}") if n not in known]
    if unknown:
        raise ModelError(f"no free parameter of the model has the label {unknown[0]}")
    operator = ":=" if defines else "==" if sign in ("=", "==") else sign
    line = f"{left} {operator} {right}"
    parse(line)  # what it cannot read is no line of ours
    return line, defines


def _arithmetic(text: str, labels: Names) -> str:
    """An expression of Mplus as lavaan writes it."""
    text = text.replace("**", "^")

    def word(found: re.Match[str]) -> str:
        name = found[0]
        is_call = text[found.end() :].lstrip().startswith("(")
        if is_call:
            function = name.lower()
            if function not in FUNCTIONS:
                raise ModelError(f"there is no function {name}; {', '.join(FUNCTIONS)} are there")
            return function
        return labels.add(name) if labels.has(name) else name

    return re.sub(r"(?<![\w.])[A-Za-z_][\w]*", word, text)


def _names(text: str) -> list[str]:
    return [
        found[0]
        for found in re.finditer(r"(?<![\w.])[A-Za-z_]\w*", text)
        if not text[found.end() :].lstrip().startswith("(")
    ]
