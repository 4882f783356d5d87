"""Before sampling: is the model identified, and are the data fit for it? In plain words.

Pure NumPy on the parameter table and the data: the answer comes within a second.
"""

from __future__ import annotations

import numpy as np

from bayessem.errors import NotSupported
from bayessem.likelihood.products import plan_products
from bayessem.model.data_checks import data_findings, sample_correlations
from bayessem.model.elimination import computed_parameters
from bayessem.model.findings import CheckReport, Finding
from bayessem.model.identification import null_space
from bayessem.model.prepare import Prepared
from bayessem.syntax import expression
from bayessem.syntax.parameters import Parameter
from bayessem.syntax.table import cycles

__all__ = ["CheckReport", "Finding", "check"]


def check(prepared: Prepared) -> CheckReport:
    """Look at a model with its data before anything is sampled."""
    table, sample = prepared.table, prepared.sample
    p, groups = len(table.observed), len(table.groups)
    has_means = any(row.op == "~1" and row.free >= 0 for row in table.rows)
    q = len(table.exogenous)
    moments = groups * (p * (p + 1) // 2 - q * (q + 1) // 2 + (p - q) * has_means)
    linear = {
        r.free
        for k, r in enumerate(table.rows)
        if k in prepared.structure.places
        and r.free >= 0
        and prepared.structure.places[k].matrix != "products"
    }
    parameters = len(table.parameters)
    equalities = sum(row.op == "==" for row in table.constraints) + len(prepared.zero_mean)
    findings = [
        *_repeated_findings(prepared),
        *_scale_findings(prepared),
        *_growth_findings(prepared),
        *_constraint_findings(prepared),
        *_integral_findings(prepared),
        *_identification_findings(prepared, moments, len(linear) - equalities),
        *data_findings(prepared),
    ]
    findings.sort(key=lambda f: not f.serious)
    text = (
        f"{_counted(sample.size, 'respondent')}{' (all complete)' * sample.complete}, "
        f"{_counted(p, 'observed variable')}, "
        f"{_counted(len(table.latent), 'construct')}"
        + (f", {groups} groups" if groups > 1 else "")
        + f"; {moments} moments, {parameters} free parameters"
        + (f" ({parameters - len(linear)} of product terms)" if len(linear) < parameters else "")
        + (f" less {_counted(equalities, 'equality constraint')}" if equalities else "")
        + f", {_counted(moments - len(linear) + equalities, 'degree')} of freedom."
    )
    cases = _cases(prepared)
    if cases:
        text += f" {cases}"
    return CheckReport(tuple(findings), moments, parameters, sample.size, text, cases)


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
    """Every construct needs a scale, and an item that is not reverse-keyed as its marker."""
    table = prepared.table
    out = []
    correlation = sample_correlations(prepared)
    for name in table.latent:
        own = [r for r in table.rows if r.op == "=~" and r.lhs == name and r.group == 0]
        variance = next(
            (r for r in table.rows if r.op == "~~" and r.lhs == r.rhs == name and r.group == 0),
            None,
        )
        fixed = [r for r in own if r.free < 0 and r.value]
        coded = _constrained(prepared, own)
        if not fixed and not coded and (variance is None or variance.free >= 0):
            out.append(
                Finding(
                    True,
                    "scale",
                    f"construct {name!r} has no scale: none of its loadings and not its variance "
                    "is fixed",
                    f"fix a loading ({name} =~ 1*{own[0].rhs if own else 'x'} ...) or the "
                    f"variance ({name} ~~ 1*{name}), or use std_lv=True",
                )
            )
        if len(own) == 1 and own[0].rhs in table.observed:
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
    names = []
    for name in table.latent:
        own = [r for r in rows if r.op == "=~" and r.lhs == name]
        mean = [r for r in rows if r.op == "~1" and r.lhs == name]
        given = len(own) > 2 and all(r.free < 0 and r.user for r in own)
        if given and mean and all(r.free < 0 and not r.user for r in mean):
            names.append(name)
    if len(names) < 2:
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


def _integral_findings(prepared: Prepared) -> list[Finding]:
    """What the product terms cost; they are integrated over as few latent variables as possible."""
    structure = prepared.structure
    try:
        plan = plan_products(
            structure.products,
            structure.affected,
            observed=structure.observed_factors,
            determined=structure.determined,
            names=structure.variables,
        )
    except NotSupported as error:
        remedy = 'only sem.fit(..., latents="sampled") has them, without LOO and sem.ml'
        return [Finding(False, "product terms", str(error), remedy)]
    if plan.integrated < 2:
        return []
    names = [structure.variables[i] for i in plan.factors[: plan.integrated]]
    # benchmarks/complexity.py
    cost = "about 35 times" if plan.integrated == 2 else "about 500 times"
    return [
        Finding(
            False,
            "product terms",
            f"they need an integral over {len(names)} latent variables ({', '.join(names)}), which "
            f"costs {cost} what one costs",
            "fewer squares make it cheaper (X:Z alone needs one); so do fewer draws for a first "
            'look, and latents="sampled" where respondents are many',
        )
    ]


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


def _identification_findings(prepared: Prepared, moments: int, linear: int) -> list[Finding]:
    table = prepared.table
    undetermined = [_listed(together) for together in null_space(prepared)]
    if linear > moments:
        message = f"{linear} free parameters for {moments} sample moments"
        remedy = (
            f"fix or equate at least {linear - moments} parameters, or measure constructs with "
            "more indicators"
        )
        if undetermined:
            remedy += f"; undetermined are {'; '.join(undetermined)}"
        return [Finding(True, "counting rule", message, remedy)]
    message = "the covariances and means cannot determine these parameters together: "
    remedy = "fix or equate one of them (for example a covariance or a path to 0)"
    out = [Finding(True, "not identified", message + names, remedy) for names in undetermined]
    loop = cycles(table)
    if loop and not out:
        out.append(
            Finding(
                False,
                "feedback loop",
                f"{' -> '.join(loop)} explain each other",
                "such a model rests on instruments: make sure that each has a cause of its own",
            )
        )
    return out
