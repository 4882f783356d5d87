"""Measurement and paths of seminr (R) as lavaan's text: `convert_seminr`.

constructs(composite("Image", multi_items("IMAG", 1:5)), reflective("Loyalty", c("l1", "l2")))
relationships(paths(from = "Image", to = c("Satisfaction", "Loyalty")))
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bayessem.convert.conversion import Conversion
from bayessem.convert.r_calls import Call, Value, calls
from bayessem.errors import ModelError, NotSupported
from bayessem.syntax.specification import Specification

_CONSTRUCTS = ("composite", "reflective")
_HIGHER = ("higher_composite", "higher_reflective")


@dataclass
class _Model:
    """What the calls say: items by construct, paths, products, covariances of items.

    `reflective`: composites of constructs that have to be written as reflective ones, and why.
    """

    items: dict[str, list[str]] = field(default_factory=dict)
    singles: dict[str, str] = field(default_factory=dict)
    products: set[str] = field(default_factory=set)
    paths: dict[str, list[str]] = field(default_factory=dict)
    covariances: list[tuple[str, str]] = field(default_factory=list)
    composites: list[str] = field(default_factory=list)
    higher: list[str] = field(default_factory=list)
    reflective: dict[str, str] = field(default_factory=dict)
    not_taken: list[str] = field(default_factory=list)


def convert_seminr(text: str) -> Conversion:
    """Convert the calls `constructs`, `relationships` and `associations` of a script of seminr.

    Parameters
    ----------
    text : str
        The script, or only these calls.

    Returns
    -------
    Conversion
        Composites are composites (`<~`). Those of constructs which bayessem does not have are
        written as reflective constructs, which a note says.

    Raises
    ------
    SyntaxProblem, ModelError
        For calls that cannot be read, and a script without constructs.
    """
    model = _Model()
    for call in calls(text, "constructs", "relationships", "associations"):
        for part in call.plain:
            if not isinstance(part, Call):
                model.not_taken.append(f"line {call.line}: {part!r} in {call.function}()")
            elif call.function == "constructs":
                _construct(part, model)
            elif call.function == "relationships":
                _paths(part, model)
            else:
                _association(part, model)
    if not model.items and not model.singles:
        raise ModelError(
            "a model of seminr has constructs(composite('Image', multi_items('IMAG', 1:5)), ...); "
            "this text has none"
        )
    _settle(model)
    return Conversion(
        program="seminr",
        title="",
        model="\n".join(_lines(model)),
        not_taken=tuple(model.not_taken),
        notes=tuple(_notes(model)),
    )


def _construct(call: Call, model: _Model) -> None:
    plain = list(call.plain)
    if call.function in _HIGHER:
        name = _text(call.named("construct_name") or (plain or [""])[0], call)
        dimensions = call.named("dimensions") or (plain[1] if len(plain) > 1 else "")
        model.items[name] = _texts(dimensions, call)
        if call.function == "higher_composite":
            model.composites.append(name)
            model.higher.append(name)
    elif call.function in _CONSTRUCTS:
        name = _text(call.named("construct_name") or (plain or [""])[0], call)
        items = _items(call.named("item_names") or (plain[1] if len(plain) > 1 else ""), call)
        if len(items) == 1:
            model.singles[name] = items[0]
        else:
            model.items[name] = items
            model.composites += [name] * (call.function == "composite")
    elif call.function in ("interaction_term", "quadratic_term"):
        factor = _text(call.named("iv") or (plain or [""])[0], call)
        other = call.named("moderator") or (plain[1] if len(plain) > 1 else factor)
        model.products.add(f"{factor}*{_text(other, call)}")
    else:
        model.not_taken.append(f"line {call.line}: {call.function}() in constructs()")


def _items(value: Value, call: Call) -> list[str]:
    """Names of items: multi_items("IMAG", 1:5), single_item("x"), c("a", "b"), "a"."""
    if isinstance(value, Call) and value.function == "multi_items":
        stem, numbers = (*value.plain, "", "")[:2]
        named = value.named("item_numbers")
        given = numbers if named is None else named
        middle, after = value.named("mid") or "", value.named("postfix") or ""
        return [f"{_text(stem, call)}{middle}{n}{after}" for n in _numbers(given, call)]
    if isinstance(value, Call) and value.function == "single_item":
        return [_text((*value.plain, "")[0], call)]
    return _texts(value, call)


def _numbers(value: Value, call: Call) -> list[int]:
    if isinstance(value, int):
        return [value]
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Call) and value.function == "c":
        return [n for part in value.plain for n in _numbers(part, call)]
    raise ModelError(f"line {call.line}: the numbers of items are written 1:5 or c(1, 3)")


def _text(value: Value, call: Call) -> str:
    if isinstance(value, str) and value:
        return value
    raise ModelError(f"line {call.line}: {call.function}() needs a name in quotes here")


def _texts(value: Value, call: Call) -> list[str]:
    if isinstance(value, Call) and value.function == "c":
        return [_text(part, call) for part in value.plain]
    return [_text(value, call)]


def _paths(call: Call, model: _Model) -> None:
    if call.function != "paths":
        model.not_taken.append(f"line {call.line}: {call.function}() in relationships()")
        return
    plain = list(call.plain)
    causes = call.named("from") or (plain or [""])[0]
    outcomes = call.named("to") or (plain[-1] if len(plain) > 1 else "")
    for y in _texts(outcomes, call):
        mine = model.paths.setdefault(y, [])
        mine += [x for x in _texts(causes, call) if x not in mine]


def _association(call: Call, model: _Model) -> None:
    plain = call.plain
    if call.function != "item_errors" or len(plain) != 2:
        model.not_taken.append(f"line {call.line}: {call.function}() in associations()")
        return
    left, right = (_texts(part, call) for part in plain)
    model.covariances += [(x, y) for x in left for y in right if x != y]


def _settle(model: _Model) -> None:
    """Take out what cannot stand beside composites; composites of constructs that cannot be."""
    owner = {
        item: name for name in model.composites if name not in model.higher
        for item in model.items[name]
    }  # fmt: skip
    kept = []
    for pair in model.covariances:
        own = next((x for x in pair if x in owner), None)
        if own is None:
            kept.append(pair)
        else:
            model.not_taken.append(
                f"item_errors {' and '.join(pair)}: {own} is an item of the composite "
                f"{owner[own]}, through which all is related to it"
            )
    model.covariances = kept
    for _ in model.higher:
        try:
            Specification("\n".join(_rows(model)))
        except (ModelError, NotSupported) as problem:
            why = str(problem)
            left = [n for n in model.higher if n not in model.reflective and repr(_r(n)) in why]
            if not left:
                break  # it is about something else, which the model's own error says
            model.reflective[left[0]] = why


def _rows(model: _Model) -> list[str]:
    """The model's lines."""
    measured = {name: "<~" for name in model.composites if name not in model.reflective}
    out = [
        f"{_r(name)} {measured.get(name, '=~')} {' + '.join(map(_r, items))}"
        for name, items in model.items.items()
    ]
    for y, causes in model.paths.items():
        terms = [":".join(_variable(f, model) for f in x.split("*")) for x in causes]
        out.append(f"{_variable(y, model)} ~ {' + '.join(terms)}")
    return out + [f"{_r(x)} ~~ {_r(y)}" for x, y in model.covariances]


def _lines(model: _Model) -> list[str]:
    """The model's lines; products without a path are listed as not taken."""
    used = {x for causes in model.paths.values() for x in causes}
    model.not_taken += [f"the product {p} is in no path" for p in sorted(model.products - used)]
    return _rows(model)


def _variable(name: str, model: _Model) -> str:
    """A construct's name, or the item that it is."""
    return _r(model.singles.get(name, name))


def _r(name: str) -> str:
    """A name as lavaan's text can have it."""
    return "".join(c if c.isalnum() or c in "._" else "_" for c in name)


def _notes(model: _Model) -> list[str]:
    out = []
    weighted = [name for name in model.composites if name not in model.reflective]
    if weighted:
        out.append(
            f"the weights of composites ({', '.join(weighted)}) are those of the likelihood, which "
            "are near those of mode B; mode A is no model of the data"
        )
    out += [
        f"the composite of constructs {name} is measured as a reflective construct here: {why}"
        for name, why in model.reflective.items()
    ]
    if model.singles:
        named = ", ".join(f"{name} is {item}" for name, item in model.singles.items())
        out.append(f"constructs of one item are the item: {named}")
    everything = [*model.items, *(i for items in model.items.values() for i in items)]
    changed = [name for name in everything if _r(name) != name]
    if changed:
        out.append(f"names have letters, digits, _ and . only: {', '.join(changed)} were changed")
    return out
