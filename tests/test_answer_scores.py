"""Scores of respondents with ordered answers: against sums over fine grids, nothing is sampled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, norm

import bayessem as bs
from bayessem.likelihood.family_ordered import probabilities
from bayessem.model.prepare import Prepared, prepare
from bayessem.results.answer_factors import joint_log, slopes
from bayessem.results.answer_scores import AnswerScores, answer_moments, draw_answer_scores
from bayessem.results.simulate import elements_at, with_residuals
from bayessem.results.standardize import model_moments
from bayessem.syntax.specification import Specification

CUTS = {3: (-0.5, 0.7), 2: (0.2,), 5: (-1.0, -0.2, 0.5, 1.4)}


def case(
    model: str, values: dict[str, float], cuts: dict[str, tuple[float, ...]], n: int, **options
) -> tuple[Prepared, np.ndarray]:
    """A model with data of its own, and the flat matrices that these were drawn at."""
    values = values | {f"{x}|t{c + 1}": t for x, own in cuts.items() for c, t in enumerate(own)}
    sem = bs.SEM(model, ordered=list(cuts), **options)
    data = pd.DataFrame(sem.simulate(values, n, random_seed=3))
    prepared = prepare(Specification(model, ordered=list(cuts), **options), data)
    elements = elements_at(prepared.structure, values)
    return prepared, with_residuals(prepared.structure, elements)


def two_factors(link: str) -> tuple[Prepared, np.ndarray]:
    """Two constructs, ordered items of 2, 3 and 5 categories and a normal one; some missing."""
    model = "f =~ x1 + x2 + x3\ng =~ z1 + z2 + w\nf ~~ g"
    values = {"f=~x1": 0.9, "f=~x2": 1.4, "f=~x3": 0.8, "g=~z1": 2.0, "g=~z2": 1.1, "g=~w": 0.7}
    values |= {"f~~g": 0.6, "w~~w": 0.5, "w~1": 1.0}
    names = {"x1": 3, "x2": 2, "x3": 5, "z1": 5, "z2": 2}
    cuts = {x: CUTS[c] for x, c in names.items()}
    options = {"std_lv": True, "meanstructure": True, "link": link, "parameterization": "theta"}
    prepared, elements = case(model, values, cuts, 60, **options)
    prepared.sample.values[:9, 0] = prepared.sample.values[5:20, 4] = np.nan
    prepared.sample.values[20:24, 5] = np.nan
    return prepared, elements


def grid_moments(prepared: Prepared, elements: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd of two linear constructs of every respondent by a sum over a square."""
    structure, sample = prepared.structure, prepared.sample
    at = np.linspace(-6, 6, 241)
    points = np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2)
    moments = model_moments(structure, elements)
    prior = multivariate_normal(np.zeros(2), moments.latent_covariance).logpdf(points)
    matrices = structure.matrices(elements, 0)
    log = np.tile(prior, (sample.size, 1))
    for j, name in enumerate(structure.observed):
        eta = matrices["intercepts"][j] + points @ matrices["loadings"][j]
        y, known = sample.values[:, j], ~np.isnan(sample.values[:, j])
        if name not in structure.table.ordered:
            own = norm(eta, np.sqrt(matrices["residuals"][j, j])).logpdf(y[known, None])
        else:
            first = structure.threshold_at[name]
            cut = matrices["thresholds"][first : first + len(sample.categories[j]) - 1]
            link = structure.table.responses.link
            p = np.maximum(probabilities(link, cut, eta, 1.0), 1e-300)
            own = np.log(p).T[y[known].astype(int)]
        log[known] += own
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    mean = weight @ points
    return mean, np.sqrt(weight @ points**2 - mean**2)


@pytest.mark.parametrize("link", ["probit", "logit"])
def test_scores_of_linear_models_are_the_sums_over_a_grid(link):
    prepared, elements = two_factors(link)
    mean, sd = grid_moments(prepared, elements)
    found, spread, latents = answer_moments(
        prepared.structure, np.tile(elements, (50, 1)), prepared.sample
    )
    assert [prepared.structure.variables[i] for i in latents] == ["f", "g"]
    np.testing.assert_allclose(found, mean, atol=0.01)
    np.testing.assert_allclose(spread, sd, atol=0.01)
    rng = np.random.default_rng(1)
    drawn = draw_answer_scores(
        prepared.structure, np.tile(elements, (200, 1)), prepared.sample, rng
    )
    off = (drawn.mean(axis=0) - mean) / (sd / np.sqrt(200))
    assert np.abs(off).max() < 4.5 and off.std() == pytest.approx(1.0, abs=0.25)
    np.testing.assert_allclose(drawn.std(axis=0) / sd, 1.0, atol=0.15)


@pytest.mark.parametrize("link", ["probit", "logit"])
def test_derivatives_are_those_of_the_density(link):
    """By differences; the curvature too, since predictors are linear."""
    prepared, elements = two_factors(link)
    for part in AnswerScores(prepared.structure, prepared.sample, elements).parts:
        n, h = len(part.starts[0]), 1e-4
        at = np.random.default_rng(2).normal(size=(n, 2)) * 2.0
        found = slopes(part.factors, elements, at)
        for v in range(2):
            step = np.zeros(2)
            step[v] = h
            up, down = (slopes(part.factors, elements, at + s * step) for s in (1, -1))
            np.testing.assert_allclose((up.value - down.value) / (2 * h), found.gradient[:, v],
                                       atol=1e-6)  # fmt: skip
            bend = (down.gradient - up.gradient) / (2 * h)
            np.testing.assert_allclose(bend, found.curvature[:, v], atol=1e-6)
        value = joint_log(part.factors, elements, at[:, None, :])[:, 0]
        np.testing.assert_allclose(value, found.value, rtol=1e-12)


def test_same_answers_same_scores_in_any_order():
    """Scores belong to answers: neither order nor company of the respondents matters."""
    prepared, elements = two_factors("probit")
    twice = np.concatenate([prepared.sample.values, prepared.sample.values])
    order = np.random.default_rng(0).permutation(len(twice))
    sample = type(prepared.sample)(
        prepared.sample.variables,
        prepared.sample.groups,
        twice[order],
        np.zeros(len(twice), dtype=np.int64),
        pd.RangeIndex(len(twice)),
        (),
        categories=prepared.sample.categories,
    )
    draws = np.tile(elements, (3, 1))
    mean, sd, _ = answer_moments(prepared.structure, draws, prepared.sample)
    again, spread, _ = answer_moments(prepared.structure, draws, sample)
    np.testing.assert_allclose(again, np.concatenate([mean, mean])[order], rtol=1e-9)
    np.testing.assert_allclose(spread, np.concatenate([sd, sd])[order], rtol=1e-9)


def test_scores_of_a_square_with_two_modes():
    """Y tells little about the sign of X: its density has two modes, and both are found."""
    model = "X =~ x1 + x2 + x3\nY =~ y1 + y2 + y3\nY ~ X + X:X"
    values = {f"X=~x{k}": 0.7 for k in (1, 2, 3)} | {f"Y=~y{k}": 2.5 for k in (1, 2, 3)}
    values |= {"Y~X": 0.0, "Y~X:X": 0.8, "X~~X": 1.0, "Y~~Y": 0.1}
    cuts = {f"x{k}": CUTS[2] for k in (1, 2, 3)} | {f"y{k}": CUTS[5] for k in (1, 2, 3)}
    text = model.replace("x1", "NA*x1").replace("y1", "NA*y1") + "\nX ~~ 1*X\nY ~~ 0.1*Y"
    values = {k: v for k, v in values.items() if k not in ("X~~X", "Y~~Y")}
    prepared, elements = case(text, values, cuts, 80, parameterization="theta")
    x = np.linspace(-6, 6, 601)
    z = np.linspace(-5, 5, 201)  # Y = .8 X^2 + sqrt(.1) z
    points = np.stack(np.meshgrid(x, z, indexing="ij"), axis=-1).reshape(-1, 2)
    y = 0.8 * points[:, 0] ** 2 + np.sqrt(0.1) * points[:, 1]
    log = np.tile(norm.logpdf(points).sum(axis=1), (80, 1))
    for j, name in enumerate(prepared.structure.observed):
        eta = 0.7 * points[:, 0] if name[0] == "x" else 2.5 * y
        p = probabilities("probit", np.array(cuts[name]), eta, 1.0).T
        log += np.log(np.maximum(p, 1e-300))[prepared.sample.values[:, j].astype(int)]
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    both = np.column_stack([points[:, 0], y])
    mean = weight @ both
    sd = np.sqrt(weight @ both**2 - mean**2)
    assert sd[:, 0].max() > 1.0  # of a normal density with three such items it would be .7
    found, spread, _ = answer_moments(
        prepared.structure, np.tile(elements, (100, 1)), prepared.sample
    )
    assert np.abs((found - mean) / sd).max() < 0.06
    np.testing.assert_allclose(spread / sd, 1.0, atol=0.06)


def test_scores_of_many_constructs():
    """Six correlated constructs: against many points of the prior."""
    names = "abcdef"
    model = "\n".join(f"{c} =~ " + " + ".join(f"{c}{k}" for k in (1, 2, 3)) for c in names)
    values = {f"{c}=~{c}{k}": 0.8 for c in names for k in (1, 2, 3)}
    values |= {f"{a}~~{b}": 0.4 for i, a in enumerate(names) for b in names[i + 1 :]}
    cuts = {f"{c}{k}": CUTS[5] for c in names for k in (1, 2, 3)}
    prepared, elements = case(model, values, cuts, 40, std_lv=True)
    found, spread, _ = answer_moments(
        prepared.structure, np.tile(elements, (30, 1)), prepared.sample
    )
    phi = model_moments(prepared.structure, elements).latent_covariance
    points = np.random.default_rng(3).multivariate_normal(np.zeros(6), phi, size=500_000)
    for i in range(3):
        log = np.zeros(len(points))
        for j, name in enumerate(prepared.structure.observed):
            p = probabilities("probit", np.array(cuts[name]), 0.8 * points[:, j // 3], 0.6)
            log += np.log(np.maximum(p[:, int(prepared.sample.values[i, j])], 1e-300))
        weight = np.exp(log - log.max())
        error = 1.0 / np.sqrt(weight.sum() ** 2 / (weight**2).sum())
        weight /= weight.sum()
        mean = weight @ points
        sd = np.sqrt(weight @ points**2 - mean**2)
        np.testing.assert_allclose(found[i], mean, atol=4.5 * error * sd.max() + 0.01)
        np.testing.assert_allclose(spread[i], sd, atol=4.5 * error * sd.max() + 0.01)


def test_a_fit_has_scores(answered_fit):
    """Columns and labels as for normal answers; they follow the constructs that were drawn."""
    fit, latents = answered_fit
    scores = fit.scores(draws=40)
    assert list(scores.columns) == ["f", "f_sd", "g", "g_sd"]
    assert list(scores.index) == list(fit.prepared.sample.rows)
    for name in ("f", "g"):
        off = (scores[name] - latents[name]) / scores[f"{name}_sd"]
        assert off.std() == pytest.approx(1.0, abs=0.12)
        assert np.corrcoef(scores[name], latents[name])[0, 1] > 0.75
