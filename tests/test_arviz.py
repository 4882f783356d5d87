"""All of ArviZ works on a fit's data: every plot and statistic of the installed version is classed.

A function that a new version adds makes `test_every_..._is_classed` fail until it is in one of the
tables below: run on the data of a fit, or named with the reason why it cannot apply.
"""

import inspect
import warnings

import arviz as az
import arviz_plots
import arviz_stats
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from example_models import ABILITIES, abilities, noise

import bayessem as bs
from bayessem import SEM, load
from bayessem.comparison.criterion import reported_values
from bayessem.comparison.importance import relative_efficiency
from bayessem.errors import FitError, ModelError, PriorError

MODEL = ABILITIES + "\nspeed ~ a*visual + ageyr\ntextual ~ b*speed + visual\nab := a*b"
LOADINGS = {"var_names": ["loading"], "coords": {"loadings": ["visual=~x2", "speed=~x9"]}}
PATHS = {"var_names": ["path"]}
NONE = {"backend": "none"}


class Trees:
    """The fit, and its data as users get them."""

    def __init__(self):
        self.fit = SEM(MODEL).fit(
            abilities(), draws=300, tune=300, chains=2, random_seed=1, progress=False
        )
        self.data = self.fit.data
        self.all = self.fit.posterior_predictive(draws=20, prior=True)
        self.one = self.fit.posterior_predictive("x7")


@pytest.fixture(scope="module")
def trees() -> Trees:
    return Trees()


def on_posterior(name):
    return lambda t: getattr(arviz_plots, name)(t.data, **LOADINGS, **NONE)


def on_predictive(name, **options):
    """Of all indicators and of one: what compares distributions."""
    function = getattr(arviz_plots, name)
    chosen = {"coords": {"indicator": ["x1", "x7"]}}

    def call(t):
        function(t.all, **chosen, **options, **NONE)
        function(t.all, group="prior_predictive", **chosen, **options, **NONE)
        return function(t.one, **options, **NONE)

    return call


def on_one(name, **options):
    """Of one indicator: what needs it aligned with the log-likelihood."""
    return lambda t: getattr(arviz_plots, name)(t.one, **options, **NONE)


def pit_of(t):
    return az.convert_to_datatree(az.loo_pit(t.one), group="loo_pit")


PLOTS = {
    **{
        name: on_posterior(name)
        for name in (
            "plot_autocorr",
            "plot_convergence_dist",
            "plot_dgof",
            "plot_dgof_dist",
            "plot_dist",
            "plot_ess",
            "plot_ess_evolution",
            "plot_forest",
            "plot_mcse",
            "plot_pair",
            "plot_parallel",
            "plot_prior_posterior",
            "plot_psense_dist",
            "plot_psense_quantities",
            "plot_rank",
            "plot_rank_dist",
            "plot_ridge",
            "plot_trace",
            "plot_trace_dist",
        )
    },
    "plot_bf": lambda t: az.plot_bf(t.data, "path", **NONE),
    "plot_compare": lambda t: az.plot_compare(az.compare({"a": t.data, "b": t.all}), **NONE),
    "plot_ecdf_pit": lambda t: az.plot_ecdf_pit(
        pit_of(t), group="loo_pit", sample_dims=["respondent"], **NONE
    ),
    "plot_energy": lambda t: az.plot_energy(t.data, **NONE),
    "plot_khat": lambda t: az.plot_khat(az.loo(t.data), **NONE),
    "plot_lm": on_one("plot_lm", x="ageyr", y="y"),
    "plot_loo_interval": on_one("plot_loo_interval"),
    "plot_loo_pit": on_one("plot_loo_pit"),
    "plot_pair_focus": lambda t: az.plot_pair_focus(
        t.data, "path", focus_var_coords={"paths": "speed~visual"}, var_names=["loading"], **NONE
    ),
    "plot_ppc_dist": on_predictive("plot_ppc_dist"),
    "plot_ppc_dist_pit": on_one("plot_ppc_dist_pit"),
    "plot_ppc_interval": on_predictive("plot_ppc_interval"),
    "plot_ppc_pit": on_one("plot_ppc_pit"),
    "plot_ppc_tstat": on_predictive("plot_ppc_tstat", t_stat="std"),
}
NO_PLOTS = {
    "plot_loo_pava": "calibration of the probabilities of binary or ordered outcomes",
    "plot_ppc_pava": "calibration of the probabilities of binary or ordered outcomes",
    "plot_ppc_pava_residuals": "residuals of the probabilities of binary or ordered outcomes",
    "plot_ppc_rootogram": "counts; indicators are continuous",
    "plot_ppc_censored": "times until an event, some of them censored",
}


def of_posterior(name, **options):
    return lambda t: getattr(az, name)(t.data, **PATHS, **options)


def path(t, name):
    return t.data["posterior"]["path"].sel(paths=name, drop=True)


STATISTICS = {
    **{
        name: of_posterior(name)
        for name in (
            "ess",
            "eti",
            "hdi",
            "histogram",
            "iqr",
            "kde",
            "mad",
            "mcse",
            "mean",
            "median",
            "mode",
            "psense",
            "psense_summary",
            "qds",
            "rhat",
            "std",
            "summary",
            "thin",
            "var",
        )
    },
    "bayes_factor": lambda t: az.bayes_factor(t.data, "path"),
    "bfmi": lambda t: az.bfmi(t.data),
    "ci_in_rope": of_posterior("ci_in_rope", rope=(-0.1, 0.1)),
    # of the best model, no probability to be worse
    "compare": lambda t: az.compare({"a": t.data, "b": t.all}).drop(columns="p_worse"),
    "ecdf": lambda t: az.ecdf(t.data["posterior"].to_dataset(), **PATHS),
    "diagnose": of_posterior("diagnose", show_diagnostics=False, return_diagnostics=True),
    "get_log_likelihood": lambda t: arviz_stats.get_log_likelihood(t.data),
    "hexbin": lambda t: arviz_stats.hexbin(path(t, "speed~visual"), path(t, "speed~ageyr")),
    "histogram2d": lambda t: arviz_stats.histogram2d(
        path(t, "speed~visual"), path(t, "speed~ageyr")
    ),
    "kde2d": lambda t: arviz_stats.kde2d(path(t, "speed~visual"), path(t, "speed~ageyr")),
    "kl_divergence": lambda t: az.kl_divergence(t.data, t.data, num_samples=100, **PATHS),
    "loo": lambda t: az.loo(t.data),
    "loo_expectations": lambda t: az.loo_expectations(t.one),
    "loo_i": lambda t: az.loo_i(3, t.data),
    "loo_influence": lambda t: az.loo_influence(t.one),
    "loo_metrics": lambda t: az.loo_metrics(t.one),
    "loo_pit": lambda t: az.loo_pit(t.one),
    "loo_r2": lambda t: az.loo_r2(t.one, "y"),
    "loo_score": lambda t: az.loo_score(t.one),
    "loo_subsample": lambda t: az.loo_subsample(t.data, observations=50),
    "metrics": lambda t: az.metrics(t.one),
    "rhat_nested": of_posterior("rhat_nested", superchain_ids=[0, 1]),
    "update_subsample": lambda t: az.update_subsample(
        az.loo_subsample(t.data, observations=50), t.data, observations=20
    ),
    "wasserstein": lambda t: az.wasserstein(t.data, t.data, num_samples=100, **PATHS),
    "weight_predictions": lambda t: az.weight_predictions([t.all, t.all]),
}
NO_STATISTICS = {
    "bayesian_r2": "wants draws of predicted means, a regression's; `fit.r2` has all outcomes",
    "generate_survival_curves": "times until an event",
    "get_function": "looks a function up by its name",
    "kaplan_meier": "times until an event",
    "lfo_cv": "respondents are not a time series",
    "loo_approximate_posterior": "draws of an approximation; these are of the posterior",
    "loo_kfold": "wants a wrapper that refits; `fit.kfold` refits",
    "loo_moment_match": "wants a PyMC model: see test_moment_matching_by_pymc",
    "reloo": "wants a wrapper that refits; `fit.loo` refits",
    "residual_r2": "wants draws of predicted means, a regression's; `fit.r2` has all outcomes",
}


def public_plots():
    return {
        name
        for name, member in inspect.getmembers(arviz_plots, inspect.isfunction)
        if name.startswith("plot_")
    } | {n for n in dir(az) if n.startswith("plot_") and inspect.isfunction(getattr(az, n))}


def public_statistics():
    return {
        name
        for name, member in inspect.getmembers(arviz_stats, inspect.isfunction)
        if not name.startswith("_") and member.__module__.startswith("arviz_stats")
    }


def test_every_plot_of_arviz_is_classed():
    assert not set(PLOTS) & set(NO_PLOTS)
    assert public_plots() == set(PLOTS) | set(NO_PLOTS)


def test_every_statistic_of_arviz_is_classed():
    assert not set(STATISTICS) & set(NO_STATISTICS)
    assert public_statistics() == set(STATISTICS) | set(NO_STATISTICS)


# Of the few draws that this fit has, ArviZ warns.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(PLOTS))
def test_plot(trees, name):
    assert PLOTS[name](trees) is not None


def numbers(result):
    """All floating-point numbers of a result, however it holds them."""
    if isinstance(result, xr.DataTree):
        return [x for node in result.subtree for x in numbers(node.to_dataset())]
    if isinstance(result, xr.Dataset):
        return [x for array in result.data_vars.values() for x in numbers(array)]
    if isinstance(result, pd.DataFrame):
        return numbers(result.select_dtypes("number").to_numpy())
    if isinstance(result, xr.DataArray):
        return numbers(result.values)
    if isinstance(result, tuple | list):
        return [x for part in result for x in numbers(part)]
    if isinstance(result, dict):
        return numbers(list(result.values()))
    if hasattr(result, "elpd"):
        return [result.elpd, result.se]
    array = np.asarray(result)
    return array.ravel().tolist() if array.dtype.kind in "fi" else []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(STATISTICS))
def test_statistic(trees, name):
    found = np.array(numbers(STATISTICS[name](trees)))
    assert found.size
    if name != "mode":  # of continuous draws: as many modes as it finds, nan for the rest
        assert np.isfinite(found).all()


def test_names_and_scale_are_those_of_the_summary(trees):
    """Each free and defined parameter, once, with the summary's numbers."""
    table = trees.fit.summary()
    table = table[table["sd"] > 0]
    flat = {
        str(name): array.sel({dim: name})
        for array in trees.data["posterior"].data_vars.values()
        for dim in array.dims[2:]
        for name in array[dim].values
    }
    written = [
        r.lhs if r.op == ":=" else r.lhs + r.op + r.rhs for r in table.itertuples(index=False)
    ]
    assert sorted(flat) == sorted(written)
    found = [float(flat[name].mean()) for name in written]
    np.testing.assert_allclose(found, table["mean"], rtol=1e-12)
    hats = az.rhat(trees.data)
    hats = {
        str(name): float(array.sel({array.dims[0]: name}))
        for array in hats.data_vars.values()
        for name in array[array.dims[0]].values
    }
    np.testing.assert_allclose([hats[name] for name in written], table["r_hat"], rtol=1e-9)
    assert list(trees.data["posterior"]["defined"]["definitions"].values) == ["ab"]
    assert not any("sd" in str(name) for name in trees.data["posterior"].data_vars)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_loo_is_that_of_the_fit(trees):
    mine = trees.fit.loo(moment_match=False, refit=False)  # which ArviZ does apart
    assert az.loo(trees.data).elpd == pytest.approx(mine.elpd, rel=1e-10)


def test_sensitivities_are_those_of_the_fit(trees):
    theirs = az.psense_summary(trees.data, var_names=["defined"], round_to=8).loc["defined[ab]"]
    own = trees.fit.sensitivity().table.set_index(["kind", "quantity"]).loc[("defined", "ab")]
    assert theirs["prior"] == pytest.approx(own["prior"], rel=1e-4)
    assert theirs["likelihood"] == pytest.approx(own["likelihood"], rel=1e-4)


def test_one_prior_can_be_scaled_alone(trees):
    """A prior of a few parameters moves less than all together."""
    alone = az.psense(trees.data, var_names=["path"], group_var_names=["residual_sd"])["path"]
    whole = az.psense(trees.data, var_names=["path"])["path"]
    assert np.isfinite(alone).all()
    assert not np.allclose(alone, whole)


def test_groups_are_aligned(trees):
    """Names, dimensions and labels of data, predictions and log-likelihoods are the same."""
    assert set(trees.data.children) == {
        "posterior",
        "sample_stats",
        "log_likelihood",
        "log_prior",
        "prior",
        "observed_data",
        "constant_data",
    }
    observed = trees.all["observed_data"]["y"]
    for group in ("posterior_predictive", "prior_predictive"):
        predicted = trees.all[group]["y"]
        assert predicted.dims == ("chain", "draw", "respondent", "indicator")
        for dim in observed.dims:
            assert predicted[dim].identical(observed[dim])
    # covariates are given, not predicted
    assert "ageyr" not in observed["indicator"].values
    np.testing.assert_array_equal(trees.data["constant_data"]["ageyr"], abilities()["ageyr"])
    assert trees.data["constant_data"].attrs["model"] == MODEL
    for tree, count in ((trees.all, 20), (trees.one, 300)):
        for group in ("posterior", "sample_stats", "log_prior", "log_likelihood"):
            chosen = tree["posterior_predictive"]["draw"]
            assert tree[group]["draw"].size == count
            assert tree[group]["draw"].identical(chosen)
    assert trees.one["posterior_predictive"]["y"].dims == ("chain", "draw", "respondent")
    assert trees.one["log_likelihood"]["y"].dims == ("chain", "draw", "respondent")
    for name, array in trees.data["posterior"].data_vars.items():
        prior = trees.data["prior"][name]
        assert prior.dims == array.dims
        assert prior[prior.dims[2]].identical(array[array.dims[2]])


def test_loo_pit_is_uniform_for_data_of_the_model(trees):
    """Of an indicator that the model is right about, by its mean and spread within error."""
    pit = az.loo_pit(trees.one)["y"].values
    assert pit.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * pit.size))
    assert pit.std() == pytest.approx(np.sqrt(1 / 12), abs=4 * 0.13 / np.sqrt(pit.size))


def test_predictions_of_one_indicator_leave_out_who_did_not_answer():
    """nan in data or predictions would count as a probability of 0."""
    data = noise("x1 x2 x3", n=80)
    data.loc[::4, "x2"] = np.nan
    fit = SEM("f =~ x1 + x2 + x3").fit(
        data, draws=50, tune=200, chains=2, random_seed=1, progress=False
    )
    whole = fit.posterior_predictive()
    np.testing.assert_array_equal(
        whole["posterior_predictive"]["y"].isnull().all(("chain", "draw")).values,
        data.isna().to_numpy(),
    )
    one = fit.posterior_predictive("x2")
    answered = [str(i) for i in data.index[data["x2"].notna()]]
    for group in ("observed_data", "posterior_predictive", "log_likelihood"):
        assert list(one[group]["respondent"].values) == answered
        assert np.isfinite(one[group]["y"].values).all()
    with pytest.raises(ModelError, match="'x4' is no indicator of the model.* There are: x1, x2"):
        fit.posterior_predictive("x4")
    with pytest.raises(FitError, match="draws has to be at least 1"):
        fit.posterior_predictive(draws=0)


def test_draws_from_the_prior_are_draws_from_the_prior(trees):
    """A path's prior is normal: its quantiles within Monte Carlo error; variances are squares."""
    prior = trees.data["prior"]
    assert prior["path"].sizes["draw"] == 600
    priors = trees.fit.sem.priors(abilities()).set_index("parameter")
    sd = float(str(priors.loc["speed~visual", "prior"]).split("sigma=")[1].rstrip(")"))
    drawn = prior["path"].sel(paths="speed~visual").values.ravel()
    assert drawn.std() == pytest.approx(sd, rel=4 / np.sqrt(2 * drawn.size))
    assert float(prior["residual_variance"].min()) > 0
    product = prior["path"].sel(paths="speed~visual") * prior["path"].sel(paths="textual~speed")
    np.testing.assert_allclose(prior["defined"].sel(definitions="ab"), product)


def test_improper_priors_have_no_draws_and_say_so():
    data = noise("x1 x2 x3", n=60)
    sem, priors = SEM("f =~ x1 + x2 + x3"), {"x1~1": "flat()"}
    fit = sem.fit(data, priors=priors, draws=50, tune=200, chains=1, random_seed=1, progress=False)
    assert "prior" not in fit.data
    assert "x1~1: the flat prior is improper" in fit.data.attrs["no_prior"]
    assert np.isfinite(az.psense(fit.data, var_names=["loading"])["loading"]).all()
    for call in (
        lambda: fit.posterior_predictive(prior=True),
        lambda: sem.prior_predictive(data, priors=priors),
    ):
        with pytest.raises(PriorError, match="x1~1: the flat prior is improper"):
            call()


def test_a_definition_without_a_value_in_some_draws_has_no_posterior():
    """As in the summary; and what averages over the posterior, such as LOO, does not become nan."""
    fit = SEM("f =~ x1 + x2 + x3\nx1 ~ m*1\nroot := sqrt(m)\ntwice := 2*m").fit(
        noise("x1 x2 x3", n=60), draws=100, tune=200, chains=2, random_seed=1, progress=False
    )
    assert list(fit.undefined) == ["root"]
    assert fit.data["posterior"]["definitions"].values.tolist() == ["twice"]
    assert fit.data.attrs["undefined"] == "root"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few draws
        assert np.isfinite(az.loo(fit.data).elpd)


def test_the_prior_predictive_needs_no_fit(trees):
    tree = trees.fit.sem.prior_predictive(abilities(), draws=60, random_seed=3)
    assert set(tree.children) == {"prior", "prior_predictive", "observed_data", "constant_data"}
    assert tree["prior_predictive"]["y"].shape == (1, 60, 301, 9)
    again = trees.fit.sem.prior_predictive(abilities(), draws=60, random_seed=3)
    xr.testing.assert_identical(tree, again)
    az.plot_ppc_dist(tree, group="prior_predictive", coords={"indicator": ["x1"]}, **NONE)


def test_groups_labels_and_pooling_have_the_names_of_the_summary():
    """Parameters by group, equal ones once; what pooling adds under its own names."""
    data = noise("x1 x2 x3 y", n=120).assign(site=np.repeat(["a", "b", "c"], 40))
    data["y"] += data["x1"]
    how = {"draws": 60, "tune": 200, "chains": 1, "random_seed": 1, "progress": False}
    fit = SEM("f =~ x1 + x2 + x3\ny ~ f").fit(
        data, group="site", pooling=bs.partial("y ~ f"), **how
    )
    posterior = fit.data["posterior"]
    names = {str(n) for v in posterior.data_vars.values() for n in v[v.dims[2]].values}
    assert names == {str(n) for n in fit.parameters["parameter"].values}
    assert {"pool_mean", "pool_sd"} <= set(posterior.data_vars)
    assert not any("pool_z" in str(v) for v in posterior.data_vars)
    groups = fit.data["constant_data"]["group"].values
    assert groups.tolist() == data["site"].tolist()
    both = fit.population().data
    assert set(both.children) == {"posterior", "sample_stats"}
    assert "y~f" in both["posterior"]["path"]["paths"].values


def test_a_saved_run_holds_what_was_sampled_and_answers_alike(trees, tmp_path):
    folder = trees.fit.save(tmp_path / "run")
    with xr.open_datatree(folder / "draws.nc", engine="h5netcdf") as tree:
        stored = set(tree.children)
    assert stored == {"posterior", "sample_stats", "log_likelihood", "observed_data"}
    again = load(folder)
    xr.testing.assert_identical(again.data, trees.data)
    xr.testing.assert_identical(again.posterior_predictive("x7"), trees.one)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_pymc_reads_the_draws_of_a_fit(trees):
    """`fit.pymc` has the values of PyMC's variables: same log-likelihoods, respondent by each."""
    import pymc as pm

    model, draws = trees.fit.pymc()
    own = draws["log_likelihood"]["y"].copy()
    pm.compute_log_likelihood(
        draws, model=model, progressbar=False, compile_kwargs={"mode": "FAST_COMPILE"}
    )
    theirs = draws["log_likelihood"]["y"]
    assert theirs.dims == own.dims
    np.testing.assert_allclose(theirs.values, own.values, rtol=1e-9)
    mine = trees.fit.loo(moment_match=False, refit=False)
    # ArviZ would take the efficiency of PyMC's variables, which are other functions of the draws
    reff = relative_efficiency(reported_values(trees.fit))
    assert az.loo(draws, reff=reff).elpd == pytest.approx(mine.elpd, rel=1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_moment_matching_by_pymc(trees):
    """ArviZ builds it from the PyMC model; of Pareto k that are good already nothing changes."""
    model, draws = trees.fit.pymc()
    plain = az.loo(draws)
    matched = az.loo_moment_match(draws, plain, model=model, k_threshold=0.5)
    assert float(matched.pareto_k.max()) <= float(plain.pareto_k.max())
    assert matched.elpd == pytest.approx(plain.elpd, abs=0.5)
