"""A structural equation model as one observed variable of a PyMC model, latents integrated out.

`StructuralModel` takes the user's matrices (any prior, any hierarchy), `elements_node` matrices
that are laid out already. The log-probability is the kernel's (operation.py); random draws follow
the model: latent variables, products, indicators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor.variable import TensorVariable

from bayessem.errors import DataError, ModelError, NotSupported
from bayessem.graph.matrices import matrix_structure, read_matrix, spread, static_shape
from bayessem.graph.operation import GenerateIndicators
from bayessem.graph.respondents import RespondentLogLikelihood
from bayessem.likelihood.external import load_terms
from bayessem.likelihood.plan import build_plan, unpack
from bayessem.likelihood.products import NO_PRODUCTS, ProductPlan, plan_products
from bayessem.model.data import Sample
from bayessem.model.structure import matrix_shapes
from bayessem.posterior.assemble import respondent_order
from bayessem.posterior.patterns import sample_patterns

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

DIMS = ("respondent", "indicator")


def elements_node(
    name: str,
    elements: TensorVariable,
    *,
    shape: tuple[int, int, int],
    terms: Sequence[tuple[int, ...]],
    plan: tuple[np.ndarray, np.ndarray],
    values: np.ndarray,
    group: np.ndarray,
    order: np.ndarray,
    taken: np.ndarray | None = None,
    dims: Sequence[str] = DIMS,
) -> TensorVariable:
    """The observed node of model matrices that are laid out already.

    Parameters
    ----------
    name : str
        Of the variable in the model that is open.
    elements : TensorVariable (elements,)
        Model matrices of all groups, see structure.py.
    shape : (int, int, int)
        Numbers of indicators, latent variables and product terms: p, m, h.
    terms : sequence of tuple of int
        The factors of each product term among the latent variables.
    plan : tuple of two ndarray
        Packed plan with the data, from `likelihood.plan.build_plan`.
    values : ndarray (respondent, p)
        The data, nan where missing.
    group : ndarray (respondent,)
        Position of each respondent's group.
    order : ndarray (respondent,)
        Position among the plan's rows of each respondent, `assemble.respondent_order`.
    taken : ndarray (respondent,), optional
        Subtracted from each respondent's log-probability: that of covariates.
    dims : (str, str)
        Dimensions of the variable.

    Returns
    -------
    TensorVariable
        The observed random variable (respondent, p). Its log-probability is by respondent.
    """
    drawn = unpack(*plan).product_order.tolist()
    most = max(map(len, terms), default=0)
    ordered = np.full((len(drawn), 1 + most), -1)
    for row, t in enumerate(drawn):
        ordered[row, : 1 + len(terms[t])] = (t, *terms[t])
    generate = GenerateIndicators(shape)
    # Shared, not constant: the compiled graph is the same for all data and stays in the cache.
    ints = pytensor.shared(plan[0], name=f"{name}_plan")
    floats = pytensor.shared(plan[1], name=f"{name}_data")
    rows = pytensor.shared(order, name=f"{name}_order")
    constants = np.zeros(len(values)) if taken is None else taken
    constants = pytensor.shared(constants, name=f"{name}_covariates")

    def logp(value: Variable, elements: TensorVariable) -> TensorVariable:
        fixed = isinstance(value, Constant) and np.array_equal(value.data, values, equal_nan=True)
        if not fixed:
            raise NotSupported(
                f"the data of {name!r} are part of its likelihood and cannot be exchanged; build a "
                "model with the other data"
            )
        return RespondentLogLikelihood()(elements, ints, floats, rows, constants)

    def dist(elements: TensorVariable, size: Any) -> TensorVariable:
        normals = pm.Normal.dist(0.0, 1.0, size=(len(values), shape[0] + shape[1]))
        return generate(elements, normals, pt.constant(group), pt.constant(ordered))

    return pm.CustomDist(
        name,
        elements,
        dist=dist,
        logp=logp,
        signature="(e)->(n,p)",
        # A constant rather than an array: PyMC would impute the missing values of an array.
        observed=pt.constant(values),
        dims=tuple(dims),
        class_name="StructuralModel",
    )


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
    product_terms: Sequence[Sequence[str | int]] = (),
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
    product_terms : sequence of tuples
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
        have that shape. `pymc.compute_log_likelihood` gives one number a respondent.

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
    p, m = values.shape[1], _latent_count(latents, loadings)
    if (squares is None) != (len(squared) == 0):
        raise ModelError("squares and squared go together: give both or neither")
    if (products is None) != (len(product_terms) == 0):
        raise ModelError("products and product_terms go together: give both or neither")
    terms = _terms(squared, product_terms, latents, m)
    q, h = len(squared), len(terms)
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
        matrix: read_matrix(matrix, value, full, short, groups=groups if group is not None else 0)
        for matrix, value, full, short in given
    }
    squares_too = [matrices.pop("squares"), matrices["products"]]
    matrices["products"] = pt.concatenate([spread(x, groups, 2) for x in squares_too], axis=-1)
    names = tuple(str(x) for x in columns)
    sample = Sample(names, tuple(map(str, range(groups))), values, codes, rows, ())
    planned = _plan_terms(terms, matrices, latents)
    load_terms(planned.route)
    plan = build_plan(
        (p, m, h),
        sample_patterns(sample),
        groups=groups,
        products=planned,
        names=names,
    )
    for dim, labels in zip(dims, (rows, columns), strict=True):
        if dim not in model.coords:
            model.add_coord(dim, labels)
    return elements_node(
        name,
        _flat(matrices, matrix_shapes(p, m, h), groups),
        shape=(p, m, h),
        terms=terms,
        plan=plan,
        values=values,
        group=codes,
        order=respondent_order(sample),
        dims=dims,
    )


def _latent_count(latents: Sequence[str] | None, loadings: TensorVariable) -> int:
    """Number of latent variables, by their names or by the columns of the loadings."""
    if latents is not None:
        return len(latents)
    return int(static_shape(loadings)[-1]) if loadings.ndim else 0


def _flat(
    matrices: Mapping[str, TensorVariable], shapes: Mapping[str, tuple[int, ...]], groups: int
) -> TensorVariable:
    """The matrices of all groups in one vector, laid out as in structure.py."""
    rows = [
        spread(matrices[key], groups, len(shape)).reshape((groups, int(np.prod(shape))))
        for key, shape in shapes.items()
        if np.prod(shape)  # a node has no thresholds
    ]
    return pt.concatenate(rows, axis=1).ravel()


def _plan_terms(
    terms: tuple[tuple[int, ...], ...],
    matrices: dict[str, TensorVariable],
    latents: Sequence[str] | None,
) -> ProductPlan:
    """The plan of the product terms, from what the matrices are at a draw from the prior."""
    if not terms:
        return NO_PRODUCTS
    found = matrix_structure(matrices)
    factors = {i for pair in terms for i in pair}
    return plan_products(
        terms,
        found.affected,
        outcomes=found.outcomes,
        observed={i: row for i, row in found.observed.items() if i in factors},
        determined=found.determined & factors,
        names=list(latents) if latents is not None else [str(i) for i in range(max(factors) + 1)],
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
        which = f"respondent {rows[int(empty.argmax())]}" if len(values) else "the data"
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
    product_terms: Sequence[Sequence[str | int]],
    latents: Sequence[str] | None,
    m: int,
) -> tuple[tuple[int, ...], ...]:
    """The product terms as positions among the latent variables: squares, then products."""
    named = {x: i for i, x in enumerate(latents or ())}

    def position(x: str | int) -> int:
        if isinstance(x, str) and x in named:
            return named[x]
        if isinstance(x, int | np.integer) and 0 <= x < m:
            return int(x)
        known = ", ".join(latents) if latents is not None else f"0 to {m - 1} (latents= names them)"
        raise ModelError(f"product term: {x!r} is not a latent variable; there are: {known}")

    if isinstance(squared, str):
        raise ModelError(f"squared is a sequence of latent variables: write [{squared!r}]")
    found: list[tuple[str | int, ...]] = [(x, x) for x in squared]
    for term in product_terms:
        if isinstance(term, str) or len(term) < 2:
            raise ModelError(
                f"product_terms holds factors, ('AMC', 'AMC') or ('X', 'X', 'W'), not {term!r}"
            )
        found.append(tuple(term))
    return tuple(tuple(map(position, factors)) for factors in found)
