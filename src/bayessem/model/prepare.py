"""A model meets its data: everything that is known before the first likelihood evaluation."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bayessem.errors import ModelError, NotSupported
from bayessem.model.answer_engine import BY_POOLING, on_lattices, require_nodes
from bayessem.model.categories import cuts
from bayessem.model.clusters import require_cluster_argument
from bayessem.model.composites import item_covariances
from bayessem.model.conditioning import condition
from bayessem.model.covariance_input import require_respondents
from bayessem.model.data import Sample, check_groups, read_sample
from bayessem.model.design import check_design
from bayessem.model.elimination import eliminate
from bayessem.model.files import read_for
from bayessem.model.group_column import group_labels, require_group
from bayessem.model.level_data import check_clusters, crossed_note, level_moments
from bayessem.model.parameterization import check_delta
from bayessem.model.pooled_space import pool_space
from bayessem.model.pooling import (
    Pooling,
    group_predictor,
    split_priors,
    table_options,
    with_free_means,
)
from bayessem.model.prior_checks import by_name, check_priors, check_used
from bayessem.model.priors import Prior
from bayessem.model.space import Space, build_space
from bayessem.model.structure import Structure, build_structure
from bayessem.syntax.expression import names
from bayessem.syntax.parameters import ParameterTable
from bayessem.syntax.rows import row_name_key
from bayessem.syntax.specification import Specification
from bayessem.syntax.statements import Statement
from bayessem.syntax.table import build_table

if TYPE_CHECKING:
    import pandas as pd

# Below this share of its variance over all a variable is constant within a group.
SMALLEST_VARIANCE = 1e-6


@dataclass(frozen=True)
class Prepared:
    """A model with its data.

    Attributes
    ----------
    specification : Specification
        The model as its text says it.
    asked : dict
        How the data were to be read and what was to be believed: group, group_order, missing,
        priors (as text), pooling (its fields); what `prepare` was called with.
    table, structure, sample, space
        The model, its matrices, its respondents, its sampled coordinates.
    covariances, means : ndarray (group, p, p), (group, p)
        Moments of the observed variables by group (divisor n; of available pairs where values are
        missing), for start values and covariates.
    pooling : Pooling or None
        How parameters differ between groups.
    predictor : ndarray (group,) or None
        Group-level predictor of partial pooling.
    refused : str
        Why the model cannot be sampled, "" when it can.
    notes : tuple of str
        What was done to the respondents, in words.
    unpooled : Space or None
        With partial pooling, the coordinates of the same model without it.
    repeated : tuple of str
        Terms that the text says twice, which count once.
    zero_mean : tuple of str
        Partially pooled parameters whose mean over the population of groups is fixed at 0.
    """

    specification: Specification
    asked: dict[str, Any]
    table: ParameterTable
    structure: Structure
    sample: Sample
    space: Space
    covariances: np.ndarray
    means: np.ndarray
    pooling: Pooling | None = None
    predictor: np.ndarray | None = None
    refused: str = ""
    notes: tuple[str, ...] = ()
    unpooled: Space | None = None
    repeated: tuple[str, ...] = ()
    zero_mean: tuple[str, ...] = ()

    @property
    def kinds(self) -> set[str]:
        """Kinds of its parameters, with partial pooling those without it, too."""
        spaces = (self.space, self.unpooled or self.space)
        return {c.kind for space in spaces for c in space.coordinates}

    def check_sampling(self) -> None:
        """Refuse a model whose constraints maximum likelihood has but sampling has not.

        Raises
        ------
        NotSupported
            Naming the constraint.
        """
        if self.refused:
            raise NotSupported(self.refused)


def sample_moments(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Covariances and means by group, (group, p, p) and (group, p); positive definite.

    A variable that is constant within a group has there the variance that it has over all: the
    likelihood given a covariate does not depend on it, but has to divide by it, and standardised
    effects of a covariate of clusters are about its differences between them. One without values
    in a group has its mean over all.

    With missing values the moments are of the available values, and the covariance matrix is
    shrunk towards its diagonal as far as positive definiteness needs.
    """
    covariances, means = [], []
    least = SMALLEST_VARIANCE * sample.sds**2
    for g in range(len(sample.groups)):
        own = sample.group == g
        values = sample.scores[own]
        known = ~np.isnan(values)
        weights = None if sample.weights is None else sample.weights[own, None]
        counted = known.astype(float) if weights is None else weights * known
        count = counted.sum(axis=0)
        total = np.where(known, values if weights is None else weights * values, 0.0).sum(axis=0)
        mean = np.where(count > 0, total / np.where(count > 0, count, 1.0), sample.means)
        centred = values - mean
        filled = np.where(known, centred, 0.0)
        pairs = counted.T @ known
        products = filled.T @ (filled if weights is None else weights * filled)
        covariance = products / np.where(pairs > 0, pairs, 1.0)
        constant = np.diag(covariance) < least
        covariance[constant] = covariance[:, constant] = 0.0
        covariance = covariance + np.diag(np.where(constant, sample.sds**2, 0.0))
        if not known.all():
            sd = np.sqrt(np.diag(covariance))
            correlation = covariance / np.outer(sd, sd)
            lowest = np.linalg.eigvalsh(correlation)[0]
            if lowest < 0.02:
                keep = (1.0 - 0.02) / (1.0 - lowest)
                correlation = keep * correlation + (1.0 - keep) * np.eye(len(sd))
            covariance = correlation * np.outer(sd, sd)
        covariances.append(covariance)
        means.append(mean)
    return np.array(covariances), np.array(means)


def moments_of(sample: Sample, table: ParameterTable) -> tuple[np.ndarray, np.ndarray]:
    """Covariances and means by group, or by block of a two-level model; positive definite."""
    return level_moments(sample, table) if table.levels > 1 else sample_moments(sample)


def prepare(
    specification: Specification,
    data: pd.DataFrame | str | os.PathLike[str],
    *,
    group: str | None = None,
    group_order: Sequence[str] | None = None,
    missing: str = "fiml",
    priors: Mapping[str, str | Prior] | None = None,
    pooling: Pooling | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    robust: bool = False,
) -> Prepared:
    """Build the table for the groups in the data, and read, check and describe the data.

    Parameters
    ----------
    specification : Specification
        The model.
    data : DataFrame or path
        One row a respondent; of a Parquet file only the columns of the model are read, in batches.
    group, group_order, missing
        See `data.read_sample`.
    priors : mapping, optional
        Prior by parameter name, label or kind.
    pooling : Pooling, optional
        How parameters differ between groups (`pooling.partial` and its siblings).
    cluster : str, optional
        Column with the clusters of a two-level model, or of one without levels whose accuracy is to
        be robust to them (with `weights` or `robust`).
    weights : str, optional
        Column with sampling weights.
    robust : bool
        Whether accuracy will be found from the variance of scores.

    Raises
    ------
    BayessemError
        DataError, ModelError, PriorError or NotSupported, naming what is wrong.
    """
    statements, options = specification.statements, specification.options
    check_priors(priors)
    asked = _asked(group, group_order, missing, priors, pooling, cluster, weights)
    if pooling is not None:
        _check_pooling(pooling, group)
        options = table_options(pooling, options)
    require_cluster_argument(cluster, specification.table, design=robust or weights is not None)
    levels = specification.table.levels
    if weights is not None:
        check_design(build_structure(specification.table), weights=weights, cluster=cluster)
    first = {k: v for k, v in options.items() if k != "group_partial"}
    plain = build_table(statements, groups=specification.groups, **first)
    by = None if pooling is None else pooling.by
    extra = [name for name in (group, cluster, weights, by) if isinstance(name, str)]
    only = set(plain.observed) - set(plain.ordered) - set(extra)
    data, columns = read_for(data, [*plain.observed, *extra], as_numbers=only)
    _check_labels(plain, statements, columns)
    sample = read_sample(
        data,
        plain.observed,
        group=group,
        groups=group_order,
        missing=missing,
        constructs=plain.latent,
        ordered=plain.ordered,
        cluster=cluster if levels > 1 else None,
        between=plain.between_only,
        weights=weights,
        drawn_in=cluster if levels == 1 else None,
        responses=plain.responses,
    )
    predictor = _predictor(pooling, data, group, sample.groups)
    return prepare_sample(
        specification, sample, asked=asked, priors=priors, pooling=pooling, predictor=predictor
    )


def prepare_sample(
    specification: Specification,
    sample: Sample,
    *,
    asked: dict[str, Any],
    priors: Mapping[str, str | Prior] | None = None,
    pooling: Pooling | None = None,
    predictor: np.ndarray | None = None,
) -> Prepared:
    """What `prepare` does after the data frame is read; a saved fit begins here.

    Parameters
    ----------
    specification, priors, pooling
        As in `prepare`.
    sample : Sample
        The respondents.
    asked : dict
        For the record; see `Prepared`.
    predictor : ndarray (group,), optional
        The group-level predictor, where pooling has one.

    Raises
    ------
    BayessemError
        DataError, ModelError, PriorError or NotSupported, naming what is wrong.
    """
    # in one layout wherever they come from: sums are the same to the last bit
    sample = replace(sample, values=np.ascontiguousarray(sample.values))
    table, zero_mean = _table(specification, sample, pooling)
    structure = build_structure(table)
    check_delta(structure)
    if structure.products:
        require_respondents(sample, "the likelihood of a product term")
    sample, notes = condition(sample, table)
    sample, notes = _designed(sample, structure, notes)
    partial = pooling if pooling is not None and pooling.how == "partial" else None
    if partial is not None:
        _refuse_partial(structure, sample)
    _refuse_answered_composites(table)
    if table.levels > 1:
        _refuse_pooled_levels(pooling)
        check_clusters(sample, table)
        notes = (*notes, *crossed_note(sample))
    elif asked["group"] is not None:
        pooled = partial.parameters if partial is not None else ()
        keys = {key for key in map(row_name_key, pooled) if key is not None}
        check_groups(sample, table, group=asked["group"], pooled=keys)
    covariances, means = moments_of(sample, table)
    space, unpooled = _spaces(
        structure,
        sample,
        (covariances, means),
        by_name(priors, table),
        partial,
        predictor=predictor,
        zero_mean=zero_mean,
    )
    space, refused = _constrained(space, structure)
    return Prepared(
        specification,
        asked,
        table,
        structure,
        sample,
        space,
        covariances,
        means,
        pooling=pooling,
        predictor=predictor,
        refused=refused,
        notes=notes,
        unpooled=unpooled,
        repeated=_repeated(specification.statements),
        zero_mean=zero_mean,
    )


def _table(
    specification: Specification, sample: Sample, pooling: Pooling | None
) -> tuple[ParameterTable, tuple[str, ...]]:
    """The table of the sample's groups and categories, and which means are pooled about 0."""
    model: Sequence[Statement] = specification.statements
    options = specification.options
    zero_mean: tuple[str, ...] = ()
    if pooling is not None:
        options = table_options(pooling, options)
        first: dict[str, Any] = {k: v for k, v in options.items() if k != "group_partial"}
        plain = build_table(model, groups=specification.groups, **first)
        model, zero_mean = with_free_means(model, plain, pooling, groups=len(sample.groups))
    table = build_table(model, groups=sample.model_groups, categories=sample.ordered, **options)
    if sample.ordered:
        found = {
            name: cuts(sample.values[:, sample.variables.index(name)], count)
            for name, count in sample.ordered.items()
        }
        table = replace(table, responses=replace(table.responses, cuts=found))
    return table, zero_mean


def _designed(
    sample: Sample, structure: Structure, notes: tuple[str, ...]
) -> tuple[Sample, tuple[str, ...]]:
    """A sample drawn by a design with the weights that count, and a note that says so."""
    if sample.design is None:
        return sample, notes
    design = sample.design.scaled()
    check_design(structure, weights=design.column or None, cluster=design.cluster or None)
    return replace(sample, design=design), (*notes, f"respondents are {design.said}")


def _spaces(
    structure: Structure,
    sample: Sample,
    moments: tuple[np.ndarray, np.ndarray],
    priors: Mapping[str, str | Prior] | None,
    partial: Pooling | None,
    *,
    predictor: np.ndarray | None,
    zero_mean: tuple[str, ...],
) -> tuple[Space, Space | None]:
    """The parameters with their priors; and, where groups are partially pooled, those before it."""
    own: Mapping[str, str | Prior] = {}
    if partial is not None:
        own, priors = split_priors(partial, priors)
    covariances, means = moments
    space = build_space(
        structure,
        means=sample.means,
        sds=sample.sds,
        covariances=covariances,
        group_means=means,
        priors=priors,
        items=item_covariances(structure, sample),
    )
    check_used(priors, structure.table, {c.kind for c in space.coordinates})
    if partial is None:
        return space, None
    pooled = pool_space(
        space, structure, partial, predictor=predictor, priors=own, zero_mean=zero_mean
    )
    return pooled, space


def _refuse_answered_composites(table: ParameterTable) -> None:
    """Refuse composites beside answers, counts and the like (`NotSupported`)."""
    if table.answered and table.composites:
        raise NotSupported(
            f"composites are not there yet in models with {table.answers_said}: sums over "
            "constructs need answers and items that are independent given the constructs, and the "
            f"items of a composite are not; leave {table.declared} out (the answers are then "
            "numbers)"
        )


def _refuse_pooled_levels(pooling: Pooling | None) -> None:
    """Refuse pooling in a two-level model (`NotSupported`)."""
    if pooling is not None:
        raise NotSupported(
            "pooling= is not there yet in two-level models; leave it out (group_equal= makes "
            "parameters equal across groups)"
        )


def _refuse_partial(structure: Structure, sample: Sample) -> None:
    """Refuse what partial pooling is not there for (`NotSupported`, naming it)."""
    table = structure.table
    instead = "pool completely or not at all (pooling=bs.no_pooling(...))"
    if sample.weights is not None:
        raise NotSupported(
            f"weights= is not there yet with partial pooling; {instead}, or leave the weights out"
        )
    if table.heavy_tailed:
        raise NotSupported(
            f"partial pooling is not there yet for models with heavy tails; {instead}, or leave "
            "family= out"
        )
    if on_lattices(structure):
        require_nodes(structure, sample, BY_POOLING)
    if table.composites:
        raise NotSupported(
            "partial pooling is not there yet for models with composites, whose scale differs "
            "between groups; pool completely (group_equal=...) or not at all "
            "(pooling=bs.no_pooling(...))"
        )


def _asked(
    group: str | None,
    group_order: Sequence[str] | None,
    missing: str,
    priors: Mapping[str, str | Prior] | None,
    pooling: Pooling | None,
    cluster: str | None,
    weights: str | None,
) -> dict[str, Any]:
    """The arguments of `prepare` as plain values, for the record."""
    given = (priors or {}).items()
    return {
        "group": group,
        "group_order": _plain_labels(group_order),
        "missing": missing,
        "priors": {k: v if isinstance(v, str) else v.text for k, v in given},
        "pooling": asdict(pooling) if isinstance(pooling, Pooling) else None,
        "cluster": cluster,
        "weights": weights,
    }


def _plain_labels(labels: object) -> object:
    """Names of groups as JSON can hold them: numbers and texts as they are, all else as text."""
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        return labels
    plain = [x.item() if isinstance(x, np.generic) else x for x in labels]
    return [x if isinstance(x, str | int | float) else group_labels([x])[0] for x in plain]


def _check_pooling(pooling: object, group: str | None) -> None:
    """Refuse what is no pooling, and pooling without groups."""
    if not isinstance(pooling, Pooling):
        raise ModelError(
            f"pooling is made by partial('y ~ x'), no_pooling('y ~ x') or "
            f"complete_pooling('y ~ x'), not {pooling!r}"
        )
    if group is None:
        raise ModelError(f"{pooling} needs groups: give the column of the groups, group=")


def _predictor(
    pooling: Pooling | None, data: pd.DataFrame, group: str | None, groups: tuple[str, ...]
) -> np.ndarray | None:
    """The group-level predictor of partial pooling, (group,); None where there is none."""
    if pooling is None or pooling.how != "partial" or pooling.by is None or group is None:
        return None
    labelled = data.assign(**{group: group_labels(require_group(data, group))})
    return group_predictor(labelled, pooling.by, group=group, groups=groups)


def _repeated(statements: Sequence[Statement]) -> tuple[str, ...]:
    """Terms written twice alike; with different modifiers it is how lavaan gives both."""
    counts = Counter(str(s) for s in statements if s.op in ("=~", "~", "~~", "~1"))
    return tuple(term for term, count in counts.items() if count > 1)


def _check_labels(
    table: ParameterTable, statements: Sequence[Statement], columns: Collection[str]
) -> None:
    """Refuse a label on a path that is a column of the data: `y ~ x*w`, as R writes products.

    A label that a `:=` or a constraint uses is a label on purpose, since those are about
    parameters; that it stands at two paths says nothing, for so would the same moderator of two
    outcomes. On loadings and covariances no product could be meant.
    """
    used = {x for s in statements if s.expression is not None for x in names(s.expression)}
    for row in table.rows:
        if row.op not in ("~", "~1") or row.label in used:
            continue
        if not row.label or row.label not in columns:
            continue
        product = f"{row.label}:{row.rhs or 'x'}"
        meant = f"{row.lhs} ~ {row.label} + {row.rhs} + {product}"
        fixed = f"'{row.lhs} ~ 1*{row.label}' fixes a path at 1"
        raise ModelError(
            f"'{row.label}*{row.rhs or 1}' in '{row.lhs} ~ {row.label}*{row.rhs or 1}' makes a "
            f"label of '{row.label}', which is a column of the data; "
            + (f"a product of variables is {product}: {meant}" if row.rhs else fixed)
            + "; a label needs a name that no column has"
        )


def _constrained(space: Space, structure: Structure) -> tuple[Space, str]:
    """The space without what linear constraints determine, or why it cannot be sampled."""
    try:
        return eliminate(space, structure), ""
    except NotSupported as error:  # maximum likelihood has more kinds of constraints
        return space, str(error)
