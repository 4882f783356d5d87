"""Options that commands share, and what they make: a model, its data, how to sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter, Token

from bayessem.commands.outcome import UsedWrongly, of_the_call, tell
from bayessem.syntax.responses import STUDENT

if TYPE_CHECKING:
    import pandas as pd

    from bayessem.posterior.settings import Sampling
    from bayessem.sem import SEM

STDIN = "-"
MODEL = Group("Model", sort_key=11)
DATA = Group("Data", sort_key=12)
SAMPLING = Group("Sampling", sort_key=13)


def whole(kind: Any, tokens: Sequence[Token]) -> int:
    """A whole number; 1.5 is none."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is no whole number") from None


def listed(kind: Any, tokens: Sequence[Token]) -> tuple[str, ...]:
    """Texts between commas."""
    return tuple(x.strip() for token in tokens for x in token.value.split(",") if x.strip())


def numbers(kind: Any, tokens: Sequence[Token]) -> tuple[float, ...]:
    """Numbers between commas."""
    try:
        return tuple(float(x) for x in listed(kind, tokens))
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is no list of numbers, such as -1,0,1") from None


def _of(group: Group | None, text: str, **more: Any) -> Parameter:
    return Parameter(help=text, group=group, **more)


def _list(text: str, group: Group | None = None, **more: Any) -> Parameter:
    return _of(group, text, converter=listed, n_tokens=1, accepts_keys=False, **more)


def _by_name(option: str, given: Sequence[str], example: str) -> dict[str, str]:
    """What is given as NAME=VALUE, by name."""
    out = {}
    for pair in given:
        name, sign, value = (part.strip() for part in pair.partition("="))
        if not (name and sign and value):
            raise UsedWrongly(f"{option} {pair} is no NAME=VALUE, such as {option} {example}")
        out[name] = value
    return out


def _censoring(value: str) -> Any:
    """A flag's column; or, between colons, columns or limits of both ends."""
    if ":" not in value:
        return value

    def end(text: str) -> str | float | None:
        try:
            return float(text)
        except ValueError:
            return text or None

    first, _, last = (part.strip() for part in value.partition(":"))
    return end(first), end(last)


Whole = Annotated[int, Parameter(converter=whole)]
Names = Annotated[tuple[str, ...], Parameter(converter=listed, n_tokens=1)]
Json = Annotated[bool, Parameter(name="--json", help="print one JSON object instead of text")]
Interval = Annotated[float, Parameter(name="--interval", help="probability of the intervals")]
Seed = Annotated[
    int | None, Parameter(name="--seed", converter=whole, help="random seed, to repeat the result")
]
Groups = Annotated[
    tuple[str, ...] | None,
    Parameter(name="--only-group", converter=listed, n_tokens=1, help="groups that are shown"),
]
Model = Annotated[str, Parameter(help="file with the model in lavaan's syntax, or -")]
Data = Annotated[
    str,
    Parameter(
        help="CSV, Excel, SPSS, Stata, SAS, Parquet or Feather file, or - for CSV; one row a "
        "respondent, empty cell = missing"
    ),
]
RunOrModel = Annotated[
    str, Parameter(help="folder of a saved run; or file with a model, or -, which DATA fits first")
]
DataOfModel = Annotated[str | None, Parameter(help="data file, or -, where RUN is a model")]


@Parameter(name="*")
@dataclass(frozen=True)
class ModelOptions:
    """How the text becomes a model."""

    std_lv: Annotated[bool, _of(MODEL, "constructs have variance 1")] = False
    effect_coding: Annotated[
        bool, _of(MODEL, "loadings of a construct have mean 1, intercepts of its items sum 0")
    ] = False
    ordered: Annotated[
        tuple[str, ...],
        _list("variables that are answers in ordered categories; all: all indicators", MODEL),
    ] = ()
    link: Annotated[
        Literal["probit", "logit"], _of(MODEL, "distribution behind ordered variables")
    ] = "probit"
    parameterization: Annotated[
        Literal["delta", "theta"], _of(MODEL, "scale of what ordered variables load on")
    ] = "delta"
    family: Annotated[
        tuple[str, ...],
        _list("what is not normal: partners=poisson,years=weibull; student: heavy tails", MODEL),
    ] = ()
    exposure: Annotated[
        tuple[str, ...], _list("columns with the exposures of counts: partners=years", MODEL)
    ] = ()
    censored: Annotated[
        tuple[str, ...],
        _list("flag (1: right), ends of intervals, or limits: t=flag, t=from:to, t=0:", MODEL),
    ] = ()
    group_equal: Annotated[
        tuple[str, ...],
        _list("what is equal across groups, such as loadings,intercepts", MODEL),
    ] = ()
    group_partial: Annotated[
        tuple[str, ...], _list("exceptions from it, such as f=~x2,x3~1", MODEL)
    ] = ()
    growth: Annotated[bool, _of(MODEL, "a growth model, as lavaan's growth()")] = False
    orthogonal: Annotated[bool, _of(MODEL, "exogenous constructs do not covary")] = False
    no_means: Annotated[bool, _of(MODEL, "covariances only, without a mean structure")] = False
    random_x: Annotated[bool, _of(MODEL, "covariates are random (fixed.x = FALSE)")] = False

    def model(self, path: str) -> SEM:
        """The model of a file.

        Raises
        ------
        UsedWrongly
            For a file that cannot be read.
        BayessemError
            For a text that is no model.
        """
        from bayessem.model.files import read_model_file
        from bayessem.sem import SEM

        with of_the_call():
            text, notes = read_model_file(path)
            tails = self.family == (STUDENT,)
            family = {} if tails else _by_name("--family", self.family, "partners=poisson")
            exposure = _by_name("--exposure", self.exposure, "partners=years")
            censored = _by_name("--censored", self.censored, "years=flag")
        tell(notes)
        return SEM(
            text,
            std_lv=self.std_lv,
            group_equal=self.group_equal,
            group_partial=self.group_partial,
            effect_coding=self.effect_coding,
            ordered=True if self.ordered == ("all",) else self.ordered,
            link=self.link,
            family=STUDENT if tails else family or None,
            exposure=exposure or None,
            censored={name: _censoring(value) for name, value in censored.items()} or None,
            parameterization=self.parameterization,
            growth=self.growth,
            orthogonal=self.orthogonal,
            meanstructure=not self.no_means,
            fixed_x=not self.random_x,
        )


@Parameter(name="*")
@dataclass(frozen=True)
class FileOptions:
    """How a data file is read."""

    sheet: Annotated[str | None, _of(DATA, "sheet of an Excel workbook (the first)")] = None
    label_rows: Annotated[
        int,
        _of(DATA, "rows below the header with labels, not answers", converter=whole),
    ] = 0
    encoding: Annotated[str | None, _of(DATA, "of the texts, where the guess is wrong")] = None

    def read(self, path: str) -> pd.DataFrame:
        """The data of a file; what was found out about it is told.

        Raises
        ------
        UsedWrongly
            For a file that cannot be read.
        """
        from bayessem.model.files import read_data_file

        with of_the_call():
            found = read_data_file(
                path, sheet=self.sheet, label_rows=self.label_rows, encoding=self.encoding
            )
        tell(found.notes)
        return found.labelled_frame()

    def for_model(self, path: str) -> pd.DataFrame | str:
        """The same for a fit, which reads only the model's columns of a Parquet file, in batches.

        Raises
        ------
        UsedWrongly
            For a file that cannot be read.
        """
        from bayessem.model.batches import is_parquet, require_parquet

        if self != FileOptions() or not is_parquet(path):
            return self.read(path)
        with of_the_call():
            require_parquet(path)
        return path


@Parameter(name="*")
@dataclass(frozen=True)
class Respondents:
    """Whose answers are used, and in which groups."""

    group: Annotated[str | None, _of(DATA, "column with the groups")] = None
    group_order: Annotated[
        tuple[str, ...] | None, _list("order and selection of the groups (as they appear)", DATA)
    ] = None
    cluster: Annotated[
        str | None,
        _of(DATA, "column with the clusters of two levels; of the sample (ml, or with weights)"),
    ] = None
    weights: Annotated[str | None, _of(DATA, "column with sampling weights")] = None
    missing: Annotated[
        Literal["fiml", "listwise", "error"], _of(DATA, "what is done about missing values")
    ] = "fiml"

    def arguments(self) -> dict[str, Any]:
        """As the methods of a model take them."""
        return {
            "group": self.group,
            "group_order": self.group_order,
            "missing": self.missing,
            "cluster": self.cluster,
            "weights": self.weights,
        }


@Parameter(name="*")
@dataclass(frozen=True)
class SamplingOptions:
    """How the posterior is sampled."""

    draws: Annotated[int, _of(SAMPLING, "draws kept a chain", converter=whole)] = 1000
    tune: Annotated[int, _of(SAMPLING, "warm-up draws a chain", converter=whole)] = 1000
    chains: Annotated[int, _of(SAMPLING, "chains", converter=whole)] = 4
    cores: Annotated[
        int | None, _of(SAMPLING, "chains at once (all the machine has)", converter=whole)
    ] = None
    target_accept: Annotated[float | None, _of(SAMPLING, "aim of the step size (0.8)")] = None
    latents: Annotated[
        Literal["integrated", "sampled"],
        _of(SAMPLING, "integrate constructs out, or sample a score a respondent"),
    ] = "integrated"

    def settings(self, seed: int | None) -> Sampling:
        """How to sample.

        Raises
        ------
        UsedWrongly
            For numbers that sampling cannot have.
        """
        from bayessem.commands.outcome import in_terminal
        from bayessem.posterior.settings import Sampling

        with of_the_call():
            return Sampling(
                draws=self.draws,
                tune=self.tune,
                chains=self.chains,
                cores=self.cores,
                target_accept=self.target_accept,
                latents=self.latents,
                random_seed=seed,
                progress=in_terminal(),
            )

    def arguments(self, seed: int | None) -> dict[str, Any]:
        """As `SEM.fit` takes them."""
        settings = self.settings(seed)
        return {
            name: getattr(settings, name)
            for name in (
                *("draws", "tune", "chains", "cores", "target_accept"),
                *("latents", "random_seed", "progress"),
            )
        }


def probability(value: float) -> float:
    """A probability of an interval; 95 is answered with .95."""
    from bayessem import arguments

    with of_the_call():
        return arguments.probability("--interval", value)


def one_standard_input(*paths: str | None) -> None:
    """Refuse two files that are both standard input."""
    if sum(path == STDIN for path in paths) > 1:
        raise UsedWrongly("model and data cannot both be -: standard input holds one of them")


@Parameter(name="*")
@dataclass(frozen=True)
class FitOptions:
    """Of commands that ask a fit: how a model that is no saved run is fitted first."""

    model: ModelOptions = ModelOptions()
    files: FileOptions = FileOptions()
    respondents: Respondents = Respondents()
    sampling: SamplingOptions = SamplingOptions()
