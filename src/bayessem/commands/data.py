"""Commands about data: describe and simulate."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from bayessem.commands.fitted import saved_run
from bayessem.commands.options import (
    Data,
    FileOptions,
    Json,
    ModelOptions,
    Respondents,
    Seed,
    Whole,
    listed,
    one_standard_input,
)
from bayessem.commands.outcome import UsedWrongly, conclude, of_the_call
from bayessem.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from bayessem.sem import SEM


def describe(data: Data, /, *, json: Json = False, files: FileOptions = FileOptions()) -> int:
    """The codebook of a data file: what each column holds, and what a model does with it."""
    from bayessem.model.codebook import describe as described

    frame = files.read(data)
    frame.attrs.pop("notes", None)  # they have been told
    return conclude(described(frame), as_json=json)


def simulate(
    what: Annotated[str, Parameter(help="folder of a saved run; or file with a model, or -")],
    n: Annotated[
        tuple[str, ...],
        Parameter(converter=listed, n_tokens=1, help="respondents; of each group: 100,80"),
    ],
    /,
    *,
    out: Annotated[str | None, Parameter(help="CSV file to write (standard output)")] = None,
    value: Annotated[
        tuple[str, ...],
        Parameter(name="--set", help="value of a parameter: --set y~x=0.5; may be repeated"),
    ] = (),
    data: Annotated[
        str | None, Parameter(name="--data", help="take the model's maximum for this data file")
    ] = None,
    latents: Annotated[bool, Parameter(help="add the values of the constructs")] = False,
    clusters: Annotated[
        Whole | None, Parameter(help="of two levels: clusters of each group")
    ] = None,
    seed: Seed = None,
    json: Json = False,
    how: ModelOptions = ModelOptions(),
    files: FileOptions = FileOptions(),
    respondents: Respondents = Respondents(),
) -> int:
    """Draw respondents from a run (a draw of its posterior), or from a model with given values."""
    sizes = _sizes(n)
    values = _values(value)
    one_standard_input(what, data)
    with of_the_call():
        from bayessem import arguments

        arguments.seed(seed, name="--seed")
        if out is not None:
            from bayessem.disk import require_writable

            require_writable(out, "the data", suffixes=(".csv",))
    sem, parameters = _source(what, data, values, how, files, respondents)
    groups = respondents.group_order if isinstance(parameters, dict) else None
    try:
        frame = sem.simulate(
            parameters, sizes, groups=groups, clusters=clusters, random_seed=seed, latents=latents
        )
    except ModelError as problem:  # values, sizes and groups are what the call names
        hint = "; --set NAME=VALUE gives one, --data takes those of a data file"
        raise UsedWrongly(f"{problem}{hint if 'no value' in str(problem) else ''}") from None
    return _conclude(frame, out, json)


def _source(
    what: str,
    data: str | None,
    values: dict[str, float],
    how: ModelOptions,
    files: FileOptions,
    respondents: Respondents,
) -> tuple[SEM, Any]:
    """The model, and where its values come from: a run, data, or options."""
    if os.path.isdir(what):
        if values or data is not None:
            raise UsedWrongly(f"{what} is a saved run and has its values: leave --set, --data out")
        fit = saved_run(what)
        return fit.sem, fit  # type: ignore[return-value]
    if data is not None and values:
        raise UsedWrongly("values come from --data or from --set, not from both")
    sem = how.model(what)
    if data is None:
        return sem, values
    return sem, sem.ml(files.read(data), se="none", **respondents.arguments())


def _sizes(n: tuple[str, ...]) -> int | list[int]:
    if not n or not all(x.isdecimal() and int(x) > 0 for x in n):
        raise UsedWrongly(
            f"N is a number of respondents, or one a group: 100,80; not {','.join(n)}"
        )
    return int(n[0]) if len(n) == 1 else [int(x) for x in n]


def _values(given: tuple[str, ...]) -> dict[str, float]:
    out = {}
    for one in given:
        name, sign, number = one.rpartition("=")
        try:
            out[name.strip()] = float(number)
        except ValueError:
            sign = ""
        if not sign or not name.strip():
            raise UsedWrongly(f"--set takes a parameter and a number: --set y~x=0.5; not {one!r}")
    return out


def _conclude(frame: pd.DataFrame, out: str | None, json: bool) -> int:
    if out is not None:
        from bayessem.disk import write_whole

        path = write_whole(out, frame.to_csv(index=False), "the data")
        return conclude(as_json=json, saved=[path])
    if json:
        from bayessem.text.json import frame_rows

        return conclude(as_json=True, more={"data": frame_rows(frame)})
    sys.stdout.write(frame.to_csv(index=False))
    return 0
