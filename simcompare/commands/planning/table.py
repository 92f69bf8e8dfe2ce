"""The table of commands: one row per verb, read by command line, workflow, dry run, cluster and Python."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from simcompare import settings
from simcompare.runs.names import SCORES

__all__ = ["COMMANDS", "SECTIONS", "Command", "Section"]


@dataclass(frozen=True)
class Section:
    """What a command is in a workflow file.

    Parameters
    ----------
    about : str
        Comment above its section.
    wired : tuple of str
        Settings that the workflow fills in itself.
    function : str
        Function that does it there, where that is another than on the command line.
    job : str
        How a cluster runs it: "plain", "workers" (tasks on many) or "torchrun".
    is_array : bool
        Whether a workflow has several of it that may run beside each other.
    """

    about: str
    wired: tuple[str, ...]
    function: str = ""
    job: str = "plain"
    is_array: bool = False


@dataclass(frozen=True)
class Command:
    """A verb.

    Its module, ``simcompare.commands.<verb>`` unless `function` names another, also has ``messages(settings,
    product)``: texts that the command line prints when the work is done.

    Parameters
    ----------
    verb : str
    settings : type of Settings
        Their docstring is the help.
    function : str
        Function of these settings that does the work: its name, or "module:name".
    group : str
        Heading under which the help lists it.
    positional : str
        Setting that is given without its name, or several in their order, with spaces between.
    returns : str
        What its function in Python returns.
    python : str
        Function that Python calls, where that is another than the command line's.
    is_held : bool
        Whether Python may leave out the folder and hold the product alone.
    work : str
        Function that estimates images, disk and time, likewise; only such commands have ``--dry-run``.
    folder : str
        Setting that says where the products lie.
    product : str
        Last product in that folder; empty for commands that make an image set, or none.
    failures : str
        Function of its settings that lists the tables of what failed, where that is not one in its folder.
    section : Section, optional
        Its part in a workflow file.
    """

    verb: str
    settings: type[settings.Settings]
    function: str
    group: str
    positional: str = ""
    returns: str = ""
    python: str = ""
    is_held: bool = False
    work: str = ""
    folder: str = "out"
    product: str = ""
    failures: str = ""
    section: Section | None = None

    def find(self, name: str) -> Callable:
        """One of its functions, by its name in the command's module or as "module:name".

        The module is imported now, not when the table is read.
        """
        home = self.function.rpartition(":")[0] or f"simcompare.commands.{self.verb}"
        module, _, name = name.rpartition(":")
        return getattr(import_module(module or home), name)

    def failure_tables(self, given: settings.Settings) -> list[Path]:
        """Where what failed is listed, if anything did."""
        if self.failures:
            return self.find(self.failures)(given)
        folder = getattr(given, self.folder, None)
        return [] if folder is None else [folder / settings.FAILURES]


_ESTIMATES = "simcompare.commands.planning.dry_run"
_WORKFLOWS = "simcompare.commands.workflows"

START, CHAIN, IMAGES = "Start", "Step by step", "Images"
WORTH, LOOK = "Errors and systematics", "Look, draw and cite"

_ROWS = (
    Command(
        "demo", settings.DemoSettings, "run_demo", START,
        returns="pathlib.Path of the report",
    ),
    Command(
        "doctor", settings.DoctorSettings, "examine", START, "path",
        returns="list of Examination",
    ),
    Command(
        "init", settings.InitSettings, f"{_WORKFLOWS}.init:write_template", START, "path",
        returns="pathlib.Path of the file",
    ),
    Command(
        "run", settings.RunSettings, f"{_WORKFLOWS}.run:run_workflow", START, "config",
        returns="pathlib.Path of the report, or with dry_run list of Estimate", failures="failure_tables",
    ),
    Command(
        "slurm", settings.SlurmSettings, f"{_WORKFLOWS}.slurm:write_jobs", START, "config",
        returns="pathlib.Path of submit.sh",
    ),
    Command(
        "prepare", settings.PrepareSettings, "make_image_set", CHAIN, "inputs",
        returns="ImageSet", is_held=True,
        work=f"{_ESTIMATES}:work_of_prepare",
        section=Section(
            "Real survey images (or give 'real' above and take this section out).",
            wired=("out",), job="workers",
        ),
    ),
    Command(
        "twins", settings.TwinsSettings, "make_twins", CHAIN, "images",
        returns="ImageSet", is_held=True,
        work=f"{_ESTIMATES}:work_of_twins",
        section=Section(
            "Smooth Sersic twins of the real galaxies: the background class.",
            wired=("images", "out"), job="workers",
        ),
    ),
    Command(
        "train", settings.TrainSettings, "train_model", CHAIN, "images",
        returns="flows.FlowModel", is_held=True,
        work=f"{_ESTIMATES}:work_of_train", product="model",
        section=Section(
            "The flows of real galaxies and of twins (left out when [score] names a model).",
            wired=("images", "out", "init"), job="torchrun",
        ),
    ),
    Command(
        "mock", settings.MockSettings, "make_mocks", CHAIN, "inputs",
        returns="ImageSet", is_held=True,
        work=f"{_ESTIMATES}:work_of_mock",
        section=Section(
            "One section per simulation; its name is the data set's. Copy it for a second simulation.",
            wired=("out",), job="workers", is_array=True,
        ),
    ),
    Command(
        "score", settings.ScoreSettings, "write_scores", CHAIN, "images",
        returns="Scores", python="score_image_sets", is_held=True,
        work=f"{_ESTIMATES}:work_of_score", product=SCORES,
        section=Section(
            "Likelihoods; name 'model' and 'background' to use flows trained before.",
            wired=("images", "out"), job="workers", is_array=True,
        ),
    ),
    Command(
        "compare", settings.CompareSettings, "compare_runs", CHAIN, "scores",
        returns="Comparison", python="simcompare.products:compare", is_held=True,
        work=f"{_ESTIMATES}:work_of_compare", product="comparison.ecsv",
        section=Section(
            "Differences, errors, nulls.", wired=("scores", "out"), function="recompare_runs",
        ),
    ),
    Command(
        "report", settings.ReportSettings, "report_run", CHAIN, "run",
        returns="Page", python="simcompare.products:report",
        work=f"{_ESTIMATES}:work_of_report", folder="run", product="report.html",
        section=Section("Figures and one page.", wired=("run",)),
    ),
    Command(
        "fetch", settings.FetchSettings, "fetch_archive", IMAGES, "archive",
        returns="str", failures="failure_tables", work="work_of_fetch",
        section=Section(
            "Files from public archives, [fetch.NAME] for each kind ('simcompare init --recipe' shows how).",
            wired=(),
        ),
    ),
    Command(
        "sky", settings.SkySettings, "make_sky_bank", IMAGES, "inputs",
        returns="mocks.SkyBank",
    ),
    Command(
        "match", settings.MatchSettings, "match_images", IMAGES, "images",
        returns="ImageSet", is_held=True,
    ),
    Command(
        "reobserve", settings.ReobserveSettings, "make_reobserved", IMAGES, "inputs",
        returns="ImageSet", is_held=True,
    ),
    Command(
        "info", settings.InfoSettings, "describe", IMAGES, "images",
        returns="str",
    ),
    Command(
        "export", settings.ExportSettings, "export", IMAGES, "images",
        returns="int, the number of images",
    ),
    Command(
        "nulls", settings.NullsSettings, "make_nulls", WORTH, "images",
        returns="Nulls", python="simcompare.products:nulls", is_held=True,
    ),
    Command(
        "attribute", settings.AttributeSettings, "attribute_mocks", WORTH, "inputs",
        returns="Attribution", is_held=True,
    ),
    Command(
        "board", settings.BoardSettings, "board_of", WORTH, "runs",
        returns="Table",
    ),
    Command(
        "browse", settings.BrowseSettings, "browse_run", LOOK, "run",
        returns="Page or BrowseServer", python="simcompare.products:browse", folder="run",
    ),
    Command(
        "figure", settings.FigureSettings, "draw_figure", LOOK, "name run",
        returns="pathlib.Path of the file",
    ),
    Command(
        "cite", settings.CiteSettings, "cite", LOOK, "run",
        returns="Citations",
    ),
)  # fmt: skip

COMMANDS: dict[str, Command] = {row.verb: row for row in _ROWS}
"""Every verb, in the order of the help."""

SECTIONS = {
    verb: COMMANDS[verb].settings
    for verb in dict.fromkeys(["fetch", *COMMANDS])  # fetch comes first in the file, later in the help
    if COMMANDS[verb].section
}
"""Sections of a workflow file in their order; ``fetch`` and ``mock`` hold one for each of several."""
