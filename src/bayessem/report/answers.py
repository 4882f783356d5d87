"""What a reader looks for first: hypotheses, paths, what they amount to; groups by differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bayessem.diagram.diagram import GROUPS, fitted_diagram
from bayessem.diagram.elements import is_drawn
from bayessem.measurement.quality_result import Measurement
from bayessem.measurement.tables import THRESHOLDS
from bayessem.measurement.weights import COLLINEAR
from bayessem.report import groups
from bayessem.report.contents import Contents
from bayessem.report.paper import SURE, chance_equals, methods, results
from bayessem.report.references import bibliography
from bayessem.text.columns import column, intervals
from bayessem.text.document import Block, Column, Figure, Heading, Items, Notes, Paragraph, Table
from bayessem.text.formats import CHANCE, SHORT, SHORT_INTERVAL
from bayessem.text.numbering import reference
from bayessem.text.numbers import bounded, number

# From here on data are no surprise for their model; loadings that are smaller are weak.
LEAST_PPP, WEAK = 0.05, 0.5
# Pairs of constructs that are named.
PAIRS = 6
# Indicators above which the diagram at the top shows constructs alone.
INDICATORS = 14


def answers(contents: Contents) -> Iterator[Block]:
    """The hypotheses, the paths, what they amount to; where sampling failed, first that."""
    if not contents.fit.diagnosis.ok:
        yield from contents.fit.diagnosis.document().blocks
    if contents.hypotheses is not None:
        yield contents.hypotheses.answers()
        yield contents.hypotheses.shown()
        yield contents.hypotheses.notes()
    if groups.is_grouped(contents.fit):
        yield from groups.differences(contents.fit)
        yield from groups.paths(contents.fit)
        yield from _diagram(contents)
        yield Items(tuple(verdicts(contents)))
        return
    yield from _diagram(contents)
    yield from _paths(contents)
    for mediation in contents.mediations:
        yield from mediation.answers()
    for shape in contents.shapes:
        for said in shape.answers():
            yield Paragraph(f"The relation of {shape.y} with {shape.x}. {said.text}")
    for surface in contents.surfaces:
        yield from surface.answers()
    yield Items(tuple(verdicts(contents)))


def verdicts(contents: Contents) -> Iterator[str]:
    """Measurement, fit, prediction and sampling in a sentence each."""
    if contents.measurement is not None:
        yield _measured(contents.measurement)
    if contents.indices is not None:
        ppp, of = (
            contents.indices.ppp,
            " of the linear counterpart" if contents.indices.linear else "",
        )
        said = "the model reproduces the data as well as data of its own" if ppp >= LEAST_PPP else (
            "the data are further from the model than data of its own; see the residuals"
        )  # fmt: skip
        yield f"Fit{of}: posterior predictive p {chance_equals(ppp)}, {said}."
    if contents.residuals is not None:
        table, slopes = contents.residuals.table, contents.residuals.slopes
        also = (
            f"; {int(slopes['large'].sum())} of {len(slopes)} slopes on covariates are as far from "
            "the model's"
            if len(slopes)
            else ""
        )
        yield (
            f"Residual correlations: {int(table['large'].sum())} of {len(table)} are larger than "
            f".10 on average{also}."
        )
    if contents.loo is not None:
        found = contents.loo
        unsure = len(found.unreliable)
        unit = found.target.unit
        who = f"{unit} {'who' if unit == 'respondent' else 'that'} was left out"
        yield (
            f"Prediction of a {who}: elpd {number(found.elpd, 1)} (standard error "
            f"{number(found.se, 1)})" + (f", uncertain for {unsure} {unit}s." if unsure else ".")
        )
    if contents.fit.diagnosis.ok:
        yield (
            "Sampling: all diagnostics are within their limits (R-hat at most "
            f"{contents.fit.diagnosis.worst_rhat[1]:.3f}; section Computation)."
        )


def _measured(result: Measurement) -> str:
    """How many constructs and items reach the thresholds, and which constructs are close."""
    sure = []
    for measure, name in (("omega", "composite reliability"), ("ave", "AVE")):
        own = result.reliability[result.reliability["measure"] == measure]
        passed = int((own["p_pass"] >= SURE).sum())
        if len(own):
            sure.append(f"{name} is above {bounded(THRESHOLDS[measure])} in {passed} of {len(own)}")
    parts = [f"with probability {bounded(SURE)} or more {' and '.join(sure)}"] if sure else []
    low = result.loadings[result.loadings["mean"].abs() < WEAK]
    if len(result.loadings):
        parts.append(
            f"{len(low)} of {len(result.loadings)} standardised loadings are below {bounded(WEAK)}"
        )
    else:  # composites alone
        several = int((result.weights["vif"] > COLLINEAR).sum())
        parts.append(
            f"{several} of {len(result.weights)} items of composites have a VIF above {COLLINEAR:g}"
        )
    close = result.correlations[~result.correlations["verdict"].isin(["", "no problem"])]
    pairs = [
        f"{r['construct']} and {r['other']}{f' in {r["group"]}' if r.get('group') else ''} "
        f"({r['verdict']})"
        for r in close.to_dict("records")
    ]
    if pairs:
        parts.append(
            f"correlations of constructs whose interval reaches .80: {', '.join(pairs[:PAIRS])}"
            + (f" and {len(pairs) - PAIRS} more" if len(pairs) > PAIRS else "")
        )
    elif (result.correlations["verdict"] != "").any():
        parts.append("no interval of a correlation of constructs reaches .80")
    return f"Measurement: {'; '.join(parts)}."


def _paths(contents: Contents) -> Iterator[Block]:
    """Standardised paths with intervals and the probability of their sign; R2."""
    fit = contents.fit
    summary = fit.summary()
    own = summary[summary["op"] == "~"]
    if own.empty:
        return
    named = own["label"] if (own["label"] != "").any() else None
    yield Table(
        (
            Column("", (own["lhs"] + " ~ " + own["rhs"]).tolist()),
            *([Column("label", named.tolist())] if named is not None else []),
            column(own, "std", "standardised", SHORT),
            intervals(own, "95 % interval", SHORT_INTERVAL, ends=("std_lower", "std_upper")),
            Column("P(sign)", [max(p, 1 - p) for p in own["p_positive"]], CHANCE),
        ),
        "Standardised paths",
        "paths",
    )
    more = ["P(sign) = posterior probability that the path has the sign of its estimate."]
    if (own["rhs"].str.contains(":", regex=False)).any():
        more.append("Of a square or product: of the standardised variables.")
    yield Notes((" ".join(more),))
    share = fit.r2()
    share = share[share["variable"].isin(set(own["lhs"]))]
    said = [f"{r['variable']} {number(r['mean'], 2)}" for r in share.to_dict("records")]
    yield Paragraph(f"Explained variance (R2): {', '.join(said)}.")


def _diagram(contents: Contents) -> Iterator[Block]:
    fit = contents.fit
    table = fit.prepared.table
    if len(table.groups) > GROUPS or not any(map(is_drawn, table.rows)):
        return
    measured = sum(r.op == "=~" and r.rhs in table.observed and r.group == 0 for r in table.rows)
    structural = any(r.op == "~" and is_drawn(r) for r in table.rows)
    only = measured > INDICATORS and structural
    what = "Constructs and their paths" if only else "Path diagram"
    yield Figure(
        lambda: fitted_diagram(fit, latents_only=only).figure(),
        f"{what} with standardised estimates and their 95 % intervals; grey: the interval covers "
        "0.",
        "diagram",
        f"{what}: {_listed(contents)}",
    )


def _listed(contents: Contents) -> str:
    """The paths of a diagram for those who cannot see it."""
    summary = contents.fit.summary()
    own = summary[summary["op"] == "~"]
    rows = own if len(own) else summary[summary["op"] == "=~"]
    said = [
        f"{r['lhs']} {r['op']} {r['rhs']}{f' in {r["group"]}' if r.get('group') else ''} "
        f"{number(r['std'], 2)}"
        for r in rows.to_dict("records")
    ]
    return f"{'; '.join(said)}."


def paper(contents: Contents) -> Iterator[Block]:
    """A methods and a results section with the numbers filled in."""
    yield Paragraph(
        "To be adapted: the paragraphs have the numbers of this fit, and say nothing that it does "
        "not show."
    )
    yield Heading("Method", 3)
    yield methods(contents)
    yield Heading("Results", 3)
    yield from results(contents)
    if any(r.op == "~" for r in contents.fit.prepared.table.rows) and not groups.is_grouped(
        contents.fit
    ):
        yield Paragraph(f"All standardised paths are in {reference('paths')}.")


def used_references(contents: Contents) -> list[str]:
    """Keys of the references behind what a report shows."""
    fit = contents.fit
    table = fit.prepared.table
    latent_products = any(f in table.latent for _, factors in table.products for f in factors)
    families = table.responses.others.values()
    used: Iterable[tuple[bool, tuple[str, ...]]] = (
        (True, ("abrilpla2023", "vehtari2021", "rosseel2012", "depaoli2017", "kruschke2021")),
        (latent_products, ("klein2000",)),
        (table.heavy_tailed or "student" in families, ("lange1989",)),
        ("zero_one_beta" in families, ("ospina2010",)),
        (
            contents.measurement is not None,
            ("fornell1981", "henseler2015", "ronkko2022"),
        ),
        (contents.indices is not None, ("garnier2020",)),
        (contents.indices is not None and table.levels > 1, ("ryu2009",)),
        (contents.loo is not None, ("vehtari2017", "merkle2019")),
        (contents.sensitivity is not None, ("kallioinen2024",)),
        (bool(contents.mediations), ("zhao2010", "baron1986")),
        (bool(contents.mediations) and bool(table.products), ("hayes2010",)),
        (bool(contents.shapes), ("lind2010", "haans2016", "simonsohn2018")),
        (bool(contents.surfaces), ("edwards1993", "humberg2019")),
        (contents.pooling is not None, ("gelman2006",)),
    )
    return [key for holds, keys in used if holds for key in keys]


def references(contents: Contents) -> Iterator[Block]:
    """The list of references."""
    yield Items(tuple(r.apa() for r in bibliography(used_references(contents))))
