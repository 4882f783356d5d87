"""The sections of the report, each a function of the contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bayessem.posterior.diagnostics import convergence
from bayessem.report.checklists import barg, wambs
from bayessem.report.contents import Contents
from bayessem.report.page import Section, items, output, paragraph, picture, table
from bayessem.results.versions import installed_versions

TITLES = {
    "=~": "Loadings",
    "~": "Structural paths",
    ":=": "Defined parameters",
    "~~": "Variances and covariances",
    "~1": "Intercepts and means",
}
TRACES = 6


def sections(contents: Contents) -> list[Section]:
    """All sections of a report, in order; without those that have nothing to show."""
    made = [
        says(contents),
        model(contents),
        priors(contents),
        computation(contents),
        *estimates(contents),
        measurement(contents),
        *effects(contents),
        *shapes(contents),
        pooling(contents),
        *fit_of_the_model(contents),
        prediction(contents),
        sensitivity(contents),
        *checklists(contents),
        reproduce(contents),
    ]
    return [section for section in made if section.parts]


def _interval(lower: float, upper: float) -> str:
    return f"[{lower:.3f}, {upper:.3f}]".replace("-", "\N{MINUS SIGN}")


def _missing(contents: Contents, name: str) -> tuple[str, ...]:
    reason = contents.reasons.get(name)
    return () if reason is None else (paragraph(f"Not available: {reason}.", note=True),)


def says(contents: Contents) -> Section:
    """What the model says: the outcome of the diagnosis and one sentence a path."""
    fit = contents.fit
    summary = fit.summary()
    share = fit.r2().set_index(
        ["variable", "group"] if len(fit.prepared.table.groups) > 1 else "variable"
    )["mean"]
    lines = []
    for _, r in summary[summary["op"] == "~"].iterrows():
        group = r.get("group", "")
        where = f" in group {group}" if group else ""
        p = max(r["p_positive"], 1.0 - r["p_positive"])
        sign = "positive" if r["p_positive"] >= 0.5 else "negative"
        chance = "above .999" if p > 0.999 else f"{p:.3f}".replace("0.", ".")
        lines.append(
            f"{r['lhs']} on {r['rhs']}{where}: standardised {r['std']:.2f} "
            f"{_interval(r['std_lower'], r['std_upper'])}; {sign} with probability {chance}."
        )
    explained = [
        f"{' in group '.join(name) if isinstance(name, tuple) else name} {value:.2f}"
        for name, value in share.items()
        if (name[0] if isinstance(name, tuple) else name)
        in set(summary.loc[summary["op"] == "~", "lhs"])
    ]
    parts = [paragraph(str(fit.diagnosis), note=not fit.diagnosis.ok)]
    if lines:
        parts.append(items(lines))
    if explained:
        parts.append(paragraph(f"Explained variance (R2): {', '.join(explained)}."))
    answers = [_paragraph_of(str(result)) for result in (*contents.mediations, *contents.shapes)]
    return Section("What the model says", (*parts, *map(paragraph, answers)))


def _paragraph_of(text: str) -> str:
    """The first paragraph below the title of a printed result: the answer in words."""
    return " ".join(text.split("\n\n")[1].split())


def model(contents: Contents) -> Section:
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
    if len(sample.groups) > 1:
        sizes = [int(np.sum(sample.group == g)) for g in range(len(sample.groups))]
        listed = ", ".join(f"{name} {n}" for name, n in zip(sample.groups, sizes, strict=True))
        lines.append(f"Groups: {listed}.")
    if len(sample.dropped):
        lines.append(f"{len(sample.dropped)} rows without usable values were left out.")
    if fit.prepared.pooling is not None:
        lines.append(f"Across groups: {fit.prepared.pooling}.")
    parts = [output(fit.specification.text.strip("\n")), items(lines)]
    if fit.notes:
        parts += [paragraph("The check before sampling noted:"), items(fit.notes)]
    return Section("Model and data", tuple(parts))


def priors(contents: Contents) -> Section:
    """The priors as used and their consequences."""
    from bayessem.criticism.prior_consequences import prior_table

    frame = prior_table(contents.fit.prepared)
    bounds = [
        "" if not np.isfinite(r.lower) and not np.isfinite(r.upper)
        else f"{r.lower:g} to {r.upper:g}".replace("inf", "\N{INFINITY}")
        for r in frame.itertuples()
    ]  # fmt: skip
    shown = frame[["parameter", "kind", "prior"]].assign(bounds=bounds)
    grouped = (
        shown.groupby(["kind", "prior", "bounds"], sort=False)["parameter"]
        .agg(", ".join)
        .reset_index()[["kind", "parameter", "prior", "bounds"]]
    )
    parts = [
        paragraph(
            "Priors as used, on the natural scale (standard deviations and correlations, not "
            "variances and covariances)."
        ),
        table(grouped),
    ]
    if contents.priors is not None:
        parts.append(output(str(contents.priors)))
    return Section("Priors", (*parts, *_missing(contents, "prior consequences")))


def computation(contents: Contents) -> Section:
    """Diagnostics and the traces of the least certain quantities."""
    from bayessem.plots.traces import plot_traces

    fit = contents.fit
    timings = fit.timings
    names = [str(x) for x in fit.parameters["parameter"].values]
    order = np.argsort(convergence(fit.parameters.values)["ess_bulk"].to_numpy())
    least = [names[i] for i in order[:TRACES]]
    parts = [
        paragraph(str(fit.diagnosis)),
        paragraph(
            f"Engine {fit.settings['engine']}; latent variables {fit.settings['latents']}; "
            f"{timings['before_first_draw']:.1f} s before the first draw, "
            f"{timings['sampling']:.1f} s sampling, {timings['total']:.1f} s in all."
        ),
        picture(
            plot_traces(fit, least),
            caption="Draws of the quantities with the smallest effective sample sizes.",
        ),
    ]
    return Section("Computation", tuple(parts))


def estimates(contents: Contents) -> list[Section]:
    """Tables of estimates by kind, and R2."""
    fit = contents.fit
    summary = fit.summary()
    out = [Section("Estimates", (paragraph("Posterior means with equal-tailed 95 % intervals."),))]
    for op, title in TITLES.items():
        part = summary[summary["op"] == op]
        if part.empty:
            continue
        name = part["lhs"] if op in (":=", "~1") else part["lhs"] + f" {op} " + part["rhs"]
        frame = pd.DataFrame({"parameter": name})
        if "group" in part:
            frame["group"] = part["group"]
        frame["mean"], frame["sd"] = part["mean"], part["sd"]
        frame["95 % interval"] = list(map(_interval, part["lower"], part["upper"]))
        frame["P(> 0)"] = part["p_positive"]
        if part["std"].notna().any():
            frame["standardised"] = part["std"]
            frame["95 % interval (std.)"] = [
                "" if np.isnan(m) else _interval(low, high)
                for m, low, high in zip(
                    part["std"], part["std_lower"], part["std_upper"], strict=True
                )
            ]
        if "std_square" in part and part["std_square"].notna().any():
            frame["std. square"] = part["std_square"]
        frame["R-hat"] = part["r_hat"]
        frame["ESS"] = part["ess_bulk"].round().astype("Int64").astype(object)
        out.append(Section(title, (table(frame),), level=3))
    share = fit.r2()
    share = share.assign(interval=list(map(_interval, share["lower"], share["upper"])))
    columns = [c for c in ("variable", "group", "mean", "interval") if c in share]
    out.append(
        Section(
            "Explained variance (R2)",
            (table(share[columns].rename(columns={"interval": "95 % interval"})),),
            level=3,
        )
    )
    return out


def measurement(contents: Contents) -> Section:
    """Quality of the measurement."""
    from bayessem.plots.measurement import plot_measurement

    if contents.measurement is None:
        return Section("Measurement", _missing(contents, "measurement"))
    groups: Sequence[str | None] = (
        contents.measurement.groups if len(contents.measurement.groups) > 1 else (None,)
    )
    figures = [
        picture(
            plot_measurement(contents.measurement, group=g),
            caption="Reliability and validity" + (f", group {g}." if g else "."),
        )
        for g in groups
    ]
    return Section("Measurement", (output(str(contents.measurement)), *figures))


def effects(contents: Contents) -> list[Section]:
    """Direct, indirect and total effects with their type of mediation."""
    from bayessem.plots.mediation import plot_mediation

    out = []
    for result in contents.mediations:
        ax = plot_mediation(result)
        out.append(
            Section(
                f"{result.x} to {result.y}",
                (
                    output(str(result)),
                    picture(ax.figure, caption=f"Effects of {result.x} on {result.y}."),
                ),
                level=3,
            )
        )
    failed = [
        part for name in contents.reasons if name.startswith("mediation")
        for part in _missing(contents, name)
    ]  # fmt: skip
    head = [Section("Mediation", (paragraph("Effects are products of draws."), *failed))]
    return head + out if out or failed else []


def shapes(contents: Contents) -> list[Section]:
    """Shape of every quadratic relation."""
    from bayessem.plots.shape import plot_shape

    if not contents.shapes:
        return []
    head = Section(
        "Shape of the quadratic relations",
        (paragraph("Posterior probabilities of the shapes; they sum to 1."),),
    )
    return [
        head,
        *(
            Section(
                f"{s.y} on {s.x}",
                (output(str(s)), picture(plot_shape(s), caption=f"{s.y} as a function of {s.x}.")),
                level=3,
            )
            for s in contents.shapes
        ),
    ]


def pooling(contents: Contents) -> Section:
    """What partial pooling found."""
    if contents.pooling is None:
        return Section("Pooling across groups", _missing(contents, "pooling"))
    return Section("Pooling across groups", (output(str(contents.pooling)),))


def fit_of_the_model(contents: Contents) -> list[Section]:
    """Global and local fit, with maximum likelihood beside it."""
    out = [Section("Fit of the model", (paragraph("How well the model reproduces the data."),))]
    for title, name, result in (
        ("Bayesian indices", "indices", contents.indices),
        ("Residual correlations", "residuals", contents.residuals),
        ("Posterior predictive check", "predictive check", contents.predictive),
    ):
        parts = _missing(contents, name) if result is None else (output(str(result)),)
        if parts:
            out.append(Section(title, parts, level=3))
    if contents.ml is not None:
        from bayessem.ml.report import measures_text

        text = measures_text(contents.ml)
        out.append(Section("Maximum likelihood, for comparison", (output(text),), level=3))
    else:
        out.append(
            Section(
                "Maximum likelihood, for comparison",
                _missing(contents, "maximum likelihood"),
                level=3,
            )
        )
    return out


def prediction(contents: Contents) -> Section:
    """Leave-one-out cross-validation."""
    from bayessem.plots.comparison import plot_pareto_k

    if contents.loo is None:
        return Section("Prediction", _missing(contents, "loo"))
    figure = plot_pareto_k(contents.loo).figure
    return Section(
        "Prediction",
        (
            output(str(contents.loo)),
            picture(figure, caption="Pareto k of each respondent: how well it can be left out."),
        ),
    )


def sensitivity(contents: Contents) -> Section:
    """Power-scaling of prior and likelihood."""
    if contents.sensitivity is None:
        return Section("Sensitivity to the prior", _missing(contents, "sensitivity"))
    return Section("Sensitivity to the prior", (output(str(contents.sensitivity)),))


def checklists(contents: Contents) -> list[Section]:
    """WAMBS and BARG."""
    return [
        Section("Checklists", (paragraph("Answers are filled in from the fit."),)),
        Section(
            "WAMBS: when to worry and how to avoid the misuse of Bayesian statistics",
            (
                table(wambs(contents)),
                paragraph("Depaoli & van de Schoot (2017), doi:10.1037/met0000065."),
            ),
            level=3,
        ),
        Section(
            "BARG: Bayesian analysis reporting guidelines",
            (table(barg(contents)), paragraph("Kruschke (2021), doi:10.1038/s41562-021-01177-7.")),
            level=3,
        ),
    ]


def reproduce(contents: Contents) -> Section:
    """Seed, versions, hash of the data, and the call."""
    fit = contents.fit
    keys = ("group", "missing", "draws", "tune", "chains", "random_seed", "target_accept")
    defaults = {"group": None, "missing": "fiml"}
    arguments = ", ".join(
        f"{key}={fit.settings[key]!r}"
        for key in keys
        if fit.settings[key] != defaults.get(key, object())
    )
    options = ", ".join(f"{k}={v!r}" for k, v in fit.specification.options.items() if v)
    call = f"sem = bs.SEM(model{', ' + options if options else ''})\n"
    extra = ""
    if fit.settings["priors"]:
        extra += f", priors={fit.settings['priors']!r}"
    if fit.prepared.pooling is not None:
        extra += f", pooling={fit.prepared.pooling!r}"
    call += f"fit = sem.fit(data, {arguments}{extra})"
    lines = [
        f"SHA-256 of the data used: {fit.prepared.sample.hash}",
        *_versions(fit.versions, installed_versions()),
    ]
    return Section("Reproduce this", (output(call), items(lines)))


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
