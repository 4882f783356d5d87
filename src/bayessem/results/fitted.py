"""The fitted model as data: draws, the prepared model, settings, and what follows from them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared, flag
from bayessem.errors import FitError, NotSupported
from bayessem.model.answer_engine import on_lattices
from bayessem.model.prepare import Prepared
from bayessem.model.priors import KINDS
from bayessem.model.space import Space, dimension
from bayessem.model.structure import Structure
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.density import Density
from bayessem.posterior.diagnostics import Diagnosis, convergence, diagnose
from bayessem.posterior.settings import Sampling
from bayessem.results.estimates import row_labels, summarise
from bayessem.results.estimates_tables import estimates_tables, r2_table, scale_notes
from bayessem.results.groups import arviz_groups, parameter_draws, parameters_by_kind, table_rows
from bayessem.results.latent_responses import reported
from bayessem.results.standardize import moved_names, r_squared, standardised
from bayessem.results.versions import installed_versions
from bayessem.syntax.parameters import Parameter
from bayessem.syntax.specification import Specification
from bayessem.text.described import Described
from bayessem.text.document import Document, Lines, Notes, Paragraph

if TYPE_CHECKING:
    import xarray as xr

# Draws at which lattices for ordered answers are chosen.
LATTICE_DRAWS = 20
# What is kept about draws of an approximation that were weighted (`Diagnosis.weighted`).
WEIGHTED = ("weights_k", "weights_effective", "integral_error", "integral_noise")


def _coordinate_draws(posterior: xr.DataTree, space: Space) -> np.ndarray:
    """Draws of a space's coordinates (chain, draw, D), found by name.

    Raises
    ------
    FitError
        When the draws are of other parameters.
    """
    others = [k for k in KINDS if k in posterior.data_vars and k not in space.kinds()]
    parts = []
    for kind, where in space.kinds().items():
        names, dim = list(space.names[where]), dimension(kind)
        array = posterior.data_vars.get(kind)
        found = [] if array is None or dim not in array.coords else array[dim].values.tolist()
        if others or array is None or sorted(found) != sorted(names):
            what = others[0] if others else kind
            raise FitError(
                f"the draws are not of the parameters of this model ({what}: it has "
                f"{', '.join(names) if what == kind else 'none'}, the draws "
                f"{', '.join(map(str, found)) or 'none'})"
            )
        if found != names:
            array = array.isel({dim: [found.index(name) for name in names]})
        parts.append(array.transpose("chain", "draw", dim).values)
    # in one layout wherever they come from: sums are the same to the last bit
    return np.ascontiguousarray(np.concatenate(parts, axis=-1))


@dataclass(frozen=True, eq=False, repr=False)
class Fitted(Described):
    """A sampled model as data; `bayessem.Fit` adds the questions one can ask it as methods.

    Attributes
    ----------
    prepared : Prepared
        The model with its data.
    draws : DataTree
        As sampled: `posterior` (standard deviations and correlations rather than variances and
        covariances, vectors by kind), `sample_stats`, `log_likelihood`, `observed_data`. What
        ArviZ reads is `data`.
    settings : dict
        Arguments of `SEM.fit`, with the random seed used.
    timings : dict
        Seconds: before the first draw, sampling, log-likelihood, total.
    notes : tuple of str
        What the check before sampling had to say.
    versions : dict
        Versions of Python and of the packages that sampled it; of a loaded fit, those of that time.
    """

    prepared: Prepared
    draws: xr.DataTree
    settings: dict[str, Any]
    timings: dict[str, float]
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=installed_versions)

    @property
    def specification(self) -> Specification:
        """The model as its text says it."""
        return self.prepared.specification

    @property
    def sampling(self) -> Sampling:
        """How it was sampled; without a progress bar."""
        names = [f.name for f in fields(Sampling) if f.name in self.settings]
        return Sampling(**{k: self.settings[k] for k in names}, progress=False)

    @cached_property
    def values(self) -> np.ndarray:
        """Sampled coordinates (chain, draw, D), in the order of `prepared.space.names`."""
        return _coordinate_draws(self.draws.children["posterior"], self.prepared.space)

    @cached_property
    def density(self) -> Density:
        """The posterior density that was sampled."""
        p = self.prepared
        # Without an integral over the latent variables there are no log-likelihoods (run.py).
        integrate = "log_likelihood" in self.draws.children
        density = posterior_density(p.space, p.structure, p.sample, integrate=integrate)
        if not on_lattices(p.structure):
            return density
        flat = self.values.reshape(-1, self.values.shape[-1])
        some = flat[np.linspace(0, len(flat) - 1, LATTICE_DRAWS).astype(int)]
        return posterior_density(p.space, p.structure, p.sample, at=density.elements(some))

    @cached_property
    def elements(self) -> np.ndarray:
        """Draws of the flat model matrices (chain, draw, elements); see `structure.py`."""
        return reported(self.prepared.structure, self.density.elements(self.values))

    @cached_property
    def row_draws(self) -> np.ndarray:
        """Draws of every row of the table (chain, draw, row), without keeping the matrices."""
        return table_rows(self.prepared, self.density, self.values)

    @cached_property
    def parameters(self) -> xr.DataArray:
        """Draws of the free and defined parameters on lavaan's scale, and of what pooling adds."""
        return parameter_draws(self.prepared, self.row_draws, self.values)

    @cached_property
    def data(self) -> xr.DataTree:
        """For ArviZ; derived from the draws, so that a saved fit has the same.

        Groups: `posterior` (vectors by kind, with the names and on the scale of the summary),
        `sample_stats`, `log_likelihood` (`y` by respondent given covariates, latents integrated
        out), `log_prior` (by kind of `priors=`), `prior` (as many draws as the posterior has),
        `observed_data` (of ordered variables the positions of the categories, from 0),
        `constant_data` (covariates, groups; the model's text as an attribute).
        `posterior_predictive` adds predictive data. Without `prior` when priors are improper or
        their draws too rarely positive definite: `attrs["no_prior"]` says which. Defined parameters
        without a value in some draws are left out (`undefined`): they have no posterior.
        """
        import xarray as xr

        stored = self.draws.children
        parameters = self.parameters.drop_sel(parameter=list(self.undefined))
        if self.draws.attrs.get("population"):
            draws = stored["sample_stats"].to_dataset()["draw"].values
            tree = xr.DataTree.from_dict(
                {
                    "posterior": parameters_by_kind(parameters, draws),
                    "sample_stats": stored["sample_stats"].to_dataset(),
                }
            )
        else:
            tree = arviz_groups(
                self.prepared,
                self.density,
                parameters,
                self.values,
                stored,
                random_seed=self.settings["random_seed"],
            )
        tree.attrs.update(
            {
                "inference_library": "bayessem",
                "inference_library_version": self.versions["bayessem"],
                **self.draws.attrs,
            }
        )
        if self.undefined:
            tree.attrs["undefined"] = ", ".join(self.undefined)
        return tree

    @cached_property
    def undefined(self) -> dict[str, float]:
        """Defined parameters that have no value in some draws, with the share of those draws."""
        names = [row.lhs for row in self.prepared.table.defined]
        lost = np.isnan(self.parameters.sel(parameter=names).values).mean(axis=(0, 1))
        return {name: float(s) for name, s in zip(names, lost, strict=True) if s > 0}

    @cached_property
    def mixing(self) -> pd.DataFrame:
        """R-hat and effective sample sizes (r_hat, ess_bulk, ess_tail), one row a parameter."""
        return convergence(self.parameters.values)

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """Convergence of all sampled and defined parameters, with advice."""
        draws = self.parameters
        stats = {str(k): v.values for k, v in self.draws["sample_stats"].data_vars.items()}
        return diagnose(
            [str(x) for x in draws["parameter"].values],
            draws.values,
            stats,
            table=self.mixing,
            quadrature_error=float(self.draws.attrs.get("quadrature_error", 0.0)),
            quadrature_tail=float(self.draws.attrs.get("quadrature_tail", 0.0)),
            walls=bool(self.prepared.space.proper),
            weighted={k: float(v) for k, v in self.draws.attrs.items() if k in WEIGHTED},
        )

    @cached_property
    def kept(self) -> dict[str, Any]:
        """What took long to compute and follows from the fit alone, by what it is."""
        return {}

    @cached_property
    def _summaries(self) -> dict[float, pd.DataFrame]:
        """Tables of estimates by interval, since printing and saving ask for the same one."""
        return {}

    @check_shared
    def summary(self, *, ci_prob: float = 0.95, labels: bool = False) -> pd.DataFrame:
        """Table of estimates: every free and defined parameter, and fixed loadings (markers).

        Parameters
        ----------
        ci_prob : float
            Probability of the equal-tailed intervals.
        labels : bool
            Add the labels of variables that came with the data (see `bayessem.read_data`) as
            columns lhs_label and rhs_label; "" where there is none.

        Returns
        -------
        DataFrame
            lhs, op, rhs, (group,) label; mean, sd, lower, upper, p_positive of the parameter; std,
            std_lower, std_upper of its standardised value (for a square: of the square of the
            standardised factor) and std_square (of the standardised square, sqrt(2) times that);
            r_hat, ess_bulk, ess_tail. Of a marker the fixed value, and its std. All nan
            for a defined parameter that has no value in some draws (`undefined`).
        """
        if ci_prob not in self._summaries:
            self._summaries[ci_prob] = self._summarise(ci_prob)
        out = self._summaries[ci_prob].copy()
        if flag("labels", labels, FitError):
            known = self.prepared.sample.labels
            after = out.columns.tolist().index("rhs") + 1
            for at, name in enumerate(("lhs", "rhs"), start=after):
                out.insert(at, f"{name}_label", [known.get(x, "") for x in out[name]])
        return out

    def _summarise(self, ci_prob: float) -> pd.DataFrame:
        structure, table = self.prepared.structure, self.prepared.table
        shown = [k for k, r in enumerate(table.rows) if _is_shown(r)]
        fixed = [
            i
            for i, k in enumerate(shown)
            if table.rows[k].free < 0 and table.rows[k].op in ("=~", "<~")
        ]
        draws = self.parameters
        position = {str(n): i for i, n in enumerate(draws["parameter"].values)}
        at = [
            table.rows[k].free if table.rows[k].free >= 0 else position.get(table.rows[k].lhs, 0)
            for k in shown
        ]
        raw = draws.values[..., at]
        std = standardised(structure, self.elements)[..., shown]
        out = row_labels(table, shown)
        main = summarise(raw, ci_prob=ci_prob, quality=False)
        main[["r_hat", "ess_bulk", "ess_tail"]] = self.mixing.to_numpy()[at]
        # A parameter without a value in some draws has no posterior to summarise (`undefined`).
        main[np.isnan(raw).any(axis=(0, 1))] = np.nan
        main.iloc[fixed] = np.nan
        for i in fixed:
            main.loc[i, ["mean", "lower", "upper"]] = table.rows[shown[i]].value
            main.loc[i, "sd"] = 0.0
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

    def to_frame(self) -> pd.DataFrame:
        """The table of estimates: `summary()`."""
        return self.summary()

    @check_shared
    def r2(self, *, ci_prob: float = 0.95) -> pd.DataFrame:
        """Explained share of the variance of each indicator and outcome, from draws."""
        return self._shares(ci_prob)

    def _shares(
        self, ci_prob: float, *, only: Collection[str] | None = None, quality: bool = True
    ) -> pd.DataFrame:
        """`r2`, of all variables or only some, and with or without R-hat (see `summarise`)."""
        structure = self.prepared.structure
        frames = []
        for g, label in enumerate(self.prepared.table.groups):
            shares = r_squared(structure, self.elements, group=g)
            shares = {v: s for v, s in shares.items() if only is None or v in only}
            if not shares:  # nothing is explained by anything
                continue
            draws = np.stack(list(shares.values()), axis=-1)
            frame = summarise(draws, ci_prob=ci_prob, quality=quality)
            frame.insert(0, "variable", list(shares))
            if len(self.prepared.table.groups) > 1:
                frame.insert(1, "group", label)
            frames.append(frame.drop(columns="p_positive"))
        if not frames:
            return pd.DataFrame(columns=["variable", "mean", "sd", "lower", "upper"])
        return pd.concat(frames, ignore_index=True)

    @check_shared
    def document(self, *, ci_prob: float = 0.95) -> Document:
        """The run, its diagnostics, the estimates and R2."""
        settings, sample = self.settings, self.prepared.sample
        count = len(sample.model_groups)
        groups = f" in {count} groups" if count > 1 else ""
        if sample.clusters is not None:
            groups += f", {len(sample.clusters.labels)} clusters ({sample.clusters.column})"
        complete = " (all complete)" if sample.complete else ""
        head = (
            f"bayessem: {sample.size} respondents{complete}{groups}, "
            f"{len(self.prepared.table.parameters)} parameters; {settings['chains']} chains of "
            f"{settings['draws']} draws after {settings['tune']} of warm-up, seed "
            f"{settings['random_seed']}, {self.timings['total']:.1f} s."
        )
        outcomes = {r.lhs for r in self.prepared.table.rows if r.op == "~"}
        explained = self._shares(ci_prob, only=outcomes, quality=False)
        return Document.of(
            Lines((head,)),
            self.diagnosis.document().blocks,
            Lines(self.notes),
            [
                Paragraph(
                    f"WARNING: {name} is not a number in {share:.1%} of the draws (a root of a "
                    "negative number, a division by 0, or the like), so it has no posterior; "
                    "define it so that it has a value everywhere.",
                    warning=True,
                )
                for name, share in self.undefined.items()
            ],
            estimates_tables(self.summary(ci_prob=ci_prob), ci_prob=ci_prob, labels=sample.labels),
            Notes(scale_notes(name for name, _ in self.prepared.table.products)),
            r2_table(explained, ci_prob=ci_prob),
            Notes(slope_notes(self.prepared.structure)),
        )


def _is_shown(row: Parameter) -> bool:
    """Free and defined parameters, and markers: fixed loadings that are not 0."""
    marker = row.op in ("=~", "<~") and row.free < 0 and bool(row.value)
    return row.free >= 0 or row.op == ":=" or marker


def slope_notes(structure: Structure) -> tuple[str, ...]:
    """Why some numbers of level 1 are not there, for a model with random slopes."""
    names = moved_names(structure)
    if not names:
        return ()
    return (
        f"Standardised values and R2 of {', '.join(names)} at level 1 are left out: with random "
        f"slopes ({', '.join(structure.table.slopes)}) their variance depends on the predictors' "
        "values. The mean of a slope is its intercept at level 2.",
    )


def refuse_population(fit: Fitted, what: str) -> None:
    """Refuse what is about respondents for the population of groups (`moderation.population`).

    Raises
    ------
    NotSupported
        Saying what to use.
    """
    if fit.draws.attrs.get("population"):
        raise NotSupported(
            f"the population of groups has no {what}: each respondent belongs to a group, and the "
            "population's mean is about none of them. Use the fit with the groups, from which "
            "population() was taken; its leave_group_out() says how well the population predicts "
            "a new group"
        )
