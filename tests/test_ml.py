"""Maximum likelihood against lavaan's printed numbers (0.6-14), on the data that ship here."""

import io

import example_models
import numpy as np
import pandas as pd
import pytest
from example_models import ABILITIES, DEMOCRACY, prepared

from bayessem.errors import DataError, ModelError, NotSupported
from bayessem.ml.bootstrap import bootstrap
from bayessem.ml.estimate import MLFit, fit_ml
from bayessem.model.covariance_input import from_covariance
from bayessem.posterior.assemble import likelihood_density
from bayessem.sem import SEM


@pytest.fixture(scope="module")
def hs() -> pd.DataFrame:
    return example_models.abilities()


@pytest.fixture(scope="module")
def democracy() -> pd.DataFrame:
    return example_models.democracy()


def fit(model: str, data: pd.DataFrame, se: str = "expected", **options) -> MLFit:
    return fit_ml(prepared(model, data, **options), se=se)


def row(result: MLFit, name: str, group: str = ""):
    table = result.table
    here = table[(table.lhs + table.op + table.rhs == name) & (table.group == group)]
    if not len(here):
        here = table[(table.lhs == name) & (table.op == ":=")]
    return here.iloc[0]


def test_confirmatory_factor_analysis(hs):
    got = fit(ABILITIES, hs)
    assert got.converged
    assert not got.problems
    x2 = row(got, "visual=~x2")
    assert (x2.est, x2.se, x2.std_all) == pytest.approx((0.5535, 0.099665, 0.4236), abs=5e-5)
    assert row(got, "visual~~speed").std_all == pytest.approx(0.4705, abs=1e-4)
    wanted = {
        "npar": 30, "chisq": 85.3055, "df": 24, "cfi": 0.9306, "tli": 0.8958, "rmsea": 0.0921,
        "srmr": 0.0595, "logl": -3737.7449, "aic": 7535.4899, "bic": 7646.7032, "gfi.means": 0.996,
    }  # fmt: skip
    for name, value in wanted.items():
        assert got.measures[name] == pytest.approx(value, abs=5e-4 if name == "gfi.means" else 1e-4)
    assert got.r2["all"]["x1"] == pytest.approx(0.5958, abs=5e-5)
    assert got.omega["all"]["visual"] == pytest.approx(0.612005, abs=1e-6)
    assert got.ave["all"]["textual"] == pytest.approx(0.721016, abs=1e-6)


@pytest.mark.parametrize(
    ("se", "wanted"), [("observed", 0.109), ("expected", 0.100), ("robust", 0.132)]
)
def test_standard_errors(hs, se, wanted):
    assert row(fit(ABILITIES, hs, se), "visual=~x2").se == pytest.approx(wanted, abs=5e-4)


def test_structural_model_with_a_definition(democracy):
    got = fit(DEMOCRACY, democracy)
    ind = row(got, "ind")
    assert (ind.est, ind.se, ind.std_all) == pytest.approx((1.241783, 0.355422, 0.3954), abs=5e-5)
    assert ind.ci_lower == pytest.approx(ind.est - 1.959964 * ind.se)
    assert got.measures["chisq"] == pytest.approx(38.1252, abs=1e-4)
    assert got.r2["all"]["dem65"] == pytest.approx(0.961, abs=1e-4)


def test_groups_with_strong_invariance(hs):
    got = fit(ABILITIES, hs, group="school", group_equal=("loadings", "intercepts"))
    assert got.npar == 48
    assert got.measures["chisq"] == pytest.approx(164.103, abs=1e-3)  # lavaan's tutorial
    assert got.measures["df"] == 60
    assert row(got, "textual~1", "Grant-White").est == pytest.approx(0.576, abs=5e-4)
    assert set(got.r2) == {"Pasteur", "Grant-White"}


def test_missing_values(hs):
    """A model as large as the saturated one: the kernel's maximum is that of EM."""
    rng = np.random.default_rng(3)
    holes = rng.random((len(hs), 3)) < 0.2
    holes[5] = True
    data = hs[["x1", "x2", "x3"]].mask(holes)
    got = fit("f =~ x1 + x2 + x3", data, "observed")
    assert got.measures["df"] == 0
    assert got.measures["chisq"] == pytest.approx(0.0, abs=1e-6)
    assert got.prepared.sample.dropped == tuple(np.flatnonzero(holes.all(axis=1)))
    assert "Respondents left out" in str(got)
    listwise = fit("f =~ x1 + x2 + x3", data, missing="listwise")
    assert listwise.measures["ntotal"] == len(data.dropna())


def test_covariates_are_conditioned_on(hs):
    """Regression as a model: least squares, and a likelihood that leaves the covariates out."""
    got = fit("x1 ~ ageyr + sex", hs)
    x = np.column_stack([np.ones(len(hs)), hs.ageyr, hs.sex])
    beta, *_ = np.linalg.lstsq(x, hs.x1)
    rest = hs.x1 - x @ beta
    sigma2 = float(np.mean(rest**2))
    assert row(got, "x1~ageyr").est == pytest.approx(beta[1], abs=1e-8)
    assert row(got, "x1~1").est == pytest.approx(beta[0], abs=1e-6)
    logl = -0.5 * len(hs) * (np.log(2 * np.pi * sigma2) + 1)
    assert got.logl == pytest.approx(logl, abs=1e-8)
    se = np.sqrt(sigma2 * np.linalg.inv(x.T @ x)[1, 1])
    assert row(got, "x1~ageyr").se == pytest.approx(se, rel=1e-6)
    assert (got.npar, got.measures["df"]) == (4, 0)
    assert got.r2["all"]["x1"] == pytest.approx(1 - sigma2 / hs.x1.var(ddof=0))
    without = hs.assign(ageyr=hs.ageyr.astype(float).mask(hs.index < 4))
    partly = fit("x1 ~ ageyr + sex", without)
    assert partly.measures["ntotal"] == len(hs) - 4
    assert "4 respondents have no value of a covariate (ageyr, sex)" in partly.problems[0]


def test_without_means(hs):
    with_means, without = fit(ABILITIES, hs), fit(ABILITIES, hs, meanstructure=False)
    assert without.npar == with_means.npar - 9
    assert without.logl == pytest.approx(with_means.logl, abs=1e-7)
    assert without.measures["chisq"] == pytest.approx(with_means.measures["chisq"], abs=1e-7)
    assert without.measures["srmr"] == pytest.approx(0.0652, abs=1e-4)
    assert without.measures["gfi"] == pytest.approx(0.943, abs=5e-4)  # lavaan
    holes = hs.assign(x1=hs.x1.mask(hs.index == 3))
    with pytest.raises(ModelError, match="missing values needs means"):
        fit(ABILITIES, holes, meanstructure=False)


def test_a_covariance_matrix_gives_what_the_raw_data_give(hs):
    names = [f"x{i}" for i in range(1, 10)]
    made = from_covariance(hs[names].cov(), len(hs), means=hs[names].mean().to_dict())
    raw, summary = fit(ABILITIES, hs), fit(ABILITIES, made)
    np.testing.assert_allclose(summary.table.est, raw.table.est, atol=1e-6)
    np.testing.assert_allclose(summary.table.se, raw.table.se, atol=1e-6)
    assert summary.measures["chisq"] == pytest.approx(raw.measures["chisq"], abs=1e-6)
    with pytest.raises(NotSupported, match="raw data"):
        fit(ABILITIES, made, "robust")
    with pytest.raises(NotSupported, match="raw data"):
        bootstrap(prepared(ABILITIES, made), 10)


def test_equalities_cost_no_parameter_and_hold(hs):
    free = fit("f =~ x1 + a*x2 + b*x3", hs)
    held = fit("f =~ x1 + a*x2 + b*x3\na + b == 1.2", hs)
    assert held.npar == free.npar - 1
    a, b = (row(held, f"f=~x{i}") for i in (2, 3))
    assert a.est + b.est == pytest.approx(1.2)
    assert a.se == pytest.approx(b.se)  # they move together
    curved = fit("f =~ x1 + a*x2 + b*x3\na*b == 0.36", hs)
    assert curved.npar == free.npar - 1
    assert row(curved, "f=~x2").est * row(curved, "f=~x3").est == pytest.approx(0.36, abs=1e-6)
    with pytest.raises(ModelError, match="contradict"):
        fit("f =~ x1 + a*x2 + b*x3\na + b == 1.2\n2*a + 2*b == 5", hs)


def test_bounds_that_bind_are_told(hs):
    free = fit("f =~ x1 + a*x2 + b*x3", hs)
    loose = fit("f =~ x1 + a*x2 + b*x3\na > -5\nb < 5", hs)
    assert loose.logl == pytest.approx(free.logl, abs=1e-7)
    tight = fit("f =~ x1 + a*x2 + b*x3\nb < 0.5", hs)
    assert row(tight, "f=~x3").est == pytest.approx(0.5, abs=1e-6)
    assert tight.logl < free.logl
    assert any("at its bound" in text for text in tight.problems)


def test_heywood_cases_are_named(hs):
    got = fit("f =~ x1 + x2 + x9\ng =~ x4 + x7 + x8", hs.head(120))
    assert any("x9~~x9 is negative" in text for text in got.problems)
    assert "Heywood" in str(got)


def test_impossible_correlations_are_named(hs):
    data = hs.assign(z1=hs.x1 + 0.1 * hs.x7, z2=hs.x2 + 0.1 * hs.x8, z3=hs.x3 + 0.1 * hs.x9)
    model = "f =~ z1 + x2 + x3\ng =~ x1 + z2 + z3\nf ~~ 1.3*g\nf ~~ 1*f\ng ~~ 1*g"
    got = fit(model, data, "none")
    assert any("f and g correlate 1.300" in text for text in got.problems)


def test_unidentified_parameters_are_named(hs):
    got = fit("f =~ NA*x1 + x2 + x3 + x4", hs, "observed")
    named = " ".join(got.problems)
    assert "not be identified" in named
    assert "f=~x1" in named
    assert "f~~f" in named
    assert np.isnan(row(got, "f=~x2").se)


def test_too_few_moments_are_told(hs):
    got = fit("f =~ x1 + x2\nf ~~ f", hs, "none")
    assert any("6 parameters but only 5 moments" in text for text in got.problems)


def test_singular_data_name_the_variables(hs):
    with pytest.raises(DataError, match="determine each other"):
        fit("f =~ x1 + x2 + x3 + s", hs.assign(s=hs.x1 + hs.x2))


@pytest.fixture(scope="session")
def curved() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 500
    x, z = rng.normal(size=(2, n))
    y = 0.5 * x + 0.4 * x**2 + 0.6 * z
    items = {f"x{i}": x + 0.5 * rng.normal(size=n) for i in (1, 2, 3)}
    return pd.DataFrame(items | {f"y{i}": y + 0.5 * rng.normal(size=n) for i in (1, 2, 3)})


CURVED = "X =~ x1 + x2 + x3\nY =~ y1 + y2 + y3\nY ~ X + q*X:X\nshare := q/2"


def test_a_square_and_its_linear_counterpart(curved):
    got = fit(CURVED, curved, "observed")
    assert got.converged
    q = row(got, "Y~X:X")
    assert abs(q.est - 0.4) < 4 * q.se < 0.2
    assert row(got, "share").est == pytest.approx(q.est / 2)
    linear = fit(CURVED.replace(" + q*X:X\nshare := q/2", ""), curved)
    assert got.counterpart is not None
    assert got.counterpart.measures["chisq"] == pytest.approx(linear.measures["chisq"], abs=1e-6)
    assert got.logl > linear.logl + 20
    assert "chisq" not in got.measures
    assert got.npar == linear.npar + 1
    text = str(got)
    assert "Linear counterpart" in text
    with pytest.raises(NotSupported, match="expected information"):
        fit(CURVED, curved, "expected")


def test_the_maximum_is_a_stationary_point(curved, democracy):
    for model, data in ((CURVED, curved), (DEMOCRACY, democracy)):
        got = fit(model, data, "observed")
        p = got.prepared
        _, gradient = likelihood_density(p.structure, p.space, p.sample).value_and_gradient(got.x)
        assert float(gradient @ got.covariance @ gradient) < 1e-6


def test_units_of_the_data_do_not_matter(democracy):
    scale = 10.0 ** np.linspace(-4, 4, democracy.shape[1])
    one, two = fit(DEMOCRACY, democracy), fit(DEMOCRACY, democracy * scale)
    assert two.converged
    np.testing.assert_allclose(two.table.std_all[:-1], one.table.std_all[:-1], atol=1e-5)
    assert two.measures["chisq"] == pytest.approx(one.measures["chisq"], abs=1e-4)


def test_the_report_has_everything(democracy):
    text = str(fit(DEMOCRACY, democracy))
    for part in ("Chi-square", "38.125", "CFI", "IFI", "GFI", "RMSEA", "SRMR", "dem65 ~ dem60 (b)"):
        assert part in text
    assert "ind " in text
    assert "omega" in text


def test_unknown_standard_errors_are_refused(hs):
    with pytest.raises(ModelError, match="sandwich"):
        fit(ABILITIES, hs, "sandwich")


def test_bootstrap(democracy):
    stream = io.StringIO()
    sample = prepared(DEMOCRACY, democracy)
    got = bootstrap(sample, 60, random_seed=1, stream=stream)
    assert got.names[-1] == "ind"
    summary = got.summary()
    assert summary.loc["ind", "est"] == pytest.approx(1.241783, abs=1e-5)
    # The bootstrap's own error of a standard error is about 1/sqrt(2 * 60) of it.
    assert summary.loc["ind", "se"] == pytest.approx(0.36, rel=0.35)
    assert summary.loc["ind", "ci_lower"] < 1.24 < summary.loc["ind", "ci_upper"]
    assert "60/60" in stream.getvalue()
    again = bootstrap(sample, 60, random_seed=1, progress=False)
    np.testing.assert_array_equal(again.draws, got.draws)
    with pytest.raises(ModelError, match="at least 2"):
        bootstrap(sample, 1)


def test_bootstrap_with_groups_bounds_and_covariates(hs):
    model = "visual =~ x1 + x2 + b*x3\nvisual ~ ageyr\nb > 0"
    sample = prepared(model, hs, group="school", group_equal=("loadings",))
    got = bootstrap(sample, 4, random_seed=2, progress=False)
    assert len(got.draws) + got.failed == 4
    assert np.isfinite(got.summary().se).all()


def test_feedback_is_climbed_from_both_sides_of_the_singular_line():
    rng = np.random.default_rng(5)
    n, b, c = 400, 1.6, 1.2  # b c > 1: beyond where I - B is singular
    x, z, e, f = rng.normal(size=(4, n))
    y1 = (0.8 * x + e + b * (0.8 * z + f)) / (1 - b * c)
    y2 = c * y1 + 0.8 * z + f
    data = pd.DataFrame({"y1": y1, "y2": y2, "x": x, "z": z})
    found = SEM("y1 ~ b*y2 + x\ny2 ~ c*y1 + z\ny1 ~~ y2").ml(data)
    assert found.measures["chisq"] == pytest.approx(0.0, abs=1e-6)
    estimate = found.table.set_index("label")["est"]
    assert estimate["b"] == pytest.approx(b, abs=0.25)
    assert estimate["c"] == pytest.approx(c, abs=0.25)
    assert any("not stable" in problem for problem in found.problems)
