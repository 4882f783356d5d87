"""Partial pooling: its coordinates, its posterior against PyMC, and what it reports."""

import math

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from example_models import ALLIANCE, alliance, prepared
from scipy.special import digamma
from scipy.stats import beta, kstest
from shown import check

import bayessem as bs
from bayessem.errors import FitError, ModelError, PriorError
from bayessem.graph.pymc_model import build_pymc_model, value_order
from bayessem.model.pooling import link_name
from bayessem.model.structure import build_structure
from bayessem.moderation.pooling_report import between_groups
from bayessem.plots import plot_poolings
from bayessem.posterior.assemble import posterior_density, row_constant
from bayessem.posterior.balance import balanced_density
from bayessem.posterior.prior_draws import prior_draws
from bayessem.results.simulate import elements_at, simulate
from bayessem.text.document import Table
from bayessem.text.numbers import number

MODEL = """
f =~ x1 + x2 + x3
g =~ y1 + y2 + y3
g ~ f
"""
SLOPES = (0.2, 0.4, 0.5, 0.6, 0.7, 0.9)
SHIFTED = ("pool_mean", "pool_slope", "pool_link", "pool_z")


def grouped(slopes=SLOPES, n=60, seed=3, variances=None) -> pd.DataFrame:
    """Respondents in groups whose path g ~ f (and g ~~ g) differs, with a predictor of the path."""
    frames = []
    for k, slope in enumerate(slopes):
        structure = build_structure(bs.SEM(MODEL).table)
        values = {
            r.name: 1.0 if r.op == "=~" else 0.5 if r.op == "~~" else 0.0
            for r in structure.table.rows
            if r.free >= 0
        }
        values |= {
            "g~f": slope,
            "f~~f": 1.0,
            "g~~g": variances[k] if variances is not None else 0.5,
        }
        part = simulate(structure, elements_at(structure, values), n, random_seed=seed + k)
        frames.append(part.assign(group=f"g{k}", w=slope + 0.1 * (-1) ** k))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def data():
    return grouped()


@pytest.fixture(scope="module")
def pooled(data):
    return bs.SEM(MODEL).fit(
        data, group="group", pooling=bs.partial("g ~ f", by="w"), random_seed=1, progress=False
    )


POOLINGS = {
    "one": bs.partial("g~f"),
    "by": bs.partial("g~f", "g=~y2", by="w"),
    "correlated": bs.partial("g~f", "y1~1", "f=~x2", by="w", correlated=True),
    "fixed sd": bs.partial("f=~x2", "g=~y2", sd=0.1),
    "random intercepts": bs.partial("g~1", "f~1"),
    "random intercept and slope": bs.partial("g~1", "g~f", by="w", correlated=True),
    "variances": bs.partial("g~~g", "x1~~x1", "g~f", by="w", correlated=True),
}
# Standard deviations that are pooled, within a covariance.
COVARYING = """
f =~ x1 + x2 + x3
g =~ y1 + y2 + y3
f ~~ g
"""


@pytest.mark.parametrize("name", list(POOLINGS))
def test_balanced_coordinates_have_the_right_gradient_and_jacobian(data, name):
    found = prepared(
        MODEL, data, group="group", pooling=POOLINGS[name], group_equal=["intercepts", "loadings"]
    )
    plain = posterior_density(found.space, found.structure, found.sample)
    density, start = balanced_density(found, plain)
    rng = np.random.default_rng(1)
    at = [i for i, c in enumerate(found.space.coordinates) if c.kind in SHIFTED]
    logs = [i for i in at if found.space.coordinates[i].lower == 0.0]

    def unbalanced(x):
        y = x.copy()
        y[at] = density.natural(x)[at]
        y[logs] = np.log(y[logs])
        return y

    for _ in range(3):
        x = start + 0.3 * rng.normal(size=density.size)
        value, gradient = density.value_and_gradient(x)
        step = 1e-5 * np.eye(density.size)
        ends = [[density.value_and_gradient(x + s * h)[0] for s in (1, -1)] for h in step]
        numeric = [(up - down) / 2e-5 for up, down in ends]
        np.testing.assert_allclose(gradient, numeric, atol=2e-5, rtol=1e-6)
        jacobian = [(unbalanced(x + h) - unbalanced(x - h)) / 2e-5 for h in step]
        expected = plain.value_and_gradient(unbalanced(x))[0] + np.linalg.slogdet(jacobian)[1]
        assert value == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "model, pooling, priors",
    [
        *((MODEL, p, None) for p in POOLINGS.values()),
        (COVARYING, bs.partial("f~~f", "g~~g"), None),
        (COVARYING, bs.partial("f~~f", "x1~~x1", sd=0.2), {"f~~f": "normal(1, 1)"}),
        (MODEL, POOLINGS["variances"], {"c(g~f,g~~g)": "normal(0, 0.3)"}),
    ],
)
def test_native_and_pymc_are_one_density(data, model, pooling, priors):
    """Value, gradient and matrices at random points."""
    found = prepared(model, data, group="group", pooling=pooling, priors=priors)
    density = posterior_density(found.space, found.structure, found.sample)
    graph = build_pymc_model(found.space, found.structure, found.sample)
    value = graph.compile_logp(mode="FAST_COMPILE")
    gradient = graph.compile_dlogp(mode="FAST_COMPILE")
    names = [v.name for v in graph.value_vars]
    order = value_order(found.space)
    rng = np.random.default_rng(2)
    for _ in range(2):
        x = 0.3 * rng.normal(size=density.size)
        flat, point, at = x[order], {}, 0
        for name, start in graph.initial_point().items():
            point[name] = flat[at : at + start.size].reshape(start.shape)
            at += start.size
        assert list(point) == names
        own, own_gradient = density.value_and_gradient(x)
        assert own == pytest.approx(float(value(point)), rel=1e-10)
        np.testing.assert_allclose(own_gradient[order], gradient(point), atol=1e-8, rtol=1e-10)


def test_given_tau_the_coordinates_are_about_standard_normal(pooled):
    """What makes the funnel vanish: z in balanced coordinates does not depend on tau."""
    prepared_ = pooled.prepared
    plain = posterior_density(prepared_.space, prepared_.structure, prepared_.sample)
    density, _ = balanced_density(prepared_, plain)
    f = density.fields
    names = prepared_.space.names
    tau = pooled.values[..., names.index("sd(g~f)")].ravel()
    for g in range(6):
        w, q, r = f["pool_data"][3 * g : 3 * g + 3]
        draws = pooled.values.reshape(-1, len(names))
        z = draws[:, names.index(f"g~f[g{g}]")]
        mu = draws[:, names.index("g~f")] + w * draws[:, names.index("g~f|w")]
        h = 1.0 / (1.0 + q * tau**2)
        x = (z - tau * h * (r - q * mu)) / np.sqrt(h)
        low = tau < np.median(tau)
        for part in (x[low], x[~low]):
            assert abs(part.mean()) < 0.25
            assert 0.75 < part.std() < 1.25


def test_native_and_pymc_sample_the_same_posterior(data, pooled):
    """PyMC's model has z as it is."""
    other = bs.SEM(MODEL).fit(
        data,
        group="group",
        pooling=bs.partial("g ~ f", by="w"),
        random_seed=2,
        engine="pymc",
        target_accept=0.95,
        draws=500,
        tune=500,
        chains=2,
        progress=False,
    )
    one, two = (
        f.pooling().table.set_index(["quantity", "group"]).drop(index=("new group", ""))
        for f in (pooled, other)
    )
    error = np.sqrt(one["sd"] ** 2 / one["ess_bulk"] + two["sd"] ** 2 / two["ess_bulk"])
    np.testing.assert_array_less(abs(one["mean"] - two["mean"]), 4.5 * error)
    np.testing.assert_allclose(one["sd"], two["sd"], rtol=0.2)


def test_the_hierarchy_in_plain_pymc_has_the_same_log_probability(data):
    """The composable form: any hierarchy on the matrices of `StructuralModel`."""
    codes, groups = pd.factorize(data["group"])
    space = prepared(MODEL, data, group="group", pooling=bs.partial("g~f")).space
    prior = {c.name: c.prior.named for c in space.coordinates}
    items = ["x1", "x2", "x3", "y1", "y2", "y3"]
    free = ["f=~x2", "f=~x3", "g=~y2", "g=~y3"]
    with pm.Model(coords={"indicator": items, "group": groups}) as model:
        loading = pm.Normal("loading", 0, [prior[k]["sigma"] for k in free])
        mean = [prior[f"{x}~1"] for x in items]
        intercept = pm.Normal("intercept", [m["mu"] for m in mean], [m["sigma"] for m in mean])
        residual = pm.HalfNormal("residual_sd", [prior[f"{x}~~{x}"]["sigma"] for x in items])
        disturbance = pm.HalfNormal(
            "disturbance_sd", [prior[f"{x}~~{x}"]["sigma"] for x in ("f", "g")]
        )
        mu = pm.Normal("pool_mean", 0, prior["g~f"]["sigma"])
        tau = pm.HalfNormal("pool_sd", prior["sd(g~f)"]["sigma"])
        z = pm.Normal("pool_z", 0, 1, dims="group")
        loadings = pm.math.stack([[1.0, *loading[:2], 0, 0, 0], [0, 0, 0, 1.0, *loading[2:]]]).T
        paths = pm.math.zeros_like(z[:, None, None] * np.zeros((1, 2, 2)))
        bs.StructuralModel(
            "y",
            observed=data[items],
            group=codes,
            loadings=loadings,
            disturbances=disturbance**2,
            residuals=residual**2,
            intercepts=intercept,
            paths=paths[:, [1], [0]].set((mu + tau * z)[:, None]),
        )
    own = bs.SEM(MODEL).model(data, group="group", pooling=bs.partial("g~f"))
    rng = np.random.default_rng(0)
    both = [m.compile_logp(mode="FAST_COMPILE") for m in (model, own)]
    base = own.initial_point()
    differences = []
    for _ in range(2):
        point = {k: v + 0.2 * rng.normal(size=v.shape) for k, v in base.items()}
        plain = {k: point[k].reshape(v.shape) for k, v in model.initial_point().items()}
        differences.append(both[0](plain) - both[1](point))
    np.testing.assert_allclose(differences, 0.0, atol=1e-8)


def test_the_report(pooled):
    report = pooled.pooling(at=(0.2, 0.8))
    table = report.table.set_index(["quantity", "group"])
    by_group = table.loc["group"]["mean"]
    assert (by_group.diff().dropna() > 0).sum() >= 4  # the truth increases
    assert table.loc[("slope on w", ""), "mean"] > 0.4
    low, high = (table.loc[("new group", f"w = {w:g}"), "mean"] for w in (0.2, 0.8))
    slope = table.loc[("slope on w", ""), "mean"]
    assert high - low == pytest.approx(0.6 * slope, abs=0.05)
    share = report.shrinkage["shrinkage"].item()
    assert 0.0 < share < 1.0
    chance = report.differences.set_index(["group", "other"])["p_positive"]
    draws = pooled.parameters
    own = draws.sel(parameter="g~f[g5]") > draws.sel(parameter="g~f[g0]")
    assert 1.0 - chance["g0", "g5"] == pytest.approx(float(own.mean()), abs=1e-12)
    assert 0.0 < report.sensitivity["share"].item() < 1.0
    check(report, "6 groups: g0 60", "pooled away", number(low), number(high))
    assert "few" not in str(report)
    sd = report.table.index[report.table["quantity"] == "sd between groups"]
    quantities = next(b for b in report.document().blocks if isinstance(b, Table))
    chances = next(c for c in quantities.columns if c.title == "P(>0)").written()
    assert [k for k, chance in enumerate(chances) if not chance] == list(sd)  # by its nature


def test_the_population_as_a_fit(pooled):
    whole = pooled.population()
    mean = pooled.values[..., pooled.prepared.space.names.index("g~f")]
    np.testing.assert_allclose(whole.effects("f", "g").draws.values[..., 0], mean)
    predictor = pooled.prepared.predictor
    slope = pooled.values[..., pooled.prepared.space.names.index("g~f|w")]
    moved = pooled.population(at=0.9).effects("f", "g").draws.values[..., 0]
    np.testing.assert_allclose(moved, mean + slope * (0.9 - predictor.mean()))
    found = pooled.effects_with_population("f", "g")
    rows = found.table.query("effect == 'direct'").set_index("group")["mean"]
    assert rows["g5 - population"] == pytest.approx(rows["g5"] - rows["population"])
    with pytest.raises(FitError, match="nothing is partially pooled"):
        whole.pooling()
    with pytest.raises(ModelError, match="group-level predictor"):
        dataless = bs.SEM(MODEL).fit(
            grouped((0.3, 0.6), n=50),
            group="group",
            pooling=bs.partial("g~f"),
            draws=50,
            tune=100,
            chains=2,
            random_seed=1,
            progress=False,
        )
        dataless.population(at=1.0)


def test_random_intercepts_of_a_latent_variable():
    """Groups are moved by known amounts; their mean over the population is 0 by definition."""
    truth = np.array([-0.9, -0.5, -0.3, 0.0, 0.1, 0.3, 0.5, 0.8])
    frame = grouped([0.5] * 8, n=50)
    moved = frame["group"].str[1:].astype(int).map(dict(enumerate(truth)))
    frame[["y1", "y2", "y3"]] = frame[["y1", "y2", "y3"]].add(moved, axis=0)
    sem = bs.SEM(MODEL)
    options = {"group": "group", "random_seed": 1, "progress": False}
    fit = sem.fit(frame.assign(w=moved), pooling=bs.partial("g ~ 1"), **options)
    assert fit.diagnosis.ok
    report = fit.pooling()
    table = report.table.set_index(["quantity", "group"])
    assert ("population mean", "") not in table.index
    found = table.loc["group"]
    assert ((found["lower"] < truth) & (truth < found["upper"])).sum() >= 7
    sd = table.loc[("sd between groups", "")]
    assert sd["lower"] < truth.std(ddof=1) < sd["upper"]
    assert "g~1: the population of groups averages 0;" in str(report)
    assert "indicators' intercepts" in " ".join(str(report).split())
    # explained by a predictor of the groups, and predicted where a group has another value of it
    by = sem.fit(frame.assign(w=moved), pooling=bs.partial("g ~ 1", by="w"), **options)
    slope = by.parameters.sel(parameter="g~1|w")
    assert slope.quantile(0.025) < 1.0 < slope.quantile(0.975)
    whole = by.population(at=0.5).parameters.sel(parameter="g~1")
    np.testing.assert_allclose(whole, slope * 0.5, atol=1e-12)
    three = bs.compare_poolings(
        sem,
        frame,
        "g ~ 1",
        group="group",
        loo=False,
        draws=300,
        tune=300,
        chains=2,
        **{k: v for k, v in options.items() if k != "group"},
    )
    means = three.table.pivot(index="group", columns="pooling", values="mean")
    assert (means["complete"] == 0.0).all()
    np.testing.assert_allclose(means["none"].mean(), 0.0, atol=1e-12)
    assert means["partial"].std() < means["none"].std()
    np.testing.assert_allclose(means["none"], truth, atol=0.4)


def test_a_saved_fit_keeps_its_pooling(pooled, tmp_path):
    again = bs.load(pooled.save(tmp_path / "fit"))
    np.testing.assert_allclose(again.prepared.predictor, pooled.prepared.predictor)
    one, two = (f.pooling(at=0.5).table["mean"].to_numpy() for f in (pooled, again))
    np.testing.assert_allclose(one, two, rtol=1e-9)


def test_correlated_deviations_have_an_lkj_prior(data):
    """Every correlation of K = 4 under LKJ(2) is 2 Beta(a, a) - 1 with a = 2 - 1 + K / 2."""
    pooling = bs.partial("g~f", "y1~1", "g~~g", "f=~x2", correlated=True)
    found = prepared(MODEL, data, group="group", pooling=pooling)
    density = posterior_density(found.space, found.structure, found.sample)
    draws = prior_draws(found.space, found.structure, density, draws=20000, random_seed=1)
    at = {name: i for i, name in enumerate(found.space.names)}
    root = np.zeros((len(draws), 4, 4))
    for k, name in enumerate(pooling.parameters):
        root[:, k, k] = 1.0
        for j in range(k):
            root[:, k, j] = draws[:, at[link_name(name, pooling.parameters[j])]]
    root /= np.linalg.norm(root, axis=-1, keepdims=True)
    correlation = root @ np.swapaxes(root, 1, 2)
    for k in range(4):
        for j in range(k):
            assert kstest((correlation[:, k, j] + 1) / 2, beta(3, 3).cdf).pvalue > 0.001
    # log |R| tells LKJ from other matrices with these margins: E log(1 - partial r^2), summed
    expected = 0.0
    for i in range(4):
        for j in range(i):
            a = 2 + (4 - 2 - j) / 2
            expected += 2 * np.log(2) + 2 * (digamma(a) - digamma(2 * a))
    error = np.linalg.slogdet(correlation)[1]
    assert error.mean() == pytest.approx(expected, abs=4 * error.std() / len(draws) ** 0.5)


def test_the_joint_prior_of_deviations_is_the_one_that_is_drawn(data):
    """The row's density integrates to 1, so native and PyMC constants are right, too."""
    found = prepared(MODEL, data, group="group", pooling=POOLINGS["variances"])
    row = found.space.rows[1]
    c = np.linspace(-40, 40, 2001)
    x, y = np.meshgrid(c, c)
    power = 0.5 * (row.nu + 2)
    density = np.exp(row_constant(row)) * (1 + x**2 + y**2) ** -power
    assert density.sum() * (c[1] - c[0]) ** 2 == pytest.approx(1.0, abs=1e-4)


def test_variances_of_groups_are_recovered():
    """Groups come out in their order, and the typical group is the geometric mean."""
    truth = 0.4 * np.exp(np.array([-0.8, -0.4, 0.0, 0.0, 0.4, 0.8]))
    fit = bs.SEM(MODEL).fit(
        grouped([0.5] * 6, n=150, seed=0, variances=truth),
        group="group",
        pooling=bs.partial("g ~~ g"),
        random_seed=1,
        progress=False,
    )
    assert fit.diagnosis.ok
    report = fit.pooling()
    table = report.table.set_index(["quantity", "group"])
    found = table.loc["group"]
    assert ((found["lower"] < truth) & (truth < found["upper"])).sum() >= 5
    chance = report.differences.set_index(["group", "other"])["p_positive"]
    assert chance["g0", "g5"] < 0.001 and chance["g1", "g4"] < 0.001
    log_sd = 0.5 * np.log(truth)
    for quantity, expected in (
        ("population mean", np.exp(2 * log_sd.mean())),
        ("sd between groups", log_sd.std(ddof=1)),
    ):
        row = table.loc[(quantity, "")]
        assert row["lower"] < expected < row["upper"]
    # what is reported as the population is what `parameters` and the fit of the population have
    mean = fit.parameters.sel(parameter="g~~g").mean().item()
    assert table.loc[("population mean", ""), "mean"] == pytest.approx(mean)
    whole = fit.population().parameters.sel(parameter="g~~g").mean().item()
    assert whole == pytest.approx(mean)
    assert table.loc[("new group", ""), "lower"] > 0
    assert "variance of a typical group" in str(report)


def test_correlated_deviations(data):
    fit = bs.SEM(MODEL).fit(
        data,
        group="group",
        pooling=bs.partial("g~f", "y1~1", correlated=True),
        draws=500,
        tune=500,
        random_seed=1,
        progress=False,
    )
    assert int(fit.data["sample_stats"]["diverging"].sum()) == 0
    sd, correlation = between_groups(fit, fit.prepared.pooling)
    names = fit.prepared.space.names
    link = fit.values[..., names.index("c(y1~1,g~f)")]
    np.testing.assert_allclose(correlation[..., 0, 1], link / np.sqrt(1 + link**2))
    tau = fit.values[..., names.index("sd(y1~1)")]
    np.testing.assert_allclose(sd[..., 1], tau)
    # the deviations themselves have that sd and correlation, over the population
    z = [[fit.values[..., names.index(f"{p}[g{g}]")] for g in range(6)] for p in ("g~f", "y1~1")]
    root = tau / np.sqrt(1 + link**2)
    mean = fit.values[..., names.index("y1~1")]
    for g in range(6):
        own = fit.parameters.sel(parameter=f"y1~1[g{g}]").values
        np.testing.assert_allclose(own, mean + root * (z[1][g] + link * z[0][g]), atol=1e-12)
    assert "correlation with g~f" in str(fit.pooling())


def test_approximate_invariance_keeps_loadings_near_each_other(data):
    fit = bs.SEM(MODEL).fit(
        data,
        group="group",
        pooling=bs.partial("f=~x2", "g=~y2", sd=0.05),
        draws=500,
        tune=500,
        random_seed=1,
        progress=False,
    )
    report = fit.pooling()
    assert report.sensitivity.empty
    assert "sd between groups" not in set(report.table["quantity"])
    spread = report.table.query("quantity == 'group'").groupby("parameter")["mean"].std()
    assert (spread < 0.1).all()


def test_two_groups_of_the_study_at_default_settings():
    """No divergences, and the sd between groups mixes, with squares in the model."""
    fit = bs.SEM(ALLIANCE).fit(
        alliance(),
        group="diversity",
        pooling=bs.partial("RAD~AMC", "INC~AMC"),
        random_seed=1,
        progress=False,
    )
    assert int(fit.data["sample_stats"]["diverging"].sum()) == 0
    assert fit.diagnosis.ok
    report = fit.pooling()
    assert report.table["ess_bulk"].min() > 1000
    assert "2 groups say little" in str(report)
    difference = report.differences.set_index("parameter")["p_positive"]
    assert difference["INC~AMC"] > 0.95  # low less high diversity, .80 and .46 in the study


def test_three_poolings(data):
    found = bs.compare_poolings(
        bs.SEM(MODEL),
        data,
        "g ~ f",
        group="group",
        loo=False,
        draws=300,
        tune=300,
        random_seed=1,
        progress=False,
    )
    spread = found.table.groupby("pooling")["mean"].std()
    assert spread["complete"] == pytest.approx(0.0, abs=1e-12)
    assert 0.0 < spread["partial"] < spread["none"]
    check(found, "no pooling", number(found.table["mean"][0], 2))
    figure = plot_poolings(found)
    assert len(figure.axes) == 1
    with pytest.raises(ModelError, match="not among the pooled parameters"):
        plot_poolings(found, parameter="g~1")


def test_what_cannot_be_pooled(data):
    with pytest.raises(ModelError, match="positive"):
        bs.partial("g~f", sd=0.0)
    with pytest.raises(ModelError, match="two or more parameters"):
        bs.partial("g~f", correlated=True)
    with pytest.raises(PriorError, match="not a prior of a positive number"):
        prepared(
            MODEL,
            data,
            group="group",
            pooling=bs.partial("g~f"),
            priors={"sd(g~f)": "normal(0, 1)"},
        )
    with pytest.raises(PriorError, match=r"varies between groups about 0.*sd\(g~1\)"):
        prepared(
            MODEL,
            data,
            group="group",
            pooling=bs.partial("g~1"),
            priors={"g~1": "normal(0, 1)"},
        )
    with pytest.raises(ModelError, match="variances can be pooled"):
        prepared(COVARYING, data, group="group", pooling=bs.partial("f~~g"))


def test_a_prior_of_the_mean_is_kept_without_pooling(data):
    found = prepared(
        MODEL, data, group="group", pooling=bs.no_pooling("g~f"), priors={"g~f": "normal(0, 0.25)"}
    )
    own = [c.prior.named["sigma"] for c in found.space.coordinates if c.name.startswith("g~f")]
    assert own == [0.25] * 6
    assert math.isfinite(sum(own))
