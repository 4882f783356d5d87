"""Support by supervisor and by organization, and commitment: does it count that they agree?

    python models/response_surface.py                 # every part
    python models/response_surface.py --study quick   # one surface
    python models/response_surface.py --figures runs/support_figures

The question. Are employees most committed (AC) where the support that they perceive from their
supervisor (PSS) and from their organization (POS) is at the same level, or does either kind of
support count by itself? A difference score mixes these up; a response surface tells them apart.

Shanock et al. (2010, doi:10.1007/s10869-010-9183-4) publish the five coefficients of this surface,
as R's package RSA quotes them. The data are simulated with them (data/README.md): here for
constructs measured by three items each, where the publication has scores. This script shows the
analysis and whether it recovers the coefficients; it is not evidence about employees.
"""

from __future__ import annotations

import pandas as pd
from reporting import ROOT, arguments, heading, paragraph, print_table, write_figures

import bayessem as bs
from bayessem import plots
from bayessem.effects.effects import chance_text
from bayessem.shapes.response_surface_result import ResponseSurface
from bayessem.text.document import Column
from bayessem.text.formats import NUMBER, SHORT, SHORT_INTERVAL, WORD

# Equal loadings give both kinds of support one unit, a point of the first item. Without a common
# unit neither "PSS = POS" nor the sum and difference of their slopes would have a meaning.
MEASUREMENT = """
  PSS =~ pss1 + l2*pss2 + l3*pss3
  POS =~ pos1 + l2*pos2 + l3*pos3
  AC  =~ ac1 + ac2 + ac3
"""
ADDITIVE = MEASUREMENT + "  AC ~ PSS + POS\n"
SURFACE = ADDITIVE + "  AC ~ PSS:PSS + PSS:POS + POS:POS\n"
# The same surface without the equalities: are they at odds with the data?
FREE_LOADINGS = SURFACE.replace("l2*", "").replace("l3*", "")
NAMES = ("PSS", "POS", "AC")

# Shanock et al. (2010), Table 2, as quoted in the example of RSA.ST, and the lines they imply.
PUBLISHED = {"b1": -0.23, "b2": 0.77, "b3": -0.07, "b4": 0.27, "b5": -0.10}
PUBLISHED |= {"a1": 0.54, "a2": 0.10, "a3": -1.00, "a4": -0.44}


def read_data() -> pd.DataFrame:
    """Read the shipped, simulated employees."""
    return pd.read_csv(ROOT / "data" / "support_commitment.csv")


def print_recovery(result: ResponseSurface) -> None:
    """Print the published coefficients and lines, from which the data were drawn, beside ours."""
    ours = result.table.set_index("quantity").loc[list(PUBLISHED)]
    bounds = list(zip(ours["lower"], ours["upper"], strict=True))
    heading("Published coefficients, from which the data were simulated, and the posterior")
    print_table(
        Column("", list(PUBLISHED)),
        Column("published", list(PUBLISHED.values()), SHORT),
        Column("posterior mean", ours["mean"].tolist(), NUMBER),
        Column("sd", ours["sd"].tolist(), NUMBER),
        Column(f"{result.ci_prob:.0%} interval".replace("%", " %"), bounds, SHORT_INTERVAL),
        Column(
            "published inside",
            [
                "yes" if low <= value <= high else "no"
                for value, (low, high) in zip(PUBLISHED.values(), bounds, strict=True)
            ],
            WORD,
        ),
    )


def conclusions(result: ResponseSurface) -> None:
    """Print what it amounts to, with its probabilities, and what it is not."""
    a1, a3, a4 = (result.draws.sel(quantity=name).values for name in ("a1", "a3", "a4"))
    claims = result.claims.iloc[0]
    broad = claims["congruence effect, broad sense"]
    heading("What it amounts to")
    paragraph(
        "More support of both kinds goes with more commitment (a1 > 0) with probability "
        f"{chance_text(float((a1 > 0).mean()))}; that of the organization counts for more (a3 < 0) "
        f"with probability {chance_text(float((a3 < 0).mean()))}. Along the line of incongruence "
        "the surface is curved downwards (a4 < 0) with probability "
        f"{chance_text(float((a4 < 0).mean()))}, but this alone is no effect of agreement: that "
        f"commitment is {result.hypothesis} where both agree has probability {chance_text(broad)}."
    )
    print()
    paragraph(
        "The data are simulated with the published coefficients; n, items, loadings, variances and "
        "the correlation of both kinds of support are ours (data/README.md). Agreement shows that "
        "the analysis recovers the coefficients; it is not evidence about employees."
    )


def further_parts(data: pd.DataFrame, fit: bs.Fit, *, seed: int) -> None:
    """Print whether one unit may be assumed, whether the surface is needed, and single curves."""
    heading("May both kinds of support have one unit? The same surface with loadings free")
    free = bs.SEM(FREE_LOADINGS).fit(data, random_seed=seed)
    print(bs.compare({"equal loadings": fit, "free loadings": free}))

    heading("Is the surface needed?")
    additive = bs.SEM(ADDITIVE).fit(data, random_seed=seed)
    print(bs.compare({"surface": fit, "additive": additive}))

    heading("One kind of support at a time")
    # Four models that are told apart by LOO, for which fewer draws do.
    few = {"draws": 500, "tune": 500, "chains": 2}
    print(bs.compare_shapes(bs.SEM(ADDITIVE), data, "POS", "AC", random_seed=seed, **few))
    print()
    paragraph(
        "A curve of one kind of support cannot show the surface: over POS alone its curvatures all "
        "but cancel (b5 + .5 b4 + .25 b3 = .02 in the population, where both kinds of support "
        "correlate by .5)."
    )


def main() -> None:
    """Fit, print and save."""
    options = arguments(__doc__.splitlines()[0], out="response_surface", studies=("full", "quick"))
    data = read_data()
    paragraph(
        "The data are simulated with the coefficients that Shanock et al. (2010) publish: no row "
        "is a real employee."
    )
    sem = bs.SEM(SURFACE)
    print(f"\n{sem.check(data)}")
    # Default priors and sampling: 4 chains of 1000 draws after 1000 of warm-up.
    fit = sem.fit(data, random_seed=options.seed)
    print(fit)
    result = fit.response_surface(*NAMES)
    heading("The response surface (simulated data)")
    print(result)
    print_recovery(result)
    if options.study == "full":
        further_parts(data, fit, seed=options.seed)
    conclusions(result)
    write_figures(
        {
            "support_surface": lambda: plots.plot_response_surface(result),
            "support_surface_3d": lambda: plots.plot_surface_3d(result),
        },
        options.figures,
    )
    print(f"\nsaved in {fit.save(options.out)}")


if __name__ == "__main__":
    main()
