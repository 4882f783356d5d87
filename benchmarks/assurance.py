"""Assurance of the alliance study's square by sample size: docs/design.md and its figure.

    python -m benchmarks.assurance --store FOLDER [--executor processes] [--write docs/design.md]

Data sets are kept in the folder as they are finished; the same command continues there.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
from pathlib import Path

import bayessem as bs
from bayessem.disk import write_whole
from bayessem.planning.result import Design
from bayessem.plots.design import plot_design

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "data"), str(ROOT / "models")]

from alliance_capability import QUADRATIC  # noqa: E402
from simulate_alliance import ITEMS, TRUE  # noqa: E402

N = (100, 200, 300, 500, 1000)
ANCHORS = (100, 300)
# What AMC does to radical co-innovation: a path and the coefficient of its square, standardised.
EFFECTS = {
    "as reported": (TRUE["RAD~AMC"], TRUE["RAD~AMC:AMC"]),
    "small U": (0.5, 0.1),
    "inverted U": (0.2, -0.2),
    "line": (0.5, 0.0),
}
TARGETS = {"square": "RAD ~ AMC:AMC", "inverted U": "inverted U: AMC -> RAD"}


def truths() -> dict[str, dict[str, float]]:
    """The study's standardised values with other relations of RAD with AMC."""
    rest = {k: v for k, v in TRUE.items() if "~~" not in k}
    items = {f"{construct}=~{item}": loading for item, (construct, loading, *_) in ITEMS.items()}
    return {
        name: {**rest, **items, "RAD~AMC": linear, "RAD~AMC:AMC": square}
        for name, (linear, square) in EFFECTS.items()
    }


def study(folder: Path, mode: str, replicates: int, executor: str | None) -> Design:
    """The study in quick mode, or its anchors in full mode."""
    known = truths()
    if mode == "full":
        known = {name: known[name] for name in ("small U", "inverted U")}
    return bs.design(
        bs.SEM(QUADRATIC),
        known,
        standardized=True,
        n=N if mode == "quick" else ANCHORS,
        targets=TARGETS,
        mode=mode,
        replicates=replicates,
        random_seed=1,
        executor=executor,
        store=folder / f"alliance-{mode}.sqlite",
    )


HEAD = """# How many firms would the alliance study have needed?

A [design study](howto/sample-size.md) of the alliance model (26 items and a number, a
second-order construct, two squares): data drawn from the study's standardised values, with four
relations of radical co-innovation (RAD) with alliance management capability (AMC), and the model
fitted to each.
Regenerate with
`python -m benchmarks.assurance --store FOLDER --quick 50 --full 10 --write docs/design.md`.
"""


def page(quick: Design, full: Design, figure: str) -> str:
    """The study as Markdown."""
    lines = [HEAD, f"![share of data sets in which each target is found]({figure})", ""]
    lines += ["| truth | path | square |", "|---|---|---|"]
    lines += [f"| {name} | {b1:.2f} | {b2:.2f} |" for name, (b1, b2) in EFFECTS.items()]
    for result, title in ((quick, "Maximum likelihood"), (full, "Posterior")):
        lines += ["", f"## {title}", "", result.opening, "", *_found(result)]
    lines += ["", "## Sizes for an assurance of 80 %", "", *_sizes(quick)]
    lines += ["", "## Price", ""]
    for result, mode in ((quick, "Quick mode"), (full, "Full mode, 2 x (500 + 500) draws")):
        count = _fits(result)
        lines.append(
            f"- {mode}: {result.cpu_hours:.2g} CPU hours for {count:,} data sets, "
            f"{3600 * result.cpu_hours / count:.2g} CPU seconds each."
        )
    return "\n".join(lines) + "\n"


def _fits(result: Design) -> int:
    return int(result.table.groupby("target")["replicates"].sum().iloc[0])


def _found(result: Design) -> list[str]:
    out = [
        "| target | truth | n | data sets | rightly found | wrongly found | coverage | converged |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result.table.to_dict("records"):
        right, inside = (
            "" if row[name] != row[name] else f"{row[name]:.3f} ({row[f'{name}_mc']:.3f})"
            for name in ("assurance", "coverage")
        )
        out.append(
            f"| {row['target']} | {row['truth']} | {row['n']} | {row['replicates']} | {right} | "
            f"{row['wrongly']:.3f} ({row['wrongly_mc']:.3f}) | {inside} | {row['converged']:.0%} |"
        )
    return out


def _sizes(result: Design) -> list[str]:
    out = ["| target | truth | smallest n | 95 % interval |", "|---|---|---|---|"]
    for row in result.sizes.to_dict("records"):
        texts = [
            f"at most {row['smallest']}"
            if x <= row["smallest"]
            else f"above {row['largest']}"
            if x > row["largest"]
            else f"{math.ceil(x)}"
            for x in (row["n"], row["lower"], row["upper"])
        ]
        ends = texts[1] if texts[1] == texts[2] else f"{texts[1]} to {texts[2]}"
        out.append(f"| {row['target']} | {row['truth']} | {texts[0]} | {ends} |")
    return out


def main() -> int:
    """Run both modes, print them, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--executor")
    parser.add_argument("--quick", type=int, default=200, help="data sets a condition (200)")
    parser.add_argument("--full", type=int, default=40, help="of the anchors (40)")
    parser.add_argument("--write", type=Path, help="the page; its figure goes into figures/")
    arguments = parser.parse_args()
    quick = study(arguments.store, "quick", arguments.quick, arguments.executor)
    print(quick)
    full = study(arguments.store, "full", arguments.full, arguments.executor)
    print(full)
    if arguments.write is not None:
        drawn = io.BytesIO()
        plot_design(quick).savefig(drawn, format="png", dpi=150)
        name = f"figures/{arguments.write.stem}.png"
        write_whole(arguments.write.parent / name, drawn.getvalue(), "the figure")
        write_whole(arguments.write, page(quick, full, name), "the page")
    return 0


if __name__ == "__main__":
    sys.exit(main())
