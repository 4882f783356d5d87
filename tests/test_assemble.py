"""The posterior density: gradient against differences, priors that integrate to 1, LKJ."""

import inspect
import math

import numpy as np
import pymc as pm
import pytest
from example_models import (
    ABILITIES,
    DEMOCRACY,
    QUADRATIC,
    SECOND_ORDER,
    abilities,
    democracy,
    noise,
    prepared,
)
from scipy.integrate import quad
from scipy.special import beta as beta_function

from bayessem.errors import PriorError
from bayessem.model.priors import FAMILIES, parse_prior
from bayessem.model.space import Coordinate
from bayessem.model.starts import initial_point, start_values
from bayessem.posterior.assemble import (
    encode_prior,
    kernel_plan,
    likelihood_density,
    posterior_density,
    respondent_order,
)
from bayessem.posterior.density import build_density

INF = math.inf
# every family where it makes sense, with and without bounds
EVERY_PRIOR = """
f =~ x1 + prior("student_t(4, 1, 0.5)")*x2 + prior("cauchy(1, 0.3)")*x3
g =~ x4 + prior("uniform(-3, 3)")*x5 + prior("log_normal(0, 0.5)")*x6
h =~ x7 + prior("beta(2, 2)")*x8 + prior("flat()")*x9
g ~ prior("normal(0, 1)")*lower(-2)*upper(2)*f
h ~ prior("student_t(3, 0, 1)")*upper(3)*g + prior("cauchy(0, 1)")*lower(-3)*f
x1 ~~ prior("gamma(2, 2)")*x1
x2 ~~ prior("inverse_gamma(2, 1)")*x2
x3 ~~ prior("exponential(1)")*x3
x4 ~~ prior("half_student_t(3, 1)")*x4
x5 ~~ prior("half_cauchy(1)")*x5
x6 ~~ prior("half_normal(1)")*upper(9)*x6
x7 ~~ prior("uniform(0.05, 3)")*x7
x8 ~~ prior("normal(0.5, 1)")*x8
x9 ~~ prior("log_normal(-1, 1)")*x9
x1 ~~ prior("beta(2, 2)")*x4
x2 ~~ prior("uniform(-0.5, 0.5)")*x5
x3 ~~ prior("normal(0, 0.3)")*x6
"""
MODELS = {
    "marker": (ABILITIES, {}, {}),
    "std_lv": (ABILITIES, {"std_lv": True}, {}),
    "democracy": (DEMOCRACY, {}, {}),
    "groups": (ABILITIES, {"group_equal": ("loadings",)}, {"group": "school"}),
    "second_order": (SECOND_ORDER, {}, {}),
    "second_order_std_lv": (SECOND_ORDER, {"std_lv": True}, {}),
    "quadratic": (QUADRATIC, {}, {}),
    "covariates": (ABILITIES + "visual ~ ageyr\nspeed ~ visual + sex", {}, {}),
    "every_prior": (EVERY_PRIOR, {}, {}),
}


def posterior(name, **changes):
    model, options, read = MODELS[name]
    data = democracy() if name == "democracy" else abilities()
    found = prepared(model, data, **options, **read)
    start = start_values(found.structure, found.covariances, found.means)
    density = posterior_density(found.space, found.structure, found.sample, **changes)
    return found, density, initial_point(found.space, found.table, start)


def largest_error(density, points):
    """Worst difference to central differences, relative to the gradient's size at the point."""
    worst = 0.0
    for x in points:
        value, gradient = density.value_and_gradient(x)
        assert np.isfinite(value)
        numeric = np.empty_like(x)
        for i in range(len(x)):
            # fourth order, so that the differences are not what limits the comparison
            h = 1e-3 * max(1.0, abs(x[i]))
            at = [
                density.value_and_gradient(x + k * h * np.eye(len(x))[i])[0] for k in (-2, -1, 1, 2)
            ]
            numeric[i] = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)
        size = np.maximum(np.abs(gradient), 0.01 * np.abs(gradient).max() + 1.0)
        worst = max(worst, float((np.abs(numeric - gradient) / size).max()))
    return worst


def scattered(start, count=4, spread=0.1, seed=0):
    return start + spread * np.random.default_rng(seed).normal(size=(count, len(start)))


@pytest.mark.parametrize("name", MODELS)
def test_gradient_of_the_posterior(name):
    _, density, start = posterior(name)
    assert largest_error(density, scattered(start)) < 1e-6


def folded_point(density, start):
    """The density with all that can be folded, and its point with the natural values of start."""
    which = density.foldable
    scale = np.exp(np.where(which, start - 0.3, 0.0))
    raw = np.exp(np.where(which, start, 0.0))
    x = np.where(which, raw * np.sqrt(1 + raw**2 / (4 * scale**2)), start)
    return density.folded(which, scale), x


@pytest.mark.parametrize("name", ["std_lv", "democracy"])
def test_gradient_in_folded_and_whitened_coordinates(name):
    _, density, start = posterior(name)
    assert density.foldable.sum() >= 6
    folded, x = folded_point(density, start)
    mirrored = np.where(density.foldable, -x, x)
    assert folded.value_and_gradient(x)[0] == folded.value_and_gradient(mirrored)[0]
    matrix = np.random.default_rng(1).normal(size=(len(x), len(x))) * 0.02
    whitened = folded.whitened(mirrored, matrix)
    assert largest_error(folded, scattered(mirrored, spread=0.02)) < 1e-6
    assert largest_error(whitened, np.random.default_rng(2).normal(size=(3, len(x)))) < 1e-6


def test_folding_keeps_the_density_of_the_natural_parameters():
    """Half of the mass on each side; otherwise the Jacobians are all that differs."""
    _, density, start = posterior("marker")
    which = density.foldable
    folded, x = folded_point(density, start)
    np.testing.assert_allclose(folded.natural(x), density.natural(start), rtol=1e-12)
    h = 1e-6
    slopes = (folded.natural(x + h * which) - folded.natural(x - h * which)) / (2 * h)
    jacobians = start[which].sum() - np.log(slopes[which]).sum()
    expected = density.value_and_gradient(start)[0] - jacobians - which.sum() * math.log(2.0)
    assert folded.value_and_gradient(x)[0] == pytest.approx(expected, abs=1e-6)


def test_a_folded_density_is_smooth_across_0():
    _, density, start = posterior("democracy")
    folded, x = folded_point(density, start)
    at = density.names.index("dem65~~dem65")
    assert density.foldable[at]
    x[at] = 0.0
    value, gradient = folded.value_and_gradient(x)
    assert np.isfinite(value)
    assert gradient[at] == pytest.approx(0.0, abs=1e-9)
    assert largest_error(folded, [x]) < 1e-6


def test_whitening_is_a_change_of_coordinates_only():
    _, density, start = posterior("quadratic")
    rng = np.random.default_rng(0)
    matrix, u = rng.normal(size=(len(start), len(start))) * 0.01, rng.normal(size=len(start))
    value, gradient = density.value_and_gradient(start + matrix @ u)
    white_value, white_gradient = density.whitened(start, matrix).value_and_gradient(u)
    assert white_value == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(white_gradient, matrix.T @ gradient, rtol=1e-9, atol=1e-9)


def test_gradient_of_the_likelihood_by_the_parameters_themselves():
    found, _, _ = posterior("groups")
    density = likelihood_density(found.structure, found.space, found.sample)
    start = start_values(found.structure, found.covariances, found.means)
    points = start * scattered(np.ones(len(start)), count=2, spread=0.02)
    assert largest_error(density, points) < 1e-6


def test_posterior_and_likelihood_are_one_likelihood():
    """They differ by the priors alone, which do not know the respondents."""
    found, density, start = posterior("democracy")
    values = density.natural(start)
    elements = density.elements(values)
    free = likelihood_density(found.structure, found.space, found.sample)
    parameters = dict(zip(found.space.names, values, strict=True))
    natural = [
        parameters[n] ** 2 if found.space.coordinates[i].kind.endswith("_sd") else parameters[n]
        for i, n in enumerate(found.space.names)
    ]
    by_name = dict(zip(found.space.names, natural, strict=True))
    for k, place in found.structure.places.items():
        row = found.table.rows[k]
        if row.free >= 0 and row.op == "~~":
            by_name[found.table.parameters[row.free]] = elements[found.structure.element(place)[0]]
    x = np.array([by_name[n] for n in found.table.parameters])
    respondents = density.respondent_log_likelihood(values)
    assert free.value_and_gradient(x)[0] == pytest.approx(respondents.sum(), rel=1e-10)


def test_respondents_stand_in_the_order_of_the_kernel():
    data = abilities()
    data.loc[[3, 50, 200], "x1"] = np.nan
    data.loc[[4, 51], ["x5", "x9"]] = np.nan
    found = prepared(ABILITIES, data, group="school")
    density = posterior_density(found.space, found.structure, found.sample)
    start = start_values(found.structure, found.covariances, found.means)
    values = density.natural(initial_point(found.space, found.table, start))
    one_by_one = density.respondent_log_likelihood(values)[respondent_order(found.sample)]
    shuffled = data.sample(frac=1, random_state=3)
    other = prepared(ABILITIES, shuffled, group="school", group_order=found.sample.groups)
    density = posterior_density(found.space, other.structure, other.sample)
    again = density.respondent_log_likelihood(values)[respondent_order(other.sample)]
    order = np.argsort(other.sample.rows)
    np.testing.assert_allclose(again[order], one_by_one, rtol=1e-9)


def one_dimension(prior, lower, upper, kind="path"):
    """Density of one coordinate without data, as a function of its natural value."""
    coordinate = Coordinate("x", kind, parse_prior(prior), lower, upper)
    code, hyper, constant = encode_prior(coordinate)
    found = prepared("y ~ 1", noise("y"))
    fields = {
        "transform": np.zeros(1),
        "family": np.array([code]),
        "lower": np.array([lower]),
        "upper": np.array([upper]),
        "hyper": np.array(hyper),
        "constant": np.array([constant]),
        "block_size": np.empty(0),
        "block_at": np.empty(0),
        "term_cell": np.empty(0),
        "term_a": np.empty(0),
        "term_b": np.empty(0),
        "term_c": np.empty(0),
        "place_cell": np.empty(0),
        "place_element": np.empty(0),
        "fixed": np.empty(0),
        "base": np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
    }
    plan = kernel_plan(found.structure, found.sample, found.space.base)
    density = build_density(("x",), fields, plan, respondents=found.sample.size)
    likelihood = density.respondent_log_likelihood(np.zeros(1)).sum()
    return lambda x: math.exp(density.value_and_gradient(np.array([x]))[0] - likelihood)


@pytest.mark.parametrize(
    ("prior", "lower", "upper", "kind"),
    [
        ("normal(0.3, 0.7)", -INF, INF, "path"),
        ("normal(0.3, 0.7)", 0.0, INF, "path"),
        ("normal(0.3, 0.7)", 1.0, INF, "path"),
        ("normal(0.3, 0.7)", -INF, -0.5, "path"),
        ("normal(0.3, 0.7)", -0.2, 0.9, "path"),
        ("half_normal(0.7)", 0.0, INF, "residual_sd"),
        ("half_normal(0.7)", 0.1, 0.9, "residual_sd"),
        ("student_t(4, 0.3, 0.7)", -INF, INF, "path"),
        ("student_t(4, 0.3, 0.7)", -1.0, 2.0, "path"),
        ("half_student_t(4, 0.7)", 0.0, INF, "residual_sd"),
        ("cauchy(0.3, 0.7)", 0.5, 3.0, "path"),
        ("half_cauchy(0.7)", 0.0, INF, "residual_sd"),
        ("uniform(-1, 3)", -1.0, 3.0, "path"),
        ("uniform(-1, 3)", 0.0, 3.0, "loading"),
        ("gamma(2, 3)", 0.0, INF, "residual_sd"),
        ("inverse_gamma(2, 1)", 0.0, INF, "residual_sd"),
        ("exponential(2)", 0.0, INF, "residual_sd"),
        ("log_normal(-0.5, 0.6)", 0.0, INF, "residual_sd"),
        ("beta(2, 3)", 0.0, 1.0, "loading"),
        ("beta(2, 3)", -1.0, 1.0, "correlation"),
        ("lkj(2)", -1.0, 1.0, "correlation"),
        ("normal(0, 0.4)", -1.0, 1.0, "correlation"),
    ],
)
def test_every_prior_integrates_to_1(prior, lower, upper, kind):
    total, _ = quad(one_dimension(prior, lower, upper, kind), lower, upper, epsabs=1e-10)
    assert total == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "induced_dirichlet"])
def test_the_names_of_arguments_are_those_of_pymc(family):
    """PyMC itself swallows wrong ones without a word."""
    cls, names, _ = FAMILIES[family]
    known = inspect.signature(getattr(pm, cls).dist).parameters
    assert [n for n in names if n not in known] == []


def test_bounds_that_a_family_does_not_have_are_refused():
    with pytest.raises(PriorError, match="x: bounds go with normal.*not with gamma"):
        encode_prior(Coordinate("x", "path", parse_prior("gamma(2, 1)"), 0.5, INF))


def test_a_prior_without_mass_between_its_bounds_is_refused():
    with pytest.raises(PriorError, match="x: the prior normal.* has no mass between .* 50 and inf"):
        encode_prior(Coordinate("x", "path", parse_prior("normal(0, 1)"), 50.0, INF))


@pytest.mark.parametrize("eta", [1.0, 2.5])
def test_a_block_of_three_correlations_has_the_lkj_density(eta):
    """Density of R is |R|^(eta - 1) over its integral over all correlation matrices."""
    found = prepared(ABILITIES, abilities(), priors={"correlation": f"lkj({eta})"})
    density = posterior_density(found.space, found.structure, found.sample)
    start = start_values(found.structure, found.covariances, found.means)
    x = initial_point(found.space, found.table, start)
    where = found.space.kinds()["correlation"]

    def log_prior(partial):
        """Log-density of R at partial correlations; the rest of the posterior taken out."""
        point = x.copy()
        point[where] = np.log((1 + partial) / (1 - partial))
        values = density.natural(point)
        zero = x.copy()
        likelihood = density.respondent_log_likelihood(values).sum()
        rest = density.respondent_log_likelihood(density.natural(zero)).sum()
        total = density.value_and_gradient(point)[0] - likelihood
        base = density.value_and_gradient(zero)[0] - rest
        # from the unconstrained coordinates to the partials (x has them at 0), to R
        jacobian = np.log((1 - partial**2) / 2).sum() - 3 * math.log(1 / 2)
        to_r = math.log(1 - partial[0] ** 2) / 2 + math.log(1 - partial[1] ** 2) / 2
        r12, r13, r23 = values[where]
        determinant = 1 + 2 * r12 * r13 * r23 - r12**2 - r13**2 - r23**2
        return total - base - jacobian - to_r, (eta - 1) * math.log(determinant)

    for partial in np.random.default_rng(0).uniform(-0.9, 0.9, size=(20, 3)):
        found_value, expected = log_prior(partial)
        assert found_value == pytest.approx(expected, abs=1e-7)
    # the constant: Lewandowski, Kurowicka & Joe (2009, eq. 16) as a product of beta functions
    a, b = eta + 0.5, eta
    constant = (
        (beta_function(a, a) * 2 ** (2 * a - 1)) ** 2 * beta_function(b, b) * 2 ** (2 * b - 1)
    )
    codes = [
        encode_prior(found.space.coordinates[i], partial_of=(j, 3))
        for i, j in zip(range(where.start, where.stop), (0, 0, 1), strict=True)
    ]
    # at R = identity the exponents of the family's kernel give (1/4)^(a-1) each
    value = sum(c + 2 * (h[0] - 1) * math.log(0.5) for _, h, c in codes)
    assert value == pytest.approx(-math.log(constant), abs=1e-10)
