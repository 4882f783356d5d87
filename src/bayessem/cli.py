"""The command line: `bayessem COMMAND ...`, also as `python -m bayessem`.

Standard output holds results only; notes, errors and progress go to standard error. The exit codes
are those of `commands/outcome.py`.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.exceptions import UnusedCliTokensError

from bayessem.commands.outcome import EXIT_CODES, INTERRUPTED, NO, WRONG, UsedWrongly
from bayessem.errors import BayessemError, BayessemWarning

# Stands for "-", standard input, which the parser would take for an option.
DASH = "\0-"


@dataclass(frozen=True)
class Command:
    """The module of a command, the family that the help lists it in, an example of its use."""

    where: str
    family: Group
    example: str

    def run(self, name: str) -> Callable[..., int]:
        """The function; only the module of the command that is called is imported."""
        module = importlib.import_module(f"bayessem.commands.{self.where}")
        function: Callable[..., int] = getattr(module, name)
        return function


MODELS, QUESTIONS, FILES, PROGRAM = (
    Group(name, sort_key=k)
    for k, name in enumerate(("A model", "Questions to a fit", "Files", "The program"))
)
COMMANDS = {
    "check": Command("modelling", MODELS, "bayessem check model.txt survey.csv"),
    "fit": Command("modelling", MODELS, "bayessem fit model.txt survey.csv --seed 1 --out runs/a"),
    "ml": Command("modelling", MODELS, "bayessem ml model.txt survey.csv --se robust"),
    "invariance": Command(
        "modelling", MODELS, "bayessem invariance model.txt survey.csv --group country"
    ),
    "simulate": Command(
        "data", MODELS, "bayessem simulate runs/a 300 --seed 1 --out simulated.csv"
    ),
    "design": Command(
        "planning", MODELS, "bayessem design model.txt truth.json --n 100,200,400 --target 'y ~ x'"
    ),
    "show": Command("questions", QUESTIONS, "bayessem show runs/a"),
    "effects": Command("questions", QUESTIONS, "bayessem effects runs/a --from AMC --to SUCC"),
    "shape": Command("questions", QUESTIONS, "bayessem shape runs/a --from AMC --to RAD"),
    "measurement": Command("questions", QUESTIONS, "bayessem measurement runs/a"),
    "compare": Command("questions", QUESTIONS, "bayessem compare linear=runs/a square=runs/b"),
    "report": Command(
        "pages", QUESTIONS, "bayessem report runs/a report.html --hypothesis 'H1: y ~ x > 0'"
    ),
    "diagram": Command("pages", QUESTIONS, "bayessem diagram runs/a model.svg"),
    "describe": Command("data", FILES, "bayessem describe survey.sav"),
    "convert": Command("conversion", FILES, "bayessem convert model.inp --out model.txt"),
    "studies": Command("studies", FILES, "bayessem studies my-studies"),
    "conformance": Command("proofs", PROGRAM, "bayessem conformance refcases --only A"),
    "calibrate": Command("proofs", PROGRAM, "bayessem calibrate linear --fits 100"),
    "warm": Command("proofs", PROGRAM, "bayessem warm"),
}


def _app(tokens: Sequence[str]) -> App:
    """The parser of a call: of one command where it names one, else of all."""
    app = App(
        name="bayessem",
        help="Bayesian structural equation models from lavaan's syntax.",
        help_format="plaintext",
        help_epilogue=f"{EXIT_CODES}\n\nbayessem COMMAND --help has options and an example.",
        version=_version,
        version_flags=["--version"],
        default_parameter=Parameter(negative=(), show_default=_worth_showing),
    )
    wanted = tokens[:1] if tokens and tokens[0] in COMMANDS else list(COMMANDS)
    if len(wanted) > 1:
        app.register_install_completion_command(help="Complete commands and options in this shell.")
    for name in wanted:
        command = COMMANDS[name]
        function = command.run(name)
        app.command(
            function,
            name=name,
            group=command.family,
            usage=_usage(name, function),
            help_epilogue=f"Example: {command.example}\n\n{EXIT_CODES}",
        )
    return app


def _usage(name: str, function: Callable[..., int]) -> str:
    """The first line of a command's help: its arguments, in brackets what may be left out."""
    said = []
    for given in inspect.signature(function).parameters.values():
        if given.kind is given.VAR_POSITIONAL:
            said.append(f"[{given.name.upper()}...]")
        elif given.kind is given.POSITIONAL_ONLY:
            optional = given.default is not given.empty
            said.append(f"[{given.name.upper()}]" if optional else given.name.upper())
    return " ".join(("Usage: bayessem", name, "[OPTIONS]", *said))


def _worth_showing(value: Any) -> str | None:
    """A default as the help shows it."""
    return None if value in (None, False, ()) else str(value)


def _version() -> str:
    import bayessem

    return bayessem.__version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = sys.argv[1:] if argv is None else argv
    tokens = [DASH if token == "-" else token for token in given]
    before, warnings.formatwarning = warnings.formatwarning, _as_a_line
    try:
        code = _run(tokens)
        sys.stdout.flush()
        return code
    except CycloptsError as error:
        return _say(_wording(error, tokens), WRONG)
    except BayessemError as error:
        return _say(str(error), WRONG if isinstance(error, UsedWrongly) else NO)
    except KeyboardInterrupt:
        with suppress(OSError):  # its reader may be gone with it
            sys.stdout.flush()
        print(file=sys.stderr)  # the line that ^C or a bar of progress stands on
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:  # whoever reads, such as `| head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO
    finally:
        warnings.formatwarning = before


def _run(tokens: Sequence[str]) -> int:
    call, bound, _ = _app(tokens).parse_args(tokens, exit_on_error=False, print_error=False)
    for name, value in bound.arguments.items():
        bound.arguments[name] = _as_written(value)
    return call(*bound.args, **bound.kwargs) or 0


def _as_written(value: Any) -> Any:
    """An argument with "-" where the parser had to see something else."""
    if isinstance(value, tuple):
        return tuple(map(_as_written, value))
    return "-" if value == DASH else value


def _say(problem: str, code: int) -> int:
    print(f"bayessem: {problem}", file=sys.stderr)
    return code


def _wording(error: CycloptsError, tokens: Sequence[str]) -> str:
    """A mistake in the call, on one line, with where to look."""
    said = " ".join(str(error).replace(DASH, "-").split())
    if isinstance(error, UnusedCliTokensError):
        said = f"nothing takes {' '.join(map(repr, error.unused_tokens or ()))}."
    said += "" if said.endswith((".", "?")) else "."
    command = next((token for token in tokens if token in COMMANDS), "")
    return f"{said} See: {' '.join(filter(None, ('bayessem', command, '--help')))}"


def _as_a_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Our warnings as a line of the command, those of others as Python writes them."""
    if issubclass(category, BayessemWarning):
        return f"bayessem: {message}\n"
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"


if __name__ == "__main__":
    sys.exit(main())
