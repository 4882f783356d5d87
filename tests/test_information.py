"""Information matrices against their definitions, by finite differences."""

import numpy as np
import pandas as pd
import pytest
from example_models import prepared

from bayessem.ml.estimate import fit_ml
from bayessem.ml.information import (
    expected_information,
    invert_information,
    observed_information,
    score_products,
)
from bayessem.posterior.assemble import likelihood_density
from bayessem.results.standardize import model_moments

MODEL = """
f =~ x1 + l*x2 + x3
g =~ y1 + l*y2 + y3
h =~ f + g + z
g ~ w
x1 ~~ y1
"""


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    n = 400
    h, w = rng.normal(size=(2, n))
    f, g = h + rng.normal(size=n), 0.8 * h + 0.4 * w + rng.normal(size=n)
    data = {f"x{i}": f + rng.normal(size=n) for i in (1, 2, 3)}
    data |= {f"y{i}": g + rng.normal(size=n) for i in (1, 2, 3)}
    frame = pd.DataFrame(data | {"z": h + rng.normal(size=n), "w": w})
    frame["group"] = np.where(np.arange(n) % 3 == 0, "a", "b")
    frame = frame.mask(
        (rng.random(frame.shape) < 0.1) & ~frame.columns.isin(["w", "group"])[None, :]
    )
    model = prepared(MODEL, frame, group="group", group_equal=("loadings",))
    fit = fit_ml(model)
    p = fit.prepared
    return p, likelihood_density(p.structure, p.space, p.sample), fit.x, fit.covariance


def test_expected_information(fitted):
    """n (dmu' W dmu + tr(W dS W dS) / 2), pattern by pattern, with numeric derivatives."""
    p, density, x, _ = fitted
    step = 1e-6
    wanted = np.zeros((len(x), len(x)))
    for g in range(2):

        def moments(point, group=g):
            m = model_moments(p.structure, density.elements(point), group=group)
            return m.observed_covariance, m.observed_mean

        ahead = [moments(x + step * e) for e in np.eye(len(x))]
        behind = [moments(x - step * e) for e in np.eye(len(x))]
        ds = np.array([(a[0] - b[0]) / (2 * step) for a, b in zip(ahead, behind, strict=True)])
        dm = np.array([(a[1] - b[1]) / (2 * step) for a, b in zip(ahead, behind, strict=True)])
        for group, o, members in p.sample.patterns():
            if group == g:
                w = np.linalg.inv(moments(x)[0][np.ix_(o, o)])
                wd = np.array([w @ d[np.ix_(o, o)] for d in ds])
                wanted += len(members) * 0.5 * np.einsum("iab,jba->ij", wd, wd)
                wanted += len(members) * dm[:, o] @ w @ dm[:, o].T
    got = expected_information(p.structure, density, x, p.sample)
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-5 * np.abs(wanted).max())


def test_observed_information_by_batches_of_groups(fitted):
    p, density, x, covariance = fitted
    scale = np.sqrt(np.diag(covariance))
    got = observed_information(p.structure, density, x, scale=scale)
    for i in range(len(x)):
        step = np.zeros(len(x))
        step[i] = 1e-4 * scale[i]
        ahead, behind = (density.value_and_gradient(x + s * step)[1] for s in (1, -1))
        wanted = (behind - ahead) / (2 * step[i])
        unit = 1.0 / (scale * scale[i])
        np.testing.assert_allclose(got[i] / unit, wanted / unit, atol=1e-6)


def test_scores_sum_to_nothing_at_the_maximum(fitted):
    """Outer products of the scores estimate the same information when the model is right."""
    p, density, x, covariance = fitted
    scale = np.sqrt(np.diag(covariance))
    products = score_products(density, x, p.sample, scale=scale)
    observed = observed_information(p.structure, density, x, scale=scale)
    ratio = np.diag(products) / np.diag(observed)
    assert 0.5 < np.median(ratio) < 2.0
    assert np.linalg.eigvalsh(products)[0] > 0


def test_inverse_and_flat_directions():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(4, 4)) * np.array([1e-3, 1.0, 1e3, 1.0])[:, None]
    information = root @ root.T
    inverse, flat = invert_information(information)
    np.testing.assert_allclose(inverse @ information, np.eye(4), atol=1e-6)
    assert flat.shape == (4, 0)
    singular = information.copy()
    singular[:, 3] = singular[3, :] = 0.0
    singular[3, 3] = 0.0
    inverse, flat = invert_information(singular)
    assert inverse is None
    np.testing.assert_allclose(np.abs(flat[:, 0]), [0, 0, 0, 1], atol=1e-9)
    assert invert_information(np.full((2, 2), np.nan))[0] is None
