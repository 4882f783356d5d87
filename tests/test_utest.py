import math

import numpy as np
import pytest

from bayessem.shapes.utest import fieller_interval, lind_mehlum

# wage on experience and its square, n = 526 (Wooldridge's wage1): least squares, and the numbers
# of the utest program of Lind and Mehlum
B = (0.2981001, -0.0061299)
COVARIANCE = np.array([[1.67817559e-3, -3.55291096e-5], [-3.55291096e-5, 8.145369e-7]])


def test_published_example():
    got = lind_mehlum(B, COVARIANCE, interval=(1.0, 51.0), df=523)
    assert got.shape == "inverse U"
    assert got.slopes == pytest.approx((0.28584, -0.32715), abs=1e-4)
    assert got.turning_point == pytest.approx(24.315, abs=1e-3)
    assert got.turning_point_se == pytest.approx(0.995, abs=1e-3)
    assert got.t == pytest.approx((7.2855, -6.0701), rel=1e-4)
    assert got.overall_p == max(got.p)
    low, high = fieller_interval(B, COVARIANCE, df=523)
    assert (low, high) == pytest.approx((22.489, 26.599), abs=0.02)


def test_a_u_is_the_mirror_of_an_inverted_u():
    up = lind_mehlum((-B[0], -B[1]), COVARIANCE, interval=(1.0, 51.0), df=523)
    down = lind_mehlum(B, COVARIANCE, interval=(1.0, 51.0), df=523)
    assert up.shape == "U"
    assert up.p == pytest.approx(down.p)


def test_a_slope_of_the_wrong_sign_is_no_u():
    got = lind_mehlum(B, COVARIANCE, interval=(1.0, 20.0), df=523)
    assert got.overall_p > 0.5


def test_no_curvature_leaves_the_turning_point_open():
    wide = COVARIANCE * np.array([[1.0, 1.0], [1.0, 1e4]])
    assert fieller_interval(B, wide, df=523) == (-math.inf, math.inf)
