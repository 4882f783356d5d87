"""Conformance with the peers: every case of a folder fitted and compared, value by value.

A folder holds `cases.json` (model in lavaan's syntax, data file, options, expected numbers) and
the data. Estimates are compared within each row's own `tol_ml`. The rest has no tolerance in the
file and gets the precision to which it is printed there: standard errors 1 % or one unit of their
last decimal, standardised values, R2, reliabilities and fit indices one unit of the last decimal
and at least 1e-4, log-likelihoods and what is computed from them 2e-3. For models with product
terms other programs' quadrature is the limit: log-likelihoods 0.1 per 1,000 respondents and at
least 0.1 (AIC and BIC twice that), standard errors 10 %.

Models with ordered answers are compared with --bayes: posterior means, within the `tol_ml` of
estimates by other methods, which is two of their standard errors. Residual variances of the delta
parameterization are 1 less what is explained, and the file has no standard error of theirs: the
tolerance is twice the one that the parameters' standard errors imply (delta method, with slopes and
correlations of the posterior).

    python -m bayessem.conformance DIR [--only ID] [--json FILE] [--bayes] [--write FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from bayessem.conformance.case import case_model, prepared_case, read_data
from bayessem.conformance.checks import Check, Outcome, compare
from bayessem.disk import require_writable, write_whole
from bayessem.errors import BayessemError, DataError, NotSupported
from bayessem.ml.estimate import fit_ml
from bayessem.model.prepare import Prepared
from bayessem.text.json import json_text

SHOWN = 12  # failures printed a case; the JSON file has all of them


@dataclass(frozen=True)
class CaseResult:
    """What became of one case.

    Attributes
    ----------
    id, title : str
        From the file.
    checked, failed : int
        Values compared, and how many of them were beyond their tolerance.
    worst : float
        The largest deviation in units of its tolerance.
    unexpressed : tuple of str
        What the case holds and bayessem did not compare, with the reason.
    failures : tuple of str
        The values beyond tolerance.
    error : str
        What stopped the case, or "".
    seconds : float
        Time it took.
    """

    id: str
    title: str
    checked: int
    failed: int
    worst: float
    unexpressed: tuple[str, ...]
    failures: tuple[str, ...] = ()
    error: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing failed; a case with nothing to compare passes."""
        return not self.failed and not self.error

    def as_json(self) -> dict[str, Any]:
        """The entry of the JSON file."""
        out: dict[str, Any] = {
            "id": self.id,
            "checked": self.checked,
            "failed": self.failed + (1 if self.error else 0),
            "worst": self.worst,
            "unexpressed": list(self.unexpressed),
        }
        return (
            out | {"failures": list(self.failures)} | ({"error": self.error} if self.error else {})
        )


def is_posterior(case: Mapping[str, Any]) -> bool:
    """Whether the expected values of a case are about a posterior."""
    rows = case.get("expected") or []
    return any("post_mean" in row or "elpd_loo" in row for row in rows if isinstance(row, Mapping))


def _summary(
    case: Mapping[str, Any], outcome: Outcome, seconds: float, error: str = ""
) -> CaseResult:
    checks: Sequence[Check] = outcome.checks
    failed = [c for c in checks if not c.passed]
    worst = max((c.deviation for c in checks), default=0.0)
    return CaseResult(
        id=str(case.get("id", "?")),
        title=str(case.get("title", "")),
        checked=len(checks),
        failed=len(failed),
        worst=worst,
        unexpressed=outcome.unexpressed,
        failures=tuple(str(c) for c in failed),
        error=error,
        seconds=seconds,
    )


def check_case(case: Mapping[str, Any], directory: Path, *, bayes: bool = False) -> CaseResult:
    """Fit one case and compare everything it expects.

    Parameters
    ----------
    case : mapping
        An entry of `cases.json`.
    directory : Path
        The folder of the data files.
    bayes : bool
        Compare cases about posteriors too.
    """
    began = time.perf_counter()
    try:
        if is_posterior(case):
            if not bayes:
                skipped = Outcome((), ("posterior values: compared with --bayes only",))
                return _summary(case, skipped, 0.0)
            from bayessem.conformance.posterior import posterior_outcome

            return _summary(case, posterior_outcome(case, directory), time.perf_counter() - began)
        model = case_model(case)
        data, options = read_data(case, directory, model.options)
        prepared = prepared_case(case, data, options)
        if prepared.table.answered:
            if not bayes:
                skipped = Outcome((), ("ordered answers: compared with --bayes only",))
                return _summary(case, skipped, 0.0)
            from bayessem.conformance.posterior import answers_outcome

            return _summary(case, answers_outcome(case, directory), time.perf_counter() - began)
        se = model.se or ("expected" if _lavaan_expects(prepared, options) else "observed")
        fit = fit_ml(prepared, se=se)
        outcome = compare(case, fit, data=data)
        checks = outcome.checks
        if bayes:
            from bayessem.conformance.posterior import weak_prior_outcome

            checks = (*checks, *weak_prior_outcome(case, directory).checks)
        outcome = Outcome(checks, (*model.unexpressed, *outcome.unexpressed))
        error = "" if fit.converged else "; ".join(fit.problems)
        return _summary(case, outcome, time.perf_counter() - began, error)
    except NotSupported as problem:
        return _summary(case, Outcome((), (str(problem),)), time.perf_counter() - began)
    except BayessemError as problem:
        return _summary(case, Outcome((), ()), time.perf_counter() - began, str(problem))


def _lavaan_expects(prepared: Prepared, options: Mapping[str, Any]) -> bool:
    """Whether lavaan's standard errors would come from the expected information by default."""
    linear = not prepared.structure.products and prepared.table.levels == 1
    return linear and options.get("missing") != "fiml"


def run_conformance(
    directory: str | Path, *, only: str | None = None, bayes: bool = False
) -> list[CaseResult]:
    """Fit and compare every case of a folder.

    Parameters
    ----------
    directory : path
        A folder with `cases.json`.
    only : str, optional
        The id of a single case (or the beginning of ids).
    bayes : bool
        Compare cases about posteriors too.

    Raises
    ------
    DataError
        When the folder has no readable `cases.json`, or no case of that id.
    """
    directory = Path(directory)
    return [check_case(case, directory, bayes=bayes) for case in choose_cases(directory, only)]


def choose_cases(directory: Path, only: str | None) -> list[dict[str, Any]]:
    """The cases of a folder with this id, or whose ids begin with it; all for None."""
    cases = read_cases(directory)
    chosen = [c for c in cases if only is None or c.get("id") == only]
    if not chosen:
        chosen = [c for c in cases if str(c.get("id", "")).startswith(str(only))]
    if not chosen:
        known = ", ".join(str(c.get("id")) for c in cases)
        raise DataError(f"no case {only!r} in {directory / 'cases.json'}; cases: {known}")
    return chosen


def read_cases(directory: Path) -> list[dict[str, Any]]:
    """The cases of a folder.

    Raises
    ------
    DataError
        When there is no readable `cases.json`.
    """
    path = directory / "cases.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise DataError(f"{path} cannot be read as a list of cases: {problem}") from None
    cases = content.get("cases") if isinstance(content, dict) else content
    if not isinstance(cases, list) or not all(isinstance(c, dict) for c in cases):
        raise DataError(f"{path} does not hold a list of cases")
    return cases


def result_text(result: CaseResult) -> str:
    """One case as printed."""
    verdict = "ok" if result.passed else "FAILED"
    if result.passed and not result.checked:
        verdict = "not compared"
    lines = [
        f"{result.id:<24}{result.checked:>5} values{result.failed:>4} failed"
        f"   worst {result.worst:8.3f} tolerances   {verdict}"
    ]
    if result.error:
        lines.append(f"    error: {result.error}")
    lines += [f"    {text}" for text in result.failures[:SHOWN]]
    if len(result.failures) > SHOWN:
        lines.append(f"    and {len(result.failures) - SHOWN} more")
    lines += [f"    not compared: {text}" for text in result.unexpressed]
    return "\n".join(lines)


def command(
    directory: str | Path,
    *,
    only: str | None = None,
    json_file: str | Path | None = None,
    bayes: bool = False,
    out: TextIO | None = None,
) -> int:
    """Run the cases, print them, write the JSON file; what `python -m bayessem.conformance` does.

    Returns
    -------
    int
        Exit code: 1 when anything failed.

    Raises
    ------
    DataError
        When the folder has no readable `cases.json`, or no case of that id.
    FitError
        When the JSON file cannot be written; before any case is run.
    """
    out = out or sys.stdout
    results = []
    if json_file is not None:
        require_writable(json_file, "the results")
    for case in choose_cases(Path(directory), only):
        results.append(check_case(case, Path(directory), bayes=bayes))
        print(result_text(results[-1]), file=out, flush=True)
    print(closing_line(results), file=out)
    if json_file is not None:
        write_results(json_file, results)
    return 0 if all(r.passed for r in results) else 1


def closing_line(results: Sequence[CaseResult]) -> str:
    """How many values were compared, and which cases failed."""
    failed = [r.id for r in results if not r.passed]
    values = sum(r.checked for r in results)
    compared = sum(1 for r in results if r.checked)
    return f"{values} values of {compared} cases compared, " + (
        f"failed: {', '.join(failed)}" if failed else "all within tolerance"
    )


def write_results(path: str | Path, results: Sequence[CaseResult]) -> Path:
    """Write the JSON file: a list with an object a case."""
    return write_whole(path, json_text([r.as_json() for r in results]), "the results")


def conformance_page(results: Sequence[CaseResult]) -> str:
    """The page `docs/conformance.md` of a folder's results."""
    lines = [
        "# Conformance with the peers",
        "",
        "Reference cases from lavaan, OpenMx, modsem and printed sources, by maximum likelihood.",
        "The worst deviation is in units of the tolerance: each estimate's own (`tol_ml`, about a",
        "hundredth of its standard error), and the printed precision for everything else (see the",
        "module `bayessem.conformance`). Models with ordered answers are compared with `--bayes`:",
        "posterior means within two standard errors of the other program's estimates; of residual",
        "variances in the delta parameterization, which are 1 less what is explained and have none",
        "there, two of those that its parameters' standard errors imply (delta method).",
        "Regenerate with",
        "",
        "    python -m bayessem.conformance DIR --write docs/conformance.md",
        "",
        "| case | about | values | failed | worst | not compared |",
        "|---|---|---:|---:|---:|---|",
    ]
    for r in results:
        missing = "; ".join(r.unexpressed).replace("|", "\\|")
        worst = f"{r.worst:.3f}" if r.checked else ""
        title = r.title.replace("|", "\\|")
        lines.append(f"| {r.id} | {title} | {r.checked} | {r.failed} | {worst} | {missing} |")
    total, failed = sum(r.checked for r in results), sum(r.failed for r in results)
    lines += ["", f"{total} values compared, {failed} beyond tolerance.", ""]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module."""
    parser = argparse.ArgumentParser(
        prog="bayessem conformance", description=__doc__.split("\n")[0]
    )
    parser.add_argument("directory", help="folder with cases.json and its data")
    parser.add_argument("--only", help="id of one case")
    parser.add_argument("--json", dest="json_file", help="write the results to this file")
    parser.add_argument("--bayes", action="store_true", help="compare cases about posteriors too")
    parser.add_argument("--write", metavar="FILE", help="write the page of results instead")
    given = parser.parse_args(arguments)
    try:
        if given.write:
            require_writable(given.write, "the page")
            results = run_conformance(given.directory, only=given.only, bayes=given.bayes)
            write_whole(given.write, conformance_page(results), "the page")
            return 0 if all(r.passed for r in results) else 1
        return command(
            given.directory, only=given.only, json_file=given.json_file, bayes=given.bayes
        )
    except BayessemError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
