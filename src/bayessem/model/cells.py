"""What fills the matrices: numbers made of coordinates, and sums of products of them.

Plain data: `space.py` says which coordinates there are, `posterior/evaluation.py` (and, for PyMC,
`graph/pymc_model.py`) computes with them.
"""

from __future__ import annotations

from dataclasses import dataclass

# A cell is a number that goes into the matrices: a sum of terms, each the product of three factors
# that are names of coordinates or fixed numbers: a variance sd sd 1, a covariance r sd sd.
Factor = str | float
Term = tuple[Factor, Factor, Factor]


@dataclass(frozen=True)
class Number:
    """A number that is not sampled itself: a sum of terms to a power.

    Terms may have coordinates and numbers that stand before it as factors.
    """

    name: str
    terms: tuple[Term, ...]
    power: float = 1.0
