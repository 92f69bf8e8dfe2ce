"""Command line: each verb reads its settings, calls one public function and says where the result is."""

import inspect
import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

import typer
from pydantic import ValidationError

from simcompare import __version__
from simcompare import settings as config
from simcompare.runs.tasks import StoppedError

__all__ = ["main"]

logger = logging.getLogger(__name__)

app = typer.Typer(
    name="simcompare",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="How realistic is a simulated galaxy? Mock survey images, likelihoods, comparison.",
)


def _verb(settings: type[config.Settings], *positional: str, is_long: bool = False) -> Callable:
    """Make a command whose options are the fields of its settings; long ones get ``--dry-run``."""

    def register(function: Callable[[config.Settings], None]) -> Callable:
        def command(**options):
            only_estimate = is_long and options.pop("dry_run")
            given = {name: value for name, value in options.items() if value is not None}
            if only_estimate:
                _print_estimate(settings(**given))
            else:
                function(settings(**given))

        parameters = []
        for name, item in settings.model_fields.items():
            is_positional = name in positional
            flags = [item.title] if item.title else []
            option = typer.Argument if is_positional else partial(typer.Option, *flags)
            default = inspect.Parameter.empty if item.is_required() else item.get_default()
            parameters.append(
                inspect.Parameter(
                    name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=default,
                    annotation=Annotated[item.annotation, option(help=item.description)],
                )
            )
        if is_long:
            parameters.append(_DRY_RUN)
        command.__signature__ = inspect.Signature(parameters)
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        command.__doc__ = function.__doc__
        app.command(function.__name__)(command)
        return function

    return register


_DRY_RUN = inspect.Parameter(
    "dry_run",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[bool, typer.Option("--dry-run", help="Only say counts, disk and time.")],
)


def _print_estimate(settings: config.Settings) -> None:
    from simcompare.commands.dry_run import estimate, summary

    typer.echo(summary([estimate(settings)]))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"simcompare {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    _show_log(logging.WARNING if quiet else logging.INFO)


@_verb(config.InitSettings, "path")
def init(settings):
    """Write a commented workflow file to fill in."""
    from simcompare.commands.init import write_template

    typer.echo(f"{write_template(settings)} written; fill in its inputs, then 'simcompare run' it")


@_verb(config.RunSettings, "config")
def run(settings):
    """Do the whole chain of a workflow file: prepare, twins, train, mock, score, compare, report."""
    from simcompare.commands.run import run_workflow

    if settings.dry_run:
        from simcompare.commands.dry_run import estimate_workflow, summary

        typer.echo(summary(estimate_workflow(settings.config, settings.overrides)))
        return
    page = run_workflow(settings.config, settings.overrides, logger.info)
    typer.echo(f"report in {page}")


@_verb(config.MockSettings, "inputs", is_long=True)
def mock(settings):
    """Observe simulated galaxies as a survey would."""
    from simcompare.commands.mock import make_mocks

    images = make_mocks(settings)
    typer.echo(f"{len(images)} images of {images.name} in {settings.out}")


@_verb(config.SkySettings, "inputs")
def sky(settings):
    """Cut patches of real sky, for mocks to be put into."""
    from simcompare.synthetic.sky import make_sky_bank

    bank = make_sky_bank(settings)
    typer.echo(f"{len(bank)} patches of {bank.image.shape[-1]} pixels in {settings.out}")


@_verb(config.PrepareSettings, "inputs", is_long=True)
def prepare(settings):
    """Prepare real survey images exactly as mocks are."""
    from simcompare.commands.prepare import make_image_set

    images = make_image_set(settings)
    typer.echo(f"{len(images)} images of {images.name} in {settings.out}")


@_verb(config.ReobserveSettings, "inputs")
def reobserve(settings):
    """Observe real images again: with a shallower survey, or from farther away."""
    from simcompare.commands.reobserve import make_reobserved

    images = make_reobserved(settings)
    typer.echo(f"{len(images)} images of {images.name} in {settings.out}")


@_verb(config.FetchSettings, "archive")
def fetch(settings):
    """Fetch survey images, catalogues and simulations from public archives, politely and whole."""
    from simcompare.commands.fetch import fetch_archive

    typer.echo(fetch_archive(settings))


@_verb(config.ExportSettings, "images")
def export(settings):
    """Write an image set as FITS, or in the layout of the Multimodal Universe."""
    from simcompare.commands.export import export_images

    typer.echo(f"{export_images(settings)} images in {settings.out}")


@_verb(config.InfoSettings, "images")
def info(settings):
    """Describe an image set: what was selected, what was left out and why, distributions."""
    from simcompare.commands.info import describe

    typer.echo(describe(settings))


@_verb(config.TwinsSettings, "images", is_long=True)
def twins(settings):
    """Fit a smooth Sersic model to each real galaxy and observe it like the galaxy."""
    from simcompare.commands.twins import make_twins

    images = make_twins(settings)
    typer.echo(f"{len(images)} Sersic twins in {settings.out}")


@_verb(config.TrainSettings, "images", is_long=True)
def train(settings):
    """Learn the probability density of an image set."""
    from flows.training.distributed import is_first
    from simcompare.commands.train import train_model

    model = train_model(settings)
    if not is_first():
        return
    nats, gap = model.summary["validation_nats_per_pixel"], model.summary["gap_nats_per_pixel"]
    typer.echo(f"-log_prob on held-out images {nats:.4f} nats per pixel ({gap:+.4f} against training)")
    typer.echo(f"model in {settings.out}")


@_verb(config.ScoreSettings, "images", is_long=True)
def score(settings):
    """Give every image its log-likelihood and likelihood ratio."""
    from simcompare.commands.score import write_scores
    from simcompare.runs.tables import count_rows

    path = write_scores(settings)
    typer.echo(f"{count_rows(path)} images scored in {path}")


@_verb(config.CompareSettings, "scores", is_long=True)
def compare(settings):
    """Compare data sets with a reference: differences, errors, doubts."""
    from simcompare.commands.compare import compare_runs

    table = compare_runs(settings)
    names = ["dataset", "n_galaxies", "n_images", "delta_mean", "delta_mean_low", "delta_mean_high", "auc"]
    shown = table[names]
    for name in names[3:]:
        shown[name].info.format = ".2f" if name == "auc" else "+.1f"
    typer.echo("\n".join(shown.pformat(max_width=-1, max_lines=-1)))
    for row in table[table["caution"] != ""]:
        typer.echo(f"{row['dataset']}: {row['caution']}")
    typer.echo(f"all columns in {settings.out / 'comparison.ecsv'}")


@_verb(config.AttributeSettings, "inputs")
def attribute(settings):
    """Say how many nats each ingredient of a mock is worth, and the systematic floor under a gap."""
    from simcompare.commands.attribute import attribute_mocks

    found = attribute_mocks(settings)
    for table, name in ((found.ladder, "change"), (found.perturbations, "shift")):
        shown = table[table.colnames[0], "n_galaxies", name, f"{name}_low", f"{name}_high"]
        for column in shown.colnames[2:]:
            shown[column].info.format = "+.1f"
        typer.echo("\n".join(shown.pformat(max_width=-1, max_lines=-1)))
    typer.echo(found.verdict)
    typer.echo(f"give {settings.out} to 'simcompare compare' as --attribution")


@_verb(config.NullsSettings, "images")
def nulls(settings):
    """Train again with other seeds, halves and pixel transforms: what a gap must exceed."""
    from simcompare.commands.nulls import make_nulls

    for each in make_nulls(settings):
        typer.echo(f"{each.title}. {each.note}")
    typer.echo(f"give {settings.out} to 'simcompare compare' as --nulls")


@_verb(config.BoardSettings, "runs")
def board(settings):
    """Rank stored comparisons of one survey, preparation and model."""
    from simcompare.commands.board import board_of

    table = board_of(settings)
    for name in ("delta_mean", "delta_mean_low", "delta_mean_high"):
        table[name].info.format = "+.1f"
    for name in ("auc", "auc_low", "auc_high", "overlap"):
        table[name].info.format = ".2f"
    typer.echo("\n".join(table.pformat(max_width=-1, max_lines=-1)))


@_verb(config.ReportSettings, "run", is_long=True)
def report(settings):
    """Draw the figures and write one self-contained page."""
    from simcompare.commands.report import report_run

    page = report_run(settings)
    content = page.with_suffix(".json")
    typer.echo(content.read_text(encoding="utf-8") if settings.machine else f"report in {page}")


@_verb(config.BrowseSettings, "run")
def browse(settings):
    """Sort, filter and look at scored galaxies: one page, or for more than 10,000 a local server."""
    from simcompare.commands.browse import browse_run
    from simcompare.pages.browse_server import BrowseServer

    made = browse_run(settings)
    if not isinstance(made, BrowseServer):
        typer.echo(f"page in {made}")
        return
    typer.echo(f"open {made.url} in a browser of this machine; Ctrl-C ends the server")
    with made:
        made.serve_forever()


@_verb(config.SlurmSettings, "config")
def slurm(settings):
    """Write the job scripts that run a workflow file on a SLURM cluster."""
    from simcompare.commands.slurm import write_jobs

    path = write_jobs(settings)
    typer.echo(f"edit the three lines on top of {path}, then: bash {path}")


@_verb(config.CiteSettings, "run")
def cite(settings):
    """Print BibTeX and acknowledgements of all that a run has used."""
    from simcompare.commands.cite import cite_run
    from simcompare.pages.citations import bibtex

    typer.echo(bibtex(cite_run(settings.run)))


@_verb(config.DoctorSettings, "path")
def doctor(settings):
    """Check a simulation's files before a long run."""
    from mocks.readers import examine_all, parse_options

    options = {"min_stellar_mass": settings.min_stellar_mass} | parse_options(settings.reader)
    examinations = examine_all(settings.path, settings.simulation, **options)
    typer.echo("\n\n".join(map(str, examinations)))
    if not all(examination.ok for examination in examinations):
        raise typer.Exit(2)


@_verb(config.DemoSettings)
def demo(settings):
    """Show the whole story on toy galaxies; needs no data and no network."""
    from simcompare.commands.demo import run_demo

    page = run_demo(settings)
    typer.echo(f"report in {page}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the program's name; default: those of this process.

    Returns
    -------
    int
        0 when all went well, 2 for wrong input or usage, 75 when SIGTERM or SIGUSR1 stopped it, 130 when
        interrupted; an interrupted command goes on where it stopped when it is given again.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    arguments.sort(key=lambda word: word not in ("--quiet", "--debug"))  # wherever they are written
    if "OMP_WAIT_POLICY" not in os.environ:
        # Threads of torch wait by spinning: beside other busy programs training was 3 to 30 times slower.
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    try:
        app(arguments)
    except SystemExit as stop:
        return stop.code or 0
    except ValidationError as error:
        for problem in error.errors():
            option = "--" + "-".join(str(part) for part in problem["loc"]).replace("_", "-")
            typer.echo(f"error: {option}: {problem['msg']} (given: {problem['input']!r})", err=True)
        return 2
    except StoppedError as stop:
        typer.echo(str(stop), err=True)
        return 75
    except (ValueError, OSError) as error:
        if "--debug" in arguments:
            raise
        typer.echo(f"error: {error}", err=True)
        return 2
    return 0


def _show_log(level: int) -> None:
    """Send the log of our packages to standard error, once."""
    for name in ("simcompare", "mocks", "flows"):
        package = logging.getLogger(name)
        package.setLevel(level)
        package.handlers = [each for each in package.handlers if isinstance(each, logging.FileHandler)]
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        package.addHandler(handler)


if __name__ == "__main__":
    sys.exit(main())
