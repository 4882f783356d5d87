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
# Intraclass correlation from which on a predictor's slope is a blend of two.
BLENDED = 0.05
# Standard deviations between a predictor's mean and 0 from which on intercepts at 0 are far outside
# the data, and their variance and covariance with the slopes are all but one number.
FAR = 10.0
FAR_SAID = (
    f"a predictor with a random slope and a mean more than {FAR:.0f} standard deviations from 0: "
    "intercepts are those at 0, far outside the data, and their variance is hardly told apart from "
    "their covariance with the slopes"
)
# From so many groups on pooling has an alternative.
MANY = 30
TOPIC = "two levels"


def level_moment_count(table: ParameterTable) -> int:
    """Means, variances and covariances of both levels that a model of one group explains.

    Random slopes count as variables of level 2 do: data tell apart how they are distributed.
    """
    total = 0
    for names in table.level_variables:
        k, q = len(names), sum(name in table.exogenous for name in names)
        total += k * (k + 1) // 2 - q * (q + 1) // 2
    k, q = len(table.slopes), len(table.level_variables[1])
    total += k * (k + 1) // 2 + k * q + k
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
    return [*out, *_slope_findings(prepared)]


def _slope_findings(prepared: Prepared) -> list[Finding]:
    """Random slopes: of predictors that differ between clusters, unrelated to intercepts, alone.

    Enders & Tofighi (2007), doi:10.1037/1082-989X.12.2.121, on centring within clusters.
    """
    table = prepared.table
    out: list[Finding] = []
    if not table.slopes:
        return out
    predictors = _known_predictors(table)
    icc = intraclass(prepared.sample, predictors)
    apart = [f"{n!r} ({icc[n]:.2f})" for n in predictors if icc[n] > BLENDED]
    if apart:
        message = (
            f"{', '.join(apart)}: differs between clusters (intraclass correlation), so its slope "
            "blends effects within and between clusters"
        )
        remedy = (
            "less its cluster mean it is about differences inside clusters, and the cluster mean "
            "can explain the intercepts at level 2"
        )
        out.append(Finding(False, TOPIC, message, remedy))
    far = far_predictors(prepared)
    if far:
        message = f"{', '.join(map(repr, far))}: {FAR_SAID}"
        remedy = "subtract its mean (or its cluster mean) in the data"
        out.append(Finding(False, TOPIC, message, remedy))
    related = {
        frozenset((r.lhs, r.rhs))
        for r in table.rows
        if r.op in ("~", "~~", "=~") and r.lhs != r.rhs
    }
    for row in table.rows:
        if not row.slope or row.group > 0:
            continue
        if row.lhs in table.observed and row.lhs not in table.split:
            message = f"{row.lhs!r} has a random slope ({row.slope}) but no random intercept"
            remedy = f"it has one when level 2 names it, too: {row.lhs} ~~ {row.lhs}"
            out.append(Finding(False, TOPIC, message, remedy))
        elif row.lhs in table.split and frozenset((row.slope, row.lhs)) not in related:
            message = (
                f"the slope {row.slope!r} and the intercepts of {row.lhs!r} are unrelated, as in "
                "lavaan where nothing is said of them"
            )
            remedy = (
                f"{row.slope} ~~ {row.lhs} at level 2 lets them covary; without it estimates "
                f"depend on where {row.rhs!r} has its 0"
            )
            out.append(Finding(False, TOPIC, message, remedy))
    return out


def _known_predictors(table: ParameterTable) -> list[str]:
    """Predictors with random slopes that are observed, not constructs or within parts."""
    alone = set(table.observed) - set(table.split)
    return list(dict.fromkeys(r.rhs for r in table.rows if r.slope and r.rhs in alone))


def far_predictors(prepared: Prepared) -> list[str]:
    """Predictors with random slopes whose mean is far from 0."""
    sample = prepared.sample
    at = {name: i for i, name in enumerate(sample.variables)}
    return [
        n
        for n in _known_predictors(prepared.table)
        if abs(sample.means[at[n]]) > FAR * sample.sds[at[n]]
    ]


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
