"""Industrialization and political democracy in 75 developing countries (Bollen 1989).

    python models/political_democracy.py

The field's most cited example: democracy in 1965 depends on democracy in 1960 and, directly and
through it, on industrialization. The same four measures of democracy are taken in both years, so
their residuals covary. Real data; the published maximum likelihood numbers are printed beside ours.
"""

from __future__ import annotations

import pandas as pd
from reporting import ROOT, arguments, print_published, write_figures

import bayessem as bs
from bayessem import plots

MODEL = """
  ind60 =~ x1 + x2 + x3
  dem60 =~ y1 + y2 + y3 + y4
  dem65 =~ y5 + y6 + y7 + y8

  dem60 ~ a*ind60
  dem65 ~ c*ind60 + b*dem60

  # the same question, five years later
  y1 ~~ y5
  y2 ~~ y4 + y6
  y3 ~~ y7
  y4 ~~ y8
  y6 ~~ y8

  indirect := a*b
  total    := c + a*b
"""

# Maximum likelihood, Bollen (1989, p. 322 ff.) as lavaan prints it: estimate and standard error.
PUBLISHED = {
    "dem60~ind60": (1.483, 0.399),
    "dem65~ind60": (0.572, 0.221),
    "dem65~dem60": (0.837, 0.098),
    "ind60=~x2": (2.180, 0.139),
    "ind60=~x3": (1.819, 0.152),
    "dem60=~y2": (1.257, 0.182),
    "dem60=~y3": (1.058, 0.151),
    "dem60=~y4": (1.265, 0.145),
    "dem65=~y6": (1.186, 0.169),
    "dem65=~y7": (1.280, 0.160),
    "dem65=~y8": (1.266, 0.158),
}


def main() -> None:
    """Fit, print and save."""
    options = arguments(__doc__.splitlines()[0], out="political_democracy")
    data = pd.read_csv(ROOT / "data" / "political_democracy.csv")
    sem = bs.SEM(MODEL)
    print(sem.check(data))
    fit = sem.fit(data, random_seed=options.seed)
    print(fit)
    # The defined parameters above, again with the type of the mediation and its probability.
    mediation = fit.mediation("ind60", "dem65")
    print(f"\n{mediation}")
    print_published(fit, PUBLISHED)
    write_figures(
        {
            "estimates": lambda: plots.plot_estimates(fit),
            "mediation": lambda: plots.plot_mediation(mediation),
        },
        options.figures,
    )
    print(f"\nsaved in {fit.save(options.out)}")


if __name__ == "__main__":
    main()
