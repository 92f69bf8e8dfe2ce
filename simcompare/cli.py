"""Command line: makes the settings of a verb, calls its function and prints its messages."""

import atexit
import inspect
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from rich.markup import escape
from typer.core import TyperArgument, TyperCommand, TyperGroup

from simcompare import __version__
from simcompare.commands.planning.options import PANELS, completion_of, metavar_of, panel_of
from simcompare.commands.planning.table import COMMANDS, Command
from simcompare.runs.failures import SOME_FAILED, count_failures
from simcompare.runs.names import PrintableFormatter, printable
from simcompare.runs.tasks import StoppedError
from simcompare.settings import size_problem

__all__ = ["main", "make_app"]


STOPPED, INTERRUPTED = 75, 130  # exit status after a signal (EX_TEMPFAIL), and after Ctrl-C
_SIZED = ("mock", "prepare", "reobserve")  # their images may be scored by a flow


class _PlainHelp:
    """Help without Python types: no value after a switch, PATH or TEXT after an argument."""

    def get_params(self, ctx: typer.Context) -> list:
        """Parameters of the command, with what the help shows as their values."""
        parameters = super().get_params(ctx)
        for each in parameters:
            if getattr(each, "is_flag", False) and each.metavar is None:
                each.metavar = " "
            elif isinstance(each, TyperArgument):
                each.display_type = partial(_value_of_argument, self.name, each.name)
        return parameters


class _Command(_PlainHelp, TyperCommand):
    """Verb with plain help."""


class _Group(_PlainHelp, TyperGroup):
    """Command line with plain help."""


def _value_of_argument(verb: str, name: str, ctx: typer.Context) -> str:
    """Word for the value of an argument, with dots where it takes several."""
    item = COMMANDS[verb].settings.model_fields[name]
    return metavar_of(item) + ("..." if get_origin(item.annotation) is list else "")


def make_app() -> typer.Typer:
    """Command line of all verbs that the table has at this moment."""
    app = typer.Typer(
        name="simcompare",
        cls=_Group,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="How realistic is a simulated galaxy? Mock survey images, likelihoods, comparison.",
    )
    app.callback()(_options)
    for command in COMMANDS.values():
        app.command(command.verb, cls=_Command, rich_help_panel=command.group)(_function_of(command))
    return app


class _SignalledError(KeyboardInterrupt):
    """A signal to stop came; ends a command as Ctrl-C does, so that nothing half made is left."""


def _interrupt(number: int, _frame: object) -> None:
    raise _SignalledError(signal.Signals(number).name)


def _exit(number: int, _frame: object) -> None:
    """End a command that has not begun."""
    typer.echo(f"stopped by {signal.Signals(number).name}; run the same command again to resume.", err=True)
    raise SystemExit(STOPPED)


@contextmanager
def _signals_to(stop: Callable) -> Iterator[None]:
    """Let SIGTERM and SIGUSR1 end the block; tasks, which finish what they are at, catch them themselves."""
    names = ("SIGTERM", "SIGUSR1") if threading.current_thread() is threading.main_thread() else ()
    before = {name: signal.signal(getattr(signal, name), stop) for name in names if hasattr(signal, name)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _function_of(command: Command) -> Callable[..., None]:
    """Make a function whose options are the settings of a command, and ``--dry-run`` where it has one."""
    has_dry_run = command.work and "dry_run" not in command.settings.model_fields

    def function(**options: object) -> None:
        only_estimate = has_dry_run and options.pop("dry_run")
        settings = command.settings(**{name: value for name, value in options.items() if value is not None})
        if command.verb in _SIZED and (problem := size_problem(settings.size)):
            logging.getLogger("simcompare").warning("--size: %s, to score these images", problem)
        if only_estimate:
            from simcompare.commands.planning.dry_run import estimate, summary

            typer.echo(printable(summary([estimate(settings)]), keep="\n\t"))
            return
        try:
            with _signals_to(_interrupt):
                product = command.find(command.function)(settings)
        except KeyboardInterrupt as interrupt:
            signalled = isinstance(interrupt, _SignalledError)
            said = f"stopped by {interrupt}" if signalled else "interrupted"
            typer.echo(f"{said}; run the same command again to resume.", err=True)
            raise typer.Exit(STOPPED if signalled else INTERRUPTED) from None
        for text in command.find("messages")(settings, product):
            typer.echo(printable(text, keep="\n\t"))
        if not getattr(settings, "dry_run", False) and any(
            map(count_failures, command.failure_tables(settings))
        ):
            raise typer.Exit(SOME_FAILED)  # the log says which

    fields = {name: item for name, item in command.settings.model_fields.items() if not item.exclude}
    order = sorted(fields, key=lambda name: PANELS.index(panel_of(name, command.verb)))  # the help follows it
    order = [*command.positional.split(), *(name for name in order if name not in command.positional.split())]
    parameters = [_parameter(command, name, fields[name]) for name in order]
    if has_dry_run:
        parameters.append(_DRY_RUN)
    function.__signature__ = inspect.Signature(parameters)
    function.__annotations__ = {each.name: each.annotation for each in parameters}
    function.__doc__ = command.settings.__doc__
    return function


def _parameter(command: Command, name: str, item: FieldInfo) -> inspect.Parameter:
    """One setting of a command as an argument or option."""
    is_positional, panel = name in command.positional.split(), panel_of(name, command.verb)
    kind = typer.Argument if is_positional else partial(typer.Option, *([item.title] if item.title else []))
    shown = {"help": escape(item.description), "metavar": metavar_of(item), "rich_help_panel": panel}
    if is_positional:
        shown |= {"metavar": None, "rich_help_panel": "Arguments"}
    complete = completion_of(name)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if item.is_required() else item.get_default(),
        annotation=Annotated[item.annotation, kind(**shown, autocompletion=complete)],
    )


_DRY_RUN = inspect.Parameter(
    "dry_run",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool,
        typer.Option(
            "--dry-run",
            metavar=" ",
            rich_help_panel=panel_of("dry_run"),
            help="Print image counts, disk and run time, then exit.",
        ),
    ],
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"simcompare {__version__}")
        raise typer.Exit


def _options(
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", metavar=" ", help="Only warnings and errors.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", metavar=" ", help="Show the traceback of an error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", metavar=" ", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    _show_log(logging.WARNING if quiet else logging.INFO)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the program's name; default: those of this process.

    Returns
    -------
    int
        0 when all went well, 2 for wrong input or usage, 3 when it finished but some inputs failed (see
        ``failures.ecsv``), 75 when SIGTERM or SIGUSR1 stopped it, 130 when interrupted; repeat a
        stopped command to resume it. Repeating one with failures retries inputs that may succeed now.
    """
    _open_closed_streams()
    _replace_unreadable_home()
    if sys.flags.optimize > 1:
        typer.echo(
            "error: photutils does not work under python -OO (PYTHONOPTIMIZE=2); use -O or none.", err=True
        )
        return 2
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if strange := [word for word in arguments if _has_no_utf8(word)]:
        typer.echo(f"error: the name {strange[0]!a} is not UTF-8; rename the file or folder.", err=True)
        return 2
    end = arguments.index("--") if "--" in arguments else len(arguments)  # what follows are names
    arguments[:end] = sorted(arguments[:end], key=lambda word: word not in ("--quiet", "--debug"))
    if "OMP_WAIT_POLICY" not in os.environ:
        # Threads of torch wait by spinning: beside other busy programs training was 3 to 30 times slower.
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    # Threads of numpy's BLAS spin too, and its matrices are small here: comparing takes 24 CPU s, not 10.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        with _signals_to(_exit):
            make_app()(arguments)
    except SystemExit as stop:
        return stop.code or 0
    except ValidationError as error:
        for problem in error.errors():
            option = "--" + "-".join(str(part) for part in problem["loc"]).replace("_", "-")
            reason = problem["msg"].removeprefix("Value error, ")
            message = f"error: {option}: {reason} (given: {problem['input']!r})"
            typer.echo(printable(message, keep="\n"), err=True)
        return 2
    except StoppedError as stop:
        typer.echo(str(stop), err=True)
        return STOPPED
    except (ValueError, OSError, MemoryError) as error:
        if "--debug" in arguments:
            raise
        if isinstance(error, UnicodeEncodeError) and _has_no_utf8(error.object):
            error = f"the name {_name_around(error)!a} is not UTF-8; rename the file or folder."
        reason = (
            f"out of memory ({error}); finished work is kept" if isinstance(error, MemoryError) else error
        )
        typer.echo(printable(f"error: {reason}", keep="\n\t"), err=True)
        return 2
    return 0


def _has_no_utf8(word: str) -> bool:
    """Whether a word holds bytes that are no UTF-8, which products cannot name."""
    return any("\ud800" <= letter <= "\udfff" for letter in word)


def _name_around(error: UnicodeEncodeError) -> str:
    """Name that could not be encoded, of a text that may hold more: at most 1000 characters of it."""
    text, most = error.object, 500
    start = max(text.rfind(end, 0, error.start) for end in '\n"') + 1
    ends = [end for end in (text.find(end, error.end) for end in '\n"') if end >= 0]
    end = min(ends, default=len(text))
    left, right = max(start, error.start - most), min(end, error.start + most)
    return "..." * (left > start) + text[left:right] + "..." * (right < end)


def _open_closed_streams() -> None:
    """Open what the shell closed (``2>&-``), so that no product gets the number of standard error."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", closefd=False))


def _replace_unreadable_home() -> None:
    """Give libraries that read settings in the home folder another one where it cannot be read."""
    home = os.path.expanduser("~")
    if os.path.exists(home) and not os.access(home, os.R_OK | os.X_OK):
        os.environ["HOME"] = tempfile.mkdtemp(prefix="simcompare-home-")
        atexit.register(shutil.rmtree, os.environ["HOME"], ignore_errors=True)
        typer.echo(f"warning: the home folder {home} cannot be read; a temporary one is used.", err=True)


def _show_log(level: int) -> None:
    """Send the log of our packages to standard error, once."""
    for name in ("simcompare", "mocks", "flows"):
        package = logging.getLogger(name)
        package.setLevel(level)
        package.handlers = [each for each in package.handlers if isinstance(each, logging.FileHandler)]
        handler = logging.StreamHandler()
        handler.setFormatter(PrintableFormatter("%(levelname)s: %(message)s"))
        package.addHandler(handler)


if __name__ == "__main__":
    sys.exit(main())
