"""A structural equation model as one observed variable of any PyMC model, from its matrices.

The matrices are the user's PyTensor variables or numbers: any prior, any hierarchy. They are
checked, given a group axis where they have none, and laid out for the node (node.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.continuous import FlatRV, HalfFlatRV
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors
from pytensor.tensor.variable import TensorVariable

from bayessem.assemble import sample_patterns
from bayessem.data import Sample
from bayessem.errors import DataError, ModelError
from bayessem.likelihood.plan import NO_PRODUCTS, build_plan, plan_products
from bayessem.node import DIMS, Layout, elements_node
from bayessem.structure import matrix_shapes

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike


def StructuralModel(
    name: str,
    *,
    loadings: ArrayLike | TensorVariable,
    disturbances: ArrayLike | TensorVariable,
    residuals: ArrayLike | TensorVariable,
    observed: pd.DataFrame | ArrayLike,
    paths: ArrayLike | TensorVariable | None = None,
    squares: ArrayLike | TensorVariable | None = None,
    squared: Sequence[str | int] = (),
    products: ArrayLike | TensorVariable | None = None,
    product_terms: Sequence[tuple[str | int, str | int]] = (),
    intercepts: ArrayLike | TensorVariable | None = None,
    means: ArrayLike | TensorVariable | None = None,
    latents: Sequence[str] | None = None,
    group: ArrayLike | None = None,
    dims: tuple[str, str] = DIMS,
) -> TensorVariable:
    """A structural equation model as one observed variable of the PyMC model that is open.

    The latent variables are integrated out. With latent variables eta, product terms h(eta) and
    indicators y of one respondent::

        y   = intercepts + loadings eta + eps              eps  ~ N(0, residuals)
        eta = means + paths eta + products h(eta) + zeta   zeta ~ N(0, disturbances)

    Rows are outcomes, columns predictors. Matrices are numbers or PyTensor variables. With `group`,
    each of them may have a leading axis of groups; what has none is the same in all groups.

    Parameters
    ----------
    name : str
        Of the observed variable.
    loadings : (p, m)
        Of p indicators on m latent variables. An observed variable with paths is a latent variable
        with one loading of 1 and a residual variance of 0.
    disturbances : (m,) or (m, m)
        Variances of the exogenous and residual variances of the endogenous latent variables, or
        their covariance matrix.
    residuals : (p,) or (p, p)
        Residual variances of the indicators, or their covariance matrix.
    observed : DataFrame or array (respondent, p)
        The data; nan where missing. A DataFrame's columns name the indicators; when the model has
        the coordinates of `dims[1]` already, those columns are taken, in that order.
    paths : (m, m), optional
        Row = outcome, column = predictor.
    squares : (m, q) or (m,), optional
        Coefficients of the squares of the latent variables in `squared`.
    squared : sequence of str or int
        The q latent variables that are squared, by name or position.
    products : (m, h) or (m,), optional
        Coefficients of the product terms in `product_terms`.
    product_terms : sequence of pairs
        The h product terms, such as ``[("AMC", "AMC"), ("AMC", "DIV")]``.
    intercepts : (p,), optional
        Of the indicators; 0 by default.
    means : (m,), optional
        Means and intercepts of the latent variables; 0 by default.
    latents : sequence of str, optional
        Names of the latent variables, for `squared` and `product_terms`.
    group : array of int (respondent,), optional
        Group of each respondent, 0, 1, ...
    dims : (str, str)
        Names of the dimensions; their coordinates are added to the model unless it has them.

    Returns
    -------
    TensorVariable
        The observed random variable (respondent, indicator); prior and posterior predictive draws
        have that shape. `pymc.compute_log_likelihood` gives one number a draw, of all respondents.

    Raises
    ------
    ModelError
        For a wrong shape or an unknown name.
    DataError
        For data that are not numbers, infinite, or missing altogether for a respondent.
    NotSupported
        For product terms that need more than one integral; factors that depend on products.
    """
    model = pm.modelcontext(None)
    values, rows, columns = _observed(observed, model, dims)
    codes, groups = _groups(group, len(values))
    loadings = pt.as_tensor_variable(loadings)
    p = values.shape[1]
    m = len(latents) if latents is not None else int(_shape(loadings)[-1] if loadings.ndim else 0)
    terms = _terms(squared, product_terms, latents, m)
    q, h = len(squared), len(terms)
    for term, matrix, coefficients, listed in (
        ("squared", "squares", squares, squared),
        ("product_terms", "products", products, product_terms),
    ):
        if (coefficients is None) != (len(listed) == 0):
            raise ModelError(f"{matrix} and {term} go together: give both or neither")
    given = (
        ("loadings", loadings, (p, m), None),
        ("paths", paths, (m, m), None),
        ("disturbances", disturbances, (m, m), (m,)),
        ("residuals", residuals, (p, p), (p,)),
        ("intercepts", intercepts, (p,), None),
        ("means", means, (m,), None),
        ("squares", squares, (m, q), (m,) if q == 1 else None),
        ("products", products, (m, h - q), (m,) if h - q == 1 else None),
    )
    matrices = {
        matrix: _matrix(matrix, value, full, short, groups=groups if group is not None else 0)
        for matrix, value, full, short in given
    }
    squares_too = [matrices.pop("squares"), matrices["products"]]
    matrices["products"] = pt.concatenate([_spread(x, groups, 2) for x in squares_too], axis=-1)
    shapes = matrix_shapes(p, m, h)
    elements = pt.concatenate(
        [
            _spread(matrices[key], groups, len(shape)).reshape((groups, int(np.prod(shape))))
            for key, shape in shapes.items()
        ],
        axis=1,
    ).ravel()
    affected = _affected(matrices, groups) if terms else []
    names = tuple(str(x) for x in columns)
    sample = Sample(names, tuple(map(str, range(groups))), values, codes, rows, ())
    plan = build_plan(
        (p, m, h),
        sample_patterns(sample),
        groups=groups,
        products=plan_products(terms, affected) if terms else NO_PRODUCTS,
    )
    for dim, labels in zip(dims, (rows, columns), strict=True):
        if dim not in model.coords:
            model.add_coord(dim, labels)
    return elements_node(
        name,
        elements,
        layout=Layout((p, m, h), terms, groups),
        plan=plan,
        values=values,
        group=codes,
        dims=dims,
    )


def _observed(
    observed: Any, model: pm.Model, dims: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray, list]:
    """Checked numbers (respondent, p), labels of the respondents and names of the indicators."""
    known = model.coords.get(dims[1])
    if hasattr(observed, "columns"):
        columns = list(observed.columns) if known is None else list(known)
        absent = [x for x in columns if x not in observed.columns]
        if absent:
            raise ModelError(
                f"{absent[0]!r} in the model's coordinates {dims[1]!r} is not a column of the "
                f"data; columns: {', '.join(map(str, observed.columns))}"
            )
        source, rows = observed[columns], observed.index.to_numpy()
    else:
        source = np.asarray(observed)
        if source.ndim != 2:
            raise ModelError(
                f"observed has {source.ndim} dimensions; it should have 2, (respondent, indicator)"
            )
        rows = np.arange(source.shape[0])
        columns = list(range(source.shape[1])) if known is None else list(known)
    try:
        values = np.array(source, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"observed holds something else than numbers: {error}") from None
    for axis, length in enumerate(values.shape):
        coordinates = model.coords.get(dims[axis])
        if coordinates is not None and len(coordinates) != length:
            raise ModelError(
                f"observed has shape {values.shape}, but the model has {len(coordinates)} "
                f"coordinates of {dims[axis]!r}"
            )
    if np.isinf(values).any():
        column = columns[int(np.isinf(values).any(axis=0).argmax())]
        raise DataError(f"observed has infinite values in column {column!r}")
    empty = np.isnan(values).all(axis=1)
    if empty.any() or not len(values):
        which = f"respondent {rows[int(empty.argmax())]!r}" if len(values) else "there"
        raise DataError(f"{which} has no observed value; leave out rows without any")
    return values, rows, columns


def _groups(group: Any, n: int) -> tuple[np.ndarray, int]:
    """Position of each respondent's group and the number of groups."""
    if group is None:
        return np.zeros(n, dtype=np.int64), 1
    codes = np.asarray(group)
    if codes.shape != (n,):
        raise ModelError(f"group has shape {codes.shape}; one entry a respondent is ({n},)")
    whole = codes.astype(np.int64) if codes.dtype.kind in "iufb" else None
    if (
        whole is None
        or not np.array_equal(whole, codes)
        or set(whole) != set(range(max(whole) + 1))
    ):
        raise ModelError(
            "group should hold 0, 1, ... without a gap, the positions along the leading axis of "
            "the matrices; pandas.factorize turns labels into such numbers"
        )
    return whole, int(whole.max()) + 1


def _terms(
    squared: Sequence[str | int],
    product_terms: Sequence[tuple[str | int, str | int]],
    latents: Sequence[str] | None,
    m: int,
) -> tuple[tuple[int, int], ...]:
    """The product terms as positions among the latent variables: squares, then products."""

    def position(x: str | int) -> int:
        if latents is not None and x in latents:
            return list(latents).index(x)
        if isinstance(x, int | np.integer) and 0 <= x < m:
            return int(x)
        known = ", ".join(latents) if latents is not None else f"0 to {m - 1} (latents= names them)"
        raise ModelError(f"product term: {x!r} is not a latent variable; there are: {known}")

    if isinstance(squared, str):
        raise ModelError(f"squared is a sequence of latent variables: write [{squared!r}]")
    pairs = [(x, x) for x in squared]
    for term in product_terms:
        if isinstance(term, str) or len(term) != 2:
            raise ModelError(f"product_terms holds pairs such as ('AMC', 'AMC'), not {term!r}")
        pairs.append((term[0], term[1]))
    return tuple((position(a), position(b)) for a, b in pairs)


AXES = {
    "loadings": "(indicator, latent)",
    "paths": "(latent outcome, latent predictor)",
    "disturbances": "(latent, latent), or (latent,) for variances alone",
    "residuals": "(indicator, indicator), or (indicator,) for variances alone",
    "intercepts": "(indicator,)",
    "means": "(latent,)",
    "squares": "(latent outcome, squared latent)",
    "products": "(latent outcome, product term)",
}


def _matrix(
    matrix: str,
    value: Any,
    full: tuple[int, ...],
    short: tuple[int, ...] | None = None,
    *,
    groups: int,
) -> TensorVariable:
    """Read a matrix with or without a group axis; `short` is a vector that stands for the full one.

    Raises
    ------
    ModelError
        When the shape is none of those, or could be two of them.
    """
    if value is None:
        return pt.zeros(full)
    tensor = pt.as_tensor_variable(value)
    if tensor.dtype not in ("float64", "float32") and tensor.dtype.startswith(("int", "uint")):
        tensor = tensor.astype("float64")
    shape = _shape(tensor)
    readings = {full: full} if short is None else {full: full, short: short}
    if groups:
        for core in list(readings):
            readings.setdefault((groups, *core), core)
        twice = short is not None and (groups, *short) == full and groups > 1
        if twice and shape == full:
            raise ModelError(
                f"{matrix} of shape {shape} could be one matrix or a vector for each group; give "
                f"it all its axes, {(groups, *full)}"
            )
    if shape not in readings:
        wanted = " or ".join(str(x) for x in readings)
        raise ModelError(f"{matrix} has shape {shape}; it should be {wanted}: {AXES[matrix]}")
    if readings[shape] == short:
        wide = tensor[..., None]
        return wide if full[-1] == 1 else wide * np.eye(full[-1])
    return tensor


def _spread(tensor: TensorVariable, groups: int, ndim: int) -> TensorVariable:
    """The matrix with its group axis, (group, ...)."""
    if tensor.ndim == ndim:
        tensor = tensor[None]
    shape = tuple(tensor.shape)[1:]
    return pt.broadcast_to(tensor, (groups, *shape)) if groups > 1 else tensor


def _evaluate(tensors: Sequence[TensorVariable]) -> list[np.ndarray]:
    """Values at one draw from the prior; what has no proper prior is .7."""
    flat = [
        x
        for x in ancestors(tensors)
        if x.owner is not None and isinstance(x.owner.op, FlatRV | HalfFlatRV)
    ]
    if flat:
        fixed = {x: pt.full(x.owner.op.size_param(x.owner), 0.7) for x in flat}
        tensors = clone_replace(list(tensors), fixed)
    return pm.draw(list(tensors), mode="FAST_COMPILE", random_seed=0)


def _shape(tensor: TensorVariable) -> tuple[int, ...]:
    """Shape of a tensor, evaluated where it is not known from the graph."""
    known = tensor.type.shape
    if None not in known:
        return tuple(known)
    return _evaluate([tensor])[0].shape


def _affected(matrices: dict[str, TensorVariable], groups: int) -> list[set[int]]:
    """For each product term, the latent variables that depend on it, at a draw from the prior."""
    paths, products = _evaluate(
        [_spread(matrices[key], groups, 2) for key in ("paths", "products")]
    )
    arrows = (paths != 0).any(axis=0)
    reached = (products != 0).any(axis=0)  # (latent, term)
    for _ in range(len(arrows)):
        reached = reached | (arrows @ reached)
    return [set(np.flatnonzero(column).tolist()) for column in reached.T]
