"""Nine ability tests of 301 pupils (Holzinger & Swineford 1939): three correlated constructs.

    python models/holzinger_swineford.py

Visual, textual and speed, each by three tests, freely correlated. Real data; the maximum likelihood
numbers that lavaan publishes are printed beside ours.
"""

from __future__ import annotations

import pandas as pd
from reporting import ROOT, arguments, print_published, write_figures

import bayessem as bs
from bayessem import plots

MODEL = """
  visual  =~ x1 + x2 + x3
  textual =~ x4 + x5 + x6
  speed   =~ x7 + x8 + x9
"""

# lavaan's tutorial (Rosseel 2012, doi:10.18637/jss.v048.i02): estimate and standard error.
PUBLISHED = {
    "visual=~x2": (0.554, 0.100),
    "visual=~x3": (0.729, 0.109),
    "textual=~x5": (1.113, 0.065),
    "textual=~x6": (0.926, 0.055),
    "speed=~x8": (1.180, 0.165),
    "speed=~x9": (1.082, 0.151),
    "visual~~textual": (0.408, 0.074),
    "visual~~speed": (0.262, 0.056),
    "textual~~speed": (0.173, 0.049),
}


def main() -> None:
    """Fit, print and save."""
    options = arguments(__doc__.splitlines()[0], out="holzinger_swineford")
    data = pd.read_csv(ROOT / "data" / "holzinger_swineford_1939.csv")
    sem = bs.SEM(MODEL)
    print(sem.check(data))
    fit = sem.fit(data, random_seed=options.seed)
    print(fit)
    measurement = fit.measurement()
    print(f"\n{measurement}")
    print_published(fit, PUBLISHED)
    write_figures(
        {
            "estimates": lambda: plots.plot_estimates(fit, ("loading", "covariance")),
            "measurement": lambda: plots.plot_measurement(measurement),
        },
        options.figures,
    )
    print(f"\nsaved in {fit.save(options.out)}")


if __name__ == "__main__":
    main()
