"""LOO-PIT of answers in categories: intervals, their mean distribution and its band."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, ndtr

import bayessem as bs
from bayessem.comparison.answer_pit import GRID, Steps, chances_below
from bayessem.results.simulate import elements_at, with_residuals

CUTS = np.array([-0.8, 0.1, 0.9])


def steps(codes: np.ndarray, cuts: np.ndarray) -> Steps:
    below = np.tile(ndtr(np.concatenate([[-np.inf], cuts, [np.inf]])), (len(codes), 1))
    return Steps(below, codes)


def test_answers_of_the_predictions_stay_inside_the_band():
    """In all but about one of a hundred data sets; the mean over intervals needs no randomness."""
    rng = np.random.default_rng(1)
    left, sizes = 0, []
    for _ in range(200):
        codes = np.searchsorted(CUTS, rng.standard_normal(150))
        one = steps(codes, CUTS)
        curve = one.curve(0.9, rng)
        left += bool((curve["difference"].abs() > curve["upper"]).any())
        sizes.append(one.moments())
    assert left == pytest.approx(20, abs=4.5 * np.sqrt(200 * 0.1 * 0.9))
    mean, sd = np.mean(sizes, axis=0)
    assert mean == pytest.approx(0.5, abs=0.01) and sd == pytest.approx(np.sqrt(1 / 12), abs=0.01)


def test_the_mean_distribution_is_that_of_random_points():
    rng = np.random.default_rng(2)
    one = steps(np.searchsorted(CUTS, 0.4 + rng.standard_normal(60)), CUTS)
    curve = one.curve(0.95, rng)
    drawn = np.stack([one.randomised(rng) for _ in range(3000)])
    below = (drawn[:, :, None] <= GRID).mean(axis=(0, 1)) - GRID
    np.testing.assert_allclose(curve["difference"], below, atol=0.006)
    assert np.mean(drawn) == pytest.approx(one.moments()[0], abs=0.005)
    assert drawn.std() == pytest.approx(one.moments()[1], abs=0.005)


def test_shifted_predictions_leave_the_band():
    rng = np.random.default_rng(3)
    curve = steps(np.searchsorted(CUTS, rng.standard_normal(300)), CUTS + 0.5).curve(0.99, rng)
    assert (curve["difference"] < curve["lower"]).any()


@pytest.mark.parametrize("link", ["probit", "logit"])
def test_chances_given_covariates_are_those_of_the_latent_response(link):
    """By a formula with probit; with logit against a sum over the construct."""
    text = "f =~ a + b + c\nf ~ z"
    values = {"f=~a": 0.9, "f=~b": 0.7, "f=~c": 1.1, "f~z": 0.6}
    values |= {"a|t1": -0.4, "a|t2": 0.8, "b|t1": 0.2, "c|t1": 0.0}
    sem = bs.SEM(text, std_lv=True, ordered=["a", "b", "c"], link=link, parameterization="theta")
    rng = np.random.default_rng(4)
    z = rng.standard_normal(5)
    data = pd.DataFrame({"a": [1, 2, 3, 1, 2], "b": [0, 1, 0, 1, 0], "c": [1, 0, 1, 0, 1], "z": z})
    prepared = sem.prepare(data)
    structure = prepared.structure
    moments = {"z~1": 0.0, "z~~z": 1.0}
    known = {r.name for r in structure.table.rows}
    values |= {k: v for k, v in moments.items() if k in known}
    elements = with_residuals(structure, elements_at(structure, values))
    times = 1 if link == "probit" else 4000
    column = prepared.sample.variables.index("z")
    found = list(
        chances_below(prepared, np.tile(elements, (times, 1)), 0, np.arange(5), [column], rng)
    )
    own = np.mean([one["a"] for one in found], axis=0)
    node = np.linspace(-8, 8, 801)
    weight = np.exp(-0.5 * node**2) / np.exp(-0.5 * node**2).sum()
    below = ndtr if link == "probit" else expit
    predictor = 0.9 * (0.6 * z[:, None] + node)
    for c, cut in enumerate((-0.4, 0.8)):
        expected = below(cut - predictor) @ weight
        np.testing.assert_allclose(own[:, c], expected, atol=1e-9 if link == "probit" else 0.015)


def test_loo_pit_of_a_fit_with_ordered_answers(answered_fit):
    fit, _ = answered_fit
    found = fit.loo_pit()
    assert list(found.table.index) == list(fit.prepared.sample.variables)
    assert (found.table["verdict"] == "calibrated").all()
    assert found.pointwise.notna().all().all() and "Czado" in str(found)
    assert len(found.plot().axes) >= len(found.table)
    # nothing of a respondent's other answers is known: close to the shares of the group
    low = found.pointwise["x1"][fit.prepared.sample.values[:, 0] == 0].max()
    share = np.mean(fit.prepared.sample.values[:, 0] == 0)
    assert low == pytest.approx(share, abs=0.04)
