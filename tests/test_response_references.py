"""Maximum likelihood of regressions, against R: survival, MASS, VGAM and AER.

`tests/references/responses.py` made the data, `tests/references/responses.R` the numbers (R 4.2.2
with survival 3.5.3, MASS 7.3.58.2, VGAM 1.1.7, AER 1.2.10). Where a package has another number in
place of our dispersion, `OWN` says how they hang together.
"""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayessem.sem import SEM
from bayessem.syntax.responses import OTHERS

HERE = Path(__file__).parent / "references"
DATA = pd.read_csv(HERE / "responses.csv")
REFERENCE = json.loads((HERE / "responses.json").read_text(encoding="utf-8"))

# Ours from theirs: survreg's scale is a standard deviation (of a log), glm.nb's theta 1 /
# overdispersion, betaff's phi a precision.
OWN = {
    "lognormal": lambda scale: scale**2,
    "weibull": lambda scale: scale**2 * math.pi**2 / 6.0,
    "tobit": lambda scale: scale**2,
    "negative_binomial": lambda theta: 1.0 / theta,
    "beta": lambda phi: 1.0 / phi,
}
CASES = {
    "flagged_lognormal": ("time", "lognormal", {"censored": {"time": "flag"}}),
    "flagged_weibull": ("time", "weibull", {"censored": {"time": "flag"}}),
    "interval_lognormal": ("speed", "lognormal", {"censored": {"speed": ("from", "to")}}),
    "interval_weibull": ("speed", "weibull", {"censored": {"speed": ("from", "to")}}),
    "tobit_between": ("limited", "tobit", {"censored": {"limited": (0, 2)}}),
    "tobit_aer": ("limited", "tobit", {"censored": {"limited": (0, 2)}}),
    "tobit_floor": ("limited", "tobit", {"censored": {"limited": (0, None)}}),
    "poisson": ("count", "poisson", {"exposure": {"count": "years"}}),
    "negative_binomial": ("many", "negative_binomial", {"exposure": {"many": "years"}}),
    "beta": ("share", "beta", {}),
}


def test_every_family_has_a_reference():
    """Of the t by variable SciPy's density is one (test_families.py)."""
    assert {family for _, family, _ in CASES.values()} | {"zero_one_beta", "student"} == set(OTHERS)


def test_shares_of_none_and_all_are_those_of_r():
    """VGAM's zoabetaR has the probabilities of 0 and of 1, and the beta's two shapes."""
    first, second, none, whole = REFERENCE["zero_one_beta"]["own"]
    found = SEM("edge ~ 1", family={"edge": "zero_one_beta"}).ml(DATA)
    values = dict(zip(found.prepared.table.parameters, found.x, strict=True))
    assert values["edge|zoi"] == pytest.approx(none + whole, abs=1e-4)
    assert values["edge|coi"] == pytest.approx(whole / (none + whole), abs=1e-4)
    assert values["edge~1"] == pytest.approx(math.log(first / second), abs=1e-4)
    assert values["edge~~edge"] == pytest.approx(1.0 / (first + second), abs=1e-4)
    assert found.measures["logl"] == pytest.approx(REFERENCE["zero_one_beta"]["logl"], abs=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_estimates_are_those_of_r(case):
    name, family, options = CASES[case]
    reference = REFERENCE[case]
    found = SEM(f"{name} ~ z + w", family={name: family}, **options).ml(DATA)
    values = dict(zip(found.prepared.table.parameters, found.x, strict=True))
    ours = [values[f"{name}{row}"] for row in ("~1", "~z", "~w")]
    np.testing.assert_allclose(ours, reference["coef"], atol=1e-4)
    if family != "poisson":
        expected = OWN[family](reference["own"])
        assert values[f"{name}~~{name}"] == pytest.approx(expected, abs=1e-4)
    assert found.measures["logl"] == pytest.approx(reference["logl"], abs=1e-4)


def test_what_the_data_do_not_have_is_at_its_bound():
    none = DATA.assign(edge=DATA["edge"].replace(1.0, 0.99))
    found = SEM("edge ~ z", family={"edge": "zero_one_beta"}).ml(none)
    assert any("edge | 0*coi says so" in x for x in found.problems)
    fixed = SEM("edge ~ z\nedge | 0*coi", family={"edge": "zero_one_beta"}).ml(none)
    assert fixed.logl == pytest.approx(found.logl, abs=1e-6) and not fixed.problems
    even = DATA.assign(even=np.linspace(-1.0, 1.0, len(DATA)))
    found = SEM("even ~ 1", family={"even": "student"}).ml(even)
    assert any("no heavier tails than a normal variable" in x for x in found.problems)
    normal = SEM("even ~ 1").ml(even)
    assert found.logl == pytest.approx(normal.logl, abs=0.1)
