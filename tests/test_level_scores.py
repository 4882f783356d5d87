"""Scores of two-level models against the conditional normal distribution of whole clusters."""

import numpy as np
import pandas as pd
import pytest

import bayessem as bs
from bayessem.results.level_scores import level_scores

MODEL = """
level: 1
  fw =~ y1 + y2 + y3
  fw ~ rv("s")*x
level: 2
  fb =~ y1 + y2 + y3
  fb ~ z
  s ~ z
  s ~~ fb
"""


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(3)
    frames = []
    for j in range(30):
        z, n = rng.normal(), rng.integers(2, 9)
        fb, s = 0.5 * z + 0.6 * rng.normal(), 0.5 + 0.3 * z + 0.4 * rng.normal()
        x = rng.normal(size=n)
        fw = s * x + rng.normal(size=n)
        own = {
            f"y{i}": i + (fw + fb) * k + 0.6 * rng.normal(size=n) + 0.2 * rng.normal()
            for i, k in ((1, 1.0), (2, 0.8), (3, 1.2))
        }
        frames.append(pd.DataFrame({**own, "x": x, "z": z, "firm": j, "fb": fb, "s": s, "fw": fw}))
    data = pd.concat(frames, ignore_index=True)
    data.loc[rng.random(len(data)) < 0.15, "y2"] = np.nan
    columns = ["y1", "y2", "y3", "x", "z", "firm"]
    fit = bs.SEM(MODEL).fit(
        data[columns], cluster="firm", draws=300, tune=300, chains=2, random_seed=1, progress=False
    )
    return data, fit


def by_brute_force(fit, elements, cluster):
    """Mean and sd of (fb, s, fw of each respondent) given the cluster's y, x and z."""
    structure, sample = fit.prepared.structure, fit.prepared.sample
    rows = np.flatnonzero(sample.clusters.code == cluster)
    inner, outer = (structure.matrices(elements, b) for b in (0, 1))
    m, n = len(structure.variables), len(rows)
    v, o = structure.variables.index, structure.observed.index
    reach_w, reach_b = (np.linalg.inv(np.eye(m) - x["paths"]) for x in (inner, outer))
    items = [o(f"y{i}") for i in (1, 2, 3)]
    # z given: level 2 is fb, s and the items' residuals about what z says
    effect = reach_b[[v("fb"), v("s")], v("z")]
    z = sample.values[rows[0], o("z")]
    base = reach_b[[v("fb"), v("s")]] @ outer["means"] - effect * outer["means"][v("z")]
    centre = base + effect * z
    own = outer["disturbances"][np.ix_([v("fb"), v("s")], [v("fb"), v("s")])]
    loadings_b = outer["loadings"][items, v("fb")]
    loadings_w = inner["loadings"][items, v("fw")]
    # source: fb, s, residual fw (n), between residuals (3), within residuals (3 n)
    size = 2 + n + 3 + 3 * n
    covariance = np.zeros((size, size))
    covariance[:2, :2] = own
    covariance[range(2, 2 + n), range(2, 2 + n)] = inner["disturbances"][v("fw"), v("fw")]
    at = 2 + n
    covariance[at : at + 3, at : at + 3] = outer["residuals"][np.ix_(items, items)]
    covariance[at + 3 :, at + 3 :] = np.kron(np.eye(n), inner["residuals"][np.ix_(items, items)])
    mean = np.zeros(size)
    mean[:2] = centre
    target, seen = np.zeros((2 + n, size)), np.zeros((3 * n, size))
    target[0, 0] = target[1, 1] = 1.0
    for i, row in enumerate(rows):
        x = sample.values[row, o("x")]
        target[2 + i, [1, 2 + i]] = x, 1.0
        for k in range(3):
            seen[3 * i + k] = loadings_w[k] * target[2 + i]
            seen[3 * i + k, 0] += loadings_b[k]
            seen[3 * i + k, at + k] = seen[3 * i + k, at + 3 + 3 * i + k] = 1.0
    y = sample.values[np.ix_(rows, items)].ravel()
    known = ~np.isnan(y)
    seen, y = seen[known], (y - np.tile(outer["intercepts"][items], n))[known]
    cross = target @ covariance @ seen.T
    gain = cross @ np.linalg.inv(seen @ covariance @ seen.T)
    spread = target @ covariance @ target.T - gain @ cross.T
    return target @ mean + gain @ (y - seen @ mean), np.sqrt(np.diag(spread))


def test_scores_are_conditional_means(fitted):
    _, fit = fitted
    sample = fit.prepared.sample
    elements = fit.elements.reshape(-1, fit.elements.shape[-1])
    single = level_scores(fit, draws=1)
    at = np.unique(np.linspace(0, len(elements) - 1, 1).round().astype(int))
    for cluster in (0, 7, 29):
        rows = np.flatnonzero(sample.clusters.code == cluster)
        mean, sd = by_brute_force(fit, elements[at[0]], cluster)
        got = single.iloc[rows]
        np.testing.assert_allclose(got["fb"], mean[0], atol=1e-8)
        np.testing.assert_allclose(got["s"], mean[1], atol=1e-8)
        np.testing.assert_allclose(got["fw"], mean[2:], atol=1e-8)
        np.testing.assert_allclose(got["fb_sd"], sd[0], atol=1e-8)
        np.testing.assert_allclose(got["s_sd"], sd[1], atol=1e-8)
        np.testing.assert_allclose(got["fw_sd"], sd[2:], atol=1e-8)


def test_scores_find_what_the_data_came_from(fitted):
    data, fit = fitted
    scores = fit.scores()
    assert list(scores.columns) == ["fw", "fw_sd", "fb", "fb_sd", "s", "s_sd"]
    assert scores.groupby(data.firm)[["fb", "s"]].nunique().eq(1).all().all()
    assert np.corrcoef(scores.fw, data.fw)[0, 1] > 0.85
    first = ~data.duplicated("firm")
    assert np.corrcoef(scores.fb[first], data.fb[first])[0, 1] > 0.6
    assert np.corrcoef(scores.s[first], data.s[first])[0, 1] > 0.6
    away = (scores.fw - data.fw) / scores.fw_sd
    assert away.std() == pytest.approx(1.0, abs=0.2)


def test_a_name_at_both_levels_is_told_apart():
    rng = np.random.default_rng(1)
    code = np.repeat(np.arange(25), 6)
    f = rng.normal(size=25)[code] + rng.normal(size=150)
    data = pd.DataFrame({f"y{i}": f + rng.normal(size=150) for i in (1, 2, 3)}).assign(firm=code)
    fit = bs.SEM("level: 1\n f =~ y1 + y2 + y3\nlevel: 2\n f =~ y1 + y2 + y3").fit(
        data, cluster="firm", draws=50, tune=100, chains=1, random_seed=1, progress=False
    )
    assert list(fit.scores().columns[::2]) == ["f (within)", "f (between)"]
