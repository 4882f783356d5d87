"""Composites: lavaan's numbers, the definition of the model, the coordinates of the weights."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

import bayessem as bs
from bayessem.errors import BayessemError
from bayessem.model.saturated import saturate
from bayessem.posterior.assemble import likelihood_density, posterior_density, respondent_order
from bayessem.posterior.prior_draws import prior_draws
from bayessem.results.estimates import free_draws
from bayessem.results.standardize import row_values

DATA = Path(__file__).resolve().parents[1] / "data"
CAUSE = "C <~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\ntextual ~ C"
OUTCOME = "C <~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nC ~ textual"
CHAIN = """
    A <~ x1 + x2 + x3
    B <~ x7 + x8 + x9
    T =~ x4 + x5 + x6
    B ~ a*A
    T ~ b*B + A
    ind := a*b
"""
SECOND = """
    A <~ x1 + x2 + x3
    B <~ x7 + x8 + x9
    F =~ A + B + x4
    x5 ~ F
    x6 ~ x5
"""
OBSERVED = "A <~ x1 + x2 + x3\nx4 ~ A + ageyr\nx5 ~ x4 + A\nB <~ x7 + x8 + x9\nB ~ x5"
GROUPS = "A <~ x1 + w*x2 + x3\nT =~ x4 + x5 + x6\nT ~ A"


@pytest.fixture(scope="module")
def holzinger() -> pd.DataFrame:
    return pd.read_csv(DATA / "holzinger_swineford_1939.csv")


def test_lavaans_numbers_of_a_cause(holzinger):
    # lavaan 0.7-2.3170, sem(meanstructure = FALSE)
    fit = bs.SEM(CAUSE, meanstructure=False).ml(holzinger, se="expected")
    rows = fit.table.set_index(["lhs", "op", "rhs"])
    for key, est, se, std in (
        (("C", "<~", "x2"), 0.213606, 0.164929, 0.20598),
        (("C", "<~", "x3"), -0.08828, 0.166877, -0.08177),
        (("textual", "~", "C"), 0.331934, 0.055547, 0.40821),
        (("textual", "~~", "textual"), 0.818836, 0.094989, 0.83337),
    ):
        found = rows.loc[key]
        assert (found.est, found.std_all) == pytest.approx((est, std), abs=2e-5)
        assert found.se == pytest.approx(se, rel=2e-3)
    assert rows.loc[("C", "~~", "C"), "est"] == pytest.approx(1.485988, abs=1e-5)
    assert rows.loc[("x1", "~~", "x3"), "est"] == pytest.approx(0.579899, abs=1e-6)
    assert rows.loc[("x1", "~~", "x3"), "std_all"] == pytest.approx(0.44067, abs=1e-5)
    assert fit.measures["chisq"] == pytest.approx(12.1716, abs=1e-4)
    assert (fit.measures["df"], fit.measures["npar"]) == (6, 9)
    assert fit.measures["cfi"] == pytest.approx(0.9906, abs=1e-4)
    assert fit.measures["logl"] == pytest.approx(-2514.1568, abs=1e-4)


@pytest.mark.parametrize("model", [CAUSE, OUTCOME, CHAIN, SECOND, OBSERVED])
def test_the_implied_covariances_are_those_of_the_definition(holzinger, model):
    # Sigma_xx saturated, Cov(x, eta) = Sigma_xx w b / q, everything else through the composite
    prepared = bs.SEM(model).prepare(holzinger)
    structure = prepared.structure
    density = posterior_density(prepared.space, structure, prepared.sample)
    x = 0.3 * np.random.default_rng(1).normal(size=density.size)
    elements = density.elements(density.natural(x))
    m = structure.matrices(elements)
    rows = row_values(structure, elements)
    total = np.linalg.inv(np.eye(len(structure.variables)) - m["paths"])
    latent = total @ m["disturbances"] @ total.T
    covariance = m["loadings"] @ latent @ m["loadings"].T + m["residuals"]
    mean = m["intercepts"] + m["loadings"] @ total @ m["means"]
    sample = np.cov(prepared.sample.values.T, bias=True)
    for c in structure.composites:
        items = list(c.items)
        w = rows[list(c.weights)]
        assert w[0] == pytest.approx(1.0)
        inside, own = covariance[np.ix_(items, items)], latent[c.variable, c.variable]
        # the weighted sum is the composite: no disturbance
        assert w @ inside @ w == pytest.approx(own)
        loadings = inside @ w / own
        assert m["loadings"][items, c.variable] == pytest.approx(loadings)
        others = [i for i in range(len(covariance)) if i not in items]
        through = m["loadings"][others] @ latent[:, c.variable]
        assert covariance[np.ix_(items, others)] == pytest.approx(np.outer(loadings, through))
        # what of the items is not the composite is as it is in the sample
        s = sample[np.ix_(items, items)]
        kept = s - np.outer(s @ w, s @ w) / (w @ s @ w)
        assert inside - own * np.outer(loadings, loadings) == pytest.approx(kept)
        assert w @ mean[items] == pytest.approx((total @ m["means"])[c.variable])
        for i in items:
            at = next(
                k
                for k, r in enumerate(prepared.table.rows)
                if (r.lhs, r.op) == (structure.observed[i], "~1")
            )
            assert rows[at] == pytest.approx(mean[i])
    normal = multivariate_normal(mean, covariance)
    values = normal.logpdf(prepared.sample.values)
    found = density.respondent_log_likelihood(density.natural(x))
    assert found == pytest.approx(values, rel=1e-9)


@pytest.mark.parametrize("model", [CAUSE, OUTCOME, CHAIN, SECOND, OBSERVED])
def test_the_gradient_is_that_of_the_value(holzinger, model):
    prepared = bs.SEM(model).prepare(holzinger)
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    x = 0.3 * np.random.default_rng(2).normal(size=density.size)
    _, gradient = density.value_and_gradient(x)
    step = 1e-6
    numeric = [
        (density.value_and_gradient(x + d)[0] - density.value_and_gradient(x - d)[0]) / (2 * step)
        for d in step * np.eye(len(x))
    ]
    assert gradient == pytest.approx(np.array(numeric), rel=1e-5, abs=1e-6 * abs(gradient).max())


@pytest.mark.parametrize("model", [CAUSE, OUTCOME, CHAIN, SECOND, OBSERVED])
def test_coordinates_and_parameters_are_one_likelihood(holzinger, model):
    prepared = bs.SEM(model).prepare(holzinger)
    structure = prepared.structure
    sampled = posterior_density(prepared.space, structure, prepared.sample)
    raw = likelihood_density(structure, prepared.space, prepared.sample)
    x = 0.3 * np.random.default_rng(3).normal(size=sampled.size)
    elements = sampled.elements(sampled.natural(x))
    free = free_draws(structure, row_values(structure, elements))
    assert raw.elements(free) == pytest.approx(elements, abs=1e-9)


def test_the_prior_of_the_weights_is_uniform_over_directions(holzinger):
    prepared = bs.SEM(CAUSE).prepare(holzinger)
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    draws = prior_draws(prepared.space, prepared.structure, density, draws=20_000, random_seed=1)
    rows = row_values(prepared.structure, density.elements(draws))
    (c,) = prepared.structure.composites
    w = rows[:, list(c.weights)]
    s = np.cov(prepared.sample.values[:, list(c.items)].T, bias=True)
    unit = (w @ np.linalg.cholesky(s)) / np.sqrt(np.einsum("ni,ij,nj->n", w, s, w))[:, None]
    # squares of the coordinates of a uniform point of the sphere: mean 1/3, no correlations
    assert (unit**2).mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.01)
    assert np.mean(unit[:, 0] * unit[:, 1]) == pytest.approx(0.0, abs=0.01)
    # and Archimedes': each coordinate is uniform between -1 and 1
    assert np.quantile(abs(unit), 0.25, axis=0) == pytest.approx([0.25] * 3, abs=0.015)


def test_order_units_and_the_fixed_weight_change_nothing(holzinger):
    def posterior(model, data):
        sem = bs.SEM(model)
        return sem.fit(data, draws=400, tune=400, chains=4, random_seed=3, progress=False)

    fit = posterior(CAUSE, holzinger)
    other = posterior(
        "C <~ x3 + x1 + x2\ntextual =~ x4 + x5 + x6\ntextual ~ C",
        holzinger.assign(x1=10 * holzinger.x1, x3=0.01 * holzinger.x3),
    )
    keys = [("C", "<~", "x1"), ("C", "<~", "x2"), ("C", "<~", "x3"), ("textual", "~", "C")]
    one, two = (f.summary().set_index(["lhs", "op", "rhs"])["std"].loc[keys] for f in (fit, other))
    turned = np.sign(two.iloc[0] * one.iloc[0])  # which way C runs is the marker's
    assert np.abs(one - turned * two).max() < 0.03
    assert int(fit.draws["sample_stats"]["diverging"].sum()) == 0


def test_equal_weights_in_groups_and_composites_of_constructs(holzinger):
    fit = bs.SEM(GROUPS, group_equal=["composite.weights"]).ml(holzinger, group="school")
    weights = fit.table[fit.table.op == "<~"].pivot(index="rhs", columns="group", values="est")
    assert weights.iloc[:, 0].to_numpy() == pytest.approx(weights.iloc[:, 1].to_numpy())
    free = bs.SEM(GROUPS.replace("w*", "")).ml(holzinger, group="school")
    assert fit.measures["df"] == free.measures["df"] + 2
    assert fit.measures["chisq"] > free.measures["chisq"]
    # F and G saturated, D their sum: as many degrees of freedom as with both as causes, less one
    constructs = "F =~ x1 + x2 + x3\nG =~ x7 + x8 + x9\nT =~ x4 + x5 + x6\n"
    both = bs.SEM(constructs + "T ~ F + G").ml(holzinger)
    total = bs.SEM(constructs + "D <~ F + G\nT ~ D").ml(holzinger)
    assert total.measures["chisq"] == pytest.approx(both.measures["chisq"], abs=1e-5)
    table = total.table.set_index(["lhs", "op", "rhs"]).est
    slopes = both.table.set_index(["lhs", "op", "rhs"]).est
    assert table["D", "<~", "G"] == pytest.approx(
        slopes["T", "~", "G"] / slopes["T", "~", "F"], rel=1e-3
    )


def test_fixed_weights_are_a_sum_score(holzinger):
    data = holzinger.assign(total=holzinger.x1 + holzinger.x2 + holzinger.x3)
    composite = bs.SEM("C <~ 1*x1 + 1*x2 + 1*x3\nT =~ x4 + x5 + x6\nT ~ C").ml(data)
    score = bs.SEM("T =~ x4 + x5 + x6\nT ~ total").ml(data)
    key = ["lhs", "op", "rhs"]
    one = composite.table.set_index(key).loc[("T", "~", "C"), ["est", "se", "std_all"]]
    two = score.table.set_index(key).loc[("T", "~", "total"), ["est", "se", "std_all"]]
    assert one.to_numpy(float) == pytest.approx(two.to_numpy(float), rel=1e-5)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("C <~ x1\nx4 ~ C", "composite of one item"),
        ("C <~ x1 + x2\nD <~ x2 + x3\nx4 ~ C + D", "part of 2 composites"),
        ("C <~ x1 + x2\nT =~ x2 + x4 + x5\nT ~ C", "an indicator in"),
        ("C <~ x1 + x2\nx4 ~ C + x1", "a variable of a path"),
        ("C <~ x1 + x2", "nothing is related to the composite 'C'"),
        ("C <~ x1 + x2\nC =~ x3 + x4\nx5 ~ C", "it is one of the two"),
        ("C <~ NA*x1 + x2\nx4 ~ C", "has no scale"),
        ("C <~ x1 + x2\nC ~~ 1*C\nx4 ~ C", "fixes the variance of a composite"),
        ("C <~ x1 + x2\nx1 ~~ x4\nx4 ~ C", "is an item of the composite 'C'"),
        ("C <~ x1 + x2 + D\nD <~ x3 + x4\nx5 ~ C", "give it parts of one kind"),
        ("level: 1\nC <~ x1 + x2\nx4 ~ C\nlevel: 2\nx4 ~~ x4", "two-level"),
    ],
)
def test_what_no_composite_can_be_is_said(model, said):
    with pytest.raises(BayessemError, match=said):
        bs.SEM(model)


def lacking(data: pd.DataFrame, share: float, items: tuple[str, ...], seed: int) -> pd.DataFrame:
    """The same without a share of the values of some items."""
    there = data[list(items)].to_numpy(copy=True)
    there[np.random.default_rng(seed).random(there.shape) < share] = np.nan
    return data.assign(**dict(zip(items, there.T, strict=True)))


@pytest.mark.parametrize("model", [OUTCOME, CHAIN, SECOND])
def test_respondents_who_lack_items_count_with_what_they_have(holzinger, model):
    data = lacking(holzinger, 0.2, ("x1", "x2", "x3", "x5", "x8"), 1)
    prepared = bs.SEM(model).prepare(data)
    structure, values = prepared.structure, prepared.sample.values
    density = posterior_density(prepared.space, structure, prepared.sample)
    x = 0.3 * np.random.default_rng(1).normal(size=density.size)
    natural = density.natural(x)
    m = structure.matrices(density.elements(natural))
    total = np.linalg.inv(np.eye(len(structure.variables)) - m["paths"])
    loadings = m["loadings"] @ total
    covariance = loadings @ m["disturbances"] @ loadings.T + m["residuals"]
    mean = m["intercepts"] + loadings @ m["means"]
    expected = []
    for row in values:
        o = np.flatnonzero(~np.isnan(row))
        normal = multivariate_normal(mean[o], covariance[np.ix_(o, o)])
        expected.append(normal.logpdf(row[o]))
    found = density.respondent_log_likelihood(natural)[respondent_order(prepared.sample)]
    assert found == pytest.approx(np.array(expected), rel=1e-9)
    # what of the items is not the composite has the moments of the saturated model
    s = saturate(prepared.sample).covariance
    for c in structure.composites:
        items, lam = list(c.items), m["loadings"][list(c.items), c.variable]
        w = np.linalg.solve(s[np.ix_(items, items)], lam)
        q = w @ s[np.ix_(items, items)] @ w
        left = s[np.ix_(items, items)] - np.outer(lam, lam) / q
        assert m["residuals"][np.ix_(items, items)] == pytest.approx(left)
    _, gradient = density.value_and_gradient(x)
    step = 1e-6
    numeric = [
        (density.value_and_gradient(x + d)[0] - density.value_and_gradient(x - d)[0]) / (2 * step)
        for d in step * np.eye(len(x))
    ]
    assert gradient == pytest.approx(np.array(numeric), rel=1e-5, abs=1e-6 * abs(gradient).max())


JOINT = [
    (
        0.2,
        -2252.24170,
        {"x2": (0.35905, 0.2602), "x3": (0.05151, 0.2676), "C": (0.26491, 0.0691)},
    ),
    (
        0.3,
        -2093.80077,
        {"x2": (0.66010, 0.2888), "x3": (-0.06673, 0.2649), "C": (0.28976, 0.0693)},
    ),
]


@pytest.mark.parametrize(("share", "logl", "values"), JOINT)
def test_missing_items_cost_next_to_nothing_beside_the_joint_maximum(
    holzinger, share, logl, values
):
    # Joint maximum over the model's parameters and the items' covariances, of the normal density by
    # pattern written in NumPy (tests/references/composites_missing.py). There these covariances are
    # free, here at the saturated model's maximum.
    data = lacking(holzinger, share, ("x1", "x2", "x3"), 1)
    fit = bs.SEM(CAUSE).ml(data)
    assert logl - 0.01 < fit.measures["logl"] < logl + 1e-5
    rows = fit.table.set_index(["lhs", "op", "rhs"])
    for name, (est, se) in values.items():
        key = ("textual", "~", "C") if name == "C" else ("C", "<~", name)
        assert rows.loc[key, "est"] == pytest.approx(est, abs=0.01 * se)
        assert rows.loc[key, "se"] == pytest.approx(se, rel=0.015)


def test_weights_of_respondents_count_in_the_items_too(holzinger):
    count = np.random.default_rng(1).integers(1, 4, len(holzinger))
    for data in (holzinger, lacking(holzinger, 0.15, ("x1", "x3"), 2)):
        weighted = bs.SEM(CAUSE).ml(data.assign(w=count), weights="w").table
        repeated = bs.SEM(CAUSE).ml(data.loc[data.index.repeat(count)]).table
        assert weighted.est.to_numpy() == pytest.approx(repeated.est.to_numpy(), abs=1e-6)


def test_what_the_data_cannot_be_is_said(holzinger):
    lost = holzinger.copy()
    lost.loc[:4, "x2"] = np.nan
    square = CAUSE + " + C:C"
    with pytest.raises(BayessemError, match="5 respondents lack an item of the composite 'C'"):
        bs.SEM(square).prepare(lost)
    fit = bs.SEM(CAUSE).ml(lost, missing="listwise")
    assert fit.measures["ntotal"] == 296
    with pytest.raises(BayessemError, match="linearly dependent"):
        bs.SEM(CAUSE).ml(holzinger.assign(x3=holzinger.x1 + holzinger.x2))
    with pytest.raises(BayessemError, match="one prior together"):
        bs.SEM(CAUSE).prepare(holzinger, priors={"C<~x2": "normal(0, 1)"})


def test_a_fixed_weight_that_may_be_0_is_said(holzinger):
    said = str(bs.SEM("C <~ x3 + x1 + x2\ntextual =~ x4 + x5 + x6\ntextual ~ C").check(holzinger))
    assert "'x3', whose weight in 'C' is fixed, may have no part in it" in said.replace("\n", " ")
    assert "C <~ 1*x1 + NA*x3 + x2" in said.replace("\n", " ")
    assert "whose weight in" not in str(bs.SEM(CAUSE).check(holzinger))


def test_equal_paths_of_composites_are_about_weights(holzinger):
    pair = "C <~ x1 + x2 + x3\nD <~ x7 + x8 + x9\ng =~ x4 + x5 + x6\n"
    said = str(bs.SEM(pair + "g ~ a*C + a*D").check(holzinger)).replace("\n", " ")
    assert "the paths 'a' of C and D are equal in units of the items whose weights are 1" in said
    # as it is: another item with the weight 1 is another model
    chisq = [
        bs.SEM(text + "g ~ a*C + a*D").ml(holzinger).measures["chisq"]
        for text in (pair, pair.replace("C <~ x1 + x2 + x3", "C <~ x3 + x1 + x2"))
    ]
    free = [
        bs.SEM(text + "g ~ C + D").ml(holzinger).measures["chisq"]
        for text in (pair, pair.replace("C <~ x1 + x2 + x3", "C <~ x3 + x1 + x2"))
    ]
    assert free[0] == pytest.approx(free[1], abs=1e-4)
    assert abs(chisq[0] - chisq[1]) > 1e-2
    fixed = pair.replace("x1 + x2 + x3", "1*x1 + 1*x2 + 1*x3").replace(
        "x7 + x8 + x9", "1*x7 + 1*x8 + 1*x9"
    )
    for text in (pair + "g ~ C + D", fixed + "g ~ a*C + a*D"):
        assert "are equal in units" not in str(bs.SEM(text).check(holzinger))


SQUARE = "C <~ {}x1 + {}x2 + {}x3\nT =~ x4 + x5 + x6\nT ~ {} + {}:{} + ageyr"


@pytest.fixture(scope="module")
def centred(holzinger) -> pd.DataFrame:
    names = [f"x{i}" for i in range(1, 10)] + ["ageyr"]
    data = holzinger.assign(**{x: holzinger[x] - holzinger[x].mean() for x in names})
    return data.assign(total=data.x1 + data.x2 + data.x3)


def test_the_square_of_a_composite_is_that_of_the_sum(centred):
    composite = bs.SEM(SQUARE.format("1*", "1*", "1*", "C", "C", "C")).ml(centred)
    score = bs.SEM("T =~ x4 + x5 + x6\nT ~ total + total:total + ageyr").ml(centred)
    key = ["lhs", "op", "rhs"]
    one, two = (f.table.set_index(key)[["est", "se"]] for f in (composite, score))
    for ours, theirs in (("C", "total"), ("C:C", "total:total"), ("ageyr", "ageyr")):
        found = one.loc[("T", "~", ours)].to_numpy(float)
        assert found == pytest.approx(two.loc[("T", "~", theirs)].to_numpy(float), rel=2e-3)
    free = bs.SEM(SQUARE.format("", "", "", "C", "C", "C")).ml(centred)
    assert free.measures["logl"] > composite.measures["logl"]
    assert free.measures["npar"] == composite.measures["npar"] + 2


def test_products_of_composites_are_one_likelihood_by_hand(centred):
    # p(x, y) of the items and, given the composites, of a regression with square and product
    model = "A <~ x1 + x2 + x3\nB <~ x7 + x8 + x9\nx4 ~ A + B + A:A + A:B"
    prepared = bs.SEM(model).prepare(centred)
    structure = prepared.structure
    density = posterior_density(prepared.space, structure, prepared.sample)
    x = 0.2 * np.random.default_rng(5).normal(size=density.size)
    natural = density.natural(x)
    elements = density.elements(natural)
    rows = dict(
        zip([r.name for r in prepared.table.rows], row_values(structure, elements), strict=True)
    )
    values = pd.DataFrame(prepared.sample.values, columns=list(prepared.sample.variables))
    a = sum(rows[f"A<~x{i}"] * values[f"x{i}"] for i in (1, 2, 3))
    b = sum(rows[f"B<~x{i}"] * values[f"x{i}"] for i in (7, 8, 9))
    m = structure.matrices(elements)
    at = [structure.variables.index(n) for n in ("A", "B")]
    items = [structure.observed.index(f"x{i}") for i in (1, 2, 3, 7, 8, 9)]
    own = m["disturbances"][np.ix_(at, at)]
    loadings = m["loadings"][np.ix_(items, at)]
    spread = loadings @ own @ loadings.T + m["residuals"][np.ix_(items, items)]
    mean = [rows[f"{structure.observed[i]}~1"] for i in items]
    of_items = multivariate_normal(mean, spread).logpdf(
        values[[structure.observed[i] for i in items]].to_numpy()
    )
    expected = (
        rows["x4~1"]
        + rows["x4~A"] * a
        + rows["x4~B"] * b
        + rows["x4~A:A"] * a**2
        + rows["x4~A:B"] * a * b
    )
    sd = np.sqrt(rows["x4~~x4"])
    of_outcome = -0.5 * ((values.x4 - expected) / sd) ** 2 - np.log(sd * np.sqrt(2 * np.pi))
    found = density.respondent_log_likelihood(natural)
    assert found == pytest.approx((of_items + of_outcome).to_numpy(), rel=1e-9)
    _, gradient = density.value_and_gradient(x)
    step = 1e-6
    numeric = [
        (density.value_and_gradient(x + d)[0] - density.value_and_gradient(x - d)[0]) / (2 * step)
        for d in step * np.eye(len(x))
    ]
    assert gradient == pytest.approx(np.array(numeric), rel=1e-5, abs=1e-6 * abs(gradient).max())


@pytest.fixture(scope="module")
def fit(holzinger) -> bs.Fit:
    return bs.SEM(CHAIN).fit(
        holzinger, draws=300, tune=400, chains=2, random_seed=2, progress=False
    )


def test_questions_to_a_fit_with_composites(fit, tmp_path, holzinger):
    assert int(fit.draws["sample_stats"]["diverging"].sum()) == 0
    fit.save(tmp_path / "run")
    loaded = bs.load(tmp_path / "run")
    assert loaded.summary().equals(fit.summary())
    summary = fit.summary().set_index(["lhs", "op", "rhs"])
    ml = bs.SEM(CHAIN).ml(holzinger).table.set_index(["lhs", "op", "rhs"])
    for key in (("A", "<~", "x1"), ("B", "<~", "x9"), ("B", "~", "A"), ("T", "~", "B")):
        gap = abs(summary.loc[key, "std"] - ml.loc[key, "std_all"])
        assert gap < 0.5 * (summary.loc[key, "std_upper"] - summary.loc[key, "std_lower"]) / 2
    weights = fit.measurement().weights.set_index("item")
    s = np.cov(holzinger[["x1", "x2", "x3"]].T, bias=True)
    inflation = np.diag(s) * np.diag(np.linalg.inv(s))
    assert weights.loc[["x1", "x2", "x3"], "vif"].to_numpy() == pytest.approx(inflation)
    assert weights.loc["x1", "mean"] == pytest.approx(summary.loc[("A", "<~", "x1"), "std"])
    # scores of composites are the weighted sums themselves
    scores = fit.scores(draws=50)
    assert scores.columns.tolist()[:2] == ["A", "A_sd"]
    assert fit.loo().elpd > -5000
    assert "Weights" in str(fit)


def test_composites_alone_have_a_measurement_and_a_report(tmp_path, holzinger):
    sem = bs.SEM("A <~ x1 + x2 + x3\nB <~ x7 + x8 + x9\nB ~ A")
    only = sem.fit(holzinger, draws=200, tune=200, chains=2, random_seed=1, progress=False)
    quality = only.measurement()
    assert quality.weights["item"].tolist() == ["x1", "x2", "x3", "x7", "x8", "x9"]
    assert not len(quality.loadings) and not len(quality.reliability)
    said = str(quality)
    assert said.startswith("Measurement quality: 2 composites; 400 draws")
    assert "omega" not in said  # no formula of what is not there
    quality.plot()
    page = only.report(tmp_path / "report.html", progress=False).read_text(encoding="utf-8")
    assert "0 of 6 items of composites have a VIF above 5" in page
    assert "Standardised weights ranged from" in page


def test_effect_sizes_are_those_of_regressions(holzinger):
    model = "x4 ~ x1 + x2\nx5 ~ x4"
    fit = bs.SEM(model).fit(holzinger, draws=500, tune=500, chains=2, random_seed=1, progress=False)
    table = fit.effect_sizes().table.set_index(["outcome", "predictor"])

    def share(y, *names):
        design = np.column_stack([np.ones(len(holzinger)), holzinger[list(names)]])
        left = holzinger[y] - design @ np.linalg.lstsq(design, holzinger[y], rcond=None)[0]
        return 1 - left.var() / holzinger[y].var(ddof=0)

    whole = share("x4", "x1", "x2")
    f2 = (whole - share("x4", "x2")) / (1 - whole)
    found = table.loc[("x4", "x1")]
    assert found["mean"] == pytest.approx(f2, abs=2.5 * found["sd"] / np.sqrt(10))
    correlation = np.corrcoef(holzinger.x1, holzinger.x2)[0, 1]
    assert found["vif"] == pytest.approx(1 / (1 - correlation**2), rel=1e-6)


def test_the_total_effect_without_mediators_is_that_of_the_fit(fit):
    found = str(fit.mediation("A", "T").document())
    assert "without the mediators composites would have other weights" in found


def test_importance_and_performance(fit, holzinger):
    result = fit.importance_performance("T", scale=(0, 10))
    table = result.table.set_index("construct")
    assert table.index.tolist() == ["A", "B"]
    summary = fit.summary().set_index(["lhs", "op", "rhs"])
    # performance: the weighted mean of the items between the ends of their scale
    w = np.array([1.0, *(summary.loc[("A", "<~", x), "mean"] for x in ("x2", "x3"))])
    if (w > 0).all():
        performance = 10 * (w @ holzinger[["x1", "x2", "x3"]].mean().to_numpy()) / w.sum()
        assert table.loc["A", "performance"] == pytest.approx(performance, abs=3)
    total = fit.effects("A", "T").table
    assert np.sign(table.loc["A", "importance"]) == np.sign(total["mean"].iloc[-1])
    with pytest.raises(BayessemError, match="nothing explains 'A'"):
        fit.importance_performance("A")


def test_prediction_against_the_linear_model(fit, holzinger):
    result = fit.out_of_sample(k=3)
    assert result.inputs == ("x1", "x2", "x3")
    assert result.table.variable.tolist() == ["x7", "x8", "x9", "x4", "x5", "x6"] or set(
        result.table.variable
    ) == {"x4", "x5", "x6", "x7", "x8", "x9"}
    one = result.predictions[result.predictions.variable == "x4"]
    x, y = holzinger[["x1", "x2", "x3"]].to_numpy(), holzinger.x4.to_numpy()
    fold = one.fold.to_numpy()
    design = np.column_stack([np.ones(len(y)), x])
    predicted = np.empty(len(y))
    for f in np.unique(fold):
        slopes = np.linalg.lstsq(design[fold != f], y[fold != f], rcond=None)[0]
        predicted[fold == f] = design[fold == f] @ slopes
    assert one.predicted_lm.to_numpy() == pytest.approx(predicted)
    rmse = result.table.set_index("variable").loc["x4"]
    assert rmse.rmse_lm == pytest.approx(np.sqrt(np.mean((y - predicted) ** 2)))
    # the model's predictions lie between the mean and the linear model
    assert rmse.rmse < 1.05 * rmse.rmse_lm
    assert rmse.q2 > 0.05


def test_priors_of_paths_are_about_composites_of_variance_1(holzinger):
    fit = bs.SEM(CAUSE).fit(
        holzinger,
        priors={"path": "normal(0, 0.5)"},
        draws=400,
        tune=400,
        chains=2,
        random_seed=1,
        progress=False,
    )
    assert int(fit.draws["sample_stats"]["diverging"].sum()) == 0
    sampled = fit.prepared.space.names.index("textual~C")
    scaled = fit.values[..., sampled]
    rows = fit.summary().set_index(["lhs", "op", "rhs"])
    # the path times the standard deviation of the composite in the sample, in units of textual
    unit = scaled.mean() / np.sqrt(rows.loc[("textual", "~~", "textual"), "mean"] / 0.84)
    assert unit == pytest.approx(rows.loc[("textual", "~", "C"), "std"], abs=0.03)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pooling": bs.partial("textual ~ C"), "group": "school"}, "partial pooling is not there"),
        ({"ordered": ["x4"]}, "ordered answers"),
    ],
)
def test_what_is_not_there_yet_is_said(holzinger, options, said):
    ordered = options.pop("ordered", False)
    data = holzinger.assign(x4=(holzinger.x4 > 3) * 1) if ordered else holzinger
    with pytest.raises(BayessemError, match=said):
        bs.SEM(CAUSE, ordered=ordered).prepare(data, **options)
