"""How fast firms go abroad, as the duration it is: a censored Weibull variable, not a score.

    python models/alliance_speed.py                 three fits: some minutes
    python models/alliance_speed.py --study quick   fewer draws

The question. The alliance study scores the speed of internationalization as minus the years from
founding to the first foreign venture, as if they were normal and had all been seen. Here they are a
duration, and in a second step firms are followed for twelve years only: those that have not gone
abroad by then are censored, which no score can say. What changes in H3 (RAD makes firms faster) and
in the mediation of AMC's effect by RAD?

The data are simulated (data/README.md) with normal years and a standardised path of .15 from RAD to
speed; all firms have gone abroad. The window of twelve years is ours, to show what censoring does.
"""

from __future__ import annotations

import pandas as pd
from alliance_capability import QUADRATIC
from reporting import ROOT, arguments, heading, paragraph, print_table, write_figures

import bayessem as bs
from bayessem.text.document import Column
from bayessem.text.formats import NUMBER, SHORT, SHORT_INTERVAL, WORD

WINDOW = 12.0
SCORE = QUADRATIC
DURATION = QUADRATIC.replace("speed ~ RAD", "seen ~ RAD").replace("  speed ~~ 0*SUCC\n", "")


def read_data() -> pd.DataFrame:
    """The firms, with the years that a study of `WINDOW` years has seen, and who was censored."""
    data = pd.read_csv(ROOT / "data" / "alliance_capability.csv")
    data["not_yet"] = (data["years"] > WINDOW).astype(int)
    data["seen"] = data["years"].clip(upper=WINDOW)
    return data


def followed() -> bs.SEM:
    """The model of firms that were followed for `WINDOW` years."""
    return bs.SEM(DURATION, family={"seen": "weibull"}, censored={"seen": "not_yet"})


def everyone() -> bs.SEM:
    """The model of firms of which all years are known."""
    return bs.SEM(DURATION.replace("seen ~ RAD", "years ~ RAD"), family={"years": "weibull"})


def _row(fit: bs.Fit, name: str, outcome: str, sign: float) -> dict[str, object]:
    """Standardised path of RAD; sign -1 where a longer duration is slower."""
    path = fit.summary().set_index(["lhs", "op", "rhs"]).loc[(outcome, "~", "RAD")]
    ends = sorted(sign * path[end] for end in ("std_lower", "std_upper"))
    above = path["p_positive"] if sign > 0 else 1.0 - path["p_positive"]
    return {"model": name, "std": sign * path["std"], "ends": tuple(ends), "p": above}


def main() -> None:
    """Fit the three and print them beside each other."""
    options = arguments(__doc__ or "", out="alliance_speed", studies=("whole", "quick"))
    draws = 250 if options.study == "quick" else 500
    sampling = {"draws": draws, "tune": draws, "chains": 2, "random_seed": options.seed}
    data = read_data()
    score = bs.SEM(SCORE).fit(data, **sampling)
    known, window = everyone().fit(data, **sampling), followed().fit(data, **sampling)

    heading("H3: RAD and the speed of internationalization")
    rows = [
        _row(score, "score: minus the years, normal", "speed", 1.0),
        _row(known, "duration, all years known", "years", -1.0),
        _row(window, f"duration, {int(data['not_yet'].sum())} of 278 censored", "seen", -1.0),
    ]
    print_table(
        Column("", [r["model"] for r in rows], WORD),
        Column("std path to speed", [r["std"] for r in rows], SHORT),
        Column("95 %", [r["ends"] for r in rows], SHORT_INTERVAL),
        Column("P(faster)", [r["p"] for r in rows], NUMBER),
    )
    paragraph(
        "A path to speed is minus the path to the years. Of durations it is standardised by the "
        "standard deviation of the log of the years."
    )
    heading("As ratios")
    print(window.ratios())
    heading("AMC's effect on the years, through RAD and directly")
    print(window.expected_effects("AMC", "seen"))
    heading("Do durations look like the model's?")
    check = window.response_check("seen")
    print(check)
    write_figures({"alliance_speed_survival": check.plot}, options.figures)


if __name__ == "__main__":
    main()
