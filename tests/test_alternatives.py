"""Paths that change with an observed variable: the product of three is exactly what it says."""

import numpy as np
import pandas as pd
import pytest
from example_models import prepared

import bayessem as bs
from bayessem.errors import ModelError
from bayessem.plots import plot_poolings
from bayessem.posterior.assemble import likelihood_density

MODEL = "f =~ x1 + x2\ng =~ y1 + y2\ng ~ f + f:f"
PHANTOM = 0.0001


def respondents(n=120, seed=1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    f, w = rng.normal(size=n), rng.integers(0, 2, n).astype(float)
    g = (0.3 + 0.3 * w) * f + (0.1 + 0.3 * w) * f**2 + 0.2 * w + 0.6 * rng.normal(size=n)
    columns = {f"x{i}": f + 0.5 * rng.normal(size=n) for i in (1, 2)}
    columns |= {f"y{i}": g + 0.5 * rng.normal(size=n) for i in (1, 2)}
    return pd.DataFrame(columns).assign(w=w, group=np.where(w > 0, "one", "zero"))


def log_likelihood(found, values):
    density = likelihood_density(found.structure, found.space, found.sample)
    x = np.array([values[name.split("[")[0]](name) for name in found.table.parameters])
    return density.value_and_gradient(x)[0]


def test_a_continuous_moderator_of_two_values_is_two_groups():
    """With w in {0, 1}: path b1 + b3 w, square b2 + b4 w, intercept bw w, exactly."""
    data = respondents()
    sem = bs.continuous_moderator(bs.SEM(MODEL), "w", "g ~ f", "g ~ f:f")
    single = sem.prepare(data)
    double = prepared(
        MODEL + "\ng ~ 1\nf ~ 0*1",
        data,
        group="group",
        group_order=["zero", "one"],
        group_equal=["loadings", "intercepts", "residuals"],
    )

    def both(b1, b2, b3, b4, bw, rest):
        plain = {
            "f=~x2": lambda _: rest[0],
            "g=~y2": lambda _: rest[1],
            "f~~f": lambda _: rest[2],
            **{f"{y}~~{y}": lambda _: 0.3 for y in ("x1", "x2", "y1", "y2")},
            **{f"{y}~1": lambda _: 0.1 for y in ("x1", "x2", "y1", "y2")},
        }

        def by_group(zero, one):
            return lambda name: one if name.endswith("[one]") else zero

        one = plain | {
            "g~f": lambda _: b1,
            "g~f:f": lambda _: b2,
            "g~f:w": lambda _: b3,
            "g~f_x_f:w": lambda _: b4,
            "g~w": lambda _: bw,
            "g~~g": lambda _: rest[3],
        }
        two = plain | {
            "g~f": by_group(b1, b1 + b3),
            "g~f:f": by_group(b2, b2 + b4),
            "g~1": by_group(0.0, bw),
            "g~~g": by_group(rest[3], rest[3] + b4**2 * PHANTOM),
        }
        return log_likelihood(single, one), log_likelihood(double, two)

    first = both(0.3, 0.1, 0.2, 0.3, 0.2, (1.1, 0.9, 0.8, 0.4))
    other = both(0.5, -0.2, -0.3, 0.4, -0.1, (0.8, 1.2, 1.1, 0.6))
    # the density of w itself is in the single group's likelihood, the same at both points
    assert first[0] - other[0] == pytest.approx(first[1] - other[1], abs=1e-6)
    assert abs(first[0] - other[0]) > 1.0


def test_paths_that_are_not_there():
    with pytest.raises(ModelError, match="not a path of the model; its paths: g~f"):
        bs.continuous_moderator(bs.SEM(MODEL), "w", "f ~ g")
    text = bs.continuous_moderator(bs.SEM(MODEL), "w", "g ~ f").text
    assert text.endswith("g ~ w\ng ~ f:w")


def test_a_study_of_moderation():
    linear = bs.SEM(MODEL.replace(" + f:f", ""))
    found = bs.moderation_study(
        linear,
        respondents(),
        "g ~ f",
        groupings={"two values": "group"},
        moderator="w",
        draws=200,
        tune=300,
        random_seed=1,
        progress=False,
    )
    assert set(found.comparison.table.index) == {
        "two values, no pooling",
        "two values, partial pooling",
        "the same for all",
        "continuous w",
    }
    rows = found.standardized.set_index("group")["mean"]
    assert rows["one"] > rows["zero"]
    text = str(found)
    assert "standardised within each group" in text
    assert "2 groups say little" in text
    assert plot_poolings(found.poolings["two values"], parameter="g~f").axes
