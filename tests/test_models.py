"""The scripts in models/: the alliance study's model written in PyMC is its text's model."""

import sys
from pathlib import Path

import numpy as np
import pytest

import bayessem as bs

MODELS = Path(__file__).resolve().parents[1] / "models"


@pytest.fixture(scope="module")
def alliance():
    sys.path.insert(0, str(MODELS))
    try:
        import alliance_capability
    finally:
        sys.path.remove(str(MODELS))
    return alliance_capability


def test_the_model_written_in_pymc_has_the_log_probability_of_the_text(alliance):
    data = alliance.read_data()
    by_hand = alliance.pymc_model(data)
    by_text = bs.SEM(alliance.QUADRATIC).model(data)
    hand = by_hand.compile_logp(mode="FAST_COMPILE")
    text = by_text.compile_logp(mode="FAST_COMPILE")
    generator = np.random.default_rng(3)
    start = by_text.initial_point()
    for _ in range(5):
        point = {k: v + 0.1 * generator.normal(size=np.shape(v)) for k, v in start.items()}
        # the same names of coordinates say which number is which
        named = {}
        for variable in by_text.free_RVs:
            value = by_text.rvs_to_values[variable].name
            dim = by_text.named_vars_to_dims[variable.name][0]
            named |= dict(zip(by_text.coords[dim], np.atleast_1d(point[value]), strict=True))
        other = {}
        for variable in by_hand.free_RVs:
            value = by_hand.rvs_to_values[variable].name
            dim = by_hand.named_vars_to_dims[variable.name][0]
            labels = [alliance_name(variable.name, str(c)) for c in by_hand.coords[dim]]
            other[value] = np.array([named[label] for label in labels])
        assert hand(other) == pytest.approx(text(point), rel=1e-10)


def alliance_name(variable: str, coordinate: str) -> str:
    """The table's name of a coordinate of the model written by hand."""
    if variable == "intercept":
        return f"{coordinate}~1"
    if variable in ("residual_sd", "disturbance_sd"):
        return f"{coordinate}~~{coordinate}"
    if variable == "path" and coordinate.endswith("~AMC") and coordinate[:-4].isupper():
        dimension = coordinate[:-4]
        if dimension in ("PORTF", "LEARN", "PROACT", "TRANSF"):
            return f"AMC=~{dimension}"
    return coordinate
