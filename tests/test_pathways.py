import pytest

from bayessem.effects.pathways import (
    descendants,
    directed_paths,
    mediators,
    moderators,
    on_circle,
    position,
)
from bayessem.errors import ModelError
from tests.drawn import measured, structure_of

SERIAL = measured("X", "M", "N", "Y") + "\nM ~ X\nN ~ X + M\nY ~ X + M + N\n"


def named(structure, paths):
    return [" -> ".join(structure.variables[i] for i in path) for path in paths]


def test_every_path_is_found_shortest_first():
    s = structure_of(SERIAL)
    assert named(s, directed_paths(s, position(s, "X"), position(s, "Y"))) == [
        "X -> Y",
        "X -> M -> Y",
        "X -> N -> Y",
        "X -> M -> N -> Y",
    ]
    assert mediators(s, "X", "Y") == ("M", "N")


def test_mediators_come_causes_first():
    s = structure_of(measured("X", "M", "N", "Y") + "\nN ~ X\nM ~ N\nY ~ M\n")
    assert mediators(s, "X", "Y") == ("N", "M")


def test_products_are_arrows_and_paths_fixed_at_zero_are_none():
    s = structure_of(measured("X", "W", "Y") + "\nY ~ X:W + 0*X\n")
    assert len(directed_paths(s, position(s, "X"), position(s, "Y"))) == 1
    s = structure_of(measured("X", "W", "Y") + "\nY ~ W + 0*X\n")
    with pytest.raises(ModelError, match="no directed path leads from X to Y.*to Y from W"):
        directed_paths(s, position(s, "X"), position(s, "Y"))


def test_errors_name_what_there_is():
    s = structure_of(SERIAL)
    with pytest.raises(ModelError, match="'Z' is not in the model.*X, M, N, Y"):
        position(s, "Z")
    with pytest.raises(ModelError, match="'x1' measures a construct"):
        position(s, "x1")
    with pytest.raises(ModelError, match="no directed path leads from Y to X"):
        directed_paths(s, position(s, "Y"), position(s, "X"))


def test_circles_are_seen():
    s = structure_of(measured("X", "M", "Y") + "\nM ~ X + Y\nY ~ M\n")
    assert {s.variables[i] for i in on_circle(s)} == {"M", "Y"}
    assert not on_circle(structure_of(SERIAL))
    paths = directed_paths(s, position(s, "X"), position(s, "Y"))
    assert named(s, paths) == ["X -> M -> Y"]
    assert {s.variables[i] for i in descendants(s, position(s, "X"))} == {"M", "Y"}


def test_moderators_are_not_what_the_cause_itself_brings_about():
    s = structure_of(measured("X", "W", "M", "Y") + "\nM ~ X + W + X:W\nY ~ M + X + M:X + X:X\n")
    paths = directed_paths(s, position(s, "X"), position(s, "Y"))
    assert [s.variables[i] for i in moderators(s, paths)] == ["W"]
