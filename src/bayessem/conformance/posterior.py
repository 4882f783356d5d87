"""Reference cases about posteriors: blavaan's means, sds, intervals and LOO, and weak-prior means.

Sampled with the priors that the case names (blavaan's defaults where it names none), so that the
same posterior is compared; rows with `tol_bayes_mean` with bayessem's own defaults.

The posterior of a variance is skewed, and its mean lies above the maximum of the likelihood by an
amount that grows like 1/n while `tol_bayes_mean` is a share of the standard error: in small groups
the two differ by more than the tolerance whatever the prior. With the two groups of 283 respondents
of case A15, 10 of 117 means are beyond it with the default priors, 22 with flat priors of standard
deviations, loadings, paths and means, and 40 with flat priors of variances instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bayessem.comparison.loo import Loo
from bayessem.comparison.loo import loo as loo_of
from bayessem.conformance.case import READING, case_model, read_data
from bayessem.conformance.checks import Check, Outcome, is_number
from bayessem.criticism.indices import fit_indices
from bayessem.model.prepare import prepare
from bayessem.model.prior_checks import priors_that_apply
from bayessem.model.priors import Prior
from bayessem.posterior.settings import Sampling
from bayessem.results.estimate import estimate
from bayessem.results.fitted import Fitted
from bayessem.syntax.rows import row_key
from bayessem.syntax.specification import Specification

SEED = 20260101
DRAWS = 4000
# Means and 2.5 % quantiles are compared. Where a residual variance of nearly 0 fits almost as well
# (x1 of Holzinger-Swineford), steps as long as the default's keep a chain there for 150 draws.
TARGET_ACCEPT = 0.95
# An integral a respondent costs a thousand times as much as sufficient statistics; 4,000 draws in
# all still know a mean to a sixtieth of its standard deviation.
DRAWS_OF_PRODUCTS = 1000
# blavaan's names of parameter matrices, and its default priors (Stan target, version 0.5).
KIND_OF = {
    "lambda": "loading",
    "beta": "path",
    "nu": "intercept",
    "alpha": "mean",
    "theta": "residual_sd",
    "psi": "disturbance_sd",
    "rho": "correlation",
    "lv_cor": "correlation",
}
BLAVAAN = {
    "loading": "normal(0, 10)",
    "path": "normal(0, 10)",
    "intercept": "normal(0, 32)",
    "residual_sd": "gamma(1, 0.5)",
    "disturbance_sd": "gamma(1, 0.5)",
    "correlation": "lkj(1)",
}


def case_priors(text: str) -> dict[str, str]:
    """Read priors such as "lambda N(0,10); theta sd Gamma(1,.5)", over blavaan's defaults."""
    out = dict(BLAVAAN)
    for part in text.split(";"):
        found = re.match(r"\s*(\w+)\s+(?:sd\s+)?([A-Za-z]+)\s*\(([^)]*)\)", part)
        if found and found[1] in KIND_OF:
            family = {"n": "normal"}.get(found[2].lower(), found[2].lower())
            out[KIND_OF[found[1]]] = f"{family}({found[3]})"
    return out


def _sample(
    case: Mapping[str, Any],
    directory: Path,
    *,
    extra: str = "",
    priors: Mapping[str, str | Prior] | None,
) -> Fitted:
    model = case_model(case)
    data, options = read_data(case, directory, model.options)
    fit_options = {k: options.pop(k) for k in READING if k in options}
    sem = Specification(f"{case['model']}\n{extra}", **options)
    effort: dict[str, Any] = {"draws": DRAWS, "target_accept": TARGET_ACCEPT}
    if sem.table.products or sem.table.answered:
        effort = {"draws": DRAWS_OF_PRODUCTS}
    sampling = Sampling(random_seed=SEED, progress=False, **effort)
    if priors is not None:  # blavaan's, of which a model needs those of its own kinds
        priors = priors_that_apply(priors, prepare(sem, data, **fit_options).kinds)
    return estimate(prepare(sem, data, priors=priors, **fit_options), sampling)


def _table(fit: Fitted) -> dict[tuple[Any, str], Mapping[str, Any]]:
    """Rows of the summary by their identity and group."""
    return {
        (row_key(str(r["lhs"]), str(r["op"]), str(r["rhs"])), str(r.get("group", ""))): r
        for r in fit.summary().to_dict("records")
    }


def _row(table: Mapping[Any, Any], row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    rhs = "" if row["op"] in ("~1", ":=") else str(row.get("rhs") or "")
    if row["op"] == ":=":
        return next(
            (v for (key, _), v in table.items() if (v["op"], v["lhs"]) == (":=", row["lhs"])), None
        )
    return table.get((row_key(str(row["lhs"]), str(row["op"]), rhs), str(row.get("group") or "")))


def _name(row: Mapping[str, Any]) -> str:
    group = f" [{row['group']}]" if row.get("group") else ""
    return f"{row['lhs']}{row['op']}{row.get('rhs') or ''}{group}"


def _posterior_rows(case: Mapping[str, Any], fit: Fitted) -> Iterator[Check | str]:
    table = _table(fit)
    for row in case["expected"]:
        if "post_mean" not in row:
            continue
        here = _row(table, row)
        if here is None:
            yield f"{_name(row)}: not a free parameter here"
            continue
        yield Check(f"{_name(row)} mean", here["mean"], row["post_mean"], row["tol_mean"])
        yield Check(
            f"{_name(row)} sd", here["sd"], row["post_sd"], row["tol_sd_rel"] * row["post_sd"]
        )
        for end, want in zip(("lower", "upper"), row["ci95"], strict=True):
            yield Check(f"{_name(row)} {end}", here[end], want, row["tol_ci"])


def _removed(text: str, case: Mapping[str, Any]) -> str | None:
    """Lines that fix what a model of a comparison leaves out: "dem65~ind60=0", "all ... 0"."""
    paths = [r for r in Specification(str(case["model"])).table.rows if r.op == "~"]
    if "full" in text:
        return ""
    if "all latent regressions 0" in text:
        return "\n".join(f"{r.lhs} ~ 0*{r.rhs}" for r in paths)
    found = re.search(r"(\w+)\s*~\s*(\w+)\s*=\s*0", text)
    return f"{found[1]} ~ 0*{found[2]}" if found else None


def _comparison(case: Mapping[str, Any], directory: Path) -> Iterator[Check | str]:
    """elpd, its SE and p of several models, and their order."""
    first: Loo | None = None
    for row in case["expected"]:
        if "elpd_loo" not in row:
            continue
        extra = _removed(str(row["model"]), case)
        if extra is None:
            yield f"{row['model']}: this model cannot be read"
            continue
        fit = _sample(case, directory, extra=extra, priors=BLAVAAN)
        loo = loo_of(fit)
        label = str(row["model"])
        yield Check(f"{label} elpd", loo.elpd, row["elpd_loo"], row["tol_elpd"])
        yield Check(f"{label} se", loo.se, row["se"], row["tol_elpd"])
        yield Check(f"{label} p", loo.p_loo, row["p_loo"], row["tol_p"])
        if "looic" in row:
            yield Check(f"{label} looic", -2.0 * loo.elpd, row["looic"], 2.0 * row["tol_elpd"])
        yield from (f"{key}: ArviZ has no WAIC" for key in ("elpd_waic", "p_waic") if key in row)
        first = loo if first is None else first
        by_respondent = (loo.pointwise["elpd"] - first.pointwise["elpd"]).to_numpy()
        if "elpd_diff" in row:
            difference = float(by_respondent.sum())
            yield Check(f"{label} difference", difference, row["elpd_diff"], row["tol_elpd"])
        if "se_diff" in row:
            se = float(np.sqrt(len(by_respondent) * by_respondent.var(ddof=1)))
            yield Check(f"{label} se of the difference", se, row["se_diff"], row["tol_elpd"])


def _ppp_check(fit: Fitted, wanted: float) -> Check:
    """The posterior predictive p-value: a share of draws, printed with three decimals."""
    indices = fit_indices(fit)
    error = np.sqrt((wanted * (1.0 - wanted) + 1.0 / indices.replicas) / indices.replicas)
    return Check("ppp", indices.ppp, wanted, 0.001 + 3.0 * float(error))


def posterior_outcome(case: Mapping[str, Any], directory: Path) -> Outcome:
    """Compare a case about posteriors (`post_mean`, `elpd_loo`) with sampled fits."""
    rows = case["expected"]
    found: list[Check | str] = []
    measures = dict(case.get("fit") or {})
    if any("post_mean" in row for row in rows):
        text = str((case.get("options") or {}).get("priors", ""))
        fit = _sample(case, directory, priors=case_priors(text))
        found += _posterior_rows(case, fit)
        if is_number(measures.get("ppp")):
            found.append(_ppp_check(fit, measures.pop("ppp")))
    found += _comparison(case, directory)
    found += [f"fit.{key}" for key in measures]
    return _outcome(found)


def weak_prior_outcome(case: Mapping[str, Any], directory: Path) -> Outcome:
    """Compare posterior means under the default priors with `est`, within `tol_bayes_mean`."""
    rows = [
        r
        for r in case["expected"]
        if r.get("tol_bayes_mean") and r.get("estimator") in (None, "LMS") and "est" in r
    ]
    if not rows:
        return Outcome((), ())
    table = _table(_sample(case, directory, priors=None))
    found: list[Check | str] = []
    for row in rows:
        here = _row(table, row)
        if here is not None:
            found.append(
                Check(
                    f"{_name(row)} posterior mean", here["mean"], row["est"], row["tol_bayes_mean"]
                )
            )
    return _outcome(found)


def answers_outcome(case: Mapping[str, Any], directory: Path) -> Outcome:
    """Compare posterior means of a model with ordered answers with estimates of other methods.

    Every row that has a tolerance of its own (`tol_ml`), fixed ones too. Residual variances that
    the delta parameterization makes 1 less what is explained have no standard error there, and
    get the one that those of the parameters imply (`implied_error`).
    """
    fit = _sample(case, directory, priors=None)
    table, means = fit.prepared.table, fit.row_draws.mean(axis=(0, 1))
    here = {
        (row_key(r.lhs, r.op, r.rhs), table.groups[max(r.group, 0)]): float(means[k])
        for k, r in enumerate(table.rows)
    }
    at = {key: k for k, key in enumerate(here)}
    rows = {_answer_key(row): row for row in case["expected"]}
    errors = {at[key]: float(r["se"]) for key, r in rows.items() if key in at and r.get("se")}
    found: list[Check | str] = []
    for key, row in rows.items():
        if key not in here:
            found.append(f"{_name(row)}: no row here")
        elif is_number(row.get("tol_ml")):
            tolerance = float(row["tol_ml"])
            if errors and not row.get("se") and is_residual(fit, at[key]):
                draws = fit.row_draws.reshape(-1, len(table.rows))
                tolerance = 2.0 * implied_error(draws[:, at[key]], draws, errors)
            found.append(Check(f"{_name(row)} posterior mean", here[key], row["est"], tolerance))
    measures = dict(case.get("fit") or {})
    if is_number(measures.get("npar")):
        count = float(len(table.parameters))
        found.append(Check("npar", count, measures.pop("npar"), 0.5))
    found += [f"fit.{key}" for key in measures]
    return _outcome(found)


def _answer_key(row: Mapping[str, Any]) -> tuple[Any, str]:
    rhs = "" if row["op"] == "~1" else str(row.get("rhs") or "")
    return row_key(str(row["lhs"]), str(row["op"]), rhs), str(row.get("group") or "")


def is_residual(fit: Fitted, k: int) -> bool:
    """Whether a row is the residual variance of an ordered variable, which others determine."""
    table = fit.prepared.table
    row = table.rows[k]
    own = row.op == "~~" and row.lhs == row.rhs and row.lhs in table.ordered and row.free < 0
    return own and table.responses.parameterization == "delta"


def implied_error(value: np.ndarray, draws: np.ndarray, errors: Mapping[int, float]) -> float:
    """Standard error of a function of parameters, from those of the parameters (delta method).

    Its slopes and the parameters' correlations are the posterior's: a least-squares plane through
    the draws. What does not depend on a parameter has a slope of 0 there.

    Parameters
    ----------
    value : ndarray (draw,)
        The function.
    draws : ndarray (draw, row)
        The parameters.
    errors : mapping of int to float
        Standard errors by row.
    """
    which = [k for k in errors if np.ptp(draws[:, k]) > 0.0]
    own = draws[:, which] - draws[:, which].mean(axis=0)
    slopes = np.linalg.lstsq(own, value - value.mean(), rcond=None)[0]
    spread = slopes * np.array([errors[k] for k in which])
    together = np.atleast_2d(np.corrcoef(own, rowvar=False))
    return float(np.sqrt(spread @ together @ spread))


def _outcome(found: list[Check | str]) -> Outcome:
    return Outcome(
        tuple(x for x in found if isinstance(x, Check)),
        tuple(dict.fromkeys(x for x in found if isinstance(x, str))),
    )
