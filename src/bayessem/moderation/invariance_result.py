"""The ladder of measurement invariance: what it found, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from bayessem.comparison.compare_result import Comparison
from bayessem.criticism.indices import Indices
from bayessem.ml.result import MLFit
from bayessem.moderation.approximate_invariance_result import ApproximateInvariance
from bayessem.results.fitted import Fitted
from bayessem.text.columns import column, intervals, labels, marks
from bayessem.text.described import Described
from bayessem.text.document import Block, Column, Document, Heading, Lines, Paragraph, Table
from bayessem.text.formats import COUNT, ESTIMATE, SHORT, TENTHS, WORD


@dataclass(frozen=True, repr=False)
class Invariance(Described):
    """The ladder of measurement invariance; `print` it.

    Attributes
    ----------
    group : str
    groups : tuple of str
    table : DataFrame
        A row a step: logl, npar, chisq, df, cfi, rmsea, srmr, bic (of ordered items logl, npar,
        bic); against the step before chisq_difference,
        df_difference, p, cfi_change, rmsea_change; verdict: "holds", "doubtful" (the tests
        disagree), "rejected".
    releases : DataFrame
        For the first step that does not hold: parameter, chisq_difference, df_difference, p when it
        alone is freed, cfi after it, and whether it is suggested; empty when all hold.
    suggested : tuple of str
        What to free, for `group_partial=`, so that the step holds; empty when nothing, or nothing
        suffices.
    fits : dict of str to MLFit
    comparison : Comparison or None
        Of the sampled steps by leave-one-out cross-validation, with `loo`.
    sampled : dict of str to Fitted
        The sampled steps: the exact ones with `loo`, the approximate ones with `approximate`.
    indices : dict of str to Indices
        Their Bayesian fit, with its draws.
    bayesian : DataFrame
        A row a sampled step: ppp, p_d, brmsea, bcfi, brmsea_change, bcfi_change, each of the last
        four with _lower and _upper; see `sampled_ladder.fit_by_step`.
    approximate : ApproximateInvariance or None
        Nearly equal loadings and intercepts, with `approximate`.
    ci_prob : float
        Probability of the intervals.
    notes : tuple of str
    """

    group: str
    groups: tuple[str, ...]
    table: pd.DataFrame
    releases: pd.DataFrame
    suggested: tuple[str, ...]
    fits: dict[str, MLFit]
    comparison: Comparison | None
    sampled: dict[str, Fitted]
    indices: dict[str, Indices]
    bayesian: pd.DataFrame
    approximate: ApproximateInvariance | None
    ci_prob: float
    notes: tuple[str, ...]

    @property
    def highest(self) -> str:
        """The highest step up to which every step holds or is only doubtful."""
        best = "configural"
        for name, row in self.table.iterrows():
            if row["verdict"] == "rejected":
                break
            best = str(name)
        return best

    def document(self) -> Document:
        """The ladder and what it amounts to; then what was sampled."""
        releases = self.releases
        return Document.of(
            Heading(f"Measurement invariance across {self.group} ({', '.join(self.groups)})"),
            _ladder(self.table),
            Table(
                (
                    *labels(releases, ("parameter",), titles={"parameter": ""}),
                    column(releases, "chisq_difference", "chi-square", SHORT),
                    column(releases, "df_difference", "df", COUNT),
                    column(releases, "p"),
                    column(releases, "cfi", "CFI then"),
                    marks(releases, "suggested", "free it"),
                ),
                "What freeing one equality would gain",
            ).without_empty()
            if len(releases)
            else None,
            Lines(self.notes),
            _bayesian(self) if len(self.bayesian) else None,
            None if self.comparison is None else self.comparison.document().within(2),
            None if self.approximate is None else self.approximate.document().within(2),
        )


def _ladder(table: pd.DataFrame) -> Table:
    step = Column("step", [str(step) for step in table.index])
    against = (
        column(table, "chisq_difference", "difference", SHORT),
        column(table, "df_difference", "df", COUNT),
        column(table, "p"),
    )
    verdict = column(table, "verdict", "invariance", WORD)
    if "cfi" not in table:  # ordered items
        fit = (
            column(table, "logl", "log-likelihood", SHORT),
            column(table, "npar", "parameters", COUNT),
            column(table, "bic", "BIC", SHORT),
        )
        return Table((step, *fit, *against, verdict))
    fit = (
        column(table, "chisq", "chi-square", SHORT),
        column(table, "df", how=COUNT),
        column(table, "cfi", "CFI"),
        column(table, "rmsea", "RMSEA"),
    )
    changes = (
        column(table, "cfi_change", "CFI change"),
        column(table, "rmsea_change", "RMSEA change"),
    )
    return Table((step, *fit, *against, *changes, verdict))


def _bayesian(result: Invariance) -> Iterator[Block]:
    """Bayesian fit by step, with what changes."""
    table, percent = result.bayesian, f"{100 * result.ci_prob:g} %"

    def index(title: str, name: str) -> Column:
        return intervals(table, title, ESTIMATE, ends=(name, f"{name}_lower", f"{name}_upper"))

    yield Table(
        (
            Column("step", [str(step) for step in table.index]),
            column(table, "ppp", "PPP"),
            column(table, "p_d", "pD", TENTHS),
            index(f"BRMSEA [{percent}]", "brmsea"),
            index(f"BCFI [{percent}]", "bcfi"),
            index("BCFI change", "bcfi_change"),
        ),
        "Bayesian fit of each step",
    )
    yield Paragraph(
        "PPP: posterior predictive p-value. pD: effective parameters. The change is from the step "
        "before (of approximate metric from configural, of approximate scalar from approximate "
        "metric), its interval that of a difference of independent posteriors; read the means."
    )
