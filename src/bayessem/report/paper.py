"""Text for a paper, in APA's style with the numbers filled in: methods and results."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bayessem.effects.effects import chance_text
from bayessem.effects.mediation_result import IN_WORDS
from bayessem.likelihood.families import FAMILIES
from bayessem.posterior.diagnostics import ESS, RHAT
from bayessem.report.contents import Contents
from bayessem.report.groups import blocks_are, is_grouped
from bayessem.report.references import cite
from bayessem.results.fitted import Fitted
from bayessem.shapes.cubic_result import CUBIC_SHAPES, CubicShape
from bayessem.shapes.shape_result import SHAPES
from bayessem.syntax.parameters import ParameterTable
from bayessem.text.document import Block, Paragraph
from bayessem.text.numbering import reference
from bayessem.text.numbers import bounded, number

# From here a relation is said to be positive or negative, below it to be uncertain.
SURE = 0.95


# What a family is called where its name is not a distribution's, and whose it is.
DISTRIBUTIONS = {"zero_one_beta": "zero-and-one-inflated beta", "student": "t"}
SOURCES = {"zero_one_beta": "ospina2010", "student": "lange1989"}


def methods(contents: Contents) -> Paragraph:
    """The paragraph about model, data, priors, computation and what counts as support."""
    return Paragraph(" ".join(_methods(contents)))


def _methods(contents: Contents) -> Iterator[str]:
    fit = contents.fit
    table, sample, settings = fit.prepared.table, fit.prepared.sample, fit.settings
    yield (
        f"We estimated a structural equation model {_of_what(contents)} by Bayesian inference with "
        f"the Python package bayessem {fit.versions.get('bayessem', '')}, which builds on PyMC "
        f"{cite('abrilpla2023')}, from the answers of {sample.size} respondents"
        f"{_groups(contents)}."
    )
    known = ~np.isnan(sample.values)
    if known.all():
        yield "No values were missing."
    else:
        yield (
            f"{100 * (1 - known.mean()):.1f} % of the values were missing; all observed values "
            "were used (full-information likelihood, assuming that values are missing at random)."
        )
    yield from _distributions(table)
    yield from _structure(fit)
    own = "given by us and, where we gave none, weakly informative" if settings["priors"] else (
        "weakly informative and scaled by the standard deviations of the variables"
    )  # fmt: skip
    yield f"Priors were {own} ({reference('priors')})."
    yield _computation(contents)
    yield from _support(contents)


def _distributions(table: ParameterTable) -> Iterator[str]:
    """What is said of variables and respondents that are not normal."""
    if table.ordered:
        link = table.responses.link
        yield (
            f"{len(table.ordered)} variables were modelled as ordered categories ({link} link, "
            "thresholds of a latent response); loadings, paths and explained variance are those "
            "of the latent responses."
        )
    for name, family in table.responses.others.items():
        yield (
            f"{name} was modelled by the {DISTRIBUTIONS.get(family, family.replace('_', ' '))} "
            f"distribution ({FAMILIES[family].link} link)"
            + (f" {cite(SOURCES[family])}." if family in SOURCES else ".")
        )
    if table.heavy_tailed:
        given = f" given {', '.join(table.exogenous)}" if table.exogenous else ""
        yield (
            f"Respondents were drawn from a multivariate t distribution{given}, whose degrees of "
            f"freedom were estimated, so that outlying ones count less {cite('lange1989')}."
        )


def _structure(fit: Fitted) -> Iterator[str]:
    """How latent variables, their products and groups enter."""
    table, settings = fit.prepared.table, fit.settings
    if table.latent and settings.get("latents", "integrated") == "integrated":
        yield "Latent variables were integrated out of the likelihood."
    if any(f in table.latent for _, factors in table.products for f in factors):
        yield (
            "Squares and products of latent variables were part of the model, without product "
            f"indicators {cite('klein2000')}."
        )
    if fit.prepared.pooling is not None and fit.prepared.pooling.how == "partial":
        yield (
            f"Across groups we used {fit.prepared.pooling}: parameters of the groups are draws "
            f"from a common distribution whose spread is estimated {cite('gelman2006')}."
        )


def _support(contents: Contents) -> Iterator[str]:
    """What is reported of a parameter, and what of a hypothesis."""
    yield (
        "We report posterior means with equal-tailed 95 % credible intervals (CrI) and the "
        "posterior probability of the sign."
    )
    if contents.hypotheses is not None:
        yield (
            "A hypothesis counts as supported when its posterior probability is at least "
            f"{bounded(contents.hypotheses.threshold)}, and as contradicted when it is at most "
            f"{bounded(1 - contents.hypotheses.threshold)}."
        )


def _of_what(contents: Contents) -> str:
    table = contents.fit.prepared.table
    measured = {r.rhs for r in table.rows if r.op == "=~"} & set(table.observed)
    others = [name for name in table.observed if name not in measured]
    parts = []
    if table.constructs:
        plural = "s" if len(table.constructs) > 1 else ""
        parts.append(
            f"with {len(table.constructs)} construct{plural}"
            + (f" measured by {len(measured)} indicators" if measured else "")
        )
    if others:
        parts.append(
            f"{'and' if parts else 'with'} {len(others)} "
            f"{'further ' if parts else ''}observed variable{'s' if len(others) > 1 else ''}"
        )
    return " ".join(parts)


def _computation(contents: Contents) -> str:
    fit, found = contents.fit, contents.fit.diagnosis
    settings = fit.settings
    divergent = (
        f"and {found.divergences or 'no'} transition{'' if found.divergences == 1 else 's'} "
        "diverged"
    )
    return (
        f"Hamiltonian Monte Carlo (the no-U-turn sampler) ran {settings['chains']} chains of "
        f"{settings['draws']} draws each after {settings['tune']} draws of warm-up; the largest "
        f"R-hat was {number(found.worst_rhat[1])} (at most {RHAT} wanted), the smallest bulk and "
        f"tail effective sample sizes were {number(found.lowest_ess_bulk[1], 0)} and "
        f"{number(found.lowest_ess_tail[1], 0)} ({ESS:.0f} wanted; {cite('vehtari2021')[1:-1]}), "
        f"{divergent}."
    )


def results(contents: Contents) -> Iterator[Block]:
    """Measurement, fit, paths, effects, shapes and hypotheses, a paragraph each."""
    for sentences in (
        _measurement(contents),
        _fit(contents),
        _paths(contents),
        _effects(contents),
        _shapes(contents),
        _hypotheses(contents),
    ):
        text = " ".join(sentences)
        if text:
            yield Paragraph(text)


def _span(values: np.ndarray) -> str:
    """Smallest to largest of numbers whose absolute values lie between 0 and 1."""
    low, high = (bounded(float(v)) for v in (np.nanmin(values), np.nanmax(values)))
    return low if low == high else f"{low} to {high}"


def _measurement(contents: Contents) -> Iterator[str]:
    result = contents.measurement
    if result is None:
        return
    if not len(result.loadings):  # composites alone
        yield f"Standardised weights ranged from {_span(result.weights['mean'].to_numpy())}."
        return
    yield f"Standardised loadings ranged from {_span(result.loadings['mean'].to_numpy())}."
    by = result.reliability.groupby("measure")["mean"]
    found = {name: values.to_numpy() for name, values in by if np.isfinite(values).any()}
    if "omega" in found:
        yield (
            f"Composite reliability was {_span(found['omega'])}, average variance extracted "
            f"{_span(found['ave'])} {cite('fornell1981')}."
        )
    if len(result.htmt):
        largest = result.htmt.loc[result.htmt["htmt"].idxmax()]
        yield (
            f"The largest heterotrait-monotrait ratio was {bounded(largest['htmt'])}, 95 % CrI "
            f"[{bounded(largest['lower'])}, {bounded(largest['upper'])}] ({largest['construct']} "
            f"and {largest['other']}; {cite('henseler2015')[1:-1]})."
        )


def _fit(contents: Contents) -> Iterator[str]:
    result = contents.indices
    if result is None:
        return
    of = " of the linear counterpart" if result.linear else ""
    table = result.table.set_index("index")
    shown = [
        f"{name} = {bounded(table.loc[name, 'mean'])}, 95 % CrI "
        f"[{bounded(table.loc[name, 'lower'])}, {bounded(table.loc[name, 'upper'])}]"
        for name in ("BRMSEA", "BCFI", "BTLI")
        if name in table.index and np.isfinite(table.loc[name, "mean"])
    ]
    yield (
        f"The global fit{of} was as follows: posterior predictive p {chance_equals(result.ppp)}"
        f"{'; ' if shown else ''}{'; '.join(shown)} {cite('garnier2020')}."
    )


def _estimate(row: dict, mean: str = "std", *, symbol: str = "\N{GREEK SMALL LETTER BETA}") -> str:
    """A standardised estimate with interval and probability of its sign."""
    p = max(row["p_positive"], 1.0 - row["p_positive"])
    sign = ">" if row["p_positive"] >= 0.5 else "<"
    lower, upper = ("std_lower", "std_upper") if mean == "std" else ("lower", "upper")
    return (
        f"{symbol} = {number(row[mean], 2)}, 95 % CrI [{number(row[lower], 2)}, "
        f"{number(row[upper], 2)}], P({symbol} {sign} 0) {chance_equals(p)}"
    )


def _groups(contents: Contents) -> str:
    """In how many groups and clusters the respondents are, " in 3 groups"."""
    sample = contents.fit.prepared.sample
    count = len(sample.model_groups)
    parts = [f" in {count} groups"] if count > 1 else []
    if sample.clusters is not None:
        parts.append(
            f" in {len(sample.clusters.labels)} clusters, whose random intercepts"
            f"{' and slopes' if contents.fit.prepared.table.slopes else ''} are the second level "
            "of the model"
        )
    if sample.design is not None:
        parts.append(f" {sample.design.said}")
    return ",".join(parts)


def _paths(contents: Contents) -> Iterator[str]:
    fit = contents.fit
    summary = fit.summary()
    own = summary[summary["op"] == "~"]
    if is_grouped(fit):
        for (lhs, rhs), rows in own.groupby(["lhs", "rhs"], sort=False):
            if fit.prepared.table.levels > 1:
                for row in rows[rows["std"].notna()].to_dict("records"):
                    where = f" ({row['group']})" if len(rows) > 1 else ""
                    yield f"{_relation(row)}{where} ({_estimate(row)})."
                continue
            low, high = rows["std"].min(), rows["std"].max()
            yield (
                f"The standardised path from {rhs} to {lhs} ranged across {blocks_are(fit)} from "
                f"{number(low, 2)} to {number(high, 2)}."
            )
    else:
        for row in own.to_dict("records"):
            yield f"{_relation(row)} ({_estimate(row)})."
    shares = fit.r2()
    shares = shares[shares["variable"].isin(set(own["lhs"]))]
    if len(shares) and not is_grouped(fit):
        said = [f"{bounded(r['mean'])} for {r['variable']}" for r in shares.to_dict("records")]
        yield f"Explained variance (R\N{SUPERSCRIPT TWO}) was {', '.join(said)}."


def _relation(row: dict) -> str:
    """A path in words, as far as its sign is sure."""
    x, y, p = row["rhs"], row["lhs"], row["p_positive"]
    factors = x.split(":")
    what = x
    if len(factors) > 1:
        square = len(factors) == 2 and len(set(factors)) == 1
        what = f"square of {factors[0]}" if square else f"product of {' and '.join(factors)}"
    if 1.0 - SURE < p < SURE:
        the = "the " if len(factors) > 1 else ""
        return f"The sign of the relation of {y} with {the}{what} was uncertain"
    side = "positively" if p >= SURE else "negatively"
    return f"{'The ' if len(factors) > 1 else ''}{what} was {side} related to {y}"


def _effects(contents: Contents) -> Iterator[str]:
    if is_grouped(contents.fit):
        return
    for result in contents.mediations:
        table = result.standardized.table
        general = (table["at"] == "") | table["at"].str.startswith("averaged")
        rows = table[general & (table["effect"] == "total indirect")].to_dict("records")
        if not rows:
            continue
        types = result.types[result.types["path"] == "total indirect"].iloc[0]
        averaged = f", {rows[0]['at']}," if rows[0]["at"] else ""
        yield (
            f"The standardised indirect effect of {result.x} on {result.y} through "
            f"{', '.join(result.mediators)}{averaged} was "
            f"{_estimate(rows[0], 'mean', symbol='ab')}; the most probable type was "
            f"{IN_WORDS[types['type']]} (P {chance_equals(float(types[types['type']]))}; "
            f"{cite('zhao2010')[1:-1]})."
        )


def _shapes(contents: Contents) -> Iterator[str]:
    if is_grouped(contents.fit):
        return
    for result in contents.shapes:
        kinds = CUBIC_SHAPES if isinstance(result, CubicShape) else SHAPES
        chances = result.probabilities.iloc[0]
        kind = max(kinds, key=lambda name: chances[name])
        yield (
            f"The relation of {result.y} with {result.x} was most probably {_article(kind)} "
            f"(P {chance_equals(float(chances[kind]))}; {cite('lind2010', 'haans2016')[1:-1]})."
        )


def _article(kind: str) -> str:
    if kind in ("U", "S"):
        return f"a {kind}" if kind == "U" else "an S"
    return f"an {kind}" if kind.startswith("inverted") else kind


def chance_equals(probability: float) -> str:
    """A probability after "P": "= .987", "> .999"."""
    said = chance_text(probability)
    if said.startswith("."):
        return f"= {said}"
    return said.replace("above", ">").replace("below", "<")


def _hypotheses(contents: Contents) -> Iterator[str]:
    if contents.hypotheses is None:
        return
    for name, rows in contents.hypotheses.table.groupby("name", sort=False):
        by = rows.groupby("verdict", sort=False)
        said = []
        for verdict, own in by:
            chances = own["probability"]
            low, high = chance_equals(chances.min()), chance_equals(chances.max())
            where = ""
            if len(rows) > 1:
                every = f"all {len(rows)} groups" if len(own) == len(rows) else None
                where = f" in {every or ', '.join(own['group'])}"
            said.append(f"{verdict}{where} (P {low if low == high else f'{low} to {high}'})")
        yield f"{name} ({rows['hypothesis'].iloc[0]}) was {' and '.join(said)}."
    yield f"See {reference('hypotheses')}."
