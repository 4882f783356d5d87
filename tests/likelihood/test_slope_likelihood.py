"""The two-level engine with random slopes against the normal density of whole clusters."""

import numpy as np
import pandas as pd
import pytest

from bayessem.model.prepare import prepare
from bayessem.posterior.assemble import likelihood_density
from bayessem.syntax.specification import Specification

ONE_SLOPE = """
level: 1
  y ~ rv("s")*x + v
level: 2
  y ~ z
  s ~ z
  s ~~ y
"""
# two slopes, a mediator that has none, a latent outcome, a cluster construct that they explain
MANY = """
level: 1
  fw =~ y1 + y2 + y3
  m ~ a*v + x
  fw ~ rv("s")*x + rv("t")*v + m
  y ~ fw + rv("r")*m
level: 2
  fb =~ y1 + a2*y2 + y3
  s ~ z + w
  t ~ w
  s ~~ t
  s ~~ fb
  y ~ fb + s
  q =~ w1 + w2 + s
  r ~~ 0.3*r
"""
# without a random intercept of y, and the same slope for two outcomes
NO_INTERCEPT = """
level: 1
  y ~ rv("s")*x
  y1 ~ rv("s")*v + x
level: 2
  y1 ~ z
  s ~ z
"""
CASES = {"one": ONE_SLOPE, "many": MANY, "no intercept": NO_INTERCEPT}


def clustered(seed=0, sizes=(3, 1, 4, 6, 7, 2, 5, 4, 3, 6, 8, 2), groups=1):
    rng = np.random.default_rng(seed)
    frames = []
    for j, n in enumerate(sizes):
        z, w, s = rng.normal(size=3)
        x, v = rng.normal(0.5, 1.2, size=(2, n))
        m = 0.3 * v + rng.normal(size=n)
        f = s * x + rng.normal(size=n)
        own = {f"y{i}": i + f + rng.normal(size=n) + rng.normal() for i in (1, 2, 3)}
        frame = pd.DataFrame({**own, "x": x, "v": v, "m": m, "firm": j})
        frame["y"] = f + 0.4 * m + rng.normal(size=n)
        for name, value in {"z": z, "w": w, "w1": w + rng.normal(), "w2": rng.normal()}.items():
            frame[name] = value
        frame["country"] = "ab"[j % groups]
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def with_holes(data):
    """Missing values of outcomes and of cluster variables; predictors with slopes are complete."""
    rng = np.random.default_rng(1)
    out = data.copy()
    for name in ("y", "y1", "y2", "y3"):
        out.loc[rng.random(len(out)) < 0.2, name] = np.nan
    out.loc[out.firm.isin([1, 4]), "w1"] = np.nan
    return out


def brute_force(prepared, elements):
    """Log-density of each cluster's values given the predictors' values in its covariance matrix.

    The values of a cluster are (I - N)^-1 (constants + effects + normal parts), where N holds the
    arrows of level 1 apart from those that are random, whose predictors are numbers of the data.
    """
    structure, sample, table = prepared.structure, prepared.sample, prepared.table
    at = {name: i for i, name in enumerate(structure.observed)}
    within, between = ([at[n] for n in names] for names in table.level_variables)
    alone = [i for i in between if i not in within]
    y, k = len(within), len(structure.slopes)
    out = np.zeros(len(sample.clusters.labels))
    for j in range(len(out)):
        rows = np.flatnonzero(sample.clusters.code == j)
        block = int(sample.group[rows[0]])
        inner, outer = (structure.matrices(elements, block + b) for b in (0, 1))
        total = np.linalg.inv(np.eye(len(structure.variables)) - inner["paths"])
        w = inner["loadings"] @ total @ inner["disturbances"] @ total.T @ inner["loadings"].T
        w = (w + inner["residuals"])[np.ix_(within, within)]
        reach = np.linalg.inv(np.eye(len(structure.variables)) - outer["paths"])
        pick = np.zeros((k, len(structure.variables)))
        pick[range(k), [s.slope for s in structure.slopes]] = 1.0
        up = np.vstack([outer["loadings"], pick])
        b = up @ reach @ outer["disturbances"] @ reach.T @ up.T
        p = len(structure.observed)
        b[:p, :p] += outer["residuals"]
        b_mean = up @ reach @ outer["means"]
        b_mean[:p] += outer["intercepts"]
        w_mean = inner["intercepts"] + inner["loadings"] @ total @ inner["means"]
        design = []  # (respondent, within variable) by (between variable, slope)
        for i in rows:
            z = np.zeros((y, p + k))
            z[range(y), within] = [name in table.split for name in table.level_variables[0]]
            for t, s in enumerate(structure.slopes):
                effect = (inner["loadings"] @ total[:, s.outcome])[within]
                z[:, p + t] = effect * sample.values[i, s.column]
            design.append(z)
        z = np.vstack([*design, np.eye(p + k)[alone]])
        covariance = z @ b @ z.T
        covariance[: y * len(rows), : y * len(rows)] += np.kron(np.eye(len(rows)), w)
        mean = z @ b_mean
        mean[: y * len(rows)] += np.tile(w_mean[within], len(rows))
        data = np.concatenate([sample.values[np.ix_(rows, within)].ravel(),
                               sample.values[rows[0], alone]])  # fmt: skip
        known = ~np.isnan(data)
        d, v = (data - mean)[known], covariance[np.ix_(known, known)]
        sign, logdet = np.linalg.slogdet(v)
        assert sign > 0
        out[j] = -0.5 * (known.sum() * np.log(2 * np.pi) + logdet + d @ np.linalg.solve(v, d))
    return out


def some_point(prepared, seed=3):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.2, 0.6, size=len(prepared.table.parameters))
    for row in prepared.table.rows:
        if row.op == "~~" and row.free >= 0:
            x[row.free] = rng.uniform(0.8, 1.5) if row.lhs == row.rhs else 0.15
    return x


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_equals_the_normal_density_of_whole_clusters(case, groups, missing):
    data = clustered(groups=groups)
    if missing:
        data = with_holes(data)
    options = {"group": "country"} if groups > 1 else {}
    prepared = prepare(Specification(CASES[case]), data, cluster="firm", **options)
    density = likelihood_density(prepared.structure, prepared.space, prepared.sample)
    x = some_point(prepared)
    want = brute_force(prepared, density.elements(x))
    value, gradient = density.value_and_gradient(x)
    assert value == pytest.approx(want.sum(), rel=1e-11, abs=1e-9)
    np.testing.assert_allclose(density.respondent_log_likelihood(x), want, rtol=0, atol=1e-9)
    step = 1e-5
    differences = [
        (density.value_and_gradient(x + step * e)[0] - density.value_and_gradient(x - step * e)[0])
        / (2 * step)
        for e in np.eye(len(x))
    ]
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-5)
    assert np.abs(gradient).min() > 1e-3  # every parameter is in the likelihood


def test_slopes_without_variance_are_paths():
    data = clustered()
    fixed = prepare(Specification("level: 1\n y ~ x + v\nlevel: 2\n y ~ z"), data, cluster="firm")
    random = prepare(
        Specification('level: 1\n y ~ rv("s")*x + v\nlevel: 2\n y ~ z\n s ~~ 0*s'),
        data,
        cluster="firm",
    )
    values = []
    for prepared in (fixed, random):
        density = likelihood_density(prepared.structure, prepared.space, prepared.sample)
        x = {"y~x": 0.4, "s~1": 0.4, "y~v": 0.2, "y~z": -0.3, "y~1[between]": 0.7}
        x |= {"y~~y[within]": 1.3, "y~~y[between]": 0.5}
        at = np.array([x[name] for name in prepared.table.parameters])
        values.append(density.value_and_gradient(at)[0])
    assert values[0] == pytest.approx(values[1], abs=1e-9)
