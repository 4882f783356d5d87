"""The PyMC models of ordered answers: one density with the native one, before and after the sum."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from scipy.special import logsumexp

import bayessem as bs
from bayessem.errors import NotSupported
from bayessem.graph.pymc_model import build_pymc_model, space_parts
from bayessem.graph.pymc_sampling import start_of_variables
from bayessem.graph.thresholds import items_of
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.assemble import posterior_density, respondent_order
from bayessem.posterior.program import LOG
from bayessem.results.orientation import oriented

MODE = "FAST_COMPILE"
ONE = "f =~ x1 + x2 + x3"
CASES = {
    "one construct": (ONE, {"std_lv": True}, {}),
    "logit, missing": (ONE, {"std_lv": True, "link": "logit"}, {}),
    "groups": (ONE, {"group_equal": ["loadings", "thresholds"]}, {"group": "g"}),
    "a number, an outcome": (f"{ONE} + n\ny ~ f", {"ordered": ["x1", "x2", "x3", "y"]}, {}),
    "pooled": (f"{ONE}\ny ~ f", {"ordered": ["x1", "x2", "x3", "y"]},
               {"group": "g", "pooling": bs.partial("y ~ f")}),
    "covariate": (f"{ONE}\nf ~ z", {"ordered": ["x1", "x2", "x3"], "std_lv": True}, {}),
}  # fmt: skip


def data(missing: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    f = rng.standard_normal(60)
    out = pd.DataFrame(
        {
            f"x{k}": 1.0 + np.searchsorted([-0.6, 0.6][: 1 + (k != 3)], f + rng.standard_normal(60))
            for k in (1, 2, 3)
        }
    )
    out["y"] = (0.6 * f + rng.standard_normal(60) > 0).astype(float)
    out["n"] = 0.8 * f + 0.7 * rng.standard_normal(60)
    holes = out.mask(rng.random(out.shape) < 0.15) if missing else out
    return holes.assign(g=np.arange(60) % 3, z=rng.standard_normal(60))


def prepared(name: str):
    text, options, reading = CASES[name]
    sem = bs.SEM(text, parameterization="theta", **{"ordered": True, **options})
    return oriented(sem.prepare(data("missing" in name), **reading))


def points(own, spread: float = 0.2, count: int = 3):
    """Coordinates of the plain native density near the start values."""
    values = start_values(own.structure, own.covariances, own.means)
    start = initial_point(own.space, own.table, values)
    rng = np.random.default_rng(5)
    steps = spread * rng.standard_normal((count, len(start)))
    steps[:, [c.kind == "threshold" for c in own.space.coordinates]] *= 0.2
    return start + steps


def at_values(model: pm.Model, at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A point of the model's unconstrained values from values of its random variables."""
    out = {}
    for rv in model.free_RVs:
        if rv.name in at:
            transform = model.rvs_to_transforms[rv]
            value = at[rv.name]
            if transform is not None:
                value = transform.forward(value, *rv.owner.inputs).eval()
            out[model.rvs_to_values[rv].name] = value
    return out


def variables(own, natural: np.ndarray) -> dict[str, np.ndarray]:
    """PyMC's random variables at natural values (D,); correlations among them."""
    at = start_of_variables(own.space, natural, items_of(own.space, own.structure, own.sample))
    for part in space_parts(own.space):
        if part.name not in at:
            at[part.name] = (natural[list(part.members)] + 1.0) / 2.0
    return at


@pytest.mark.parametrize("name", CASES)
def test_native_and_pymc_are_one_density(name):
    """But for the Jacobian of shares by thresholds, and those of logs of what is positive."""
    own = prepared(name)
    native = posterior_density(own.space, own.structure, own.sample)
    items = items_of(own.space, own.structure, own.sample)
    plan = (native.ints, native.floats)
    model = build_pymc_model(own.space, own.structure, own.sample, plan=plan)
    log_density = model.compile_fn(model.logp(jacobian=False), mode=MODE)
    kinds = model.replace_rvs_by_values([model[k] for k in own.space.kinds()])
    back = model.compile_fn(kinds, mode=MODE, on_unused_input="ignore")
    for x in points(own):
        natural = native.natural(x)
        point = at_values(model, variables(own, natural))
        np.testing.assert_allclose(np.concatenate(back(point)), natural, atol=1e-8)
        positive = native.fields["transform"] == LOG
        jacobian = float(np.sum(x[positive])) + sum(i.log_jacobian(natural) for i in items)
        expected = native.value_and_gradient(x)[0] - jacobian
        assert float(log_density(point)) == pytest.approx(expected, abs=1e-6), name


@pytest.mark.parametrize("name", [n for n in CASES if n != "pooled"])
def test_the_sum_over_sampled_scores_is_the_node_engine(name):
    """Every respondent's probability: the observed nodes given a score, summed over its values."""
    own = prepared(name)
    native = posterior_density(own.space, own.structure, own.sample)
    model = build_pymc_model(own.space, own.structure, own.sample, latents="sampled")
    natural = native.natural(points(own, count=1)[0])
    at = native.elements(natural)
    fine = posterior_density(own.space, own.structure, own.sample, at=at, finer=2.0)
    exact = fine.respondent_log_likelihood(natural[None])[0][respondent_order(own.sample)]
    values = at_values(model, variables(own, natural))
    pieces = [model.logp(vars=[rv], sum=False)[0] for rv in model.observed_RVs]
    function = model.compile_fn(pieces, mode=MODE)
    grid = np.linspace(-7.0, 7.0, 141)
    known = ~np.isnan(own.sample.values)
    total = np.empty((len(grid), own.sample.size))
    for k, score in enumerate(grid):
        parts = function({**values, "score_raw": np.full((own.sample.size, 1), score)})
        here = np.zeros(own.sample.size)
        for rv, part in zip(model.observed_RVs, parts, strict=True):
            item = rv.name[2:] if rv.name.startswith("y_") else "n"
            who = known[:, own.sample.variables.index(item)]
            here[who] += np.asarray(part).ravel()
        total[k] = here - 0.5 * score**2 - 0.5 * np.log(2.0 * np.pi)
    summed = logsumexp(total, axis=0) + np.log(grid[1] - grid[0])
    np.testing.assert_allclose(summed, exact, atol=1e-6)


def test_random_answers_have_the_shares_of_the_model():
    """Prior predictive draws of both forms; at fixed parameters, those of the thresholds."""
    own = prepared("one construct")
    for latents in ("integrated", "sampled"):
        model = build_pymc_model(own.space, own.structure, own.sample, latents=latents)
        drawn = pm.sample_prior_predictive(200, model=model, random_seed=1)["prior_predictive"]
        answers = drawn["y"].values[..., 0] if latents == "integrated" else drawn["y_x1"].values
        # shares are uniform under the prior: each of three categories has a third on average
        share = np.stack([(answers == c).mean() for c in range(3)])
        assert share == pytest.approx([1 / 3] * 3, abs=0.08)


def test_wide_graphs_have_sampled_latents_alone():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(1, 4, (50, 12)), columns=[f"x{k}" for k in range(12)])
    text = "\n".join(f"f{k} =~ x{3 * k} + x{3 * k + 1} + x{3 * k + 2}" for k in range(4))
    sem = bs.SEM(text, ordered=True, std_lv=True)
    with pytest.raises(NotSupported, match='latents="sampled"'):
        sem.model(frame)
    assert "score_raw" in sem.model(frame, latents="sampled").named_vars
