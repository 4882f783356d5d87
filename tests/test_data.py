"""The shipped data are what data/README.md says; the simulation carries the values it promises."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayessem.shapes.surface import Surface
from data import simulate_alliance as study
from data import simulate_export as export
from data import simulate_support as support

DATA = Path(study.__file__).parent
PARTNERS = [
    "buyers",
    "suppliers",
    "competitors",
    "consultants",
    "research_institutes",
    "universities",
    "business_group",
    "other",
]
OUTCOMES = {"RAD": ["AMC", "square"], "INC": ["AMC", "square"], "speed": ["RAD", "AMC"]}
OUTCOMES["SUCC"] = ["INC", "AMC"]
MANY = 40_000


@pytest.fixture(scope="module")
def firms() -> pd.DataFrame:
    return pd.read_csv(study.CSV)


def constructs(*, moderation: bool, seed: int = 3) -> tuple[pd.DataFrame, np.ndarray]:
    """Many firms' latent scores with AMC's square, and the firms' diversity."""
    rng = np.random.default_rng(seed)
    apd = (rng.permutation(study.partner_counts(MANY)) / 8) ** 2
    scores = study.draw_constructs(apd, rng, moderation=moderation)
    return scores.assign(square=scores["AMC"] ** 2 - 1), apd


def regression(y: pd.Series, predictors: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, float]:
    """Least squares with an intercept: slopes, their standard errors, residual variance."""
    x = np.column_stack([np.ones(len(y)), predictors])
    slopes, *_ = np.linalg.lstsq(x, y.to_numpy(), rcond=None)
    variance = np.sum((y.to_numpy() - x @ slopes) ** 2) / (len(y) - x.shape[1])
    errors = np.sqrt(variance * np.diag(np.linalg.inv(x.T @ x)))
    return slopes[1:], errors[1:], float(variance)


def parameter(outcome: str, predictor: str) -> str:
    return f"{outcome}~" + ("AMC:AMC" if predictor == "square" else predictor)


def minimal_discrepancy(sigma: np.ndarray, observed: np.ndarray) -> float:
    """Maximum likelihood discrepancy of an observed covariance from a model's."""
    ratio = np.linalg.solve(sigma, observed)
    return float(np.trace(ratio) - np.linalg.slogdet(ratio)[1] - len(sigma))


# --- the file ---------------------------------------------------------------


def test_csv_is_what_the_script_writes():
    text = study.csv_text(study.simulate(seed=study.SEED))
    assert study.CSV.read_bytes() == text.encode()


def test_csv_survives_reading(firms):
    pd.testing.assert_frame_equal(firms, study.simulate(seed=study.SEED), check_dtype=False)


def test_columns(firms):
    made = ["years", "speed", *PARTNERS, "k", "apd", "diversity"]
    assert list(firms.columns) == [*study.ITEMS, *made]
    assert len(study.ITEMS) == 26
    assert firms.shape == (278, 39)
    assert not firms.isna().any(axis=None)


def test_diversity_of_partners(firms):
    assert set(np.unique(firms[PARTNERS])) == {0, 1}
    np.testing.assert_array_equal(firms["k"], firms[PARTNERS].sum(axis=1))
    np.testing.assert_array_equal(firms["apd"], (firms["k"] / 8) ** 2)


def test_groups_split_at_the_median_with_ties_low(firms):
    median = firms["apd"].median()
    assert (firms["apd"] == median).any()
    np.testing.assert_array_equal(firms["diversity"] == "high", firms["apd"] > median)
    assert firms["diversity"].value_counts().to_dict() == {"low": 161, "high": 117}


def test_every_number_of_partner_types_occurs(firms):
    assert firms["k"].value_counts().sort_index().tolist() == [33, 56, 72, 48, 30, 20, 11, 8]


def test_speed_is_minus_years(firms):
    np.testing.assert_array_equal(firms["speed"], -firms["years"])
    assert firms["years"].between(study.YEARS_LEAST, 25, inclusive="neither").all()


def test_items_are_continuous_on_a_seven_point_metric(firms):
    items = firms[list(study.ITEMS)]
    assert items.mean().between(3.9, 5.0).all()
    assert items.std().between(1.0, 1.5).all()
    # Rounded to the scale, 26 items would have 7 values each.
    assert (items.nunique() > 240).all()
    outside = ((items < 1) | (items > 7)).to_numpy().mean()
    assert 0 < outside < 0.05


@pytest.mark.parametrize(
    ("name", "shape", "columns"),
    [
        (
            "political_democracy",
            (75, 11),
            [*(f"y{i}" for i in range(1, 9)), *(f"x{i}" for i in range(1, 4))],
        ),
        (
            "holzinger_swineford_1939",
            (301, 15),
            ["id", "sex", "ageyr", "agemo", "school", "grade", *(f"x{i}" for i in range(1, 10))],
        ),
    ],
)
def test_public_data_have_the_published_shape(name, shape, columns):
    frame = pd.read_csv(DATA / f"{name}.csv")
    assert frame.shape == shape
    assert list(frame.columns) == columns
    assert frame.isna().to_numpy().sum() == (name == "holzinger_swineford_1939")  # one grade


def test_holzinger_swineford_schools():
    frame = pd.read_csv(DATA / "holzinger_swineford_1939.csv")
    assert frame["school"].value_counts().to_dict() == {"Pasteur": 156, "Grant-White": 145}


def test_readme_names_every_file_and_its_n():
    text = (DATA / "README.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^\| `(\w+\.csv)` \| ([\d,]+) \|", text, flags=re.MULTILINE))
    assert set(stated) == {path.name for path in DATA.glob("*.csv")}
    for name, n in stated.items():
        data = pd.read_csv(DATA / name)
        # lsat6.csv has patterns of answers and how many gave each
        size = data["count"].sum() if "count" in data else len(data)
        assert size == int(n.replace(",", "")), name


def test_export_csv_is_what_its_script_writes():
    text = export.csv_text(export.simulate(seed=export.SEED))
    assert export.CSV.read_bytes() == text.encode()
    frame = pd.read_csv(export.CSV)
    assert list(frame.columns) == list(export.ITEMS)
    assert frame.shape == (491, 13)
    assert not frame.isna().any(axis=None)


def test_readme_states_the_true_values_of_the_export_data():
    text = (DATA / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## The export data") : text.index("## The support data")]
    stated = dict(re.findall(r"^\| `(\w+~\w+)` \| (\.\d+) \|", section, flags=re.MULTILINE))
    assert {k: float(v) for k, v in stated.items()} == {k: export.TRUE[k] for k in stated}
    assert len(stated) == 3
    assert f"{export.TRUE['indirect']:.4f}".removeprefix("0") in section
    assert f"{export.TRUE['total']:.4f}".removeprefix("0") in section
    assert "**no\ncoefficient**" in section  # said plainly: the numbers are ours


def test_support_csv_is_what_its_script_writes():
    text = support.csv_text(support.simulate(seed=support.SEED))
    assert support.CSV.read_bytes() == text.encode()
    frame = pd.read_csv(support.CSV)
    assert list(frame.columns) == list(support.ITEMS)
    assert frame.shape == (support.N, 9)
    assert not frame.isna().any(axis=None)


def test_readme_states_the_true_values_of_the_support_data_and_whose_they_are():
    text = (DATA / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## The support data") : text.index("## The alliance data")]
    rows = re.findall(r"^\| (`[^|]*) \| ([^|]*) \| (\w+) \|$", section, flags=re.MULTILINE)
    stated = {}
    for names, values, source in rows:
        keys = re.findall(r"`([^`]+)`", names)
        for key, value in zip(keys, values.split(", "), strict=True):
            stated[key] = float(value)
            assert source == ("published" if key in support.PUBLISHED else "ours")
    assert stated == {k: v for k, v in support.TRUE.items() if "=~" not in k}
    assert "No row is a real employee" in section


# --- the simulations --------------------------------------------------------


def test_export_constructs_have_unit_variance_and_their_paths():
    scores = export.draw_constructs(MANY, np.random.default_rng(2))
    # 4 standard errors of a variance
    np.testing.assert_allclose(scores.var(), 1, atol=4 * np.sqrt(2 / MANY))
    for outcome, predictors in {"FIRM": ["COLLAB"], "INDUSTRY": ["FIRM", "COLLAB"]}.items():
        slopes, errors, variance = regression(scores[outcome], scores[predictors])
        truth = [export.TRUE[f"{outcome}~{predictor}"] for predictor in predictors]
        assert np.all(np.abs(slopes - truth) < 4 * errors)
        expected = export.TRUE[f"{outcome}~~{outcome}"]
        assert abs(variance / expected - 1) < 4 * np.sqrt(2 / MANY)


def test_export_items_have_their_means_loadings_and_deviations():
    items = export.simulate(MANY, seed=6)
    described = pd.DataFrame(export.ITEMS, index=["construct", "loading", "mean", "sd"]).T
    sd = described["sd"].astype(float)
    assert np.all(np.abs(items.mean() - described["mean"].astype(float)) < 4 * sd / MANY**0.5)
    np.testing.assert_allclose(items.std(), sd, rtol=4 / np.sqrt(2 * MANY))
    correlation = items.corr()
    for construct, own in described.groupby("construct"):
        loadings = own["loading"].to_numpy(dtype=float)
        block = correlation.loc[own.index, own.index].to_numpy()
        implied = np.outer(loadings, loadings)
        np.fill_diagonal(implied, 1)
        np.testing.assert_allclose(block, implied, atol=5 / np.sqrt(MANY), err_msg=construct)


def test_an_export_sample_has_a_respondent():
    with pytest.raises(ValueError, match="at least one respondent"):
        export.simulate(0, seed=1)


def test_support_has_the_published_surface():
    # Shanock et al. (2010), Table 2, as RSA 0.10 quotes it, and the lines it implies
    surface = Surface(np.array(0.0), *map(np.array, support.PUBLISHED.values()))
    assert list(support.PUBLISHED.values()) == [-0.23, 0.77, -0.07, 0.27, -0.10]
    assert np.array(surface.lines()) == pytest.approx([0.54, 0.10, -1.00, -0.44, 0.03])
    scores = support.draw_constructs(MANY, np.random.default_rng(2))
    x, z = scores["PSS"], scores["POS"]
    terms = pd.DataFrame({"x": x, "z": z, "xx": x**2, "xz": x * z, "zz": z**2})
    # without xx and xz the square of z takes their share, which all but cancels its own
    alone, error, _ = regression(scores["AC"], terms[["x", "z", "zz"]])
    assert abs(alone[2] - 0.0175) < 4 * error[2] < 0.02
    slopes, errors, variance = regression(scores["AC"], terms)
    assert np.all(np.abs(slopes - list(support.PUBLISHED.values())) < 4 * errors)
    assert abs(variance / support.TRUE["AC~~AC"] - 1) < 4 * np.sqrt(2 / MANY)
    expected = [
        [support.TRUE[k] for k in row]
        for row in (("PSS~~PSS", "PSS~~POS"), ("PSS~~POS", "POS~~POS"))
    ]
    # 4 standard errors of a variance, the largest of them
    error = 4 * np.sqrt(2 / MANY) * support.TRUE["PSS~~PSS"]
    np.testing.assert_allclose(np.cov(x, z), expected, atol=error)
    assert np.all(
        np.abs(scores[["PSS", "POS"]].mean()) < 4 * scores[["PSS", "POS"]].std() / MANY**0.5
    )


def test_support_items_have_their_levels_loadings_and_residuals():
    rng = np.random.default_rng(6)
    scores = support.draw_constructs(MANY, rng)
    items = support.draw_items(scores, rng)
    for item, (construct, loading, level, sd) in support.ITEMS.items():
        slopes, errors, variance = regression(items[item], scores[[construct]])
        assert abs(slopes[0] - loading) < 4 * errors[0], item
        assert abs(variance / sd**2 - 1) < 4 * np.sqrt(2 / MANY), item
        middle = items[item].mean() - loading * scores[construct].mean()
        assert abs(middle - level) < 4 * sd / MANY**0.5, item
    loadings = [[row[1] for row in support.ITEMS.values() if row[0] == c] for c in ("PSS", "POS")]
    assert loadings[0] == loadings[1]  # a common metric
    residuals = (
        items
        - items.mean()
        - np.column_stack(
            [loading * (scores[c] - scores[c].mean()) for c, loading, *_ in support.ITEMS.values()]
        )
    )
    np.testing.assert_allclose(residuals.corr(), np.eye(9), atol=5 / MANY**0.5)


def test_a_support_sample_has_an_employee():
    with pytest.raises(ValueError, match="at least one employee"):
        support.simulate(0, seed=1)


def test_reliabilities_are_those_reported():
    for construct in study.CONSTRUCTS:
        loadings = np.array([item[1] for item in study.ITEMS.values() if item[0] == construct])
        common, residual = loadings.sum() ** 2, np.sum(1 - loadings**2)
        assert 0.75 <= common / (common + residual) <= 0.90
        assert 0.51 <= np.mean(loadings**2) <= 0.67
        assert loadings.min() >= 0.70
        assert loadings.max() <= 0.91


def test_true_values_are_those_reported():
    squares = {outcome: study.TRUE[f"{outcome}~AMC:AMC"] * 2**0.5 for outcome in ("RAD", "INC")}
    assert squares == pytest.approx({"RAD": 0.65, "INC": 0.55})
    reported = {"RAD~AMC": 0.75, "INC~AMC": 0.73, "speed~RAD": 0.15, "SUCC~INC": 0.61}
    assert reported.items() <= study.TRUE.items()
    assert study.TRUE["speed~AMC"] == 0 < study.TRUE["SUCC~AMC"]  # full, partial mediation
    assert study.TRUE["RAD~~RAD"] == pytest.approx(1 - 0.75**2 - 0.65**2)
    assert study.TRUE_BY_DIVERSITY == {
        "low": {"RAD~AMC": 0.72, "INC~AMC": 0.80},
        "high": {"RAD~AMC": 0.76, "INC~AMC": 0.46},
    }


def test_constructs_have_unit_variance():
    correlation = study.construct_correlation()
    np.testing.assert_allclose(np.diag(correlation), 1, atol=1e-12)
    assert np.linalg.eigvalsh(correlation).min() > 0


def test_construct_correlations_are_those_of_the_draws():
    scores, _ = constructs(moderation=False)
    drawn = np.cov(scores[list(study.CONSTRUCTS)].T)
    # 5 standard errors of a normal product, doubled for the heavier tails of squares.
    np.testing.assert_allclose(drawn, study.construct_correlation(), atol=10 / np.sqrt(MANY))


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_true_paths_are_those_of_the_draws(outcome):
    scores, _ = constructs(moderation=False)
    predictors = OUTCOMES[outcome]
    slopes, errors, variance = regression(scores[outcome], scores[predictors])
    truth = [study.TRUE[parameter(outcome, predictor)] for predictor in predictors]
    assert np.all(np.abs(slopes - truth) < 4 * errors)
    expected = study.TRUE[f"{outcome}~~{outcome}"]
    assert abs(variance / expected - 1) < 4 * np.sqrt(2 / MANY)


@pytest.mark.parametrize("outcome", ["RAD", "INC"])
@pytest.mark.parametrize("group", ["low", "high"])
def test_groups_carry_their_paths(outcome, group):
    scores, apd = constructs(moderation=True)
    inside = (apd > np.median(apd)) == (group == "high")
    slopes, errors, _ = regression(scores.loc[inside, outcome], scores.loc[inside, OUTCOMES["RAD"]])
    # The slopes vary within the group, which the usual standard error leaves out.
    assert abs(slopes[0] - study.TRUE_BY_DIVERSITY[group][f"{outcome}~AMC"]) < 6 * errors[0]
    assert abs(scores.loc[inside, "AMC"].var() - 1) < 5 * np.sqrt(2 / inside.sum())


def test_paths_are_linear_in_diversity_with_the_groups_as_averages():
    levels, share = (np.arange(1, 9) / 8) ** 2, np.array(study.PARTNER_COUNT_SHARE)
    assert share.sum() == pytest.approx(1)
    for path, values in study.paths_at(levels).items():
        slopes = np.diff(values) / np.diff(levels)
        np.testing.assert_allclose(slopes, slopes[0])
        low = np.average(values[:3], weights=share[:3])
        high = np.average(values[3:], weights=share[3:])
        assert low == pytest.approx(study.TRUE_BY_DIVERSITY["low"][path])
        assert high == pytest.approx(study.TRUE_BY_DIVERSITY["high"][path])


def test_speed_has_the_path_of_rad_in_years():
    scores, _ = constructs(moderation=True)
    firms = study.simulate(MANY, seed=5)
    # Corrected for the items' unreliability, the items' covariance with speed gives the path.
    loading = np.array([study.ITEMS[item][1] * study.ITEMS[item][3] for item in ("ra1", "ra2")])
    covariance = np.array([np.cov(firms[item], firms["speed"])[0, 1] for item in ("ra1", "ra2")])
    expected = study.TRUE["speed~RAD"] * study.YEARS_SD * scores["RAD"].var()
    np.testing.assert_allclose(covariance / loading, expected, atol=5 * study.YEARS_SD / MANY**0.5)


def test_items_have_the_covariance_of_the_model_without_misfit():
    firms = study.simulate(MANY, seed=4, moderation=False, misfit=False)
    loadings = study.loading_matrix()
    sigma = loadings @ study.construct_correlation() @ loadings.T
    np.fill_diagonal(sigma, 1)
    sd = np.array([item[3] for item in study.ITEMS.values()])
    drawn = np.cov(firms[list(study.ITEMS)].T) / np.outer(sd, sd)
    np.testing.assert_allclose(drawn, sigma, atol=10 / np.sqrt(MANY))


@pytest.mark.parametrize("rmsea", [0.02, 0.045])
def test_misfit_leaves_the_true_values_stationary_at_the_rmsea_asked_for(rmsea):
    loadings, correlation = study.loading_matrix(), study.construct_correlation()
    residual = np.diag(1 - np.sum(loadings**2, axis=1))
    sigma = loadings @ correlation @ loadings.T + residual
    misfit = study.minor_factor_covariance(rmsea=rmsea)
    observed = sigma + misfit
    assert np.linalg.eigvalsh(residual + misfit).min() > 0

    discrepancy = minimal_discrepancy(sigma, observed)
    assert np.sqrt(discrepancy / study.MEASUREMENT_DF) == pytest.approx(rmsea, rel=1e-6)

    # No small step in any loading, correlation or residual variance does better.
    step = 1e-4
    for i, j in np.argwhere(loadings):
        for sign in (-1, 1):
            moved = loadings.copy()
            moved[i, j] += sign * step
            nearby = moved @ correlation @ moved.T + residual
            assert minimal_discrepancy(nearby, observed) > discrepancy
    for i, j in zip(*np.triu_indices(len(correlation), 1), strict=True):
        for sign in (-1, 1):
            moved = correlation.copy()
            moved[[i, j], [j, i]] += sign * step
            nearby = loadings @ moved @ loadings.T + residual
            assert minimal_discrepancy(nearby, observed) > discrepancy
    for i in range(len(residual)):
        for sign in (-1, 1):
            nearby = sigma.copy()
            nearby[i, i] += sign * step
            assert minimal_discrepancy(nearby, observed) > discrepancy


def test_impossible_misfit_is_refused():
    with pytest.raises(ValueError, match="smaller rmsea"):
        study.minor_factor_covariance(rmsea=0.5)


def test_switches_change_only_what_they_name():
    both = study.simulate(100, seed=1)
    plain = study.simulate(100, seed=1, moderation=False)
    amc_items = [item for item, (construct, *_) in study.ITEMS.items() if construct[0] in "CLPT"]
    same = [*amc_items, *PARTNERS, "k", "apd", "diversity"]
    pd.testing.assert_frame_equal(both[same], plain[same])
    assert not both["in1"].equals(plain["in1"])
    exact = study.simulate(100, seed=1, misfit=False)
    assert both["years"].equals(exact["years"])
    assert not both["co2"].equals(exact["co2"])


@pytest.mark.parametrize("n", [40, 41, 278, 1000])
def test_counts_cover_every_level(n):
    counts = study.partner_counts(n)
    assert len(counts) == n
    assert set(counts) == set(range(1, 9))
    shares = np.bincount(counts, minlength=9)[1:] / n
    np.testing.assert_allclose(shares, study.PARTNER_COUNT_SHARE, atol=1 / n + 1e-12)


def test_partner_types_are_as_many_as_counted_and_popular_ones_more_common():
    counts = study.partner_counts(5000)
    partners = study.draw_partners(counts, np.random.default_rng(0))
    np.testing.assert_array_equal(partners.sum(axis=1), counts)
    by_use = partners.mean().sort_values().index
    popularity = pd.Series(study.PARTNER_POPULARITY)
    assert by_use[-1] == popularity.idxmax()
    assert by_use[0] == popularity.idxmin()


def test_too_few_firms_are_refused():
    with pytest.raises(ValueError, match="n >= 40"):
        study.simulate(39, seed=1)
