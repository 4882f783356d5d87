"""The quality of measurement: its tables, how it is shown, and the formulas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.measurement.constructs import Construct
from bayessem.measurement.tables import HTMT_LIMITS, THRESHOLDS
from bayessem.text.columns import column, intervals
from bayessem.text.described import Described
from bayessem.text.document import (
    Block,
    Column,
    Document,
    Heading,
    Items,
    Lines,
    Notes,
    Paragraph,
    Table,
)
from bayessem.text.formats import COUNT, WORD, Format, estimate_text, shortened
from bayessem.text.numbers import number

# A threshold counts as passed from this probability on.
SURE = 0.95
# Characters of an indicator's label.
LABEL = 40
# A cell is (value, whether it stands on the diagonal, in parentheses).
CELL = Format(
    lambda cell: f"({number(cell[0], 2)})" if cell[1] else number(cell[0], 2),
    numbers=lambda cell: (cell[0],),
)


@dataclass(frozen=True, repr=False)
class Measurement(Described):
    """Measurement quality; `print` it for a report with the formulas.

    The tables have a column `group` where the model has several.

    Attributes
    ----------
    loadings : DataFrame
        Standardised: construct, indicator, label (the indicator's, "" without), level; mean, sd,
        lower, upper, p_above (the probability that it exceeds .70), r_hat, ess_bulk, ess_tail.
    reliability : DataFrame
        construct, level, items, measure ("omega", "ave", "alpha", "alpha_data", "omega_items";
        "omega_answers": of the sum of ordered answers; "omega_means" of constructs of clusters: of
        the means of their respondents); mean, sd, lower, upper, threshold, p_pass, r_hat, ess_bulk,
        ess_tail.
    fornell_larcker : DataFrame
        construct, ave, nearest (the variable it correlates most with), squared_correlation (its
        mean), p_pass: probability that the AVE exceeds all squared correlations.
    htmt : DataFrame
        construct, other, htmt (of the sample; with ordered items the posterior mean), lower, upper,
        p_below_85, p_below_90.
    correlations : DataFrame
        construct, other; mean, sd, lower, upper, p_above_90 (of the absolute value), verdict,
        r_hat, ess_bulk, ess_tail.
    weights : DataFrame
        Of composites: composite, item, label; of the standardised weight mean, sd, lower, upper,
        p_positive, r_hat, ess_bulk, ess_tail; of the loading (the correlation of item and
        composite) loading_mean, loading_sd, loading_lower, loading_upper; vif (variance inflation
        factor of the item among those of its composite, in the data).
    draws : Dataset
        loading, omega, ave, alpha, omega_items, omega_answers, correlation over (chain, draw).
    constructs : tuple of Construct
        What was measured, by how many indicators and on which level.
    notes : tuple of str
        What has no reliability and why, and what makes a number doubtful.
    groups : tuple of str
        Those shown; ("",) for a model of one group.
    ci_prob : float
        Probability of the intervals.
    standardized : bool
        Whether omega, AVE and alpha of the items are those of standardised items.
    bootstrap, random_seed : int
        Bootstrap draws behind HTMT and alpha_data, and their seed.
    ordered : bool
        Whether there are ordered items: all but alpha_data and omega_answers is then about latent
        responses.
    levels : bool
        Whether the groups are the levels of a two-level model.
    """

    loadings: pd.DataFrame
    reliability: pd.DataFrame
    fornell_larcker: pd.DataFrame
    htmt: pd.DataFrame
    correlations: pd.DataFrame
    weights: pd.DataFrame
    draws: xr.Dataset
    constructs: tuple[Construct, ...]
    notes: tuple[str, ...]
    groups: tuple[str, ...]
    ci_prob: float
    standardized: bool
    bootstrap: int
    random_seed: int
    ordered: bool = False
    levels: bool = False

    def document(self) -> Document:
        """By group loadings, reliability and discriminant validity; then the formulas."""
        chains, draws = self.draws.sizes["chain"], self.draws.sizes["draw"]
        several = sum(len(c.indicators) > 1 for c in self.constructs)
        total = len(self.constructs)
        which = "each" if several == total and total > 1 else f"{several} of them"
        measured = f"{_count(total, 'construct')}, {which} with two or more indicators"
        composites = self.weights["composite"].nunique() if len(self.weights) else 0
        parts = [measured] if total else []
        parts += [_count(composites, "composite")] if composites else []
        return Document.of(
            Paragraph(
                f"Measurement quality: {' and '.join(parts)}; {chains * draws} draws, intervals of "
                f"{100 * self.ci_prob:g} %."
            ),
            *(_group(self, group) for group in self.groups),
            Heading("How it is computed", 2),
            _formulas(self),
            Notes(self.notes),
        )


def _count(number_of: int, noun: str) -> str:
    return f"{number_of} {noun}{'' if number_of == 1 else 's'}"


def _of(table: pd.DataFrame, group: str) -> pd.DataFrame:
    return table[table["group"] == group] if "group" in table else table


def _group(result: Measurement, group: str) -> Iterator[Block]:
    """What is said about one group; "" is that of a model without groups."""
    if group:
        yield Heading(group, 2)
    if len(result.weights):
        yield _weights(_of(result.weights, group))
    loadings = _of(result.loadings, group)
    if not len(loadings):
        return
    again = loadings["construct"].eq(loadings["construct"].shift())
    yield Table(
        (
            Column("", loadings["construct"].mask(again, "").tolist()),
            Column("", loadings["indicator"].tolist()),
            *_judged(loadings, "mean", "p_above", "loading"),
            column(loadings, "label", how=shortened(LABEL)),
        ),
        "Standardised loadings",
    ).without_empty()
    yield _reliability(_of(result.reliability, group))
    if result.ordered:
        yield Lines((_answers_sentence(_of(result.reliability, group)),))
    several = (
        len(_of(result.correlations, group)) if result.levels else len(result.draws["variable"]) > 1
    )
    if several:
        yield Heading("Discriminant validity", 3 if group else 2)
        yield _matrix(result, group)
        yield _fornell_larcker(_of(result.fornell_larcker, group))
        yield Lines(
            (
                *(() if result.levels else (_htmt_sentence(_of(result.htmt, group)),)),
                _verdict_sentence(_of(result.correlations, group)),
            )
        )


def _weights(table: pd.DataFrame) -> Table:
    """Weights, loadings and collinearity of the items of composites."""
    again = table["composite"].eq(table["composite"].shift())
    return Table(
        (
            Column("", table["composite"].mask(again, "").tolist()),
            Column("", table["item"].tolist()),
            column(table, "mean", "weight"),
            intervals(table, "interval"),
            column(table, "p_positive", "P(>0)"),
            column(table, "loading_mean", "loading"),
            intervals(table, "loading interval", ends=("loading_lower", "loading_upper")),
            column(table, "vif", "VIF"),
            column(table, "label", how=shortened(LABEL)),
        ),
        "Composites: standardised weights, loadings, collinearity of the items",
    ).without_empty()


def _judged(table: pd.DataFrame, title: str, passed: str, limit: str) -> list[Column]:
    """Mean, interval, and the probability that it exceeds the threshold of this name."""
    return [
        column(table, "mean", title),
        intervals(table, "interval"),
        column(table, passed, f"P(> {THRESHOLDS[limit]:.2f})"),
    ]


def _reliability(table: pd.DataFrame) -> Table:
    """A row a construct; measures that none has are left out."""
    names = list(dict.fromkeys(table["construct"]))
    by = {
        measure: table[table["measure"] == measure].set_index("construct").reindex(names)
        for measure in (
            "omega",
            "ave",
            "alpha",
            "alpha_data",
            "omega_items",
            "omega_answers",
            "omega_means",
        )
    }
    return Table(
        (
            Column("", names),
            column(by["omega"], "items", "k", COUNT),
            *_judged(by["omega"], "omega", "p_pass", "omega"),
            *_judged(by["ave"], "AVE", "p_pass", "ave"),
            column(by["alpha"], "mean", "alpha"),
            column(by["alpha_data"], "mean", "alpha (data)"),
            column(by["omega_items"], "mean", "omega_items"),
            column(by["omega_answers"], "mean", "omega of the sum"),
            intervals(by["omega_answers"], "interval"),
            column(by["omega_means"], "mean", "omega_means"),
        ),
        "Reliability and convergent validity",
    ).without_empty()


def _matrix(result: Measurement, group: str) -> Table:
    """Correlations, AVE and HTMT in one; without columns in which there is nothing."""
    names = [str(v) for v in result.draws["variable"].values]
    if result.levels:  # the variables of this level
        there = _of(result.correlations, group)
        own = {
            *there["construct"],
            *there["other"],
            *_of(result.fornell_larcker, group)["construct"],
        }
        names = [name for name in names if name in own]
    cells: dict[tuple[str, str], tuple[float, bool]] = {}
    for r in _of(result.correlations, group).to_dict("records"):
        cells[r["other"], r["construct"]] = (r["mean"], False)
    for r in _of(result.htmt, group).to_dict("records"):
        # Their order here may differ from that of the variables.
        first, second = sorted((r["construct"], r["other"]), key=names.index)
        cells[first, second] = (r["htmt"], False)
    for r in _of(result.fornell_larcker, group).to_dict("records"):
        cells[r["construct"], r["construct"]] = (np.sqrt(r["ave"]), True)
    nothing = (np.nan, False)
    return Table(
        (
            Column("", names),
            *(Column(b, [cells.get((a, b), nothing) for a in names], CELL) for b in names),
        ),
        "Below the diagonal correlations, on it sqrt(AVE)"
        + (
            ""
            if result.levels
            else ", above it HTMT of latent responses"
            if result.ordered
            else ", above it HTMT of the data"
        ),
    ).without_empty()


def _fornell_larcker(table: pd.DataFrame) -> Table:
    compared = table[table["nearest"] != ""]
    return Table(
        (
            Column("Fornell-Larcker", compared["construct"].tolist()),
            column(compared, "ave", "AVE"),
            column(compared, "squared_correlation", "largest squared r"),
            column(compared, "nearest", "with", WORD),
            column(compared, "p_pass", "P(AVE > all)"),
        )
    )


def _pair(row: pd.Series, value: str) -> str:
    """A pair of constructs with its value and interval."""
    said = estimate_text((row[value], row["lower"], row["upper"]), 2)
    return f"{row['construct']} - {row['other']} {said}"


def _answers_sentence(table: pd.DataFrame) -> str:
    """Whether sums of answers are reliable enough, by the probability that omega exceeds .70."""
    own = table[table["measure"] == "omega_answers"]
    if own.empty:
        return "No scale consists of ordered items alone; omega of a sum of answers is about those."
    limit = THRESHOLDS["omega"]
    words: dict[str, list[str]] = {"yes": [], "no": [], "open": []}
    for r in own.to_dict("records"):
        verdict = "yes" if r["p_pass"] >= SURE else "no" if r["p_pass"] <= 1.0 - SURE else "open"
        words[verdict].append(
            f"{r['construct']} {estimate_text((r['mean'], r['lower'], r['upper']), 2)}"
        )
    said = [
        f"{text} {limit:.2f} for {', '.join(words[key])}"
        for key, text in (("yes", "above"), ("open", "not surely above"), ("no", "below"))
        if words[key]
    ]
    return f"Reliability of the sum of the answers: {'; '.join(said)}."


def _htmt_sentence(table: pd.DataFrame) -> str:
    strict, loose = HTMT_LIMITS
    if not len(table):
        return "HTMT needs two constructs with two or more indicators each."
    over = table[table["upper"] >= strict]
    if over.empty:
        return (
            f"HTMT: all {_count(len(table), 'interval')} below {strict:.2f}; "
            f"the largest is {_pair(table.loc[table['htmt'].idxmax()], 'htmt')}."
        )
    listed = "; ".join(_pair(r, "htmt") for _, r in over.iterrows())
    above = int((table["upper"] >= loose).sum())
    reach = "reaches" if len(over) == 1 else "reach"
    return (
        f"HTMT: {len(over)} of {_count(len(table), 'interval')} {reach} {strict:.2f}, {above} of "
        f"them {loose:.2f}: {listed}."
    )


def _verdict_sentence(table: pd.DataFrame) -> str:
    judged = table[table["verdict"] != ""]
    if judged.empty:
        return "No two constructs to compare."
    doubtful = judged[judged["verdict"] != "no problem"]
    if doubtful.empty:
        return "Correlations of constructs: every interval lies below .80, no problem."
    listed = "; ".join(f"{_pair(r, 'mean')} {r['verdict']}" for _, r in doubtful.iterrows())
    return f"Correlations of constructs whose interval reaches .80: {listed}."


_LEVELS = (
    "Each level has measures of its own: omega within of differences between respondents of a "
    "cluster, omega between of differences between clusters that are known without error (Geldhof, "
    "Preacher & Zyphur 2014, doi:10.1037/a0032138).",
    "omega_means = (sum lambda)^2 phi / [variance of the sum between + that within / n], n the "
    "harmonic mean of the clusters' sizes: of the observed means of clusters, which hold their "
    "respondents' sampling error (Lai 2021, doi:10.1037/met0000287).",
    "HTMT and alpha of the data are about one level and are left out.",
)


def _htmt(result: Measurement) -> str:
    return (
        "HTMT = mean |r| between the items of two constructs / geometric mean of their mean "
        "|r| within; "
        + (
            "r are the correlations of latent responses that the model implies, so that it "
            "compares constructs as the model has them. "
            if result.ordered
            else f"interval from {result.bootstrap} Bayesian bootstrap draws, seed "
            f"{result.random_seed}. "
        )
        + "Constructs with one indicator have none."
    )


def _formulas(result: Measurement) -> Items:
    items = "items standardised" if result.standardized else "items in their own units"
    if result.ordered:
        items = "of ordered items latent responses, standardised"
    higher = (
        "Higher-order constructs: the same formulas with standardised dimensions in the place of "
        "items."
    )
    of_composites = (
        "Composites: weights of standardised items for a composite of variance 1; a loading is "
        "the correlation of item and composite; VIF = 1 / (1 - R2) of an item on the other items "
        "of its composite, in the data: above 5 its weight is hardly known.",
    )
    if not len(result.loadings):
        return Items(of_composites)
    return Items(
        (
            *(of_composites if len(result.weights) else ()),
            "lambda loadings, phi variance of the construct, Theta residual (co)variances; "
            f"{items}.",
            "omega = composite reliability (CR) = (sum lambda)^2 phi / [(sum lambda)^2 phi + sum "
            "of all Theta], residual covariances counted;",
            "AVE = sum lambda^2 phi / (sum lambda^2 phi + sum of the residual variances). An "
            "item's loadings on other constructs count in both denominators.",
            *((higher,) if any(c.level > 1 for c in result.constructs) else ()),
            "alpha = k/(k - 1) [1 - sum of variances / variance of the sum]: implied by the model"
            + (
                "."
                if result.levels
                else ", and of the answers as numbers."
                if result.ordered
                else ", and of the data."
            ),
            *(_ordinal_formulas() if result.ordered else ()),
            "Fornell-Larcker: the AVE of a construct exceeds its squared correlation with every "
            "other variable, except those it measures or is measured by.",
            *(_LEVELS if result.levels else (_htmt(result),)),
            "Verdict on a correlation by the end of its interval (Ronkko & Cho 2022): below .80 no "
            "problem, below .90 marginal, below 1 moderate, else severe.",
        )
    )


def _ordinal_formulas() -> tuple[str, ...]:
    """What is different with ordered items."""
    return (
        "omega and alpha of latent responses are ordinal omega and ordinal alpha (Zumbo, Gadermann "
        "& Zeisser 2007): of a sum that nobody observes.",
        "omega of the sum = share of the construct in the variance of the sum of the answers "
        "themselves, through the thresholds (Green & Yang 2009): what a mean of the items has.",
    )
