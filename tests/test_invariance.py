"""The ladder of measurement invariance and tests between groups, against lavaan's numbers."""

import pandas as pd
import pytest
from drawn import REFCASES
from example_models import ABILITIES, QUADRATIC, abilities, alliance, noise
from shown import check

from bayessem import SEM
from bayessem.errors import ModelError, NotSupported
from bayessem.moderation.invariance import invariance, likelihood_ratio
from bayessem.text.numbers import number


@pytest.fixture(scope="module")
def ladder():
    return SEM(ABILITIES).invariance(abilities(), group="school")


def test_the_ladder_is_that_of_lavaan(ladder):
    """Chi-squares of the tutorial of measurement invariance on lavaan's site (three decimals)."""
    published = {
        "configural": (115.851, 48),
        "metric": (124.044, 54),
        "scalar": (164.103, 60),
        "strict": (181.511, 69),
    }
    for step, (chisq, df) in published.items():
        assert ladder.table.loc[step, "chisq"] == pytest.approx(chisq, abs=2e-3)
        assert ladder.table.loc[step, "df"] == df
    metric = ladder.table.loc["metric"]
    assert metric["chisq_difference"] == pytest.approx(8.192, abs=2e-3)
    assert metric["p"] == pytest.approx(0.2244, abs=2e-4)
    assert ladder.table["verdict"].tolist()[:3] == ["", "holds", "rejected"]
    assert ladder.highest == "metric"


def test_releases_are_suggested_by_name_and_work(ladder):
    assert ladder.releases["parameter"].iloc[0] == "x3~1"
    assert ladder.suggested == ("x3~1", "x7~1")
    check(ladder, "latent means cannot be compared", "40.06", "free it", "0.882")
    text = str(ladder)
    assert "free=['x3~1', 'x7~1']" in text
    again = invariance(SEM(ABILITIES), abilities(), group="school", free=ladder.suggested)
    assert again.table.loc["scalar", "verdict"] == "holds"
    assert again.table.loc["scalar", "df"] == 58


def test_what_has_no_ladder():
    with pytest.raises(NotSupported, match="leave the product terms out"):
        SEM(QUADRATIC).invariance(noise("x1 x2 x3 x4 x5 x6"), group="g")
    with pytest.raises(ModelError, match="sets group_equal itself"):
        SEM(ABILITIES, group_equal="loadings").invariance(abilities(), group="school")
    with pytest.raises(ModelError, match="one group"):
        SEM(ABILITIES).invariance(abilities().assign(one="a"), group="one")
    one = SEM(ABILITIES).ml(abilities(), se="none")
    with pytest.raises(ModelError, match="neither is within the other"):
        likelihood_ratio(one, one)


LIFE = """
SUP_Parents =~ sup_parents_p1 + sup_parents_p2 + sup_parents_p3
SUP_Friends =~ sup_friends_p1 + sup_friends_p2 + sup_friends_p3
SE_Academic =~ se_acad_p1 + se_acad_p2 + se_acad_p3
SE_Social =~ se_social_p1 + se_social_p2 + se_social_p3
LS =~ ls_p1 + ls_p2 + ls_p3
SE_Academic ~ SUP_Parents + SUP_Friends
SE_Social ~ SUP_Parents + SUP_Friends
LS ~ SE_Academic + SE_Social + SUP_Parents + SUP_Friends
SE_Academic ~~ SE_Social
"""


@pytest.mark.skipif(not REFCASES.is_dir(), reason="no folder refcases here")
def test_group_contrasts_of_a_reference_case():
    """Case A15: lavaan's d_acad = -0.1079 and d_par = 0.2022, east less west."""
    data = pd.read_csv(REFCASES / "data/pymc_sem_data.csv")
    found = SEM(LIFE, group_equal=("loadings", "intercepts")).compare_groups(
        data,
        group="region",
        group_order=["west", "east"],
        parameters=("LS ~ SE_Academic", "LS ~ SUP_Parents"),
        random_seed=1,
        progress=False,
    )
    assert found.fit.diagnosis.ok
    est = found.estimates.set_index(["parameter", "group"])["est"]
    mean = -found.differences.set_index("parameter")["mean"]  # of east less west
    for name, expected, ml, bayes in (
        ("LS~SE_Academic", -0.107852, 0.001443, 0.036074),
        ("LS~SUP_Parents", 0.202242, 0.00091, 0.022738),
    ):
        assert est[name, "east"] - est[name, "west"] == pytest.approx(expected, abs=ml)
        assert mean[name] == pytest.approx(expected, abs=bayes)
    tests = found.tests.set_index("parameter")
    assert tests["df_difference"].tolist() == [1, 1, 2]
    # a likelihood ratio test agrees with Wald's square, (0.202242 / 0.09095)^2, to its order
    assert tests.loc["LS~SUP_Parents", "chisq_difference"] == pytest.approx(4.94, abs=0.6)
    check(found, "Posterior differences", number(found.differences["mean"][0]))


def test_what_cannot_be_compared():
    with pytest.raises(ModelError, match="paths and loadings"):
        SEM(ABILITIES).compare_groups(
            abilities(), group="school", parameters=["visual~~textual"], posterior=False
        )
    with pytest.raises(ModelError, match="no parameter of the model"):
        SEM(ABILITIES).compare_groups(
            abilities(), group="school", parameters=["visual =~ x9"], posterior=False
        )
    loadings = SEM(ABILITIES).compare_groups(
        abilities(), group="school", parameters=["visual =~ x2"], posterior=False
    )
    assert loadings.tests["df_difference"].tolist() == [1]
    assert loadings.differences.empty
    check(loadings, *(number(r) for r in loadings.estimates["est"]))
    assert "Posterior" not in str(loadings)


def test_means_of_higher_order_constructs_stay_fixed():
    text = """
      AMC   =~ COORD + LEARN + TRANSF
      COORD =~ co1 + co2 + co3
      LEARN =~ le1 + le2 + le3
      TRANSF =~ tr1 + tr2 + tr3
    """
    found = SEM(text).invariance(alliance(), group="diversity")
    assert not [note for note in found.notes if "may not be identified" in note]
    # 9 intercepts equal, the means of the three first-order constructs free
    assert found.table.loc["scalar", "df_difference"] == 9 - 3
