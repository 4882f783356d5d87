from types import SimpleNamespace

import numpy as np
import pytest

from bayessem.errors import DataError, FitError
from bayessem.results.scores import draw_scores, score_draws, scores
from bayessem.results.simulate import simulate
from bayessem.results.standardize import model_moments
from bayessem.sem import SEM
from tests.drawn import drawn_fit, elements_for, measured, structure_of

LINEAR = measured("X", "M", "Y") + "\nM ~ a*X\nY ~ b*M + c*X\n"
SQUARE = measured("X", "Y") + "\nY ~ b*X + q*X:X\n"
TWO = measured("X", "W", "Y") + "\nY ~ b*X + W + i*X:W + q*W:W\n"


def prepared(model, data):
    return SEM(model).prepare(data)


def drawn(model, n, *, repeats=1, random_seed=1, missing=False, **chosen):
    """Structure, elements, sample, and scores (repeat, respondent, m)."""
    structure = structure_of(model)
    elements = elements_for(structure, **chosen)
    data = simulate(structure, elements, n, random_seed=random_seed, latents=True)
    if missing:
        data.loc[::2, structure.observed[0]] = np.nan
    sample = prepared(model, data).sample
    rng = np.random.default_rng(2)
    values = np.stack([draw_scores(structure, elements, sample, rng) for _ in range(repeats)])
    return structure, elements, sample, data, values


@pytest.mark.parametrize("missing", [False, True])
def test_linear_scores_have_the_conditional_normal_distribution(missing):
    structure, elements, sample, _, values = drawn(
        LINEAR, 12, repeats=2000, missing=missing, a=0.5, b=0.6, c=0.2
    )
    moments = model_moments(structure, elements)
    loadings = structure.matrices(elements)["loadings"]
    cross = moments.latent_covariance @ loadings.T
    for i in (0, 1):
        seen = ~np.isnan(sample.values[i])
        inverse = np.linalg.inv(moments.observed_covariance[np.ix_(seen, seen)])
        gain = cross[:, seen] @ inverse
        mean = moments.latent_mean + gain @ (sample.values[i] - moments.observed_mean)[seen]
        covariance = moments.latent_covariance - gain @ cross[:, seen].T
        error = np.sqrt(np.diag(covariance) / 2000)
        assert (np.abs(values[:, i].mean(axis=0) - mean) < 5 * error).all()
        np.testing.assert_allclose(np.cov(values[:, i].T), covariance, atol=0.06)


def importance_mean(structure, elements, rows, size=200_000):
    """Each row's E[eta | y], sd and effective size: draws of eta weighted by p(y | eta)."""
    values = simulate(structure, elements, size, random_seed=9, latents=True)
    eta = values[list(structure.variables)].to_numpy()
    matrices = structure.matrices(elements)
    implied = matrices["intercepts"] + eta @ matrices["loadings"].T
    for row in rows:
        log_weight = -0.5 * ((row - implied) ** 2 / np.diag(matrices["residuals"])).sum(axis=1)
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        mean = weight @ eta
        yield mean, np.sqrt(weight @ (eta - mean) ** 2), 1.0 / (weight**2).sum()


@pytest.mark.parametrize(
    ("model", "chosen"),
    [(SQUARE, {"b": 0.3, "q": 0.5}), (TWO, {"b": 0.4, "i": 0.4, "q": -0.3})],
    ids=["one square, on a grid", "two factors, by steps"],
)
def test_scores_with_products_are_those_of_importance_sampling(model, chosen):
    repeats = 1500
    structure = structure_of(model)
    elements = elements_for(structure, **chosen)
    four = simulate(structure, elements, 4, random_seed=1)
    sample = prepared(model, four.loc[np.repeat(np.arange(4), repeats)]).sample
    values = draw_scores(structure, elements, sample, np.random.default_rng(2))
    rows = four[list(sample.variables)].to_numpy()
    for i, (mean, sd, effective) in enumerate(importance_mean(structure, elements, rows)):
        own = values[i * repeats : (i + 1) * repeats]
        assert effective > 150
        error = sd * np.sqrt(1 / repeats + 1 / effective)
        assert (np.abs(own.mean(axis=0) - mean) < 5 * error).all()
        np.testing.assert_allclose(own.std(axis=0), sd, rtol=0.15)


def test_drawn_scores_have_the_distribution_of_the_latent_variables():
    """Drawn given data from the model, they are draws from the model."""
    structure, _, _, data, values = drawn(SQUARE, 4000, b=0.3, q=0.5)
    j = structure.variables.index("Y")
    for power in (1, 2, 3):
        truth = data["Y"].to_numpy() ** power
        assert (values[0, :, j] ** power).mean() == pytest.approx(
            truth.mean(), abs=6 * truth.std() / np.sqrt(4000)
        )
    assert np.corrcoef(values[0, :, j], data["Y"])[0, 1] > 0.75


def test_observed_factor_of_a_product_counts_as_data():
    model = measured("X", "Y") + "\nY ~ b*X + g*z + i*X:z\n"
    structure = structure_of(model)
    elements = elements_for(structure, b=0.3, g=0.2, i=0.8)
    data = simulate(structure, elements, 1500, random_seed=3, latents=True)
    sample = prepared(model, data).sample
    rng = np.random.default_rng(1)
    values = np.mean([draw_scores(structure, elements, sample, rng) for _ in range(12)], axis=0)
    for name in ("X", "Y"):
        error = values[:, structure.variables.index(name)] - data[name]
        assert abs(error.mean()) < 0.05
        # best predictors are unrelated to their error, whatever the observed factor is
        assert abs(np.corrcoef(error, values[:, structure.variables.index(name)])[0, 1]) < 0.15
        assert abs(np.corrcoef(error, data["z"])[0, 1]) < 0.08
    z = structure.variables.index("z")
    np.testing.assert_allclose(values[:, z], data["z"], atol=1e-8)
    broken = SimpleNamespace(**{**sample.__dict__})
    broken.values = sample.values.copy()
    broken.values[0, sample.variables.index("z")] = np.nan
    broken.patterns = sample.patterns
    broken.size = sample.size
    with pytest.raises(DataError, match="z is a factor of a product and missing"):
        draw_scores(structure, elements, broken, rng)


def test_frames_name_constructs_and_respondents():
    fit = drawn_fit(LINEAR, a=0.5, b=0.6, c=0.2)
    drawn_values = score_draws(fit, draws=10)
    assert drawn_values.dims == ("draw", "respondent", "variable")
    assert drawn_values.shape == (10, 60, 3)
    frame = scores(fit, draws=30)
    assert list(frame) == ["X", "X_sd", "M", "M_sd", "Y", "Y_sd"]
    assert (frame["X_sd"] > 0).all()
    assert score_draws(fit, draws=10).equals(drawn_values)
    with pytest.raises(FitError, match="at least 1"):
        score_draws(fit, draws=0)
