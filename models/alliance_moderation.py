"""H5 of the alliance study: does the diversity of a firm's alliances moderate the effects of AMC?

    python models/alliance_moderation.py      also the last part of models/alliance_capability.py

H5a: high alliance portfolio diversity strengthens AMC -> radical co-innovation. H5b: low diversity
strengthens AMC -> incremental co-innovation. The study split its firms at the median and compared
equal with free paths by a chi-square difference test. Here that test stands first; then the paths
are drawn from a common distribution, over the two halves and over all levels of diversity, where
diversity itself predicts a level's path; last, every way of saying it is compared by leaving firms
out: complete, no and partial pooling, two groups or all levels or a continuous moderator, with and
without the squares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from reporting import ROOT, Hypothesis, arguments, heading, paragraph, print_hypotheses

import bayessem as bs
from bayessem import plots
from bayessem.results.standardize import standardised

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayessem.moderation.diversity import Groups
    from bayessem.moderation.poolings import Poolings

PARTNERS = (
    "buyers",
    "suppliers",
    "competitors",
    "consultants",
    "research_institutes",
    "universities",
    "business_group",
    "other",
)
# Linear paths by diversity in the study, standardised; both differences significant at 5 %.
REPORTED = {"RAD~AMC": {"high": 0.76, "low": 0.72}, "INC~AMC": {"high": 0.46, "low": 0.80}}
PATHS = tuple(REPORTED)
# Levels of diversity with fewer firms are joined with the level below: a path from a handful of
# firms says nothing by itself, and partial pooling would only return the prediction.
FEWEST = 10


def with_groups(data: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Groups]]:
    """The firms with their diversity (k/8)^2, its two halves and its levels as groups."""
    data = data.assign(apd=bs.alliance_portfolio_diversity(data, PARTNERS))
    groups = {
        "high and low": bs.median_split(data, "apd"),
        "all levels": bs.level_groups(data, "apd", merge_below=FEWEST),
    }
    labels = {"half": groups["high and low"].labels, "level": groups["all levels"].labels}
    return data.assign(**labels), groups


def by_group(fit: bs.Fit, path: str) -> dict[str, np.ndarray]:
    """Draws (chain, draw) of a path in each group, standardised within the group."""
    table = fit.prepared.table
    draws = standardised(fit.prepared.structure, fit.elements)
    return {
        table.groups[r.group]: draws[..., k]
        for k, r in enumerate(table.rows)
        if f"{r.lhs}{r.op}{r.rhs}" == path
    }


def rows_of_halves(fit: bs.Fit) -> dict[str, Hypothesis]:
    """High against low diversity: difference of the standardised paths, the study's and ours."""
    rows = {}
    for name, (path, reported) in zip(("H5a", "H5b"), REPORTED.items(), strict=True):
        higher, lower = sorted(reported, key=lambda level: -reported[level])
        draws = by_group(fit, path)
        gap = draws[higher] - draws[lower]
        rows[path] = Hypothesis(
            name,
            f"AMC on {path[:3]} is stronger at {higher} diversity (two halves)",
            f"{reported[higher] - reported[lower]:.2f}",
            float(gap.mean()),
            *(float(q) for q in np.quantile(gap, [0.025, 0.975])),
            float((gap > 0).mean()),
            f"{higher} {reported[higher]:.2f}, {lower} {reported[lower]:.2f} in the study; "
            f"{higher} {draws[higher].mean():.2f}, {lower} {draws[lower].mean():.2f} here "
            "(standardised within each half). The first row compares the differences; the second "
            "is how much the unstandardised path changes from no diversity to full diversity.",
        )
    return rows


def rows_of_levels(fit: bs.Fit) -> dict[str, Hypothesis]:
    """All levels: the slope of the path on diversity, in the direction of the hypothesis."""
    rows = {}
    for path, reported in REPORTED.items():
        sign = 1.0 if reported["high"] > reported["low"] else -1.0
        slope = sign * fit.parameters.sel(parameter=f"{path}|apd").values
        way = "rises" if sign > 0 else "falls"
        rows[path] = Hypothesis(
            "",
            f"and {way} with diversity over all its levels",
            "",
            float(slope.mean()),
            *(float(q) for q in np.quantile(slope, [0.025, 0.975])),
            float((slope > 0).mean()),
        )
    return rows


def moderation(
    quadratic: str, linear: str, data: pd.DataFrame, *, seed: int, out: str
) -> tuple[list[Hypothesis], dict[str, Figure]]:
    """Run and print the analysis; the rows of H5 and the figures of the three poolings.

    quadratic, linear : the model with and without squares;  out : folder of the runs.
    """
    data, groups = with_groups(data)
    heading("H5: the groups")
    for found in groups.values():
        print(f"{found}\n")
    heading("H5: the study's own test, equal against free paths")
    # All else is equal between the halves, as the hypotheses are about these two paths alone.
    print(bs.compare_groups(bs.SEM(linear), data, group="half", parameters=PATHS, posterior=False))
    studies = {
        "quadratic": _poolings(quadratic, data, groups, seed),
        "linear": _poolings(linear, data, groups, seed),
    }
    for name, found in studies["quadratic"].items():
        heading(f"H5: three poolings, {name}, with the squares")
        print(found)
        print(f"\n{found.report}")
        troubled = [kind for kind, fit in found.fits.items() if not fit.diagnosis.ok]
        print(f"\nfits with advice: {', '.join(troubled) or 'none'}")
        folder = f"{out}_{name.replace(' ', '_')}"
        print(f"partial pooling saved in {found.fits['partial'].save(folder)}")
    _compare(studies, quadratic, data, seed)
    halves = rows_of_halves(studies["quadratic"]["high and low"].fits["partial"])
    levels = rows_of_levels(studies["quadratic"]["all levels"].fits["partial"])
    rows = [row for path in PATHS for row in (halves[path], levels[path])]
    drawn = {
        f"poolings_{name.replace(' ', '_')}": found for name, found in studies["quadratic"].items()
    }
    return rows, {name: plots.plot_poolings(found) for name, found in drawn.items()}


def _poolings(
    text: str, data: pd.DataFrame, groups: dict[str, Groups], seed: int
) -> dict[str, Poolings]:
    """Complete, no and partial pooling over halves and levels.

    Diversity predicts a level's path; two halves cannot tell a slope from a difference.
    """
    columns = {"high and low": ("half", None), "all levels": ("level", "apd")}
    return {
        name: bs.compare_poolings(
            bs.SEM(text),
            data,
            *PATHS,
            group=column,
            by=by,
            group_order=groups[name].order,
            loo=False,
            random_seed=seed,
        )
        for name, (column, by) in columns.items()
    }


def _compare(
    studies: dict[str, dict[str, Poolings]], quadratic: str, data: pd.DataFrame, seed: int
) -> None:
    """LOO of every way of saying it, on the same firms."""
    heading("H5: which account predicts best?")
    models: dict[str, bs.Fit] = {}
    for shape, poolings in studies.items():
        for name, found in poolings.items():
            for kind, word in (("none", "no"), ("partial", "partial")):
                models[f"{shape}, {name}, {word} pooling"] = found.fits[kind]
        models[f"{shape}, the same for all"] = poolings["high and low"].fits["complete"]
    continuous = bs.continuous_moderator(bs.SEM(quadratic), "apd", *PATHS)
    models["quadratic, continuous diversity"] = continuous.fit(data, random_seed=seed)
    print(bs.compare(models))
    print()
    paragraph(
        "The difference that matters for H5 is within a shape: do groups predict better than the "
        "same path for all? The squares are another question, and the larger one."
    )


def main() -> None:
    """H5 alone."""
    from alliance_capability import LINEAR, QUADRATIC

    options = arguments(__doc__.splitlines()[0], out="alliance")
    data = pd.read_csv(ROOT / "data" / "alliance_capability.csv")
    rows, figures = moderation(QUADRATIC, LINEAR, data, seed=options.seed, out=options.out)
    heading("H5: the study and the posterior")
    print_hypotheses(rows)
    if options.figures:
        from reporting import write_figures

        write_figures({name: lambda f=f: f for name, f in figures.items()}, options.figures)


if __name__ == "__main__":
    main()
