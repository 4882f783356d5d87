"""Before sampling: is the model identified, and are the data fit for it? In plain words.

Pure NumPy on the parameter table and the data: the answer comes within a second.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from bayessem.errors import NotSupported
from bayessem.model.answer_checks import answer_findings
from bayessem.model.composite_checks import composite_findings
from bayessem.model.data_checks import data_findings, sample_correlations, without_codes
from bayessem.model.elimination import computed_parameters
from bayessem.model.findings import CheckReport, Finding
from bayessem.model.identification import null_space, possible
from bayessem.model.level_checks import clusters_text, level_findings, level_moment_count
from bayessem.model.linear_constraints import linear_system
from bayessem.model.prepare import Prepared
from bayessem.model.structure import build_structure
from bayessem.syntax import expression
from bayessem.syntax.parameters import Parameter, ParameterTable
from bayessem.syntax.table import cycles
from bayessem.threads import one_blas_thread

__all__ = ["CheckReport", "Finding", "check"]


@one_blas_thread()
def check(prepared: Prepared) -> CheckReport:
    """Look at a model with its data before anything is sampled."""
    table, sample = prepared.table, prepared.sample
    p, groups = len(table.observed), len(table.groups) // table.levels
    has_means = any(row.op == "~1" and row.free >= 0 for row in table.rows)
    q = len(table.exogenous)
    answered = len(table.ordered)  # of latent responses there are correlations and thresholds
    moments = groups * (p * (p + 1) // 2 - q * (q + 1) // 2 + (p - q - answered) * has_means)
    moments += groups * (prepared.structure.thresholds - answered)
    if table.levels > 1:
        moments = groups * level_moment_count(table)
    places = prepared.structure.places
    linear = {
        r.free
        for k, r in enumerate(table.rows)
        if r.free >= 0 and (k not in places or places[k].matrix not in ("products", "shapes"))
    }
    for c in prepared.structure.composites:  # their variances count, the moments of items do not
        moments -= len(c.items) * (len(c.items) + 1) // 2 - 1
    parameters = len(table.parameters)
    equalities = _equalities(table) + len(prepared.zero_mean)
    findings = [
        *_repeated_findings(prepared),
        *_scale_findings(prepared),
        *_growth_findings(prepared),
        *_constraint_findings(prepared),
        *_integral_findings(prepared),
        *_impossible_findings(prepared),
        *_identification_findings(prepared, moments, len(linear) - equalities),
        *data_findings(_with_scores(prepared)),
        *answer_findings(prepared),
        *_tail_findings(table),
        *level_findings(prepared),
        *composite_findings(prepared),
    ]
    if any(f.topic == "dependent columns" for f in findings):  # which no model could have
        findings = [f for f in findings if f.topic != "impossible"]
    # a code for missing answers is behind much of what else is found, so it comes first
    findings.sort(key=lambda f: (not f.serious, f.topic != "missing code?", not f.warning))
    text = (
        f"{_counted(sample.size, 'respondent')}{' (all complete)' * sample.complete}, "
        f"{_counted(p, 'observed variable')}, "
        f"{_counted(len(table.constructs), 'construct')}"
        + (f", {groups} groups" if groups > 1 else "")
        + (f", {clusters_text(prepared)}" if table.levels > 1 else "")
        + f"; {moments} moments, {parameters} free parameters"
        + _apart(table, parameters - len(linear))
        + (f" less {_counted(equalities, 'equality constraint')}" if equalities else "")
        + _freedom(table, moments - len(linear) + equalities)
    )
    cases = _cases(prepared)
    for sentence in filter(None, (cases, _integral(prepared))):
        text += f" {sentence}"
    return CheckReport(tuple(findings), moments, parameters, sample.size, text, cases)


def _apart(table: ParameterTable, count: int) -> str:
    """How many parameters the moments say nothing about, in words."""
    if not count:
        return ""
    return " (1 of heavy tails)" if table.heavy_tailed else f" ({count} of product terms)"


def _freedom(table: ParameterTable, left: int) -> str:
    """Degrees of freedom, in words."""
    if table.slopes:
        return (
            f". {_counted(len(table.slopes), 'random slope')} ({', '.join(table.slopes)}): the "
            "covariances of level 1 differ between respondents, so there is no saturated model."
            + _on_nodes(table)
        )
    return f", {_counted(left, 'degree')} of freedom."


def _on_nodes(table: ParameterTable) -> str:
    """How the slope of a predictor that is not observed is integrated out, in words."""
    slopes = build_structure(table).slopes_on_nodes
    if not slopes:
        return ""
    return (
        f" The predictor of {', '.join(slopes)} is not observed: the slope is integrated out on "
        "nodes, all else in closed form; a draw takes tens of times as long as without."
    )


def _with_scores(prepared: Prepared) -> Prepared:
    """The same with answers that are not normal as scores, for checks about numbers."""
    sample = prepared.sample
    if not sample.ordered and not sample.beside:
        return prepared
    numbers = replace(sample, values=sample.scores, categories=(), beside={})
    return replace(prepared, sample=numbers)


def _equalities(table: ParameterTable) -> int:
    """How many parameters the `==` take away; those that follow from others take none."""
    try:
        equal = linear_system(table).equal
    except NotSupported:  # nonlinear ones are taken to be independent
        return sum(row.op == "==" for row in table.constraints)
    return int(np.linalg.matrix_rank(equal)) if len(equal) else 0


def _cases(prepared: Prepared) -> str:
    """Who has missing values and who was left out, "" when everybody answered everything."""
    sample = prepared.sample
    missing = np.isnan(sample.values)
    parts = []
    if missing.any():
        n = int(missing.any(axis=1).sum())
        parts.append(
            f"{_counted(n, 'respondent')} {'has' if n == 1 else 'have'} missing values "
            f"({100 * missing.mean():.1f} % of all cells, "
            f"{_counted(sample.pattern_count, 'pattern')}); all observed values are used."
        )
    if sample.dropped:
        n = len(sample.dropped)
        why = "" if prepared.notes else " for missing values (all, or any with listwise deletion)"
        parts.append(f"{_counted(n, 'row')} {'was' if n == 1 else 'were'} left out{why}.")
    if sample.elsewhere:
        n = sample.elsewhere
        parts.append(
            f"{_counted(n, 'row')} of groups that are not in group_order "
            f"{'was' if n == 1 else 'were'} left out."
        )
    parts += [f"{note[0].upper()}{note[1:]}." for note in prepared.notes]
    return " ".join(parts)


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def _repeated_findings(prepared: Prepared) -> list[Finding]:
    """Terms that stand in the model twice: often a slip for another name."""
    if not prepared.repeated:
        return []
    terms = ", ".join(repr(x) for x in prepared.repeated)
    remedy = "each counts once; is another variable meant?"
    return [Finding(False, "written twice", f"the model says {terms} twice", remedy)]


def _scale_findings(prepared: Prepared) -> list[Finding]:
    """Single indicators, and markers that are reverse-keyed."""
    table = prepared.table
    out = []
    correlation = sample_correlations(without_codes(prepared))
    measured = [r.rhs for r in table.rows if r.op == "=~" and r.group == 0]
    for name in table.latent:
        own = [r for r in table.rows if r.op == "=~" and r.lhs == name and r.group == 0]
        fixed = [r for r in own if r.free < 0 and r.value]
        if len(own) == 1 and measured.count(own[0].rhs) == 1 and own[0].rhs in table.observed:
            residual = next(
                (r for r in table.rows if r.op == "~~" and r.lhs == r.rhs == own[0].rhs), None
            )
            # Written by the user it is on purpose; free, the Jacobian says what it says.
            if residual is not None and not residual.user and residual.value == 0.0:
                item = own[0].rhs
                out.append(
                    Finding(
                        False,
                        "one indicator",
                        f"construct {name!r} has one indicator, {item!r}; as in lavaan it is taken "
                        "to be measured without error (residual variance 0)",
                        f"if its reliability r is known, write {item} ~~ v*{item} with v = (1 - r) "
                        f"times its variance ({_variance_text(prepared, item)}); paths are too "
                        "weak otherwise",
                    )
                )
        items = [table.observed.index(r.rhs) for r in own if r.rhs in table.observed]
        if len(items) > 2:
            signs = np.sign(correlation[np.ix_(items, items)]).sum(axis=1) - 1
            # without a marker most items set the sign (results/orientation.py)
            marker = fixed[0].rhs if fixed else ""
            if marker in table.observed:
                position = items.index(table.observed.index(marker))
                if signs[position] < 0 and np.median(signs) >= 0:
                    out.append(
                        Finding(
                            False,
                            "reverse-keyed marker",
                            f"{marker!r} sets the sign of {name!r} but correlates negatively with "
                            "its other items: high values of the construct mean low values of them",
                            f"put another item of {name!r} first, or recode {marker!r}",
                        )
                    )
    return out


def _growth_findings(prepared: Prepared) -> list[Finding]:
    """Constructs with all loadings given, as in a growth model, whose means are fixed at 0."""
    table = prepared.table
    rows = [r for r in table.rows if r.group == 0]
    names: list[str] = []
    changing = False  # constructs of equal loadings alone are random intercepts
    for name in table.latent:
        own = [r for r in rows if r.op == "=~" and r.lhs == name]
        mean = [r for r in rows if r.op == "~1" and r.lhs == name]
        given = len(own) > 2 and all(r.free < 0 and r.user for r in own)
        changing |= given and len({r.value for r in own}) > 1
        if given and mean and all(r.free < 0 and not r.user for r in mean):
            names.append(name)
    if len(names) < 2 or not changing:
        return []
    return [
        Finding(
            False,
            "growth model?",
            f"all loadings of {' and '.join(map(repr, names))} are given, and their means are 0",
            "for a growth model (means of level and slope free, intercepts of the measurements 0) "
            "use SEM(model, growth=True)",
        )
    ]


def _tail_findings(table: ParameterTable) -> list[Finding]:
    """What heavy tails are about."""
    if not table.heavy_tailed:
        return []
    given = f" given {', '.join(table.exogenous)}" if table.exogenous else ""
    return [
        Finding(
            False,
            "heavy tails",
            f"all that is random about a respondent{given} is multivariate t, in closed form: an "
            "outlying respondent counts less, with one weight for all answers (fit.weights())",
            "nu is estimated; below 10 outliers matter, above 30 the normal model does as well",
        )
    ]


def _integral_findings(prepared: Prepared) -> list[Finding]:
    """What stands in the way of the product terms, and which are slow."""
    structure = prepared.structure
    if prepared.table.answered:
        return []  # answer_checks.py
    holes = _missing_factors(prepared)
    if holes:
        message = f"{_listed(holes)} in a product term"
        remedy = 'leave these respondents out, missing="listwise", or impute the values before'
        return [Finding(True, "product terms", message, remedy)]
    try:
        plan = structure.product_plan()
    except NotSupported as error:
        remedy = 'only sem.fit(..., latents="sampled") has them, without LOO and sem.ml'
        return [Finding(False, "product terms", str(error), remedy)]
    if plan.route != "grid" or plan.integrated < 2:
        return []
    names = [structure.variables[i] for i in plan.factors[: plan.integrated]]
    return [
        Finding(
            False,
            "product terms",
            f"they need an integral over {len(names)} latent variables ({', '.join(names)}) for "
            "each respondent, which takes many times what a single one takes",
            "squares and products that explain one variable need a single integral, however many; "
            'so fewer outcomes of products make it cheaper, or latents="sampled" where respondents '
            "are many",
        )
    ]


def _integral(prepared: Prepared) -> str:
    """How latent variables in products are integrated out, "" without any."""
    if prepared.table.answered:
        return ""  # answer_checks.py
    structure = prepared.structure
    try:
        plan = structure.product_plan()
    except NotSupported:
        return ""
    names = ", ".join(structure.variables[i] for i in plan.factors)
    if plan.route == "grid":
        count = max(plan.integrated, 1)
        kind = f"on a grid of {_counted(count, 'dimension')}"
    elif plan.route == "sums" or not names:
        return ""
    else:
        kind = "by a single integral"
    return f"Products of {names} are integrated out {kind} for each respondent."


def _missing_factors(prepared: Prepared) -> list[str]:
    """Observed factors of products that respondents lack, in words."""
    names = [prepared.structure.observed[i] for i in prepared.structure.observed_factors.values()]
    sample = prepared.sample
    lost = {n: int(np.isnan(sample.values[:, sample.variables.index(n)]).sum()) for n in names}
    return [f"{name} is missing for {_counted(n, 'respondent')}" for name, n in lost.items() if n]


def _variance_text(prepared: Prepared, name: str) -> str:
    return f"{prepared.sample.sds[prepared.sample.variables.index(name)] ** 2:.3g}"


def _constraint_findings(prepared: Prepared) -> list[Finding]:
    """What constraints mean for sampling: which parameters have no prior of their own."""
    if prepared.refused:
        remedy = "sem.ml fits this model; sem.fit will refuse it"
        return [Finding(False, "constraint", prepared.refused, remedy)]
    computed = computed_parameters(prepared.space, prepared.table)
    if not computed:
        return []
    return [
        Finding(
            False,
            "constraint",
            f"{_listed(list(computed))} follow{'s' * (len(computed) == 1)} from the other "
            "parameters by the constraints",
            f"{'it has' if len(computed) == 1 else 'they have'} no prior: priors apply to the "
            "other parameters (and to the distance in an inequality), which sem.priors(data) lists",
        )
    ]


def _constrained(prepared: Prepared, rows: list[Parameter]) -> bool:
    """Whether an `==` constraint is about one of these rows, as in effect coding."""
    table = prepared.table
    known = {r.label for r in rows if r.label}
    known |= {table.parameters[r.free] for r in rows if r.free >= 0}
    return any(
        known & set(expression.names(r.expression))
        for r in table.constraints
        if r.op == "==" and r.expression is not None
    )


def _listed(parameters: list[str]) -> str:
    more = f" and {len(parameters) - 12} more" if len(parameters) > 12 else ""
    return ", ".join(parameters[:12]) + more


def _impossible_findings(prepared: Prepared) -> list[Finding]:
    """Fixed values that no free parameter can make up for."""
    said = possible(prepared)
    if not said:
        return []
    remedy = "look at the fixed variances, covariances and paths, and at start() values"
    return [Finding(True, "impossible", said, remedy)]


def _without_scale(prepared: Prepared, undetermined: Collection[str]) -> list[str]:
    """Constructs with undetermined parameters of which neither loading nor variance is fixed."""
    table = prepared.table
    out = []
    composites = {name for name, _ in table.composites}
    for name in (x for x in table.constructs if x not in composites):
        own = [r for r in table.rows if r.op == "=~" and r.lhs == name and r.group <= 0]
        variances = [r for r in table.rows if r.op == "~~" and r.lhs == r.rhs == name]
        free = all(r.free >= 0 or not r.value for r in own) and not _constrained(prepared, own)
        if free and all(r.free >= 0 for r in variances):
            involved = [table.parameters[r.free] for r in (*own, *variances) if r.free >= 0]
            if set(involved) & set(undetermined):
                out.append(name)
    return out


def _identification_findings(prepared: Prepared, moments: int, linear: int) -> list[Finding]:
    """What the moments leave undetermined, and whether the priors determine it."""
    table = prepared.table
    together = null_space(prepared)
    loop = cycles(table)
    if loop and not together:
        message = f"{' -> '.join(loop)} explain each other"
        remedy = "such a model rests on instruments: make sure that each has a cause of its own"
        return [Finding(False, "feedback loop", message, remedy)]
    improper = {c.name for c in prepared.space.coordinates if c.prior.family == "flat"}
    out = []
    for names in together:
        said = []
        if linear > moments:
            said.append(f"{linear} free parameters for {moments} sample moments")
        scaleless = _without_scale(prepared, names)
        said += [
            f"construct {f!r} has no scale: none of its loadings and not its variance is fixed"
            for f in scaleless
        ]
        said.append(
            f"the covariances and means cannot determine these parameters together: "
            f"{_listed(names)}"
        )
        remedy = "fix or equate one of them (for example a covariance or a path to 0)"
        if scaleless:
            f = scaleless[0]
            item = next(r.rhs for r in table.rows if r.op == "=~" and r.lhs == f)
            remedy = (
                f"fix a loading ({f} =~ 1*{item} ...) or the variance ({f} ~~ 1*{f}), or use "
                "std_lv=True"
            )
        flat = [name for name in names if name in improper]
        if flat:
            said.append(f"and the priors of {_listed(flat)} are flat")
        else:
            remedy = (
                "only the priors tell them apart, so results about them are results about the "
                "priors (sem.priors(data) lists these, fit.sensitivity() says how much they "
                f"matter, and sem.ml has no answer); unless that is meant, {remedy}"
            )
        topic = "not identified" if flat else "identified by priors"
        out.append(Finding(bool(flat), topic, "; ".join(said), remedy, warning=not flat))
    return out
