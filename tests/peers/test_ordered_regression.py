"""An ordered outcome of published data, against R's MASS.

Housing in Copenhagen: Madsen (1976), in Venables & Ripley (2002), Modern Applied Statistics with S,
section 7.3, where the deviance is 3479.149 and the coefficients are these (MASS 7.3-58):
    polr(Sat ~ Infl + Type + Cont, weights = Freq, data = housing)
and the same with method = "probit".
"""

import itertools

import pandas as pd
import pytest

import bayessem as bs

# by Cont (low, high), Type (tower, apartment, atrium, terrace), Infl and Sat (both low to high)
FREQUENCIES = (
    *(21, 21, 28, 34, 22, 36, 10, 11, 36, 61, 23, 17, 43, 35, 40, 26, 18, 54),
    *(13, 9, 10, 8, 8, 12, 6, 7, 9, 18, 6, 7, 15, 13, 13, 7, 5, 11),
    *(14, 19, 37, 17, 23, 40, 3, 5, 23, 78, 46, 43, 48, 45, 86, 15, 25, 62),
    *(20, 23, 20, 10, 22, 24, 7, 10, 21, 57, 23, 13, 31, 21, 13, 5, 6, 13),
)
POLR = {
    "logit": (
        (0.566393739, 1.288819064, -0.572350146, -0.366186566, -1.091014908, 0.360284150),
        (-0.496135344, 0.690708290),
        -1739.57465,
    ),
    "probit": (
        (0.346422720, 0.782914190, -0.347536803, -0.217887613, -0.664173592, 0.222385824),
        (-0.299828575, 0.426722006),
        -1739.84442,
    ),
}
CAUSES = ("medium", "high", "apartment", "atrium", "terrace", "contact")


def housing() -> pd.DataFrame:
    cells = itertools.product(range(2), range(4), range(3), range(3))
    rows = [
        (infl == 1, infl == 2, kind == 1, kind == 2, kind == 3, contact, sat)
        for contact, kind, infl, sat in cells
    ]
    frame = pd.DataFrame(rows, columns=[*CAUSES, "sat"]).astype(int)
    return frame.loc[frame.index.repeat(FREQUENCIES)].reset_index(drop=True)


@pytest.mark.parametrize("link", POLR)
def test_published_proportional_odds(link):
    slopes, thresholds, value = POLR[link]
    data = housing()
    assert len(data) == 1681
    sem = bs.SEM(
        f"sat ~ {' + '.join(CAUSES)}", ordered=["sat"], link=link, parameterization="theta"
    )
    found = sem.ml(data, se="none")
    expected = {f"sat~{x}": b for x, b in zip(CAUSES, slopes, strict=True)}
    expected |= {f"sat|t{k + 1}": t for k, t in enumerate(thresholds)}
    estimates = dict(zip(found.prepared.table.parameters, found.x, strict=True))
    assert {k: estimates[k] for k in expected} == pytest.approx(expected, abs=1e-4)
    assert found.measures["logl"] == pytest.approx(value, abs=1e-4)
