"""Are the data fit for the model? Few respondents, odd items, collinear constructs, weak squares.

Everything here is a note, except columns that are linear combinations of others: with those no
covariance matrix can be inverted and no likelihood is finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bayessem.algebra.polynomial import normal_moment
from bayessem.model.composites import starting_weights
from bayessem.model.findings import Finding
from bayessem.model.item_checks import measurement_findings, sample_correlations
from bayessem.model.prepare import Prepared, moments_of
from bayessem.model.row_checks import group_name_findings, never_together, repeated_rows

__all__ = ["data_findings", "sample_correlations", "suspected_codes", "without_codes"]

# Latent correlations above this are hard to tell from 1 (Roenkkoe & Cho 2022,
# doi:10.1177/1094428120968614).
COLLINEAR = 0.9
# Respondents times reliability of a product below which its standardised coefficient is known to
# no better than about +-0.2.
PRODUCT_INFORMATION = 100.0
SKEWED = 1.0
# Means of covariates, in their standard deviations, from which on the intercepts of a construct's
# items, those of somebody with 0, say nothing about anybody in the data.
FAR = 5.0
# What survey programs write for "no answer"; at the end of a scale and apart from it, suspicious.
MISSING_CODES = tuple(
    sign * code
    for code in (7, 8, 9, 77, 88, 98, 99, 777, 888, 998, 999, 7777, 8888, 9998, 9999, 99999)
    for sign in (1, -1)
) + (-1, -2, -3)
# How far apart: in units of the widest gap between the other values.
APART = 1.5


def data_findings(prepared: Prepared) -> list[Finding]:
    """What the data have that the model or its likelihood will not bear, or bears badly.

    Numbers that look like codes for a missing answer come first, and everything else is about the
    data without them: their skewness, their kurtosis and their correlations are the codes' own.
    """
    found = _missing_codes(prepared)
    if found:
        prepared = without_codes(prepared)
    if prepared.table.levels > 1:  # the others are about groups, and total correlations
        return [
            *found,
            *repeated_rows(prepared),
            *(
                f
                for j in range(len(prepared.sample.variables))
                for f in _item_findings(prepared, j)
            ),
        ]
    return [
        *found,
        *_group_findings(prepared),
        *group_name_findings(prepared),
        *repeated_rows(prepared),
        *never_together(prepared),
        *_dependent_columns(prepared),
        *(f for j in range(len(prepared.sample.variables)) for f in _item_findings(prepared, j)),
        *measurement_findings(prepared),
        *_scale_findings(prepared),
        *_far_covariates(prepared),
        *_collinear_predictors(prepared),
        *_product_findings(prepared),
    ]


def without_codes(prepared: Prepared) -> Prepared:
    """The same model with the numbers that look like codes for a missing answer missing.

    As it is where a group would be left without an answer to an item.
    """
    sample = prepared.sample
    values = sample.values.copy()
    for column in values.T:
        codes = suspected_codes(column[~np.isnan(column)])
        if codes:
            column[np.isin(column, codes)] = np.nan
    if np.array_equal(values, sample.values, equal_nan=True):
        return prepared
    known = ~np.isnan(values)
    if not all(known[sample.group == g].any(axis=0).all() for g in np.unique(sample.group)):
        return prepared
    cleaned = replace(sample, values=values)
    covariances, means = moments_of(cleaned, prepared.table)
    return replace(prepared, sample=cleaned, covariances=covariances, means=means)


def _group_findings(prepared: Prepared) -> list[Finding]:
    """Groups with few respondents."""
    sample, table = prepared.sample, prepared.table
    p = len(table.observed)
    sizes = np.bincount(sample.group, minlength=len(sample.groups))
    tiny = [g for g, n in enumerate(sizes) if n <= p]
    few = [g for g, n in enumerate(sizes) if p < n < 5 * p and n < 100]
    out = []
    if tiny:
        message = (
            f"{_sizes_text(sizes, tiny, sample.groups)}, no more than the {p} observed variables"
        )
        remedy = (
            "their covariances alone determine nothing: set parameters equal across groups "
            "(group_equal=) or pool them, or join groups"
        )
        out.append(Finding(False, "tiny group", message, remedy))
    if few:
        message = f"{_sizes_text(sizes, few, sample.groups)} for {p} observed variables"
        remedy = "expect wide intervals, and priors that matter: look at sem.priors(data)"
        out.append(Finding(False, "few respondents", message, remedy))
    return out


def _sizes_text(sizes: np.ndarray, which: list[int], groups: tuple[str, ...]) -> str:
    """How many respondents some groups have, in words."""
    least, most = int(sizes[which].min()), int(sizes[which].max())
    count = f"{least}" if least == most else f"{least} to {most}"
    if len(groups) == 1:
        return f"{count} respondents"
    if len(which) == 1:
        return f"{count} respondents in group {groups[which[0]]!r}"
    named = ", ".join(repr(groups[g]) for g in which[:3])
    more = f" and {len(which) - 3} more" if len(which) > 3 else ""
    return f"{count} respondents in each of {len(which)} groups ({named}{more})"


def suspected_codes(values: np.ndarray) -> tuple[float, ...]:
    """Values that look like codes for a missing answer: -99 or 9 beside a scale of 1 to 6.

    Parameters
    ----------
    values : ndarray (n,)
        Without nan.

    Returns
    -------
    tuple of float
        Codes of `MISSING_CODES` that end the scale and lie apart from its other values.
    """
    levels = np.unique(values)
    known = np.flatnonzero(~np.isin(levels, MISSING_CODES))
    if not known.size:
        return ()
    below, above = int(known[0]), len(levels) - 1 - int(known[-1])
    out: list[float] = []
    for end, count, others in ((levels, below, above), (levels[::-1], above, below)):
        # the longest run of codes that something wide separates from the rest
        for k in range(count, 0, -1):
            rest = np.sort(end[k : len(end) - others])
            if len(rest) > 2 and abs(end[k] - end[k - 1]) > APART * np.diff(rest).max():
                out += [float(x) for x in end[:k]]
                break
    return tuple(sorted(out))


def _missing_codes(prepared: Prepared) -> list[Finding]:
    """Columns in which a number may stand for a missing answer."""
    sample = prepared.sample
    found: dict[tuple[float, ...], list[tuple[str, int]]] = {}
    for name, column in zip(sample.variables, sample.values.T, strict=True):
        codes = suspected_codes(column[~np.isnan(column)])
        if codes:
            found.setdefault(codes, []).append((name, int(np.isin(column, codes).sum())))
    out = []
    for codes, names in found.items():
        listed = " and ".join(f"{code:g}" for code in codes)
        marks = ", ".join(f"{code:g}" for code in codes)
        columns = [name for name, _ in names]
        message = (
            f"{listed} lie{'s' * (len(codes) == 1)} far from the other values of "
            f"{', '.join(f'{name!r} ({n} times)' for name, n in names)}, and "
            f"{'is taken as an answer' if len(codes) == 1 else 'are taken as answers'}"
        )
        remedy = (
            f"if it means 'no answer', make it missing there: data[{columns}] = "
            f"data[{columns}].replace([{marks}], float('nan')); what follows is about the data "
            "without it"
        )
        out.append(Finding(False, "missing code?", message, remedy))
    return out


def _dependent_columns(prepared: Prepared) -> list[Finding]:
    """Columns that are linear combinations of others, such as a total and its parts."""
    sample = prepared.sample
    correlation = sample_correlations(prepared)
    if not sample.complete:  # moments of available values are shrunk and would hide it
        full = ~np.isnan(sample.values).any(axis=1)
        rows = sample.values[full] - prepared.means[sample.group[full]]
        if len(rows) <= len(sample.variables) + len(sample.groups) or not rows.std(axis=0).all():
            return []
        correlation = np.atleast_2d(np.corrcoef(rows, rowvar=False))
    roots, vectors = np.linalg.eigh(correlation)
    if roots[0] > 1e-10:
        return []
    involved = np.abs(vectors[:, roots <= 1e-10]).max(axis=1) > 1e-4
    named = [repr(x) for x, i in zip(prepared.sample.variables, involved, strict=True) if i]
    return [
        Finding(
            True,
            "dependent columns",
            f"{', '.join(named)} determine each other exactly (a copy, or a total with its parts)",
            "take one of them out of the model",
        )
    ]


def _item_findings(prepared: Prepared, j: int) -> list[Finding]:
    """One column: few categories, nearly constant, heavy tails."""
    name, column = prepared.sample.variables[j], prepared.sample.values[:, j]
    known = column[~np.isnan(column)]
    levels, counts = np.unique(known, return_counts=True)
    if name in prepared.table.exogenous:  # conditioned on: its distribution does not matter
        return []
    if name in prepared.table.answered:  # no normal likelihood: answer_checks.py
        return []
    out = []
    if counts.max() > 0.9 * len(known):
        share = f"{100 * counts.max() / len(known):.0f} % of {name!r} is one value"
        remedy = "it hardly carries information; consider leaving it out"
        out.append(Finding(False, "nearly constant", share, remedy))
    elif len(levels) < 5:
        remedy = "a normal likelihood is an approximation here; loadings come out too small"
        message = f"{name!r} has {len(levels)} distinct values"
        out.append(Finding(False, "few categories", message, remedy))
    z = (known - known.mean()) / known.std()
    kurtosis = float((z**4).mean() - 3.0)
    if kurtosis > 7.0:
        remedy = "a few respondents dominate its covariances; check them, or transform it"
        message = f"{name!r} has excess kurtosis {kurtosis:.1f}"
        out.append(Finding(False, "heavy tails", message, remedy))
    return out


def _scale_findings(prepared: Prepared) -> list[Finding]:
    """Variables in very different units."""
    variables, sds = prepared.sample.variables, prepared.sample.sds
    if sds.max() <= 100 * sds.min():
        return []
    low, high = variables[int(sds.argmin())], variables[int(sds.argmax())]
    message = (
        f"standard deviations run from {sds.min():.3g} ({low!r}) to {sds.max():.3g} ({high!r})"
    )
    above, below = np.log10(sds.max()), -np.log10(sds.min())
    change = f"{high!r}] /= 1e{above:.0f}" if above >= below else f"{low!r}] *= 1e{below:.0f}"
    remedy = f"only to read paths more easily, since no result depends on it: data[{change}"
    return [Finding(False, "scales", message, remedy)]


def _far_covariates(prepared: Prepared) -> list[Finding]:
    """Covariates of constructs whose mean is far from 0, such as age in years or a calendar year.

    The items' intercepts are then those of somebody with age 0, and read as nothing. (Sampling does
    not suffer: see `posterior.centring`.)
    """
    table, sample = prepared.table, prepared.sample
    predictors = {r.rhs for r in table.rows if r.op == "~" and r.lhs in table.latent}
    far = [
        (name, mean)
        for name, mean, sd in zip(sample.variables, sample.means, sample.sds, strict=True)
        if name in predictors and abs(mean) > FAR * sd
    ]
    if not far or not any(r.op == "~1" and r.free >= 0 for r in table.rows):
        return []
    listed = ", ".join(f"{name!r} (mean {mean:.3g})" for name, mean in far)
    name = far[0][0]
    return [
        Finding(
            False,
            "covariate far from 0",
            f"{listed} predict{'s' * (len(far) == 1)} constructs: intercepts are those of "
            "somebody with 0, far outside the data",
            f"centre: data[{name!r}] -= data[{name!r}].mean(); paths stay the same",
        )
    ]


def _items(prepared: Prepared, name: str, seen: frozenset[str] = frozenset()) -> list[int]:
    """Columns that measure a variable, directly or through lower-order constructs."""
    table = prepared.table
    if name in table.observed:
        return [table.observed.index(name)]
    if name in seen:
        return []
    children = [r.rhs for r in table.rows if r.op == "=~" and r.lhs == name and r.group == 0]
    found = [i for child in children for i in _items(prepared, child, seen | {name})]
    return list(dict.fromkeys(found))


def _score(prepared: Prepared, name: str) -> tuple[np.ndarray, float]:
    """Mean score of a variable's standardised items (respondent,) and its reliability.

    Items that run against the first principal component are turned round; the reliability is
    Cronbach's alpha of standardised items, 1 for an observed variable. Of a composite, the weighted
    sum of its items at rough weights, and 1.
    """
    structure = prepared.structure
    if name in dict(structure.table.composites):
        _, values = starting_weights(structure, prepared.covariances)
        score = np.zeros(prepared.sample.size)
        for c, own in zip(structure.composites, values, strict=True):
            here = prepared.sample.group == c.group
            if structure.variables[c.variable] == name:
                score[here] = prepared.sample.values[here][:, list(c.items)] @ own
        return score, 1.0
    items = _items(prepared, name)
    if not items:
        return np.zeros(prepared.sample.size), 0.0
    correlation = sample_correlations(prepared)[np.ix_(items, items)]
    sign = np.sign(np.linalg.eigh(correlation)[1][:, -1])
    sign[sign == 0] = 1.0
    centred = prepared.sample.values[:, items] - prepared.means[prepared.sample.group][:, items]
    z = sign * centred / prepared.sample.sds[items]
    known = ~np.isnan(z)
    score = np.where(known, z, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    k = len(items)
    if k == 1:
        return score, 1.0
    total = float(sign @ correlation @ sign)
    return score, max(k / (k - 1) * (1.0 - k / total), 0.0)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Of two scores; 0 with a covariate that is constant within each group."""
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _collinear_predictors(prepared: Prepared) -> list[Finding]:
    """Constructs that predict the same outcome and can hardly be told apart.

    From the correlation of their mean scores, corrected for unreliability (Spearman 1904).
    """
    table = prepared.table
    predictors: dict[str, list[str]] = {}
    for row in table.rows:
        if row.op == "~" and row.group == 0 and row.rhs in (*table.latent, *table.promoted):
            predictors.setdefault(row.lhs, []).append(row.rhs)
    out = []
    for outcome, names in predictors.items():
        scores = {name: _score(prepared, name) for name in names}
        for i, a in enumerate(names):
            for b in names[:i]:
                shared = set(_items(prepared, a)) & set(_items(prepared, b))
                reliability = scores[a][1] * scores[b][1]
                if shared or reliability <= 0.0:
                    continue
                observed = _correlation(scores[a][0], scores[b][0])
                corrected = abs(observed) / np.sqrt(reliability)
                if corrected > COLLINEAR:
                    message = (
                        f"{b!r} and {a!r} both predict {outcome!r} and correlate about "
                        f"{min(corrected, 1.0):.2f} without measurement error"
                    )
                    remedy = (
                        "their separate effects will be known badly; consider a common "
                        "(second-order) construct, or one of them"
                    )
                    out.append(Finding(False, "collinear constructs", message, remedy))
    return out


def _product_reliability(prepared: Prepared, factors: Sequence[int]) -> float:
    """Share of a product's variance that is not due to errors of its factors' scores."""
    distinct = sorted(set(factors))
    scores = [_score(prepared, prepared.structure.variables[i]) for i in distinct]
    known = np.eye(len(distinct))
    for i, (a, _) in enumerate(scores):
        for j, (b, _) in enumerate(scores[:i]):
            known[i, j] = known[j, i] = _correlation(a, b)
    true = known.copy()
    np.fill_diagonal(true, [reliability for _, reliability in scores])
    product = [distinct.index(i) for i in factors]
    with_errors, without = (
        normal_moment(c, 2 * product) - normal_moment(c, product) ** 2 for c in (known, true)
    )
    return without / with_errors


def _product_findings(prepared: Prepared) -> list[Finding]:
    """Product terms about which the data say little, or which skewness could be taken for.

    The reliability of a product is the ratio of its variance without and with the errors of its
    factors' scores, for centred normal variables: of a square the squared reliability of its
    factor, of X:Z (rel_X rel_Z + r^2) / (1 + r^2) with r the correlation of the scores (Bohrnstedt
    & Marwell 1978, Sociological Methodology 9), and so on for more factors. The
    likelihood takes the factors of products to be normal, and its estimates are biased where they
    are far from it (Cham, West, Ma & Aiken 2012, doi:10.1080/00273171.2012.732901).
    """
    structure, n = prepared.structure, prepared.sample.size
    out = []
    for (name, _), factors in zip(prepared.table.products, structure.products, strict=True):
        reliability = _product_reliability(prepared, factors)
        if n * reliability < PRODUCT_INFORMATION:
            message = (
                f"the mean scores behind {name!r} give the product a reliability of "
                f"{reliability:.2f} with {n} respondents: its standardised coefficient will be "
                f"known to about +-{2.0 / np.sqrt(max(n * reliability, 1.0)):.1f}"
            )
            remedy = "expect its sign to stay open; more respondents or better items would help"
            out.append(Finding(False, "weak product", message, remedy))
    used = {i for factors in structure.products for i in factors}
    for name in (structure.variables[i] for i in sorted(used)):
        if name not in prepared.table.latent:
            continue
        score = _score(prepared, name)[0]
        skewness = float(((score - score.mean()) ** 3).mean() / score.std() ** 3)
        if abs(skewness) > SKEWED:
            message = (
                f"the mean score of {name!r}, a factor of a product, has skewness {skewness:.1f}"
            )
            remedy = (
                "the model takes it to be normal, and skewness can look like a square: check the "
                "items for floor and ceiling, and compare with and without the product"
            )
            out.append(Finding(False, "skewed factor", message, remedy))
    return out
