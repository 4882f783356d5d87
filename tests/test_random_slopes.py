"""Random slopes from text to fit: rules, refusals, maximum likelihood, posterior, questions."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import bayessem as bs
from bayessem.errors import DataError, ModelError, NotSupported
from bayessem.syntax.specification import Specification
from bayessem.syntax.statements import model_text, parse

MODEL = """
level: 1
  y ~ rv("s")*x + v
level: 2
  y ~ z
  s ~ m*z
  s ~ a*1
  s ~~ y
high := a + m
"""


def simulated(seed=1, clusters=40, *, moderation=0.3):
    """Slopes about .4 + .3 z with sd .45; intercepts that covary with them."""
    rng = np.random.default_rng(seed)
    frames = []
    for j in range(clusters):
        z, n = rng.normal(), rng.integers(5, 20)
        u = rng.multivariate_normal([0, 0], [[0.4, 0.08], [0.08, 0.2]])
        x, v = rng.normal(size=(2, n))
        y = 1 + 0.5 * z + u[0] + (0.4 + moderation * z + u[1]) * x + 0.1 * v + rng.normal(size=n)
        frames.append(pd.DataFrame({"x": x, "v": v, "y": y, "z": z, "firm": j}))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def data():
    return simulated()


@pytest.fixture(scope="module")
def fitted(data):
    return bs.SEM(MODEL).fit(
        data, cluster="firm", draws=400, tune=400, chains=2, random_seed=1, progress=False
    )


def mixed_model(data):
    """Maximum likelihood of y = (1, x, z, xz, v) b + (1, x) u + e by its own likelihood."""
    design = np.column_stack([np.ones(len(data)), data.x, data.z, data.x * data.z, data.v])
    y, code = data.y.to_numpy(), data.firm.to_numpy()

    def profile(t):
        root = np.array([[np.exp(t[0]), 0.0], [t[1], np.exp(t[2])]])
        cross, weighted, logdet, square = np.zeros((5, 5)), np.zeros(5), 0.0, 0.0
        for j in np.unique(code):
            own = code == j
            effect = design[own][:, :2]
            v = effect @ root @ root.T @ effect.T + np.exp(2 * t[3]) * np.eye(own.sum())
            inverse = np.linalg.inv(v)
            cross += design[own].T @ inverse @ design[own]
            weighted += design[own].T @ inverse @ y[own]
            square += y[own] @ inverse @ y[own]
            logdet += np.linalg.slogdet(v)[1]
        b = np.linalg.solve(cross, weighted)
        deviance = logdet + square - weighted @ b + len(y) * np.log(2 * np.pi)
        return deviance, b, np.sqrt(np.diag(np.linalg.inv(cross))), root

    found = minimize(lambda t: profile(t)[0], [-0.5, 0.1, -0.8, 0.0], method="BFGS",
                     options={"gtol": 1e-7})  # fmt: skip
    deviance, b, se, root = profile(found.x)
    return -0.5 * deviance, b, se, root @ root.T, np.exp(2 * found.x[3])


def estimates(fit):
    table = fit.table
    return {f"{r.lhs}{r.op}{r.rhs}[{r.group}]": r for r in table.itertuples()}


def test_a_slope_is_a_variable_of_level_two():
    table = Specification(MODEL).table
    assert table.slopes == table.latent == ("s",) and table.constructs == ()
    rows = {(r.lhs, r.op, r.rhs, r.group): r for r in table.rows}
    assert rows["y", "~", "x", 0].slope == "s" and rows["y", "~", "x", 0].value == 0.0
    assert all(rows[key].free >= 0 for key in [("s", "~1", "", 1), ("s", "~~", "s", 1)])
    statements = parse(MODEL)
    assert parse(model_text(statements)) == statements
    assert 'rv("s")*x' in model_text(statements)


def test_lavaan_lets_nothing_covary_with_slopes_by_itself():
    text = (
        'level: 1\n f =~ y1 + y2 + y3\n f ~ rv("s")*x\nlevel: 2\n g =~ y1 + y2 + y3\n h =~ z1 + z2'
    )
    pairs = [(r.lhs, r.rhs) for r in Specification(text).table.rows if r.op == "~~"]
    assert ("g", "h") in pairs and not any("s" in p and len(set(p)) > 1 for p in pairs)
    both = Specification('level: 1\n y ~ rv("s")*x\nlevel: 2\n y ~ z\n s ~ z', std_lv=True).table
    free = [(r.lhs, r.rhs) for r in both.rows if r.op == "~~" and r.free >= 0]
    assert ("s", "s") in free and ("y", "s") not in free and ("s", "y") not in free


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ('y ~ rv("s")*x', ModelError, "belong to a two-level model"),
        ('level: 1\ny ~ x\nlevel: 2\ny ~ rv("s")*z', ModelError, "belong to a two-level model"),
        ('level: 1\ny ~ a*rv("s")*x\nlevel: 2\ny ~~ y', ModelError, "a label.*s ~ a.1"),
        ('level: 1\ny ~ rv("s")*x + rv("t")*x\nlevel: 2\ny ~~ y', ModelError, "different values"),
        ('level: 1\nf =~ rv("s")*x\nlevel: 2\nx ~~ x', ModelError, "only paths"),
        ('level: 1\ny ~ rv("x")*x\nlevel: 2\ny ~~ y', ModelError, "name of another variable"),
        ('level: 1\ny ~ rv("2 s")*x\nlevel: 2\ny ~~ y', ModelError, "needs a name"),
        (
            'level: 1\nf =~ a + b\ny ~ rv("s")*f + rv("t")*x\nlevel: 2\ny ~ x',
            NotSupported,
            "s and t are slopes of predictors that are not observed",
        ),
        ('level: 1\ny ~ rv("s")*x\nx ~ y\nlevel: 2\ny ~~ y', NotSupported, "in turn"),
    ],
)
def test_slopes_that_are_none(text, error, said):
    with pytest.raises(error, match=said):
        bs.SEM(text)


def test_maximum_likelihood_is_that_of_a_mixed_model(data):
    fit = bs.SEM(MODEL).ml(data, cluster="firm")
    logl, b, se, effects, residual = mixed_model(data)
    got = estimates(fit)
    assert fit.logl == pytest.approx(logl, abs=1e-6)
    names = ("y~1[between]", "s~1[between]", "y~z[between]", "s~z[between]", "y~v[within]")
    np.testing.assert_allclose([got[n].est for n in names], b, atol=2e-5)
    np.testing.assert_allclose([got[n].se for n in names], se, rtol=0.02)
    assert got["y~~y[between]"].est == pytest.approx(effects[0, 0], rel=1e-3)
    assert got["s~~s[between]"].est == pytest.approx(effects[1, 1], rel=1e-3)
    assert got["s~~y[between]"].est == pytest.approx(effects[0, 1], rel=1e-3)
    assert got["y~~y[within]"].est == pytest.approx(residual, rel=1e-4)
    assert fit.converged and "chisq" not in fit.measures
    assert "y ~ x" not in str(fit)  # it is s


def test_units_and_order_do_not_matter(data):
    sem = bs.SEM(MODEL)
    one = sem.ml(data, cluster="firm")
    changed = data.assign(x=data.x * 1e3, y=data.y / 50).sample(frac=1.0, random_state=1)
    other = sem.ml(changed, cluster="firm")
    a, b = estimates(one), estimates(other)
    assert b["s~z[between]"].est * 1e3 * 50 == pytest.approx(a["s~z[between]"].est, rel=1e-5)
    assert b["s~z[between]"].z == pytest.approx(a["s~z[between]"].z, rel=1e-4)
    assert b["s~~s[between]"].std_all == pytest.approx(a["s~~s[between]"].std_all, rel=1e-4)
    far = sem.ml(data.assign(x=data.x + 5.0), cluster="firm")
    assert estimates(far)["s~z[between]"].se == pytest.approx(a["s~z[between]"].se, rel=1e-4)
    assert far.logl == pytest.approx(one.logl, abs=1e-6)


def test_latent_outcomes_have_random_slopes():
    rng = np.random.default_rng(3)
    n, clusters = 2000, 200
    code = np.arange(n) % clusters
    s = 0.5 + 0.4 * rng.normal(size=clusters)
    x = rng.normal(size=n)
    f = s[code] * x + rng.normal(size=n)
    frame = pd.DataFrame({"x": x, "firm": code})
    for i, loading in enumerate((1.0, 0.8, 1.2), start=1):
        frame[f"y{i}"] = loading * f + rng.normal(size=n) * 0.7 + rng.normal(size=clusters)[code]
    text = 'level: 1\n f =~ y1 + y2 + y3\n f ~ rv("s")*x\nlevel: 2\n y1 ~~ y1\n y2 ~~ y2\n y3 ~~ y3'
    fit = bs.SEM(text).ml(frame, cluster="firm")
    got = estimates(fit)
    for name, value in {"s~1[between]": 0.5, "s~~s[between]": 0.16, "f=~y3[within]": 1.2}.items():
        assert abs(got[name].est - value) < 3 * got[name].se
        assert got[name].se < 0.1
    assert list(fit.r2["within"]) == []  # the items' variance depends on x


def test_missing_outcomes_and_predictors(data):
    sem = bs.SEM(MODEL)
    some = data.copy()
    some.loc[::9, "y"] = np.nan
    here = data.drop(index=data.index[::9])
    assert sem.ml(some, cluster="firm").logl == pytest.approx(
        sem.ml(here, cluster="firm").logl, abs=1e-6
    )
    without_x = data.copy()
    without_x.loc[::9, "x"] = np.nan  # as any covariate: who lacks it is left out
    assert sem.ml(without_x, cluster="firm").logl == pytest.approx(
        sem.ml(here, cluster="firm").logl, abs=1e-6
    )
    mediated = bs.SEM('level: 1\n v ~ x\n y ~ rv("b")*v + x\nlevel: 2\n y ~ z\n b ~ z')
    gaps = data.copy()
    gaps.loc[::9, "v"] = np.nan
    with pytest.raises(DataError, match="'v' has the random slope 'b' and is missing for"):
        mediated.ml(gaps, cluster="firm")
    assert mediated.ml(data, cluster="firm").converged


def test_check_says_what_slopes_need(data):
    said = bs.SEM(MODEL).check(data, cluster="firm")
    assert said.ok and "1 random slope (s)" in said.text and "of freedom" not in said.text
    assert not any(f.topic == "two levels" for f in said.findings)
    alone = bs.SEM(MODEL.replace("  s ~~ y\n", ""))
    assert any("are unrelated" in f.message for f in alone.check(data, cluster="firm").findings)
    apart = data.assign(x=data.x + 2.0 * data.z)
    assert any("blends" in f.message for f in bs.SEM(MODEL).check(apart, cluster="firm").findings)
    far = data.assign(x=data.x + 50.0)
    assert any("50" not in f.message and "from 0" in f.message
               for f in bs.SEM(MODEL).check(far, cluster="firm").findings)  # fmt: skip
    no_intercept = bs.SEM('level: 1\n y ~ rv("s")*x\nlevel: 2\n s ~ z')
    findings = no_intercept.check(data, cluster="firm").findings
    assert any("no random intercept" in f.message for f in findings)
    unidentified = bs.SEM('level: 1\n y ~ rv("s")*x + rv("t")*x2\nlevel: 2\n q =~ s + t\n y ~~ y')
    report = unidentified.check(data.assign(x2=data.v), cluster="firm")
    assert any("determine these parameters together" in f.message for f in report.findings)


def test_the_posterior_agrees_with_maximum_likelihood(data, fitted):
    ml = bs.SEM(MODEL).ml(data, cluster="firm").table
    summary = fitted.summary()
    both = summary.merge(ml[ml.free], on=["lhs", "op", "rhs", "group"])
    assert len(both) == 9
    paths = both[both.op.isin(["~", "~1"])]
    assert (np.abs(paths["mean"] - paths["est"]) < 0.3 * paths["se"]).all()
    assert paths["sd"].to_numpy() == pytest.approx(paths["se"].to_numpy(), rel=0.25)
    assert summary["r_hat"].max() < 1.02
    defined = summary[summary.lhs == "high"].iloc[0]
    assert defined["mean"] == pytest.approx(
        summary[(summary.lhs == "s") & (summary.op.isin(["~", "~1"]))]["mean"].sum()
    )


def test_what_has_no_one_value_is_left_out_and_said(fitted):
    assert set(fitted.r2()["group"]) == {"between"}
    own = fitted.summary()
    assert own[(own.group == "within")]["std"].isna().all()
    assert own[(own.lhs == "s") & (own.op == "~")]["std"].notna().all()
    assert "their variance depends on the predictors' values" in " ".join(str(fitted).split())
    with pytest.raises(NotSupported, match="without rv"):
        fitted.icc()
    with pytest.raises(NotSupported, match="differs between clusters: s is the random slope"):
        fitted.effects("x", "y")
    assert fitted.effects("z", "s").table["mean"].iloc[0] == pytest.approx(0.3, abs=0.25)


def test_r2_of_one_level_without_any_of_the_other(data):
    fit = bs.SEM("level: 1\n y ~ x\nlevel: 2\n y ~~ y").fit(
        data, cluster="firm", draws=50, tune=100, chains=1, random_seed=1, progress=False
    )
    assert list(fit.r2()["group"]) == ["within"]


def test_respondents_given_the_others_of_their_cluster(fitted):
    from bayessem.comparison.refits import part_of
    from bayessem.comparison.within_clusters import respondent_densities
    from bayessem.model.conditioning import some_rows
    from bayessem.posterior.assemble import posterior_density
    from bayessem.posterior.covariates import covariate_log_density

    prepared, values = fitted.prepared, fitted.values[:1, :2]
    got = respondent_densities(fitted, values)
    whole = prepared.sample
    for i in (0, 17, whole.size - 1):
        own = part_of(whole, [whole.clusters.code[i]])
        others = some_rows(own, own.rows != whole.rows[i])
        logs = [
            posterior_density(prepared.space, prepared.structure, part).respondent_log_likelihood(
                values
            )[0, :, 0]
            - covariate_log_density(prepared.space, prepared.structure, part)[0]
            for part in (own, others)
        ]
        np.testing.assert_allclose(got[:, i], logs[0] - logs[1], atol=1e-8)
    assert fitted.loo().n == 40 and fitted.loo(unit="respondent").n == whole.size


def test_simulated_slopes_come_back(data):
    values = {
        "y~v": 0.1, "y~z": 0.5, "m": 0.3, "a": 0.4, "y~~y[within]": 1.0, "y~~y[between]": 0.4,
        "s~~s": 0.2, "s~~y": 0.08, "y~1[between]": 1.0, "x~~x": 1.0, "v~~v": 1.0,
        "x~~v": 0.0, "z~~z": 1.0,
        "x~1": 0.0, "v~1": 0.0, "z~1": 0.0,
    }  # fmt: skip
    sem = bs.SEM(MODEL)
    drawn = sem.simulate(values, 6000, clusters=400, random_seed=5, latents=True)
    assert (drawn.groupby("cluster")["s"].nunique() == 1).all()
    got = estimates(sem.ml(drawn, cluster="cluster"))
    for name, value in {"s~z[between]": 0.3, "s~1[between]": 0.4, "s~~s[between]": 0.2,
                        "s~~y[between]": 0.08, "y~~y[between]": 0.4}.items():  # fmt: skip
        assert abs(got[name].est - value) < 3 * got[name].se
    chain = 'level: 1\n m ~ rv("a")*x\n y ~ rv("b")*m\nlevel: 2\n y ~~ y\n a ~~ 0*a\n b ~~ 0*b'
    numbers = {
        "a~1": 0.5, "b~1": 2.0, "m~~m": 1.0, "y~~y[within]": 1.0, "y~~y[between]": 0.5,
        "y~1[between]": 0.0, "m~1": 0.0, "x~~x": 1.0, "x~1": 0.0,
    }  # fmt: skip
    frame = bs.SEM(chain).simulate(numbers, 20000, clusters=200, random_seed=1)
    assert np.polyfit(frame.x, frame.y, 1)[0] == pytest.approx(1.0, abs=0.06)
    assert np.polyfit(frame.m, frame.y, 1)[0] == pytest.approx(2.0, abs=0.03)


def test_a_report_and_a_diagram_show_the_slope(fitted, tmp_path):
    text = fitted.report(tmp_path / "slopes.html", progress=False).read_text(encoding="utf-8")
    assert "random intercepts and slopes are the second level" in text
    assert "with 1 construct" not in text and "differs between clusters" not in text
    edges = [e for panel in fitted.diagram().panels for e in panel.edges]
    slope = next(e for e in edges if (e.source, e.target) == ("x", "y"))
    assert slope.text == "s" and np.isnan(slope.value)


def test_a_saved_fit_is_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "fit")
    again = bs.load(tmp_path / "fit")
    pd.testing.assert_frame_equal(again.summary(), fitted.summary())


def test_expected_information_is_refused(data):
    with pytest.raises(NotSupported, match="random slopes"):
        bs.SEM(MODEL).ml(data, cluster="firm", se="expected")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        robust = bs.SEM(MODEL).ml(data, cluster="firm", se="robust")
    assert robust.table.se.notna().any()


def drawn(fit, name):
    """Draws (chain, draw) of a parameter."""
    from bayessem.results.estimates import free_draws
    from bayessem.results.standardize import row_values

    structure = fit.prepared.structure
    values = free_draws(structure, row_values(structure, fit.elements))
    return values[..., structure.table.parameters.index(name)]


def test_slopes_by_the_moderator_are_the_random_slope_explained(fitted, data):
    found = fitted.simple_slopes("x", "y", at=(-1, 0, 2))
    assert found.moderator == "z"
    z = data.groupby("firm").z.first()
    at = z.mean() + np.array([-1, 0, 2]) * z.std(ddof=0)
    exact = drawn(fitted, "s~1")[..., None] + drawn(fitted, "s~z")[..., None] * at
    np.testing.assert_allclose(found.draws.values[:, :, 0], exact, atol=1e-12)
    region = fitted.johnson_neyman("x", "y")
    assert len(region.table) == 121 and region.regions.sign.isin(["positive", "negative"]).all()
    with pytest.raises(ModelError, match="'v' is not a moderator of s: moderator is one of z"):
        fitted.simple_slopes("x", "y", "v")


def test_curves_across_levels(fitted, data):
    z = data.groupby("firm").z.first()
    found = fitted.what_if("x", "y", values=(-1.0, 2.0), at={"z": (1,)})
    at = z.mean() + z.std(ddof=0)
    one = {name: drawn(fitted, name) for name in ("s~1", "s~z", "y~z", "y~v", "y~1[between]")}
    for k, x in enumerate((-1.0, 2.0)):
        exact = one["y~1[between]"] + one["y~z"] * at + (one["s~1"] + one["s~z"] * at) * x
        exact = exact + one["y~v"] * data.v.mean()
        np.testing.assert_allclose(found.draws.values[:, :, 0, k], exact, atol=1e-12)
    assert "random slopes have their expected value" in " ".join(str(found).split())
    of_cluster = fitted.what_if("z", "y", values=(0.0, 1.0))
    exact = one["y~z"] + one["s~z"] * data.x.mean()  # x is at its mean
    change = of_cluster.draws.values[:, :, 0, 1] - of_cluster.draws.values[:, :, 0, 0]
    np.testing.assert_allclose(change, exact, atol=1e-12)
    with pytest.raises(ModelError, match="no directed path leads from y to x"):
        fitted.what_if("y", "x")
    with pytest.raises(NotSupported, match="lie on one path"):
        chain = bs.SEM(
            'level: 1\nm ~ rv("a")*x\ny ~ rv("b")*m\nlevel: 2\ny ~~ y\na ~~ b', fixed_x=False
        )
        frame = data.assign(m=data.x * 0.5 + data.v)
        short = chain.fit(
            frame, cluster="firm", draws=10, tune=50, chains=1, random_seed=1, progress=False
        )
        short.what_if("x", "y")


CONSTRUCT = """
level: 1
  f =~ x1 + x2 + x3
  y ~ rv("s")*f
level: 2
  x1 ~~ x1
  x2 ~~ x2
  x3 ~~ x3
  y ~ z
  s ~ z
  s ~~ y
"""
TRUTH = {"f=~x2": 0.9, "f=~x3": 0.8, "f~~f": 1, "y~~y[within]": 1, "y~~y[between]": 0.4}
TRUTH |= {"s~~s": 0.1, "s~~y": 0.08, "s~1": 0.4, "s~z": 0.25, "y~z": 0.3, "z~~z": 1, "z~1": 0}
TRUTH |= {f"x{i}~~x{i}[within]": 0.5 for i in (1, 2, 3)} | {"y~1[between]": 0}
TRUTH |= {f"x{i}~~x{i}[between]": 0.2 for i in (1, 2, 3)}
TRUTH |= {f"x{i}~1[between]": 1 for i in (1, 2, 3)}


def test_simulated_slopes_of_constructs_are_those_asked_for():
    drawn = bs.SEM(CONSTRUCT).simulate(TRUTH, 8000, clusters=1000, random_seed=1)
    # the covariance of y and x1 inside a cluster is s times the variance of f: .4 + .25 z
    inside = drawn.groupby("cluster")[["x1", "y"]].cov().unstack()[("x1", "y")].to_numpy()
    z = drawn.groupby("cluster")["z"].first().to_numpy()
    design = np.column_stack([np.ones_like(z), z])
    found, square, *_ = np.linalg.lstsq(design, inside, rcond=None)
    se = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * square / (len(z) - 2))
    assert (np.abs(found - [0.4, 0.25]) < 4 * se).all() and (se < 0.03).all()


@pytest.fixture(scope="module")
def of_construct():
    sem = bs.SEM(CONSTRUCT)
    drawn = sem.simulate(TRUTH, 300, clusters=30, random_seed=2)
    drawn.loc[:4, "x2"] = np.nan
    fit = sem.fit(
        drawn, cluster="cluster", draws=20, tune=40, chains=2, random_seed=1, progress=False
    )
    return sem, drawn, fit


def test_slopes_of_constructs_say_how_they_are_integrated(of_construct, tmp_path):
    sem, drawn, fit = of_construct
    said = " ".join(str(sem.check(drawn, cluster="cluster")).split())
    assert "The predictor of s is not observed: the slope is integrated out on nodes" in said
    assert fit.draws.attrs["quadrature_error"] < 1e-5
    fit.save(tmp_path / "run")
    assert bs.load(tmp_path / "run").summary().equals(fit.summary())
    # by cluster it is the likelihood itself, which LOO needs
    assert fit.data["log_likelihood"]["cluster"].sizes["cluster"] == 30
    assert fit.simple_slopes("f", "y") is not None


@pytest.mark.parametrize("unit", ["scores", "new rows", "respondent"])
def test_what_is_not_there_for_slopes_of_constructs(of_construct, unit):
    _, drawn, fit = of_construct
    with pytest.raises(NotSupported, match="within parts .s.: given the data they are not normal"):
        if unit == "scores":
            fit.scores(draws=10)
        elif unit == "new rows":
            fit.predict(drawn.head(3).assign(y=np.nan), random_seed=1)
        else:
            fit.loo(unit="respondent")
