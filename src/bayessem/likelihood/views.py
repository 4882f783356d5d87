"""Packed arrays by name, in compiled code: two addresses, from which a field is made when read.

As a named tuple, all its arrays would be copied and counted at every call of a function that takes
a model: seven numbers an array, three hundred in all, which is half of what compiling them takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba.core import cgutils, types
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, models, overload, register_model
from numba.np.arrayobj import make_array, populate_array

WORD = 8  # bytes of an int64 and of a float64


class Packed(types.Type):
    """Numba's type of the two arrays that `plan.pack` makes; nobody frees them while code runs.

    Attributes
    ----------
    integers, floats : tuple of str
        Fields of the integer and of the float array, in their order.
    """

    def __init__(self, integers: Sequence[str], floats: Sequence[str]) -> None:
        self.integers, self.floats = tuple(integers), tuple(floats)
        super().__init__(name=f"Packed({', '.join((*integers, *floats))})")

    def place(self, name: str) -> tuple[str, int | None, int] | None:
        """Which array a field is in and where the header says it starts and ends; None: no such.

        The arrays themselves, `ints` and `floats`, start at 0 and end where their last field does.
        """
        first = len(self.integers) + 1  # of the floats in the header
        if name == "ints":
            return "ints", None, len(self.integers)
        if name == "floats":
            return "floats", None, first + len(self.floats)
        if name in self.integers:
            at = self.integers.index(name)
            return "ints", at, at + 1
        if name in self.floats:
            at = first + self.floats.index(name)
            return "floats", at, at + 1
        return None


_NUMBERS = {"ints": types.int64, "floats": types.float64}
_ARRAYS = {name: types.Array(numbers, 1, "C") for name, numbers in _NUMBERS.items()}
_ADDRESS = {
    name: types.CPointer(numbers)  # type: ignore[attr-defined]
    for name, numbers in _NUMBERS.items()
}


@register_model(Packed)
class _Addresses(models.StructModel):
    def __init__(self, manager: Any, kind: Packed) -> None:
        members = [(name, _ADDRESS[name]) for name in _NUMBERS]
        super().__init__(manager, kind, members)


@infer_getattr
class _Fields(AttributeTemplate):
    key = Packed

    def generic_resolve(self, kind: Packed, name: str) -> Any:
        place = kind.place(name)
        return None if place is None else _ARRAYS[place[0]]


@lower_getattr_generic(Packed)
def _field(context: Any, builder: Any, kind: Packed, value: Any, name: str) -> Any:
    """The view of a field; its place is read anew, which the compiler may do once for a loop."""
    place = kind.place(name)
    assert place is not None  # by its type
    which, first, last = place
    packed = cgutils.create_struct_proxy(kind)(context, builder, value)

    def header(at: int) -> Any:
        word = builder.load(builder.gep(packed.ints, [context.get_constant(types.intp, at)]))
        word.set_metadata("invariant.load", builder.module.add_metadata([]))
        return word

    start = context.get_constant(types.intp, 0) if first is None else header(first)
    view = make_array(_ARRAYS[which])(context, builder)
    populate_array(
        view,
        data=builder.gep(getattr(packed, which), [start]),
        shape=[builder.sub(header(last), start)],
        strides=[context.get_constant(types.intp, WORD)],
        itemsize=context.get_constant(types.intp, WORD),
        meminfo=None,
    )
    return view._getvalue()


def views(name: type, integers: Sequence[str], floats: Sequence[str]) -> Callable:
    """A function of the two arrays that gives the fields by name.

    Parameters
    ----------
    name : type
        Named tuple of the fields, the integers' first, and of the two arrays where it has places
        for them: what the function returns in Python. In compiled code it returns a `Packed`.
    integers, floats : sequence of str
        Fields of the integer and of the float array, in their order (`plan.pack`).
    """
    kind = Packed(integers, floats)
    found = map(kind.place, name._fields)  # type: ignore[attr-defined]
    places = [place for place in found if place is not None]

    def unpack(ints: np.ndarray, floats: np.ndarray) -> Any:
        arrays = {"ints": ints, "floats": floats}
        return name(*(arrays[w][0 if a is None else ints[a] : ints[b]] for w, a, b in places))

    @intrinsic
    def addresses(typing_context, ints, floats):
        def generate(context, builder, signature, arguments):
            packed = cgutils.create_struct_proxy(kind)(context, builder)
            for array, numbers, which in zip(arguments, signature.args, _NUMBERS, strict=True):
                data = make_array(numbers)(context, builder, array).data
                setattr(packed, which, data)
            return packed._getvalue()

        return kind(ints, floats), generate

    @overload(unpack)
    def compiled_unpack(ints, floats):
        return lambda ints, floats: addresses(ints, floats)

    return unpack
