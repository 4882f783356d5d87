"""The alliance study's hypotheses H1 to H4: its numbers and the posterior's, row by row, in words.

`alliance_capability.py` fits the model and prints these rows as its closing table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reporting import Hypothesis

import bayessem as bs
from bayessem.effects.effects import chance_text

if TYPE_CHECKING:
    from bayessem.effects.mediation import Mediation
    from bayessem.shapes.shape import Shape

# What the study reports. Paths are standardised; "square" is the path of the *standardised* square
# of AMC, (AMC^2 - 1)/sqrt(2), as product-indicator models print it, and is compared with the same
# quantity of ours.
REPORTED_PATHS = {
    "RAD~AMC": 0.75,
    "RAD~AMC:AMC": 0.65,
    "INC~AMC": 0.73,
    "INC~AMC:AMC": 0.55,
    "speed~RAD": 0.15,
    "SUCC~INC": 0.61,
}


def hypotheses(
    fit: bs.Fit, shapes: dict[str, Shape], mediations: dict[str, Mediation]
) -> list[Hypothesis]:
    """H1 to H4 with their two mediations: the study's number and ours, standardised alike."""
    summary = fit.summary()
    by_name = summary.set_index(summary["lhs"] + summary["op"] + summary["rhs"])

    def path(name: str, claim: str, key: str, probability: float | None = None, words: str = ""):
        r = by_name.loc[key]
        factor = 2**0.5 if key.endswith("AMC:AMC") else 1.0  # to the standardised square
        std = [float(factor * r[c]) for c in ("std", "std_lower", "std_upper")]
        chance = float(r["p_positive"]) if probability is None else probability
        return Hypothesis(name, claim, f"{REPORTED_PATHS[key]:.2f}", *std, chance, words)

    peak = float(shapes["RAD"].probabilities["inverted U"].iloc[0])
    speed, success = mediations["speed"], mediations["SUCC"]
    return [
        path(
            "H1",
            "AMC on RAD is an inverted U (square)",
            "RAD~AMC:AMC",
            peak,
            "an inverted U needs a negative square; the study found a positive one, and so do we. "
            + shape_words(shapes["RAD"]),
        ),
        path("", "its linear part is positive", "RAD~AMC"),
        path("H2", "AMC on INC is positive (on average)", "INC~AMC", words=rises_words(shapes)),
        path("", "and non-linear (square above 0)", "INC~AMC:AMC"),
        path("H3", "RAD on speed is positive", "speed~RAD", words=mediation_words(speed, "full")),
        mediation_row("RAD mediates AMC -> speed, fully", speed, "full"),
        path(
            "H4", "INC on SUCC is positive", "SUCC~INC", words=mediation_words(success, "partial")
        ),
        mediation_row("INC mediates AMC -> SUCC, partially", success, "partial"),
    ]


TYPE = {"full": "indirect-only", "partial": "complementary"}


def mediation_row(claim: str, mediation: Mediation, reported: str) -> Hypothesis:
    """The standardised indirect effect, and the probability of the reported type of mediation."""
    effects = mediation.standardized.table
    indirect = effects[
        (effects["effect"] == "indirect") & effects["at"].str.startswith("averaged")
    ].iloc[0]
    chance = float(mediation.types.iloc[0][TYPE[reported]])
    return Hypothesis(
        "", claim, reported, indirect["mean"], indirect["lower"], indirect["upper"], chance
    )


def mediation_words(mediation: Mediation, reported: str) -> str:
    """What the data say on the type of mediation, beside the study's Baron-Kenny verdict."""
    from bayessem.effects.baron_kenny import conclusion

    x, y, through = mediation.x, mediation.y, mediation.mediators[0]
    types = mediation.types.iloc[0]
    chance = float(types[TYPE[reported]])
    steps = conclusion(mediation.steps, through)
    return (
        f"the study finds {reported} mediation of {x} -> {y} by {through}. That type has "
        f"posterior probability {chance_text(chance)} here; Baron and Kenny's steps give {steps}."
    )


def share_below(shape: Shape) -> float:
    """Share of firms whose capability lies below the turning point, averaged over draws.

    The default bounds are the 5 % and 95 % quantiles of a normal construct, 1.645 standard
    deviations to either side of its mean.
    """
    from scipy.special import ndtr

    low, high, turning = (
        shape.draws.sel(quantity=q).values for q in ("low", "high", "turning_point")
    )
    return float(ndtr((turning - (low + high) / 2) / ((high - low) / (2 * 1.645))).mean())


def shape_words(shape: Shape) -> str:
    """The most probable shape in a sentence, with the firms on its smaller side."""
    chances = shape.probabilities.drop(columns="group").iloc[0].astype(float)
    kind = str(chances.idxmax())
    if kind in ("increasing", "decreasing"):
        way = {"increasing": "rises", "decreasing": "falls"}[kind]
        return (
            f"Over the middle 90 % of the firms {shape.y} {way} throughout with {shape.x} "
            f"(probability {chance_text(chances[kind])})."
        )
    first, then = ("rises", "falls") if kind == "inverted U" else ("falls", "rises")
    turn = shape.turning_point.iloc[0]
    return (
        f"Over the middle 90 % of the firms the relation is {'an' if kind[0] == 'i' else 'a'} "
        f"{kind} (probability {chance_text(chances[kind])}): {shape.y} {first} with {shape.x} up "
        f"to {shape.x} = {turn['median']:.2f} ({100 * share_below(shape):.0f} % of the firms lie "
        f"below it) and {then} beyond."
    )


def rises_words(shapes: dict[str, Shape]) -> str:
    """H2 asks for a positive non-linear effect: on average, and whether everywhere."""
    shape = shapes["INC"]
    slope, square = (shape.draws.sel(quantity=q) for q in ("linear", "square"))
    both = float(((slope > 0) & (square > 0)).mean())
    everywhere = float(shape.probabilities["increasing"].iloc[0])
    return (
        f"that the effect is positive on average and the curve bends upwards has probability "
        f"{chance_text(both)}; that it is positive for each of the middle 90 % of the firms, "
        f"{chance_text(everywhere)}. {shape_words(shape)}"
    )
