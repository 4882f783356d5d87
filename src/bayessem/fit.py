"""A sampled model: its draws, what they say, and the folder it is kept in."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.comparison.criterion import refuse_population
from bayessem.model.prepare import Prepared
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.density import Density
from bayessem.posterior.diagnostics import Diagnosis, diagnose
from bayessem.results.estimates import defined_draws, free_draws, row_labels, summarise
from bayessem.results.standardize import r_squared, row_values, standardised
from bayessem.syntax.arguments import known_options
from bayessem.versions import installed_versions

if TYPE_CHECKING:
    from bayessem.comparison.groups_out import GroupsOut
    from bayessem.comparison.kfold import KFold
    from bayessem.comparison.loo import Loo
    from bayessem.comparison.pit import LooPit
    from bayessem.criticism.indices import Indices
    from bayessem.criticism.modification import Modifications
    from bayessem.criticism.predictive import PredictiveCheck
    from bayessem.criticism.residuals import Residuals
    from bayessem.criticism.sensitivity import Sensitivity
    from bayessem.effects.effects import Effects
    from bayessem.effects.mediation import Mediation
    from bayessem.effects.slopes import Slopes
    from bayessem.effects.whatif import WhatIf
    from bayessem.measurement.quality import Measurement
    from bayessem.moderation.report import PoolingReport
    from bayessem.results.predict import Prediction
    from bayessem.sem import SEM
    from bayessem.shapes.shape import Shape

# Kinds of coordinates that describe the population of groups (pooling.py).
POPULATION = ("pool_mean", "pool_sd", "pool_slope", "pool_link")
# Draws of a chain whose model matrices are in memory together.
DRAWS_AT_ONCE = 50


@dataclass(frozen=True)
class Fit:
    """A sampled structural equation model.

    Attributes
    ----------
    sem : SEM
        The model.
    prepared : Prepared
        The model with its data.
    data : DataTree
        For ArviZ: `posterior` (vectors by kind with lavaan's names as coordinates),
        `sample_stats`, `log_likelihood` (`y` by respondent given covariates, latents integrated
        out), `observed_data`.
    settings : dict
        Arguments of `SEM.fit`, with the random seed used.
    timings : dict
        Seconds: before the first draw, sampling, log-likelihood, total.
    notes : tuple of str
        What the check before sampling had to say.
    versions : dict
        Versions of Python and of the packages that sampled it; of a loaded fit, those of that time.
    """

    sem: SEM
    prepared: Prepared
    data: xr.DataTree
    settings: dict[str, Any]
    timings: dict[str, float]
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=installed_versions)

    @cached_property
    def values(self) -> np.ndarray:
        """Sampled coordinates (chain, draw, D), in the order of `prepared.space.names`."""
        posterior = self.data["posterior"]
        return np.concatenate(
            [posterior[kind].values for kind in self.prepared.space.kinds()], axis=-1
        )

    @cached_property
    def density(self) -> Density:
        """The posterior density that was sampled."""
        p = self.prepared
        # Without an integral over the latent variables there are no log-likelihoods (run.py).
        integrate = "log_likelihood" in self.data.children
        return posterior_density(p.space, p.structure, p.sample, integrate=integrate)

    @cached_property
    def elements(self) -> np.ndarray:
        """Draws of the flat model matrices (chain, draw, elements); see `structure.py`."""
        return self.density.elements(self.values)

    @cached_property
    def row_draws(self) -> np.ndarray:
        """Draws of every row of the table (chain, draw, row), without keeping the matrices."""
        structure, values, step = self.prepared.structure, self.values, DRAWS_AT_ONCE
        matrices = (
            self.density.elements(values[:, i : i + step]) for i in range(0, values.shape[1], step)
        )
        return np.concatenate([row_values(structure, m) for m in matrices], axis=1)

    @cached_property
    def parameters(self) -> xr.DataArray:
        """Draws of the free and defined parameters on lavaan's scale, and of what pooling adds."""
        structure, table = self.prepared.structure, self.prepared.table
        free = free_draws(structure, self.row_draws)
        defined = defined_draws(table, free)
        coordinates = self.prepared.space.coordinates
        pool = [i for i, c in enumerate(coordinates) if c.kind in POPULATION]
        scales = self.prepared.space.typical_sds
        # standard deviations are sampled, lavaan's scale is that of variances
        power = np.array([2.0 if coordinates[i].name in scales else 1.0 for i in pool])
        stacked = np.concatenate(
            [free, *(d[..., None] for d in defined.values()), self.values[..., pool] ** power],
            axis=-1,
        )
        names = [*table.parameters, *defined, *(coordinates[i].name for i in pool)]
        return xr.DataArray(
            stacked,
            dims=("chain", "draw", "parameter"),
            coords={"parameter": names},
            name="parameters",
        )

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """Convergence of all sampled and defined parameters, with advice."""
        draws = self.parameters
        stats = {str(k): v.values for k, v in self.data["sample_stats"].data_vars.items()}
        return diagnose(
            [str(x) for x in draws["parameter"].values],
            draws.values,
            stats,
            quadrature_error=float(self.data.attrs.get("quadrature_error", 0.0)),
            walls=bool(self.prepared.space.proper),
        )

    @cached_property
    def _summaries(self) -> dict[float, pd.DataFrame]:
        """Tables of estimates by interval, since printing and saving ask for the same one."""
        return {}

    def summary(self, *, ci_prob: float = 0.95) -> pd.DataFrame:
        """Table of estimates: every free and defined parameter.

        Parameters
        ----------
        ci_prob : float
            Probability of the equal-tailed intervals.

        Returns
        -------
        DataFrame
            lhs, op, rhs, (group,) label; mean, sd, lower, upper, p_positive of the parameter; std,
            std_lower, std_upper of its standardised value (for a square: of the square of the
            standardised factor) and std_square (of the standardised square, sqrt(2) times that);
            r_hat, ess_bulk, ess_tail.
        """
        if ci_prob not in self._summaries:
            self._summaries[ci_prob] = self._summarise(ci_prob)
        return self._summaries[ci_prob].copy()

    def _summarise(self, ci_prob: float) -> pd.DataFrame:
        structure, table = self.prepared.structure, self.prepared.table
        shown = [k for k, r in enumerate(table.rows) if r.free >= 0 or r.op == ":="]
        draws = self.parameters
        position = {str(n): i for i, n in enumerate(draws["parameter"].values)}
        raw = draws.values[
            ...,
            [
                table.rows[k].free if table.rows[k].free >= 0 else position[table.rows[k].lhs]
                for k in shown
            ],
        ]
        std = standardised(structure, self.elements)[..., shown]
        out = row_labels(table, shown)
        main = summarise(raw, ci_prob=ci_prob)
        scaled = summarise(std, ci_prob=ci_prob, quality=False)
        out = pd.concat([out, main[["mean", "sd", "lower", "upper", "p_positive"]]], axis=1)
        out[["std", "std_lower", "std_upper"]] = scaled[["mean", "lower", "upper"]]
        if structure.products:
            products = [
                k in structure.places and structure.places[k].matrix == "products" for k in shown
            ]
            square = standardised(structure, self.elements, square="square")[..., shown]
            means = np.mean(square, axis=(0, 1))
            out["std_square"] = np.where(products, means, np.nan)
        out[["r_hat", "ess_bulk", "ess_tail"]] = main[["r_hat", "ess_bulk", "ess_tail"]]
        return out

    def r2(self, *, ci_prob: float = 0.95) -> pd.DataFrame:
        """Explained share of the variance of each indicator and outcome, from draws."""
        structure = self.prepared.structure
        frames = []
        for g, label in enumerate(self.prepared.table.groups):
            shares = r_squared(structure, self.elements, group=g)
            if not shares:  # nothing is explained by anything
                return pd.DataFrame(columns=["variable", "mean", "sd", "lower", "upper"])
            frame = summarise(np.stack(list(shares.values()), axis=-1), ci_prob=ci_prob)
            frame.insert(0, "variable", list(shares))
            if len(self.prepared.table.groups) > 1:
                frame.insert(1, "group", label)
            frames.append(frame.drop(columns="p_positive"))
        return pd.concat(frames, ignore_index=True)

    def effects(self, x: str, y: str, **options: Any) -> Effects:
        """Direct, indirect and total effects of x on y; see `bayessem.effects.effects.effects`."""
        from bayessem.effects.effects import effects

        return effects(self, x, y, **known_options(effects, options))

    def mediation(self, x: str, y: str, **options: Any) -> Mediation:
        """What mediates the effect of x on y, and how; see `effects.mediation`."""
        from bayessem.effects.mediation import mediation

        return mediation(self, x, y, **known_options(mediation, options))

    def shape(self, x: str, y: str, **options: Any) -> Shape:
        """Probability of an inverted U and its relatives; see `bayessem.shapes.shape.shape`."""
        from bayessem.shapes.shape import shape

        return shape(self, x, y, **known_options(shape, options))

    def what_if(self, x: str, y: str, **options: Any) -> WhatIf:
        """E[y | do(x)] as a curve; see `bayessem.effects.whatif.what_if`."""
        from bayessem.effects.whatif import what_if

        return what_if(self, x, y, **known_options(what_if, options))

    def simple_slopes(self, x: str, y: str, moderator: str | None = None, **options: Any) -> Slopes:
        """Slopes of y on x at values of a moderator; see `effects.slopes`."""
        from bayessem.effects.slopes import simple_slopes

        return simple_slopes(self, x, y, moderator, **known_options(simple_slopes, options))

    def measurement(self, **options: Any) -> Measurement:
        """Quality of the measurement; see `bayessem.measurement.quality.measurement`."""
        from bayessem.measurement.quality import measurement

        return measurement(self, **known_options(measurement, options))

    def scores(self, **options: Any) -> pd.DataFrame:
        """Latent scores of the respondents; see `bayessem.results.scores.scores`."""
        from bayessem.results.scores import scores

        return scores(self, **known_options(scores, options))

    def predict(self, new_rows: pd.DataFrame, **options: Any) -> Prediction:
        """Predict what is unknown in new rows; see `bayessem.results.predict.predict`."""
        from bayessem.results.predict import predict

        return predict(self, new_rows, **known_options(predict, options))

    def loo(self, **options: Any) -> Loo:
        """Leave-one-respondent-out cross-validation, repaired; see `comparison.loo.loo`."""
        from bayessem.comparison.loo import loo

        return loo(self, **known_options(loo, options))

    def kfold(self, **options: Any) -> KFold:
        """K-fold cross-validation by refits; see `comparison.kfold.kfold`."""
        from bayessem.comparison.kfold import kfold

        return kfold(self, **known_options(kfold, options))

    def pooling(self, **options: Any) -> PoolingReport:
        """Partially pooled parameters: population, groups; see `moderation.report`."""
        from bayessem.moderation.report import pooling_report

        return pooling_report(self, **known_options(pooling_report, options, name="pooling"))

    def population(self, *, at: float | None = None) -> Fit:
        """The fit for the average of the population of groups; see `moderation.population`."""
        from bayessem.moderation.population import population

        return population(self, at=at)

    def leave_group_out(self, **options: Any) -> GroupsOut:
        """Leave-one-group-out cross-validation; see `comparison.groups_out.leave_group_out`."""
        from bayessem.comparison.groups_out import leave_group_out

        return leave_group_out(self, **known_options(leave_group_out, options))

    def loo_pit(self, **options: Any) -> LooPit:
        """Calibration of each indicator's predictions; see `comparison.pit.loo_pit`."""
        from bayessem.comparison.pit import loo_pit

        return loo_pit(self, **known_options(loo_pit, options))

    def report(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """Write everything that reviewers ask for as one HTML file; see `report.write`."""
        from bayessem.report.write import report

        return report(self, path, **known_options(report, options))

    def indices(self, **options: Any) -> Indices:
        """PPP and Bayesian fit indices; see `bayessem.criticism.indices.fit_indices`."""
        from bayessem.criticism.indices import fit_indices

        refuse_population(self, "fit indices")
        return fit_indices(self, **known_options(fit_indices, options, name="indices"))

    def residuals(self, **options: Any) -> Residuals:
        """Residual correlations and means; see `criticism.residuals`."""
        from bayessem.criticism.residuals import residuals

        refuse_population(self, "residuals")
        return residuals(self, **known_options(residuals, options))

    def modification_indices(self, **options: Any) -> Modifications:
        """What freeing each fixed loading or covariance would do; see `criticism.modification`."""
        from bayessem.criticism.modification import modification_indices

        refuse_population(self, "modification indices")
        return modification_indices(self, **known_options(modification_indices, options))

    def predictive_check(self, check: str = "correlations", **options: Any) -> PredictiveCheck:
        """The data beside data drawn from the model; see `criticism.predictive`."""
        from bayessem.criticism.predictive import predictive_check

        refuse_population(self, "predictive checks")
        return predictive_check(self, check, **known_options(predictive_check, options))

    def posterior_predictive(self, **options: Any) -> xr.DataTree:
        """`data` with a `posterior_predictive` group, for ArviZ; see `criticism.replicate`."""
        from bayessem.criticism.replicate import posterior_predictive

        refuse_population(self, "posterior predictive data")
        return posterior_predictive(self, **known_options(posterior_predictive, options))

    def sensitivity(self, **options: Any) -> Sensitivity:
        """How results answer to prior and data (power-scaling); see `criticism.sensitivity`."""
        from bayessem.criticism.sensitivity import sensitivity

        refuse_population(self, "sensitivity to data")
        return sensitivity(self, **known_options(sensitivity, options))

    def __str__(self) -> str:
        from bayessem.syntax.listing import fit_text

        return fit_text(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fit as a folder; an older one of that name is replaced when all is written.

        The folder holds `draws.nc` (the DataTree; any netCDF-4 reader opens it), `data.csv` (the
        respondents used), `model.txt`, `fit.json` (settings, seed, versions, hash of the data),
        `estimates.csv` and `summary.txt`.
        """
        from bayessem.run_folder import save

        return save(self, path)
