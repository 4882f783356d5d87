"""Settings for the whole test run, and the fits that several test modules look at."""

import os
import sys
from pathlib import Path

import pytest
from example_models import (
    ABILITIES,
    ALLIANCE,
    ANSWERED,
    ANSWERED_ORDERED,
    DEMOCRACY,
    abilities,
    alliance,
    answered,
    democracy,
)
from hypothesis import settings

from bayessem import SEM

# No window, whatever the machine; read when matplotlib is first imported.
os.environ["MPLBACKEND"] = "Agg"

# The first call of a compiled function takes seconds, so no deadline; the same
# examples in every run, so that a failure in CI is a failure at home.
settings.register_profile("bayessem", deadline=None, derandomize=True)
settings.load_profile("bayessem")


@pytest.fixture(autouse=True)
def no_figure_is_left():
    """Figures that a test leaves open would count in the warning about too many of another."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def pd_fit():
    """Political Democracy at the default settings."""
    return SEM(DEMOCRACY).fit(democracy(), random_seed=1, progress=False)


@pytest.fixture(scope="session")
def hs_fit():
    """Holzinger and Swineford's three abilities, short."""
    return SEM(ABILITIES).fit(abilities(), random_seed=1, draws=500, tune=500, progress=False)


@pytest.fixture(scope="session")
def alliance_fit():
    """The alliance study with its two squares, 4 chains of 1000 draws."""
    return SEM(ALLIANCE).fit(alliance(), random_seed=1, progress=False)


@pytest.fixture(scope="session")
def answered_fit():
    """Two constructs with ordered items and an ordered outcome, and the constructs drawn."""
    data = answered()
    sem = SEM(ANSWERED, std_lv=True, ordered=ANSWERED_ORDERED)
    fit = sem.fit(data, draws=500, tune=400, chains=2, random_seed=1, progress=False)
    return fit, data[["f", "g"]]


@pytest.fixture(scope="session")
def cluster():
    """A Dask cluster of two worker processes of this machine."""
    distributed = pytest.importorskip("distributed")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parent), *filter(None, sys.path)]
    )
    try:
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as made:
            yield made
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
