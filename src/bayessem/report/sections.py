"""The sections of the report, each blocks of a document made of the contents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from matplotlib.figure import Figure as MatplotlibFigure

from bayessem.criticism.predictive import PredictiveCheck
from bayessem.criticism.prior_table import prior_table
from bayessem.model.data import Sample, category_counts
from bayessem.model.level_checks import clusters_text
from bayessem.plots.category_effects import plot_category_effects
from bayessem.plots.comparison import plot_pareto_k
from bayessem.plots.measurement import plot_measurement
from bayessem.plots.mediation import plot_mediation
from bayessem.plots.predictive import plot_predictive
from bayessem.plots.response_surface import plot_response_surface
from bayessem.plots.shape import plot_shape
from bayessem.plots.traces import plot_traces
from bayessem.report import groups
from bayessem.report.answers import answers, paper, references
from bayessem.report.checklists import barg, wambs
from bayessem.report.contents import Contents
from bayessem.results.estimates_tables import estimates_tables, r2_table, scale_notes
from bayessem.results.versions import installed_versions
from bayessem.shapes.shape_result import Shape
from bayessem.text.columns import column
from bayessem.text.described import Described
from bayessem.text.document import (
    Block,
    Column,
    Document,
    Figure,
    Heading,
    Items,
    Notes,
    Paragraph,
    Table,
    Verbatim,
)
from bayessem.text.formats import COUNT, RAW, TEXT
from bayessem.text.glossary import abbreviations

TRACES = 6
# Characters of a variable's label in the tables.
LONGEST_LABEL = 60
Blocks = Iterator[Block]


def report_document(contents: Contents) -> Document:
    """All sections of a report, answers first; without those that have nothing to show."""
    made: tuple[tuple[str, Callable[[Contents], Blocks]], ...] = (
        ("Answers", answers),
        ("Text for a paper", paper),
        ("Mediation", mediations),
        ("Effects on answers", effects_on_answers),
        ("Shape of the curved relations", shapes),
        ("Pooling across groups", pooling),
        ("Measurement", measurement),
        ("Fit of the model", fit_of_the_model),
        ("Prediction", prediction),
        ("Model and data", model),
        ("Estimates", estimates),
        ("Priors", priors),
        ("Computation", computation),
        ("Sensitivity to the prior", sensitivity),
        ("Checklists", checklists),
        ("References", references),
        ("Reproduce this", reproduce),
    )
    blocks: list[Block] = []
    for title, section in made:
        found = Document.of(section(contents)).blocks
        if found:
            blocks += [Heading(title, 2), *found]
    return Document(tuple(blocks))


def _missing(contents: Contents, name: str) -> Blocks:
    reason = contents.reasons.get(name)
    if reason is not None:
        yield Paragraph(f"Not available: {reason}.", warning=True)


def _shown(contents: Contents, name: str, result: Described | None) -> Blocks:
    """A result as a part of a section, or why there is none."""
    if result is None:
        yield from _missing(contents, name)
    else:
        yield from result.document().within(3)


def model(contents: Contents) -> Blocks:
    """Model text, respondents, groups, missing values, and what the check had to say."""
    fit = contents.fit
    sample = fit.prepared.sample
    known = ~np.isnan(sample.values)
    lines = [
        f"{sample.size} respondents, {len(sample.variables)} observed variables, "
        f"{len(fit.prepared.table.parameters)} free parameters.",
        "No values are missing."
        if known.all()
        else f"{100 * (1 - known.mean()):.1f} % of the values are missing, in "
        f"{sample.pattern_count} patterns; all observed values are used (full information).",
    ]
    labels, levels = sample.model_groups, fit.prepared.table.levels
    if len(labels) > 1:
        sizes = [int(np.sum(sample.group == levels * g)) for g in range(len(labels))]
        listed = ", ".join(f"{name} {n}" for name, n in zip(labels, sizes, strict=True))
        lines.append(f"Groups: {listed}.")
    if levels > 1:
        lines.append(f"{clusters_text(fit.prepared)}.")
    if sample.design is not None:
        lines.append(f"Respondents are {sample.design.said}.")
    if len(sample.dropped):
        lines.append(f"{len(sample.dropped)} rows without usable values were left out.")
    if fit.prepared.pooling is not None:
        lines.append(f"Across groups: {fit.prepared.pooling}.")
    yield Verbatim(fit.specification.text.strip("\n"))
    yield Items(tuple(lines))
    yield _variables(sample)
    if fit.notes:
        yield Paragraph("The check before sampling noted:")
        yield Items(fit.notes)


def _variables(sample: Sample) -> Table:
    """The variables used: labels, answers, means and standard deviations or categories."""
    ordered = np.array([name in sample.ordered for name in sample.variables])
    means, sds = (np.where(ordered, np.nan, v) for v in (sample.means, sample.sds))
    counts = [
        ", ".join(f"{label}: {n}" for label, n in category_counts(sample, name)) if own else ""
        for name, own in zip(sample.variables, ordered, strict=True)
    ]
    return Table(
        (
            Column("variable", sample.variables),
            Column("label", [sample.labels.get(x, "") for x in sample.variables]),
            Column("n", (~np.isnan(sample.values)).sum(axis=0).tolist(), COUNT),
            Column("mean", list(zip(means, sds, strict=True)), RAW),
            Column("sd", list(zip(sds, sds, strict=True)), RAW),
            Column("answers in each category", counts),
        ),
        "Observed variables",
    ).without_empty()


def priors(contents: Contents) -> Blocks:
    """Priors as used, and what they imply."""
    frame = prior_table(contents.fit.prepared)
    bounds = [
        "" if not np.isfinite(r.lower) and not np.isfinite(r.upper)
        else f"{r.lower:g} to {r.upper:g}".replace("inf", "\N{INFINITY}")
        for r in frame.itertuples()
    ]  # fmt: skip
    grouped = (
        frame[["parameter", "kind", "prior"]]
        .assign(bounds=bounds)
        .groupby(["kind", "prior", "bounds"], sort=False)["parameter"]
        .agg(", ".join)
        .reset_index()
    )
    yield Paragraph(
        "Priors as used, on the natural scale (standard deviations and correlations, not "
        "variances and covariances)."
    )
    names = ("kind", "parameter", "prior", "bounds")
    yield Table(tuple(column(grouped, name, how=TEXT) for name in names), "Priors", "priors")
    yield from _shown(contents, "prior consequences", contents.priors)


def computation(contents: Contents) -> Blocks:
    """Diagnostics and the traces of the least certain quantities."""
    fit = contents.fit
    timings = fit.timings
    names = [str(x) for x in fit.parameters["parameter"].values]
    order = np.argsort(fit.mixing["ess_bulk"].to_numpy())
    least = [names[i] for i in order[:TRACES]]
    yield from fit.diagnosis.document().blocks
    yield Paragraph(
        f"Engine {fit.settings['engine']}; latent variables {fit.settings['latents']}; "
        f"{timings['before_first_draw']:.1f} s before the first draw, "
        f"{timings['sampling']:.1f} s sampling, {timings['total']:.1f} s in all."
    )
    yield Figure(
        lambda: plot_traces(fit, least),
        "Draws of the quantities with the smallest effective sample sizes.",
    )


def estimates(contents: Contents) -> Blocks:
    """Tables of estimates by kind, and R2."""
    fit = contents.fit
    yield Paragraph("Posterior means with equal-tailed 95 % intervals.")
    tables = list(
        estimates_tables(fit.summary(), labels=fit.prepared.sample.labels, longest=LONGEST_LABEL)
    )
    yield from tables
    yield Notes((abbreviations(tables),))
    yield Notes(scale_notes(name for name, _ in fit.prepared.table.products))
    yield r2_table(fit.r2(), title="Explained variance (R2)")


def measurement(contents: Contents) -> Blocks:
    """Quality of the measurement; groups side by side."""
    result = contents.measurement
    if result is None:
        yield from _missing(contents, "measurement")
        return
    if not groups.is_grouped(contents.fit):
        yield from result.document().within(3)
    else:
        yield from groups.measurement_by_group(result)
        yield Notes(result.notes)
        yield from _intraclass(contents)
    for group in result.groups if len(result.groups) <= groups.COLUMNS else ():
        what = "" if result.levels else "group "
        where = f", {what}{group}" if group else ""
        yield Figure(
            lambda g=group: plot_measurement(result, group=g or None),  # type: ignore[misc]
            f"Reliability and validity{where}.",
        )


def _intraclass(contents: Contents) -> Blocks:
    """How much of each variable lies between clusters."""
    if contents.intraclass is not None:
        yield from contents.intraclass.document().blocks


def mediations(contents: Contents) -> Blocks:
    """Direct, indirect and total effects with their type of mediation."""
    failed = [name for name in contents.reasons if name.startswith("mediation")]
    if contents.mediations or failed:
        yield Paragraph("Effects are products of draws.")
    for name in failed:
        yield from _missing(contents, name)
    for result in contents.mediations:
        if groups.is_grouped(contents.fit):
            title = f"{result.x} -> {result.y} by {', '.join(result.mediators)}"
            yield Heading(f"Mediation of {title}", 3)
            yield from groups.mediation_by_group(result)
            yield Notes(result.notes)
        else:
            yield from result.document().within(3)
        yield Figure(
            lambda r=result: _whole(plot_mediation(r)),  # type: ignore[misc]
            f"Effects of {result.x} on {result.y}.",
            alternative=_said(result.answers()),
        )


def shapes(contents: Contents) -> Blocks:
    """Shape of every quadratic or cubic relation, and every response surface."""
    grouped = groups.is_grouped(contents.fit)
    if contents.shapes:
        yield Paragraph("Posterior probabilities of the shapes; they sum to 1.")
    for result in contents.shapes:
        blocks = result.document().within(3)
        if grouped and isinstance(result, Shape):
            yield blocks[0]
            yield from groups.shape_by_group(result)
            if len(result.probabilities) > groups.COLUMNS:
                yield Paragraph(
                    "The steps, changes and two lines of each group are in "
                    f"print(fit.shape({result.x!r}, {result.y!r}))."
                )
            else:
                yield from (b for b in blocks[1:] if not isinstance(b, Paragraph))
        else:
            yield from blocks
        yield Figure(
            lambda r=result: plot_shape(r),  # type: ignore[misc]
            f"{result.y} as a function of {result.x}.",
            alternative=_said(result.answers()),
        )
    for surface in contents.surfaces:
        yield from surface.document().within(3)
        for name in surface.surfaces:
            yield Figure(
                lambda r=surface, s=name: _whole(plot_response_surface(r, surface=s)),  # type: ignore[misc]
                f"{surface.y} over {surface.x} and {surface.z}"
                f"{'' if name == 'all' else f', {name}'}.",
                alternative=_said(surface.answers()),
            )


def _said(paragraphs: Iterable[Paragraph]) -> str:
    return " ".join(p.text for p in paragraphs)


def pooling(contents: Contents) -> Blocks:
    """What partial pooling found."""
    yield from _shown(contents, "pooling", contents.pooling)


def fit_of_the_model(contents: Contents) -> Blocks:
    """Global and local fit, with maximum likelihood beside it."""
    yield Paragraph("How well the model reproduces the data.")
    for title, name, result in (
        ("Bayesian indices", "indices", contents.indices),
        ("Residual correlations", "residuals", contents.residuals),
        ("Posterior predictive check", "predictive check", contents.predictive),
    ):
        found = tuple(_shown(contents, name, result))
        if found:
            yield Heading(title, 3)
            yield from (b for b in found if not (isinstance(b, Heading) and b.level == 3))
    if contents.answers is not None:
        yield from _answers(contents.answers)
    if contents.weights is not None:
        yield Heading("Outlying respondents", 3)
        yield from contents.weights.document().blocks
    yield Heading("Maximum likelihood, for comparison", 3)
    if contents.ml is None:
        yield from _missing(contents, "maximum likelihood")
    else:
        yield from contents.ml.measures_blocks()


def _answers(check: PredictiveCheck) -> Blocks:
    """Shares of the answers, in the data and drawn from the model."""
    yield Heading("Shares of the answers", 3)
    document = check.document()
    yield from (b for b in document.blocks if not isinstance(b, Heading))
    yield Figure(
        lambda: plot_predictive(check),
        "Shares of the answers in the data (bars) and in data drawn from the model (points with "
        f"their {100 * check.ci_prob:g} % intervals), the most surprising item first.",
    )


def effects_on_answers(contents: Contents) -> Blocks:
    """What causes change in probabilities of categories, expected counts, durations, shares."""
    for result in contents.category_effects:
        yield from result.document().within(3)
        yield Figure(
            lambda r=result: plot_category_effects(r),  # type: ignore[misc]
            f"Answers to {result.y} with {result.x} set {result.change}.",
        )
    if contents.fit.prepared.table.responses.others:
        yield from _shown(contents, "ratios", contents.ratios)
    for expected in contents.expected_effects:
        yield from expected.document().within(3)


def prediction(contents: Contents) -> Blocks:
    """Leave-one-out cross-validation."""
    result = contents.loo
    yield from _shown(contents, "loo", result)
    if result is not None:
        yield Figure(
            lambda: _whole(plot_pareto_k(result)),
            f"Pareto k of each {result.target.unit}: how well it can be left out.",
        )


def _whole(axes: object) -> MatplotlibFigure:
    """The figure of axes."""
    figure = getattr(axes, "figure", None)
    assert isinstance(figure, MatplotlibFigure)
    return figure


def sensitivity(contents: Contents) -> Blocks:
    """Power-scaling of prior and likelihood."""
    yield from _shown(contents, "sensitivity", contents.sensitivity)


def checklists(contents: Contents) -> Blocks:
    """WAMBS and BARG."""
    yield Paragraph("Answers are filled in from the fit.")
    for title, table, source in (
        (
            "WAMBS: when to worry and how to avoid the misuse of Bayesian statistics",
            wambs(contents),
            "Depaoli & van de Schoot (2017), doi:10.1037/met0000065.",
        ),
        (
            "BARG: Bayesian analysis reporting guidelines",
            barg(contents),
            "Kruschke (2021), doi:10.1038/s41562-021-01177-7.",
        ),
    ):
        yield Heading(title, 3)
        yield table
        yield Notes((source,))


def reproduce(contents: Contents) -> Blocks:
    """Seed, versions, hash of the data, and the call."""
    fit = contents.fit
    keys = (
        "group",
        "cluster",
        "weights",
        "missing",
        "draws",
        "tune",
        "chains",
        "random_seed",
        "target_accept",
    )
    defaults = {"group": None, "cluster": None, "weights": None, "missing": "fiml"}
    arguments = ", ".join(
        f"{key}={fit.settings[key]!r}"
        for key in keys
        # earlier versions knew neither clusters nor weights
        if fit.settings.get(key) != defaults.get(key, object())
    )
    options = "".join(f", {k}={v!r}" for k, v in fit.specification.changed.items())
    call = (
        "import bayessem as bs\n\n"
        'data = bs.read_data("...")  # the file with the data; the hash of what was used is below\n'
        'model = """..."""  # the text in the section Model and data\n'
        f"sem = bs.SEM(model{options})\n"
    )
    extra = ""
    if fit.settings["priors"]:
        extra += f", priors={fit.settings['priors']!r}"
    if fit.prepared.pooling is not None:
        extra += f", pooling={fit.prepared.pooling!r}"
    call += f"fit = sem.fit(data, {arguments}{extra})"
    yield Verbatim(call)
    yield Items(
        (
            f"SHA-256 of the data used: {fit.prepared.sample.hash}",
            *_versions(fit.versions, installed_versions()),
        )
    )


def _versions(sampled: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """The versions that sampled the fit and, of a loaded fit, which others made the report."""
    named = ", ".join(f"{k} {v}" for k, v in sampled.items())
    others = ", ".join(f"{k} {v}" for k, v in here.items() if sampled.get(k) != v)
    if not others:
        return [f"Versions: {named}"]
    return [
        f"Versions that sampled the fit: {named}",
        f"Versions that made this report, where they differ: {others}",
    ]
