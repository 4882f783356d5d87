"""How far a path moves when single values are far out, with normal tails and with heavy ones.

    python -m benchmarks.outliers --seeds 6

400 respondents of two constructs with three items each and a path of .5; of 5 % of them one item is
moved by 7 to 12 (residual standard deviations of .7), either way. Printed are the changes of the
maximum likelihood estimate against that of the same model without these, in its standard errors.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from bayessem.sem import SEM

MODEL = "SKILL =~ s1 + s2 + s3\nSUCCESS =~ y1 + y2 + y3\nSUCCESS ~ SKILL"
ITEMS = ("s1", "s2", "s3", "y1", "y2", "y3")
MODELS = {
    "normal": SEM(MODEL),
    "respondents": SEM(MODEL, family="student"),
    "values": SEM(MODEL, family=dict.fromkeys(ITEMS, "student")),
}
RESPONDENTS, SHARE = 400, 0.05


def drawn(rng: np.random.Generator) -> pd.DataFrame:
    """Respondents without outliers."""
    skill = rng.normal(size=RESPONDENTS)
    success = 0.5 * skill + 0.8 * rng.normal(size=RESPONDENTS)
    out = pd.DataFrame({f"s{k}": skill + 0.7 * rng.normal(size=RESPONDENTS) for k in (1, 2, 3)})
    for k in (1, 2, 3):
        out[f"y{k}"] = success + 0.7 * rng.normal(size=RESPONDENTS)
    return out


def with_outliers(data: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The same with single values that are far out."""
    out = data.copy()
    for i in rng.choice(len(out), int(SHARE * len(out)), replace=False):
        out.iloc[i, rng.integers(len(ITEMS))] += rng.choice([-1, 1]) * rng.uniform(6, 10) * 1.2
    return out


def path(sem: SEM, data: pd.DataFrame) -> tuple[float, float]:
    """Estimate and standard error of the path."""
    row = sem.ml(data).table.set_index(["lhs", "op", "rhs"]).loc[("SUCCESS", "~", "SKILL")]
    return float(row["est"]), float(row["se"])


def main() -> None:
    """Print a row a data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    for seed in range(1, parser.parse_args().seeds + 1):
        rng = np.random.default_rng(seed)
        data = drawn(rng)
        moved = with_outliers(data, rng)
        said = []
        for name, sem in MODELS.items():
            (clean, error), (far, _) = path(sem, data), path(sem, moved)
            said.append(f"{name} {clean:.3f} to {far:.3f} ({(far - clean) / error:+.2f} SE)")
        print(seed, "; ".join(said), flush=True)


if __name__ == "__main__":
    main()
