"""Small-variance cross-loadings: the one the data ask for, on the standardised scale."""

import numpy as np
import pytest
from example_models import ABILITIES, abilities

from bayessem import SEM
from bayessem.criticism.cross_loadings import cross_loadings, latent_sds
from bayessem.errors import FitError, ModelError
from bayessem.results.standardize import model_moments


@pytest.fixture(scope="module")
def found():
    return SEM(ABILITIES).cross_loadings(
        abilities(), random_seed=1, draws=1000, tune=500, progress=False
    )


def test_the_abilities_have_a_cross_loading(found):
    # Muthen & Asparouhov (2012) and many since: x9 (straight and curved capitals) is visual too.
    # x7, the second in lavaan's modification indices, is about as far from 0 as its interval.
    table = found.table.set_index(["construct", "indicator"])
    assert table.loc[("visual", "x9"), "credible"]
    assert table["mean"].abs().idxmax() == ("visual", "x9")
    assert 0.1 < table.loc[("visual", "x9"), "mean"] < 0.35
    away = found.table[found.table["credible"]]
    assert set(away["indicator"]) <= {"x9", "x7"}
    assert len(found.table) == 18
    assert len(found.loadings) == 9
    assert "visual =~ x9" in str(found)


def test_priors_are_standardised(found):
    sds = dict(zip(found.fit.prepared.sample.variables, found.fit.prepared.sample.sds, strict=True))
    prior = {c.name: c.prior for c in found.fit.prepared.space.coordinates}["visual=~x9"]
    ml = SEM(ABILITIES).ml(abilities(), se="none")
    variance = model_moments(ml.prepared.structure, ml.elements).latent_covariance[0, 0]
    assert prior.named["sigma"] == pytest.approx(0.1 * sds["x9"] / np.sqrt(variance), rel=1e-6)
    # what the data do not ask for stays near the prior's width
    assert found.table["sd"].between(0.04, 0.11).all()


def test_scales_are_those_of_the_linear_counterpart():
    model = "f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\ng ~ f + f:f"
    sds, notes = latent_sds(SEM(model).prepare(abilities()))
    line, _ = latent_sds(SEM(model.replace(" + f:f", "")).prepare(abilities()))
    np.testing.assert_allclose(sds, line, rtol=1e-6)
    assert notes == ()


def test_bad_requests_say_what_would_work():
    with pytest.raises(ModelError, match="a single construct"):
        cross_loadings(SEM("f =~ x1 + x2 + x3"), abilities())
    with pytest.raises(FitError, match="between 0 and 1"):
        cross_loadings(SEM(ABILITIES), abilities(), sd=2.0)
