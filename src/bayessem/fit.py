"""A sampled model and the questions one can ask it; the answers are in the rooms below."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from bayessem.foreign import answers_other_programs
from bayessem.results.fitted import Fitted
from bayessem.syntax.specification import Specification

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

    from bayessem.comparison.groups_out import GroupsOut
    from bayessem.comparison.kfold import KFold
    from bayessem.comparison.loo import Loo
    from bayessem.comparison.out_of_sample import OutOfSample
    from bayessem.comparison.pit import LooPit
    from bayessem.criticism.indices import Indices
    from bayessem.criticism.modification import Modifications
    from bayessem.criticism.predictive import PredictiveCheck
    from bayessem.criticism.residuals import Residuals
    from bayessem.criticism.response_check import ResponseCheck
    from bayessem.criticism.sensitivity import Sensitivity
    from bayessem.diagram.diagram import Diagram
    from bayessem.effects.category_effects import CategoryEffects
    from bayessem.effects.effect_sizes import EffectSizes
    from bayessem.effects.effects import At, Effects
    from bayessem.effects.expected_effects import ExpectedEffects, Ratios
    from bayessem.effects.hypotheses_result import Hypotheses
    from bayessem.effects.importance import ImportancePerformance
    from bayessem.effects.mediation_result import Mediation
    from bayessem.effects.slopes import Slopes
    from bayessem.effects.whatif import WhatIf
    from bayessem.measurement.quality_result import Measurement
    from bayessem.moderation.pooling_result import PoolingReport
    from bayessem.results.category_probabilities import CategoryProbabilities
    from bayessem.results.cell_weights import CellWeights
    from bayessem.results.intraclass import IntraclassCorrelations
    from bayessem.results.predict import Prediction
    from bayessem.results.respondent_weights import RespondentWeights
    from bayessem.shapes.cubic_result import CubicShape
    from bayessem.shapes.response_surface_result import ResponseSurface
    from bayessem.shapes.shape_result import Shape


@answers_other_programs()
class Fit(Fitted):
    """A sampled structural equation model: what `SEM.fit` returns and `load` reads.

    Attributes: see `Fitted`; `sem`, `prepared`, `data` (for ArviZ), `settings`, `timings`, `notes`,
    `versions`.
    """

    @classmethod
    def of(cls, fitted: Fitted) -> Self:
        """The fitted data with the questions as methods; what was derived already is kept."""
        out = object.__new__(cls)
        out.__dict__.update(fitted.__dict__)
        return out

    @property
    def sem(self) -> Specification:
        """The model: the `SEM` that was fitted."""
        return self.prepared.specification

    def effects(
        self,
        x: str,
        y: str,
        *,
        standardized: bool = False,
        group: str | Sequence[str] | None = None,
        at: At | None = None,
        ci_prob: float = 0.95,
    ) -> Effects:
        """Direct, specific indirect, total indirect and total effects of x on y.

        Parameters
        ----------
        x, y : str
            Constructs, or observed variables with a structural role.
        standardized : bool
            Multiply by sd(x) / sd(y), model-implied, per draw and in each group itself.
        group : str or sequence of str, optional
            Groups of a multi-group model; all, with all contrasts, by default.
        at : sequence of float or mapping, optional
            Where effects that depend on x are evaluated, in standard deviations from its mean
            (-1, 0, 1 by default); a mapping sets moderators too, {"W": (-1, 0, 1)}. A moderator
            that is not set is averaged over.
        ci_prob : float
            Probability of the equal-tailed intervals.

        Returns
        -------
        Effects

        Raises
        ------
        ModelError
            When no path leads from x to y, or a name is not in the model.
        """
        from bayessem.effects.effects import effects

        return effects(self, x, y, standardized=standardized, group=group, at=at, ci_prob=ci_prob)

    def effects_with_population(
        self,
        x: str,
        y: str,
        *,
        standardized: bool = False,
        group: str | Sequence[str] | None = None,
        at: At | None = None,
        ci_prob: float = 0.95,
    ) -> Effects:
        """Effects of x on y in each group, in the population of groups, and their differences.

        Parameters
        ----------
        x, y : str
            As in `Fit.effects`.
        standardized, group, at, ci_prob
            As in `Fit.effects`.

        Returns
        -------
        Effects
            With rows of the group "population", and of "<group> - population".
        """
        from bayessem.moderation.population import effects_with_population

        return effects_with_population(
            self, x, y, standardized=standardized, group=group, at=at, ci_prob=ci_prob
        )

    def mediation(
        self,
        x: str,
        y: str,
        *,
        rope: float = 0.1,
        rope_indirect: float | None = None,
        at: Sequence[float] = (-1.0, 0.0, 1.0),
        group: str | Sequence[str] | None = None,
        ci_prob: float = 0.95,
    ) -> Mediation:
        """Mediation of the effect of x on y by the variables between them.

        Parameters
        ----------
        x, y : str
            Cause and outcome.
        rope : float
            Standardised direct effects smaller than this in size count as none.
        rope_indirect : float, optional
            The same for indirect effects; `rope` squared by default, as they are products.
        at : sequence of float
            Where instantaneous and conditional effects are shown, in standard deviations from the
            mean of x or of the moderator.
        group : str or sequence of str, optional
            All groups by default.
        ci_prob : float
            Probability of the equal-tailed intervals.

        Returns
        -------
        Mediation

        Raises
        ------
        ModelError
            When no variable lies between x and y.

        References
        ----------
        Types: Zhao, Lynch & Chen (2010), doi:10.1086/651257. Index of moderated mediation: Hayes
        (2015), doi:10.1080/00273171.2014.962683. Instantaneous indirect effects: Hayes & Preacher
        (2010), doi:10.1080/00273171.2010.498290.
        """
        from bayessem.effects.mediation import mediation

        return mediation(
            self, x, y, rope=rope, rope_indirect=rope_indirect, at=at, group=group, ci_prob=ci_prob
        )

    def hypotheses(
        self,
        statements: Mapping[str, str] | Sequence[str] | str,
        *,
        threshold: float = 0.95,
        standardized: bool = False,
        ci_prob: float = 0.95,
    ) -> Hypotheses:
        """Posterior probability and verdict of directed hypotheses.

        Parameters
        ----------
        statements : mapping of str to str, or sequence of str
            Such as {"H1": "RAD ~ AMC:AMC < 0", "H2": "AMC -> RAD -> speed > 0"}. On either side of
            < and > stand numbers and: a path, loading or covariance as in the model; an effect (one
            path x -> m -> y, `indirect x -> y`, `total x -> y`, averaged over x where it depends on
            x); arithmetic of labels and of what := defines. `-0.1 < y ~ x < 0.1` is a region,
            `&` joins claims that are to be true together, `y ~ x [west] > y ~ x [east]` compares
            groups; without a group a hypothesis is judged in each. A list may have the names in
            front, "H1: y ~ x > 0".
        threshold : float
            Probability from which a hypothesis counts as supported; one whose probability is at
            most its complement is contradicted, others are undecided.
        standardized : bool
            Compare standardised paths and effects, for claims about sizes.
        ci_prob : float
            Probability of the equal-tailed intervals.

        Returns
        -------
        Hypotheses

        Raises
        ------
        ModelError
            For a path that is not in the model, or a statement without < or >.
        """
        from bayessem.effects.hypotheses import hypotheses

        return hypotheses(
            self, statements, threshold=threshold, standardized=standardized, ci_prob=ci_prob
        )

    def shape(
        self,
        x: str,
        y: str,
        *,
        bounds: tuple[float, float] | None = None,
        square: str | None = None,
        effect: str | None = None,
        hypothesis: str | None = None,
        at: Sequence[float] = (-1.0, 0.0, 1.0),
        group: str | Sequence[str] | None = None,
        lines: bool = True,
        ci_prob: float = 0.95,
        random_seed: int = 0,
    ) -> Shape | CubicShape:
        """Judge whether the relation of y with x is an inverted U, a U, an S, a J or one-sided.

        Of a quadratic (y ~ x + x:x): shapes, J-shapes, three steps, turning point, what moderators
        and groups change in them, two lines. Of a cubic (y ~ x + x:x + x:x:x): S, inverted S and
        the shapes of a quadratic, how the curve bends, inflection point, peak and trough.

        Parameters
        ----------
        x, y : str
            Predictor and outcome.
        bounds : (float, float), optional
            Interval of x on which the shape is judged, in its own units. By default the 5 % and 95
            % quantiles that the model implies for a construct (in each draw), the range of the data
            for an observed variable.
        square : str, optional
            The observed variable that holds x^2, where the model has it as a column of its own.
        effect : {"direct", "total"}, optional
            The quadratic in y's own equation (default where there is one) or of E[y | do(x)].
        hypothesis : {"inverted U", "U"}, optional
            What the three steps are about; by default what the sign of the square makes more
            probable. Of a cubic also "S", "inverted S", "increasing", "decreasing".
        at : sequence of float
            Where a moderated turning point is shown, in standard deviations of the moderator; its
            changes are those between the lowest and the highest.
        group : str or sequence of str, optional
            All groups by default.
        lines : bool
            Add the two-lines companion of a quadratic (takes a second or more: it draws factor
            scores; not for models with ordered answers).
        ci_prob : float
            Probability of the equal-tailed intervals.
        random_seed : int
            Of the draws of factor scores.

        Returns
        -------
        Shape
            CubicShape where the model has a cube.

        Raises
        ------
        ModelError
            When y does not depend on the square of x, or on a higher power than its cube.

        References
        ----------
        Lind & Mehlum (2010), doi:10.1111/j.1468-0084.2009.00569.x; Haans, Pieters & He (2016),
        doi:10.1002/smj.2399; Simonsohn (2018), doi:10.1177/2515245918805755.
        """
        from bayessem.shapes.shape import shape

        return shape(
            self,
            x,
            y,
            bounds=bounds,
            square=square,
            effect=effect,
            hypothesis=hypothesis,
            at=at,
            group=group,
            lines=lines,
            ci_prob=ci_prob,
            random_seed=random_seed,
        )

    def response_surface(
        self,
        x: str,
        z: str,
        y: str,
        *,
        metric: str | None = None,
        center: float | None = None,
        effect: str | None = None,
        hypothesis: str | None = None,
        rope: float = 0.1,
        rope_ridge: float = 0.25,
        moderator: str | None = None,
        at: Sequence[float] | None = None,
        group: str | Sequence[str] | None = None,
        scores: bool = True,
        ci_prob: float = 0.95,
        random_seed: int = 0,
    ) -> ResponseSurface:
        """Describe the surface of y over x and z, and judge whether their congruence counts.

        For a model with y ~ x + z + x:x + x:z + z:z; terms that it lacks are 0.

        Parameters
        ----------
        x, z, y : str
            The two predictors and the outcome: constructs or observed variables.
        metric : {"raw", "standardized"}, optional
            Own units, or standard deviations from the means of all groups together, per draw. By
            default raw where x and z have a common metric (constructs with loadings set equal, item
            by item; observed variables with similar spread), else standardised.
        center : float, optional
            From where raw x and z are both measured, such as the midpoint of the scale of answers.
            By default the average of their means; each from its own mean when the loadings are set
            equal and the intercepts are not. a1, a3, and p10 depend on it.
        effect : {"direct", "total"}, optional
            The surface in y's own equation (default where there is one) or E[y | do(x, z)].
        hypothesis : {"highest", "lowest"}, optional
            What y is at congruence; by default what the sign of a4 makes more probable.
        rope : float
            Slopes and curvatures along the lines that are smaller count as none: standard
            deviations of y for one of x and z together.
        rope_ridge : float
            The ridge is the line of congruence when it is shifted by less, in standard deviations,
            and its slope lies between 1 / (1 + rope_ridge) and 1 + rope_ridge.
        moderator : str, optional
            The factor of x:w, x:z:w, ... that is set; may be left out when there is one only.
        at : sequence of float, optional
            Its values, in standard deviations from its mean: by default -1, 0, 1, or both values of
            an observed moderator that has two.
        group : str or sequence of str, optional
            All groups by default, with all differences.
        scores : bool
            Add the respondents (constructs: takes seconds, as it draws factor scores).
        ci_prob : float
            Probability of the equal-tailed intervals.
        random_seed : int
            Of the draws of factor scores.

        Returns
        -------
        ResponseSurface

        Raises
        ------
        ModelError
            When y depends on x and z linearly or through higher powers, or an argument is none.

        Warns
        -----
        BayessemWarning
            For metric="raw" when x and z have no common metric.

        References
        ----------
        Edwards & Parry (1993), doi:10.5465/256822; Shanock et al. (2010),
        doi:10.1007/s10869-010-9183-4; Humberg, Nestler & Back (2019),
        doi:10.1177/1948550618757600.
        """
        from bayessem.shapes.response_surface import response_surface

        return response_surface(
            self,
            x,
            z,
            y,
            metric=metric,
            center=center,
            effect=effect,
            hypothesis=hypothesis,
            rope=rope,
            rope_ridge=rope_ridge,
            moderator=moderator,
            at=at,
            group=group,
            scores=scores,
            ci_prob=ci_prob,
            random_seed=random_seed,
        )

    def what_if(
        self,
        x: str,
        y: str,
        *,
        values: Sequence[float] | None = None,
        at: Mapping[str, Sequence[float]] | None = None,
        group: str | Sequence[str] | None = None,
        ci_prob: float = 0.95,
    ) -> WhatIf:
        """Expected value of y were x set to each of some values, by group; exact.

        Parameters
        ----------
        x, y : str
            Constructs, or observed variables with a structural role.
        values : sequence of float, optional
            Values of x in its own units. By default 41 from 2 standard deviations below to 2 above
            the mean of a construct, or over the range of an observed variable.
        at : mapping, optional
            Further variables to set, in standard deviations from their means: {"W": (-1, 1)}.
        group : str or sequence of str, optional
            All groups by default.
        ci_prob : float
            Probability of the pointwise intervals.
        """
        from bayessem.effects.whatif import what_if

        return what_if(self, x, y, values=values, at=at, group=group, ci_prob=ci_prob)

    def simple_slopes(
        self,
        x: str,
        y: str,
        moderator: str | None = None,
        *,
        at: Sequence[float] = (-1.0, 0.0, 1.0),
        group: str | Sequence[str] | None = None,
        ci_prob: float = 0.95,
    ) -> Slopes:
        """Slope of y on x at chosen values of the moderator.

        Parameters
        ----------
        x, y : str
            Predictor and outcome.
        moderator : str, optional
            The other factor; may be left out when there is one only.
        at : sequence of float
            Standard deviations of the moderator from its mean.
        group : str or sequence of str, optional
            All groups by default.
        ci_prob : float
            Probability of the equal-tailed intervals.

        Raises
        ------
        ModelError
            When no product of x and a moderator explains y.
        """
        from bayessem.effects.slopes import simple_slopes

        return simple_slopes(self, x, y, moderator, at=at, group=group, ci_prob=ci_prob)

    def johnson_neyman(
        self,
        x: str,
        y: str,
        moderator: str | None = None,
        *,
        sds: float = 3.0,
        points: int = 121,
        group: str | Sequence[str] | None = None,
        ci_prob: float = 0.95,
    ) -> Slopes:
        """Slope of y on x at every value of the moderator, and where its interval excludes 0.

        Parameters
        ----------
        x, y, moderator
            As in `Fit.simple_slopes`.
        sds : float
            How far from its mean the moderator is followed, in standard deviations.
        points : int
            Values of the moderator; the ends of regions are interpolated between them.
        group : str or sequence of str, optional
            All groups by default.
        ci_prob : float
            Probability of the pointwise, equal-tailed intervals.

        Returns
        -------
        Slopes
            With `regions`, and P(slope > 0) at each value in `table`.

        Raises
        ------
        ModelError
            When no product of x and a moderator explains y, or for sds or points that are none.

        References
        ----------
        Johnson & Neyman (1936); Bauer & Curran (2005), doi:10.1207/s15327906mbr4003_5.
        """
        from bayessem.effects.slopes import johnson_neyman

        return johnson_neyman(
            self, x, y, moderator, sds=sds, points=points, group=group, ci_prob=ci_prob
        )

    def effect_sizes(
        self, *, group: str | Sequence[str] | None = None, ci_prob: float = 0.95
    ) -> EffectSizes:
        """Cohen's f2 of every path, and collinearity of the predictors.

        Parameters
        ----------
        group : str or sequence of str, optional
            Groups of a model with several; all by default.
        ci_prob : float
            Probability of the equal-tailed intervals.

        Raises
        ------
        ModelError
            For a model without paths.
        NotSupported
            For squares and products.
        """
        from bayessem.effects.effect_sizes import effect_sizes

        return effect_sizes(self, group=group, ci_prob=ci_prob)

    def importance_performance(
        self,
        target: str,
        *,
        scale: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
        group: str | Sequence[str] | None = None,
        ci_prob: float = 0.95,
    ) -> ImportancePerformance:
        """Which constructs matter for a target, and how well they do (IPMA).

        Parameters
        ----------
        target : str
            Construct or observed variable that is to be improved.
        scale : (lowest, highest), or mapping of these by item, optional
            Ends of the items' scales; by default the lowest and highest values of the data.
        group : str or sequence of str, optional
            Groups of a model with several; all by default.
        ci_prob : float
            Probability of the equal-tailed intervals.

        Raises
        ------
        ModelError
            For a target that nothing explains, and a scale that is none.
        NotSupported
            For squares and products.
        """
        from bayessem.effects.importance import importance_performance

        return importance_performance(self, target, scale=scale, group=group, ci_prob=ci_prob)

    def measurement(
        self,
        *,
        ci_prob: float = 0.95,
        group: str | Sequence[str] | None = None,
        standardized: bool = False,
        bootstrap: int = 1000,
        random_seed: int | None = None,
    ) -> Measurement:
        """Judge how well the constructs of a fitted model are measured.

        Parameters
        ----------
        ci_prob : float
            Probability of the equal-tailed intervals.
        group : str or sequence of str, optional
            Groups of a model with several; all by default.
        standardized : bool
            Omega, AVE and alpha of standardised items. By default, as in semTools, items keep their
            units, and one with a large variance counts for more. Dimensions of higher-order
            constructs have no units of their own and are always standardised.
        bootstrap : int
            Bootstrap draws behind HTMT and the alpha of the data.
        random_seed : int, optional
            Seed of the bootstrap; by default that of the fit.

        Raises
        ------
        ModelError
            For a group that the model does not have, or a model without constructs.
        """
        from bayessem.measurement.quality import measurement

        return measurement(
            self,
            ci_prob=ci_prob,
            group=group,
            standardized=standardized,
            bootstrap=bootstrap,
            random_seed=random_seed,
        )

    def category_probabilities(
        self, *, draws: int = 200, ci_prob: float = 0.95, random_seed: int = 0
    ) -> CategoryProbabilities:
        """Shares of the categories of ordered variables that the model expects, and observed ones.

        Parameters
        ----------
        draws : int
            Posterior draws that are used.
        ci_prob : float
            Probability of the equal-tailed intervals.
        random_seed : int
            Of the respondents that are drawn.

        Returns
        -------
        CategoryProbabilities
            `.table` has a row a category: observed share, and mean, sd, lower, upper of the
            expected one.

        Raises
        ------
        ModelError
            For a model without ordered variables.
        """
        from bayessem.results.category_probabilities import category_probabilities

        return category_probabilities(self, draws=draws, ci_prob=ci_prob, random_seed=random_seed)

    def category_effects(
        self,
        x: str,
        y: str,
        *,
        values: Sequence[float] = (0.0, 1.0),
        group: str | Sequence[str] | None = None,
        draws: int = 400,
        ci_prob: float = 0.95,
        random_seed: int = 0,
    ) -> CategoryEffects:
        """Effects of x on an ordered y as changes of the probabilities of its categories.

        Parameters
        ----------
        x, y : str
            Cause, and an ordered outcome or item.
        values : (float, float)
            From where to where x is set, in standard deviations from its mean (of all groups).
        group : str or sequence of str, optional
            All groups by default.
        draws : int
            Draws of the parameters, evenly spaced; for each, respondents are simulated.
        ci_prob : float
            Probability of the equal-tailed intervals.
        random_seed : int
            Of the simulated respondents.

        Returns
        -------
        CategoryEffects
            Direct, indirect and total: changes of the share of each category in the population.

        Raises
        ------
        ModelError
            For a y that is not ordered, or that does not depend on x.

        References
        ----------
        Pearl (2001), UAI-17, 411-420; Muthen & Asparouhov (2015),
        doi:10.1080/10705511.2014.935843.
        """
        from bayessem.effects.category_effects import category_effects

        return category_effects(
            self,
            x,
            y,
            values=values,
            group=group,
            draws=draws,
            ci_prob=ci_prob,
            random_seed=random_seed,
        )

    def expected_effects(
        self,
        x: str,
        y: str,
        *,
        values: Sequence[float] = (0.0, 1.0),
        group: str | Sequence[str] | None = None,
        draws: int = 400,
        ci_prob: float = 0.95,
        random_seed: int = 0,
    ) -> ExpectedEffects:
        """Effects of x on the expected value of a count, duration or share y.

        Parameters
        ----------
        x, y : str
            Cause, and a variable with a family of its own.
        values : (float, float)
            From where to where x is set, in standard deviations from its mean (of all groups).
        group : str or sequence of str, optional
            All groups by default.
        draws : int
            Draws of the parameters, evenly spaced; for each, respondents are simulated.
        ci_prob : float
            Probability of the equal-tailed intervals.
        random_seed : int
            Of the simulated respondents.

        Returns
        -------
        ExpectedEffects
            Natural direct, total indirect and total effects as changes of the expected value in
            the population, and as ratios. Counts are per unit of exposure.

        Raises
        ------
        ModelError
            For a y without such a family, or that does not depend on x.

        References
        ----------
        Pearl (2001), UAI-17, 411-420; Muthen & Asparouhov (2015),
        doi:10.1080/10705511.2014.935843.
        """
        from bayessem.effects.expected_effects import expected_effects

        return expected_effects(
            self,
            x,
            y,
            values=values,
            group=group,
            draws=draws,
            ci_prob=ci_prob,
            random_seed=random_seed,
        )

    def ratios(self, *, ci_prob: float = 0.95) -> Ratios:
        """Paths of counts, durations and shares as rate, time, hazard and odds ratios.

        Parameters
        ----------
        ci_prob : float
            Probability of the equal-tailed intervals.

        Returns
        -------
        Ratios
            exp(path) for a unit of the predictor and for a standard deviation of it.

        Raises
        ------
        ModelError
            For a model without such responses.
        """
        from bayessem.effects.expected_effects import ratios

        return ratios(self, ci_prob=ci_prob)

    def response_check(
        self, y: str, *, draws: int = 400, ci_prob: float = 0.95, random_seed: int = 0
    ) -> ResponseCheck:
        """A response of the data beside the model's: rootogram, survival curves, distribution.

        Parameters
        ----------
        y : str
            A count, a duration, a share, a tobit outcome with limits, or a number with heavy tails
            of its own.
        draws : int
            Draws of the parameters, evenly spaced.
        ci_prob : float
            Probability of the equal-tailed intervals.
        random_seed : int
            Of the replicated data.

        Returns
        -------
        ResponseCheck
            Print it, or `.plot()` it.

        Raises
        ------
        ModelError
            For other variables.

        References
        ----------
        Kleiber & Zeileis (2016), doi:10.1080/00031305.2016.1173590; Kaplan & Meier (1958),
        doi:10.1080/01621459.1958.10501452; Turnbull (1976).
        """
        from bayessem.criticism.response_check import response_check

        return response_check(self, y, draws=draws, ci_prob=ci_prob, random_seed=random_seed)

    def icc(self, *, ci_prob: float = 0.95) -> IntraclassCorrelations:
        """Intraclass correlations and design effects of the variables of a two-level model.

        Parameters
        ----------
        ci_prob : float
            Probability of the equal-tailed intervals.

        Returns
        -------
        IntraclassCorrelations

        Raises
        ------
        NotSupported
            For a model of one level.

        Notes
        -----
        Implied by the model: variance between over the variance of both levels. Design effect:
        Kish (1965), Survey sampling, with the average size of clusters.
        """
        from bayessem.results.intraclass import intraclass_correlations

        return intraclass_correlations(self, ci_prob=ci_prob)

    def scores(self, *, draws: int = 100, random_seed: int = 0) -> pd.DataFrame:
        """Posterior mean and standard deviation of each construct for each respondent.

        Returns
        -------
        DataFrame
            A row a respondent (labelled as in the data); columns NAME and NAME_sd. The uncertainty
            of the parameters is included. Respondents with the same answers to ordered items (and
            the same other values) have the same score. Of a two-level model constructs of both
            levels and random slopes: those of level 2 have the value of the respondent's cluster in
            all its rows.

        Raises
        ------
        ModelError
            For a model without constructs.
        """
        from bayessem.results.scores import scores

        return scores(self, draws=draws, random_seed=random_seed)

    def weights(
        self, *, draws: int = 400, ci_prob: float = 0.95
    ) -> RespondentWeights | CellWeights:
        """By how much respondents or single values count in a model with heavy tails.

        With `family="student"` respondents: given the parameters (nu + p) / (nu + d), p the
        variables that are known of one and d their squared Mahalanobis distance, given the
        covariates (Lange, Little & Taylor 1989, doi:10.1080/01621459.1989.10478852). With
        `family={"x1": "student"}` the values of x1, by (nu + 1) / (nu + z^2), z their distance from
        what constructs and predictors make of them; constructs are averaged over.

        Parameters
        ----------
        draws : int
            Draws of the parameters, evenly spaced over those of the fit.
        ci_prob : float
            Probability of the equal-tailed intervals.

        Raises
        ------
        NotSupported
            For a model without heavy tails, and data made from a covariance matrix.
        """
        from bayessem.results.respondent_weights import respondent_weights

        return respondent_weights(self, draws=draws, ci_prob=ci_prob)

    def predict(
        self,
        new_rows: pd.DataFrame,
        *,
        variables: str | Sequence[str] | None = None,
        draws: int = 400,
        ci_prob: float = 0.95,
        random_seed: int = 0,
    ) -> Prediction:
        """Predict observed variables or constructs of new rows from their known values.

        Parameters
        ----------
        new_rows : DataFrame
            Columns of the model; those that are absent or empty are unknown. Covariates and
            observed factors of products have to be there, and the column of the groups in a model
            of several. Of a two-level model the column of the clusters: a label that the data of
            the fit have is that cluster, whose respondents and variables are known; any other is a
            new cluster, of as many rows as have it.
        variables : str or sequence of str, optional
            What to predict: columns of the model or constructs (by their names in `scores`). What
            is asked for counts as unknown even where `new_rows` has it. By default every column
            with an unknown value.
        draws : int
            Draws of the parameters, evenly spaced over those of the fit.
        ci_prob : float
            Probability of the equal-tailed intervals.
        random_seed : int
            Makes them repeatable.

        Returns
        -------
        Prediction
            Mean, sd and interval of each value in `.table`; of ordered variables the probability
            of each category, with its interval, in `.categories`.

        Raises
        ------
        ModelError
            For variables that the model does not have, or that it conditions on.
        DataError
            For missing covariates, groups or clusters, a variable of clusters that differs inside
            one, and columns that are not numbers.
        NotSupported
            For a model without a mean structure.
        """
        from bayessem.results.predict import predict

        return predict(
            self,
            new_rows,
            variables=variables,
            draws=draws,
            ci_prob=ci_prob,
            random_seed=random_seed,
        )

    def loo(
        self,
        *,
        moment_match: bool = True,
        refit: bool = True,
        max_refits: int = 25,
        random_seed: int | None = None,
        progress: bool = False,
        unit: str | None = None,
        executor: Any = None,
    ) -> Loo:
        """Leave-one-respondent-out cross-validation.

        Parameters
        ----------
        moment_match : bool
            Repair respondents with too large a Pareto k by moment matching.
        refit : bool
            Fit the model anew without each respondent that is still not repaired.
        max_refits : int
            Refit when no more than so many respondents need it; else none, with a warning.
        random_seed : int, optional
            Seed of the refits; by default that of the fit.
        progress : bool
            Say on stderr what is being repaired.
        unit : {"respondent", "cluster"}, optional
            What is left out at a time. Of a two-level model whole clusters by default (how well is
            a new cluster foreseen?), or respondents, given the others of their cluster (how well a
            new respondent of a known one?), of 1,000 draws and without repairs: two questions,
            whose answers do not compare. Merkle, Furr & Rabe-Hesketh (2019),
            doi:10.1007/s11336-019-09679-0.
        executor : optional
            Where refits run, as in `bayessem.design`; the result is the same.

        Returns
        -------
        Loo

        Raises
        ------
        FitError
            For log-likelihoods that are not finite, a max_refits below 0, or another unit.
        """
        from bayessem.comparison.loo import loo

        return loo(
            self,
            moment_match=moment_match,
            refit=refit,
            max_refits=max_refits,
            random_seed=random_seed,
            progress=progress,
            unit=unit,
            executor=executor,
        )

    def kfold(
        self,
        *,
        k: int = 10,
        random_seed: int | None = None,
        progress: bool = False,
        executor: Any = None,
    ) -> KFold:
        """K-fold cross-validation, by k refits.

        Parameters
        ----------
        k : int
            Number of folds, at most half the number of respondents.
        random_seed : int, optional
            Of the folds and the refits; by default 0, whatever the fit's, so that several models
            get the same folds.
        progress : bool
            Show a progress bar on stderr.
        executor : optional
            Where refits run, as in `bayessem.design`; the result is the same.

        Returns
        -------
        KFold

        Raises
        ------
        FitError
            For a k that makes no sense.
        """
        from bayessem.comparison.kfold import kfold

        return kfold(self, k=k, random_seed=random_seed, progress=progress, executor=executor)

    def out_of_sample(
        self, *, k: int = 10, random_seed: int | None = None, progress: bool = False
    ) -> OutOfSample:
        """Predict outcomes' indicators of respondents that were left out, by k refits.

        Against a linear regression on all indicators of what explains the outcomes, as PLSpredict
        does.

        Parameters
        ----------
        k : int
            Number of folds, at most half the number of respondents.
        random_seed : int, optional
            Of the folds and the refits; by default 0, whatever the fit's, so that several models
            get the same folds.
        progress : bool
            Say on stderr which fold is being fitted.

        Raises
        ------
        FitError
            For a k that makes no sense.
        ModelError
            For a model without paths.
        NotSupported
            For squares and products, groups, missing values, and models without means.
        """
        from bayessem.comparison.out_of_sample import out_of_sample

        return out_of_sample(self, k=k, random_seed=random_seed, progress=progress)

    def leave_group_out(
        self,
        *,
        new_groups: int = 10,
        random_seed: int | None = None,
        progress: bool = False,
        executor: Any = None,
    ) -> GroupsOut:
        """Leave-one-group-out cross-validation of a model with pooled groups, by a refit a group.

        Parameters
        ----------
        new_groups : int
            Draws of the left-out group's parameters for each draw of the others.
        random_seed : int, optional
            Of the refits and the new groups; by default that of the fit.
        progress : bool
            Show a progress bar on stderr.
        executor : optional
            Where refits run, as in `bayessem.design`; the result is the same.

        Returns
        -------
        GroupsOut

        Raises
        ------
        FitError
            For a model of one group, or with parameters that only one group informs.
        """
        from bayessem.comparison.groups_out import leave_group_out

        return leave_group_out(
            self,
            new_groups=new_groups,
            random_seed=random_seed,
            progress=progress,
            executor=executor,
        )

    def loo_pit(self, *, ci_prob: float = 0.99, random_seed: int | None = None) -> LooPit:
        """LOO-PIT of the modelled indicators.

        Parameters
        ----------
        ci_prob : float
            Probability of each indicator's simultaneous band.
        random_seed : int, optional
            Of simulated latent variables and bands; by default that of the fit.

        Returns
        -------
        LooPit
        """
        from bayessem.comparison.pit import loo_pit

        return loo_pit(self, ci_prob=ci_prob, random_seed=random_seed)

    def pooling(
        self,
        *,
        at: float | Sequence[float] | None = None,
        ci_prob: float = 0.95,
        random_seed: int | None = None,
    ) -> PoolingReport:
        """The population of groups, the groups, their differences, and how far they were pooled.

        Parameters
        ----------
        at : float or sequence of float, optional
            Values of the group-level predictor at which a new group is predicted; by default one at
            its average.
        ci_prob : float
            Probability of the equal-tailed intervals.
        random_seed : int, optional
            Of the new group's draws; by default that of the fit.

        Returns
        -------
        PoolingReport

        Raises
        ------
        FitError
            When nothing is pooled partially.
        ModelError
            For `at` without a group-level predictor.
        """
        from bayessem.moderation.pooling_report import pooling_report

        return pooling_report(self, at=at, ci_prob=ci_prob, random_seed=random_seed)

    def population(self, *, at: float | None = None) -> Fit:
        """The fit of the population of groups, for a group at its mean.

        Parameters
        ----------
        at : float, optional
            Value of the group-level predictor; by default its average over the groups.

        Returns
        -------
        Fitted
            Of one group, without log-likelihoods: `effects`, `mediation`, `shape`, `what_if` and
            `summary` are those of the population mean. What is about respondents (`loo`, `indices`,
            `residuals`, ...) is refused: it belongs to the fit with the groups.

            Its draws stand in line with those of `fit`, so
            that differences from a group are differences of draws.

        Raises
        ------
        FitError
            When nothing is pooled partially.
        ModelError
            When other parameters differ between groups: their population is not modelled.
        """
        from bayessem.moderation.population import population

        return population(self, at=at)

    def indices(
        self, *, replicas: int | None = None, ci_prob: float = 0.95, random_seed: int = 0
    ) -> Indices:
        """PPP, BRMSEA, BGammaHat and its adjusted form, BMc, BCFI, BTLI and BNFI.

        Of ordered answers PPP, BRMSEA, BCFI, BTLI and BNFI, from their first and second moments.

        Parameters
        ----------
        replicas : int, optional
            Replicated data sets of the PPP: by default one a draw with complete data (exact and at
            once), 400 with missing values or ordered answers.
        ci_prob : float
            Probability of the equal-tailed intervals.
        random_seed : int
            Of the replicated data and of the baseline's draws.

        Returns
        -------
        Indices

        Raises
        ------
        DataError
            When the covariance matrix of the data is singular.
        NotSupported
            With ordered answers for a model with covariates, or where one explains others.
        """
        from bayessem.criticism.indices import fit_indices

        return fit_indices(self, replicas=replicas, ci_prob=ci_prob, random_seed=random_seed)

    def residuals(self, *, ci_prob: float = 0.95) -> Residuals:
        """Residual correlations per draw: of the data (missing values by EM), less the model's.

        Of ordered answers polychoric ones, and the tables of pairs of answers.

        Parameters
        ----------
        ci_prob : float
            Probability of the equal-tailed intervals.

        Returns
        -------
        Residuals

        Raises
        ------
        ModelError
            For a model of one variable.
        NotSupported
            With ordered answers for a model with covariates, or where one explains others.
        """
        from bayessem.criticism.residuals import residuals

        return residuals(self, ci_prob=ci_prob)

    def modification_indices(
        self,
        *,
        kinds: Sequence[str] = ("cross-loading", "residual covariance", "direct effect"),
        draws: int = 100,
        ci_prob: float = 0.95,
        random_seed: int = 0,
        progress: bool = True,
    ) -> Modifications:
        """Modification index and expected value of what is fixed at 0: loadings, covariances.

        Direct effects of covariates, too.

        Parameters
        ----------
        kinds : sequence of str
            Out of "cross-loading", "residual covariance", "direct effect" (of a covariate on an
            indicator, an outcome or a construct; in models of one level).
        draws : int
            Evenly spaced draws that are used.
        ci_prob : float
            Probability of the equal-tailed intervals.
        random_seed : int
            Of the data simulated for the information of a model with product terms.
        progress : bool
            Show a progress bar when it takes more than 2 seconds.

        Returns
        -------
        Modifications

        Raises
        ------
        ModelError
            When nothing of the kind is fixed.
        """
        from bayessem.criticism.modification import modification_indices

        return modification_indices(
            self,
            kinds=kinds,
            draws=draws,
            ci_prob=ci_prob,
            random_seed=random_seed,
            progress=progress,
        )

    def predictive_check(
        self,
        check: str = "correlations",
        *,
        x: str | None = None,
        y: str | None = None,
        prior: bool = False,
        draws: int = 400,
        ci_prob: float = 0.95,
        random_seed: int = 0,
    ) -> PredictiveCheck:
        """Compare the data with data drawn from a fitted model.

        Parameters
        ----------
        check : {"correlations", "indicators", "shape"}
            Correlations of all pairs; mean, sd, skewness, kurtosis, lowest and highest value of
            each indicator (of ordered ones the share of each answer, by group); or the
            least-squares quadratic of y's composite score on x's.
        x, y : str, optional
            For "shape": by default the first square of the model.
        prior : bool
            Draw the parameters from the prior instead of the posterior.
        draws : int
            Replicated data sets.
        ci_prob : float
            Probability of the equal-tailed intervals.
        random_seed : int
            Of the replicated data.

        Raises
        ------
        ModelError
            For an unknown check, or a shape without x and y in a model without squares.
        PriorError
            For a prior predictive check of an improper prior.
        """
        from bayessem.criticism.predictive import predictive_check

        return predictive_check(
            self,
            check,
            x=x,
            y=y,
            prior=prior,
            draws=draws,
            ci_prob=ci_prob,
            random_seed=random_seed,
        )

    def posterior_predictive(
        self,
        indicator: str | None = None,
        *,
        draws: int | None = None,
        prior: bool = False,
        random_seed: int = 0,
    ) -> xr.DataTree:
        """The fit's data with a `posterior_predictive` group, for ArviZ (`az.plot_ppc_dist`, ...).

        Parameters
        ----------
        indicator : str, optional
            The data and predictions of one indicator alone, y (respondent), of the respondents who
            answered it: aligned with `log_likelihood`, as `az.loo_pit`, `az.loo_score`,
            `az.plot_ppc_pit` and others want it. What is left out is the respondent, not one
            answer.
        draws : int, optional
            Draws of each chain, evenly spaced. By default all, or as many as make 50 million
            numbers (draws times respondents times indicators).
        prior : bool
            Add `prior_predictive` too, of 500 draws, and the same draws as `prior`.
        random_seed : int
            Makes them repeatable.

        Returns
        -------
        DataTree
            A copy of `fit.data` with `posterior_predictive`: y (chain, draw, respondent,
            indicator), nan where the data are missing. All groups of the posterior have the same
            draws.

        Raises
        ------
        ModelError
            For an unknown indicator.
        PriorError
            With `prior`, for an improper prior, naming the parameter.
        NotSupported
            For the population of groups.
        """
        from bayessem.criticism.predictive_data import posterior_predictive

        return posterior_predictive(
            self, indicator, draws=draws, prior=prior, random_seed=random_seed
        )

    def pymc(self) -> tuple[pm.Model, xr.DataTree]:
        """The PyMC model of the fit, and the draws as values of its random variables.

        For what PyMC does with a model and draws: `pm.compute_log_likelihood`,
        `pm.sample_posterior_predictive`, `pm.compute_deterministics`, `pm.do`, or
        `az.loo_moment_match(draws, loo, model=model)`.

        Returns
        -------
        model : pymc.Model
            As `SEM.model` builds it, with the priors and data of the fit.
        draws : DataTree
            `posterior` with the variables of the model, `sample_stats`, `observed_data`,
            `constant_data` and, of the fit, `log_likelihood`.

        Raises
        ------
        NotSupported
            For the population of groups, counts, durations and shares, and ordered answers that
            are not integrated on nodes.
        """
        from bayessem.graph.pymc_sampling import fitted_draws
        from bayessem.model.level_data import refuse_levels
        from bayessem.model.thresholds import refuse_answers
        from bayessem.results.fitted import refuse_population

        refuse_answers(self.prepared.table, "the PyMC model", ordered=False)
        refuse_levels(self.prepared.table, "the PyMC model")
        refuse_population(self, "PyMC model")
        plan = (self.density.ints, self.density.floats) if self.prepared.table.ordered else None
        return fitted_draws(self.prepared, self.values, self.data, plan)

    def sensitivity(self, *, threshold: float = 0.05) -> Sensitivity:
        """Sensitivity of paths, loadings, R2, effects, shapes and defined parameters to the prior.

        Parameters
        ----------
        threshold : float
            Sensitivities from here on count.

        Returns
        -------
        Sensitivity
        """
        from bayessem.criticism.sensitivity import sensitivity

        return sensitivity(self, threshold=threshold)

    def diagram(
        self,
        *,
        standardized: bool = True,
        latents_only: bool = False,
        covariances: bool = True,
        labels: bool = False,
        group: str | None = None,
        ci_prob: float = 0.95,
    ) -> Diagram:
        """The model as a path diagram with its estimates and their intervals.

        Lines are the wider the larger the standardised value, and grey where the interval covers
        0; R2 stands in the outcomes. Layers from left to right (Sugiyama, Tagawa & Toda 1981,
        doi:10.1109/TSMC.1981.4308636).

        Parameters
        ----------
        standardized : bool
            Standardised estimates; False: those in the units of the data.
        latents_only : bool
            Leave the indicators out.
        covariances : bool
            Draw covariances, too.
        labels : bool
            Write the labels that came with the data (`bayessem.read_data`) in place of names.
        group : str, optional
            One group; by default a panel for each of at most six.
        ci_prob : float
            Probability of the equal-tailed intervals.

        Returns
        -------
        Diagram
            A notebook shows it; `.save("model.svg")` writes it (.png, .pdf, .dot, .mmd, .tex),
            `.figure()` is matplotlib's.

        Raises
        ------
        ModelError
            When there is nothing to draw, for an unknown group, or for too many of them.
        """
        from bayessem.diagram.diagram import fitted_diagram

        return fitted_diagram(
            self,
            standardized=standardized,
            latents_only=latents_only,
            covariances=covariances,
            labels=labels,
            group=group,
            ci_prob=ci_prob,
        )

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        title: str = "Structural equation model",
        hypotheses: Mapping[str, str] | Sequence[str] | str | None = None,
        random_seed: int = 0,
        progress: bool = True,
    ) -> Path:
        """Write everything that readers and reviewers ask for as HTML, Word or LaTeX.

        Answers first: hypotheses, path diagram, paths, effects and shapes; of several groups what
        differs between them, then all side by side. Then text for the methods and results of a
        paper, measurement, fit, prediction, estimates, priors and what they imply, computation,
        sensitivity, the WAMBS and BARG checklists filled in, references, how to reproduce it.

        Parameters
        ----------
        path : path
            Of the file, replaced when it exists. It ends with .html (one file that holds its
            pictures; nothing is fetched when it is opened), .docx (Word: needs the extra `word`) or
            .tex (LaTeX; beside it a .bib file and a folder with its figures as PDF).
        title : str
            Heading.
        hypotheses : mapping of str to str, or sequence of str, optional
            Such as {"H1": "RAD ~ AMC:AMC < 0"}, judged as by `Fit.hypotheses`.
        random_seed : int
            Of replicated data and prior draws.
        progress : bool
            Say on stderr what is being computed.

        Returns
        -------
        Path
            Of the file.

        Raises
        ------
        FitError
            For another suffix, a package that is missing, or a file that cannot be written; before
            anything is computed.
        ModelError
            For a hypothesis about what is not in the model, before anything else is computed.
        """
        from bayessem.report.write import report

        return report(
            self,
            path,
            title=title,
            hypotheses=hypotheses,
            random_seed=random_seed,
            progress=progress,
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fit as a folder, which `load` reads and people can read too.

        An older fit of that name is replaced when all is written, so that a full disk or a killed
        process leaves it as it was; other files in its folder, such as a report, stay there.

        Parameters
        ----------
        path : path
            Of the folder: model.txt, data.csv, draws.nc (for ArviZ), estimates.csv, summary.txt,
            and fit.json with settings and the SHA-256 checksums of all of them.

        Returns
        -------
        Path
            Of the folder.

        Raises
        ------
        FitError
            When something else has that name, or the system refuses to write.
        """
        from bayessem.results.run_folder import save

        return save(self, path)


def with_questions[R](result: R) -> R:
    """A result in which every fitted model is a `Fit`: dataclasses and mappings are looked into.

    One that stands in several places is the same `Fit` in all of them.
    """
    return _with_questions(result, {})


def _with_questions[R](result: R, made: dict[int, Any]) -> R:
    if isinstance(result, Fitted):
        if not isinstance(result, Fit) and id(result) not in made:
            made[id(result)] = Fit.of(result)
        return made.get(id(result), result)
    if isinstance(result, dict):
        return {k: _with_questions(v, made) for k, v in result.items()}  # type: ignore[return-value]
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        changed: dict[str, Any] = {}
        for f in dataclasses.fields(result):
            old = getattr(result, f.name)
            new = _with_questions(old, made)
            if new is not old:
                changed[f.name] = new
        return dataclasses.replace(result, **changed)
    return result
