"""H5 of the alliance study: does the diversity of a firm's alliances moderate the effects of AMC?

    python models/alliance_moderation.py      also the last part of models/alliance_capability.py

H5a: high alliance portfolio diversity strengthens AMC -> radical co-innovation. H5b: low diversity
strengthens AMC -> incremental co-innovation. The study split its firms at the median and compared
equal with free paths by a chi-square difference test. Here that test stands first. Then every other
way of saying it, with and without the squares: the paths by halves and by all levels of diversity,
each with complete, no and partial pooling (diversity itself predicts a level's path), and with
diversity as a continuous moderator. Diversity's own effect on both outcomes is in every model, so
that they differ in the slopes alone; they are compared by leaving firms out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from reporting import (
    ROOT,
    Hypothesis,
    arguments,
    heading,
    paragraph,
    print_hypotheses,
    print_table,
)

import bayessem as bs
from bayessem import plots
from bayessem.results.standardize import standardised
from bayessem.text.document import Column
from bayessem.text.formats import SHORT, WORD, interval_text
from bayessem.text.numbers import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bayessem.comparison.loo import Loo
    from bayessem.moderation.diversity import Groups
    from bayessem.moderation.groups import GroupComparison

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
# Columns of the groups, and what predicts a group's path: two halves cannot tell a slope from a
# difference, levels can.
GROUPINGS = {"high and low": ("half", None), "all levels": ("level", "apd")}
SAME, CONTINUOUS = "the same for all", "continuous diversity"
CURVES = "continuous diversity, of the squares too"

Draws = dict[str, np.ndarray]  # (chain, draw)


@dataclass(frozen=True)
class Account:
    """What is kept of the fits of one shape, linear or quadratic.

    Attributes
    ----------
    halves : dict of str to Draws
        By path and half: standardised within the half, partial pooling.
    levels, continuous : Draws
        By path: its change from no diversity to full diversity, with partial pooling of the levels,
        and with diversity as a continuous moderator.
    loo : dict of str to Loo
        Of every model.
    figures : dict of str to Figure
        The three poolings.
    """

    halves: dict[str, Draws]
    levels: Draws
    continuous: Draws
    loo: dict[str, Loo]
    figures: dict[str, Figure]


def with_groups(data: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Groups]]:
    """The firms with their diversity (k/8)^2, its two halves and its levels as groups."""
    data = data.assign(apd=bs.alliance_portfolio_diversity(data, PARTNERS))
    groups = {
        "high and low": bs.median_split(data, "apd"),
        "all levels": bs.level_groups(data, "apd", merge_below=FEWEST),
    }
    labels = {"half": groups["high and low"].labels, "level": groups["all levels"].labels}
    return data.assign(**labels), groups


def by_group(fit: bs.Fit) -> dict[str, Draws]:
    """Draws of the paths in each group, standardised within the group."""
    table = fit.prepared.table
    draws = standardised(fit.prepared.structure, fit.elements)
    out: dict[str, Draws] = {path: {} for path in PATHS}
    for k, r in enumerate(table.rows):
        if f"{r.lhs}{r.op}{r.rhs}" in out:
            out[f"{r.lhs}{r.op}{r.rhs}"][table.groups[r.group]] = draws[..., k]
    return out


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
    test = bs.SEM(linear).compare_groups(data, group="half", parameters=PATHS, posterior=False)
    print(test)
    print()
    paragraph(test_words(test, firms=len(data)))
    accounts = {
        shape: account(shape, text, data, groups, seed=seed, out=out)
        for shape, text in (("quadratic", quadratic), ("linear", linear))
    }
    heading("H5: the study's paths and ours, standardised within each half")
    print_paths(test, accounts)
    for shape, one in accounts.items():
        heading(f"H5: which account predicts best? The {shape} models")
        print(bs.compare(one.loo))
        print()
        paragraph(worth_words(one.loo))
    heading("H5: and with or without the squares?")
    best = {shape: bs.compare(one.loo).best for shape, one in accounts.items()}
    print(bs.compare({f"{k}, {name}": accounts[k].loo[name] for k, name in best.items()}))
    print()
    paragraph(
        "The squares are another question than H5, and the larger one; whether diversity moderates "
        "the paths is read within a shape, from the two comparisons above."
    )
    rows = [row for path in PATHS for row in rows_of(path, accounts["quadratic"])]
    return rows, accounts["quadratic"].figures


def account(
    shape: str,
    text: str,
    data: pd.DataFrame,
    groups: Mapping[str, Groups],
    *,
    seed: int,
    out: str,
) -> Account:
    """Fit, print and cross-validate every model of one shape; its fits are then let go."""
    sem = bs.with_main_effects(bs.SEM(text), "apd", *PATHS)
    halves: dict[str, Draws] = {}
    levels: Draws = {}
    loo: dict[str, Loo] = {}
    figures: dict[str, Figure] = {}
    complete = None
    for name, (column, by) in GROUPINGS.items():
        found = bs.compare_poolings(
            sem,
            data,
            *PATHS,
            group=column,
            by=by,
            group_order=groups[name].order,
            complete=complete,
            loo=False,
            random_seed=seed,
        )
        complete, partial = found.fits["complete"], found.fits["partial"]
        heading(f"H5: three poolings, {name}, {shape}")
        print(found)
        for kind, word in (("none", "no"), ("partial", "partial")):
            loo[f"{name}, {word} pooling"] = found.fits[kind].loo()
        if by is None:
            halves = by_group(partial)
        else:
            draws = partial.parameters
            levels = {p: draws.sel(parameter=f"{p}|{by}").values for p in PATHS}
        if shape == "quadratic":
            print(f"\n{found.report}")
            file = name.replace(" ", "_")
            figures[f"poolings_{file}"] = plots.plot_poolings(found)
            print(f"\npartial pooling saved in {partial.save(f'{out}_{file}')}")
    assert complete is not None
    loo[SAME] = complete.loo()
    heading(f"H5: diversity as a continuous moderator, {shape}")
    fit = bs.continuous_moderator(bs.SEM(text), "apd", *PATHS).fit(data, random_seed=seed)
    print(fit.diagnosis)
    for path in PATHS:
        print(f"\n{fit.simple_slopes('AMC', path.split('~')[0], 'apd')}")
    loo[CONTINUOUS] = fit.loo()
    if shape == "quadratic":
        loo[CURVES] = curves_too(text, data, seed=seed)
    names = {path: f"{path}:apd" for path in PATHS}
    continuous = {p: fit.parameters.sel(parameter=name).values for p, name in names.items()}
    return Account(halves, levels, continuous, loo, figures)


def curves_too(text: str, data: pd.DataFrame, *, seed: int) -> Loo:
    """Let diversity change the squares as well (AMC:AMC:apd); print it, and cross-validate."""
    squares = tuple(f"{path}:AMC" for path in PATHS)
    fit = bs.continuous_moderator(bs.SEM(text), "apd", *PATHS, *squares).fit(data, random_seed=seed)
    heading("H5: diversity as a continuous moderator of the squares, too")
    print(fit.diagnosis)
    print()
    for path in PATHS:
        outcome = path.split("~")[0]
        change = fit.parameters.sel(parameter=f"{outcome}~AMC:AMC:apd").values
        low, high = np.quantile(change, (0.025, 0.975))
        paragraph(
            f"From no diversity to full diversity the coefficient of AMC's square on {outcome} "
            f"changes by {change.mean():.2f} [{low:.2f}, {high:.2f}]; the probability of an "
            f"increase is {(change > 0).mean():.3f}."
        )
    return fit.loo()


# --- what is said ---------------------------------------------------------------------------------


def test_words(test: GroupComparison, *, firms: int) -> str:
    """The study's test in a sentence: which difference is significant here too."""
    p = test.tests.set_index("parameter")["p"]
    said = [
        f"{path} differs significantly between the halves (p = {p[path]:.3f})"
        if p[path] < 0.05
        else f"{path} does not (p = {p[path]:.3f})"
        for path in sorted(PATHS, key=lambda path: p[path])
    ]
    return (
        f"The study reports both differences as significant at 5 %. Here {', and '.join(said)}. "
        "The standard errors above say what such a test can see: the study's difference for RAD, "
        f".04 in standardised paths, is well within the sampling error of {firms} firms."
    )


def _mean_and_interval(draws: np.ndarray) -> str:
    lower, upper = np.quantile(draws, [0.025, 0.975])
    return f"{number(draws.mean(), 2)} {interval_text((lower, upper), 2)}"


def print_paths(test: GroupComparison, accounts: Mapping[str, Account]) -> None:
    """The study's standardised paths beside maximum likelihood and both shapes."""
    free = test.estimates.set_index(["parameter", "group"])["std_all"]
    keys = [(path, half) for path, reported in REPORTED.items() for half in reported]
    print_table(
        Column("", [path for path, _ in keys]),
        Column("diversity", [half for _, half in keys]),
        Column("study", [REPORTED[path][half] for path, half in keys], SHORT),
        Column("ML", [float(free[key]) for key in keys], SHORT),
        *(
            Column(name, [_mean_and_interval(one.halves[p][h]) for p, h in keys], WORD)
            for name, one in accounts.items()
        ),
    )
    print()
    paragraph(
        "study: multi-group maximum likelihood; ML: the same here, paths free, linear model; then "
        "posterior means and 95 % intervals with partial pooling. In the quadratic model the path "
        "is the slope at the average capability."
    )


def worth_words(loo: Mapping[str, Loo]) -> str:
    """How much better than the same path for all each account predicts."""
    base = loo[SAME].pointwise["elpd"]
    parts = []
    for name, one in loo.items():
        if name != SAME:
            gap = one.pointwise["elpd"].loc[base.index] - base
            parts.append(f"{name} {gap.sum():+.1f} (SE {len(gap) ** 0.5 * gap.std(ddof=1):.1f})")
    return (
        "Against the same paths for all firms, in elpd: " + "; ".join(parts) + ". All models have "
        "diversity's own effect on RAD and INC, so that this is about the paths alone."
    )


def rows_of(path: str, one: Account) -> list[Hypothesis]:
    """A hypothesis by halves, by levels and continuously."""
    reported = REPORTED[path]
    higher, lower = sorted(reported, key=lambda half: -reported[half])
    draws = one.halves[path]
    gap = draws[higher] - draws[lower]
    sign, way = (1.0, "rises") if higher == "high" else (-1.0, "falls")
    words = (
        f"{higher} {reported[higher]:.2f}, {lower} {reported[lower]:.2f} in the study; "
        f"{higher} {draws[higher].mean():.2f}, {lower} {draws[lower].mean():.2f} here "
        f"(standardised within each half; the difference is known to +-{gap.std():.2f}). The first "
        "row compares the differences; the others are how much the unstandardised path changes "
        "from no diversity to full diversity."
    )
    outcome = path.split("~")[0]
    claim = f"AMC on {outcome} is stronger at {higher} diversity (two halves)"
    name = "H5a" if outcome == "RAD" else "H5b"
    difference = f"{reported[higher] - reported[lower]:.2f}"
    return [
        row(name, claim, difference, gap, words),
        row("", f"and {way} with diversity over all its levels", "", sign * one.levels[path]),
        row("", f"and {way} with diversity, continuously", "", sign * one.continuous[path]),
    ]


def row(name: str, claim: str, reported: str, draws: np.ndarray, words: str = "") -> Hypothesis:
    """A row of the closing table, of draws that are positive where the claim holds."""
    lower, upper = (float(q) for q in np.quantile(draws, [0.025, 0.975]))
    mean, chance = float(draws.mean()), float((draws > 0).mean())
    return Hypothesis(name, claim, reported, mean, lower, upper, chance, words)


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
