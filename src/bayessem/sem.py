"""A structural equation model from lavaan's syntax: check it, fit it, look at its PyMC model."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bayessem.arguments import check_shared
from bayessem.foreign import answers_other_programs
from bayessem.syntax.specification import Specification

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm
    import xarray as xr

    from bayessem.criticism.cross_loadings import CrossLoadings
    from bayessem.criticism.predictive import PredictiveCheck
    from bayessem.criticism.prior_consequences import PriorConsequences
    from bayessem.criticism.responses import ResponseComparison
    from bayessem.diagram.diagram import Diagram
    from bayessem.fit import Fit
    from bayessem.ml.bootstrap import Bootstrap
    from bayessem.ml.estimate import MLFit
    from bayessem.model.check import CheckReport
    from bayessem.model.pooling import Pooling
    from bayessem.model.prepare import Prepared
    from bayessem.model.priors import Prior
    from bayessem.moderation.groups import GroupComparison
    from bayessem.moderation.invariance_result import Invariance
    from bayessem.planning.result import Design
    from bayessem.results.simulate import Estimated

MODEL_ARGUMENTS = (
    "std_lv",
    "meanstructure",
    "fixed_x",
    "group_equal",
    "group_partial",
    "growth",
    "orthogonal",
    "effect_coding",
    "auto",
    "ordered",
    "family",
    "link",
    "parameterization",
    "exposure",
    "censored",
)
FIT_ARGUMENTS = (
    "group",
    "group_order",
    "missing",
    "cluster",
    "weights",
    "priors",
    "pooling",
    "draws",
    "tune",
    "chains",
    "cores",
    "random_seed",
    "target_accept",
    "latents",
    "engine",
    "progress",
    "out",
    "overwrite",
)


@answers_other_programs(of_model=MODEL_ARGUMENTS, of_fit=FIT_ARGUMENTS)
class SEM(Specification):
    """A structural equation model.

    Parameters
    ----------
    model : str
        lavaan's syntax: `=~` measurement, `~` paths, `~~` (co)variances, `~ 1` intercepts, `:=`
        defined parameters, labels, fixed values, `start()`, `prior("normal(0, 1)")*`; products as
        `X:Z`, squares as `X:X` or `I(X^2)`.
    std_lv : bool
        Fix the (residual) variances of constructs at 1 instead of their first loadings. A construct
        then runs the way most of its items do, in whatever order they are written; a bound, a prior
        or a start value on a loading decides instead.
    ordered : bool or sequence of str
        Indicators and outcomes that are answers in ordered categories (two: yes or no); True for
        all indicators. `x1 | t1 + t2` in the text declares one, too, and speaks of its thresholds.
    family : mapping or str, optional
        The same by variable: {"x1": "ordered", "exporter": "bernoulli"}; and counts ("poisson",
        "negative_binomial"), durations ("lognormal", "weibull"), numbers with a floor or ceiling
        ("tobit"), shares ("beta"; of which some are 0 or 1 "zero_one_beta") and numbers of which
        some are far out ("student"): {"partners": "negative_binomial"}. "student" without a
        variable for heavy tails of respondents as a whole, so that outlying ones count less
        (`Fit.weights`).
    exposure : mapping, optional
        Column of what a count was counted over: {"partners": "years"}.
    censored : mapping, optional
        How durations and tobit outcomes are censored: the column of a flag (0: observed, 1:
        right-censored, -1: left-censored), {"SPEED": "not_yet"}; two columns with the ends of an
        interval, {"SPEED": ("from", "to")}; or two limits, {"share": (0, 100)}.
    link : {"probit", "logit"}
        Distribution of the latent responses behind ordered variables.
    parameterization : {"delta", "theta"}
        Scale on which their loadings and thresholds are reported: latent responses with total
        variance 1, or with residual variance 1.
    meanstructure, fixed_x, group_equal, group_partial, growth, orthogonal, effect_coding, auto
        As in lavaan; see `bayessem.syntax.table.build_table`.

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

    def prepare(
        self,
        data: pd.DataFrame | str | os.PathLike[str],
        *,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        cluster: str | None = None,
        weights: str | None = None,
        priors: Mapping[str, str | Prior] | None = None,
        pooling: Pooling | None = None,
        robust: bool = False,
    ) -> Prepared:
        """Read and check the data for this model; what `fit`, `ml` and `check` start from.

        Arguments are those of `fit`; `robust` lets `cluster` be about a model without levels.

        Raises
        ------
        DataError, ModelError, PriorError, NotSupported
            Naming what is wrong and where.
        """
        from bayessem.model.prepare import prepare

        return prepare(
            self,
            data,
            group=group,
            group_order=group_order,
            missing=missing,
            cluster=cluster,
            priors=priors,
            pooling=pooling,
            weights=weights,
            robust=robust,
        )

    def check(
        self,
        data: pd.DataFrame | str | os.PathLike[str],
        *,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        cluster: str | None = None,
        weights: str | None = None,
        priors: Mapping[str, str | Prior] | None = None,
        pooling: Pooling | None = None,
    ) -> CheckReport:
        """Identification and data, before sampling, in plain words.

        Arguments are those of `fit`.

        Returns
        -------
        CheckReport
            Print it; `.ok` says whether the model can be fitted.
        """
        from bayessem.model.check import check

        return check(
            self.prepare(
                data,
                group=group,
                group_order=group_order,
                missing=missing,
                cluster=cluster,
                weights=weights,
                priors=priors,
                pooling=pooling,
            )
        )

    def priors(
        self,
        data: pd.DataFrame | str | os.PathLike[str],
        *,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        cluster: str | None = None,
        weights: str | None = None,
        priors: Mapping[str, str | Prior] | None = None,
        pooling: Pooling | None = None,
    ) -> pd.DataFrame:
        """The priors as used: one row a sampled parameter, with kind, prior and bounds."""
        from bayessem.criticism.prior_table import prior_table
        from bayessem.results.orientation import oriented

        return prior_table(
            oriented(
                self.prepare(
                    data,
                    group=group,
                    group_order=group_order,
                    missing=missing,
                    cluster=cluster,
                    weights=weights,
                    priors=priors,
                    pooling=pooling,
                )
            )
        )

    def prior_consequences(
        self,
        data: pd.DataFrame,
        *,
        group: str | None = None,
        cluster: str | None = None,
        priors: Mapping[str, str | Prior] | None = None,
        draws: int = 2000,
        ci_prob: float = 0.95,
        random_seed: int = 0,
    ) -> PriorConsequences:
        """What the priors imply for loadings, R2, effects, shapes, as draws from them.

        Parameters
        ----------
        data, group, cluster, priors
            As in `fit`; the data only set the scales of default priors.
        draws : int
            Draws from the prior.
        ci_prob : float
            Probability of the equal-tailed intervals.
        random_seed : int
            Makes them repeatable.

        Raises
        ------
        PriorError
            For an improper prior, naming the parameter.
        """
        from bayessem.criticism.prior_consequences import prior_consequences
        from bayessem.results.orientation import oriented

        prepared = oriented(self.prepare(data, group=group, cluster=cluster, priors=priors))
        return prior_consequences(prepared, draws=draws, ci_prob=ci_prob, random_seed=random_seed)

    def prior_predictive(
        self,
        data: pd.DataFrame,
        *,
        group: str | None = None,
        cluster: str | None = None,
        priors: Mapping[str, str | Prior] | None = None,
        draws: int = 500,
        random_seed: int = 0,
    ) -> xr.DataTree:
        """Draws from the priors and the data they predict, for ArviZ; nothing is sampled.

        Parameters
        ----------
        data, group, cluster, priors
            As in `fit`; the data set the scales of default priors.
        draws : int
            Draws from the prior, and data sets.
        random_seed : int
            Makes them repeatable.

        Returns
        -------
        DataTree
            `prior` (as the `posterior` of `Fit.data`), `prior_predictive`: y (chain 1, draw,
            respondent, indicator), `observed_data`, `constant_data`.

        Raises
        ------
        PriorError
            For an improper prior, naming the parameter.
        """
        from bayessem.criticism.predictive_data import prior_predictive
        from bayessem.results.orientation import oriented

        prepared = oriented(self.prepare(data, group=group, cluster=cluster, priors=priors))
        return prior_predictive(prepared, draws=draws, random_seed=random_seed)

    def prior_predictive_check(
        self,
        data: pd.DataFrame,
        check: str = "indicators",
        *,
        group: str | None = None,
        cluster: str | None = None,
        priors: Mapping[str, str | Prior] | None = None,
        x: str | None = None,
        y: str | None = None,
        draws: int = 400,
        ci_prob: float = 0.95,
        random_seed: int = 0,
    ) -> PredictiveCheck:
        """The data beside data drawn from the priors; nothing is sampled.

        Parameters
        ----------
        data, group, cluster, priors
            As in `fit`.
        check, x, y, draws, ci_prob, random_seed
            As in `Fit.predictive_check`.

        Raises
        ------
        PriorError
            For an improper prior, naming the parameter.
        """
        from bayessem.criticism.predictive import prior_predictive_check
        from bayessem.results.orientation import oriented

        return prior_predictive_check(
            oriented(self.prepare(data, group=group, cluster=cluster, priors=priors)),
            check,
            x=x,
            y=y,
            draws=draws,
            ci_prob=ci_prob,
            random_seed=random_seed,
        )

    def cross_loadings(
        self,
        data: pd.DataFrame,
        *,
        sd: float = 0.1,
        ci_prob: float = 0.95,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        priors: Mapping[str, str | Prior] | None = None,
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        cores: int | None = None,
        random_seed: int | None = None,
        target_accept: float | None = None,
        progress: bool = True,
    ) -> CrossLoadings:
        """Fit the model with every cross-loading free but held near 0 by its prior.

        Without these priors the model would not be identified, so the check before sampling is left
        out; look at the convergence that is printed.

        Parameters
        ----------
        data : DataFrame
            One row a respondent.
        sd : float
            Standard deviation of the priors on the standardised scale: .1 leaves 95 % within +-.2.
        ci_prob : float
            Probability of the equal-tailed intervals.
        group, group_order, missing, priors
            As in `fit`.
        draws, tune, chains, cores, random_seed, target_accept, progress
            As in `fit`.

        Raises
        ------
        ModelError
            When there is no cross-loading to add.
        """
        from bayessem.criticism.cross_loadings import cross_loadings
        from bayessem.fit import with_questions
        from bayessem.posterior.settings import Sampling

        sampling = Sampling(
            draws=draws,
            tune=tune,
            chains=chains,
            cores=cores,
            random_seed=random_seed,
            target_accept=target_accept,
            progress=progress,
        )
        return with_questions(
            cross_loadings(
                self,
                data,
                sd=sd,
                ci_prob=ci_prob,
                group=group,
                group_order=group_order,
                missing=missing,
                priors=priors,
                sampling=sampling,
            )
        )

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
        from bayessem.graph.pymc_model import build_pymc_model
        from bayessem.model.answer_engine import require_nodes
        from bayessem.posterior.answered import lattices
        from bayessem.results.orientation import oriented

        prepared = self.prepare(
            data,
            group=group,
            group_order=group_order,
            missing=missing,
            priors=priors,
            pooling=pooling,
        )
        prepared.check_sampling()
        prepared = oriented(prepared)
        plan = None
        if prepared.table.ordered and latents == "integrated":
            require_nodes(prepared.structure, prepared.sample)
            plan = lattices(prepared)
        return build_pymc_model(
            prepared.space, prepared.structure, prepared.sample, latents=latents, plan=plan
        )

    def invariance(
        self,
        data: pd.DataFrame,
        *,
        group: str,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        free: Sequence[str] = (),
        loo: bool = False,
        approximate: float | None = None,
        ci_prob: float = 0.95,
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        cores: int | None = None,
        random_seed: int | None = None,
        target_accept: float | None = None,
        progress: bool = True,
        executor: Any = None,
    ) -> Invariance:
        """Configural, metric, scalar and strict invariance, and what to free where a step fails.

        Parameters
        ----------
        data : DataFrame
            One row a respondent.
        group : str
            Column with the groups.
        group_order, missing
            As in `fit`.
        free : sequence of str
            Parameters that stay free at every step (partial invariance), such as "f=~x2".
        loo : bool
            Sample every step as well, with its Bayesian fit indices, and compare the steps by
            leave-one-out cross-validation.
        approximate : float, optional
            Sample the model with nearly equal loadings, and with nearly equal intercepts besides:
            deviations between groups with this standard deviation, standardised (0.1 is usual; see
            `approximate_invariance`). With `loo` they are compared with the exact steps.
        ci_prob : float
            Probability of the equal-tailed intervals.
        draws, tune, chains, cores, random_seed, target_accept, progress
            As in `fit`, for `loo` and `approximate`.
        executor : optional
            Where models and refits run, as in `bayessem.design`; the result is the same.

        Returns
        -------
        Invariance

        Raises
        ------
        NotSupported
            For a model with product terms, whose chi-square is not defined.
        ModelError
            For a model of one group, without constructs, or that approximate invariance cannot
            rescale.
        FitError
            For an `approximate` that is no standard deviation.
        """
        from bayessem.fit import with_questions
        from bayessem.moderation.invariance import invariance
        from bayessem.posterior.settings import Sampling

        sampling = Sampling(
            draws=draws,
            tune=tune,
            chains=chains,
            cores=cores,
            random_seed=random_seed,
            target_accept=target_accept,
            progress=progress,
        )
        return with_questions(
            invariance(
                self,
                data,
                group=group,
                group_order=group_order,
                missing=missing,
                free=free,
                loo=loo,
                approximate=approximate,
                ci_prob=ci_prob,
                sampling=sampling,
                executor=executor,
            )
        )

    def compare_groups(
        self,
        data: pd.DataFrame,
        *,
        group: str,
        parameters: Sequence[str],
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        posterior: bool = True,
        ci_prob: float = 0.95,
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        cores: int | None = None,
        random_seed: int | None = None,
        target_accept: float | None = None,
        progress: bool = True,
    ) -> GroupComparison:
        """Test whether parameters differ between groups, one by one and together.

        Everything else is equal across groups, unless the model's `group_equal` says otherwise:
        with `SEM(..., group_equal=("loadings", "intercepts"))` only the measurement is.

        Parameters
        ----------
        data : DataFrame
            One row a respondent.
        group : str
            Column with the groups.
        parameters : sequence of str
            Such as ("RAD ~ AMC", "INC ~ AMC").
        group_order, missing
            As in `fit`.
        posterior : bool
            Sample the model with the parameters free too (no pooling), for the probability that a
            group's value is the larger.
        ci_prob : float
            Probability of the equal-tailed intervals.
        draws, tune, chains, cores, random_seed, target_accept, progress
            As in `fit`.

        Returns
        -------
        GroupComparison

        Raises
        ------
        ModelError
            For one group, or a parameter that the model does not have or has fixed.
        """
        from bayessem.fit import with_questions
        from bayessem.moderation.groups import compare_groups
        from bayessem.posterior.settings import Sampling

        sampling = Sampling(
            draws=draws,
            tune=tune,
            chains=chains,
            cores=cores,
            random_seed=random_seed,
            target_accept=target_accept,
            progress=progress,
        )
        return with_questions(
            compare_groups(
                self,
                data,
                group=group,
                parameters=parameters,
                group_order=group_order,
                missing=missing,
                posterior=posterior,
                ci_prob=ci_prob,
                sampling=sampling,
            )
        )

    def ml(
        self,
        data: pd.DataFrame | str | os.PathLike[str],
        *,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        cluster: str | None = None,
        weights: str | None = None,
        se: str | None = None,
    ) -> MLFit:
        """Maximum likelihood with the same likelihood: estimates, standard errors, fit measures.

        Parameters
        ----------
        data, group, group_order, missing, weights
            As in `fit`.
        cluster : str, optional
            Column with the clusters of a two-level model. Without levels in the model, respondents
            are independent between clusters only, and the sandwich sums scores by cluster
            (lavaan's robust.cluster, with its factor J / (J - 1) for J clusters).
        se : {"observed", "expected", "robust", "none"}, optional
            Standard errors from the observed information, the expected information (lavaan's
            default for complete data; linear models) or the sandwich (lavaan's MLR). By default
            "observed", and "robust" with weights, or with clusters and no levels. With ordered
            answers (integrated on nodes): observed, sandwich or none, and no chi-square.
        """
        from bayessem.ml.estimate import maximum_likelihood

        prepared = self.prepare(
            data,
            group=group,
            group_order=group_order,
            missing=missing,
            cluster=cluster,
            weights=weights,
            robust=True,
        )
        return maximum_likelihood(prepared, se=se)

    def bootstrap(
        self,
        data: pd.DataFrame | str | os.PathLike[str],
        n: int = 1000,
        *,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        cores: int | None = None,
        executor: Any = None,
        random_seed: int | None = None,
        progress: bool = True,
    ) -> Bootstrap:
        """Bootstrap maximum likelihood: intervals of parameters and `:=`.

        Parameters
        ----------
        data : DataFrame
            One row a respondent.
        n : int
            Samples of the respondents, with replacement.
        group, group_order, missing
            As in `fit`.
        cores : int, optional
            Samples at once; by default as many as the machine has.
        executor : optional
            Where samples are fitted, as in `bayessem.design`; the result is the same.
        random_seed : int, optional
            Makes the samples repeatable, however many cores.
        progress : bool
            Show a progress bar.
        """
        from bayessem.ml.bootstrap import bootstrap

        prepared = self.prepare(data, group=group, group_order=group_order, missing=missing)
        return bootstrap(
            prepared,
            n,
            cores=cores,
            executor=executor,
            random_seed=random_seed,
            progress=progress,
        )

    def compare_responses(
        self,
        data: pd.DataFrame,
        *,
        hypotheses: Mapping[str, str] | Sequence[str] | str | None = None,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        ci_prob: float = 0.95,
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        cores: int | None = None,
        random_seed: int | None = None,
        target_accept: float | None = None,
        progress: bool = True,
    ) -> ResponseComparison:
        """Fit the model with its ordered answers, and with the same answers as numbers.

        Parameters
        ----------
        data : DataFrame
            One row a respondent.
        hypotheses : mapping of str to str, or sequence of str, optional
            Judged in both, as by `Fit.hypotheses`.
        group, group_order, missing
            As in `fit`.
        ci_prob : float
            Probability of the equal-tailed intervals.
        draws, tune, chains, cores, random_seed, target_accept, progress
            As in `fit`, of both.

        Returns
        -------
        ResponseComparison
            Standardised loadings, paths, correlations, R2 and effects side by side, and what the
            two fits cost; the fits are in `.fits`.

        Raises
        ------
        ModelError
            For a model without ordered variables.

        References
        ----------
        Rhemtulla, Brosseau-Liard & Savalei (2012), doi:10.1037/a0029315.
        """
        from bayessem.criticism.responses import compare_responses
        from bayessem.fit import with_questions
        from bayessem.posterior.settings import Sampling

        sampling = Sampling(
            draws=draws,
            tune=tune,
            chains=chains,
            cores=cores,
            random_seed=random_seed,
            target_accept=target_accept,
            progress=progress,
        )
        return with_questions(
            compare_responses(
                self,
                data,
                hypotheses=hypotheses,
                group=group,
                group_order=group_order,
                missing=missing,
                ci_prob=ci_prob,
                sampling=sampling,
            )
        )

    def diagram(self, *, latents_only: bool = False, covariances: bool = True) -> Diagram:
        """The model as a path diagram, without estimates; `Fit.diagram` has them.

        Parameters
        ----------
        latents_only : bool
            Leave the indicators out.
        covariances : bool
            Draw covariances, too: those that the text has and those that lavaan's rules add.

        Returns
        -------
        Diagram
            A notebook shows it; `.save("model.svg")` writes it (.png, .pdf, .dot, .mmd, .tex),
            `.figure()` is matplotlib's.

        Raises
        ------
        ModelError
            When there is nothing to draw.
        """
        from bayessem.diagram.diagram import model_diagram

        return model_diagram(self.table, latents_only=latents_only, covariances=covariances)

    def simulate(
        self,
        parameters: Mapping[str, float] | Estimated,
        n: int | Sequence[int],
        *,
        groups: Sequence[str] | None = None,
        clusters: int | Sequence[int] | None = None,
        random_seed: int | None = None,
        latents: bool = False,
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
        clusters : int or sequence of int, optional
            Of a two-level model: how many clusters the respondents of each group are spread over,
            or the sizes of the clusters; by default, with a fit and its number of respondents,
            those of its data. The column "cluster" has their numbers.
        random_seed : int, optional
            Makes the data repeatable.
        latents : bool
            Add the values of the constructs as columns.

        Raises
        ------
        ModelError
            For parameters without a value, unknown names, or sizes that do not fit the groups.
        """
        from bayessem.results.simulate import simulate_from

        return simulate_from(
            self,
            parameters,
            n,
            groups=groups,
            clusters=clusters,
            random_seed=random_seed,
            latents=latents,
        )

    def design(
        self,
        truth: Mapping[str, float] | Mapping[str, Mapping[str, float]] | Estimated,
        *,
        n: int | Sequence[int],
        targets: Mapping[str, str] | Sequence[str] | str,
        standardized: bool = False,
        reliability: float | Sequence[float] | None = None,
        groups: int | Sequence[int] | None = None,
        missing: float | Sequence[float] = 0.0,
        categories: int | Sequence[int] | None = None,
        rope: float | tuple[float, float] | None = None,
        assurance: float | Sequence[float] = 0.8,
        mode: str = "quick",
        replicates: int | None = None,
        priors: Mapping[str, str | Prior] | None = None,
        pooling: Pooling | None = None,
        draws: int = 500,
        tune: int = 500,
        chains: int = 2,
        target_accept: float | None = None,
        ci_prob: float = 0.95,
        random_seed: int = 0,
        executor: Any = None,
        store: str | os.PathLike[str] | None = None,
        progress: bool = True,
    ) -> Design:
        """Simulate a study of each size before doing one: what it would find, and how precisely.

        Arguments, result and errors: `bayessem.design`.
        """
        from bayessem.planning.study import design

        return design(
            self,
            truth,
            n=n,
            targets=targets,
            standardized=standardized,
            reliability=reliability,
            groups=groups,
            missing=missing,
            categories=categories,
            rope=rope,
            assurance=assurance,
            mode=mode,
            replicates=replicates,
            priors=priors,
            pooling=pooling,
            draws=draws,
            tune=tune,
            chains=chains,
            target_accept=target_accept,
            ci_prob=ci_prob,
            random_seed=random_seed,
            executor=executor,
            store=store,
            progress=progress,
        )

    def fit(
        self,
        data: pd.DataFrame | str | os.PathLike[str],
        *,
        group: str | None = None,
        group_order: Sequence[str] | None = None,
        missing: str = "fiml",
        cluster: str | None = None,
        weights: str | None = None,
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
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
    ) -> Fit:
        """Sample the posterior.

        Parameters
        ----------
        data : DataFrame or path
            One row a respondent; of pandas, polars, pyarrow or any library that narwhals knows. Or
            a file, as `bayessem.read_data` has it; of Parquet only the columns of the model are
            read, in batches, whatever else the file holds.
        group : str, optional
            Column with the groups of a multi-group model.
        group_order : sequence of str, optional
            Order (and selection) of the groups; by default as they appear.
        missing : {"fiml", "listwise", "error"}
            Use all observed values, leave out incomplete rows, or refuse missing values.
        cluster : str, optional
            Column with the clusters (firms, teams, schools) of a two-level model, whose text has
            `level: 1` and `level: 2`; with weights and no levels, those that respondents were drawn
            in (primary sampling units).
        weights : str, optional
            Column with sampling weights, of how many of the population a respondent stands for.
            They are scaled to sum to the number of respondents and weigh the log-likelihoods; the
            draws of this pseudo-posterior are projected to the accuracy that the design has
            (Williams & Savitsky 2021, doi:10.1111/insr.12376).
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
            Integrate the latent variables out, or sample a score a respondent (slower; the check):
            in PyMC, but for ordered answers in models without products of constructs, whose
            compiled density moves with the parameters.
        engine : {"auto", "native", "pymc"}
            "native" hands the compiled density to nutpie directly, "pymc" builds the PyMC model and
            calls `pymc.sample`; the posterior is the same. "auto" takes "native" where it can.
        progress : bool
            Show a progress bar.
        out : path, optional
            Folder to save the fit in, as `Fit.save`. Draws are written there about every second as
            they come (not by PyMC's engine): when the run is killed, `load` reads it up to the last
            of them.
        overwrite : bool
            Replace a run that is in that folder, finished or not.

        Raises
        ------
        BayessemError
            DataError, ModelError, PriorError, IdentificationError, NotSupported before sampling;
            FitError when the folder holds a run already or cannot be written, and when the density
            is not finite where it has to be.
        KeyboardInterrupt
            When sampling is interrupted (Ctrl-C) before chains have 100 draws; later, the draws so
            far are kept, with a warning.
        """
        began = time.perf_counter()
        from bayessem.posterior.settings import Sampling

        sampling = Sampling(
            draws=draws,
            tune=tune,
            chains=chains,
            cores=cores,
            random_seed=random_seed,
            target_accept=target_accept,
            latents=latents,
            engine=engine,
            progress=progress,
        )
        prepared = self.prepare(
            data,
            group=group,
            group_order=group_order,
            missing=missing,
            cluster=cluster,
            weights=weights,
            priors=priors,
            pooling=pooling,
        )
        prepared.check_sampling()
        from bayessem.fit import Fit
        from bayessem.results.estimate import estimate

        if out is None:
            return Fit.of(estimate(prepared, sampling, began=began))
        from bayessem.results.unfinished import estimate_into

        return Fit.of(estimate_into(prepared, sampling, out, overwrite=overwrite, began=began))


@check_shared
def load(path: str | os.PathLike[str]) -> Fit:
    """Read a fit that `Fit.save` or `SEM.fit(out=)` wrote; it answers as the one that was saved.

    Of a run that was killed while it was sampled, the fit of the draws that it had written, with a
    warning that says how many.

    Raises
    ------
    FitError
        When the folder is no fit, cannot be read, or a file of it was changed since.
    """
    from bayessem.fit import Fit
    from bayessem.results.unfinished import load

    return Fit.of(load(path, specification=SEM))
