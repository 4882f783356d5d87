"""The printed report of partially pooled parameters."""

from __future__ import annotations

from typing import Any

from bayessem.moderation.report import PoolingReport
from bayessem.text.numbers import number
from bayessem.text.prose import prose
from bayessem.text.tables import aligned

# Pairs of groups whose difference is printed, at most; all are in `differences`.
PAIRS = 6


def _interval(row: dict[str, Any]) -> str:
    return f"[{number(row['lower'])}, {number(row['upper'])}]"


def _sentence(report: PoolingReport, parameter: str) -> str:
    """One parameter as a paper would put it."""
    rows = report.table[report.table["parameter"] == parameter].to_dict("records")
    by = {r["quantity"]: r for r in rows}
    percent = f"{100 * report.ci_prob:g} %"
    scale = parameter in report.scales
    over = "the variance of a typical group is" if scale else "the population of groups averages"
    said = f"{parameter}: {over} 0"
    if "population mean" in by:
        mean = by["population mean"]
        said = (
            f"{parameter}: {over} {number(mean['mean'], 2)} ({percent} interval {_interval(mean)})"
        )
    slope = next((r for r in rows if r["quantity"].startswith("slope on")), None)
    if slope is not None:
        changes = "the log of its square root changes by" if scale else "changes by"
        said += (
            f" and {changes} {number(slope['mean'], 2)} {_interval(slope)} for one unit of "
            f"{report.pooling.by} (P(> 0) = {slope['p_positive']:.3f})"
        )
    if "sd between groups" in by:
        sd = by["sd between groups"]
        what = "the logs of groups' standard deviations differ" if scale else "groups differ"
        said += f"; {what} with a standard deviation of {number(sd['mean'], 2)} {_interval(sd)}"
    share = report.shrinkage.set_index("parameter")["shrinkage"][parameter]
    return f"{said}. {share:.0%} of the differences between groups were pooled away."


def _differences(report: PoolingReport) -> list[str]:
    """The largest differences between groups, by how sure their sign is."""
    found = report.differences.assign(
        sure=(report.differences["p_positive"] - 0.5).abs()
    ).sort_values("sure", ascending=False, kind="stable")
    shown = found.head(PAIRS)
    title = "Differences between groups"
    if len(found) > PAIRS:
        title += f" (the {PAIRS} with the surest sign of {len(found)})"
    body = [
        [
            r["parameter"],
            f"{r['group']} - {r['other']}",
            number(r["mean"]),
            number(r["sd"]),
            _interval(r),
            number(r["p_positive"]),
        ]
        for r in shown.to_dict("records")
    ]
    percent = f"{100 * report.ci_prob:g} % interval"
    return ["", title, aligned(["", "groups", "mean", "sd", percent, "P(>0)"], body, left=2)]


def _positive(report: PoolingReport, row: dict[str, Any]) -> bool:
    """Whether a quantity is positive by its nature."""
    if row["quantity"] == "sd between groups":
        return True
    free = row["quantity"].startswith(("slope on", "correlation with"))
    return row["parameter"] in report.scales and not free


def pooling_text(report: PoolingReport) -> str:
    """What `print(report)` shows."""
    sizes = ", ".join(f"{g} {n}" for g, n in zip(report.groups, report.sizes, strict=True))
    lines = [f"{str(report.pooling).capitalize()}", f"{len(report.groups)} groups: {sizes}", ""]
    lines[0] = str(report.pooling)[:1].upper() + str(report.pooling)[1:]
    lines += [prose(_sentence(report, name)) for name in report.shrinkage["parameter"]]
    body = [
        [
            r["parameter"],
            r["quantity"],
            r["group"],
            number(r["mean"]),
            number(r["sd"]),
            _interval(r),
            "" if _positive(report, r) else number(r["p_positive"]),
            number(r["r_hat"]),
            number(r["ess_bulk"], 0),
        ]
        for r in report.table.to_dict("records")
    ]
    percent = f"{100 * report.ci_prob:g} % interval"
    header = ["", "", "", "mean", "sd", percent, "P(>0)", "R-hat", "ESS"]
    lines += ["", aligned(header, body, left=3)]
    lines += _differences(report)
    if len(report.sensitivity):
        lines += ["", "Sensitivity of the sd between groups (power-scaling)"]
        rows = [
            [r["parameter"], number(r["prior"]), number(r["data"]), f"{r['share']:.0%}"]
            for r in report.sensitivity.to_dict("records")
        ]
        lines.append(aligned(["", "to its prior", "to the data", "prior's share"], rows))
    return "\n".join([*lines, "", *(prose(note) for note in report.notes)])
