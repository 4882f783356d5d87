import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bayessem.conformance import posterior
from bayessem.conformance.case import case_model
from bayessem.conformance.checks import Check, unit
from bayessem.conformance.command import (
    check_case,
    command,
    conformance_page,
    main,
    read_cases,
    run_conformance,
)
from bayessem.conformance.posterior import implied_error
from bayessem.errors import DataError, NotSupported

ROOT = Path(__file__).resolve().parents[1]
REFCASES = Path(os.environ.get("BAYESSEM_REFCASES", ROOT.parent / "shared" / "refcases"))
DATA = "data/holzinger_swineford_1939.csv"
CASE = {
    "id": "HS",
    "title": "one factor",
    "model": "f =~ x1 + x2 + b*x3\nt := b*2",
    "data_file": DATA,
    "options": {"meanstructure": True},
    # lavaan 0.6-14
    "expected": [
        {"lhs": "f", "op": "=~", "rhs": "x2", "est": 0.778, "se": 0.141, "tol_ml": 0.002},
        {"lhs": "x1", "op": "~1", "rhs": "", "est": 4.936, "se": 0.067, "tol_ml": 0.001},
    ],
    "fit": {"npar": 9, "df": 0},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / DATA, tmp_path / DATA)
    return tmp_path


def write(folder: Path, *cases: dict) -> Path:
    (folder / "cases.json").write_text(json.dumps(list(cases)), encoding="utf-8")
    return folder


def needs_reference_cases() -> Path:
    if not (REFCASES / "cases.json").is_file():
        pytest.skip(
            "the reference cases are not here: put them at ../shared/refcases or set "
            "BAYESSEM_REFCASES"
        )
    return REFCASES


def reference_ids() -> list[str]:
    return [c["id"] for c in read_cases(REFCASES)] if REFCASES.is_dir() else ["(none here)"]


@pytest.mark.parametrize("identifier", reference_ids())
def test_reference_case(identifier):
    result = run_conformance(needs_reference_cases(), only=identifier)[0]
    assert result.passed, (result.error, result.failures[:5])
    if not identifier.startswith("E"):  # posteriors are compared by the sampler's tests
        assert result.checked >= 20


def test_the_page_is_up_to_date():
    results = run_conformance(needs_reference_cases(), only="A")
    page = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
    fresh = conformance_page(results)
    for result in results:
        line = next(x for x in fresh.splitlines() if x.startswith(f"| {result.id} |"))
        assert line.rsplit("|", 3)[0] in page  # all but the worst deviation's last digits


def test_agreement_and_disagreement(folder, capsys):
    good = CASE
    wrong = {**CASE, "id": "WRONG", "fit": {"npar": 8}}
    assert command(write(folder, good)) == 0
    assert "all within tolerance" in capsys.readouterr().out
    out = folder / "out.json"
    assert command(write(folder, good, wrong), json_file=out) == 1
    entries = json.loads(out.read_text())
    assert [e["id"] for e in entries] == ["HS", "WRONG"]
    assert [e["failed"] for e in entries] == [0, 1]
    assert set(entries[0]) >= {"id", "checked", "failed", "worst", "unexpressed"}
    assert "npar: 9 here, 8 there" in capsys.readouterr().out
    assert command(folder, only="HS") == 0


def test_an_estimate_beyond_its_tolerance_fails(folder):
    row = {"lhs": "f", "op": "=~", "rhs": "x2", "est": 0.9, "tol_ml": 0.002}
    result = check_case({**CASE, "expected": [row]}, folder)
    assert result.failed == 1
    assert result.worst > 10


def test_what_is_unknown_is_listed_and_does_not_crash(folder):
    case = {
        **CASE,
        "expected": [
            *CASE["expected"],
            {"lhs": "g", "op": "=~", "rhs": "x2", "est": 1.0},
            {"lhs": "f", "op": "=~", "rhs": "x2", "est": 1.0, "estimator": "dblcent"},
            {"lhs": "f", "op": "=~", "rhs": "x3", "eta_hat": 3.0},
        ],
        "fit": {"npar": 9, "waic": 3.0, "r2": {"x1": 0.36, "nobody": 0.1}},
        "omega": {"nobody": 0.5},
        "htmt": {"f": {"g": 0.3}},
        "derived": {"something": [1, 2], "t": 2.22},
        "loglik_check": {"note": "no number"},
        "surprise": {"a": 1},
        "options": {"meanstructure": True, "test": "satorra.bentler"},
    }
    result = check_case(case, folder)
    text = "\n".join(result.unexpressed)
    for part in (
        "g =~ x2", "dblcent", "eta_hat", "waic", "R2 of nobody", "omega of nobody", "HTMT of f",
        "derived something", "loglik_check", "surprise", "test = satorra.bentler",
    ):  # fmt: skip
        assert part in text
    assert not result.error


def test_errors_fail_and_missing_features_do_not(folder):
    broken = check_case({**CASE, "model": "f =~ nothing1 + x2"}, folder)
    assert broken.error
    assert not broken.passed
    other = check_case({**CASE, "options": {"estimator": "WLSMV"}}, folder)
    assert other.passed
    assert "WLSMV" in other.unexpressed[0]
    absent = check_case({**CASE, "data_file": "data/none.csv"}, folder)
    assert "data/none.csv" in absent.error


def test_posterior_cases_wait_for_bayes(folder):
    case = {**CASE, "expected": [{"lhs": "f", "op": "=~", "rhs": "x2", "post_mean": 0.8}]}
    result = check_case(case, folder)
    assert (result.checked, result.passed) == (0, True)
    assert "--bayes" in result.unexpressed[0]


def test_posterior_predictive_p_value_within_its_monte_carlo_error(monkeypatch):
    def fit(ppp, replicas=4000):
        return SimpleNamespace(ppp=ppp, replicas=replicas)

    monkeypatch.setattr(posterior, "fit_indices", lambda found: found)

    assert posterior._ppp_check(fit(0.0), 0.0).passed
    assert not posterior._ppp_check(fit(0.01), 0.0).passed
    assert posterior._ppp_check(fit(0.51), 0.5).passed
    assert not posterior._ppp_check(fit(0.54), 0.5).passed


def test_comparisons_have_the_standard_error_of_the_difference(monkeypatch, tmp_path):
    def sample(case, directory, *, extra="", priors=None):
        elpd = np.array([-1.0, -2.0, -3.0, -4.0])
        if extra:
            elpd = elpd + np.array([-1.0, 1.0, -3.0, -1.0])
        return SimpleNamespace(
            elpd=elpd.sum(), se=2.5, p_loo=1.0, pointwise=pd.DataFrame({"elpd": elpd})
        )

    monkeypatch.setattr(posterior, "_sample", sample)
    monkeypatch.setattr(posterior, "loo_of", lambda found: found)
    row = {"model": "fit1 full", "elpd_loo": -10.0, "se": 2.5, "p_loo": 1.0, "looic": 20.0}
    other = {
        **row, "model": "fit2 x2~x1=0", "elpd_loo": -14.0, "looic": 28.0, "elpd_waic": -13.0,
        "elpd_diff": -4.0, "se_diff": 3.266,
    }  # fmt: skip
    rows = [r | {"tol_elpd": 0.001, "tol_p": 0.001} for r in (row, other)]
    found = posterior.posterior_outcome({"model": "x2 ~ x1", "expected": rows}, tmp_path)
    assert len(found.checks) == 10
    assert all(check.passed for check in found.checks)
    assert found.unexpressed == ("elpd_waic: ArviZ has no WAIC",)


def test_a_covariance_matrix_as_data(folder):
    data = pd.read_csv(folder / DATA)[["x1", "x2", "x3"]]
    data.cov().rename_axis("var").to_csv(folder / "data" / "cov.csv")
    case = {**CASE, "data_file": "data/cov.csv", "options": {"n": 301}, "fit": {"npar": 6}}
    case["expected"] = case["expected"][:1]
    result = check_case(case, folder)
    assert result.passed, result.failures
    assert result.checked == 3


def test_lavaan_options_become_ours():
    model = case_model(
        {
            "model": "f =~ x1 + x2",
            "options": {
                "std.lv": True, "group": "g", "group.equal": "loadings", "missing": "ml",
                "estimator": "MLR", "fixed.x": False, "growth": False,
            },
        }
    )  # fmt: skip
    assert model.options["std_lv"] is True
    assert model.options["group_equal"] == ("loadings",)
    assert model.options["missing"] == "fiml"
    assert model.options["fixed_x"] is False
    assert model.se == "robust"
    with pytest.raises(NotSupported, match="pairwise"):
        case_model({"model": "f =~ x1 + x2", "options": {"missing": "pairwise"}})


def test_printed_precision():
    assert unit([0.93, 0.9306]) == pytest.approx(1e-4)
    assert unit([0.013, 0.0]) == pytest.approx(1e-3)
    assert unit([1.123456789]) == pytest.approx(1e-4)
    assert not Check("a", float("nan"), 1.0, 0.1).passed


def test_command_line(folder, capsys):
    write(folder, CASE)
    assert main([str(folder)]) == 0
    assert main([str(folder), "--write", str(folder / "page.md")]) == 0
    assert "| HS | one factor |" in (folder / "page.md").read_text()
    assert main([str(folder), "--only", "NO"]) == 2
    assert "no case 'NO'" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"cases\.json"):
        run_conformance(folder / "nowhere")


def test_an_implied_standard_error_is_the_delta_methods():
    """Of 1 - a^2, and of a + b with correlated a and b; what does not matter has no part in it."""
    rng = np.random.default_rng(0)
    a, b = rng.multivariate_normal([0.7, 0.2], 0.03**2 * np.array([[1, 0.5], [0.5, 1]]), 40_000).T
    draws = np.column_stack([np.ones_like(a), a, b])
    assert implied_error(1 - a**2, draws, {0: 9.0, 1: 0.04, 2: 0.5}) == pytest.approx(
        2 * 0.7 * 0.04, rel=0.02
    )
    both = np.sqrt(0.04**2 + 0.06**2 + 2 * 0.5 * 0.04 * 0.06)
    assert implied_error(a + b, draws, {1: 0.04, 2: 0.06}) == pytest.approx(both, rel=0.01)
