"""Alliance management capability, co-innovation and internationalization of 278 SMEs.

    python models/alliance_capability.py                 the study: quadratic and linear models
    python models/alliance_capability.py --study quick   one quadratic model and its tables

The question. Does a firm's alliance management capability (AMC) help it to innovate with its
partners, radically (RAD) and incrementally (INC), is there too much of it (an inverted U), and do
these innovations carry AMC's effect on the speed and success of internationalization?

The data are simulated from the numbers that the study reports (data/README.md): 278 firms, 26
items on a 7-point metric, and `speed`, minus the years from founding to the first foreign venture,
so that a positive path means faster.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import bayessem as bs

if TYPE_CHECKING:
    import pymc as pm

ROOT = Path(__file__).resolve().parents[1]

# AMC is a second-order construct: what its five dimensions share. Each construct is measured on the
# metric of its first item (its marker).
MEASUREMENT = """
  AMC    =~ COORD + PORTF + LEARN + PROACT + TRANSF
  COORD  =~ co1 + co2 + co3
  PORTF  =~ po1 + po2 + po3
  LEARN  =~ le1 + le2 + le3
  PROACT =~ pr1 + pr2 + pr3
  TRANSF =~ tr1 + tr2 + tr3 + tr4
  RAD    =~ ra1 + ra2 + ra3
  INC    =~ in1 + in2 + in3
  SUCC   =~ su1 + su2 + su3 + su4
"""

# The hypotheses as paths. AMC:AMC is the square of the latent variable, not of a score. The two
# outcomes share no cause beyond those named, as in the study.
QUADRATIC = (
    MEASUREMENT
    + """
  RAD   ~ AMC + AMC:AMC      # H1: inverted U
  INC   ~ AMC + AMC:AMC      # H2: positive, non-linear
  speed ~ RAD + AMC          # H3, and the direct effect that RAD may mediate
  SUCC  ~ INC + AMC          # H4, and the direct effect that INC may mediate
  speed ~~ 0*SUCC
"""
)
LINEAR = QUADRATIC.replace(" + AMC:AMC", "")

# What the study reports for the paths, standardised; squares are of the standardised square.
REPORTED = {
    "RAD~AMC": 0.75,
    "RAD~AMC:AMC": 0.65,
    "INC~AMC": 0.73,
    "INC~AMC:AMC": 0.55,
    "speed~RAD": 0.15,
    "SUCC~INC": 0.61,
}


def read_data() -> pd.DataFrame:
    """Read the shipped, simulated firms."""
    return pd.read_csv(ROOT / "data" / "alliance_capability.csv")


def pymc_model(data: pd.DataFrame) -> pm.Model:
    """The quadratic model written out in PyMC: the same log-probability as the text above.

    Change a prior or put a hierarchy on a path here; the observed node takes any matrices.
    """
    import numpy as np
    import pymc as pm
    import pytensor.tensor as pt

    dimensions = ["COORD", "PORTF", "LEARN", "PROACT", "TRANSF"]
    letters = ["co", "po", "le", "pr", "tr", "ra", "in", "su"]
    items = {
        construct: [x for x in data.columns if x[:-1] == two and x[-1].isdigit()]
        for construct, two in zip([*dimensions, "RAD", "INC", "SUCC"], letters, strict=True)
    }
    indicators = [*(x for block in items.values() for x in block), "speed"]
    latents = ["AMC", *items, "speed"]
    row = {name: i for i, name in enumerate(indicators)}
    col = {name: i for i, name in enumerate(latents)}
    mean = data[indicators].mean()
    sd = data[indicators].std(ddof=0)
    # A construct has the metric of its marker item; AMC that of COORD, hence of co1.
    scale = {c: sd[block[0]] for c, block in items.items()} | {
        "AMC": sd["co1"],
        "speed": sd["speed"],
    }

    free = [(c, x) for c, block in items.items() for x in block[1:]]
    paths = [
        *(("AMC", d) for d in dimensions[1:]),  # second-order loadings are paths between latents
        ("AMC", "RAD"),
        ("AMC", "INC"),
        ("RAD", "speed"),
        ("AMC", "speed"),
        ("INC", "SUCC"),
        ("AMC", "SUCC"),
    ]
    outcomes = ["RAD", "INC"]
    coords = {
        "indicator": indicators,
        "free_loading": [f"{c}=~{x}" for c, x in free],
        "relation": [f"{y}~{x}" for x, y in paths],
        "curve": [f"{y}~AMC:AMC" for y in outcomes],
        "item": indicators[:-1],
        "latent": latents,
    }
    with pm.Model(coords=coords) as model:
        # Loadings and paths: in standard deviations of their variables, N(0, 1), "of the order of
        # one". The same rule for the squares.
        loading = pm.Normal("loading", 0, [sd[x] / scale[c] for c, x in free], dims="free_loading")
        path = pm.Normal("path", 0, [scale[y] / scale[x] for x, y in paths], dims="relation")
        square = pm.Normal(
            "square", 0, [scale[y] / scale["AMC"] ** 2 for y in outcomes], dims="curve"
        )
        # Item means are all but known from the data; the prior only fixes their region.
        intercept = pm.Normal("intercept", mean.to_numpy(), 2.5 * sd.to_numpy(), dims="indicator")
        # Standard deviations: an item's residual cannot exceed its own; half-normals of that order.
        residual_sd = pm.HalfNormal(
            "residual_sd", 0.6 * sd[indicators[:-1]].to_numpy(), dims="item"
        )
        disturbance_sd = pm.HalfNormal(
            "disturbance_sd", [0.75 * scale[c] for c in latents], dims="latent"
        )

        loadings = np.zeros((len(indicators), len(latents)))
        for c, block in items.items():
            loadings[row[block[0]], col[c]] = 1.0  # the marker
        loadings[row["speed"], col["speed"]] = 1.0  # observed: measured without error
        loadings = pt.as_tensor(loadings)[[row[x] for _, x in free], [col[c] for c, _ in free]].set(
            loading
        )
        between = np.zeros((len(latents), len(latents)))
        between[col["COORD"], col["AMC"]] = 1.0  # AMC's marker is COORD
        between = pt.as_tensor(between)[[col[y] for _, y in paths], [col[x] for x, _ in paths]].set(
            path
        )
        squares = pt.zeros(len(latents))[[col[y] for y in outcomes]].set(square)

        # speed is a latent variable with loading 1, so its mean is the latent's and its residual 0.
        bs.StructuralModel(
            "y",
            observed=data,
            latents=latents,
            loadings=loadings,
            paths=between,
            squares=squares,
            squared=["AMC"],
            intercepts=pt.concatenate([intercept[:-1], [0.0]]),
            means=pt.concatenate([pt.zeros(len(latents) - 1), intercept[-1:]]),
            residuals=pt.concatenate([residual_sd**2, [0.0]]),
            disturbances=disturbance_sd**2,
        )
    return model


def hypothesis_table(fit: bs.Fit) -> pd.DataFrame:
    """The reported standardised paths beside the posterior of this fit."""
    summary = fit.summary()
    summary.index = pd.Index(summary["lhs"] + summary["op"] + summary["rhs"])
    rows = []
    for name, reported in REPORTED.items():
        if name not in summary.index:
            continue
        row = summary.loc[name]
        squared = name.endswith("AMC:AMC")
        factor = row["std_square"] / row["std"] if squared else 1.0
        rows.append(
            {
                "path": name,
                "reported": reported,
                "posterior": row["std"] * factor,
                "lower": row["std_lower"] * factor,
                "upper": row["std_upper"] * factor,
                "P(> 0)": row["p_positive"],
            }
        )
    return pd.DataFrame(rows).set_index("path")


def main() -> None:
    """Fit, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", choices=("full", "quick"), default="full")
    parser.add_argument("--seed", type=int, default=1, help="random seed (1)")
    parser.add_argument("--out", default=str(ROOT / "runs" / "alliance"))
    arguments = parser.parse_args()

    data = read_data()
    sem = bs.SEM(QUADRATIC)
    print(sem.check(data))
    quadratic = sem.fit(data, random_seed=arguments.seed)
    print(quadratic)
    heading("Standardised paths: the study's report and the posterior (squares standardised)")
    print(hypothesis_table(quadratic).round(3).to_string())
    print(f"\nsaved in {quadratic.save(arguments.out)}")
    if arguments.study == "full":
        full_study(data, quadratic, seed=arguments.seed, out=arguments.out)


def full_study(data: pd.DataFrame, quadratic: bs.Fit, *, seed: int, out: str) -> None:
    """Measurement, hypotheses H1 to H4, mediation, the linear model, and H5 by partial pooling."""
    import arviz as az

    heading("Measurement")
    print(quadratic.measurement())

    heading("H1: is the effect of AMC on radical co-innovation an inverted U?")
    print(quadratic.shape("AMC", "RAD"))
    heading("H2: is the effect of AMC on incremental co-innovation positive and non-linear?")
    print(quadratic.shape("AMC", "INC"))

    heading("H3: does RAD carry AMC's effect on speed?")
    print(quadratic.mediation("AMC", "speed"))
    heading("H4: does INC carry AMC's effect on success?")
    print(quadratic.mediation("AMC", "SUCC"))

    heading("Maximum likelihood of the model without squares, as the study's fit table")
    print(bs.SEM(LINEAR).ml(data))

    heading("Is the curvature worth it? The same model without the squares, by LOO")
    linear = bs.SEM(LINEAR).fit(data, random_seed=seed)
    print(linear.diagnosis)
    comparison = az.compare({"quadratic": quadratic.data, "linear": linear.data})
    print(comparison[["rank", "elpd", "se", "elpd_diff", "dse", "weight"]].to_string())
    print(f"\nsaved in {linear.save(out + '_linear')}")

    heading("H5: do the paths from AMC differ between firms of low and of high diversity?")
    paths = ("RAD~AMC", "INC~AMC")
    by_diversity = bs.SEM(QUADRATIC).fit(
        data,
        group="diversity",
        pooling=bs.partial(*paths),
        random_seed=seed,
        target_accept=0.95,  # two groups leave tau to its prior: a narrow corner at tau = 0
    )
    print(by_diversity.diagnosis)
    draws = by_diversity.parameters
    for path, higher in zip(paths, ("high", "low"), strict=True):
        lower = "low" if higher == "high" else "high"
        gap = draws.sel(parameter=f"{path}[{higher}]") - draws.sel(parameter=f"{path}[{lower}]")
        print(
            f"{path}: {higher} less {lower} diversity {float(gap.mean()):.2f} "
            f"[{float(gap.quantile(0.025)):.2f}, {float(gap.quantile(0.975)):.2f}], "
            f"P(> 0) = {float((gap > 0).mean()):.3f}"
        )
    print(f"\nsaved in {by_diversity.save(out + '_diversity')}")


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n{'-' * len(text)}")


if __name__ == "__main__":
    main()
