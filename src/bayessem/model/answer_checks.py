"""Before sampling: answers that are not normal, how many of each, and what they cost."""

from __future__ import annotations

import numpy as np

from bayessem.errors import DataError, NotSupported
from bayessem.model.answer_engine import LAPLACE, answer_engine, closed_form
from bayessem.model.data import Sample, category_counts
from bayessem.model.findings import Finding
from bayessem.model.node_model import NodeModel
from bayessem.model.prepare import Prepared
from bayessem.syntax.responses import COUNTS, SHARES, STUDENT

# A category with fewer answers is sparse: what is known about its threshold is mostly the prior.
SPARSE = 5
TOPIC, FAMILIES_TOPIC = "ordered answers", "response families"
# What is said where one outcome leaves the likelihood in closed form, and what follows.
CLOSED = (
    "given the other variables that (of a duration the log) is normal, so that the likelihood is "
    "in closed form",
    "no integral is needed, however many constructs there are",
)
# Variables that a finding lists.
LISTED = 12


def answer_findings(prepared: Prepared) -> list[Finding]:
    """What a model needs whose answers are not normal, and categories that few or nobody chose."""
    table = prepared.table
    if not table.answered:
        return []
    if closed_form(prepared.structure):
        named = ", ".join(f"{x} is {kind}" for x, kind in table.responses.others.items())
        said = f"{named}; {CLOSED[0]}"
        return [Finding(False, FAMILIES_TOPIC, said, CLOSED[1]), *_others(prepared.sample)]
    try:
        engine, model = answer_engine(prepared.structure, prepared.sample)
    except (NotSupported, DataError) as error:
        topic = TOPIC if table.ordered else FAMILIES_TOPIC
        return [Finding(True, topic, str(error), "see above")]
    how, remedy = _by_laplace(model) if engine == LAPLACE else _on_nodes(model)
    if not table.ordered:
        named = ", ".join(f"{x} is {kind}" for x, kind in table.responses.others.items())
        cost = Finding(False, FAMILIES_TOPIC, f"{named}; {how}", remedy)
        return [cost, *_others(prepared.sample)]
    link, scale = table.responses.link, table.responses.parameterization
    cost = Finding(
        False,
        TOPIC,
        f"{len(table.ordered)} variables are answers in ordered categories ({link}, "
        f"{scale} parameterization); {how}",
        remedy,
    )
    return [
        cost,
        _counts(prepared.sample),
        *_gaps(prepared.sample),
        *_sparse(prepared),
        *_others(prepared.sample),
    ]


def _others(sample: Sample) -> list[Finding]:
    """What counts, durations, limited outcomes and shares hold."""
    out = []
    for name, one in sample.beside.items():
        values = sample.values[:, sample.variables.index(name)]
        known = ~np.isnan(values)
        y = values[known]
        if one.family in COUNTS:
            exposure = np.exp(one.columns[known, 0])
            rate, zeros = y.sum() / exposure.sum(), int((y == 0).sum())
            expected = rate * exposure
            ratio = float(((y - expected) ** 2 / expected).sum() / max(len(y) - 1, 1))
            message = (
                f"{name}: {len(y)} counts from {y.min():g} to {y.max():g}, {zeros} of them 0; "
                f"their variance is {ratio:.3g} times that of Poisson counts of one rate"
            )
            remedy = (
                "predictors explain some of it; what they leave is the overdispersion of "
                "'negative_binomial', and fit.response_check shows the counts beside the model's"
            )
        elif one.family in SHARES:
            none, whole = int((y == 0).sum()), int((y == 1).sum())
            message = f"{name}: {len(y)} shares from {y.min():.3g} to {y.max():.3g}"
            remedy = "paths are of the logit of the expected share"
            if one.family == "zero_one_beta":
                message += f", {none} of them 0 and {whole} of them 1"
                remedy += " of those that are neither 0 nor 1, whose probabilities are zoi and coi"
        elif one.family == STUDENT:
            middle = float(np.median(y))
            spread = 1.4826 * float(np.median(np.abs(y - middle)))
            far = int((np.abs(y - middle) > 4.0 * spread).sum())
            message = f"{name}: {far} of {len(y)} values further than 4 sd of most from the median"
            remedy = (
                "nu is estimated; below 10 they matter, above 30 a normal variable does as well"
            )
        else:
            gone = one.censored[known]
            low, high = np.isinf(one.columns[known]).T
            message = (
                f"{name}: {int((~gone).sum())} values observed, {int(high.sum())} right-censored, "
                f"{int((low & ~high).sum())} left-censored, "
                f"{int((gone & ~low & ~high).sum())} in intervals"
            )
            remedy = "a censored value counts by its probability; censored= says which are"
        out.append(Finding(False, FAMILIES_TOPIC, message, remedy))
    return out


def _on_nodes(model: NodeModel) -> tuple[str, str]:
    """How the node engine integrates, and what follows."""
    widest = max(model.cliques, key=len, default=())
    if not widest:
        return (
            "there is no construct, so that the likelihood is a product over respondents",
            "the likelihood is of the answers themselves; LOO is by respondent",
        )
    several = {
        1: "one construct at a time",
        2: "two constructs at a time",
        3: "three constructs at a time",
    }[len(widest)]
    return (
        f"the constructs are integrated out on nodes, exactly, {several} ({', '.join(widest)})",
        "the likelihood is of the answers themselves; LOO is by respondent",
    )


def _by_laplace(model: NodeModel) -> tuple[str, str]:
    """How the Laplace engine integrates and why it is taken, and what follows."""
    return (
        f"{model.too_wide}; so Laplace's approximation is sampled, where it is near enough, and "
        "its draws are weighted to the exact posterior",
        "fit.diagnosis says how many draws the weighted ones are worth; where the approximation is "
        "too far off, as with few items of two or three categories and high loadings, the scores "
        f"of all respondents on {len(model.latents)} constructs are sampled as well, which is "
        "exact and takes several times as long (a note of the fit says so)",
    )


def _counts(sample: Sample) -> Finding:
    """How many chose each category."""
    said = []
    for name in sample.ordered:
        counts = category_counts(sample, name)
        said.append(
            f"{name} {counts[0][0]} to {counts[-1][0]}: {'/'.join(str(n) for _, n in counts)}"
        )
    more = f"; and {len(said) - LISTED} more variables" if len(said) > LISTED else ""
    return Finding(
        False,
        "answers by category",
        f"from the lowest to the highest: {'; '.join(said[:LISTED])}{more}",
        "sem.compare_responses(data) shows what treating them as numbers would change",
    )


def _gaps(sample: Sample) -> list[Finding]:
    """Codes between two others that nobody chose."""
    gone = []
    for name in sample.ordered:
        labels = sample.categories[sample.variables.index(name)]
        if all(isinstance(x, int) for x in labels):
            known = {int(x) for x in labels if isinstance(x, int)}
            empty = [str(x) for x in range(min(known), max(known)) if x not in known]
            if 0 < len(empty) <= len(labels):
                gone.append(f"{name} ({', '.join(empty)})")
    if not gone:
        return []
    return [
        Finding(
            False,
            "empty categories",
            f"nobody chose, between others: {', '.join(gone[:LISTED])}"
            + (f" and {len(gone) - LISTED} more" if len(gone) > LISTED else ""),
            "a category without answers is left out: its neighbours become neighbours of each "
            "other, and nothing else changes",
        )
    ]


def _sparse(prepared: Prepared) -> list[Finding]:
    """Categories with few answers, or none in a group."""
    sample = prepared.sample
    few: list[str] = []
    join = ""
    for name in sample.ordered:
        for g, group in enumerate(sample.groups):
            where = f" in group {group!r}" if len(sample.groups) > 1 else ""
            counts = category_counts(sample, name, group=g)
            join = join or _joined(name, counts)
            few += [f"{name} = {label}{where} ({n})" for label, n in counts if n < SPARSE]
    if not few:
        return []
    shown = ", ".join(few[:8]) + (f" and {len(few) - 8} more" if len(few) > 8 else "")
    return [
        Finding(
            False,
            "sparse categories",
            f"fewer than {SPARSE} answers: {shown}",
            "the thresholds beside them are known by their prior as much as by the data. Joining "
            f"such a category with its neighbour ({join}) takes one threshold out of the model; "
            "loadings and paths hardly change, since few answers lose their distinction",
        )
    ]


def _joined(name: str, counts: list[tuple[object, int]]) -> str:
    """How to join the first sparse category with the smaller of its neighbours, as code."""
    for c, (label, n) in enumerate(counts):
        if n < SPARSE:
            near = [k for k in (c - 1, c + 1) if 0 <= k < len(counts)]
            other = counts[min(near, key=lambda k: counts[k][1])][0]
            if isinstance(label, int):
                return f"data[{name!r}] = data[{name!r}].replace({label}, {other})"
            return f"data[{name!r}] = data[{name!r}].replace({label!r}, {other!r})"
    return ""
