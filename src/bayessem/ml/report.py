"""The table of estimates and the printed report of a maximum likelihood fit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from bayessem.ml.constrained import named_values
from bayessem.ml.estimate import MLFit
from bayessem.syntax.expression import evaluate
from bayessem.syntax.parameters import ParameterTable

if TYPE_CHECKING:
    import pandas as pd

_SECTIONS = (
    ("Loadings", lambda r: r.op == "=~"),
    ("Paths", lambda r: r.op == "~"),
    ("Covariances", lambda r: r.op == "~~" and r.lhs != r.rhs),
    ("Intercepts", lambda r: r.op == "~1"),
    ("Variances", lambda r: r.op == "~~" and r.lhs == r.rhs),
    ("Defined", lambda r: r.op == ":="),
)

_HEADINGS = f"{'est':>10}{'se':>9}{'z':>9}{'p':>8}{'std.lv':>9}{'std.all':>9}"


def defined_standardised(table: ParameterTable, values: np.ndarray) -> np.ndarray:
    """Standardised rows (..., rows) with the definitions filled in.

    As in lavaan, a definition is computed from the standardised values of its labels, of the first
    row where several rows share one.
    """
    out = np.array(values, dtype=float)
    known: dict[str, np.ndarray] = {}
    by_parameter: dict[int, np.ndarray] = {}
    for k, row in enumerate(table.rows):
        if row.group < 0:
            continue
        if row.free >= 0:
            by_parameter.setdefault(row.free, out[..., k])
        if row.label:
            known.setdefault(row.label, by_parameter.get(row.free, out[..., k]))
    for at, value in by_parameter.items():
        known.setdefault(table.parameters[at], value)
    for k, row in enumerate(table.rows):
        if row.op == ":=" and row.expression is not None:
            out[..., k] = known[row.lhs] = evaluate(row.expression, known)
    return out


def definition_gradients(table: ParameterTable, x: np.ndarray, *, scale: np.ndarray) -> np.ndarray:
    """Derivatives of the definitions by the free parameters, (definitions, D).

    Central differences with steps of 1e-4 of `scale` (D,).
    """
    step = 1e-4 * scale
    ahead = named_values(table, x + np.diag(step))
    behind = named_values(table, x - np.diag(step))
    out = [
        np.broadcast_to(ahead[row.lhs] - behind[row.lhs], x.shape) / (2.0 * step)
        for row in table.defined
    ]
    return np.array(out).reshape(-1, len(x))


def estimates(
    table: ParameterTable,
    *,
    values: np.ndarray,
    covariance: np.ndarray,
    x: np.ndarray,
    std_all: np.ndarray,
    std_lv: np.ndarray,
) -> pd.DataFrame:
    """The table of estimates; standard errors of definitions by the delta method.

    Parameters
    ----------
    table : ParameterTable
        The model.
    values, std_all, std_lv : ndarray (rows,)
        Unstandardised and standardised value of each row.
    covariance : ndarray (D, D)
        Of the free parameters.
    x : ndarray (D,)
        The free parameters.

    Returns
    -------
    DataFrame
        A row a parameter, constraints left out.
    """
    import pandas as pd

    with np.errstate(invalid="ignore"):
        spread = np.sqrt(np.diag(covariance))
        se = np.full(len(table.rows), np.nan)
        for k, row in enumerate(table.rows):
            if row.free >= 0:
                se[k] = spread[row.free]
        if table.defined:
            scale = np.where(np.isfinite(spread) & (spread > 0), spread, np.abs(x) + 1.0)
            gradients = definition_gradients(table, x, scale=scale)
            delta = np.sqrt(np.einsum("ij,jk,ik->i", gradients, covariance, gradients))
            at = [k for k, row in enumerate(table.rows) if row.op == ":="]
            # Definitions are stored in the order in which they can be computed, as in `defined`.
            se[at] = delta
    rows = []
    for k, row in enumerate(table.rows):
        if row.op in ("==", "<", ">"):
            continue
        z = values[k] / se[k] if se[k] > 0 else math.nan
        rows.append(
            {
                "lhs": row.lhs,
                "op": row.op,
                "rhs": row.rhs,
                "group": table.groups[row.group] if row.group >= 0 else "",
                "label": row.label,
                "free": row.free >= 0,
                "est": values[k],
                "se": se[k],
                "z": z,
                "pvalue": 2.0 * norm.sf(abs(z)),
                "ci_lower": values[k] - norm.ppf(0.975) * se[k],
                "ci_upper": values[k] + norm.ppf(0.975) * se[k],
                "std_lv": std_lv[k],
                "std_all": std_all[k],
            }
        )
    return pd.DataFrame(rows)


def _line(name: str, value: float, digits: int = 3) -> str:
    text = "-" if math.isnan(value) else f"{value:.{digits}f}"
    return f"  {name:<52}{text:>14}"


def _global_fit(fit: MLFit) -> list[str]:
    m = fit.measures
    if "chisq" not in m:
        return []
    return [
        "",
        "Test of the model against the saturated model",
        _line("Chi-square", m["chisq"]),
        _line("Degrees of freedom", m["df"], 0),
        _line("p", m["pvalue"]),
        _line("Chi-square of the baseline", m["baseline.chisq"]),
        _line("Degrees of freedom of the baseline", m["baseline.df"], 0),
        "",
        "Fit indices",
        _line("CFI", m["cfi"]),
        _line("TLI", m["tli"]),
        _line("IFI", m["ifi"]),
        _line("GFI (covariances)", m["gfi"]),
        _line("RMSEA", m["rmsea"]),
        _line("  90 % interval, lower", m["rmsea.ci.lower"]),
        _line("  90 % interval, upper", m["rmsea.ci.upper"]),
        _line("  p(RMSEA <= .05)", m["rmsea.pvalue"]),
        _line("SRMR", m["srmr"]),
    ]


def _likelihood(fit: MLFit) -> list[str]:
    m = fit.measures
    lines = ["", "Log-likelihood and criteria", _line("Log-likelihood", m["logl"])]
    if "unrestricted.logl" in m:
        lines.append(_line("Log-likelihood, saturated", m["unrestricted.logl"]))
    return [
        *lines,
        _line("AIC", m["aic"]),
        _line("BIC", m["bic"]),
        _line("BIC, sample-size adjusted", m["bic2"]),
    ]


def _header(fit: MLFit) -> list[str]:
    sample = fit.prepared.sample
    lines = [
        "Maximum likelihood",
        _line("Respondents used", sample.size, 0),
        _line("Missingness patterns", sample.pattern_count, 0),
        _line("Free parameters", fit.npar, 0),
        f"  {'Standard errors':<52}{fit.se:>14}",
    ]
    if sample.dropped:
        lines.append(_line("Respondents left out", len(sample.dropped), 0))
    if sample.elsewhere:
        lines.append(_line("Respondents of other groups", sample.elsewhere, 0))
    if len(sample.groups) > 1:
        lines += [
            _line(f"  in group {label}", int((sample.group == g).sum()), 0)
            for g, label in enumerate(sample.groups)
        ]
    if sample.groups != ("",) or fit.prepared.table.exogenous:
        given = ", ".join(fit.prepared.table.exogenous)
        lines += [f"  Given the covariates {given}"] if given else []
    return lines


def _parameters(fit: MLFit) -> list[str]:
    table = fit.table
    lines: list[str] = []
    groups = fit.prepared.table.groups
    for group in (*groups, None) if groups != ("",) else (None,):
        for title, belongs in _SECTIONS:
            rows = [
                r
                for r in table.itertuples()
                if belongs(r)
                and (groups == ("",) or r.group == (group if group is not None else ""))
            ]
            if rows:
                where = f" [{group}]" if group else ""
                lines += [
                    "",
                    f"{title + where:<32}" + _HEADINGS,
                    *(_parameter_line(r) for r in rows),
                ]
    return lines


def _parameter_line(row: Any) -> str:
    name = row.lhs if row.op == ":=" else f"{row.lhs} {row.op} {row.rhs}".rstrip()
    label = f" ({row.label})" if row.label and row.op != ":=" else ""
    cells = [(row.est, 10), (row.se, 9), (row.z, 9), (row.pvalue, 8)]
    cells += [(row.std_lv, 9), (row.std_all, 9)]
    return f"  {name + label:<30}" + "".join(
        f"{'' if math.isnan(v) else f'{v:.3f}':>{width}}" for v, width in cells
    )


def _shares(fit: MLFit) -> list[str]:
    lines = []
    for group, values in fit.r2.items():
        if values:
            where = f" [{group}]" if group != "all" else ""
            lines += ["", f"R2{where}", *(_line(name, v) for name, v in values.items())]
    for group, values in fit.omega.items():
        if values:
            where = f" [{group}]" if group != "all" else ""
            head = f"Reliability{where}"
            lines += ["", f"{head:<54}{'omega':>7}{'AVE':>7}"]
            lines += [
                f"  {name:<52}{v:>7.3f}{fit.ave[group][name]:>7.3f}" for name, v in values.items()
            ]
    return lines


def ml_text(fit: MLFit) -> str:
    """The printed report of a fit."""
    return "\n".join([measures_text(fit), *_parameters(fit), *_shares(fit)])


def measures_text(fit: MLFit) -> str:
    """The part of the report about the model as a whole: no parameters."""
    lines = _header(fit)
    if fit.problems:
        lines += ["", "Problems", *(f"  ! {text}" for text in fit.problems)]
    lines += [*_global_fit(fit), *_likelihood(fit)]
    if fit.counterpart is not None:
        lines += [
            "",
            "Linear counterpart (without the product terms): the fit indices below are its own",
            *_global_fit(fit.counterpart),
            *_likelihood(fit.counterpart),
        ]
        lines += [f"  ! {text}" for text in fit.counterpart.problems]
    return "\n".join(lines)
