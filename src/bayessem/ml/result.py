"""A maximum likelihood fit, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayessem.model.prepare import Prepared
from bayessem.model.saturated import Saturated
from bayessem.results.cell_weights import CellWeights
from bayessem.results.respondent_weights import RespondentWeights, respondent_weights
from bayessem.syntax.parameters import NU
from bayessem.syntax.responses import SHAPE_BOUNDS
from bayessem.text.columns import column
from bayessem.text.described import Described
from bayessem.text.document import Block, Column, Document, Heading, Lines, Paragraph, Table
from bayessem.text.formats import NUMBER, Format
from bayessem.text.numbers import number

if TYPE_CHECKING:
    import pandas as pd

SECTIONS = (
    ("Loadings", lambda r: r.op == "=~"),
    ("Weights", lambda r: r.op == "<~"),
    ("Paths", lambda r: r.op == "~"),
    ("Covariances", lambda r: r.op == "~~" and r.lhs != r.rhs),
    ("Intercepts", lambda r: r.op == "~1"),
    ("Thresholds", lambda r: r.op == "|" and r.rhs not in SHAPE_BOUNDS),
    ("Variances", lambda r: r.op == "~~" and r.lhs == r.rhs),
    ("Shapes of distributions", lambda r: r.op == "|" and r.rhs in SHAPE_BOUNDS),
    ("Degrees of freedom", lambda r: r.op == NU),
    ("Defined", lambda r: r.op == ":="),
)
COLUMNS = {"est": "est", "se": "se", "z": "z", "pvalue": "p"}
STANDARDISED = {"std_lv": "std.lv", "std_all": "std.all"}
FIT = (
    ("CFI", "cfi"),
    ("TLI", "tli"),
    ("IFI", "ifi"),
    ("GFI (covariances)", "gfi"),
    ("RMSEA", "rmsea"),
    ("  90 % interval, lower", "rmsea.ci.lower"),
    ("  90 % interval, upper", "rmsea.ci.upper"),
    ("  p(RMSEA <= .05)", "rmsea.pvalue"),
    ("SRMR", "srmr"),
    ("  within clusters", "srmr_within"),
    ("  between clusters", "srmr_between"),
)
ANSWERS_FIT = tuple((n, key if key == "srmr" else f"c2.{key}") for n, key in FIT)
# A cell is (value, digits), or text.
STATISTIC = Format(
    lambda cell: cell if isinstance(cell, str) else number(*cell) if cell[0] == cell[0] else "-",
    numbers=lambda cell: (float("nan") if isinstance(cell, str) else cell[0],),
)


@dataclass(frozen=True, repr=False)
class MLFit(Described):
    """A model fitted by maximum likelihood; `print` it for a report.

    Attributes
    ----------
    prepared : Prepared
        Model and data as they were used.
    x : ndarray (D,)
        Free parameters, in the order of `prepared.table.parameters`.
    covariance : ndarray (D, D)
        Of the free parameters; nan without standard errors.
    table : DataFrame
        A row a parameter: lhs op rhs group label free est se z pvalue ci_lower ci_upper std_lv
        std_all. A path with a random slope s has est 0 and the label "rv: s"; its mean is that of
        s, at level 2.
    measures : dict of str to float
        Fit, under lavaan's names. For a model with product terms logl, npar and the information
        criteria; its chi-square and indices are those of `counterpart`. Of ordered answers c2,
        c2.df, c2.rmsea, ... (ml/limited_information.py) and srmr.
    r2 : dict of str to dict
        Explained share of the variance by group and variable.
    omega, ave : dict of str to dict
        Composite reliability and average variance extracted by group and construct.
    saturated : tuple of Saturated
        Sample moments by group.
    elements : ndarray
        Flat model matrices.
    se : str
        Which information the standard errors come from.
    converged : bool
        Whether a maximum was found.
    problems : tuple of str
        Everything that makes the result doubtful, in words.
    counterpart : MLFit or None
        The linear counterpart of a model with product terms.
    """

    prepared: Prepared
    x: np.ndarray
    covariance: np.ndarray
    table: pd.DataFrame
    measures: Mapping[str, float]
    r2: Mapping[str, Mapping[str, float]]
    omega: Mapping[str, Mapping[str, float]]
    ave: Mapping[str, Mapping[str, float]]
    saturated: tuple[Saturated, ...]
    elements: np.ndarray
    se: str
    converged: bool
    problems: tuple[str, ...]
    counterpart: MLFit | None = None

    @property
    def logl(self) -> float:
        """Log-likelihood, given the covariates."""
        return self.measures["logl"]

    @property
    def npar(self) -> int:
        """Number of parameters, equality constraints taken off."""
        return int(self.measures["npar"])

    def weights(self) -> RespondentWeights | CellWeights:
        """By how much respondents, or values, count in a model with heavy tails; `Fit.weights`."""
        return respondent_weights(self)

    def document(self) -> Document:
        """The model as a whole, its parameters, R2 and reliabilities."""
        return Document.of(
            Heading("Maximum likelihood"), self.measures_blocks(), _parameters(self), _shares(self)
        )

    def measures_blocks(self) -> Iterator[Block]:
        """The part about the model as a whole: respondents, tests, indices, criteria."""
        yield from _header(self)
        yield from _problems(self.problems)
        yield from _global_fit(self)
        yield _likelihood(self)
        if self.counterpart is not None:
            yield Paragraph(
                "Linear counterpart (without the product terms): the fit indices below are its own"
            )
            yield from _global_fit(self.counterpart)
            yield _likelihood(self.counterpart)
            yield from _problems(self.counterpart.problems)


def _problems(problems: Sequence[str]) -> Iterator[Paragraph]:
    for text in problems:
        yield Paragraph(f"! {text}", warning=True)


def _statistics(title: str, rows: Sequence[tuple[str, float | str, int]]) -> Table:
    cells = [x if isinstance(x, str) else (x, digits) for _, x, digits in rows]
    return Table((Column("", [name for name, _, _ in rows]), Column("", cells, STATISTIC)), title)


def _header(fit: MLFit) -> Iterator[Block]:
    sample = fit.prepared.sample
    rows: list[tuple[str, float | str, int]] = [
        ("Respondents used", sample.size, 0),
        ("Missingness patterns", sample.pattern_count, 0),
        ("Free parameters", fit.npar, 0),
        ("Standard errors", fit.se, 0),
    ]
    if sample.dropped:
        rows.append(("Respondents left out", len(sample.dropped), 0))
    if sample.elsewhere:
        rows.append(("Respondents of other groups", sample.elsewhere, 0))
    labels = sample.model_groups
    if len(labels) > 1:
        step = fit.prepared.table.levels
        rows += [
            (f"  in group {label}", int((sample.group == step * g).sum()), 0)
            for g, label in enumerate(labels)
        ]
    if sample.clusters is not None:
        sizes = sample.clusters.sizes
        rows += [
            (f"Clusters ({sample.clusters.column})", len(sizes), 0),
            ("  respondents of one", f"{sizes.min()} to {sizes.max()}", 0),
        ]
    yield _statistics("", rows)
    if fit.prepared.table.exogenous:
        yield Lines((f"Given the covariates {', '.join(fit.prepared.table.exogenous)}",))


def _global_fit(fit: MLFit) -> Iterator[Table]:
    m = fit.measures
    if "c2" in m:
        yield _statistics(
            "Test of the model by first and second moments of the answers",
            (
                ("C2", m["c2"], 3),
                ("Degrees of freedom", m["c2.df"], 0),
                ("p", m["c2.pvalue"], 3),
                ("C2 of independent answers", m["c2.baseline.chisq"], 3),
                ("Degrees of freedom of these", m["c2.baseline.df"], 0),
            ),
        )
    if "srmr" in m and "chisq" not in m:
        yield _statistics("Fit indices", [(n, m[key], 3) for n, key in ANSWERS_FIT if key in m])
    if "chisq" not in m:
        return
    yield _statistics(
        "Test of the model against the saturated model",
        (
            ("Chi-square", m["chisq"], 3),
            ("Degrees of freedom", m["df"], 0),
            ("p", m["pvalue"], 3),
            ("Chi-square of the baseline", m["baseline.chisq"], 3),
            ("Degrees of freedom of the baseline", m["baseline.df"], 0),
        ),
    )
    yield _statistics("Fit indices", [(n, m[key], 3) for n, key in FIT if key in m])


def _likelihood(fit: MLFit) -> Table:
    m = fit.measures
    rows = [("Log-likelihood", m["logl"], 3)]
    if "unrestricted.logl" in m:
        rows.append(("Log-likelihood, saturated", m["unrestricted.logl"], 3))
    rows += [
        ("AIC", m["aic"], 3),
        ("BIC", m["bic"], 3),
        ("BIC, sample-size adjusted", m["bic2"], 3),
    ]
    return _statistics("Log-likelihood and criteria", rows)


def _parameters(fit: MLFit) -> Iterator[Table]:
    table = fit.table
    groups = fit.prepared.table.groups
    for group in groups if groups == ("",) else (*groups, ""):
        for title, belongs in SECTIONS:
            chosen = [
                belongs(r)
                and not r.label.startswith("rv: ")
                and (groups == ("",) or r.group == group)
                for r in table.itertuples()
            ]
            rows = table[chosen]
            if len(rows):
                where = f" [{group}]" if group else ""
                yield Table(
                    (
                        Column("", [_name(r) for r in rows.to_dict("records")]),
                        *(column(rows, name, head) for name, head in COLUMNS.items()),
                        *(column(rows, name, head) for name, head in STANDARDISED.items()),
                    ),
                    title + where,
                )


def _name(row: Mapping[str, str]) -> str:
    if row["op"] in (":=", NU):
        return row["lhs"]
    label = f" ({row['label']})" if row["label"] else ""
    return f"{row['lhs']} {row['op']} {row['rhs']}".rstrip() + label


def _shares(fit: MLFit) -> Iterator[Table]:
    def where(group: str) -> str:
        return f" [{group}]" if group != "all" else ""

    for group, values in fit.r2.items():
        if values:
            names = Column("", list(values))
            yield Table((names, Column("", list(values.values()), NUMBER)), f"R2{where(group)}")
    for group, values in fit.omega.items():
        if values:
            yield Table(
                (
                    Column("", list(values)),
                    Column("omega", list(values.values()), NUMBER),
                    Column("AVE", [fit.ave[group][name] for name in values], NUMBER),
                ),
                f"Reliability{where(group)}",
            )
