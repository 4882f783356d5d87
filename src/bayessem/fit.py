"""A sampled model: its draws, what they say, and the folder it is kept in."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import secrets
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.assemble import posterior_density, respondent_order
from bayessem.density import Density
from bayessem.diagnostics import Diagnosis, diagnose
from bayessem.errors import BayessemError, FitError
from bayessem.estimates import defined_draws, free_draws, row_labels, summarise
from bayessem.pooling import Pooling
from bayessem.prepare import Prepared
from bayessem.sampling import approximate, sample
from bayessem.space import dimension
from bayessem.standardize import r_squared, row_values, standardised
from bayessem.starts import initial_point, start_values

if TYPE_CHECKING:
    from bayessem.effects import Effects
    from bayessem.measurement import Measurement
    from bayessem.mediation import Mediation
    from bayessem.sem import SEM
    from bayessem.shape import Shape
    from bayessem.slopes import Slopes
    from bayessem.whatif import WhatIf

# Respondent-level log-likelihoods are kept for every draw while they fit in this many numbers
# (400 MB); beyond, for evenly spaced draws.
LOG_LIKELIHOOD_LIMIT = 50_000_000
# Draws at which the quadrature is checked against four times the nodes.
QUADRATURE_DRAWS = 20
# Kinds of coordinates that describe the population of groups (pooling.py).
POPULATION = ("pool_mean", "pool_sd", "pool_slope")
FORMAT = 1
# Columns of data.csv; no variable of a model can have such a name.
ROW, GROUP = "(row)", "(group)"


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
        `sample_stats`, `log_likelihood` (`y` by respondent, latent variables integrated out),
        `observed_data`.
    settings : dict
        Arguments of `SEM.fit`, with the random seed used.
    timings : dict
        Seconds: before the first draw, sampling, log-likelihood, total.
    notes : tuple of str
        What the check before sampling had to say.
    """

    sem: SEM
    prepared: Prepared
    data: xr.DataTree
    settings: dict[str, Any]
    timings: dict[str, float]
    notes: tuple[str, ...] = ()

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
        return posterior_density(p.space, p.structure, p.sample)

    @cached_property
    def elements(self) -> np.ndarray:
        """Draws of the flat model matrices (chain, draw, elements); see `structure.py`."""
        return self.density.elements(self.values)

    @cached_property
    def parameters(self) -> xr.DataArray:
        """Draws of the free and defined parameters on lavaan's scale, and of what pooling adds."""
        structure, table = self.prepared.structure, self.prepared.table
        free = free_draws(structure, row_values(structure, self.elements))
        defined = defined_draws(table, free)
        coordinates = self.prepared.space.coordinates
        pool = [i for i, c in enumerate(coordinates) if c.kind in POPULATION]
        stacked = np.concatenate(
            [free, *(d[..., None] for d in defined.values()), self.values[..., pool]], axis=-1
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
            frame = summarise(np.stack(list(shares.values()), axis=-1), ci_prob=ci_prob)
            frame.insert(0, "variable", list(shares))
            if len(self.prepared.table.groups) > 1:
                frame.insert(1, "group", label)
            frames.append(frame.drop(columns="p_positive"))
        return pd.concat(frames, ignore_index=True)

    def effects(self, x: str, y: str, **options: Any) -> Effects:
        """Direct, indirect and total effects of x on y; see `bayessem.effects.effects`."""
        from bayessem.effects import effects

        return effects(self, x, y, **options)

    def mediation(self, x: str, y: str, **options: Any) -> Mediation:
        """What mediates the effect of x on y, and how; see `bayessem.mediation.mediation`."""
        from bayessem.mediation import mediation

        return mediation(self, x, y, **options)

    def shape(self, x: str, y: str, **options: Any) -> Shape:
        """Probability of an inverted U and its relatives; see `bayessem.shape.shape`."""
        from bayessem.shape import shape

        return shape(self, x, y, **options)

    def what_if(self, x: str, y: str, **options: Any) -> WhatIf:
        """E[y | do(x)] as a curve; see `bayessem.whatif.what_if`."""
        from bayessem.whatif import what_if

        return what_if(self, x, y, **options)

    def simple_slopes(self, x: str, y: str, moderator: str | None = None, **options: Any) -> Slopes:
        """Slopes of y on x at values of a moderator; see `bayessem.slopes.simple_slopes`."""
        from bayessem.slopes import simple_slopes

        return simple_slopes(self, x, y, moderator, **options)

    def measurement(self, **options: Any) -> Measurement:
        """Quality of the measurement; see `bayessem.measurement.measurement`."""
        from bayessem.measurement import measurement

        return measurement(self, **options)

    def scores(self, **options: Any) -> pd.DataFrame:
        """Latent scores of the respondents; see `bayessem.scores.scores`."""
        from bayessem.scores import scores

        return scores(self, **options)

    def loo(self, **options: Any) -> Any:
        """Leave-one-respondent-out cross-validation: `arviz.loo` of the stored log-likelihoods."""
        import arviz

        return arviz.loo(self.data, **options)

    def __str__(self) -> str:
        from bayessem.listing import fit_text

        return fit_text(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fit as a folder; an older one of that name is replaced when all is written.

        The folder holds `draws.nc` (the DataTree; any netCDF-4 reader opens it), `data.csv` (the
        respondents used), `model.txt`, `fit.json` (settings, seed, versions, hash of the data),
        `estimates.csv` and `summary.txt`.
        """
        target = Path(path)
        if target.exists() and not (target / "fit.json").exists():
            raise FitError(f"{target} exists and is not the folder of a fit; not replaced")
        target.parent.mkdir(parents=True, exist_ok=True)
        mark = secrets.token_hex(4)
        partial = target.with_name(f".{target.name}.partial-{mark}")
        partial.mkdir()
        try:
            self._write(partial)
            _replace(target, partial, old=target.with_name(f".{target.name}.old-{mark}"))
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return target

    def _write(self, folder: Path) -> None:
        sample = self.prepared.sample
        (folder / "model.txt").write_text(self.sem.text, encoding="utf-8")
        frame = pd.DataFrame(sample.values, columns=list(sample.variables), index=sample.rows)
        if len(sample.groups) > 1:
            frame[GROUP] = [sample.groups[g] for g in sample.group]
        pooling, predictor = self.prepared.pooling, self.prepared.predictor
        if pooling is not None and predictor is not None and pooling.by not in frame:
            frame[pooling.by] = predictor[sample.group]
        frame.to_csv(folder / "data.csv", index_label=ROW, float_format="%.17g")
        self.data.to_netcdf(folder / "draws.nc", engine="h5netcdf")
        self.summary().to_csv(folder / "estimates.csv", index=False)
        (folder / "summary.txt").write_text(str(self) + "\n", encoding="utf-8")
        about = {
            "format": FORMAT,
            "model_options": {k: _plain(v) for k, v in self.sem.options.items()},
            "settings": {k: _plain(v) for k, v in self.settings.items()},
            "timings": self.timings,
            "notes": list(self.notes),
            "groups": list(sample.groups),
            "data_hash": sample.hash,
            "respondents": sample.size,
            "dropped_rows": [str(x) for x in sample.dropped],
            "versions": versions(),
        }
        (folder / "fit.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _replace(target: Path, new: Path, *, old: Path) -> None:
    """Give a finished folder its name; the one that had it moves to `old` and goes at the end."""
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _plain(value: Any) -> Any:
    """Something JSON can hold."""
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that the numbers depend on."""
    out = {"python": platform.python_version()}
    for name in ("bayessem", "numpy", "scipy", "numba", "nutpie", "pymc", "arviz", "xarray"):
        try:
            out[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out


def load(path: str | os.PathLike[str]) -> Fit:
    """Read a fit that `Fit.save` wrote.

    Raises
    ------
    FitError
        When the folder is no fit, or its data are not those it was fitted to.
    """
    from bayessem.sem import SEM

    folder = Path(path)
    try:
        about = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise FitError(f"{folder} has format {about['format']}; this version reads {FORMAT}")
        text = (folder / "model.txt").read_text(encoding="utf-8")
        frame = _read_data(folder / "data.csv")
        with xr.open_datatree(folder / "draws.nc", engine="h5netcdf") as tree:
            data = tree.load()
    except (OSError, ValueError, KeyError) as error:
        raise FitError(f"{folder} is not the folder of a fit: {error}") from None
    sem = SEM(text, **about["model_options"])
    settings = about["settings"]
    grouped = len(about["groups"]) > 1 or settings["group"] is not None
    prepared = sem.prepare(
        frame if GROUP in frame or not grouped else frame.assign(**{GROUP: about["groups"][0]}),
        group=GROUP if grouped else None,
        group_order=about["groups"] if grouped else None,
        missing=settings["missing"],
        priors=settings["priors"],
        pooling=None if settings["pooling"] is None else _pooling(settings["pooling"]),
    )
    if prepared.sample.hash != about["data_hash"]:
        raise FitError(f"{folder}: data.csv is not the data that the model was fitted to")
    return Fit(sem, prepared, data, settings, about["timings"], tuple(about["notes"]))


def _read_data(path: Path) -> pd.DataFrame:
    """The respondents as they were, to the last digit; only an empty cell is missing."""
    text = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=ROW)
    numbers = {
        name: [float(cell) if cell else np.nan for cell in text[name]]
        for name in text.columns
        if name != GROUP
    }
    return text.assign(**numbers)


def _pooling(saved: dict[str, Any]) -> Pooling:
    return Pooling(saved["how"], tuple(saved["parameters"]), saved["by"])


def run(
    sem: SEM,
    prepared: Prepared,
    settings: dict[str, Any],
    *,
    notes: tuple[str, ...],
    progress: bool,
    began: float,
) -> Fit:
    """Sample a prepared model and put the result together; called by `SEM.fit`."""
    if settings["random_seed"] is None:
        settings = {**settings, "random_seed": int(np.random.default_rng().integers(2**31))}
    engine = settings["engine"]
    if settings["latents"] == "sampled":
        if engine == "native":
            raise FitError('latents="sampled" is a PyMC model: use engine="auto" or "pymc"')
        engine = "pymc"
    engine = "native" if engine == "auto" else engine
    settings = {**settings, "engine": engine}
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    start = initial_point(
        prepared.space,
        prepared.table,
        start_values(prepared.structure, prepared.covariances, prepared.means),
    )
    approximation = approximate(density, start)
    keys = ("draws", "tune", "chains", "cores", "random_seed", "target_accept")
    options = {k: settings[k] for k in keys}
    ready = time.perf_counter()
    if engine == "native":
        result = sample(approximation, progress=progress, **options)
    else:
        from bayessem.pymc_sampling import sample_pymc

        result = sample_pymc(
            prepared, approximation, latents=settings["latents"], progress=progress, **options
        )
    sampled = time.perf_counter()
    data = _tree(prepared, density, result.values, result.stats)
    data.attrs["quadrature_error"] = _quadrature_error(prepared, density, result.values)
    done = time.perf_counter()
    timings = {
        "before_first_draw": ready - began,
        "sampling": sampled - ready,
        "log_likelihood": done - sampled,
        "total": done - began,
    }
    return Fit(sem, prepared, data, settings, timings, notes)


def _tree(
    prepared: Prepared, density: Density, values: np.ndarray, stats: dict[str, np.ndarray]
) -> xr.DataTree:
    """Draws as a DataTree in ArviZ's layout."""
    space, sample = prepared.space, prepared.sample
    chains, draws = values.shape[:2]
    axes = {"chain": np.arange(chains), "draw": np.arange(draws)}
    posterior = xr.Dataset(coords=axes)
    for kind, where in space.kinds().items():
        names = list(space.names[where])
        posterior[kind] = xr.DataArray(
            values[..., where],
            dims=("chain", "draw", dimension(kind)),
            coords={dimension(kind): names},
        )
    step = int(np.ceil(chains * draws * sample.size / LOG_LIKELIHOOD_LIMIT))
    kept = np.arange(0, draws, step)
    log_likelihood = density.respondent_log_likelihood(values[:, kept])
    log_likelihood = log_likelihood[..., respondent_order(sample)]
    rows = [str(x) for x in sample.rows]
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": xr.Dataset(
                {name: (("chain", "draw"), array) for name, array in stats.items()}, coords=axes
            ),
            "log_likelihood": xr.Dataset(
                {"y": (("chain", "draw", "respondent"), log_likelihood)},
                coords={"chain": axes["chain"], "draw": kept, "respondent": rows},
            ),
            "observed_data": xr.Dataset(
                {"y": (("respondent", "indicator"), sample.values)},
                coords={"respondent": rows, "indicator": list(sample.variables)},
            ),
        }
    )
    tree.attrs["data_hash"] = sample.hash
    return tree


def _quadrature_error(prepared: Prepared, density: Density, values: np.ndarray) -> float:
    """Largest change of a draw's log-likelihood with four times the nodes; 0 for linear models."""
    if not prepared.structure.products:
        return 0.0
    from bayessem.likelihood.plan import REACH, STEP

    flat = values.reshape(-1, values.shape[-1])
    some = flat[np.linspace(0, len(flat) - 1, QUADRATURE_DRAWS).astype(int)]
    fine = posterior_density(
        prepared.space,
        prepared.structure,
        prepared.sample,
        reach=REACH + 8.0,
        step=STEP / 4.0,
    )
    coarse = density.respondent_log_likelihood(some).sum(axis=1)
    return float(np.abs(coarse - fine.respondent_log_likelihood(some).sum(axis=1)).max())


__all__ = ["BayessemError", "Fit", "load", "run", "versions"]
