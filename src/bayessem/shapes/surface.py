"""A quadratic surface of y over x and z: its lines, stationary point and principal axes.

Y = b0 + b1 X + b2 Z + b3 X^2 + b4 X Z + b5 Z^2 (Edwards & Parry 1993, doi:10.5465/256822). Along
the line of congruence, X = Z, it has slope a1 and curvature a2; along the line of incongruence,
Z = -X, a3 and a4; a5 = b3 - b5 says whether it is turned. With B the matrix of the second-order
terms the principal axes are the eigenvectors of B through the stationary point; each is computed
from its own normal, so that a ridge, whose stationary point is anywhere, still has its axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TERMS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))  # powers of x and z of b0 to b5
COEFFICIENTS = ("b0", "b1", "b2", "b3", "b4", "b5")
LINES = ("a1", "a2", "a3", "a4", "a5")
POINT = ("x0", "z0", "y0")
AXES = ("p10", "p11", "p20", "p21")
CURVATURES = ("curvature1", "curvature2")


@dataclass(frozen=True)
class Surface:
    """Coefficients of a surface, each (...).

    Attributes
    ----------
    b0, b1, b2, b3, b4, b5 : ndarray (...)
        Of 1, X, Z, X^2, X Z and Z^2.
    """

    b0: np.ndarray
    b1: np.ndarray
    b2: np.ndarray
    b3: np.ndarray
    b4: np.ndarray
    b5: np.ndarray

    @property
    def coefficients(self) -> tuple[np.ndarray, ...]:
        """b0 to b5."""
        return self.b0, self.b1, self.b2, self.b3, self.b4, self.b5

    def value(self, x: np.ndarray | float, z: np.ndarray | float) -> np.ndarray:
        """Height at (x, z)."""
        parts = zip(self.coefficients, TERMS, strict=True)
        return np.sum([b * x**p * z**q for b, (p, q) in parts], axis=0)

    def rescaled(
        self,
        centers: tuple[np.ndarray, np.ndarray, np.ndarray],
        scales: tuple[np.ndarray, np.ndarray, np.ndarray],
    ) -> Surface:
        """The same surface of (x - center) / scale, (z - center) / scale, (y - center) / scale."""
        (cx, cz, cy), (sx, sz, sy) = centers, scales
        _, b1, b2, b3, b4, b5 = self.coefficients
        return Surface(
            (self.value(cx, cz) - cy) / sy,
            (b1 + 2.0 * b3 * cx + b4 * cz) * sx / sy,
            (b2 + 2.0 * b5 * cz + b4 * cx) * sz / sy,
            b3 * sx**2 / sy,
            b4 * sx * sz / sy,
            b5 * sz**2 / sy,
        )

    def lines(self) -> tuple[np.ndarray, ...]:
        """Slopes and curvatures a1 to a5 of the lines of congruence and incongruence."""
        _, b1, b2, b3, b4, b5 = self.coefficients
        return b1 + b2, b3 + b4 + b5, b1 - b2, b3 - b4 + b5, b3 - b5

    def stationary_point(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where the surface is flat, (x0, z0), and its height there; infinite on a ridge."""
        _, b1, b2, b3, b4, b5 = self.coefficients
        with np.errstate(divide="ignore", invalid="ignore"):
            determinant = 4.0 * b3 * b5 - b4**2
            x0 = (b2 * b4 - 2.0 * b1 * b5) / determinant
            z0 = (b1 * b4 - 2.0 * b2 * b3) / determinant
            return x0, z0, self.b0 + (b1 * x0 + b2 * z0) / 2.0

    def principal_axes(self) -> PrincipalAxes:
        """The two axes; nan where the surface curves the same in all directions."""
        _, b1, b2, b3, b4, b5 = self.coefficients
        middle, radius = (b3 + b5) / 2.0, np.hypot(b3 - b5, b4) / 2.0
        angle = np.where(radius > 0, np.arctan2(b4, b3 - b5) / 2.0, np.nan)
        first, second = middle + radius, middle - radius
        cosine, sine = np.cos(angle), np.sin(angle)
        with np.errstate(divide="ignore", invalid="ignore"):
            across = -(cosine * b2 - sine * b1) / (2.0 * second)
            along = -(cosine * b1 + sine * b2) / (2.0 * first)
        return PrincipalAxes(angle, first, second, across, along)


@dataclass(frozen=True)
class PrincipalAxes:
    """Principal axes of a surface, each (...).

    The first is the line of the least downward (or the most upward) curvature: the ridge of a
    surface that is highest at congruence. The second is at right angles to it: the trough of one
    that is lowest there.

    Attributes
    ----------
    angle : ndarray (...)
        Of the first axis with the X axis, in radians, from -pi / 2 to pi / 2.
    first, second : ndarray (...)
        Curvature along each axis: eigenvalues, the larger one first.
    across, along : ndarray (...)
        Coordinates of the stationary point along the second and the first axis: how far the first
        and the second axis pass from the origin.
    """

    angle: np.ndarray
    first: np.ndarray
    second: np.ndarray
    across: np.ndarray
    along: np.ndarray

    def equations(self) -> tuple[np.ndarray, ...]:
        """p10, p11, p20, p21: the axes as Z = p10 + p11 X and Z = p20 + p21 X."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.across / cosine, sine / cosine, self.along / sine, -cosine / sine

    def ridge(self, highest: bool) -> tuple[np.ndarray, np.ndarray]:
        """How the ridge (or trough) lies towards the line of congruence.

        Returns
        -------
        rotation : ndarray (...)
            Angle between the two in degrees, above -90 and at most 90; positive when Z rises faster
            than X along it.
        shift : ndarray (...)
            Z - X where it crosses the line of incongruence: 2 p10 / (1 + p11), which is p10 where
            it is parallel to the line of congruence, and turns its sign when X and Z change places.
        """
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        angle = np.degrees(self.angle) + (0.0 if highest else 90.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            shift = (
                2.0 * self.across / (cosine + sine)
                if highest
                else 2.0 * self.along / (sine - cosine)
            )
        return half_turn(angle - 45.0), shift


def half_turn(degrees: np.ndarray) -> np.ndarray:
    """The angle of a line, above -90 and at most 90 degrees: lines have no direction."""
    return 90.0 - np.mod(90.0 - degrees, 180.0)
