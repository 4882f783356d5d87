"""Packed arrays by name: the same fields in compiled code as in Python, and views of the arrays."""

from typing import NamedTuple

import numba
import numpy as np
import pytest

from bayessem.likelihood.plan import pack
from bayessem.likelihood.views import views

INTEGERS, FLOATS = ("first", "none", "last"), ("left", "empty", "right")


class Fields(NamedTuple):
    first: np.ndarray
    none: np.ndarray
    last: np.ndarray
    left: np.ndarray
    empty: np.ndarray
    right: np.ndarray
    ints: np.ndarray
    floats: np.ndarray


unpack = views(Fields, INTEGERS, FLOATS)
CONTENT = {
    "first": np.array([3, 1, 4]),
    "none": np.array([], dtype=int),
    "last": np.array([1, 5]),
    "left": np.array([0.5, 0.25]),
    "empty": np.array([]),
    "right": np.array([2.0, 3.0, 4.0]),
}


@numba.njit
def _copies(ints, floats):
    fields = unpack(ints, floats)
    return (
        fields.first.copy(),
        fields.none.copy(),
        fields.last.copy(),
        fields.left.copy(),
        fields.empty.copy(),
        fields.right.copy(),
        fields.ints.copy(),
        fields.floats.copy(),
    )


@numba.njit
def _double(fields):
    for i in range(fields.right.size):
        fields.right[i] *= 2.0


@numba.njit
def _doubled(ints, floats):
    _double(unpack(ints, floats))


@numba.njit
def _unknown(ints, floats):
    return unpack(ints, floats).middle


def test_compiled_code_and_python_see_what_was_packed():
    packed = pack(CONTENT, INTEGERS, FLOATS)
    expected = {**CONTENT, "ints": packed[0], "floats": packed[1]}
    for seen in (unpack(*packed), Fields(*_copies(*packed))):
        for name, array in expected.items():
            assert getattr(seen, name).dtype == array.dtype
            np.testing.assert_array_equal(getattr(seen, name), array)


def test_a_field_is_a_view_of_its_array():
    ints, floats = pack(CONTENT, INTEGERS, FLOATS)
    _doubled(ints, floats)
    np.testing.assert_array_equal(floats, [0.5, 0.25, 4.0, 6.0, 8.0])
    unpack(ints, floats).left[0] = 1.0
    assert floats[0] == 1.0


def test_a_field_that_is_not_there_is_found_when_compiling():
    with pytest.raises(numba.core.errors.TypingError, match="Unknown attribute 'middle'"):
        _unknown(*pack(CONTENT, INTEGERS, FLOATS))
