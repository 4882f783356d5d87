"""Alliance management capability, co-innovation and internationalization of 278 SMEs.

    python models/alliance_capability.py                 the whole study, H1 to H5: some minutes
    python models/alliance_capability.py --study quick   one quadratic model and its tables

The question. Does a firm's alliance management capability (AMC) help it to innovate with its
partners, radically (RAD) and incrementally (INC), is there too much of it (an inverted U), and do
these innovations carry AMC's effect on the speed and success of internationalization?

The data are simulated from the numbers that the study reports (data/README.md): 278 firms, 26
items on a 7-point metric, and `speed`, minus the years from founding to the first foreign venture,
so that a positive path means faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from alliance_hypotheses import hypotheses
from alliance_moderation import moderation
from reporting import (
    ROOT,
    Hypothesis,
    arguments,
    fit_measures,
    heading,
    paragraph,
    print_fit_measures,
    print_hypotheses,
    print_ranges,
    write_figures,
)

import bayessem as bs
from bayessem import plots

if TYPE_CHECKING:
    import pymc as pm

    from bayessem.effects.mediation import Mediation
    from bayessem.measurement.quality_result import Measurement
    from bayessem.shapes.shape import Shape

# Measures. AMC is a second-order construct: what its five dimensions share, so that a path from AMC
# is about the capability as a whole and no dimension's own part takes credit for it. Each construct
# has the metric of its first item (its marker), AMC that of COORD: a path of .9 is .9 scale points
# of the outcome's marker for one of the predictor's. No residuals covary, as in the study.
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

# Structure: the hypotheses as paths. AMC:AMC is the square of the latent variable, not of a score,
# so measurement error does not flatten the curve. The direct paths from AMC stay in, because full
# mediation is a finding and not an assumption. RAD and INC share AMC and its square; the two
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

# The measurement model alone, as the study tested it: eight correlated constructs.
EIGHT_FACTORS = "\n".join(line for line in MEASUREMENT.splitlines() if "AMC" not in line)

# What the study reports of its measures and of global fit; its paths: alliance_hypotheses.py.
REPORTED_RANGES = {
    "loading": (0.70, 0.91),
    "composite reliability": (0.75, 0.90),
    "Cronbach's alpha": (0.75, 0.90),
    "average variance extracted": (0.51, 0.67),
}
REPORTED_FIT = {
    "measurement": {
        "chisq": 428.5, "df": 270, "cfi": 0.96, "ifi": 0.96, "gfi": 0.90, "rmsea": 0.046,
    },
    "structural": {
        "chisq": 576.1, "df": 389, "cfi": 0.95, "ifi": 0.95, "gfi": 0.89, "rmsea": 0.042,
    },
}  # fmt: skip


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


# --- the study, section by section ----------------------------------------------------------------


def print_measurement(measurement: Measurement) -> None:
    """The study's ranges beside ours: items of first-order constructs, and those constructs."""
    loadings = measurement.loadings[measurement.loadings["level"] == 1]
    quality = measurement.reliability[measurement.reliability["level"] == 1]

    def of(measure: str) -> pd.Series:
        return quality[quality["measure"] == measure].set_index("construct")["mean"]

    print_ranges(
        REPORTED_RANGES,
        {
            "loading": loadings.set_index("indicator")["mean"],
            "composite reliability": of("omega"),
            "Cronbach's alpha": of("alpha"),
            "average variance extracted": of("ave"),
        },
    )


def print_maximum_likelihood(data: pd.DataFrame) -> None:
    """The study's two chi-square tables beside ours, with what cannot be compared."""
    measurement = bs.SEM(EIGHT_FACTORS).ml(data)
    linear = bs.SEM(LINEAR).ml(data)
    print_fit_measures(
        {
            "measurement model, the study": REPORTED_FIT["measurement"],
            "measurement model, ours": fit_measures(measurement),
            "structural model, the study": REPORTED_FIT["structural"],
            "structural model, ours, without squares": fit_measures(linear),
        }
    )
    print()
    paragraph(
        "The measurement model has eight correlated constructs and 26 items (351 variances and "
        "covariances, 80 parameters: 271 degrees of freedom; the study prints 270). The study's "
        "structural model cannot be the one without squares: its 389 degrees of freedom exceed the "
        "378 variances and covariances of 27 observed variables, so it had product indicators of "
        "AMC squared among them. Here the square is that of the latent variable and needs no such "
        "indicators; a model with it has no chi-square, so the line is of the model without, and "
        "whether the squares belong in the model is asked below, by leaving firms out."
    )


def main() -> None:
    """Fit, print and save."""
    options = arguments(__doc__.splitlines()[0], out="alliance", studies=("full", "quick"))
    data = read_data()
    sem = bs.SEM(QUADRATIC)
    print(sem.check(data))
    # Default priors (written out in `pymc_model`) and sampling: 4 chains of 1000 draws after 1000.
    quadratic = sem.fit(data, random_seed=options.seed)
    print(quadratic)
    print(f"\nsaved in {quadratic.save(options.out)}")

    full = options.study == "full"
    # H1 is judged by the three steps of an inverted U, H2 by those of what the data look like, both
    # between the 5 % and 95 % quantiles of AMC: beyond them a quadratic is extrapolation.
    shapes = {
        y: quadratic.shape("AMC", y, hypothesis=h, lines=full)
        for y, h in (("RAD", "inverted U"), ("INC", None))
    }
    # A standardised direct effect below .1 counts as none (the default): with 278 firms neither a
    # study nor a manager could tell it from 0.
    mediations = {y: quadratic.mediation("AMC", y) for y in ("speed", "SUCC")}
    rows = hypotheses(quadratic, shapes, mediations)
    if full:
        rows += full_study(
            data,
            quadratic,
            shapes,
            mediations,
            seed=options.seed,
            out=options.out,
            folder=options.figures,
        )

    heading("Hypotheses: the study and the posterior")
    print_hypotheses(rows)
    print()
    paragraph(
        "All coefficients are standardised; a square is the path of the standardised square, in "
        "the study and here; an indirect effect is averaged over the firms. The data are simulated "
        "from the study's numbers: agreement shows that the analysis recovers them, it is not "
        "evidence about firms."
    )
    if options.figures:
        figures(quadratic, shapes, mediations, options.figures)


def full_study(
    data: pd.DataFrame,
    quadratic: bs.Fit,
    shapes: dict[str, Shape],
    mediations: dict[str, Mediation],
    *,
    seed: int,
    out: str,
    folder: str | None,
) -> list[Hypothesis]:
    """Measurement, shapes, mediations, the model without squares, moderation; the rows of H5."""
    # Before any path is read: do the items measure the constructs, and are these distinct?
    heading("Measurement")
    measurement = quadratic.measurement()
    print(measurement)
    heading("Measurement: the study's ranges and ours")
    print_measurement(measurement)
    heading("Global fit by maximum likelihood: the study's table and ours")
    print_maximum_likelihood(data)

    heading("H1: is the effect of AMC on radical co-innovation an inverted U?")
    print(shapes["RAD"])
    heading("H2: is the effect of AMC on incremental co-innovation positive and non-linear?")
    print(shapes["INC"])
    heading("H3: does RAD carry AMC's effect on speed?")
    print(mediations["speed"])
    heading("H4: does INC carry AMC's effect on success?")
    print(mediations["SUCC"])

    heading("Is the curvature worth it? The same model without the squares")
    linear = bs.SEM(LINEAR).fit(data, random_seed=seed)
    print(linear.diagnosis)
    # Log predictive densities of firms left out in turn: larger is better.
    print(f"\n{bs.compare({'quadratic': quadratic, 'linear': linear})}\n")
    print(f"saved in {linear.save(out + '_linear')}")

    # Moderation by the diversity of a firm's alliances: a script of its own, with its groups, three
    # poolings and comparison.
    rows, drawn = moderation(QUADRATIC, LINEAR, data, seed=seed, out=out)
    if folder:
        write_figures({name: lambda f=f: f for name, f in drawn.items()}, folder)
    return rows


def figures(
    fit: bs.Fit, shapes: dict[str, Shape], mediations: dict[str, Mediation], folder: str
) -> None:
    """The figures of the study, as PNG files."""
    amc = fit.scores()["AMC"]  # one number a firm, for the rug below the curve
    write_figures(
        {
            "estimates": lambda: plots.plot_estimates(fit),
            "shape_RAD": lambda: plots.plot_shape(shapes["RAD"], rug=amc),
            "shape_INC": lambda: plots.plot_shape(shapes["INC"], rug=amc),
            "mediation_speed": lambda: plots.plot_mediation(mediations["speed"]),
            "mediation_SUCC": lambda: plots.plot_mediation(mediations["SUCC"]),
            "effects_SUCC": lambda: plots.plot_effects(mediations["SUCC"].standardized),
            "what_if_SUCC": lambda: plots.plot_what_if(fit.what_if("AMC", "SUCC"), in_sd=True),
            "measurement": lambda: plots.plot_measurement(fit.measurement()),
            "traces": lambda: plots.plot_traces(fit, ["RAD~AMC", "RAD~AMC:AMC", "RAD~~RAD"]),
        },
        folder,
    )


if __name__ == "__main__":
    main()
