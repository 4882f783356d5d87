"""Measurement invariance across groups: a ladder of maximum likelihood fits, and what to release.

Each step sets one more family of parameters equal: configural (same pattern), metric (loadings),
scalar (and intercepts, with the groups' latent means free), strict (and residual variances). Paths
can be compared between groups under metric invariance, means under scalar invariance. A step is
judged by its likelihood ratio test and by how much CFI and RMSEA get worse: by Chen (2007,
doi:10.1080/10705510701301834) a CFI that falls by more than .010 together with an RMSEA that rises
by more than .015 speaks against it; the CFI alone is the rule of Cheung & Rensvold (2002,
doi:10.1207/S15328007SEM0902_5).

Ordered items have thresholds in the place of intercepts (scalar: these are equal, and residual
variances and latent means free in all groups but one), a likelihood of the answers themselves, and
no saturated normal model: a step is judged by its likelihood ratio test, and by the BIC where that
rejects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from scipy.stats import chi2

from bayessem.arguments import check_shared
from bayessem.criticism.indices import fit_indices
from bayessem.errors import ModelError, NotSupported
from bayessem.execution import check_executor
from bayessem.ml.estimate import maximum_likelihood
from bayessem.ml.result import MLFit
from bayessem.model.prepare import prepare
from bayessem.model.thresholds import WITHOUT_FAMILY_LADDER, WITHOUT_NEARLY_EQUAL, refuse_answers
from bayessem.moderation.approximate_invariance import approximate_invariance, check_approximate
from bayessem.moderation.invariance_result import Invariance
from bayessem.moderation.invariance_steps import BEFORE, steps_of, with_equal
from bayessem.moderation.sampled_ladder import compare_steps, fit_by_step
from bayessem.posterior.settings import DEFAULTS, Sampling
from bayessem.results.estimate import estimate_all
from bayessem.syntax.specification import Specification

FAMILY = {"metric": ("=~",), "scalar": ("~1", "|"), "strict": ("~~",)}
# What a step may cost: Chen (2007), Cheung & Rensvold (2002).
CFI_DROP, RMSEA_RISE = 0.010, 0.015
ALPHA = 0.05
CHANGES = ("chisq_difference", "df_difference", "p", "cfi_change", "rmsea_change")
MEASURES = ("logl", "npar", "chisq", "df", "cfi", "rmsea", "srmr", "bic")
NO_STEP_BEFORE: dict[str, Any] = {**dict.fromkeys(CHANGES, math.nan), "verdict": ""}


def likelihood_ratio(smaller: MLFit, larger: MLFit) -> tuple[float, int, float]:
    """Chi-square difference, its degrees of freedom and p of a model within a larger one.

    Raises
    ------
    ModelError
        When the larger model has no more parameters than the smaller.
    """
    df = larger.npar - smaller.npar
    if df <= 0:
        raise ModelError(
            f"the models have {smaller.npar} and {larger.npar} parameters: neither is within the "
            "other, so there is no likelihood ratio test"
        )
    difference = 2.0 * (larger.logl - smaller.logl)
    return float(difference), int(df), float(chi2.sf(max(difference, 0.0), df))


def _against(fit: MLFit, before: MLFit) -> dict[str, Any]:
    """A step against the one before: likelihood ratio test, changes of CFI and RMSEA, verdict."""
    difference, df, p = likelihood_ratio(fit, before)
    if "cfi" not in fit.measures:  # ordered items
        bic = fit.measures["bic"] - before.measures["bic"]
        verdict = "holds" if p >= ALPHA else "rejected" if bic > 0.0 else "doubtful"
        return {
            **dict(zip(CHANGES, (difference, df, p, math.nan, math.nan), strict=True)),
            "verdict": verdict,
        }
    cfi, rmsea = (fit.measures[name] - before.measures[name] for name in ("cfi", "rmsea"))
    worse = cfi < -CFI_DROP
    verdict = "doubtful"  # the tests disagree
    if p >= ALPHA and not worse:
        verdict = "holds"
    elif p < ALPHA and worse and rmsea > -RMSEA_RISE:
        verdict = "rejected"
    return {
        **dict(zip(CHANGES, (difference, df, p, cfi, rmsea), strict=True)),
        "verdict": verdict,
    }


@check_shared
def invariance(
    sem: Specification,
    data: pd.DataFrame,
    *,
    group: str,
    group_order: Sequence[str] | None = None,
    missing: str = "fiml",
    free: Sequence[str] = (),
    loo: bool = False,
    approximate: float | None = None,
    ci_prob: float = 0.95,
    sampling: Sampling = DEFAULTS,
    executor: Any = None,
) -> Invariance:
    """Configural, metric, scalar and strict invariance, and what to free where a step fails.

    Arguments, result and errors: `SEM.invariance`.
    """
    check_executor(executor)
    if approximate is not None:
        check_approximate(approximate)
    table = sem.table
    if any(":" in r.rhs and r.op == "~" for r in table.rows):
        raise NotSupported(
            "invariance is about the measurement model: leave the product terms out, then fit the "
            "full model with what holds"
        )
    refuse_answers(table, "the ladder of invariance", WITHOUT_FAMILY_LADDER, ordered=False)
    if approximate is not None:
        refuse_answers(table, "approximate invariance", WITHOUT_NEARLY_EQUAL)
    if not any(r.op == "=~" for r in table.rows):
        raise ModelError("the model measures no construct, so there is no measurement to compare")
    options: dict[str, Any] = {"group": group, "group_order": group_order, "missing": missing}
    fits = _fits(sem, data, free, **options)
    groups = fits["configural"].prepared.sample.groups
    if len(groups) < 2:
        raise ModelError(f"{group!r} has one group: there is nothing to compare")
    ladder = _ladder(fits)
    notes = [_advice(ladder), *_notes_on_answers(sem, fits)]
    failed = next((n for n in ladder.index[1:] if ladder.loc[n, "verdict"] != "holds"), None)
    releases = pd.DataFrame(columns=["parameter"])
    suggested: tuple[str, ...] = ()
    if failed is not None:
        releases, suggested = _releases(sem, data, str(failed), fits, tuple(free), **options)
        if suggested:
            notes.append(
                f"With {', '.join(suggested)} free the {failed} step holds: partial invariance. "
                f"Repeat with free={list(suggested)!r}, and say so in the paper."
            )
        else:
            notes.append(
                f"No release of single parameters makes the {failed} step hold; approximate "
                "invariance, approximate=0.1, is another way."
            )
    for name, fit in fits.items():
        notes += [f"{name}: {problem}." for problem in fit.problems]
    drawn = _sampled(
        sem,
        data,
        free,
        loo=loo,
        approximate=approximate,
        ci_prob=ci_prob,
        sampling=sampling,
        executor=executor,
        **options,
    )
    return Invariance(
        group=group,
        groups=groups,
        table=ladder,
        releases=releases,
        suggested=suggested,
        fits=fits,
        ci_prob=ci_prob,
        notes=tuple(notes),
        **drawn,
    )


def _fits(
    sem: Specification, data: pd.DataFrame, free: Sequence[str], **options: Any
) -> dict[str, MLFit]:
    """The steps by maximum likelihood, without those that restrict nothing more.

    Those are strict steps of binary items, whose residual variances nothing tells apart.
    """
    fits: dict[str, MLFit] = {}
    for name, equal in steps_of(sem).items():
        fit = maximum_likelihood(prepare(with_equal(sem, equal, free), data, **options))
        if name != "strict" or fit.npar < fits["scalar"].npar:
            fits[name] = fit
    return fits


def _notes_on_answers(sem: Specification, fits: Mapping[str, MLFit]) -> list[str]:
    """What the ladder of ordered items is, and what it cannot tell."""
    if not sem.table.ordered:
        return []
    notes = [
        "Ordered items: scalar is equal loadings and thresholds, with free residual variances of "
        "the latent responses and free means; loadings are those with residual variances of 1 "
        "(theta). A step that the likelihood ratio test rejects is called doubtful where the BIC "
        "prefers it all the same."
    ]
    thresholds = fits["configural"].prepared.table.responses.thresholds
    binary = [name for name in sem.table.ordered if thresholds.get(name) == 1]
    if binary:
        notes.append(
            f"Of binary items ({', '.join(binary[:3])}{', ...' if len(binary) > 3 else ''}) equal "
            "loadings and equal thresholds cannot be told apart by themselves, and residual "
            "variances are equal throughout (Wu & Estabrook, 2016): judge the scalar step."
        )
    return notes


def _sampled(
    sem: Specification,
    data: pd.DataFrame,
    free: Sequence[str],
    *,
    loo: bool,
    approximate: float | None,
    ci_prob: float,
    sampling: Sampling,
    executor: Any,
    **options: Any,
) -> dict[str, Any]:
    """What is sampled of an `Invariance`, by the names of its attributes."""
    if not loo and approximate is None:
        nothing: dict[str, Any] = {"sampled": {}, "indices": {}, "bayesian": pd.DataFrame()}
        return {**nothing, "approximate": None, "comparison": None}
    near = None
    if approximate is not None:  # first, since it refuses some models
        near = approximate_invariance(
            sem,
            data,
            sd=approximate,
            free=free,
            ci_prob=ci_prob,
            sampling=sampling,
            executor=executor,
            **options,
        )
    exact = estimate_all(
        {
            name: prepare(with_equal(sem, equal, free), data, **options)
            for name, equal in (steps_of(sem) if loo else {}).items()
        },
        sampling,
        executor=executor,
    )
    sampled = exact if near is None else {**exact, **near.fits}
    indices = {
        name: fit_indices(fit, ci_prob=ci_prob)
        for name, fit in sampled.items()
        if not (sem.table.ordered and sem.table.exogenous)
    }
    return {
        "sampled": sampled,
        "indices": indices,
        "bayesian": fit_by_step(indices, ci_prob=ci_prob),
        "approximate": near,
        "comparison": compare_steps(exact, near, executor=executor) if loo else None,
    }


def _ladder(fits: Mapping[str, MLFit]) -> pd.DataFrame:
    rows = [
        {k: fit.measures[k] for k in MEASURES if k in fit.measures}
        | (_against(fit, fits[BEFORE[step]]) if step in BEFORE else NO_STEP_BEFORE)
        for step, fit in fits.items()
    ]
    return pd.DataFrame(rows, index=pd.Index(list(fits), name="step"))


def _advice(ladder: pd.DataFrame) -> str:
    """What may be compared between the groups, in words."""
    metric, scalar = (ladder.loc[name, "verdict"] for name in ("metric", "scalar"))
    if metric == "rejected":
        return (
            "Metric invariance is rejected: the constructs do not have the same scale in the "
            "groups, so differences in paths may be differences in measurement."
        )
    said = "Metric invariance holds" if metric == "holds" else "Metric invariance is doubtful"
    said += ": paths can be compared between the groups"
    said += "" if metric == "holds" else ", with that reservation"
    if scalar == "rejected":
        return f"{said}. Scalar invariance is rejected: latent means cannot be compared."
    return f"{said}; scalar invariance {'holds' if scalar == 'holds' else 'is doubtful'}."


def _releases(
    sem: Specification,
    data: pd.DataFrame,
    step: str,
    fits: Mapping[str, MLFit],
    free: tuple[str, ...],
    **options: Any,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The gain of freeing each equality of a step alone, and a smallest set that makes it hold."""

    def releasing(*names: str) -> MLFit:
        model = with_equal(sem, steps_of(sem)[step], (*free, *names))
        return maximum_likelihood(prepare(model, data, **options), se="none")

    candidates = _equalities(fits[step], step, free)
    rows = []
    for shown, names in candidates.items():
        one = releasing(*names)
        rows.append((shown, *likelihood_ratio(fits[step], one), one.measures.get("cfi", math.nan)))
    columns = ["parameter", "chisq_difference", "df_difference", "p", "cfi"]
    table = pd.DataFrame(rows, columns=columns).sort_values(
        "chisq_difference", ascending=False, ignore_index=True
    )
    suggested: tuple[str, ...] = ()
    chosen: list[str] = []
    for count, shown in enumerate(table["parameter"]):
        # An equality has to be left for every construct, or nothing links the groups' scales.
        if count >= len(candidates) // 2:
            break
        chosen += candidates[shown]
        if _against(releasing(*chosen), fits[BEFORE[step]])["verdict"] == "holds":
            suggested = tuple(chosen)
            break
    table["suggested"] = [set(candidates[shown]) <= set(suggested) for shown in table["parameter"]]
    return table, suggested


def _equalities(fit: MLFit, step: str, free: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What a step set equal across groups: names without the group, by what is shown.

    The thresholds of an item are one candidate: an item that is harder in a group has all moved.
    """
    table, ops = fit.prepared.table, FAMILY[step]
    kept = {"".join(text.split()) for text in free}
    indicators = {r.rhs for r in table.rows if r.op == "=~"} - set(table.latent)
    out: dict[str, tuple[str, ...]] = {}
    for row in table.rows:
        about = row.op == "=~" or row.lhs in indicators
        if row.op not in ops or row.group != 0 or row.free < 0 or not about:
            continue
        if row.op == "~~" and row.lhs != row.rhs:
            continue
        text = f"{row.lhs}~1" if row.op == "~1" else row.name
        if text not in kept:
            shown = f"thresholds of {row.lhs}" if row.op == "|" else text
            out[shown] = (*out.get(shown, ()), text)
    return out
