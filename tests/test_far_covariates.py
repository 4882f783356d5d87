"""Covariates far from 0: as the same covariates centred, and intercepts by the delta method."""

import numpy as np
import pytest
from test_invariances import DATA

from bayessem import SEM
from bayessem.ml import far_covariates

MODELS = {
    "marker": ("X =~ x1 + x2 + x3\nX ~ y1", {}),
    "std_lv": ("X =~ x1 + x2 + x3\nX ~ y1", {"std_lv": True}),
    "two": ("X =~ x1 + x2 + x3\nX ~ y1 + y2\nm1 ~ X + y1", {}),
    "second order": ("S =~ X + m1\nX =~ x1 + x2 + x3\nm1 ~~ 1*m1\nS ~ y1", {}),
}


def shifted(sds):
    centred = DATA["y1"] - DATA["y1"].mean()
    return DATA.assign(y1=centred + sds * DATA["y1"].std())


@pytest.mark.parametrize("se", ["observed", "expected", "robust"])
@pytest.mark.parametrize("name", MODELS)
def test_a_million_standard_deviations_change_only_intercepts(name, se):
    text, options = MODELS[name]
    near, far = (SEM(text, **options).ml(shifted(s), se=se) for s in (0.0, 1e6))
    assert far.converged and far.problems == near.problems
    one, other = (fit.table[fit.table["op"] != "~1"] for fit in (near, far))
    np.testing.assert_allclose(other["est"], one["est"], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(other["se"], one["se"], rtol=1e-6)
    assert far.measures["chisq"] == pytest.approx(near.measures["chisq"], abs=1e-6)
    # the implied means are those of the data, whatever the intercepts
    assert far.logl == pytest.approx(near.logl, abs=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_intercepts_are_those_without_centring(name, monkeypatch):
    text, options = MODELS[name]
    fits = []
    for far in (np.inf, 1.0):
        monkeypatch.setattr(far_covariates, "FAR", far)
        monkeypatch.setattr(far_covariates.far_covariates, "__defaults__", (far,))
        fits.append(SEM(text, **options).ml(shifted(30.0)))
    one, other = (fit.table for fit in fits)
    np.testing.assert_allclose(other["est"], one["est"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(other["se"], one["se"], rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(fits[1].covariance, fits[0].covariance, rtol=1e-3, atol=1e-7)


def test_groups_are_centred_where_their_intercepts_allow_it():
    data = shifted(1e6).assign(g=np.arange(300) % 2)
    near = shifted(0.0).assign(g=np.arange(300) % 2)
    equal = {"group_equal": ("loadings", "intercepts")}
    for options in ({}, {**equal, "group_equal": ("loadings", "intercepts", "regressions")}):
        sem = SEM("X =~ x1 + x2 + x3\nX ~ y1", **options)
        one, other = (sem.ml(d, group="g").table for d in (near, data))
        keep = (one["op"] != "~1") & (one["se"] > 0)
        np.testing.assert_allclose(other["se"][keep], one["se"][keep], rtol=1e-6)


def test_where_it_cannot_be_centred_it_is_said():
    fixed = SEM("X =~ x1 + x2 + x3\nX ~ y1\nx2 ~ 0*1")
    assert any("subtract it from the data" in p for p in fixed.ml(shifted(1e6)).problems)
    assert not any("subtract it" in p for p in fixed.ml(shifted(10.0)).problems)
