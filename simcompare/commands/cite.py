"""``simcompare cite``: whom to cite for a run."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from simcompare.kinds import Kind
from simcompare.pages.citations import Citations, bibtex, citations_of
from simcompare.runs.folder import read_config, read_provenance, runs_behind
from simcompare.settings import CiteSettings

__all__ = ["cite", "cite_run", "messages"]


def cite(settings: CiteSettings) -> Citations:
    """Collect the papers of a run as `cite_run` does."""
    return cite_run(settings.run)


def messages(settings: CiteSettings, citations: Citations) -> Iterator[str]:
    """Print the BibTeX."""
    yield bibtex(citations)


def cite_run(folder: str | Path) -> Citations:
    """Collect the papers of a run and of all runs that it was made from.

    Parameters
    ----------
    folder : path-like
        Run folder of any command, for instance of a comparison.

    Raises
    ------
    FileNotFoundError
        When the folder is not a run.
    """
    folders = runs_behind(Path(folder))
    simulations, surveys, populations, software, methods = {}, {}, {}, {"simcompare": None}, {}
    for each in folders:
        verb, settings = read_config(each)
        provenance = read_provenance(each)
        software |= dict.fromkeys(
            name for name, version in provenance.get("packages", {}).items() if version != "not installed"
        )
        surveys |= {settings["survey"]: None} if "survey" in settings else {}
        populations |= {settings["population"]: None} if "population" in settings else {}
        methods |= {"train": {"wavelet": None}, "score": {"log_likelihood_ratio": None}}.get(verb, {})
        simulations |= _simulations(each) if verb in ("mock", "score", "compare") else {}
    return citations_of(simulations, surveys, populations, software, methods)


def _simulations(folder: Path) -> dict[str, None]:
    """Names of the simulations in the scores or the image set of a run."""
    from simcompare.images.image_set import ImageSet
    from simcompare.images.parts import read_catalogue
    from simcompare.scores.run_inputs import run_scores

    names: dict[str, None] = {}
    if read_config(folder)[0] != "mock":
        with suppress(FileNotFoundError):  # a run that has not ended
            scores = run_scores(folder, lambda form: ["kind", "simulation", "dataset"])
            scores = scores[scores.equals("kind", Kind.SIMULATED)]
            names |= dict.fromkeys(scores.words("simulation" if "simulation" in scores else "dataset"))
        return names
    for block in map(read_catalogue, ImageSet.open(folder).files) if (folder / "images").is_dir() else ():
        column = "simulation" if "simulation" in block.colnames else "dataset"
        names |= dict.fromkeys(str(name) for name in block[column])
    return names
