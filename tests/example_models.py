"""Models and data that several test modules use."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayessem as bs
from bayessem.model.prepare import Prepared, prepare
from bayessem.syntax.specification import Specification

DATA = Path(__file__).resolve().parents[1] / "data"

ABILITIES = """
visual =~ x1 + x2 + x3
textual =~ x4 + x5 + x6
speed =~ x7 + x8 + x9
"""
DEMOCRACY = """
ind60 =~ x1 + x2 + x3
dem60 =~ y1 + y2 + y3 + y4
dem65 =~ y5 + y6 + y7 + y8
dem60 ~ a*ind60
dem65 ~ c*ind60 + b*dem60
y1 ~~ y5
y2 ~~ y4 + y6
y3 ~~ y7
y4 ~~ y8
y6 ~~ y8
ind := a*b
"""
SECOND_ORDER = ABILITIES + "g =~ visual + textual + speed\n"
QUADRATIC = """
f =~ x1 + x2 + x3
g =~ x4 + x5 + x6
g ~ f + f:f
"""
ALLIANCE = """
AMC =~ COORD + PORTF + LEARN + PROACT + TRANSF
COORD =~ co1 + co2 + co3
PORTF =~ po1 + po2 + po3
LEARN =~ le1 + le2 + le3
PROACT =~ pr1 + pr2 + pr3
TRANSF =~ tr1 + tr2 + tr3 + tr4
RAD =~ ra1 + ra2 + ra3
INC =~ in1 + in2 + in3
SUCC =~ su1 + su2 + su3 + su4
RAD ~ AMC + AMC:AMC
INC ~ AMC + AMC:AMC
speed ~ RAD + AMC
SUCC ~ INC + AMC
"""


def abilities() -> pd.DataFrame:
    return pd.read_csv(DATA / "holzinger_swineford_1939.csv")


def democracy() -> pd.DataFrame:
    return pd.read_csv(DATA / "political_democracy.csv")


def alliance() -> pd.DataFrame:
    return pd.read_csv(DATA / "alliance_capability.csv")


def noise(names: str, n: int = 60, seed: int = 0) -> pd.DataFrame:
    """Correlated columns without a meaning, one for each word."""
    rng = np.random.default_rng(seed)
    words = names.split()
    values = rng.normal(size=(n, len(words))) + rng.normal(size=(n, 1))
    return pd.DataFrame(values, columns=words)


def prepared(model: str, data: pd.DataFrame, **options: Any) -> Prepared:
    """A model with its data; options of the model and of the data together."""
    of_data = ("group", "group_order", "missing", "priors", "pooling")
    reading = {k: options.pop(k) for k in of_data if k in options}
    return prepare(Specification(model, **options), data, **reading)


# Items of 4 and 2 categories; an outcome of 3 that a construct explains directly and by another.
ANSWERED = """
f =~ x1 + x2 + x3 + x4
g =~ z1 + z2 + z3 + z4
g ~ a*f
y ~ b*g + c*f
"""
ANSWERED_TRUE = {"f=~x1": 0.8, "f=~x2": 0.75, "f=~x3": 0.7, "f=~x4": 0.8}
ANSWERED_TRUE |= {"g=~z1": 0.7, "g=~z2": 0.65, "g=~z3": 0.6, "g=~z4": 0.65}
ANSWERED_TRUE |= {"a": 0.6, "b": 0.5, "c": 0.2}
_CUTS: dict[str, tuple[float, ...]] = {f"x{k}": (-0.8, 0.1, 1.0) for k in (1, 2, 3, 4)} | {
    "y": (-0.4, 0.8)
}
_CUTS |= {"z1": (0.2,), "z2": (-0.9, 0.3, 1.2), "z3": (-0.5, 0.9), "z4": (-1.0, 0.0, 0.8)}
ANSWERED_TRUE |= {f"{x}|t{c + 1}": t for x, own in _CUTS.items() for c, t in enumerate(own)}
ANSWERED_ORDERED = list(_CUTS)


def answered(n: int = 400) -> pd.DataFrame:
    """Answers of `ANSWERED` at `ANSWERED_TRUE`, with the constructs that they were drawn from."""
    sem = bs.SEM(ANSWERED, std_lv=True, ordered=ANSWERED_ORDERED)
    return sem.simulate(ANSWERED_TRUE, n, latents=True, random_seed=7)
