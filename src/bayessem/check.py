"""Before sampling: is the model identified, and are the data fit for it? In plain words.

Pure NumPy on the parameter table and the data: the answer comes within a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayessem.errors import IdentificationError
from bayessem.prepare import Prepared
from bayessem.structure import Structure
from bayessem.table import cycles


@dataclass(frozen=True)
class Finding:
    """One thing to know before sampling.

    Attributes
    ----------
    serious : bool
        The model cannot be estimated as it is.
    topic : str
        A word or two.
    message : str
        What is the matter and with what.
    remedy : str
        What would mend it.
    """

    serious: bool
    topic: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{'ERROR' if self.serious else 'note'} [{self.topic}] {self.message}\n    {self.remedy}"


@dataclass(frozen=True)
class CheckReport:
    """What `SEM.check` found.

    Attributes
    ----------
    findings : tuple of Finding
        Errors first.
    moments, parameters : int
        Sample moments that the model explains, and its free parameters.
    respondents : int
        Rows used.
    text : str
        The facts in words.
    """

    findings: tuple[Finding, ...]
    moments: int
    parameters: int
    respondents: int
    text: str

    @property
    def ok(self) -> bool:
        """No serious finding."""
        return not any(f.serious for f in self.findings)

    def raise_errors(self) -> None:
        """Raise IdentificationError with all serious findings, if there are any."""
        serious = [f for f in self.findings if f.serious]
        if serious:
            raise IdentificationError("\n".join(f"{f.message}\n    {f.remedy}" for f in serious))

    def __str__(self) -> str:
        return "\n".join([self.text, *map(str, self.findings)])


def implied_moments(structure: Structure, elements: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and covariances of the linear model, (group, p) and (group, p, p)."""
    means, covariances = [], []
    for g in range(len(structure.table.groups)):
        m = structure.matrices(elements, g)
        total = np.linalg.inv(np.eye(len(structure.variables)) - m["paths"])
        reach = m["loadings"] @ total
        covariances.append(reach @ m["disturbances"] @ reach.T + m["residuals"])
        means.append(m["intercepts"] + reach @ m["means"])
    return np.array(means), np.array(covariances)


def moment_vector(prepared: Prepared, values: np.ndarray) -> np.ndarray:
    """Implied means and covariances as functions of the table's free parameters."""
    structure, table = prepared.structure, prepared.table
    elements = prepared.space.base.copy()
    for k, place in structure.places.items():
        if table.rows[k].free >= 0:
            for e in structure.element(place):
                elements[e] = values[table.rows[k].free]
    means, covariances = implied_moments(structure, elements)
    lower = np.tril_indices(covariances.shape[1])
    parts = [covariances[:, lower[0], lower[1]].ravel()]
    if any(row.op == "~1" and row.free >= 0 for row in table.rows):
        parts.append(means.ravel())
    return np.concatenate(parts)


def _random_point(prepared: Prepared, generator: np.random.Generator) -> np.ndarray:
    """A plausible value of each free parameter: nothing 0, everything within its range."""
    from bayessem.starts import start_values

    structure, table = prepared.structure, prepared.table
    values = start_values(structure, prepared.covariances, prepared.means)
    out = values.copy()
    for k, place in structure.places.items():
        row = table.rows[k]
        if row.free < 0:
            continue
        start = values[row.free]
        if row.op == "=~":
            out[row.free] = (start or 0.5) * generator.uniform(0.7, 1.3)
        elif row.op == "~~" and row.lhs == row.rhs:
            out[row.free] = max(abs(start), 1e-3) * generator.uniform(0.6, 1.4)
        elif row.op == "~~":
            sizes = [
                _variance(prepared, values, place.matrix, place.group, i)
                for i in (place.i, place.j)
            ]
            out[row.free] = np.sqrt(sizes[0] * sizes[1]) * generator.uniform(0.05, 0.3)
        elif row.op == "~":
            out[row.free] = generator.uniform(0.2, 0.6) * generator.choice([-1.0, 1.0])
        else:
            out[row.free] = start + generator.normal()
    return out


def _variance(
    prepared: Prepared, values: np.ndarray, matrix: str, group: int, position: int
) -> float:
    for k, place in prepared.structure.places.items():
        if (place.matrix, place.group, place.i, place.j) == (matrix, group, position, position):
            row = prepared.table.rows[k]
            return abs(float(values[row.free] if row.free >= 0 else (row.value or 0.0)))
    return 1.0


def null_space(prepared: Prepared, *, random_seed: int = 0, points: int = 3) -> list[list[str]]:
    """Groups of parameters that the moments leave undetermined together; [] when identified.

    The Jacobian of the implied moments by the parameters is computed at several random points; a
    direction is undetermined when it is in the null space at all of them (Wald 1950; Bekker,
    Merckens & Wansbeek 1994). Coefficients of product terms are left out: they are identified by
    moments of higher order than the second.
    """
    structure, table = prepared.structure, prepared.table
    generator = np.random.default_rng(random_seed)
    products = {
        table.rows[k].free for k, p in structure.places.items() if p.matrix == "products"
    }
    keep = [i for i in range(len(table.parameters)) if i not in products]
    best: tuple[int, list[list[str]]] | None = None
    for _ in range(points):
        point = _random_point(prepared, generator)
        jacobian = _jacobian(prepared, point, keep)
        norms = np.linalg.norm(jacobian, axis=0)
        scaled = jacobian / np.where(norms > 0, norms, 1.0)
        _, singular, rows = np.linalg.svd(scaled, full_matrices=True)
        singular = np.concatenate([singular, np.zeros(len(keep) - len(singular))])
        empty = rows[singular < 1e-6]
        if best is None or len(empty) < best[0]:
            involved = []
            if len(empty):
                share = np.sqrt((empty**2).sum(axis=0))
                involved = [
                    [table.parameters[keep[i]] for i in np.argsort(-share) if share[i] > 0.05]
                ]
            best = (len(empty), involved)
        if best[0] == 0:
            return []
    assert best is not None
    return best[1] * min(best[0], 1)


def _jacobian(prepared: Prepared, point: np.ndarray, keep: list[int]) -> np.ndarray:
    """Central differences of the moments, (moment, parameter kept)."""
    columns = []
    for i in keep:
        h = 1e-5 * max(1.0, abs(point[i]))
        up, down = point.copy(), point.copy()
        up[i] += h
        down[i] -= h
        columns.append((moment_vector(prepared, up) - moment_vector(prepared, down)) / (2 * h))
    return np.array(columns).T


def check(prepared: Prepared) -> CheckReport:
    """Look at a model with its data before anything is sampled."""
    table, sample = prepared.table, prepared.sample
    p, groups = len(table.observed), len(table.groups)
    has_means = any(row.op == "~1" and row.free >= 0 for row in table.rows)
    q = len(table.exogenous)
    moments = groups * (p * (p + 1) // 2 - q * (q + 1) // 2 + (p - q) * has_means)
    linear = {
        r.free for k, r in enumerate(table.rows)
        if k in prepared.structure.places
        and r.free >= 0
        and prepared.structure.places[k].matrix != "products"
    }
    parameters = len(table.parameters)
    findings = [
        *_scale_findings(prepared),
        *_identification_findings(prepared, moments, len(linear)),
        *_data_findings(prepared),
    ]
    findings.sort(key=lambda f: not f.serious)
    missing = np.isnan(sample.values)
    text = (
        f"{sample.size} respondents, {p} observed variables, {len(table.latent)} constructs"
        + (f", {groups} groups" if groups > 1 else "")
        + f"; {moments} moments, {parameters} free parameters"
        + (f" ({parameters - len(linear)} of product terms)" if len(linear) < parameters else "")
        + f", {moments - len(linear)} degrees of freedom."
    )
    if missing.any():
        text += (
            f" {int(missing.any(axis=1).sum())} respondents have missing values "
            f"({100 * missing.mean():.1f} % of all cells, {len(sample.patterns())} patterns); "
            "all observed values are used."
        )
    if sample.dropped:
        text += f" {len(sample.dropped)} rows were left out: nothing (or not all) was observed."
    return CheckReport(tuple(findings), moments, parameters, sample.size, text)


def _scale_findings(prepared: Prepared) -> list[Finding]:
    """Every construct needs a scale, and an item that is not reverse-keyed as its marker."""
    table = prepared.table
    out = []
    correlation = _correlations(prepared)
    for name in table.latent:
        own = [r for r in table.rows if r.op == "=~" and r.lhs == name and r.group == 0]
        variance = next(
            (r for r in table.rows if r.op == "~~" and r.lhs == r.rhs == name and r.group == 0),
            None,
        )
        fixed = [r for r in own if r.free < 0 and r.value]
        coded = any(r.op == "==" for r in table.rows)
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
            if residual is None or not residual.user:
                out.append(
                    Finding(
                        True,
                        "one indicator",
                        f"construct {name!r} has one indicator, {own[0].rhs!r}: its measurement "
                        "error cannot be told from the construct",
                        f"say what the error variance is ({own[0].rhs} ~~ 0*{own[0].rhs} for none) "
                        f"or use {own[0].rhs} itself in the paths",
                    )
                )
        items = [table.observed.index(r.rhs) for r in own if r.rhs in table.observed]
        if len(items) > 2:
            signs = np.sign(correlation[np.ix_(items, items)]).sum(axis=1) - 1
            marker = fixed[0].rhs if fixed else own[0].rhs
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


def _identification_findings(prepared: Prepared, moments: int, linear: int) -> list[Finding]:
    table = prepared.table
    if linear > moments:
        return [
            Finding(
                True,
                "counting rule",
                f"{linear} free parameters for {moments} sample moments",
                "fix or equate at least "
                f"{linear - moments} parameters, or measure constructs with more indicators",
            )
        ]
    undetermined = null_space(prepared)
    out = [
        Finding(
            True,
            "not identified",
            "the covariances and means cannot determine these parameters together: "
            + ", ".join(names[:12])
            + (f" and {len(names) - 12} more" if len(names) > 12 else ""),
            "fix or equate one of them (for example a covariance or a path to 0)",
        )
        for names in undetermined
    ]
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


def _correlations(prepared: Prepared) -> np.ndarray:
    covariance = np.average(
        prepared.covariances, axis=0, weights=np.bincount(prepared.sample.group)
    )
    sd = np.sqrt(np.diag(covariance))
    return covariance / np.outer(sd, sd)


def _data_findings(prepared: Prepared) -> list[Finding]:
    """Empirical warnings: few respondents, few categories, heavy tails, scales, collinearity."""
    sample, table = prepared.sample, prepared.table
    out = []
    values, sds = sample.values, sample.sds
    for g, label in enumerate(sample.groups):
        n = int((sample.group == g).sum())
        if n < 5 * len(table.observed) and n < 100:
            where = f" in group {label!r}" if len(sample.groups) > 1 else ""
            out.append(
                Finding(
                    False,
                    "few respondents",
                    f"{n} respondents{where} for {len(table.observed)} observed variables",
                    "expect wide intervals, and priors that matter: look at fit.sensitivity()",
                )
            )
    for j, name in enumerate(sample.variables):
        known = values[~np.isnan(values[:, j]), j]
        levels, counts = np.unique(known, return_counts=True)
        if len(levels) < 5 and name not in table.exogenous:
            out.append(
                Finding(
                    False,
                    "few categories",
                    f"{name!r} has {len(levels)} distinct values",
                    "a normal likelihood is an approximation here; loadings come out too small",
                )
            )
        elif counts.max() > 0.9 * len(known):
            out.append(
                Finding(
                    False,
                    "nearly constant",
                    f"{100 * counts.max() / len(known):.0f} % of {name!r} is one value",
                    "it hardly carries information; consider leaving it out",
                )
            )
        z = (known - known.mean()) / (known.std() or 1.0)
        kurtosis = float((z**4).mean() - 3.0)
        if kurtosis > 7.0:
            out.append(
                Finding(
                    False,
                    "heavy tails",
                    f"{name!r} has excess kurtosis {kurtosis:.1f}",
                    "a few respondents dominate its covariances; check them, or transform it",
                )
            )
    if sds.max() > 100 * sds.min():
        low, high = sample.variables[int(sds.argmin())], sample.variables[int(sds.argmax())]
        out.append(
            Finding(
                False,
                "scales",
                f"standard deviations run from {sds.min():.3g} ({low!r}) to {sds.max():.3g} "
                f"({high!r})",
                "rescale variables to similar units; paths are easier to read, too",
            )
        )
    return out
