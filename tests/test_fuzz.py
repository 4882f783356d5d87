"""Each property of `fuzzing.py`, a little; `make fuzz MINUTES=60` runs them for longer."""

import pytest
from fuzzing import PROPERTIES
from hypothesis import HealthCheck, given, settings


@pytest.mark.parametrize("name", PROPERTIES)
def test_whatever_comes_in_only_our_errors_come_out(name):
    p = PROPERTIES[name]
    few = settings(max_examples=p.few, suppress_health_check=list(HealthCheck))
    few(given(*p.given)(p.holds))()
