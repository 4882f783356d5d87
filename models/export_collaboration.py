"""Inter-firm collaboration and exports: 491 professionals of small and medium-sized firms.

    python models/export_collaboration.py
    python models/export_collaboration.py --figures runs/export_figures

The question. Does collaboration between firms (COLLAB) raise the export performance of their
industry (INDUSTRY), and is it the export performance of the single firm (FIRM) that carries the
effect?

The study's abstract reports that collaboration matters and that firm export performance
significantly mediates, by the steps of Baron and Kenny. It reports no coefficient. The data are
therefore simulated with coefficients of our own (data/README.md): this script shows the analysis,
not evidence about firms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from reporting import (
    ROOT,
    Hypothesis,
    arguments,
    fit_measures,
    heading,
    paragraph,
    print_fit_measures,
    print_hypotheses,
    write_figures,
)

import bayessem as bs
from bayessem import plots
from bayessem.effects.effects import chance_text

if TYPE_CHECKING:
    import pymc as pm

    from bayessem.effects.mediation import Mediation

# Measures. Thirteen items on a 5-point metric. Each construct has the metric of its first item (its
# marker): a path of .5 is half a point more of the outcome's first item for one point of the
# predictor's. No item loads on two constructs and no residuals covary: nothing was known that would
# have justified either.
#
# Structure. FIRM lies between COLLAB and INDUSTRY; the direct path stays in the model, because full
# mediation is a finding, not an assumption. a, b and c name the paths for the definitions below.
MODEL = """
  COLLAB   =~ ic1 + ic2 + ic3 + ic4 + ic5
  FIRM     =~ fe1 + fe2 + fe3 + fe4
  INDUSTRY =~ ie1 + ie2 + ie3 + ie4

  FIRM     ~ a*COLLAB                # collaboration pays for the firm
  INDUSTRY ~ b*FIRM + c*COLLAB       # and, through it or directly, for the industry

  indirect := a*b
  total    := c + a*b
"""


def read_data() -> pd.DataFrame:
    """Read the shipped, simulated respondents."""
    return pd.read_csv(ROOT / "data" / "export_collaboration.csv")


def pymc_model(data: pd.DataFrame) -> pm.Model:
    """The model written out in PyMC: the same log-probability as the text above.

    Change a prior or put a hierarchy on a path here; the observed node takes any matrices.
    """
    import pymc as pm
    import pytensor.tensor as pt

    items = {
        "COLLAB": [x for x in data.columns if x.startswith("ic")],
        "FIRM": [x for x in data.columns if x.startswith("fe")],
        "INDUSTRY": [x for x in data.columns if x.startswith("ie")],
    }
    constructs = list(items)
    indicators = [x for block in items.values() for x in block]
    row = {name: i for i, name in enumerate(indicators)}
    col = {name: i for i, name in enumerate(constructs)}
    mean, sd = data[indicators].mean(), data[indicators].std(ddof=0)
    scale = {c: sd[block[0]] for c, block in items.items()}  # a construct has its marker's metric

    free = [(c, x) for c, block in items.items() for x in block[1:]]
    paths = [("COLLAB", "FIRM"), ("FIRM", "INDUSTRY"), ("COLLAB", "INDUSTRY")]
    coords = {
        "indicator": indicators,
        "free_loading": [f"{c}=~{x}" for c, x in free],
        "relation": [f"{y}~{x}" for x, y in paths],
        "construct": constructs,
    }
    with pm.Model(coords=coords) as model:
        # Loadings and paths are N(0, 1) in standard deviations of their variables: any effect of
        # a social study lies well inside, and none is favoured by its sign.
        loading = pm.Normal("loading", 0, [sd[x] / scale[c] for c, x in free], dims="free_loading")
        path = pm.Normal("path", 0, [scale[y] / scale[x] for x, y in paths], dims="relation")
        # Item means are all but known from 491 answers; the prior only fixes their region.
        intercept = pm.Normal("intercept", mean.to_numpy(), 2.5 * sd.to_numpy(), dims="indicator")
        # Standard deviations: a residual cannot exceed the item's own; half-normals of that order.
        residual_sd = pm.HalfNormal("residual_sd", 0.6 * sd.to_numpy(), dims="indicator")
        disturbance_sd = pm.HalfNormal(
            "disturbance_sd", [0.75 * scale[c] for c in constructs], dims="construct"
        )

        markers = np.zeros((len(indicators), len(constructs)))
        for c, block in items.items():
            markers[row[block[0]], col[c]] = 1.0
        at = ([row[x] for _, x in free], [col[c] for c, _ in free])
        loadings = pt.as_tensor(markers)[at].set(loading)
        at = ([col[y] for _, y in paths], [col[x] for x, _ in paths])
        between = pt.zeros((len(constructs), len(constructs)))[at].set(path)

        bs.StructuralModel(
            "y",
            observed=data[indicators],
            latents=constructs,
            loadings=loadings,
            paths=between,
            intercepts=intercept,
            residuals=residual_sd**2,
            disturbances=disturbance_sd**2,
        )
    return model


def hypotheses(fit: bs.Fit, mediation: Mediation) -> list[Hypothesis]:
    """The abstract's claims as rows of the closing table; coefficients are standardised."""
    summary = fit.summary()
    by_name = summary.set_index(summary["lhs"] + summary["op"] + summary["rhs"])

    def path(name: str, claim: str, key: str, reported: str) -> Hypothesis:
        r = by_name.loc[key]
        return Hypothesis(
            name, claim, reported, r["std"], r["std_lower"], r["std_upper"], r["p_positive"]
        )

    table = mediation.standardized.table.set_index("effect")
    total, indirect = table.loc["total"], table.loc["indirect"]
    types = mediation.types.iloc[0]
    full, partial = float(types["indirect-only"]), float(types["complementary"])
    return [
        path("H1", "COLLAB -> FIRM is positive", "FIRM~COLLAB", "positive"),
        path("H2", "FIRM -> INDUSTRY is positive", "INDUSTRY~FIRM", "positive"),
        Hypothesis(
            "H3",
            "COLLAB -> INDUSTRY, total, is positive",
            "positive",
            *(float(total[c]) for c in ("mean", "lower", "upper", "p_positive")),
        ),
        Hypothesis(
            "H4",
            "FIRM mediates COLLAB -> INDUSTRY",
            "mediates",
            *(float(indirect[c]) for c in ("mean", "lower", "upper")),
            full + partial,
            words=(
                f"the mediation is partial with probability {chance_text(partial)} and full with "
                f"probability {chance_text(full)} (a standardised direct effect within +-"
                f"{mediation.rope:g} counts as none). The abstract does not say which."
            ),
        ),
    ]


def main() -> None:
    """Fit, print and save."""
    options = arguments(__doc__.splitlines()[0], out="export")
    data = read_data()
    sem = bs.SEM(MODEL)
    print(sem.check(data))
    # Default sampling: 4 chains of 1000 draws after 1000 of warm-up.
    fit = sem.fit(data, random_seed=options.seed)
    print(fit)

    # Before any path is read: do the items measure three constructs that can be told apart?
    heading("Measurement")
    measurement = fit.measurement()
    print(measurement)

    # The chi-square table that reviewers ask for, from the same likelihood without priors.
    heading("Global fit by maximum likelihood")
    ml = sem.ml(data)
    print_fit_measures({"three constructs, all paths free": fit_measures(ml)})
    print()
    paragraph(
        f"p = {ml.measures['pvalue']:.3f}. The structural part is saturated: this tests the "
        "measurement alone."
    )

    heading("Does firm export performance carry the effect of collaboration?")
    mediation = fit.mediation("COLLAB", "INDUSTRY")
    print(mediation)

    heading("Hypotheses: the abstract and the posterior (standardised)")
    print_hypotheses(hypotheses(fit, mediation))
    print()
    paragraph(
        "The abstract gives signs and significance only. The data are simulated with paths of .55, "
        ".45 and .20 that are ours: 'ours' says how well the analysis recovers these, nothing "
        "about the study's own effects."
    )
    write_figures(
        {
            "estimates": lambda: plots.plot_estimates(fit),
            "mediation": lambda: plots.plot_mediation(mediation),
            "effects": lambda: plots.plot_effects(mediation.standardized),
            "measurement": lambda: plots.plot_measurement(measurement),
            "traces": lambda: plots.plot_traces(fit, ["FIRM~COLLAB", "indirect"]),
        },
        options.figures,
    )
    print(f"\nsaved in {fit.save(options.out)}")


if __name__ == "__main__":
    main()
