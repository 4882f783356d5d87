"""Support from friends and from parents, and life satisfaction: does it count that they agree?

    python models/response_surface.py                 # every part
    python models/response_surface.py --study quick   # one surface

283 adolescents rated both kinds of support and their satisfaction with life. The response surface
tells apart what a difference score mixes up: that either kind of support counts by itself, and that
satisfaction is highest where both are at the same level (congruence). Real data.
"""

from __future__ import annotations

import pandas as pd
from reporting import ROOT, arguments, heading, paragraph, write_figures

import bayessem as bs
from bayessem import plots
from bayessem.effects.effects import chance_text
from bayessem.shapes.response_surface_result import ResponseSurface

MEASUREMENT = """
  FRIENDS =~ sup_friends_p1 + sup_friends_p2 + sup_friends_p3
  PARENTS =~ sup_parents_p1 + sup_parents_p2 + sup_parents_p3
  LS      =~ ls_p1 + ls_p2 + ls_p3
"""
ADDITIVE = MEASUREMENT + "  LS ~ FRIENDS + PARENTS\n"
SURFACE = ADDITIVE + "  LS ~ FRIENDS:FRIENDS + FRIENDS:PARENTS + PARENTS:PARENTS\n"
# Equal loadings give both kinds of support one unit: a check of the standardised metric.
ONE_UNIT = (
    SURFACE.replace("sup_friends_p2", "l2*sup_friends_p2")
    .replace("sup_friends_p3", "l3*sup_friends_p3")
    .replace("sup_parents_p2", "l2*sup_parents_p2")
    .replace("sup_parents_p3", "l3*sup_parents_p3")
)
NAMES = ("FRIENDS", "PARENTS", "LS")


def read_data() -> pd.DataFrame:
    """A row an adolescent; parcels of items on 7-point scales."""
    return pd.read_csv(ROOT / "data" / "social_support.csv")


def conclusions(result: ResponseSurface) -> None:
    """Print what it amounts to, with its probabilities."""
    a1 = result.draws.sel(quantity="a1").values
    a3 = result.draws.sel(quantity="a3").values
    claims = result.claims.iloc[0]
    broad = claims["congruence effect, broad sense"]
    heading("What it amounts to")
    paragraph(
        "More support of both kinds goes with more satisfaction (a1 > 0) with probability "
        f"{chance_text(float((a1 > 0).mean()))}; that of the parents counts for more (a3 < 0) with "
        f"probability {chance_text(float((a3 < 0).mean()))}. That satisfaction is "
        f"{result.hypothesis} where both agree has probability {chance_text(broad)}."
    )


def main() -> None:
    """Fit, print and save."""
    options = arguments(__doc__.splitlines()[0], out="response_surface", studies=("full", "quick"))
    data = read_data()
    sem = bs.SEM(SURFACE)
    print(sem.check(data))
    fit = sem.fit(data, random_seed=options.seed)
    print(fit)
    result = fit.response_surface(*NAMES)
    print(f"\n{result}")
    if options.study == "full":
        one_unit = bs.SEM(ONE_UNIT).fit(data, random_seed=options.seed)
        heading("Both kinds of support in one unit (equal loadings)")
        print(one_unit.response_surface(*NAMES, scores=False))
        by_region = sem.extended(options={"group_equal": "loadings"}).fit(
            data, group="region", random_seed=options.seed
        )
        heading("By region")
        print(by_region.response_surface(*NAMES, scores=False))
        additive = bs.SEM(ADDITIVE).fit(data, random_seed=options.seed)
        heading("Is the surface needed?")
        print(bs.compare({"additive": additive, "surface": fit}))
        heading("One kind of support at a time")
        # the cubic of a construct takes some twenty times as long as its square
        few = {"draws": 500, "tune": 500, "chains": 2}
        print(
            bs.compare_shapes(
                bs.SEM(ADDITIVE), data, "PARENTS", "LS", random_seed=options.seed, **few
            )
        )
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
