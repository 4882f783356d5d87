"""Predictions of two-level models against the conditional normal distribution of whole clusters."""

import numpy as np
import pandas as pd
import pytest

import bayessem as bs
from bayessem.errors import DataError, ModelError
from bayessem.results.predict import predict

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
ITEMS = ("y1", "y2", "y3")
NAMES = [*ITEMS, "z", "fw", "fb", "s"]


class Still:
    """A source of random numbers that are all 0: draws are then conditional means."""

    def standard_normal(self, shape):
        return np.zeros(shape)


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(3)
    code = np.repeat(np.arange(15), rng.integers(2, 8, size=15))
    z, u, s = rng.normal(size=(3, 15))
    x = rng.normal(size=len(code))
    fw = (0.5 + 0.3 * z + 0.4 * s)[code] * x + rng.normal(size=len(code))
    f = fw + (0.5 * z + 0.6 * u)[code]
    data = pd.DataFrame(
        {f"y{i}": i + k * f + 0.6 * rng.normal(size=len(f)) for i, k in ((1, 1), (2, 0.8), (3, 1))}
    ).assign(x=x, z=z[code], firm=[f"f{j}" for j in code])
    data.loc[rng.random(len(data)) < 0.15, "y2"] = np.nan
    return data, bs.SEM(MODEL, fixed_x=False).fit(
        data, cluster="firm", draws=60, tune=150, chains=1, random_seed=1, progress=False
    )


def by_brute_force(structure, elements, rows):
    """Means and covariance of all of NAMES for each of the rows of one cluster, given all known."""
    inner, outer = (structure.matrices(elements, b) for b in (0, 1))
    v, o, n = structure.variables.index, structure.observed.index, len(rows)
    items = [o(name) for name in ITEMS]
    reach = np.linalg.inv(np.eye(len(structure.variables)) - outer["paths"])
    top = [v("z"), v("fb"), v("s")]
    size = 3 + n + 3 + 3 * n  # z, fb, s; residuals of fw; of the items between and within
    covariance = np.zeros((size, size))
    covariance[:3, :3] = (reach @ outer["disturbances"] @ reach.T)[np.ix_(top, top)]
    variance = inner["disturbances"][v("fw"), v("fw")]
    covariance[3 : 3 + n, 3 : 3 + n] = np.eye(n) * variance
    at = 3 + n
    covariance[at : at + 3, at : at + 3] = outer["residuals"][np.ix_(items, items)]
    covariance[at + 3 :, at + 3 :] = np.kron(np.eye(n), inner["residuals"][np.ix_(items, items)])
    mean = np.zeros(size)
    mean[:3] = (reach @ outer["means"])[top]
    maps, shifts, known = [], [], []
    for i, row in enumerate(rows.to_dict("records")):
        fw = np.zeros(size)
        fw[[2, 3 + i]] = row["x"], 1.0
        for k, name in enumerate(ITEMS):
            one = inner["loadings"][items[k], v("fw")] * fw
            one[1] += outer["loadings"][items[k], v("fb")]
            one[at + k] = one[at + 3 + 3 * i + k] = 1.0
            maps.append(one)
            shifts.append(outer["intercepts"][items[k]] + inner["intercepts"][items[k]])
            known.append(row[name])
        maps += [np.eye(size)[0], fw, np.eye(size)[1], np.eye(size)[2]]
        shifts += [0.0] * 4
        known += [row["z"], np.nan, np.nan, np.nan]
    maps, shifts, known = np.array(maps), np.array(shifts), np.array(known)
    whole, centre = maps @ covariance @ maps.T, maps @ mean + shifts
    seen = ~np.isnan(known)
    gain = whole[:, seen] @ np.linalg.pinv(whole[np.ix_(seen, seen)], rcond=1e-12)
    return (
        (centre + gain @ (known - centre)[seen]).reshape(n, -1),
        whole - gain @ whole[seen],
    )


def new_rows():
    gap = np.nan
    return pd.DataFrame(
        {
            "firm": ["f3", "strange", "strange", "f3", "other"],
            "x": [0.5, -1.0, 1.5, 0.2, 1.0],
            "y1": [gap, 2.0, gap, 1.5, gap],
            "y2": [gap, gap, gap, 2.5, gap],
            "y3": [gap, 3.5, 4.0, gap, gap],
            "z": [gap, 0.7, gap, gap, gap],
        }
    )


def clusters_of(data, new):
    """The rows of each cluster of the new rows: those of the fit, then the new ones."""
    columns = ["firm", "x", *ITEMS, "z"]
    for name in new.firm.unique():
        whole = pd.concat([data.loc[data.firm == name, columns], new.loc[new.firm == name]])
        given = whole["z"].dropna()
        yield name, whole.assign(z=given.iloc[0] if len(given) else np.nan)


def test_without_noise_the_draws_are_conditional_means(fitted, monkeypatch):
    data, fit = fitted
    new = new_rows()
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Still())
    found = predict(fit, new, variables=("fw", "fb", "s", "y1"), draws=3)
    unknown = predict(fit, new, draws=3)
    monkeypatch.undo()
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    chosen = np.linspace(0, len(flat) - 1, 3).round().astype(int)
    structure = fit.prepared.structure
    assert list(unknown.draws["variable"].values) == ["y1", "y2", "y3", "z"]
    for asked, rows in ((unknown, new), (found, new.assign(y1=np.nan))):
        names = list(asked.draws["variable"].values)
        for name, whole in clusters_of(data, rows):
            at = np.flatnonzero(rows.firm == name)
            for d, k in enumerate(chosen):
                mean = by_brute_force(structure, flat[k], whole)[0][-len(at) :]
                expected = mean[:, [NAMES.index(x) for x in names]]
                got = asked.draws.values[d][at]
                np.testing.assert_allclose(got, expected, atol=1e-7)


def test_draws_have_the_conditional_covariance(fitted):
    data, fit = fitted
    new = new_rows()
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    one = fit.prepared.structure
    names = ("y1", "y2", "y3", "z", "fw", "fb", "s")
    from bayessem.results.level_draws import beside_clusters, draw_levels, with_cluster_values
    from bayessem.results.predict import _new_sample, _without

    rows = _without(_new_sample(new, fit.prepared.sample, None, one.table.responses), ("y1",))
    found = with_cluster_values(beside_clusters(new, rows, fit.prepared.sample), ("z",))
    count = 4000
    drawn = draw_levels(
        one, np.repeat(flat[:1], count, axis=0), found.sample, found.new, names,
        np.random.default_rng(5),
    )  # fmt: skip
    for name, whole in clusters_of(data, new.assign(y1=np.nan)):
        at = np.flatnonzero(new.firm == name)
        exact = by_brute_force(one, flat[0], whole)[1]
        own = len(NAMES) * (len(whole) - len(at))
        exact = exact[own:, own:]
        got = np.cov(drawn[:, at].reshape(count, -1).T)
        variance = np.maximum(np.diag(exact), 0.0)
        error = np.sqrt((np.outer(variance, variance) + exact**2) / count)
        assert (np.abs(got - exact) <= 5.5 * error + 1e-9).all()
    still = drawn[:, :, names.index("y3")]
    known = new["y3"].notna()
    assert np.ptp(still[:, known], axis=0).max() == 0.0


def test_what_is_said_and_what_is_refused(fitted):
    _, fit = fitted
    new = new_rows()
    found = predict(fit, new, variables="y1", draws=20)
    text = " ".join(str(found).split())
    assert "1 of their clusters known from the data, whose respondents count, too; 2 new" in text
    with pytest.raises(DataError, match="need the column of the clusters, 'firm'"):
        predict(fit, new.drop(columns="firm"))
    with pytest.raises(DataError, match=r"random slope 's', and is unknown for 1 of the new rows"):
        predict(fit, new.assign(x=[0.5, np.nan, 1.0, 1.0, 1.0]))
    with pytest.raises(DataError, match="'z' is a variable of clusters, and the rows of cluster"):
        predict(fit, new.assign(z=[99.0, 0.7, 0.7, np.nan, 1.0]))
    with pytest.raises(ModelError, match="'fx' is not a variable of the model"):
        predict(fit, new, variables="fx")
