"""The two-level engine against the normal density of whole clusters."""

import numpy as np
import pandas as pd
import pytest

from bayessem.model.prepare import prepare
from bayessem.posterior.assemble import likelihood_density
from bayessem.results.standardize import model_moments
from bayessem.syntax.specification import Specification

TWO_FACTORS = """
level: 1
  fw =~ y1 + y2 + y3
  y4 ~ fw + x
  fw ~ x
level: 2
  fb =~ y1 + a*y2 + y3
  fz =~ z1 + z2 + z3
  y4 ~ fb + w
  fb ~ fz + w
"""


def clustered(sizes, *, seed=0, groups=1):
    """Data with three items at both levels, an outcome, and variables of clusters."""
    rng = np.random.default_rng(seed)
    frames = []
    for j, n in enumerate(sizes):
        fz, w, shift = rng.normal(size=3)
        fb = 0.5 * fz + 0.3 * w + rng.normal(scale=0.6)
        x = rng.normal(size=n)
        fw = 0.4 * x + rng.normal(size=n)
        own = {f"y{i}": fb + fw + rng.normal(scale=0.4) + rng.normal(size=n) for i in (1, 2, 3)}
        frame = pd.DataFrame({**own, "x": x, "w": w, "firm": f"firm {j}"})
        frame["y4"] = 2.0 + 0.5 * fw + 0.4 * fb + 0.5 * shift + rng.normal(size=n)
        for i in (1, 2, 3):
            frame[f"z{i}"] = fz + rng.normal(scale=0.5)
        frame["country"] = "ab"[j % groups]
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def with_holes(data, *, share=0.15, seed=1):
    """Values missing at random at both levels; all of a variable in one cluster."""
    rng = np.random.default_rng(seed)
    out = data.copy()
    for name in ("y1", "y2", "y3", "y4"):
        out.loc[rng.random(len(out)) < share, name] = np.nan
    for name in ("z1", "z3"):
        lost = [f for f in out.firm.unique() if rng.random() < share]
        out.loc[out.firm.isin(lost), name] = np.nan
    out.loc[out.firm == out.firm.iloc[0], "y2"] = np.nan
    return out


def brute_force(prepared, elements):
    """Log-density of each cluster as one normal vector, (cluster,)."""
    sample, table = prepared.sample, prepared.table
    at = {name: i for i, name in enumerate(sample.variables)}
    within, between = ([at[n] for n in names] for names in table.level_variables)
    alone = [i for i in between if i not in within]
    out = np.zeros(len(sample.clusters.labels))
    for j in range(len(out)):
        rows = sample.clusters.code == j
        block = int(sample.group[rows][0])
        inner = model_moments(prepared.structure, elements, group=block)
        outer = model_moments(prepared.structure, elements, group=block + 1)
        values = sample.values[rows]
        n, y = len(values), len(within)
        w = inner.observed_covariance[np.ix_(within, within)]
        b = outer.observed_covariance
        full = np.kron(np.eye(n), w) + np.kron(np.ones((n, n)), b[np.ix_(within, within)])
        cross = np.kron(np.ones((n, 1)), b[np.ix_(within, alone)])
        covariance = np.block([[full, cross], [cross.T, b[np.ix_(alone, alone)]]])
        mean = (inner.observed_mean + outer.observed_mean)[within]
        mean = np.concatenate([np.tile(mean, n), outer.observed_mean[alone]])
        data = np.concatenate([values[:, within].ravel(), values[0, alone]])
        known = ~np.isnan(data)
        d, v = (data - mean)[known], covariance[np.ix_(known, known)]
        sign, logdet = np.linalg.slogdet(v)
        assert sign > 0 and y
        out[j] = -0.5 * (known.sum() * np.log(2 * np.pi) + logdet + d @ np.linalg.solve(v, d))
    return out


def some_point(prepared, seed=3):
    """A point with positive variances, away from any maximum."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.2, 0.6, size=len(prepared.table.parameters))
    for row in prepared.table.rows:
        if row.op == "~~" and row.lhs == row.rhs and row.free >= 0:
            x[row.free] = rng.uniform(0.5, 1.5)
    return x


CASES = {
    "sizes differ": (clustered([3, 1, 4, 3, 7, 2, 5, 4, 3, 6, 1, 2]), {}),
    "missing values": (with_holes(clustered([3, 2, 4, 3, 7, 2, 5, 4, 3, 6, 3, 2])), {}),
    "groups": (clustered([3, 2, 4, 3, 7, 2, 5, 4, 3, 6, 5, 4], groups=2), {"group": "country"}),
}


@pytest.mark.parametrize("case", CASES)
def test_equals_the_normal_density_of_whole_clusters(case):
    data, options = CASES[case]
    prepared = prepare(Specification(TWO_FACTORS), data, cluster="firm", **options)
    density = likelihood_density(prepared.structure, prepared.space, prepared.sample)
    x = some_point(prepared)
    want = brute_force(prepared, density.elements(x))
    value, gradient = density.value_and_gradient(x)
    assert value == pytest.approx(want.sum(), rel=1e-11, abs=1e-9)
    got = density.respondent_log_likelihood(x)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-9)
    step = 1e-5
    differences = [
        (density.value_and_gradient(x + step * e)[0] - density.value_and_gradient(x - step * e)[0])
        / (2 * step)
        for e in np.eye(len(x))
    ]
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-5)
    assert np.abs(gradient).min() > 1e-3  # every parameter is in the likelihood


def test_no_variance_between_clusters_is_the_model_of_one_level():
    data = clustered([4, 3, 5, 2, 6])
    two = prepare(
        Specification("level: 1\n y1 ~~ y1 + y2\n y2 ~~ y2\nlevel: 2\n y1 ~~ 0*y1\n y2 ~~ 0*y2"),
        data,
        cluster="firm",
    )
    one = prepare(Specification("y1 ~~ y1 + y2\n y2 ~~ y2"), data)
    got = likelihood_density(two.structure, two.space, two.sample)
    want = likelihood_density(one.structure, one.space, one.sample)
    x = {"y1~~y1": 1.3, "y1~~y2": 0.4, "y2~~y2": 0.9, "y1~1": 0.2, "y2~1": -0.1}

    def value(prepared, density):
        names = [name.split("[")[0] for name in prepared.table.parameters]
        return density.value_and_gradient(np.array([x[n] for n in names]))[0]

    assert value(two, got) == pytest.approx(value(one, want), abs=1e-9)


def test_order_of_rows_and_names_of_clusters_do_not_matter():
    data = with_holes(clustered([3, 2, 4, 3, 7, 2, 5, 4]))
    other = data.sample(frac=1.0, random_state=1)
    other["firm"] = other["firm"].map({f: i for i, f in enumerate(data.firm.unique()[::-1])})
    values = []
    for frame in (data, other):
        prepared = prepare(Specification(TWO_FACTORS), frame, cluster="firm")
        density = likelihood_density(prepared.structure, prepared.space, prepared.sample)
        values.append(density.value_and_gradient(some_point(prepared))[0])
    assert values[0] == pytest.approx(values[1], rel=1e-12)


def test_an_improper_covariance_has_no_likelihood():
    prepared = prepare(Specification(TWO_FACTORS), clustered([3, 2, 4, 3, 5]), cluster="firm")
    density = likelihood_density(prepared.structure, prepared.space, prepared.sample)
    for name in ("y1~~y1[within]", "z1~~z1", "fb~~fb"):
        x = some_point(prepared)
        x[prepared.table.parameters.index(name)] = -9.0
        value, gradient = density.value_and_gradient(x)
        assert value == -np.inf and not gradient.any()
