"""The command line, one function a command; heavy imports wait until needed.

Exit codes: 0 fine; 1 something serious was found (by the check, which `fit` and `ml` make too
before they start; by conformance; by calibration); 2 an error that can be mended; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bayessem.errors import BayessemError, DataError, IdentificationError, NotSupported

if TYPE_CHECKING:
    import pandas as pd

    from bayessem.model.prepare import Prepared
    from bayessem.sem import SEM

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

# As shells count a process that Ctrl-C (signal 2) ended.
INTERRUPTED = 130
EXIT_CODES = (
    "Exit codes: 0 fine; 1 something serious was found: by the check of the model, which fit and "
    "ml make too before they start (a model that is not identified), by conformance or by "
    "calibrate; 2 an error that can be mended: in the model's text, the data, the options, a file; "
    "130 interrupted (Ctrl-C): what was printed and saved by then is whole."
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bayessem",
        description="Bayesian structural equation models from lavaan's syntax.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_describe(commands)
    _model_command(
        commands,
        "check",
        "Identification and data, before sampling; exit code 1 when it is serious.",
    )
    for add in (
        _add_fit,
        _add_ml,
        _add_show,
        _add_report,
        _add_diagram,
        _add_warm,
        _add_conformance,
        _add_calibrate,
    ):
        add(commands)
    return parser


def _model_command(commands: Commands, name: str, text: str) -> argparse.ArgumentParser:
    """A command that reads a model and its data, with the options of both."""
    command = commands.add_parser(name, help=text, description=text, epilog=EXIT_CODES)
    command.add_argument("model", help="file with the model in lavaan's syntax, or - for stdin")
    _data_arguments(command)
    command.add_argument("--group", help="column with the groups")
    command.add_argument(
        "--cluster",
        help="column with the clusters of a two-level model; of the sample (ml, or with weights)",
    )
    command.add_argument("--weights", help="column with sampling weights")
    command.add_argument(
        "--group-order",
        metavar="A,B",
        help="order (and selection) of the groups; as they appear in the data by default",
    )
    command.add_argument(
        "--group-equal",
        default="",
        metavar="A,B",
        help="families of parameters equal across groups, such as loadings,intercepts",
    )
    command.add_argument(
        "--group-partial",
        default="",
        metavar="A,B",
        help="exceptions from --group-equal, such as f=~x2,x3~1",
    )
    command.add_argument("--std-lv", action="store_true", help="constructs have variance 1")
    command.add_argument(
        "--effect-coding",
        action="store_true",
        help="loadings of a construct have mean 1, intercepts of its indicators sum 0",
    )
    command.add_argument(
        "--ordered",
        default="",
        metavar="A,B",
        help="indicators and outcomes that are answers in ordered categories; all: all indicators",
    )
    command.add_argument("--growth", action="store_true", help="a growth model, as growth()")
    command.add_argument(
        "--orthogonal", action="store_true", help="exogenous constructs do not covary"
    )
    command.add_argument(
        "--no-means", action="store_true", help="covariances only, without a mean structure"
    )
    command.add_argument(
        "--random-x", action="store_true", help="covariates are random (fixed.x = FALSE)"
    )
    command.add_argument(
        "--missing",
        choices=("fiml", "listwise", "error"),
        default="fiml",
        help="missing values",
    )
    return command


def _data_arguments(command: argparse.ArgumentParser) -> None:
    """What says which data are read, and how."""
    command.add_argument(
        "data",
        help="CSV, Excel, SPSS, Stata, SAS, Parquet or Feather file (- for CSV from stdin), one "
        "row a respondent; empty cell = missing",
    )
    command.add_argument("--sheet", metavar="NAME", help="sheet of an Excel workbook (the first)")
    command.add_argument(
        "--label-rows",
        type=int,
        default=0,
        metavar="N",
        help="rows below the header that hold no answers but labels of the variables (0)",
    )
    command.add_argument("--encoding", help="of the texts in the data, where the guess is wrong")


def _add_describe(commands: Commands) -> None:
    command = commands.add_parser(
        "describe",
        help="The codebook of a data file.",
        description="What each column of a data file holds, and what a model does with it.",
        epilog=EXIT_CODES,
    )
    _data_arguments(command)


def _add_fit(commands: Commands) -> None:
    command = _model_command(
        commands, "fit", "Sample the posterior, print the estimates, write a run folder."
    )
    command.add_argument("--out", metavar="FOLDER", help="where to save the run")
    command.add_argument("--draws", type=int, default=1000, help="draws kept a chain (1000)")
    command.add_argument("--tune", type=int, default=1000, help="warm-up draws a chain (1000)")
    command.add_argument("--chains", type=int, default=4, help="chains (4)")
    command.add_argument("--seed", type=int, help="random seed")
    command.add_argument(
        "--latents",
        choices=("integrated", "sampled"),
        default="integrated",
        help="integrate the latent variables out (default) or sample a score a respondent",
    )


def _add_ml(commands: Commands) -> None:
    command = _model_command(
        commands,
        "ml",
        "Maximum likelihood: estimates, standard errors and fit measures. A model that is not "
        "identified has none: exit code 1, as from check.",
    )
    command.add_argument(
        "--se",
        choices=("observed", "expected", "robust", "none"),
        help="where standard errors come from (observed information; robust with weights, or "
        "clusters without levels)",
    )
    command.add_argument(
        "--bootstrap", type=int, metavar="N", help="N bootstrap samples and their intervals"
    )
    command.add_argument("--seed", type=int, help="random seed of the bootstrap")


def _add_show(commands: Commands) -> None:
    command = commands.add_parser(
        "show", help="Print a saved run.", description="Print a saved run.", epilog=EXIT_CODES
    )
    command.add_argument("run", help="folder that `bayessem fit --out` or Fit.save wrote")


def _add_report(commands: Commands) -> None:
    text = "Write a saved run as a report for readers and reviewers: HTML, Word or LaTeX."
    command = commands.add_parser("report", help=text, description=text, epilog=EXIT_CODES)
    command.add_argument("run", help="folder that `bayessem fit --out` or Fit.save wrote")
    command.add_argument("out", help="file to write: .html, .docx (Word) or .tex (LaTeX)")
    command.add_argument(
        "--hypothesis",
        action="append",
        default=[],
        metavar="H",
        help="such as 'H1: y ~ x > 0' or 'x -> m -> y > 0', judged at the top; may be repeated",
    )
    command.add_argument("--title", default="Structural equation model", help="heading")
    command.add_argument("--seed", type=int, default=0, help="random seed of replicated data (0)")


def _add_diagram(commands: Commands) -> None:
    text = "Draw a saved run, or a model's text, as a path diagram."
    command = commands.add_parser("diagram", help=text, description=text, epilog=EXIT_CODES)
    command.add_argument(
        "what", help="folder that `bayessem fit --out` or Fit.save wrote, or file with a model"
    )
    command.add_argument(
        "out", help="file to write: .svg, .png, .pdf, .dot, .mmd (Mermaid) or .tex (TikZ)"
    )
    command.add_argument("--latents-only", action="store_true", help="leave the indicators out")
    command.add_argument(
        "--no-covariances", action="store_true", help="loadings and paths without covariances"
    )
    command.add_argument("--raw", action="store_true", help="estimates in the units of the data")
    command.add_argument("--labels", action="store_true", help="labels of variables for names")
    command.add_argument("--group", help="one group; all by default")


def _add_warm(commands: Commands) -> None:
    text = "Compile everything now, once after installing, so that no later run has to wait."
    commands.add_parser("warm", help=text, description=text)


def _add_conformance(commands: Commands) -> None:
    command = commands.add_parser(
        "conformance",
        help="Compare with the numbers of lavaan, OpenMx, modsem and blavaan.",
        description="Run the reference cases of a folder; exit code 1 on any failure.",
    )
    command.add_argument("directory", help="folder with cases.json and data/")
    command.add_argument("--only", metavar="ID", help="one case")
    command.add_argument("--bayes", action="store_true", help="posterior cases as well")
    command.add_argument("--json", metavar="FILE", help="write the results as JSON")


def _add_calibrate(commands: Commands) -> None:
    command = commands.add_parser(
        "calibrate",
        help="Simulation-based calibration of one model of each family.",
        description="Simulation-based calibration; exit code 1 when a family is not calibrated.",
    )
    command.add_argument("families", nargs="*", help="all by default")
    command.add_argument("--fits", type=int, default=500, help="data sets of each (500)")
    command.add_argument("--seed", type=int, default=1, help="random seed (1)")
    command.add_argument("--json", metavar="FILE", help="write the ranks as JSON")
    command.add_argument("--write", metavar="FILE", help="write a Markdown page with a figure")


def _model(arguments: argparse.Namespace) -> SEM:
    from bayessem.model.files import STDIN, read_model_file
    from bayessem.sem import SEM

    if arguments.model == arguments.data == STDIN:
        raise DataError("model and data cannot both be -: standard input holds one of them")
    text, notes = read_model_file(arguments.model)
    _tell(notes)
    return SEM(
        text,
        std_lv=arguments.std_lv,
        group_equal=_listed(arguments.group_equal),
        group_partial=_listed(arguments.group_partial),
        effect_coding=arguments.effect_coding,
        ordered=arguments.ordered == "all" or _listed(arguments.ordered),
        growth=arguments.growth,
        orthogonal=arguments.orthogonal,
        meanstructure=not arguments.no_means,
        fixed_x=not arguments.random_x,
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(x.strip() for x in text.split(",") if x.strip())


def _tell(notes: Sequence[str]) -> None:
    """What was guessed about a file, apart from the results."""
    for note in notes:
        print(f"bayessem: {note}", file=sys.stderr)


def _data(arguments: argparse.Namespace) -> pd.DataFrame:
    from bayessem.model.files import read_data_file

    found = read_data_file(
        arguments.data,
        sheet=arguments.sheet,
        label_rows=arguments.label_rows,
        encoding=arguments.encoding,
    )
    _tell(found.notes)
    return found.labelled_frame()


def _respondents(arguments: argparse.Namespace) -> dict[str, Any]:
    """Whose answers are used, and in which groups."""
    order = arguments.group_order
    return {
        "group": arguments.group,
        "group_order": None if order is None else _listed(order),
        "missing": arguments.missing,
        "cluster": arguments.cluster,
        "weights": arguments.weights,
    }


def _describe(arguments: argparse.Namespace) -> int:
    from bayessem.model.codebook import describe

    data = _data(arguments)
    data.attrs.pop("notes", None)  # they have been told
    print(describe(data))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    report = _model(arguments).check(_data(arguments), **_respondents(arguments))
    print(report)
    return 0 if report.ok else 1


def _fit(arguments: argparse.Namespace) -> int:
    sem, data = _model(arguments), _data(arguments)
    if arguments.out is not None:
        from bayessem.results.run_folder import require_folder

        require_folder(arguments.out)
    fit = sem.fit(
        data,
        **_respondents(arguments),
        draws=arguments.draws,
        tune=arguments.tune,
        chains=arguments.chains,
        random_seed=arguments.seed,
        latents=arguments.latents,
        progress=sys.stderr.isatty(),
    )
    print(fit)
    if arguments.out is not None:
        print(f"\nsaved in {fit.save(arguments.out)}")
    asked = (arguments.draws, arguments.chains)
    return 0 if (fit.settings["draws"], fit.settings["chains"]) == asked else INTERRUPTED


def _ml(arguments: argparse.Namespace) -> int:
    sem, data = _model(arguments), _data(arguments)
    options = _respondents(arguments)
    _require_identified(sem.prepare(data, robust=True, **options))
    print(sem.ml(data, se=arguments.se, **options))
    if arguments.bootstrap is not None:
        if {options.pop("cluster"), options.pop("weights")} != {None}:
            raise NotSupported("the bootstrap is not there yet for clusters and weights")
        boot = sem.bootstrap(data, arguments.bootstrap, random_seed=arguments.seed, **options)
        print(f"\n{boot}")
    return 0


def _require_identified(prepared: Prepared) -> None:
    """Refuse what the check finds serious, and what only priors could determine.

    Raises
    ------
    IdentificationError
        With all of it.
    """
    from bayessem.model.check import check
    from bayessem.model.identification import null_space

    check(prepared).raise_errors()
    undetermined = null_space(prepared)
    if undetermined:
        raise IdentificationError(
            "maximum likelihood has no answer, since the covariances and means cannot determine "
            f"these parameters together: {'; '.join(', '.join(x[:12]) for x in undetermined)}"
        )


def _show(arguments: argparse.Namespace) -> int:
    from bayessem.sem import load

    print(load(arguments.run))
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from bayessem.sem import load

    path = load(arguments.run).report(
        arguments.out,
        title=arguments.title,
        hypotheses=arguments.hypothesis or None,
        random_seed=arguments.seed,
        progress=sys.stderr.isatty(),
    )
    print(f"saved in {path}")
    return 0


def _diagram(arguments: argparse.Namespace) -> int:
    from bayessem.model.files import read_model_file
    from bayessem.sem import SEM, load

    shown = {
        "latents_only": arguments.latents_only,
        "covariances": not arguments.no_covariances,
    }
    if os.path.isdir(arguments.what):
        diagram = load(arguments.what).diagram(
            **shown,
            standardized=not arguments.raw,
            labels=arguments.labels,
            group=arguments.group,
        )
    else:
        text, notes = read_model_file(arguments.what)
        _tell(notes)
        diagram = SEM(text).diagram(**shown)
    print(f"saved in {diagram.save(arguments.out)}")
    return 0


def _warm(arguments: argparse.Namespace) -> int:
    from bayessem.likelihood.compiled import warm

    folder, absent = warm()
    if folder is None:
        return 1  # why has been said
    if absent:
        print(f"not compiled in {folder}: {', '.join(absent)}", file=sys.stderr)
        return 1
    print(f"compiled, in {folder}")
    return 0


def _conformance(arguments: argparse.Namespace) -> int:
    from bayessem.conformance.command import command

    return command(
        arguments.directory, only=arguments.only, bayes=arguments.bayes, json_file=arguments.json
    )


def _calibrate(arguments: argparse.Namespace) -> int:
    from bayessem.report.calibration import command

    return command(
        only=arguments.families,
        fits=arguments.fits,
        random_seed=arguments.seed,
        json_file=arguments.json,
        write=arguments.write,
    )


COMMANDS = {
    "calibrate": _calibrate,
    "check": _check,
    "diagram": _diagram,
    "describe": _describe,
    "fit": _fit,
    "ml": _ml,
    "report": _report,
    "show": _show,
    "warm": _warm,
    "conformance": _conformance,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code (see the head of this module)."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        import bayessem

        print(bayessem.__version__)
        return 0
    if arguments.command is None:
        parser.print_help()
        return 0
    try:
        code = COMMANDS[arguments.command](arguments)
        sys.stdout.flush()
    except BayessemError as error:
        print(f"bayessem: {error}", file=sys.stderr)
        return 1 if isinstance(error, IdentificationError) else 2
    except KeyboardInterrupt:
        with suppress(OSError):  # its reader may be gone with it
            sys.stdout.flush()
        print("\nbayessem: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever reads, such as `| head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
