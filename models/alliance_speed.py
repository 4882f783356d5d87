"""The alliance study's speed as what it is: years until the first foreign venture, some unfinished.

    python models/alliance_speed.py                 500 draws a chain, six models: about a minute
    python models/alliance_speed.py --study quick   few draws, to see what comes out

The question. The study's SPEED is minus the years from founding to the first foreign venture. A
firm that has not gone abroad yet has no such score, and leaving it out leaves out the slowest. Here
firms are asked 11 years after their founding: who went abroad later is known to need more than 11
years, and no more. Its years are a log-normal duration that is censored there, or its score a
number with a floor (tobit). What becomes of H3 (radical co-innovation makes firms faster) and of
the mediation of AMC's effect by it?

**The firms are simulated** (data/README.md), from numbers that the study reports; years that were
censored here are known to whoever wrote the file, so that several answers can be put side by side:
the score of all firms (what the study would have wanted), the duration of all, both censored, and
the score of the firms that went abroad in time (what a study can do that has only a score). None is
evidence about firms. Years were simulated from a normal distribution, so that the score's model is
the true one, and the survival curves show what is wrong with a log-normal.

The models are linear, without AMC's square: among normal variables a censored outcome then needs no
integral. The square explains RAD and INC and no speed, but tells AMC from RAD, so that
intervals of H3 are wider without it: the study's model, with square, is the first row.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from alliance_capability import LINEAR, QUADRATIC, read_data
from reporting import Hypothesis, arguments, heading, paragraph, print_table, write_figures

import bayessem as bs
from bayessem import plots
from bayessem.effects.effects import chance_text
from bayessem.text.document import Column
from bayessem.text.formats import SHORT, SHORT_INTERVAL, WORD

# Years after its founding at which a firm is asked whether it has gone abroad.
ASKED = 11.0
FOLDERS = {
    "score, AMC's square": "score_square",
    "score, all firms": "score",
    "years, all firms": "years",
    "years, censored": "years_censored",
    "score, censored": "score_censored",
    "score, in time": "score_in_time",
}
DURATION = LINEAR.replace("speed ~~ 0*SUCC", "").replace("speed ", "years ")


def asked(data: pd.DataFrame) -> pd.DataFrame:
    """The firms as they are known 11 years after their founding: years, and a flag of censoring."""
    not_yet = data["years"] > ASKED
    return data.assign(years=data["years"].clip(upper=ASKED), not_yet=not_yet.astype(int))


def models(data: pd.DataFrame, **settings: int) -> dict[str, bs.Fit]:
    """The fits, by what they know of speed."""
    known = asked(data)
    score = bs.SEM(LINEAR)
    floor = bs.SEM(
        LINEAR.replace("speed ~~ 0*SUCC", ""),
        family={"speed": "tobit"},
        censored={"speed": (-ASKED, None)},
    )
    return {
        "score, AMC's square": bs.SEM(QUADRATIC).fit(data, **settings),
        "score, all firms": score.fit(data, **settings),
        "years, all firms": bs.SEM(DURATION, family={"years": "lognormal"}).fit(data, **settings),
        "years, censored": bs.SEM(
            DURATION, family={"years": "lognormal"}, censored={"years": "not_yet"}
        ).fit(known, **settings),
        "score, censored": floor.fit(data, **settings),
        "score, in time": score.fit(data[known["not_yet"] == 0], **settings),
    }


def outcome_of(fit: bs.Fit) -> tuple[str, float]:
    """The outcome's name, and the sign that turns more of it into faster."""
    return ("years", -1.0) if "years" in fit.prepared.sample.variables else ("speed", 1.0)


def rows_of(fit: bs.Fit) -> list[Hypothesis]:
    """H3 and its mediation, standardised, so that a positive number means faster."""
    outcome, sign = outcome_of(fit)
    summary = fit.summary()
    path = summary[(summary["lhs"] == outcome) & (summary["rhs"] == "RAD")].iloc[0]
    mediation = fit.mediation("AMC", outcome)
    effects = mediation.standardized.table
    indirect, direct = (_average(effects, kind) for kind in ("indirect", "direct"))
    chance = float(mediation.types.iloc[0]["indirect-only"])

    def row(name: str, claim: str, one: pd.Series, mean: str, ends: tuple[str, str], p: float):
        low, high = sorted(sign * float(one[end]) for end in ends)
        return Hypothesis(name, claim, "", sign * float(one[mean]), low, high, p)

    faster = float(path["p_positive"]) if sign > 0 else 1.0 - float(path["p_positive"])
    ends = ("lower", "upper")
    return [
        row("H3", "RAD makes faster", path, "std", ("std_lower", "std_upper"), faster),
        row("", "AMC makes faster through RAD, and only so", indirect, "mean", ends, chance),
        row("", "what AMC does beside it", direct, "mean", ends, np.nan),
    ]


def _average(effects: pd.DataFrame, kind: str) -> pd.Series:
    """The effect of a kind; of a curve its average."""
    own = effects[effects["effect"] == kind]
    averaged = own["at"].str.startswith("averaged") if "at" in own else own["effect"] == kind
    return own[averaged].iloc[0] if averaged.any() else own.iloc[0]


def print_side_by_side(rows: dict[str, list[Hypothesis]]) -> None:
    """Each claim under each of the models."""
    flat = [(one, name) for k in range(3) for name, own in rows.items() for one in [own[k]]]
    print_table(
        Column("", [one.name if name == next(iter(rows)) else "" for one, name in flat]),
        Column("claim", [one.claim if name == next(iter(rows)) else "" for one, name in flat]),
        Column("speed is", [name for _, name in flat]),
        Column("std", [one.mean for one, _ in flat], SHORT),
        Column("95 % interval", [(one.lower, one.upper) for one, _ in flat], SHORT_INTERVAL),
        Column(
            "P", ["" if np.isnan(x.probability) else chance_text(x.probability) for x, _ in flat],
            WORD,
        ),
        Column("verdict", ["" if np.isnan(x.probability) else x.verdict for x, _ in flat], WORD),
    )  # fmt: skip


def in_words(rows: dict[str, list[Hypothesis]], firms: int, late: int) -> str:
    """What the ways of taking speed have in common, and where they differ."""
    h3 = {name: own[0] for name, own in rows.items()}
    verdicts = {name: one.verdict for name, one in h3.items()}
    other = [n for n, v in verdicts.items() if v != verdicts["score, all firms"]]
    mediated = {name: own[1].verdict for name, own in rows.items()}
    said = (
        f"Of {firms} simulated firms {late} had not gone abroad after {ASKED:g} years. On H3 the "
        f"score of all firms is {verdicts['score, all firms']}"
    )
    said += (
        f"; another verdict comes from {', '.join(f'{n} ({verdicts[n]})' for n in other)}. "
        if other
        else ", and so are all others. "
    )
    said += (
        f"Where late firms are censored the path is {h3['years, censored'].mean:.2f} (years) and "
        f"{h3['score, censored'].mean:.2f} (score); where they are left out, "
        f"{h3['score, in time'].mean:.2f}; of all firms {h3['score, all firms'].mean:.2f}. Full "
        "mediation (indirect only): "
        f"{'; '.join(f'{name}: {verdict}' for name, verdict in mediated.items())}."
    )
    return said


def main() -> None:
    """Fit them, print, save."""
    options = arguments(__doc__.splitlines()[0], out="alliance_speed", studies=("full", "quick"))
    data = read_data()
    draws = 500 if options.study == "full" else 100
    settings = {"draws": draws, "tune": draws, "random_seed": options.seed}
    paragraph("The firms are simulated (data/README.md): nothing here is evidence about firms.")
    fits = models(data, **settings)
    rows = {name: rows_of(fit) for name, fit in fits.items()}
    for name, fit in fits.items():
        heading(name)
        print(fit.diagnosis)
        print(f"saved in {fit.save(f'{options.out}_{FOLDERS[name]}')}")
    censored = fits["years, censored"]
    heading("Ratios of years: by what a standard deviation multiplies the time until abroad")
    print(censored.ratios())
    heading("Firms still at home, and what the model says")
    still = censored.response_check("years")
    print(still)
    heading("H3 and its mediation, by what is known of speed (simulated firms)")
    print_side_by_side(rows)
    print()
    paragraph(in_words(rows, len(data), int((data["years"] > ASKED).sum())))
    if options.figures:
        write_figures({"years": lambda: plots.plot_response_check(still)}, options.figures)


if __name__ == "__main__":
    main()
