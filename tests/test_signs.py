"""Which constructs may turn round, and what fixes the sign."""

import math

import pytest
from example_models import noise, prepared

from bayessem.model.pooling import partial
from bayessem.model.signs import coordinate_signs, free_turns, references, with_signs

CFA = "f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3\ng ~ f"
SECOND = "s =~ f + g\n" + CFA.replace("\ng ~ f", "")
DATA = noise("x1 x2 x3 y1 y2 y3 z").assign(k=["a", "b"] * 30)


def turns(model, pooling=None, **options):
    p = prepared(model, DATA, pooling=pooling, **options)
    found = free_turns(p.structure, p.pooling)
    return [{p.structure.variables[j] for _, j in t.constructs} for t in found], found


def test_a_marker_leaves_nothing_to_turn():
    assert turns(CFA) == ([], ())
    assert turns(SECOND) == ([], ())


def test_each_construct_without_marker_turns_with_its_loadings_and_paths():
    names, found = turns(CFA, std_lv=True)
    assert names == [{"f"}, {"g"}]
    assert found[0].parameters == {"f=~x1", "f=~x2", "f=~x3", "g~f"}
    assert found[1].parameters == {"g=~y1", "g=~y2", "g=~y3", "g~f"}


def test_a_second_order_construct_turns_after_its_dimensions():
    names, found = turns(SECOND, std_lv=True)
    assert names[-1] == {"s"}
    assert found[-1].parameters == {"s=~f", "s=~g"}
    assert {"s=~f"} <= found[0].parameters


def test_squares_do_not_turn_and_products_do():
    _, found = turns("f =~ x1 + x2 + x3\nz ~ f + f:f", std_lv=True)
    assert found[0].parameters == {"f=~x1", "f=~x2", "f=~x3", "z~f"}


@pytest.mark.parametrize(
    "model",
    [
        "f =~ a*x1 + b*x2 + c*x3\na + b + c == 3",
        "f =~ x1 + x2 + x3\nz ~ 0.5*f",
        "f =~ x1 + x2 + x3\nf ~ 1*1",
    ],
)
def test_what_sets_a_sign_elsewhere(model):
    assert turns(model, std_lv=True)[1] == ()


def test_equal_loadings_turn_together():
    names, found = turns("f =~ a*x1 + b*x2 + x3\na == 2*b", std_lv=True)
    assert names == [{"f"}]
    assert found[0].parameters == {"f=~x1", "f=~x2", "f=~x3"}


def test_groups_turn_apart_unless_they_share_something():
    assert len(turns(CFA, std_lv=True, group="k")[1]) == 4
    shared = turns(CFA, std_lv=True, group="k", group_equal="loadings")[1]
    assert [len(t.constructs) for t in shared] == [2, 2]
    pooled = turns(CFA, partial("f =~ x1", "g =~ y1"), std_lv=True, group="k")[1]
    assert [len(t.constructs) for t in pooled] == [2, 2]


def test_references_say_everything_and_undo_one_turn_each():
    _, found = turns(SECOND, std_lv=True)
    names, own = references(found, ["s=~f", "s=~g", "f=~x2", "g=~y1", "f=~x1"])
    assert names == ("s=~f", "s=~g", "f=~x2")
    for name, turn in zip(names, own, strict=True):
        assert turn.parameters & set(names) == {name}


def test_pooled_loadings_turn_with_their_population():
    p = prepared(
        CFA, DATA, std_lv=True, group="k", pooling=partial("f =~ x1", "g ~ f", correlated=True)
    )
    turn = next(t for t in free_turns(p.structure, p.pooling) if "f=~x2" in t.parameters)
    found = coordinate_signs(p.space, p.structure, turn, p.pooling)
    signs = dict(zip(p.space.names, found, strict=True))
    assert signs["f=~x1"] == signs["g~f"] == -1
    assert signs["sd(f=~x1)"] == signs["g=~y1"] == 1
    assert signs["c(g~f,f=~x1)"] == 1  # both deviations turn
    members = [n for n in p.space.names if n.startswith("f=~x1") and n != "f=~x1"]
    assert len(members) == 2
    assert all(signs[n] == -1 for n in members)


def test_with_signs_bounds_on_either_side():
    p = prepared(CFA, DATA, std_lv=True)
    found = {c.name: c for c in with_signs(p.space, {"f=~x2": 1.0, "g=~y3": -1.0}).coordinates}
    assert (found["f=~x2"].lower, found["f=~x2"].upper) == (0.0, math.inf)
    assert (found["g=~y3"].lower, found["g=~y3"].upper) == (-math.inf, 0.0)
    assert found["f=~x1"].lower == -math.inf
