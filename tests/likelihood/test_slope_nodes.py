"""Random slopes of unobserved predictors against normal densities of whole clusters on a grid."""

import numpy as np
import pandas as pd
import pytest

from bayessem.model.prepare import prepare
from bayessem.posterior.assemble import likelihood_density
from bayessem.syntax.specification import Specification

# the slope of a construct, which covaries with intercepts and has causes
CONSTRUCT = """
level: 1
  fw =~ y1 + y2 + y3
  m ~ rv("s")*fw + x
level: 2
  fb =~ y1 + y2 + y3
  m ~ z
  s ~ z
  s ~~ m
"""
# of the within part of y1, beside that of an observed predictor, measured by a cluster construct
PARTS = """
level: 1
  m ~ rv("s")*y1 + rv("r")*v
  fw =~ y1 + y2 + y3
level: 2
  m ~ y1 + z
  s ~ z
  s ~~ m
  r ~~ s
  r ~~ m
  y1 ~~ s
  y2 ~~ y2
  y3 ~~ y3
  q =~ w1 + w2 + s
"""
# one slope of two paths, of a construct whose mean a covariate moves and of an observed predictor
SHARED = """
level: 1
  fw =~ y1 + y2 + y3
  fw ~ x
  m ~ rv("s")*fw
  y ~ rv("s")*v + m
level: 2
  y1 ~~ y1
  y2 ~~ y2
  y3 ~~ y3
  m ~~ s
  y ~ z
"""
CASES = {"construct": CONSTRUCT, "parts": PARTS, "shared": SHARED}


def clustered(groups=1, holes=False):
    """Ten clusters of one to six respondents."""
    rng = np.random.default_rng(0)
    frames = []
    for j, n in enumerate((3, 1, 4, 6, 2, 5, 4, 3, 6, 2)):
        z, w, s = rng.normal(size=3)
        x, v = rng.normal(0.5, 1.0, size=(2, n))
        f = 0.3 * x + rng.normal(size=n)
        own = {f"y{i}": i + f + rng.normal(size=n) + rng.normal() for i in (1, 2, 3)}
        frame = pd.DataFrame({**own, "x": x, "v": v, "m": s * f + rng.normal(size=n), "firm": j})
        frame["y"] = 0.4 * frame.m + s * v + rng.normal(size=n)
        for name, value in {"z": z, "w1": w + rng.normal(), "w2": w + rng.normal()}.items():
            frame[name] = value
        frame["country"] = "ab"[j % groups]
        frames.append(frame)
    data = pd.concat(frames, ignore_index=True)
    if holes:
        for name in ("y1", "y2", "m", "y"):
            data.loc[rng.random(len(data)) < 0.2, name] = np.nan
        data.loc[data.firm.isin([1, 4]), "w1"] = np.nan
    return data


def normal(values, mean, covariance):
    """Log-density of the values that are there."""
    o = ~np.isnan(values)
    root = np.linalg.cholesky(covariance[np.ix_(o, o)])
    z = np.linalg.solve(root, (values - mean)[o])
    return -0.5 * (z @ z + o.sum() * np.log(2 * np.pi)) - np.log(np.diag(root)).sum()


def given_slope(prepared, elements, rows, joint, value):
    """Log-density of a cluster given its slope; joint : moments of level 2 and all slopes."""
    structure, sample, table = prepared.structure, prepared.sample, prepared.table
    at = {name: i for i, name in enumerate(structure.observed)}
    within, between = ([at[n] for n in names] for names in table.level_variables)
    alone, p = [i for i in between if i not in within], len(structure.observed)
    inner = structure.matrices(elements, int(sample.group[rows[0]]))
    paths = inner["paths"].copy()
    for s in structure.slopes:
        if s.column < 0:
            paths[s.outcome, s.predictor] += value
    total = np.linalg.inv(np.eye(len(paths)) - paths)
    reach = inner["loadings"] @ total
    own = reach @ inner["disturbances"] @ reach.T + inner["residuals"]
    mean_own = inner["intercepts"] + reach @ inner["means"]
    b_mean, b = joint
    design = []
    for i in rows:
        z = np.zeros((len(within), len(b_mean)))
        z[range(len(within)), within] = 1.0
        for k, s in enumerate(structure.slopes):
            if s.column >= 0:
                z[:, p + k] = reach[within, s.outcome] * sample.values[i, s.column]
        design.append(z)
    z = np.vstack([*design, np.eye(len(b_mean))[alone]])
    n = len(within) * len(rows)
    covariance, mean = z @ b @ z.T, z @ b_mean
    covariance[:n, :n] += np.kron(np.eye(len(rows)), own[np.ix_(within, within)])
    mean[:n] += np.tile(mean_own[within], len(rows))
    values = np.append(sample.values[np.ix_(rows, within)].ravel(), sample.values[rows[0], alone])
    return normal(values, mean, covariance)


def brute_force(prepared, elements):
    """Log-likelihood of each cluster: trapezoid over its slope, 8 sd to both sides."""
    structure, sample = prepared.structure, prepared.sample
    p, u = len(structure.observed), np.linspace(-8, 8, 241)
    out = np.zeros(len(sample.clusters.labels))
    for j in range(len(out)):
        rows = np.flatnonzero(sample.clusters.code == j)
        outer = structure.matrices(elements, int(sample.group[rows[0]]) + 1)
        slopes = structure.slopes
        pick = np.eye(len(structure.variables))[[s.slope for s in slopes]]
        up = np.vstack([outer["loadings"], pick])
        up = up @ np.linalg.inv(np.eye(len(structure.variables)) - outer["paths"])
        b, mean = up @ outer["disturbances"] @ up.T, up @ outer["means"]
        b[:p, :p] += outer["residuals"]
        mean[:p] += outer["intercepts"]
        t = p + next(k for k, s in enumerate(slopes) if s.column < 0)
        sd = np.sqrt(b[t, t])
        left = b - np.outer(b[t], b[t]) / b[t, t]
        logs = [
            given_slope(prepared, elements, rows, (mean + b[t] / sd * x, left), mean[t] + sd * x)
            - 0.5 * x * x
            for x in u
        ]
        out[j] = np.logaddexp.reduce(logs) + np.log((u[1] - u[0]) / np.sqrt(2 * np.pi))
    return out


def some_point(prepared):
    rng = np.random.default_rng(3)
    x = rng.uniform(0.2, 0.6, size=len(prepared.table.parameters))
    for row in prepared.table.rows:
        if row.op == "~~" and row.free >= 0:
            x[row.free] = rng.uniform(0.8, 1.5) if row.lhs == row.rhs else 0.15
    return x


@pytest.mark.parametrize(("groups", "holes"), [(1, False), (1, True), (2, False)])
@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient_are_those_of_the_integral(case, groups, holes):
    options = {"group": "country"} if groups > 1 else {}
    data = clustered(groups, holes)
    prepared = prepare(Specification(CASES[case]), data, cluster="firm", **options)
    density = likelihood_density(prepared.structure, prepared.space, prepared.sample)
    x = some_point(prepared)
    want = brute_force(prepared, density.elements(x))
    value, gradient = density.value_and_gradient(x)
    assert value == pytest.approx(want.sum(), abs=1e-8)
    assert density.respondent_log_likelihood(x) == pytest.approx(want, abs=1e-9)
    step = 1e-5
    numeric = [
        (density.value_and_gradient(x + d)[0] - density.value_and_gradient(x - d)[0]) / (2 * step)
        for d in step * np.eye(len(x))
    ]
    assert gradient == pytest.approx(np.array(numeric), rel=1e-6, abs=1e-6)
    finer = likelihood_density(prepared.structure, prepared.space, prepared.sample, finer=2.0)
    assert finer.value_and_gradient(x)[0] == pytest.approx(value, abs=1e-8)


def test_a_slope_that_hardly_differs_is_one_number():
    # with a variance near 0, the likelihood is that of a path with the slope's mean
    data = clustered()
    text = CONSTRUCT.replace("s ~~ m", "s ~~ 1e-8*s")
    random = prepare(Specification(text), data, cluster="firm")
    text = CONSTRUCT.replace('rv("s")*fw', "0.37*fw").replace("s ~ z", "").replace("s ~~ m", "")
    fixed = prepare(Specification(text), data, cluster="firm")
    names = dict(zip(random.table.parameters, some_point(random), strict=True))
    names |= {"s~1[between]": 0.37, "s~1": 0.37, "s~z": 0.0, "s~z[between]": 0.0}
    values = [
        likelihood_density(one.structure, one.space, one.sample).value_and_gradient(
            np.array([names[n] for n in one.table.parameters])
        )[0]
        for one in (random, fixed)
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-6)
