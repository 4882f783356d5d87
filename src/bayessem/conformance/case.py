"""A reference case as bayessem's own arguments: the model, lavaan's options, the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayessem.errors import DataError, NotSupported
from bayessem.model.covariance_input import from_covariance
from bayessem.model.files import read_data_file
from bayessem.model.prepare import Prepared, prepare
from bayessem.syntax.specification import Specification

if TYPE_CHECKING:
    import pandas as pd

_DIRECT = {  # lavaan's option: ours
    "group": "group",
    "cluster": "cluster",
    "group_order": "group_order",
    "group.order": "group_order",
    "group.label": "group_order",
    "group.equal": "group_equal",
    "group.partial": "group_partial",
    "std.lv": "std_lv",
    "meanstructure": "meanstructure",
    "growth": "growth",
    "fixed.x": "fixed_x",
    "orthogonal": "orthogonal",
    "effect.coding": "effect_coding",
    "ordered": "ordered",
    "parameterization": "parameterization",
}
_MISSING = {
    "ml": "fiml",
    "fiml": "fiml",
    "direct": "fiml",
    "ml.x": "fiml",
    "fiml.x": "fiml",
    "direct.x": "fiml",
    "listwise": "listwise",
}
_ROBUST = ("mlr", "robust", "robust.huber.white", "robust.sem", "huber.white")
# About the data, or without influence on what is compared.
_ELSEWHERE = ("n", "sample.nobs", "means", "sample.mean", "note", "source", "likelihood", "mimic")


@dataclass(frozen=True)
class CaseModel:
    """A case in bayessem's terms.

    Attributes
    ----------
    options : mapping
        For `prepared_case`.
    se : str
        Kind of standard errors that the case asks for, "" for lavaan's default.
    unexpressed : tuple of str
        Options that bayessem does not have.
    """

    options: Mapping[str, Any]
    se: str
    unexpressed: tuple[str, ...]


# Options that belong to the data; all others are the model's.
READING = ("group", "group_order", "missing", "cluster")


def prepared_case(
    case: Mapping[str, Any], data: pd.DataFrame, options: Mapping[str, Any]
) -> Prepared:
    """The model of a case with its data."""
    reading = {k: v for k, v in options.items() if k in READING}
    of_model = {k: v for k, v in options.items() if k not in READING}
    return prepare(Specification(str(case["model"]), **of_model), data, **reading)


def case_model(case: Mapping[str, Any]) -> CaseModel:
    """Translate the model and the options of a case.

    Raises
    ------
    NotSupported
        For an estimator other than maximum likelihood.
    """
    given = dict(case.get("options") or {})
    options: dict[str, Any] = {}
    left: list[str] = []
    se = ""
    for key, value in given.items():
        name = key.replace("_", ".") if key.replace("_", ".") in _DIRECT else key
        if name in _DIRECT:
            options[_DIRECT[name]] = value
        elif name == "missing":
            if str(value).lower() not in _MISSING:
                raise NotSupported(f"missing = {value!r}: bayessem has FIML and listwise deletion")
            options["missing"] = _MISSING[str(value).lower()]
            if str(value).lower().endswith(".x"):
                options["fixed_x"] = False
        elif name in ("fun", "model.type"):
            options |= {"growth": {"growth": True}, "lavaan": {"auto": False}}.get(str(value), {})
        elif name == "estimator":
            if str(value).lower() not in ("ml", "mlr", "lms"):
                raise NotSupported(f"estimator {value}: bayessem has maximum likelihood only")
            se = "robust" if str(value).lower() == "mlr" else se
        elif name == "se" and str(value).lower() in (*_ROBUST, "standard", "default"):
            se = "robust" if str(value).lower() in _ROBUST else se
        elif name == "information" and str(value) in ("observed", "expected"):
            se = se or str(value)
        elif name == "likelihood" and str(value) == "wishart":
            raise NotSupported("likelihood = 'wishart': bayessem has the normal likelihood only")
        elif name not in _ELSEWHERE:
            left.append(f"option {key} = {value}")
    for key in ("group_equal", "group_partial", "group_order"):
        if isinstance(options.get(key), str):
            options[key] = (options[key],)
    options.setdefault("missing", "listwise")
    options.setdefault("meanstructure", _has_means(case, options))
    if options.get("missing") == "fiml":
        options["meanstructure"] = True
    return CaseModel(options, se, tuple(left))


def _has_means(case: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    """Whether `meanstructure` is on: as lavaan does, and where the case expects intercepts."""
    if (
        options.get("cluster") is not None
        or options.get("group") is not None
        or options.get("growth")
    ):
        return True
    if ":" in str(case["model"]).replace(":=", "") or "^" in str(case["model"]):
        return True
    return any(
        row.get("op") == "~1" or row.get("rhs") in ("1", "(Intercept)")
        for row in case.get("expected") or []
    )


def read_data(
    case: Mapping[str, Any], directory: Path, options: Mapping[str, Any]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The respondents of a case (made from its covariance matrix, if that is what it has).

    Returns
    -------
    data : DataFrame
    options : dict
        For `prepare`; without a mean structure for a covariance matrix without means.

    Raises
    ------
    DataError
        When the file is not there.
    """
    path = directory / str(case["data_file"])
    if not path.is_file():
        raise DataError(f"the data file {case['data_file']} is not in {directory}")
    data = read_data_file(str(path)).frame
    given = case.get("options") or {}
    n = given.get("n", given.get("sample.nobs"))
    names = [str(x) for x in data.iloc[:, 0]]
    columns = [str(c) for c in data.columns[1:]]
    is_matrix = names == columns or (n is not None and set(columns) <= set(names))
    if not is_matrix:
        return data, dict(options)
    if n is None:
        n = case.get("n")
    if not isinstance(n, int):
        raise NotSupported(
            f"covariance matrices with n = {n!r}: one matrix and one n are supported"
        )
    table = data.set_index(data.columns[0])
    means = given.get("means", given.get("sample.mean"))
    for label in ("mean", "means", "MEAN"):
        if means is None and label in table.index:
            means = {c: float(table.loc[label, c]) for c in columns}
    matrix = table.loc[columns, columns]
    for label in ("sd", "std", "SD"):
        if label in table.index:  # correlations with standard deviations
            sd = table.loc[label, columns].to_numpy(dtype=float)
            matrix = matrix * sd[:, None] * sd[None, :]
    out = dict(options)
    if means is None:
        out["meanstructure"] = False
    return from_covariance(matrix, n, means=means), out
