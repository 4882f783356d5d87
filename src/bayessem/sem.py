"""A structural equation model from lavaan's syntax: check it, fit it, look at its PyMC model."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bayessem.syntax.arguments import (
    check_sampling_arguments,
    keyword_arguments,
    known_options,
    refuse_unknown,
)
from bayessem.syntax.statements import group_count, model_text, parse
from bayessem.syntax.table import ParameterTable, build_table

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

    from bayessem.criticism.cross_loadings import CrossLoadings
    from bayessem.criticism.predictive import PredictiveCheck
    from bayessem.criticism.prior_consequences import PriorConsequences
    from bayessem.fit import Fit
    from bayessem.ml.bootstrap import Bootstrap
    from bayessem.ml.estimate import MLFit
    from bayessem.model.check import CheckReport
    from bayessem.model.prepare import Prepared
    from bayessem.model.priors import Prior
    from bayessem.moderation.groups import GroupComparison
    from bayessem.moderation.invariance import Invariance
    from bayessem.moderation.pooling import Pooling


ACCEPT, POOLED_ACCEPT = 0.8, 0.9


class SEM:
    """A structural equation model.

    Parameters
    ----------
    model : str
        lavaan's syntax: `=~` measurement, `~` paths, `~~` (co)variances, `~ 1` intercepts, `:=`
        defined parameters, labels, fixed values, `start()`, `prior("normal(0, 1)")*`; products as
        `X:Z`, squares as `X:X` or `I(X^2)`.
    std_lv : bool
        Fix the (residual) variances of constructs at 1 instead of their first loadings.
    meanstructure, fixed_x, group_equal, group_partial, growth, orthogonal, effect_coding, auto
        As in lavaan; see `bayessem.syntax.table.build_table`.
    **others
        Refused, with what would work.

    Raises
    ------
    SyntaxProblem
        With line, column, a caret and what would work.
    ModelError, NotSupported
        When no model can be what the text says, or bayessem cannot do it.

    Examples
    --------
    >>> sem = SEM("f =~ x1 + x2 + x3")
    >>> sem.table.parameters[:2]
    ('f=~x2', 'f=~x3')
    """

    def __init__(
        self,
        model: str,
        *,
        std_lv: bool = False,
        meanstructure: bool = True,
        fixed_x: bool = True,
        group_equal: str | Sequence[str] = (),
        group_partial: str | Sequence[str] = (),
        growth: bool = False,
        orthogonal: bool = False,
        effect_coding: bool | str | Sequence[str] = False,
        auto: bool = True,
        **others: Any,
    ) -> None:
        refuse_unknown("SEM", others, known=tuple(_DEFAULTS), of_fit=_FIT_ARGUMENTS)
        self.text = model
        self.statements = parse(model)
        self.options: dict[str, Any] = {
            "std_lv": std_lv,
            "meanstructure": meanstructure,
            "fixed_x": fixed_x,
            "group_equal": group_equal,
            "group_partial": group_partial,
            "growth": growth,
            "orthogonal": orthogonal,
            "effect_coding": effect_coding,
            "auto": auto,
        }
        count = group_count(self.statements)
        groups = ("",) if count == 1 else tuple(f"group {g + 1}" for g in range(count))
        self.table: ParameterTable = build_table(self.statements, groups=groups, **self.options)

    def __str__(self) -> str:
        return str(self.table)

    def __repr__(self) -> str:
        changed = {k: v for k, v in self.options.items() if v != _DEFAULTS[k]}
        extra = "".join(f", {k}={v!r}" for k, v in changed.items())
        return f"SEM({model_text(self.statements)!r}{extra})"

    def prepare(
        self,
        data: pd.DataFrame,
        *,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        priors: Mapping[str, str | Prior] | None = None,
        pooling: Pooling | None = None,
        **others: Any,
    ) -> Prepared:
        """Read and check the data for this model; what `fit`, `ml` and `check` start from.

        Raises
        ------
        DataError, ModelError, PriorError, NotSupported
            Naming what is wrong and where.
        """
        _refuse(SEM.prepare, others)
        from bayessem.model.prepare import prepare

        return prepare(
            self.statements,
            data,
            group=group,
            group_order=group_order,
            missing=missing,
            priors=priors,
            pooling=pooling,
            **self.options,
        )

    def check(
        self,
        data: pd.DataFrame,
        *,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        **others: Any,
    ) -> CheckReport:
        """Identification and data, before sampling, in plain words.

        Returns
        -------
        CheckReport
            Print it; `.ok` says whether the model can be fitted.
        """
        _refuse(SEM.check, others)
        from bayessem.model.check import check

        return check(self.prepare(data, group=group, group_order=group_order, missing=missing))

    def priors(
        self,
        data: pd.DataFrame,
        *,
        group: str | None = None,
        priors: Mapping[str, str | Prior] | None = None,
        **others: Any,
    ) -> pd.DataFrame:
        """The priors as used: one row a sampled parameter, with kind, prior and bounds."""
        _refuse(SEM.priors, others)
        from bayessem.criticism.prior_table import prior_table

        return prior_table(self.prepare(data, group=group, priors=priors))

    def prior_consequences(
        self,
        data: pd.DataFrame,
        *,
        group: str | None = None,
        priors: Mapping[str, str | Prior] | None = None,
        **options: Any,
    ) -> PriorConsequences:
        """What the priors imply for loadings, R2, effects, shapes; `criticism.prior_consequences`.

        The data set only the scales of default priors.
        """
        from bayessem.criticism.prior_consequences import prior_consequences

        known_options(prior_consequences, options, passed_on=("group", "priors"))
        return prior_consequences(self.prepare(data, group=group, priors=priors), **options)

    def prior_predictive_check(
        self,
        data: pd.DataFrame,
        check: str = "indicators",
        *,
        group: str | None = None,
        priors: Mapping[str, str | Prior] | None = None,
        **options: Any,
    ) -> PredictiveCheck:
        """The data beside data drawn from the priors; see `criticism.predictive`."""
        from bayessem.criticism.predictive import prior_predictive_check

        known_options(prior_predictive_check, options, passed_on=("group", "priors"))
        prepared = self.prepare(data, group=group, priors=priors)
        return prior_predictive_check(prepared, check, **options)

    def cross_loadings(self, data: pd.DataFrame, **options: Any) -> CrossLoadings:
        """All cross-loadings with small-variance priors; see `criticism.cross_loadings`."""
        from bayessem.criticism.cross_loadings import cross_loadings

        return cross_loadings(self, data, **known_options(cross_loadings, options))

    def model(
        self,
        data: pd.DataFrame,
        *,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        priors: Mapping[str, str | Prior] | None = None,
        pooling: Pooling | None = None,
        latents: str = "integrated",
        **others: Any,
    ) -> pm.Model:
        """The PyMC model, to look into or extend.

        Parameters
        ----------
        data, group, group_order, missing, priors, pooling
            As in `fit`.
        latents : {"integrated", "sampled"}
            Latent variables integrated out (one observed node), or as random variables, a score a
            respondent.
        """
        _refuse(SEM.model, others)
        from bayessem.graph.pymc_model import build_pymc_model

        prepared = self.prepare(
            data,
            group=group,
            group_order=group_order,
            missing=missing,
            priors=priors,
            pooling=pooling,
        )
        prepared.check_sampling()
        return build_pymc_model(
            prepared.space, prepared.structure, prepared.sample, latents=latents
        )

    def invariance(self, data: pd.DataFrame, *, group: str, **options: Any) -> Invariance:
        """Measurement invariance across groups; see `bayessem.moderation.invariance`."""
        from bayessem.moderation.invariance import invariance

        # Sampling options are of no use to a call that samples nothing; a misspelt one is refused.
        known_options(invariance, options, passed_on=_FIT_ARGUMENTS, of_model=tuple(_DEFAULTS))
        return invariance(self, data, group=group, **options)

    def compare_groups(
        self, data: pd.DataFrame, *, group: str, parameters: Sequence[str], **options: Any
    ) -> GroupComparison:
        """Test parameters between groups; see `bayessem.moderation.groups.compare_groups`."""
        from bayessem.moderation.groups import compare_groups

        known_options(compare_groups, options, passed_on=_FIT_ARGUMENTS, of_model=tuple(_DEFAULTS))
        return compare_groups(self, data, group=group, parameters=parameters, **options)

    def ml(
        self,
        data: pd.DataFrame,
        *,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        se: str = "observed",
        **others: Any,
    ) -> MLFit:
        """Maximum likelihood with the same likelihood: estimates, standard errors, fit measures.

        Parameters
        ----------
        data, group, group_order, missing
            As in `fit`.
        se : {"observed", "expected", "robust", "none"}
            Standard errors from the observed information, the expected information (lavaan's
            default for complete data; linear models) or the sandwich (lavaan's MLR).
        **others
            Refused, with what would work.
        """
        _refuse(SEM.ml, others)
        from bayessem.ml.estimate import fit_ml

        return fit_ml(
            self.prepare(data, group=group, group_order=group_order, missing=missing), se=se
        )

    def bootstrap(
        self,
        data: pd.DataFrame,
        n: int = 1000,
        *,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        random_seed: int | None = None,
        progress: bool = True,
        **others: Any,
    ) -> Bootstrap:
        """Bootstrap maximum likelihood: intervals of parameters and `:=`; see `ml.bootstrap`."""
        _refuse(SEM.bootstrap, others)
        from bayessem.ml.bootstrap import bootstrap

        prepared = self.prepare(data, group=group, group_order=group_order, missing=missing)
        return bootstrap(prepared, n, random_seed=random_seed, progress=progress)

    def simulate(
        self,
        parameters: Mapping[str, float] | Fit | MLFit,
        n: int | Sequence[int],
        *,
        groups: Sequence[str] | None = None,
        random_seed: int | None = None,
        latents: bool = False,
        **others: Any,
    ) -> pd.DataFrame:
        """Draw respondents from the model.

        Parameters
        ----------
        parameters : mapping, Fit or MLFit
            Value of every free parameter by name ("RAD~AMC", "x1~~x1": a variance) or label, and
            of the means and (co)variances of covariates; or a fit of this model: its maximum, or
            one of its posterior draws (a posterior predictive data set), covariates drawn as
            normal variables with the sample's moments.
        n : int or sequence of int
            Respondents, of each group.
        groups : sequence of str, optional
            Names of the groups, for a mapping.
        random_seed : int, optional
            Makes the data repeatable.
        latents : bool
            Add the values of the constructs as columns.

        Raises
        ------
        ModelError
            For parameters without a value, unknown names, or sizes that do not fit the groups.
        """
        _refuse(SEM.simulate, others)
        from bayessem.results.simulate import simulate_from

        return simulate_from(
            self, parameters, n, groups=groups, random_seed=random_seed, latents=latents
        )

    def fit(
        self,
        data: pd.DataFrame,
        *,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        priors: Mapping[str, str | Prior] | None = None,
        pooling: Pooling | None = None,
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        cores: int | None = None,
        random_seed: int | None = None,
        target_accept: float | None = None,
        latents: str = "integrated",
        engine: str = "auto",
        progress: bool = True,
        **others: Any,
    ) -> Fit:
        """Sample the posterior.

        Parameters
        ----------
        data : DataFrame
            One row a respondent.
        group : str, optional
            Column with the groups of a multi-group model.
        group_order : sequence of str, optional
            Order (and selection) of the groups; by default as they appear.
        missing : {"fiml", "listwise", "error"}
            Use all observed values, leave out incomplete rows, or refuse missing values.
        priors : mapping, optional
            Prior by parameter name ("RAD~AMC"), label or kind ("path"); see `model.priors`.
        pooling : Pooling, optional
            How parameters differ between groups: `partial("RAD ~ AMC", by="apd")`, `no_pooling`,
            `complete_pooling`. All others are equal, unless `group_equal` says otherwise.
        draws, tune, chains : int
            Draws kept and warm-up draws of each chain, and chains.
        cores : int, optional
            Chains at once; by default as many as the machine has.
        random_seed : int, optional
            Makes the draws repeatable; drawn and recorded when left out.
        target_accept : float, optional
            Aim of the step size's adaptation, nearer to 1 for smaller steps; by default 0.8, with
            partial pooling 0.9.
        latents : {"integrated", "sampled"}
            Integrate the latent variables out, or sample a score a respondent (slower; the check).
        engine : {"auto", "native", "pymc"}
            "native" hands the compiled density to nutpie directly, "pymc" builds the PyMC model and
            calls `pymc.sample`; the posterior is the same. "auto" takes "native" where it can.
        progress : bool
            Show a progress bar.
        **others
            Refused, with what would work.

        Raises
        ------
        BayessemError
            DataError, ModelError, PriorError, IdentificationError, NotSupported before sampling;
            FitError when the density is not finite where it has to be.
        KeyboardInterrupt
            When sampling is interrupted (Ctrl-C) before chains have 100 draws; later, the draws so
            far are kept, with a warning.
        """
        began = time.perf_counter()
        _refuse(SEM.fit, others)
        from bayessem.model.check import check

        pooled = getattr(pooling, "how", "") == "partial"
        if target_accept is None:
            target_accept = POOLED_ACCEPT if pooled else ACCEPT
        check_sampling_arguments(
            draws=draws,
            tune=tune,
            chains=chains,
            cores=cores,
            random_seed=random_seed,
            target_accept=target_accept,
            latents=latents,
            engine=engine,
        )
        prepared = self.prepare(
            data,
            group=group,
            group_order=group_order,
            missing=missing,
            priors=priors,
            pooling=pooling,
        )
        prepared.check_sampling()
        report = check(prepared)
        report.raise_errors()

        from bayessem.posterior.run import run

        return run(
            self,
            prepared,
            {
                "group": group,
                "group_order": group_order,
                "missing": missing,
                "priors": {
                    k: v if isinstance(v, str) else v.text for k, v in (priors or {}).items()
                },
                "pooling": None if pooling is None else dataclasses.asdict(pooling),
                "draws": draws,
                "tune": tune,
                "chains": chains,
                "cores": cores,
                "random_seed": random_seed,
                "target_accept": target_accept,
                "latents": latents,
                "engine": engine,
            },
            notes=(*filter(None, [report.cases]), *map(str, report.findings)),
            progress=progress,
            began=began,
        )


def _refuse(method: Callable[..., Any], others: Mapping[str, Any]) -> None:
    """Refuse arguments that a method of `SEM` does not have, with what would work."""
    known_options(method, others, of_model=tuple(_DEFAULTS), of_fit=_FIT_ARGUMENTS)


_DEFAULTS = keyword_arguments(SEM.__init__)
_FIT_ARGUMENTS = tuple(keyword_arguments(SEM.fit))
