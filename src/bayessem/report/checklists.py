"""The checklists that reviewers ask for, filled in from a fit.

WAMBS: Depaoli & van de Schoot (2017), Improving transparency and replication in Bayesian
statistics (doi:10.1037/met0000065). BARG: Kruschke (2021), Bayesian analysis reporting guidelines
(doi:10.1038/s41562-021-01177-7).
"""

from __future__ import annotations

import numpy as np

from bayessem.posterior.diagnostics import ESS, RHAT, convergence
from bayessem.report.contents import Contents
from bayessem.text.document import Column, Table

OPEN = "for the author"


def _halves(contents: Contents) -> tuple[float, float]:
    """Worst R-hat of the first half of the draws, and the largest shift of a mean to all draws.

    The shift is in posterior standard deviations: does longer sampling change the results?
    """
    draws = contents.fit.parameters.values
    first = draws[:, : draws.shape[1] // 2]
    rhat = float(np.nanmax(convergence(first)["r_hat"]))
    spread = draws.std(axis=(0, 1))
    shift = np.abs(first.mean(axis=(0, 1)) - draws.mean(axis=(0, 1)))
    return rhat, float(np.max(shift[spread > 0] / spread[spread > 0]))


def _prior_answer(contents: Contents) -> str:
    found = contents.priors
    if found is None:
        return contents.reasons.get("prior consequences", OPEN)
    head = "listed as used, with what they imply (section Priors)"
    return f"{head}; {' '.join(found.findings)}" if found.findings else head


def _sensitivity_answer(contents: Contents) -> str:
    found = contents.sensitivity
    if found is None:
        return contents.reasons.get("sensitivity", OPEN)
    doubtful = found.table[found.table["verdict"] != "fine"]
    names = (
        doubtful["quantity"] + doubtful["group"].map(lambda g: f" [{g}]" if g else "")
    ).unique()
    total = found.table["quantity"].nunique()
    if not len(names):
        return f"power-scaling: none of {total} quantities answers to the prior"
    shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    return f"power-scaling: {len(names)} of {total} quantities answer to the prior: {shown}"


def wambs(contents: Contents) -> Table:
    """The ten points, with the answer that the fit gives: number, question, answer."""
    fit, diagnosis = contents.fit, contents.fit.diagnosis
    first_rhat, shift = _halves(contents)
    name_r, rhat = diagnosis.worst_rhat
    name_e, ess = diagnosis.lowest_ess_bulk
    total = fit.settings["draws"] * fit.settings["chains"]
    sensitivity = _sensitivity_answer(contents)
    return _rows(
        [
            ("Do you understand the priors?", _prior_answer(contents)),
            (
                "Does the trace plot exhibit convergence?",
                f"worst R-hat {rhat:.4f} ({name_r}; below {RHAT} wanted), "
                f"{diagnosis.divergences} divergences; see the traces",
            ),
            (
                "Does convergence remain after doubling the number of iterations?",
                f"the first half of the draws alone: worst R-hat {first_rhat:.4f}; doubling them "
                f"moved no mean by more than {shift:.2f} posterior sd",
            ),
            (
                "Does the posterior distribution histogram have enough information?",
                f"{total} draws, smallest effective sample size {ess:.0f} ({name_e}; "
                f"{ESS:.0f} wanted)",
            ),
            (
                "Do the chains exhibit a strong degree of autocorrelation?",
                f"the least efficient quantity has {ess / total:.0%} as many effective as actual "
                "draws",
            ),
            ("Do the posterior distributions make substantive sense?", OPEN),
            (
                "Do different specifications of the multivariate variance priors influence the "
                "results?",
                sensitivity + " (all priors scaled together, those of variances and correlations "
                "among them)",
            ),
            (
                "Is there a notable effect of the prior when compared with non-informative priors?",
                _against_flat(contents),
            ),
            ("Are the results stable from a sensitivity analysis?", sensitivity),
            (
                "Is the Bayesian way of interpreting and reporting model results used?",
                "posterior means, intervals and probabilities throughout",
            ),
        ]
    )


def _against_flat(contents: Contents) -> str:
    """How far the priors move the posterior means."""
    flat, fit = contents.ml, contents.fit
    if flat is None:
        return contents.reasons.get("maximum likelihood", OPEN)
    names = list(fit.prepared.table.parameters)
    means = fit.parameters.mean(("chain", "draw")).sel(parameter=names)
    sds = fit.parameters.std(("chain", "draw")).sel(parameter=names)
    distance = np.abs(means.values - flat.x) / sds.values
    worst = int(np.argmax(distance))
    return (
        f"against maximum likelihood (no priors) posterior means move by at most "
        f"{float(distance[worst]):.2f} posterior sd ({names[worst]}), "
        f"{float(np.median(distance)):.2f} in the median"
    )


def barg(contents: Contents) -> Table:
    """The steps of the reporting guidelines: number, step, answer."""
    fit = contents.fit
    settings = fit.settings
    return _rows(
        [
            (
                "Explain the model: data, likelihood, parameters, priors, prior predictive check",
                f"sections Model and Priors; {_prior_answer(contents)}",
            ),
            (
                "Report details of the computation",
                f"{settings['chains']} chains, {settings['tune']} warm-up and "
                f"{settings['draws']} kept draws each, seed {settings['random_seed']}; "
                "section Computation",
            ),
            (
                "Describe the posterior distribution; posterior predictive check",
                "sections Estimates to Fit"
                + (
                    ""
                    if contents.indices is None
                    else f"; posterior predictive p = {contents.indices.ppp:.3f}"
                ),
            ),
            (
                "Report decisions and their criteria",
                "regions of practical equivalence of direct and indirect effects are printed with "
                "each mediation"
                if contents.mediations
                else "no decision rules were applied",
            ),
            ("Report sensitivity analysis", _sensitivity_answer(contents)),
            (
                "Make it reproducible",
                f"model, data hash {fit.prepared.sample.hash[:16]}, seed and versions: section "
                "Reproduce this",
            ),
        ]
    )


def _rows(answers: list[tuple[str, str]]) -> Table:
    points, said = zip(*answers, strict=True)
    numbers = [str(k + 1) for k in range(len(answers))]
    return Table((Column("", numbers), Column("point", points), Column("answer", said)))
