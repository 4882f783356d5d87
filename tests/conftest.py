"""Settings for the whole test run; what tests share as data lives next to those tests."""

import os

from hypothesis import settings

# No window, whatever the machine; read when matplotlib is first imported.
os.environ["MPLBACKEND"] = "Agg"

# The first call of a compiled function takes seconds, so no deadline; the same
# examples in every run, so that a failure in CI is a failure at home.
settings.register_profile("bayessem", deadline=None, derandomize=True)
settings.load_profile("bayessem")
