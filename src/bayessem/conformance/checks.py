"""The values of a reference case beside those of a fit: what is compared, and how closely."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from bayessem.ml.estimate import MLFit
from bayessem.results.reliability import construct_indicators, heterotrait_monotrait
from bayessem.shapes.utest import fieller_interval, lind_mehlum

if TYPE_CHECKING:
    import pandas as pd

# Labels of estimators whose numbers are maximum likelihood's own.
MAXIMUM_LIKELIHOOD = ("ML", "MLR", "LMS")
_COUNTS = ("npar", "df", "baseline.df", "ntotal")
_LIKELIHOODS = ("logl", "unrestricted.logl", "chisq", "baseline.chisq")
_CRITERIA = ("aic", "bic", "bic2")
_ROW_NOTES = {
    "lhs", "op", "rhs", "label", "group", "estimator", "kind", "source", "note", "free",
    "tol_ml", "tol_bayes_mean", "exo", "block", "level",
}  # fmt: skip
_ROW_VALUES = {
    "est": "est", "se": "se", "std_all": "std_all", "std.all": "std_all", "std_lv": "std_lv",
    "std.lv": "std_lv", "z": "z", "pvalue": "pvalue",
}  # fmt: skip
_CASE_NOTES = {
    "id", "title", "features", "role", "source", "licence", "n", "options", "model", "data_file",
    "note", "notes", "expected", "fit", "r2", "derived", "omega", "ave", "htmt", "loglik_check",
    "simple_slopes", "group", "data", "doi", "reference",
}  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One value compared."""

    what: str
    got: float
    want: float
    tolerance: float

    @property
    def deviation(self) -> float:
        """In units of the tolerance; inf where there is no number."""
        off = abs(self.got - self.want) / self.tolerance
        return off if math.isfinite(off) else math.inf

    @property
    def passed(self) -> bool:
        """Whether it is within the tolerance (with a little room for decimal fractions)."""
        return self.deviation <= 1.0 + 1e-9

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.got:.8g} here, {self.want:.8g} there "
            f"({self.deviation:.2f} tolerances of {self.tolerance:.2g})"
        )


@dataclass(frozen=True)
class Outcome:
    """Everything compared of a case, and what could not be."""

    checks: tuple[Check, ...]
    unexpressed: tuple[str, ...]


Found = Iterator[Check | str]  # a str is something that could not be compared


def compare(case: Mapping[str, Any], fit: MLFit, *, data: pd.DataFrame) -> Outcome:
    """Compare everything that a case expects with a fit."""
    found: list[Check | str] = [
        *_expected(case, fit),
        *_fit(case.get("fit"), fit),
        *_shares(case.get("r2"), fit.r2, "R2"),
        *_shares(case.get("omega"), fit.omega, "omega"),
        *_shares(case.get("ave"), fit.ave, "AVE"),
        *_htmt(case.get("htmt"), fit),
        *_derived(case.get("derived"), fit, data),
        *_loglik_check(case.get("loglik_check"), fit),
        *(f"{key}: not known here" for key in case if key not in _CASE_NOTES),
    ]
    if case.get("simple_slopes"):
        found.append("simple_slopes: of another estimator than maximum likelihood")
    return Outcome(
        tuple(x for x in found if isinstance(x, Check)),
        tuple(dict.fromkeys(x for x in found if isinstance(x, str))),
    )


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value of the file can be compared."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def unit(values: Sequence[Any], *, least: float = 1e-4) -> float:
    """One unit of the last decimal to which values are printed, but at least `least`."""
    decimals = 0
    for value in values:
        if is_number(value):
            exponent = Decimal(repr(value)).as_tuple().exponent
            decimals = max(decimals, -exponent if isinstance(exponent, int) else 0)
    return max(10.0**-decimals, least)


def _expected(case: Mapping[str, Any], fit: MLFit) -> Found:
    """Compare the rows of `expected`."""
    rows = [r for r in case.get("expected") or [] if isinstance(r, Mapping)]
    labels = {str(r["estimator"]) for r in rows if r.get("estimator")}
    ours = [x for x in MAXIMUM_LIKELIHOOD if x in labels]
    for other in sorted(labels - set(ours)):
        count = sum(1 for r in rows if r.get("estimator") == other)
        yield f"{count} rows of estimator {other}, which is not maximum likelihood"
    rows = [r for r in rows if not r.get("estimator") or r["estimator"] in ours]
    steps = {
        key: unit([r.get(key) for r in rows], least=1e-4 if key[:3] == "std" else 0.0)
        for key in _ROW_VALUES
    }
    for row in rows:
        if row.get("op") == "=~" and row.get("lhs") == row.get("rhs"):
            continue  # how lavaan has a random slope in its table: measured by itself, with 0
        name = f"{row.get('lhs')} {row.get('op')} {row.get('rhs') or ''}".rstrip()
        if row.get("group"):
            name += f" [{row['group']}]"
        if row.get("level"):
            name += f" (level {row['level']})"
        here = _find_row(row, fit)
        if here is None:
            yield f"{name}: no such parameter in the model"
            continue
        for key, value in row.items():
            if key in _ROW_VALUES and is_number(value):
                if key == "se" and (value == 0 or not here["free"] and row.get("op") != ":="):
                    continue  # a fixed parameter
                curved = fit.counterpart is not None
                tolerance = _row_tolerance(key, value, row, steps[key], curved=curved)
                yield Check(f"{name} {key}", float(here[_ROW_VALUES[key]]), value, tolerance)
            elif key not in _ROW_NOTES and key not in _ROW_VALUES:
                yield f"column {key} of the expected rows"


def _row_tolerance(
    key: str, value: float, row: Mapping[str, Any], step: float, *, curved: bool
) -> float:
    if key == "est":
        own = row.get("tol_ml")
        if is_number(own) and own > 0:
            return float(own)
        se = row.get("se")
        return max(0.01 * float(se), step) if is_number(se) and se > 0 else max(step, 1e-4)
    if key in ("se", "z"):
        return max((0.1 if curved else 0.01) * abs(value), step)
    return max(step, 1e-4)


def _find_row(row: Mapping[str, Any], fit: MLFit) -> Mapping[str, Any] | None:
    """The fit's row that a row of the file is about."""
    lhs, op, rhs = str(row.get("lhs")), str(row.get("op")), str(row.get("rhs") or "")
    if op == "~" and rhs in ("1", "(Intercept)"):
        op, rhs = "~1", ""
    if op == "~1":
        rhs = ""
    table = fit.table
    outcomes = list(dict.fromkeys(table.lhs[table.op == "~"]))
    if lhs == "y" and "y" not in set(table.lhs) and len(outcomes) == 1:
        lhs = outcomes[0]  # "y" is what regression programs call the outcome
    wanted = {(lhs, rhs), (rhs, lhs)} if op == "~~" else {(lhs, rhs)}
    if ":" in rhs:
        wanted |= {(lhs, ":".join(order)) for order in (rhs.split(":"), rhs.split(":")[::-1])}
    levels = fit.prepared.table.levels
    groups = [g for g in fit.prepared.table.groups if g]
    group = row.get("group")
    if levels > 1 and row.get("level") in (1, 2):  # blocks, by group and level
        names = list(fit.prepared.sample.model_groups)
        first = names.index(str(group)) + 1 if str(group) in names else int(group or 1)
        group = levels * (first - 1) + int(row["level"])
    label = groups[int(group) - 1] if isinstance(group, int) and 0 < group <= len(groups) else group
    for here in table.to_dict("records"):
        if here["op"] != op:
            continue
        if op == ":=":
            if here["lhs"] == lhs:
                return here
        elif (here["lhs"], here["rhs"]) in wanted and (
            label in (None, "") or not groups or here["group"] == str(label)
        ):
            return here
    return None


def _fit(wanted: Any, fit: MLFit) -> Found:
    """Compare fit measures; those of several estimators are a mapping each."""
    if not isinstance(wanted, Mapping):
        return
    nested = {k: v for k, v in wanted.items() if isinstance(v, Mapping) and k != "r2"}
    ours = [x for x in MAXIMUM_LIKELIHOOD if x in nested]
    for name in nested:
        if name not in ours:
            yield f"fit of estimator {name}, which is not maximum likelihood"
    flat = {k: v for k, v in wanted.items() if k not in nested}
    for group in (flat, *(nested[x] for x in ours)):
        yield from _fit_values(group, fit)


def _fit_values(wanted: Mapping[str, Any], fit: MLFit) -> Found:
    curved = fit.counterpart is not None
    likelihoods = (*_LIKELIHOODS, *_CRITERIA)
    step = unit([v for k, v in wanted.items() if k not in likelihoods])
    for key, value in wanted.items():
        if key == "r2":
            yield from _r2_of_fit(value, fit)
            continue
        name, source = key, fit
        if key.startswith("h0_") and fit.counterpart is not None:
            name, source = key[3:], fit.counterpart
        if name == "gfi" and "gfi.means" in source.measures:
            name = "gfi.means"  # lavaan counts the means in
        if name not in source.measures or not is_number(value):
            yield f"fit measure {key}"
            continue
        if name in _COUNTS:
            tolerance = 1e-6
        elif name in likelihoods:
            tolerance = max(2e-3, unit([value], least=0.0))
            if curved and source is fit:
                each = 0.1 * max(1.0, fit.prepared.sample.size / 1000.0)
                tolerance = max(tolerance, 2.0 * each if name in _CRITERIA else each)
        else:
            tolerance = step
        got = source.measures[name]
        if key == "h0_chisq":  # modsem multiplies by N - 1
            got *= 1.0 - 1.0 / source.prepared.sample.size
        yield Check(key, got, value, tolerance)


def _r2_of_fit(value: Any, fit: MLFit) -> Found:
    first = next(iter(fit.r2.values()))
    if isinstance(value, Mapping):
        for name, want in value.items():
            if name in first and is_number(want):
                yield Check(f"R2 {name}", first[name], want, unit(list(value.values())))
            else:
                yield f"R2 of {name}"
    elif is_number(value) and len(first) == 1:
        yield Check("R2", next(iter(first.values())), value, unit([value]))
    else:
        yield "fit measure r2"


def _by_group(wanted: Mapping[str, Any], labels: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    """(group, name, value) from {name: v}, {group: {name: v}} or {name: [v, ...]}."""
    order = [str(x) for x in wanted["group"]] if isinstance(wanted.get("group"), list) else labels
    for name, value in wanted.items():
        if name == "group":
            continue
        if isinstance(value, Mapping):
            yield from ((name, inner, v) for inner, v in value.items())
        elif isinstance(value, list):
            yield from ((group, name, v) for group, v in zip(order, value, strict=False))
        else:
            yield labels[0], name, value


def _shares(wanted: Any, have: Mapping[str, Mapping[str, float]], what: str) -> Found:
    """Compare R2, omega or AVE."""
    if not isinstance(wanted, Mapping):
        return
    triples = list(_by_group(wanted, list(have)))
    step = unit([v for _, _, v in triples])
    for group, name, value in triples:
        values = have.get(group) or (next(iter(have.values())) if len(have) == 1 else {})
        where = f" [{group}]" if len(have) > 1 else ""
        if name not in values or not is_number(value):
            yield f"{what} of {name}{where}"
        else:
            yield Check(f"{what} {name}{where}", values[name], value, step)


def _htmt(wanted: Any, fit: MLFit) -> Found:
    """Compare HTMT by pair, from data correlations; HTMT2 where that is what the file holds."""
    if not isinstance(wanted, Mapping):
        return
    structure = fit.prepared.structure
    columns = {
        name: [structure.observed.index(x) for x in indicators]
        for name, indicators in construct_indicators(structure).items()
    }
    by_pair: dict[tuple[str, str], list[float]] = {}
    for geometric in (False, True):
        found = heterotrait_monotrait(fit.saturated[0].covariance, columns, geometric=geometric)
        for (one, other), value in found.items():
            by_pair.setdefault((one, other), []).append(float(value))
            by_pair.setdefault((other, one), []).append(float(value))
    triples = []
    for key, value in wanted.items():
        if isinstance(value, Mapping):
            triples += [(key, other, v) for other, v in value.items() if other != key]
        else:
            one, _, other = re.sub(r"\s*(~~|:|\||,|/|--)\s*", "\t", key).partition("\t")
            triples.append((one, other, value))
    known = [v for _, _, v in triples if is_number(v)]
    step = unit(known)
    for one, other, value in triples:
        if (one, other) not in by_pair or not is_number(value):
            yield f"HTMT of {one} and {other}"
            continue
        checks = [Check(f"HTMT {one} {other}", v, value, step) for v in by_pair[one, other]]
        yield min(checks, key=lambda check: check.deviation)


def _loglik_check(wanted: Any, fit: MLFit) -> Found:
    if not isinstance(wanted, Mapping):
        return
    value = next((wanted[k] for k in ("logLik", "loglik", "logl") if k in wanted), None)
    if not is_number(value):
        yield "loglik_check without a value"
        return
    tolerance = wanted.get("tol")
    tolerance = float(tolerance) if is_number(tolerance) else 0.1
    yield Check("loglik_check", fit.measures["logl"], float(value), tolerance)
    for key in wanted:
        if key not in ("logLik", "loglik", "logl", "tol", "note", "source"):
            yield f"loglik_check {key}"


def _derived(wanted: Any, fit: MLFit, data: pd.DataFrame) -> Found:
    """Compare derived quantities: definitions by name, and the test of a U shape."""
    if isinstance(wanted, list):
        yield from _expected({"expected": wanted}, fit)
        return
    if not isinstance(wanted, Mapping):
        return
    shape = _shape_values(wanted, fit, data) if "extreme_point" in wanted else {}
    table = fit.table
    for key, value in wanted.items():
        rows = table[(table.lhs == key) & (table.op == ":=") | (table.label == key)]
        if key in shape:
            got = shape[key]
            values = value if isinstance(value, list) else [value]
            for here, want in zip(got, values, strict=True):
                relative = 0.02 if "p" in key.split("_") else 1e-3
                yield Check(f"derived {key}", here, want, max(relative * abs(want), 1e-300))
        elif key in ("interval", "method", "note"):
            continue
        elif len(rows) and isinstance(value, Mapping):
            yield from _expected({"expected": [{**_key(rows), **value}]}, fit)
        elif len(rows) and is_number(value):
            row = {**_key(rows), "est": value, "se": float(rows.iloc[0].se)}
            checks = _expected({"expected": [row]}, fit)
            yield from (c for c in checks if isinstance(c, Check) and c.what.endswith(" est"))
        else:
            yield f"derived {key}"


def _key(rows: pd.DataFrame) -> dict[str, str]:
    first = rows.iloc[0]
    return {"lhs": first.lhs, "op": first.op, "rhs": first.rhs, "group": first.group}


def _shape_values(
    wanted: Mapping[str, Any], fit: MLFit, data: pd.DataFrame
) -> dict[str, list[float]]:
    """Lind and Mehlum's test for an observed predictor and its square, as regressions have it."""
    paths = fit.table[fit.table.op == "~"]
    names = list(paths.rhs)
    square = next(
        (
            (x, q)
            for x in names
            for q in names
            if x != q and x in data and q in data and np.allclose(data[x] ** 2, data[q])
        ),
        None,
    )
    if square is None or "interval" not in wanted:
        return {}
    parameters = fit.prepared.table.parameters
    outcome = paths.lhs.iloc[0]
    at = [parameters.index(f"{outcome}~{name}") for name in square]
    n, df = fit.prepared.sample.size, fit.prepared.sample.size - len(names) - 1
    # Regression programs divide the residual sum of squares by n - k, maximum likelihood by n.
    covariance = fit.covariance[np.ix_(at, at)] * n / df
    coefficients = float(fit.x[at[0]]), float(fit.x[at[1]])
    low, high = (float(v) for v in wanted["interval"])
    test = lind_mehlum(coefficients, covariance, interval=(low, high), df=df)
    values = {
        "slope_at_bounds": list(test.slopes),
        "t": list(test.t),
        "p_one_sided": list(test.p),
        "overall_p": [test.overall_p],
        "extreme_point": [test.turning_point],
        "extreme_se_delta": [test.turning_point_se],
        "fieller90": list(fieller_interval(coefficients, covariance, df=df, level=0.90)),
        "fieller95": list(fieller_interval(coefficients, covariance, df=df)),
    }
    return {key: value for key, value in values.items() if key in wanted}
