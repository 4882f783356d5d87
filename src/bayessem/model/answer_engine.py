"""How constructs are integrated out beside answers that are not normal.

One or two log-normal durations or tobit outcomes in a linear model of normal variables need no
integral: they are normal given the others, and censored ones a probability of that
(censored_kernel.py).
Nodes are exact and serve where the graph's junction tree is narrow. Where it is wide, and the
model is linear in its constructs, Laplace's approximation is sampled, and its draws are weighted to
the exact posterior (posterior/reweighting.py); where it is too far off for that, respondents'
scores are sampled as well (posterior/scores.py).
"""

from __future__ import annotations

from bayessem.errors import DataError, NotSupported
from bayessem.likelihood.laplace_plan import is_linear
from bayessem.model.data import Sample
from bayessem.model.node_model import NodeModel, factor_model
from bayessem.model.structure import Structure
from bayessem.syntax.responses import TOBIT

NODES, LAPLACE = "nodes", "laplace"


def closed_form(structure: Structure) -> tuple[str, ...]:
    """The outcomes with families of their own that leave the likelihood in closed form, or ().

    One or two, log-normal or tobit, and all else normal and linear.
    """
    table = structure.table
    others = table.responses.others
    if table.ordered or structure.products or len(others) > 2:
        return ()
    closed = all(family in ("lognormal", TOBIT) for family in others.values())
    return tuple(others) if closed else ()


def on_lattices(structure: Structure) -> bool:
    """Whether answers are integrated over, on nodes or by Laplace, at points that are chosen."""
    return bool(structure.table.answered) and not closed_form(structure)


def answer_engine(structure: Structure, sample: Sample) -> tuple[str, NodeModel]:
    """The engine, `NODES` or `LAPLACE`, and the model's factors.

    Raises
    ------
    NotSupported
        For a model that neither can do.
    DataError
        For missing values of observed variables that others depend on.
    """
    model = factor_model(structure, sample)
    if not model.too_wide:
        return NODES, model
    table = structure.table
    if table.responses.others:
        raise NotSupported(
            f"{model.too_wide}; more are there for ordered answers alone. Take covariances between "
            "constructs out (orthogonal=True), put a second-order construct above them, or leave "
            f"{', '.join(table.responses.others)} out of family="
        )
    if not all(is_linear(factors) for factors in model.factors):
        raise NotSupported(
            f"{model.too_wide}, or any number where no construct is squared or multiplied by "
            "another: take the products of constructs out, take covariances between constructs out "
            "(orthogonal=True), put a second-order construct above them, or leave ordered out"
        )
    return LAPLACE, model


def has_scores(structure: Structure, sample: Sample) -> bool:
    """Whether respondents' scores can be sampled by the compiled density (posterior/scores.py).

    The equations have to be those of the Laplace engine: ordered answers and normal variables,
    linear in at least one construct.
    """
    table = structure.table
    if not table.ordered or table.responses.others:
        return False
    try:
        model = factor_model(structure, sample)
    except (NotSupported, DataError):
        return False
    return bool(model.latents) and all(is_linear(factors) for factors in model.factors)


BY_PYMC = (
    "the PyMC model with integrated latent variables is there for models that are integrated on "
    'nodes: use latents="sampled"'
)
BY_POOLING = (
    "partial pooling does not go with more. Pool completely or not at all "
    "(pooling=bs.no_pooling(...)), take covariances between constructs out (orthogonal=True), or "
    "put a second-order construct above them"
)


def require_nodes(structure: Structure, sample: Sample, otherwise: str = BY_PYMC) -> None:
    """Refuse ordered answers whose constructs are not integrated out on nodes.

    Raises
    ------
    NotSupported, DataError
        As `answer_engine`, and for a model that Laplace's approximation is for, with what to do
        `otherwise`.
    """
    engine, model = answer_engine(structure, sample)
    if engine != NODES:
        raise NotSupported(f"{model.too_wide}; {otherwise}")
