"""Before sampling a two-level model: its clusters, what differs between them, and what it says."""

from __future__ import annotations

from bayessem.model.findings import Finding
from bayessem.model.level_data import dependent_within, intraclass
from bayessem.model.prepare import Prepared
from bayessem.syntax.parameters import ParameterTable

# With fewer clusters the priors of level 2 matter much (Hox & McNeish 2020, in Small Sample Size
# Solutions, ch. 14).
FEW = 30
# An intraclass correlation below this leaves next to nothing for level 2.
SLIGHT = 0.02
# From so many groups on pooling has an alternative.
MANY = 30
TOPIC = "two levels"


def level_moment_count(table: ParameterTable) -> int:
    """Means, variances and covariances of both levels that a model of one group explains."""
    total = 0
    for names in table.level_variables:
        k, q = len(names), sum(name in table.exogenous for name in names)
        total += k * (k + 1) // 2 - q * (q + 1) // 2
    return total + len(table.observed) - len(table.exogenous)


def clusters_text(prepared: Prepared) -> str:
    """How many clusters, and how large."""
    clusters = prepared.sample.clusters
    if clusters is None:
        return ""
    sizes = clusters.sizes
    return (
        f"{len(sizes)} clusters ({clusters.column!r}) of {sizes.min()} to {sizes.max()} "
        f"respondents, {sizes.mean():.1f} on average"
    )


def level_findings(prepared: Prepared) -> list[Finding]:
    """Few clusters, and variables that hardly differ between them; many groups that are pooled."""
    table, clusters = prepared.table, prepared.sample.clusters
    if clusters is None:
        return _pooled_groups(prepared)
    out = []
    involved = dependent_within(prepared.sample, table)
    if involved:
        message = f"{', '.join(map(repr, involved))} determine each other exactly within clusters"
        remedy = "take one of them out of the model"
        out.append(Finding(True, "dependent columns", message, remedy))
    first = prepared.sample.group[clusters.first()] // 2
    for g, label in enumerate(clusters.groups):
        count = int((first == g).sum())
        if count < FEW:
            where = f" in group {label!r}" if label else ""
            message = f"{count} clusters{where}: level 2 is known from as many numbers"
            remedy = "expect wide intervals there, and priors that matter: look at sem.priors(data)"
            out.append(Finding(False, TOPIC, message, remedy))
    icc = intraclass(prepared.sample, table.split)
    slight = [f"{n!r} ({icc[n]:.3f})" for n in table.split if icc[n] < SLIGHT]
    if slight:
        message = f"{', '.join(slight)}: hardly differ between clusters (intraclass correlation)"
        remedy = "there is little for level 2 to explain; at level 1 alone they need no intercepts"
        out.append(Finding(False, TOPIC, message, remedy))
    random = [n for n in table.split if _is_covariate(table, n)]
    if random:
        message = (
            f"{', '.join(map(repr, random))}: a predictor at both levels is random, split into a "
            "within and a between part, and so are the other covariates of the level"
        )
        remedy = "its path at level 2 is free of the error of cluster means (contextual effects)"
        out.append(Finding(False, TOPIC, message, remedy))
    return out


def _pooled_groups(prepared: Prepared) -> list[Finding]:
    """Groups so many that they may be clusters."""
    count = len(prepared.sample.groups)
    if prepared.pooling is None or prepared.pooling.how != "partial" or count < MANY:
        return []
    message = f"{count} groups are pooled, each with deviations of its own that are sampled"
    remedy = (
        "right where the groups are asked about; if they are a sample of clusters, a two-level "
        "model ('level: 1', 'level: 2', cluster=) integrates them out, and has variables and "
        "constructs of clusters"
    )
    return [Finding(False, TOPIC, message, remedy)]


def _is_covariate(table: ParameterTable, name: str) -> bool:
    """Whether a variable predicts and nothing explains it."""
    explained = {r.lhs if r.op == "~" else r.rhs for r in table.rows if r.op in ("~", "=~")}
    return name in {r.rhs for r in table.rows if r.op == "~"} and name not in explained
