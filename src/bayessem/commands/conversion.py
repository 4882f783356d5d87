"""The command that converts models of other programs: convert."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from bayessem.commands.options import STDIN, FileOptions, Json
from bayessem.commands.outcome import UsedWrongly, conclude, of_the_call, tell

if TYPE_CHECKING:
    from bayessem.convert.conversion import Conversion


def convert(
    file: Annotated[
        str,
        Parameter(help="input of Mplus (.inp), arrows of Amos, constructs() of seminr; or -"),
    ],
    /,
    *,
    out: Annotated[
        str | None, Parameter(help="file for the text of the model (standard output)")
    ] = None,
    program: Annotated[
        Literal["mplus", "amos", "seminr"] | None, Parameter(help="where the guess is wrong")
    ] = None,
    data_out: Annotated[
        str | None, Parameter(help="of Mplus: CSV file to write the data to, with names")
    ] = None,
    data: Annotated[
        str | None, Parameter(help="of Amos: data file, whose columns are no constructs")
    ] = None,
    json: Json = False,
    files: FileOptions = FileOptions(),
) -> int:
    """Convert a model of Mplus, Amos or seminr into lavaan's text; says what it could not take."""
    from bayessem.convert.mplus_data import mplus_data
    from bayessem.convert.programs import convert_model, program_of
    from bayessem.disk import require_writable, write_whole
    from bayessem.model.files import read_model_file

    with of_the_call():
        for path, what, suffixes in ((out, "the model", ()), (data_out, "the data", (".csv",))):
            if path is not None:
                require_writable(path, what, suffixes=suffixes)
        text, notes = read_model_file(file)
    tell(notes)
    kind = program or program_of(text)
    for given, option, owner in ((data_out, "--data-out", "mplus"), (data, "--data", "amos")):
        if given is not None and kind != owner:
            raise UsedWrongly(f"{option} is for models of {owner.capitalize()}; this is {kind}")
    columns = () if data is None else tuple(map(str, files.read(data).columns))
    found = convert_model(text, program=kind, columns=columns)
    more = _parts(found)
    saved: list[Path] = []
    if data_out is not None:  # first, since it may fail
        with of_the_call():
            frame, not_done = mplus_data(text, _folder(file))
        saved.append(write_whole(data_out, frame.to_csv(index=False), "the data"))
        more["not_done"] = list(not_done)
        tell(not_done)
    if out is not None:
        saved.append(write_whole(out, found.text, "the model"))
    if json or out is not None:
        return conclude(found, as_json=json, saved=saved, more=more)
    sys.stdout.write(found.text)
    tell([f"not taken: {one}" for one in found.not_taken])
    tell([f"saved in {one}" for one in saved])
    return 0


def _folder(file: str) -> Path:
    """Where an input looks for its data: beside itself."""
    return Path() if file == STDIN else Path(os.path.abspath(file)).parent


def _parts(found: Conversion) -> dict[str, Any]:
    """What the JSON object has of a conversion besides the result."""
    return {
        "program": found.program,
        "model": found.model,
        "model_options": dict(found.model_options),
        "fit_options": dict(found.fit_options),
        "not_taken": list(found.not_taken),
        "notes": list(found.notes),
    }
