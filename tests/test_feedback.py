"""Models in which variables explain each other: which mode of the posterior is sampled."""

import numpy as np
import pandas as pd
import pytest
from example_models import ABILITIES, abilities

from bayessem import SEM
from bayessem.model.starts import feedback_starts, initial_point, start_values
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.feedback import heaviest_mode, log_mass
from bayessem.posterior.sampling import approximate

LOOP = "y1 ~ b*y2 + x\ny2 ~ c*y1 + z\ny1 ~~ y2"


def looped(b: float, c: float, *, n: int = 400, instrument: float = 0.8) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    x, z, e, f = rng.normal(size=(4, n))
    y1 = (instrument * x + e + b * (instrument * z + f)) / (1 - b * c)
    return pd.DataFrame({"y1": y1, "y2": c * y1 + instrument * z + f, "x": x, "z": z})


def starting(text, data):
    prepared = SEM(text).prepare(data)
    values = start_values(prepared.structure, prepared.covariances, prepared.means)
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    return prepared, density, values, initial_point(prepared.space, prepared.table, values)


def test_a_recursive_model_has_one_start():
    prepared, density, values, start = starting(ABILITIES + "speed ~ visual", abilities())
    assert feedback_starts(prepared.structure, values, prepared.sample.sds) == ()
    found, notes = heaviest_mode(prepared, density, start)
    assert notes == ()
    np.testing.assert_array_equal(found.maximum.x, approximate(density, start).maximum.x)


def test_only_the_paths_of_the_loop_are_moved():
    prepared, _, values, _ = starting(LOOP, looped(0.3, 0.2))
    moved = np.array(feedback_starts(prepared.structure, values, prepared.sample.sds)) - values
    names = np.array(prepared.table.parameters)
    assert set(names[(moved != 0).any(axis=0)]) == {"y1~y2", "y2~y1"}


@pytest.mark.parametrize(("b", "c"), [(0.3, 0.2), (1.6, 1.2), (-0.5, 0.4)])
def test_the_mode_at_the_truth_is_taken(b, c):
    prepared, density, _, start = starting(LOOP, looped(b, c))
    found, _ = heaviest_mode(prepared, density, start)
    assert log_mass(found) >= log_mass(approximate(density, start)) - 1e-6
    natural = found.density.natural(found.maximum.x)
    at = dict(zip(prepared.space.names, natural, strict=True))
    assert at["y1~y2"] == pytest.approx(b, abs=0.25)
    assert at["y2~y1"] == pytest.approx(c, abs=0.25)


def test_a_rival_mode_is_said():
    # weak instruments: the data hardly say on which side of b c = 1 they are
    prepared, density, _, start = starting(LOOP, looped(1.3, 1.1, n=60, instrument=0.3))
    _, notes = heaviest_mode(prepared, density, start)
    assert any("has another mode" in note for note in notes)
