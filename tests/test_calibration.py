"""Simulation-based calibration: bands hold, true posteriors pass, wrong ones do not."""

import dataclasses

import numpy as np
import pytest
from example_models import ABILITIES, abilities, prepared
from scipy import stats

from bayessem.calibration.bands import simultaneous_band
from bayessem.calibration.families import FAMILIES, prepared_family
from bayessem.calibration.sbc import Calibration, calibrate
from bayessem.errors import ModelError, PriorError
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.prior_draws import prior_draws
from bayessem.report.calibration import Plan, calibrated


def calibration(ranks, size=99):
    names = tuple(f"q{i}" for i in range(ranks.shape[1]))
    return Calibration(names, ranks, size, 99.0, 0, 0)


def test_the_band_has_the_probability_that_it_says():
    band = simultaneous_band(200, size=99, probability=0.9)
    ranks = np.random.default_rng(7).integers(0, 100, (4000, 200))
    shares = np.mean(ranks[:, :, None] < band.points * 100 - 1e-9, axis=1)
    inside = band.inside(shares).mean()
    assert abs(inside - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 4000) + 0.01  # the level is simulated too


def test_uniform_ranks_pass_and_others_do_not():
    rng = np.random.default_rng(3)
    uniform = rng.integers(0, 100, (500, 12))
    assert calibration(uniform).passed
    too_narrow = np.clip(np.round(99 * rng.beta(0.7, 0.7, (500, 1))), 0, 99)
    shifted = np.clip(np.round(99 * rng.beta(1.2, 1.0, (500, 1))), 0, 99)
    for wrong in (too_narrow, shifted):
        result = calibration(np.hstack([uniform, wrong]))
        assert not result.passed
        assert list(result.table["inside_joint_99"]) == [True] * 12 + [False]
        assert "NOT calibrated: q12" in str(result)


@pytest.mark.parametrize("name", ["linear", "pooled", "binary"])
def test_a_family_is_calibrated_in_a_few_fits(name):
    result = calibrate(prepared_family(FAMILIES[name]), fits=8, draws=200, tune=300, random_seed=2)
    assert result.ranks.shape == (8, len(result.quantities))
    assert result.quantities[-1] == "log-likelihood"
    assert result.failed == 0
    assert result.passed
    # ranks of data sets that have to do with their parameters are not all in the middle
    assert result.ranks.std(axis=0).min() > 10


def test_a_posterior_that_ignores_the_data_is_seen(monkeypatch):
    from bayessem.calibration import sbc

    family = prepared_family(FAMILIES["linear"])
    template = posterior_density(family.space, family.structure, family.sample)

    def only_prior(prepared, data, *, draws, tune, seed):
        values = prior_draws(
            prepared.space, prepared.structure, template, draws=draws, random_seed=seed
        )
        density = posterior_density(prepared.space, prepared.structure, data)
        return values, density.respondent_log_likelihood(values).sum(axis=-1), 0

    monkeypatch.setattr(sbc, "_one_fit", only_prior)
    result = calibrate(family, fits=40, draws=99, random_seed=1)
    table = result.table.set_index("quantity")
    assert not table.loc["log-likelihood", "inside_joint_99"]
    assert table.drop(index="log-likelihood")["inside_joint_99"].all()


def test_prior_draws_follow_the_priors():
    model = prepared(
        ABILITIES,
        abilities(),
        priors={
            "visual=~x2": "gamma(4, 5)",
            "x1~1": "student_t(5, 5, 1)",
            "x2~1": "uniform(1, 2)",
            "x1~~x1": "inverse_gamma(5, 3)",
            "x2~~x2": "exponential(2)",
            "x3~~x3": "log_normal(0, 0.5)",
        },
    )
    density = posterior_density(model.space, model.structure, model.sample)
    draws = prior_draws(model.space, model.structure, density, draws=4000, random_seed=1)
    at = {name: draws[:, i] for i, name in enumerate(model.space.names)}
    expected = {
        "visual=~x2": stats.gamma(4, scale=1 / 5),
        "x1~1": stats.t(5, 5, 1),
        "x2~1": stats.uniform(1, 1),
        "x1~~x1": stats.invgamma(5, scale=3),
        "x2~~x2": stats.expon(scale=1 / 2),
        "x3~~x3": stats.lognorm(0.5),
        # LKJ(eta) over 3 variables: each correlation is 2 Beta(a, a) - 1 with a = eta + 1/2
        "visual~~textual": stats.beta(*[model.space.blocks[0].eta + 0.5] * 2, loc=-1, scale=2),
        "textual~~speed": stats.beta(*[model.space.blocks[0].eta + 0.5] * 2, loc=-1, scale=2),
    }
    for name, distribution in expected.items():
        assert stats.kstest(at[name], distribution.cdf).pvalue > 1e-3, name


def test_an_improper_prior_has_no_draws():
    model = prepared(ABILITIES, abilities(), priors={"x1~1": "flat()"})
    density = posterior_density(model.space, model.structure, model.sample)
    with pytest.raises(PriorError, match="x1~1: the flat prior is improper"):
        prior_draws(model.space, model.structure, density, draws=10)


def test_covariates_and_unknown_families_are_refused():
    rows = prepared("f =~ x1 + x2 + x3\nf ~ ageyr", abilities())
    with pytest.raises(ModelError, match="fixed_x=False"):
        calibrate(rows, fits=2)
    with pytest.raises(ModelError, match="no family 'cubic'"):
        Plan(["cubic"])


def test_the_command_keeps_what_it_had(tmp_path, capsys):
    ranks, page = tmp_path / "ranks.json", tmp_path / "calibration.md"
    first = calibrated(Plan(["linear"], fits=3, ranks=str(ranks)))
    both = calibrated(Plan(["grouped"], fits=3, ranks=str(ranks), write=str(page)))
    assert [*first] == ["linear"] and [*both] == ["linear", "grouped"]
    assert (first["linear"].ranks == both["linear"].ranks).all()
    text = page.read_text(encoding="utf-8")
    assert "| linear | 3 | 20 |" in text
    assert "| grouped | 3 | " in text
    assert (tmp_path / "figures" / "calibration.png").stat().st_size > 10_000
    assert "== grouped ==" in capsys.readouterr().out


def test_every_family_prepares():
    for name, family in FAMILIES.items():
        model = prepared_family(family)
        assert model.sample.size == family.n, name
        assert len(model.sample.model_groups) == family.groups, name
        assert model.sample.complete == (family.missing == 0)
    small = dataclasses.replace(FAMILIES["quadratic"], n=40)
    assert prepared_family(small).structure.products
