"""Two-level models from text to fit: rules, refusals, maximum likelihood, posterior, questions."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayessem as bs
from bayessem.errors import DataError, ModelError, NotSupported, SyntaxProblem
from bayessem.syntax.specification import Specification
from bayessem.syntax.statements import model_text, parse

FOLDER = Path(
    os.environ.get("BAYESSEM_REFCASES2", Path(__file__).parents[2] / "shared" / "refcases2")
)
FACTOR = """
level: 1
  fw =~ y1 + y2 + y3
  fw ~ x
level: 2
  fb =~ y1 + y2 + y3
  fb ~ w
"""


@pytest.fixture(scope="module")
def teams():
    """60 teams of 4 to 8 with known parameters."""
    values = {
        "fw=~y2": 0.8, "fw=~y3": 0.9, "fb=~y2": 0.8, "fb=~y3": 0.9, "fw~x": 0.5, "fb~w": 0.4,
        "fw~~fw": 1.0, "fb~~fb": 0.5, "x~~x": 1.0, "w~~w": 1.0, "x~1": 0.0, "w~1": 0.0,
        **{f"y{i}~~y{i}[within]": 0.6 for i in (1, 2, 3)},
        **{f"y{i}~~y{i}[between]": 0.1 for i in (1, 2, 3)},
        **{f"y{i}~1[between]": float(i) for i in (1, 2, 3)},
    }  # fmt: skip
    sizes = [4, 5, 6, 7, 8] * 12
    data = bs.SEM(FACTOR).simulate(values, sum(sizes), clusters=sizes, random_seed=2)
    return data.rename(columns={"cluster": "team"})


@pytest.fixture(scope="module")
def fitted(teams):
    return bs.SEM(FACTOR).fit(
        teams, cluster="team", draws=400, tune=400, chains=2, random_seed=1, progress=False
    )


def test_levels_belong_to_the_text_and_come_back_from_it():
    text = "level: within\ny ~ a*x\nlevel: between\ny ~ b*x + w\nd := b - a"
    statements = parse(text)
    assert [s.level for s in statements] == [1, 2, 2, 0]
    assert parse(model_text(statements)) == statements
    assert parse(text.replace("within", "1").replace("between", "2")) == statements


def test_lavaans_rules_hold_at_each_level():
    table = Specification(FACTOR).table
    rows = {(r.lhs, r.op, r.rhs, r.group): r for r in table.rows}
    assert table.groups == ("within", "between")
    assert table.exogenous == ("x", "w")
    assert table.split == ("y1", "y2", "y3") and table.between_only == ("w",)
    assert rows["fw", "=~", "y1", 0].value == rows["fb", "=~", "y1", 1].value == 1.0
    assert rows["y1", "~1", "", 0].value == 0.0 and rows["y1", "~1", "", 1].free >= 0
    assert ("w", "~~", "w", 0) not in rows and ("x", "~~", "x", 1) not in rows
    # 2 + 2 loadings, 2 paths, 6 residual and 2 disturbance variances, 3 intercepts
    assert len(table.parameters) == 17
    assert {"fw=~y2", "y1~~y1[within]", "y1~~y1[between]", "y1~1[between]"} <= set(table.parameters)


def test_labels_and_definitions_reach_across_levels():
    text = FACTOR.replace("+ y2", "+ l*y2") + "double := 2*l"
    table = Specification(text).table
    assert len(table.parameters) == 16 and "l" in table.parameters
    assert [r.lhs for r in table.defined] == ["double"]


def test_a_covariate_at_both_levels_is_random():
    table = Specification("level: 1\n y ~ x + v\nlevel: 2\n y ~ x + w").table
    assert table.exogenous == ()
    free = {(r.lhs, r.op, r.rhs, r.group) for r in table.rows if r.free >= 0}
    assert {("x", "~~", "v", 0), ("x", "~~", "w", 1), ("x", "~~", "x", 0)} <= free


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("y ~ x\nlevel: 1\ny ~ x\nlevel: 2\ny ~ w", ModelError, "before the first 'level:'"),
        ("level: 1\ny ~ x", ModelError, "nothing about level 2"),
        ("level: 2\ny ~ x", ModelError, "nothing about level 1"),
        ("level: 3\ny ~ x", NotSupported, "two levels"),
        ("level: team\ny ~ x", SyntaxProblem, "levels are"),
        ("level: 1\ny ~ 1\nlevel: 2\ny ~ w", ModelError, "belongs to level 2"),
        ("level: 1\ny ~ x + x:z + z\nlevel: 2\ny ~ w", NotSupported, "products"),
        ("level: 1\nf =~ y1 + y2\nlevel: 2\ny1 ~ f", ModelError, "give the construct another"),
    ],
)
def test_text_that_is_no_two_level_model(text, error, said):
    with pytest.raises(error, match=said):
        bs.SEM(text)


@pytest.mark.parametrize(
    "options", [{"growth": True}, {"effect_coding": True}, {"ordered": ["y1"]}], ids=str
)
def test_options_that_are_not_there_yet(options):
    with pytest.raises(NotSupported, match="two-level"):
        bs.SEM(FACTOR, **options)


def test_data_that_cannot_tell_two_levels_apart(teams):
    sem = bs.SEM(FACTOR)
    with pytest.raises(ModelError, match="cluster='firm'"):
        sem.fit(teams)
    with pytest.raises(ModelError, match="is for a two-level model"):
        bs.SEM("y1 ~ x").fit(teams, cluster="team")
    with pytest.raises(DataError, match="cluster='firm' is not a column"):
        sem.fit(teams, cluster="firm")
    with pytest.raises(DataError, match="has 1 cluster:"):
        sem.fit(teams.assign(team=1)[teams.team == 3], cluster="team")
    with pytest.raises(DataError, match="every respondent is a cluster"):
        sem.fit(teams.assign(team=np.arange(len(teams)), w=0.3 * teams.x), cluster="team")
    with pytest.raises(DataError, match="1 respondent has no 'team'"):
        sem.fit(teams.assign(team=teams.team.where(teams.index != 3)), cluster="team")
    with pytest.raises(DataError, match="'w' is at level 2 alone.*varies inside 60 clusters"):
        sem.fit(teams.assign(w=teams.x), cluster="team")
    with pytest.raises(DataError, match="'x' is at level 1 but does not vary inside"):
        sem.fit(teams.assign(x=teams.w), cluster="team")
    with pytest.raises(NotSupported, match="pooling="):
        half = teams.assign(half=np.where(teams.team < 30, "a", "b"))
        sem.fit(half, cluster="team", group="half", pooling=bs.partial("fb ~ w"))
    with pytest.raises(NotSupported, match="two-level"):
        sem.bootstrap(teams, cluster="team")


def test_values_of_a_cluster_are_known_in_all_its_rows(teams):
    some = teams.copy()
    some.loc[some.duplicated("team"), "w"] = np.nan  # known in the first row alone
    sem = bs.SEM(FACTOR)
    whole, part = (sem.prepare(d, cluster="team").sample for d in (teams, some))
    assert whole.hash == part.hash


def test_check_counts_moments_and_clusters(teams):
    report = bs.SEM(FACTOR).check(teams, cluster="team")
    # level 1: y (6), y with x (3); level 2: the same with w; 3 means
    assert report.ok and report.moments == 21
    assert "60 clusters ('team') of 4 to 8 respondents" in report.text
    few = bs.SEM(FACTOR).check(teams[teams.team < 10], cluster="team")
    assert any("10 clusters" in f.message for f in few.findings)
    assert not any(f.serious for f in few.findings)


def test_check_says_when_groups_may_be_clusters(teams):
    sem = bs.SEM("f =~ y1 + y2 + y3\nf ~ x")
    many = sem.check(teams, group="team", pooling=bs.partial("f ~ 1"))
    assert any("60 groups are pooled" in f.message for f in many.findings)
    few = sem.check(teams[teams.team < 8], group="team", pooling=bs.partial("f ~ 1"))
    assert not any(f.topic == "two levels" for f in few.findings)


def test_columns_that_determine_each_other_within_clusters(teams):
    copied = teams.assign(y2=teams.y1 + 0.3 * teams.w)  # they differ between clusters alone
    sem = bs.SEM("level: 1\n y1 ~~ y2\n y1 ~~ y1\n y2 ~~ y2\nlevel: 2\n y1 ~~ y2")
    with pytest.raises(DataError, match="y1, y2 determine each other within clusters"):
        sem.ml(copied, cluster="team")
    assert not sem.check(copied, cluster="team").ok
    assert sem.check(teams, cluster="team").ok


def test_what_is_not_identified_is_said(teams):
    report = bs.SEM(
        "level: 1\n y1 ~~ y1 + y2\n y2 ~~ y2\nlevel: 2\n f =~ y1 + y2\n y1 ~~ y2"
    ).check(teams, cluster="team")
    assert any("determine these parameters together" in f.message for f in report.findings)


def test_balanced_clusters_have_closed_forms():
    rng = np.random.default_rng(5)
    j, n = 40, 5
    y = (rng.normal(size=(j, 1)) + rng.normal(size=(j, n))).ravel()
    data = pd.DataFrame({"y": y, "firm": np.repeat(np.arange(j), n)})
    fit = bs.SEM("level: 1\n y ~~ y\nlevel: 2\n y ~~ y").ml(data, cluster="firm")
    means = y.reshape(j, n).mean(axis=1)
    within = ((y.reshape(j, n) - means[:, None]) ** 2).sum() / (j * (n - 1))
    between = np.var(means) - within / n
    est = dict(zip(fit.table["group"] + fit.table["op"], fit.table["est"], strict=True))
    se = dict(zip(fit.table["group"] + fit.table["op"], fit.table["se"], strict=True))
    assert est["within~~"] == pytest.approx(within, rel=1e-6)
    assert est["between~~"] == pytest.approx(between, rel=1e-6)
    assert est["between~1"] == pytest.approx(y.mean(), abs=1e-8)
    assert se["within~~"] == pytest.approx(within * np.sqrt(2 / (j * (n - 1))), rel=1e-4)
    assert se["between~1"] == pytest.approx(np.sqrt((within / n + between) / j), rel=1e-4)
    expected = fit.prepared.specification.ml(data, cluster="firm", se="expected")
    np.testing.assert_allclose(expected.table["se"], fit.table["se"], rtol=1e-4)
    assert fit.measures["df"] == 0 and fit.measures["chisq"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.skipif(not (FOLDER / "cases.json").is_file(), reason="no folder refcases2 here")
@pytest.mark.parametrize("name", ["TL01", "TL03", "TL05", "TL09", "TL13"])
def test_lavaans_numbers(name):
    cases = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))["cases"]
    case = next(case for case in cases if case["id"] == name)
    data = pd.read_csv(FOLDER / case["data_file"])
    fit = bs.SEM(case["model"]).ml(data, cluster=case["options"]["cluster"])
    rows = {(r.lhs, r.op, r.rhs, r.group): r for r in fit.table.itertuples()}
    for want in case["expected"]:
        level = ("within", "between")[want["level"] - 1]
        got = rows[want["lhs"], want["op"], want["rhs"], level]
        assert got.est == pytest.approx(want["est"], abs=want["tol_ml"])
        if want["se"]:
            assert got.se == pytest.approx(want["se"], rel=0.01)
    for key in ("npar", "df", "ntotal"):
        assert fit.measures[key] == case["fit"][key]
    for key in ("chisq", "logl", "unrestricted.logl", "aic", "bic"):
        assert fit.measures[key] == pytest.approx(case["fit"][key], abs=2e-3)
    for key in ("cfi", "tli", "rmsea"):
        assert fit.measures[key] == pytest.approx(case["fit"][key], abs=1e-4)
    # printed to four decimals; of saturated levels it is 0, and lavaan's, which stop earlier, .0001
    for key in ("srmr", "srmr_within", "srmr_between"):
        assert fit.measures[key] == pytest.approx(case["fit"][key], abs=1.01e-4)


def test_estimates_do_not_depend_on_units(teams):
    sem = bs.SEM(FACTOR)
    one = sem.ml(teams, cluster="team")
    scaled = teams.assign(y1=1e3 * teams.y1, y2=1e3 * teams.y2, y3=1e3 * teams.y3, x=teams.x / 50)
    other = sem.ml(scaled, cluster="team")
    np.testing.assert_allclose(other.table.std_all, one.table.std_all, rtol=1e-5, atol=1e-6)
    for key in ("chisq", "baseline.chisq", "cfi", "srmr"):
        assert other.measures[key] == pytest.approx(one.measures[key], rel=1e-4, abs=1e-5)


def test_a_covariate_far_from_0_is_the_same_covariate(teams):
    sem = bs.SEM(FACTOR)
    near, far = (sem.ml(teams.assign(x=teams.x + a, w=teams.w + b), cluster="team").table
                 for a, b in ((0.0, 0.0), (50.0, 2000.0)))  # fmt: skip
    slopes = near.op.isin(["=~", "~", "~~"]) & near.free
    np.testing.assert_allclose(far.est[slopes], near.est[slopes], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(far.se[slopes], near.se[slopes], rtol=1e-4)


def test_groups_of_clusters_are_two_models(teams):
    data = teams.assign(half=np.where(teams.team < 30, "a", "b"))
    both = bs.SEM(FACTOR).ml(data, cluster="team", group="half")
    alone = [bs.SEM(FACTOR).ml(data[data.half == g], cluster="team") for g in "ab"]
    assert both.logl == pytest.approx(sum(f.logl for f in alone), abs=1e-6)
    assert both.measures["chisq"] == pytest.approx(
        sum(f.measures["chisq"] for f in alone), abs=1e-4
    )
    assert both.measures["df"] == sum(f.measures["df"] for f in alone)
    equal = bs.SEM(FACTOR, group_equal=["loadings"]).ml(data, cluster="team", group="half")
    assert equal.npar == both.npar - 4
    assert "fw=~y2" in equal.prepared.table.parameters


def test_the_posterior_agrees_with_maximum_likelihood(teams, fitted):
    ml = bs.SEM(FACTOR).ml(teams, cluster="team").table
    summary = fitted.summary()
    both = summary.merge(ml[ml.free], on=["lhs", "op", "rhs", "group"])
    assert len(both) == 17
    paths = both[both.op.isin(["=~", "~", "~1"])]
    # priors are weak, so means agree to a fraction of a standard error
    assert (np.abs(paths["mean"] - paths["est"]) < 0.4 * paths["se"]).all()
    assert paths["sd"].to_numpy() == pytest.approx(paths["se"].to_numpy(), rel=0.2)
    assert summary["r_hat"].max() < 1.02


def test_intraclass_correlations_are_those_of_the_model(fitted):
    icc = fitted.icc().table.set_index("variable")
    s = fitted.draws["posterior"]["residual_sd"].to_dataset()["residual_sd"]
    assert list(icc.index) == ["y1", "y2", "y3"]
    # y1: (.5 + .4^2 + .1) / (that + 1 + .5^2 + .6) = .29
    assert icc.loc["y1", "lower"] < 0.29 < icc.loc["y1", "upper"]
    size = fitted.prepared.sample.size / 60
    assert icc.loc["y1", "design_effect"] == pytest.approx(1 + (size - 1) * icc.loc["y1", "icc"])
    assert s.sizes["residual_sds"] == 6
    with pytest.raises(NotSupported, match="level: 1"):
        bs.SEM("y1 ~ x").fit(
            fitted_data(fitted), draws=50, tune=50, chains=1, random_seed=1, progress=False
        ).icc()


def fitted_data(fit):
    """The data of a fit as a frame."""
    sample = fit.prepared.sample
    data = pd.DataFrame(sample.values, columns=list(sample.variables))
    return data.assign(cluster=sample.clusters.code)


def test_cross_validation_leaves_out_clusters(teams, fitted):
    loo = fitted.loo()
    assert loo.n == 60 and loo.target.unit == "cluster"
    assert "60 clusters" in str(loo)
    stored = fitted.draws["log_likelihood"]["y"]
    assert stored.dims == ("chain", "draw", "cluster")
    # the likelihood of all is that of the clusters, given the covariates
    density = fitted.density.respondent_log_likelihood(fitted.values[0, 0])
    from bayessem.posterior.covariates import covariate_log_density

    p = fitted.prepared
    given = density - covariate_log_density(p.space, p.structure, p.sample)
    np.testing.assert_allclose(stored.values[0, 0], given, rtol=1e-10)
    without = bs.SEM(FACTOR.replace("fb ~ w", "fb ~ 0*w")).fit(
        teams, cluster="team", draws=400, tune=400, chains=2, random_seed=1, progress=False
    )
    comparison = bs.compare({"with w": fitted, "without": without})
    assert list(comparison.table.index)[0] == "with w"


def test_respondents_given_the_others_of_their_cluster(fitted):
    from bayessem.comparison.refits import part_of
    from bayessem.comparison.within_clusters import respondent_densities
    from bayessem.model.conditioning import some_rows
    from bayessem.posterior.assemble import posterior_density

    prepared = fitted.prepared
    values = fitted.values[:1, :2]
    got = respondent_densities(fitted, values)
    whole = prepared.sample
    for i in (0, 17, whole.size - 1):
        own = part_of(whole, [whole.clusters.code[i]])
        others = some_rows(own, own.rows != whole.rows[i])
        with_i, without = (
            posterior_density(prepared.space, prepared.structure, part).respondent_log_likelihood(
                values
            )[0, :, 0]
            for part in (own, others)
        )
        x = whole.values[i, whole.variables.index("x")]
        m = prepared.structure.matrices(prepared.space.base, 0)
        at = prepared.structure.variables.index("x")
        variance, mean = m["disturbances"][at, at], m["means"][at]
        given = -0.5 * (np.log(2 * np.pi * variance) + (x - mean) ** 2 / variance)
        np.testing.assert_allclose(got[:, i], with_i - without - given, atol=1e-8)
    loo = fitted.loo(unit="respondent")
    assert loo.n == 360 and "known cluster" in str(loo)
    assert (loo.pointwise["pareto_k"] < 0.7).all()
    # a cluster foreseen with nothing known of it is foreseen worse than its members are
    assert loo.elpd > fitted.loo().elpd
    with pytest.raises(bs.errors.FitError, match="left out at a time"):
        fitted.loo(unit="team")


def test_a_saved_fit_is_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "fit")
    again = bs.load(tmp_path / "fit")
    pd.testing.assert_frame_equal(again.summary(), fitted.summary())
    assert again.prepared.sample.clusters.labels == fitted.prepared.sample.clusters.labels
    assert again.loo().elpd == fitted.loo().elpd


def test_effects_are_of_the_level_that_has_them(fitted):
    rows = fitted.effects("w", "fb").table
    assert set(rows["group"]) == {"between"}
    with pytest.raises(ModelError, match="no directed path"):
        fitted.effects("x", "fb")


def test_questions_that_are_not_there_yet_say_so(fitted):
    for name in ("loo_pit",):
        with pytest.raises(NotSupported, match="not there yet for two-level models"):
            getattr(fitted, name)()
    with pytest.raises(NotSupported, match="engine='pymc' is not there yet for two-level"):
        bs.SEM(FACTOR).fit(fitted_data(fitted), cluster="cluster", engine="pymc")


def test_measurement_by_level(fitted):
    found = fitted.measurement()
    table = found.reliability.set_index(["group", "construct", "measure"])["mean"]
    assert set(found.loadings["group"]) == {"within", "between"}
    assert ("within", "fw", "omega") in table.index and (
        "between",
        "fw",
        "omega",
    ) not in table.index
    elements, structure = fitted.elements, fitted.prepared.structure
    at = [structure.observed.index(f"y{i}") for i in (1, 2, 3)]
    omega = {}
    for block, name in enumerate(("fw", "fb")):
        m = structure.matrices(elements, block)
        j = structure.variables.index(name)
        # each has one cause, whose variance is that of the sample
        cause = ("x", "w")[block]
        k = structure.variables.index(cause)
        phi = (
            m["disturbances"][..., j, j] + m["paths"][..., j, k] ** 2 * m["disturbances"][..., k, k]
        )
        common = m["loadings"][..., at, j].sum(axis=-1) ** 2 * phi
        omega[name] = common, common + m["residuals"][..., at, at].sum(axis=-1)
    for level, name in (("within", "fw"), ("between", "fb")):
        share = omega[name][0] / omega[name][1]
        assert table[level, name, "omega"] == pytest.approx(share.mean(), rel=1e-9)
    size = 1.0 / np.mean(1.0 / fitted.prepared.sample.clusters.sizes)
    means = omega["fb"][0] / (omega["fb"][1] + omega["fw"][1] / size)
    assert table["between", "fb", "omega_means"] == pytest.approx(means.mean(), rel=1e-9)
    said = " ".join(str(found).split())
    assert "Lai 2021" in said and "HTMT = mean" not in said and "No two constructs" in said


def test_a_report_of_two_levels(fitted, tmp_path):
    text = fitted.report(tmp_path / "two.html", progress=False).read_text(encoding="utf-8")
    assert "levels side by side" in text and "groups side by side" not in text
    assert "in 60 clusters, whose random intercepts are the second level" in text
    assert "Intraclass correlations" in text and "Reliability of the observed means" in text
    assert "Groups: within" not in text and "cluster=&#x27;team&#x27;" in text
    assert "elpd" in text and "Prediction of a cluster that was left out" in text


def test_simulated_clusters(fitted):
    sem = bs.SEM(FACTOR)
    data = sem.simulate(fitted, 300, clusters=30, random_seed=1, latents=True)
    assert data.groupby("cluster").size().tolist() == [10] * 30
    assert (data.groupby("cluster")[["w", "fb"]].nunique() == 1).all().all()
    assert data.groupby("cluster")["fw"].nunique().min() == 10
    same = sem.simulate(fitted, fitted.prepared.sample.size, random_seed=1)
    assert sorted(same.groupby("cluster").size()) == sorted(fitted.prepared.sample.clusters.sizes)
    with pytest.raises(ModelError, match="how many clusters"):
        sem.simulate(fitted, 300)
    with pytest.raises(ModelError, match="sum to 7"):
        sem.simulate(fitted, 8, clusters=[3, 4])


def test_a_surface_of_two_levels_says_what_works(fitted):
    with pytest.raises(NotSupported, match="compute them in the data"):
        fitted.response_surface("x", "w", "fb")
