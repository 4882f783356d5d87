"""Fits: right numbers, ArviZ's layout, and a folder that brings the same numbers back."""

import json

import arviz as az
import numpy as np
import pandas as pd
import pytest
from example_models import ABILITIES, abilities, democracy, noise
from scipy.special import logsumexp

from bayessem import SEM, load
from bayessem.errors import BayessemWarning, FitError
from bayessem.model.priors import Prior
from bayessem.results import run_folder
from bayessem.results.versions import installed_versions

# Political Democracy by maximum likelihood: estimate and standard error, lavaan 0.6-14,
# sem(..., meanstructure = TRUE); the loadings and paths are those of its tutorial
# (https://lavaan.ugent.be/tutorial/sem.html).
LAVAAN = {
    "ind60=~x2": (2.180368, 0.138509),
    "ind60=~x3": (1.818511, 0.151958),
    "dem60=~y2": (1.256746, 0.18244),
    "dem60=~y3": (1.057717, 0.151383),
    "dem60=~y4": (1.264787, 0.145006),
    "dem65=~y6": (1.185696, 0.16881),
    "dem65=~y7": (1.279512, 0.159902),
    "dem65=~y8": (1.265947, 0.158111),
    "dem60~ind60": (1.483001, 0.399149),
    "dem65~ind60": (0.572336, 0.221314),
    "dem65~dem60": (0.837345, 0.098351),
    "y1~~y5": (0.623671, 0.35832),
    "y2~~y6": (2.152861, 0.733776),
    "y6~~y8": (1.356167, 0.568286),
    "x1~~x1": (0.081549, 0.01949),
    "x3~~x3": (0.466703, 0.090156),
    "y1~~y1": (1.891396, 0.444424),
    "ind60~~ind60": (0.448437, 0.086692),
    "dem60~~dem60": (3.956033, 0.921185),
    "dem65~~dem65": (0.172481, 0.214805),
    "x1~1": (5.054384, 0.084062),
    "y1~1": (5.464667, 0.301854),
    "ind": (1.241783, 0.355422),
}
SHORT = {"draws": 50, "tune": 100, "chains": 2, "random_seed": 1, "progress": False}


@pytest.fixture(scope="module")
def small_fit():
    data = noise("x1 x2 x3 y", n=40)
    data.loc[3, "x2"] = np.nan
    return SEM("f =~ x1 + x2 + x3\ny ~ b*f\ntwice := 2*b").fit(data, **SHORT)


@pytest.mark.parametrize("name", LAVAAN)
def test_posterior_means_are_within_half_a_standard_error_of_maximum_likelihood(pd_fit, name):
    estimate, error = LAVAAN[name]
    draws = pd_fit.parameters.sel(parameter=name)
    monte_carlo = float(draws.std()) / np.sqrt(pd_fit.diagnosis.lowest_ess_bulk[1])
    assert float(draws.mean()) == pytest.approx(estimate, abs=error / 2 + 3 * monte_carlo)


def test_the_fits_of_the_test_run_converged(pd_fit, alliance_fit):
    # of `hs_fit`, with 500 draws a chain, the largest R-hat passes 1.01 by chance with most seeds
    abilities_fit = SEM(ABILITIES).fit(abilities(), random_seed=1, draws=2000, progress=False)
    for fit in (pd_fit, abilities_fit, alliance_fit):
        found = fit.diagnosis
        assert found.worst_rhat[1] < 1.01
        assert found.lowest_ess_bulk[1] > 400
        assert found.disagreeing == ()
        assert found.divergences == 0


def test_the_alliance_study_finds_what_it_was_simulated_from(alliance_fit):
    """True values in data/README.md; linear paths differ by diversity, so the squares and SPEED."""
    found = alliance_fit.summary().set_index(["lhs", "op", "rhs"])
    for (lhs, rhs), true in {
        ("RAD", "AMC:AMC"): 0.4596,
        ("INC", "AMC:AMC"): 0.3889,
    }.items():
        row = found.loc[(lhs, "~", rhs)]
        assert row["std_lower"] < true < row["std_upper"]
        assert row["std_square"] == pytest.approx(np.sqrt(2) * row["std"], rel=1e-6)
    assert alliance_fit.data.attrs["quadrature_error"] < 1e-3


def test_posterior_holds_vectors_by_kind(pd_fit):
    posterior = pd_fit.draws["posterior"]
    assert pd_fit.values.shape == (4, 1000, 42)
    for kind, where in pd_fit.prepared.space.kinds().items():
        np.testing.assert_array_equal(posterior[kind].values, pd_fit.values[..., where])
        (dimension,) = set(posterior[kind].dims) - {"chain", "draw"}
        assert tuple(posterior[kind][dimension].values) == pd_fit.prepared.space.names[where]


def test_variances_and_covariances_are_on_lavaan_s_scale(pd_fit):
    posterior, parameters = pd_fit.draws["posterior"], pd_fit.parameters
    sd = posterior["residual_sd"].sel(residual_sds=["y1~~y1", "y5~~y5"]).values
    r = posterior["correlation"].sel(correlations="y1~~y5").values
    np.testing.assert_allclose(parameters.sel(parameter="y1~~y1"), sd[..., 0] ** 2)
    np.testing.assert_allclose(parameters.sel(parameter="y1~~y5"), r * sd[..., 0] * sd[..., 1])


def test_defined_parameters_are_products_of_draws(pd_fit):
    draws = pd_fit.parameters
    product = draws.sel(parameter="dem60~ind60") * draws.sel(parameter="dem65~dem60")
    np.testing.assert_allclose(draws.sel(parameter="ind"), product)


def test_respondents_log_likelihoods_sum_to_the_kernel_s_value(pd_fit):
    total = pd_fit.data["log_likelihood"]["y"].sum("respondent").values
    for chain, draw in ((0, 0), (3, 999)):
        x = pd_fit.values[chain, draw]
        one = pd_fit.density.respondent_log_likelihood(x).sum()
        assert total[chain, draw] == pytest.approx(one, rel=1e-12)


def test_log_likelihood_is_in_the_order_of_the_data():
    """A respondent far out has the lowest log-likelihood, wherever the patterns put them."""
    data = noise("x1 x2 x3", n=50)
    data.loc[::3, "x2"] = np.nan
    data.loc[[10, 27], "x1"] = [9.0, 8.0]
    fit = SEM("f =~ x1 + x2 + x3").fit(data, **SHORT)
    mean = fit.data["log_likelihood"]["y"].mean(("chain", "draw"))
    lowest = mean["respondent"].values[np.argsort(mean.values)[:2]]
    assert set(lowest) == {"10", "27"}


def test_arviz_reads_it(hs_fit):
    found = az.loo(hs_fit.data)
    pointwise = hs_fit.data["log_likelihood"]["y"].values.reshape(-1, 301)
    log_density = (logsumexp(pointwise, axis=0) - np.log(len(pointwise))).sum()
    assert found.elpd < log_density
    assert found.p == pytest.approx(log_density - found.elpd, rel=1e-6)
    table = az.summary(hs_fit.data, var_names=["loading"], round_to=6)
    mean = hs_fit.data["posterior"]["loading"].mean(("chain", "draw"))
    np.testing.assert_allclose(table["mean"].astype(float), mean, atol=1e-4)


def test_summary_and_print(pd_fit):
    table = pd_fit.summary(ci_prob=0.9)
    assert (table["lower"] <= table["mean"]).all()
    assert set(table["op"]) == {"=~", "~", "~~", "~1", ":="}
    r2 = pd_fit.r2().set_index("variable")
    assert r2.loc["dem65", "mean"] > r2.loc["dem60", "mean"] > 0
    text = str(pd_fit)
    assert "75 respondents" in text
    assert "seed 1" in text
    assert "dem65 ~ dem60" in text


def test_a_saved_fit_comes_back_to_the_last_digit(small_fit, tmp_path):
    folder = small_fit.save(tmp_path / "runs" / "small")
    again = load(folder)
    np.testing.assert_array_equal(again.values, small_fit.values)
    np.testing.assert_array_equal(again.parameters.values, small_fit.parameters.values)
    pd.testing.assert_frame_equal(again.summary(), small_fit.summary())
    assert str(again) == str(small_fit)
    assert again.settings == json.loads(json.dumps(small_fit.settings))
    assert again.timings == small_fit.timings
    x = np.zeros(small_fit.density.size)
    assert again.density.value_and_gradient(x)[0] == small_fit.density.value_and_gradient(x)[0]
    np.testing.assert_array_equal(
        again.data["log_likelihood"]["y"].values, small_fit.data["log_likelihood"]["y"].values
    )


def test_a_loaded_fit_keeps_the_versions_that_sampled_it(small_fit, tmp_path):
    assert small_fit.versions == installed_versions()
    folder = small_fit.save(tmp_path / "small")
    about = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    older = {**about["versions"], "nutpie": "0.1.0"}
    (folder / "fit.json").write_text(json.dumps({**about, "versions": older}), encoding="utf-8")
    again = load(folder)
    assert again.versions == older
    saved = again.save(tmp_path / "again")
    assert json.loads((saved / "fit.json").read_text(encoding="utf-8"))["versions"] == older


def test_the_folder_is_readable_without_the_program(small_fit, tmp_path):
    folder = small_fit.save(tmp_path / "small")
    about = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    assert about["settings"]["random_seed"] == 1
    assert about["data_hash"] == small_fit.prepared.sample.hash
    assert about["versions"] == installed_versions()
    assert about["versions"]["numpy"] == np.__version__
    assert "f =~ x1" in (folder / "model.txt").read_text(encoding="utf-8")
    table = pd.read_csv(folder / "estimates.csv", keep_default_na=False)
    assert table["mean"].astype(float).tolist() == pytest.approx(
        small_fit.summary()["mean"].tolist()
    )
    assert "y ~ f" in (folder / "summary.txt").read_text(encoding="utf-8")
    assert len(pd.read_csv(folder / "data.csv")) == 40


def test_a_killed_save_leaves_the_old_fit(small_fit, tmp_path, monkeypatch):
    folder = small_fit.save(tmp_path / "small")
    before = (folder / "fit.json").read_text(encoding="utf-8")
    write = run_folder._write

    def killed(fit, target):
        write(fit, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(run_folder, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        small_fit.save(folder)
    assert (folder / "fit.json").read_text(encoding="utf-8") == before
    assert [p.name for p in tmp_path.iterdir()] == ["small"]
    load(folder)


def test_a_failed_replacement_puts_the_old_fit_back(small_fit, tmp_path, monkeypatch):
    folder = small_fit.save(tmp_path / "small")
    rename = type(folder).rename

    def broken(self, target):
        if ".partial-" in self.name:
            raise OSError("disk full")
        return rename(self, target)

    monkeypatch.setattr(type(folder), "rename", broken)
    with pytest.raises(FitError, match="cannot be saved in .*small: disk full"):
        small_fit.save(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["small"]
    load(folder)


def test_saving_again_replaces_the_fit_and_keeps_what_the_user_put_there(small_fit, tmp_path):
    folder = small_fit.save(tmp_path / "small")
    (folder / "report.html").write_text("mine", encoding="utf-8")
    (folder / "model.txt").write_text("old", encoding="utf-8")
    small_fit.save(folder)
    assert (folder / "report.html").read_text(encoding="utf-8") == "mine"
    assert (folder / "model.txt").read_text(encoding="utf-8") == small_fit.sem.text
    assert [p.name for p in tmp_path.iterdir()] == ["small"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("model.txt", None, "it has no model.txt"),
        ("model.txt", "f =~ ", "model.txt is not as the fit was saved"),
        ("fit.json", '{"format": 1}', "fit.json has no 'model_options'"),
        ("draws.nc", "", "draws.nc is not as the fit was saved"),
    ],
)
def test_a_damaged_folder_says_what_is_damaged(small_fit, tmp_path, name, text, message):
    folder = small_fit.save(tmp_path / "small")
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(FitError, match=message):
        load(folder)


def test_a_foreign_folder_is_not_replaced(small_fit, tmp_path):
    mine = tmp_path / "thesis"
    mine.mkdir()
    (mine / "chapter.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(FitError, match="thesis exists and is not the folder of a fit"):
        small_fit.save(mine)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis"]
    assert (mine / "chapter.txt").exists()


def test_a_foreign_folder_is_not_loaded(small_fit, tmp_path):
    with pytest.raises(FitError, match="is not the folder of a fit"):
        load(tmp_path / "nothing")
    folder = small_fit.save(tmp_path / "small")
    (folder / "draws.nc").unlink()
    with pytest.raises(FitError, match="is not the folder of a fit"):
        load(folder)
    (folder / "fit.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FitError, match="is not the folder of a fit"):
        load(folder)


def test_other_data_or_another_format_are_refused(small_fit, tmp_path):
    folder = small_fit.save(tmp_path / "small")
    data = pd.read_csv(folder / "data.csv", index_col=0)
    data.assign(y=data["y"] + 1e-9).to_csv(folder / "data.csv")
    with pytest.raises(FitError, match="data.csv is not as the fit was saved"):
        load(folder)
    about = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    (folder / "fit.json").write_text(json.dumps({**about, "format": 99}), encoding="utf-8")
    with pytest.raises(FitError, match="has format 99"):
        load(folder)


@pytest.mark.parametrize("labels", [("01", "1"), ("NA", "x"), ("1.0", "1e0"), ("a,b", 'say "c"')])
def test_labels_of_groups_survive(tmp_path, labels):
    data = noise("x1 x2 x3", n=40).assign(school=list(labels) * 20)
    sem = SEM("f =~ x1 + x2 + x3", group_equal=("loadings",))
    fit = sem.fit(data, group="school", **SHORT)
    again = load(fit.save(tmp_path / "groups"))
    assert again.prepared.sample.groups == labels
    np.testing.assert_array_equal(again.parameters.values, fit.parameters.values)
    assert list(again.parameters["parameter"].values) == list(fit.parameters["parameter"].values)


def test_columns_may_be_called_row_and_group(tmp_path):
    data = noise("row group x3", n=40).assign(side=["l", "r"] * 20)
    fit = SEM("f =~ row + group + x3").fit(data, group="side", **SHORT)
    again = load(fit.save(tmp_path / "names"))
    assert again.prepared.sample.hash == fit.prepared.sample.hash


def test_priors_come_back_exactly(tmp_path):
    priors = {"loading": Prior("normal", mu=1 / 3, sigma=np.pi), "path": "student_t(3, 0, 1)"}
    fit = SEM("f =~ x1 + x2 + x3\ny ~ f").fit(noise("x1 x2 x3 y"), priors=priors, **SHORT)
    again = load(fit.save(tmp_path / "priors"))
    assert again.prepared.space.coordinates == fit.prepared.space.coordinates


def test_the_seed_is_drawn_and_recorded():
    data = noise("x y")
    options = {**SHORT, "random_seed": None}
    first = SEM("y ~ x").fit(data, **options)
    seed = first.settings["random_seed"]
    again = SEM("y ~ x").fit(data, **{**SHORT, "random_seed": seed})
    np.testing.assert_array_equal(first.values, again.values)
    assert SEM("y ~ x").fit(data, **options).settings["random_seed"] != seed


def test_a_line_far_from_the_origin_is_found():
    """Default priors must not pull a slope to 0 because the predictor is far from 0."""
    rng = np.random.default_rng(1)
    x = rng.normal(100.0, 1.0, 300)
    data = pd.DataFrame({"x": x, "y": 0.7 * x + rng.normal(size=300)})
    slope, _ = np.polyfit(data["x"], data["y"], 1)
    fit = SEM("y ~ x").fit(data, random_seed=1, draws=500, tune=500, progress=False)
    draws = fit.parameters.sel(parameter="y~x")
    assert float(draws.mean()) == pytest.approx(slope, abs=0.01)
    assert fit.diagnosis.ok


def test_signs_are_the_same_whatever_the_seed():
    fits = [
        SEM(ABILITIES, std_lv=True).fit(abilities(), **{**SHORT, "random_seed": s})
        for s in (1, 2, 3)
    ]
    signs = {
        tuple(np.sign(f.data["posterior"]["loading"].mean(("chain", "draw")).values)) for f in fits
    }
    assert signs == {(1.0,) * 9}


def test_notes_of_the_check_are_kept():
    fit = SEM("x1 ~ x2").fit(democracy()[["x1", "x2"]].head(8), **SHORT)
    assert any("few respondents" in n for n in fit.notes)
    assert "few respondents" in str(fit)


def test_a_model_that_explains_nothing_prints_without_a_table_of_r2():
    fit = SEM("x1 ~~ x2").fit(
        abilities(), draws=50, tune=100, chains=2, random_seed=1, progress=False
    )
    assert fit.r2().empty
    assert "R2" not in str(fit)


@pytest.mark.parametrize("kept, chains", [(200, 2), (20, 4)])
def test_an_interrupted_fit_says_what_it_kept(monkeypatch, kept, chains):
    from bayessem.posterior import sampling
    from bayessem.results import estimate

    def stopped(approximation, **options):
        done = sampling.sample(approximation, **{**options, "draws": kept, "chains": chains})
        raise sampling.Interrupted(done)

    monkeypatch.setattr(estimate, "sample", stopped)
    sem, data = SEM("f =~ x1 + x2 + x3"), noise("x1 x2 x3", n=60)
    options = {"random_seed": 1, "progress": False, "draws": 500, "tune": 100}
    if kept < estimate.WORTH_KEEPING:
        with pytest.raises(KeyboardInterrupt):
            sem.fit(data, **options)
        return
    said = "kept are 200 of 500 draws of 2 of 4 chains"
    with pytest.warns(BayessemWarning, match=said):
        fit = sem.fit(data, **options)
    assert fit.values.shape[:2] == (2, 200)
    assert (fit.settings["draws"], fit.settings["chains"]) == (200, 2)
    assert said in str(fit)
    assert np.isfinite(fit.summary()["mean"]).all()
