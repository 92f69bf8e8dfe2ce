"""Score runs to a comparison run: the headline table, every further table, and a record for the board."""

import logging
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from astropy.table import Table

from mocks import stream
from simcompare.comparison.answer import answer
from simcompare.comparison.attribution import ATTRIBUTION, attribution_tables, with_floors
from simcompare.comparison.board import write_record
from simcompare.comparison.further_tables import Questions, further_tables, needed_columns
from simcompare.comparison.headline import compare
from simcompare.comparison.nulls import NULLS, null_tables, with_nulls
from simcompare.comparison.properties.population import population_of, property_of
from simcompare.comparison.report_table import (
    INDEX,
    read_comparison,
    with_columns_of,
    write_comparison,
    write_further,
)
from simcompare.comparison.structure import learn_again
from simcompare.comparison.structure_null import null_table
from simcompare.images.image_set import LINEAR_UNIT
from simcompare.kinds import Kind
from simcompare.runs.folder import Run, open_run, read_settings
from simcompare.runs.ledger import check_hash
from simcompare.runs.names import SCORES
from simcompare.runs.tables import readable
from simcompare.scores.encoders import Encoder, find_encoder, is_import
from simcompare.scores.files import joined_blocks, joined_form, joined_scores, scores_file, write_blocks
from simcompare.scores.nuisance import read_columns
from simcompare.scores.ranking import SPACES, Reader, place_scores
from simcompare.scores.record import Scores
from simcompare.scores.run_inputs import run_image_sets, run_models
from simcompare.scores.spaces import open_spaces
from simcompare.scores.structure import ALWAYS, Structure
from simcompare.settings import CompareSettings
from simcompare.synthetic.blank_sky import blank_sky_of

__all__ = ["compare_runs", "main_columns", "messages", "recompare_runs"]

logger = logging.getLogger(__name__)

_RECORD = "record.json"


def compare_runs(settings: CompareSettings) -> Table:
    """Compare the data sets of score runs with real galaxies.

    Returns
    -------
    Table
        As `simcompare.comparison.headline.compare` makes it, with the main columns of the further tables
        (matched, adjusted, jackknife, typicality, feature tests) and of the nulls. Also in ``settings.out``,
        with all scores, ``tables/`` and ``record.json``.

    Raises
    ------
    FileNotFoundError, ValueError
        For missing or unlike score runs, unknown data sets, or columns that are asked for and not there.
    """
    return _compare(settings, replace=False)


def recompare_runs(settings: CompareSettings) -> Table:
    """Compare as `compare_runs`, in place of a comparison of fewer or other runs in the same folder."""
    return _compare(settings, replace=True)


def _compare(settings: CompareSettings, *, replace: bool) -> Table:
    """Make the comparison and write it."""
    inputs = [*settings.scores, *([settings.nulls] if settings.nulls else []), *settings.attribution]
    with open_run(settings.out, "compare", settings, inputs, replace=replace) as run:
        done = run.ledger(_inputs(settings))
        if done.has_all(_RECORD):
            logger.info("%s already holds this comparison", run.folder)
            return read_comparison(run.folder)
        paths = list(map(scores_file, settings.scores))
        for path in paths:
            check_hash(path)
        form = joined_form(paths)
        questions = _questions(settings, form.colnames)
        form = form.with_reference(settings.reference)
        scores = joined_scores(paths, form, needed_columns(form, questions))
        form = form.with_reference(scores.named_reference)
        _refuse_unknown(form, scores, questions)
        table = compare(
            scores,
            stream(settings.seed, "compare"),
            n_bootstrap=settings.bootstrap,
            conditions=questions.conditions,
        )
        structure = learn_again(scores, table.meta["structure"])
        scores = _with_structure(scores, structure, questions, table.meta["structure"].get("note", ""))
        blocks = _placed(partial(joined_blocks, paths, form), form, run)
        if structure is not None:
            blocks = (block.with_columns(structure_z=structure.z(block)) for block in blocks)
        write_blocks(blocks, run.folder / SCORES)
        asked = {"questions": questions, "structure": structure, "verdicts": _verdicts(table)}
        with open_spaces(run.folder / SPACES) as spaces:
            further = further_tables(scores, settings.seed, spaces=spaces, **asked)
        further.insert(0, null_table(table.meta["structure"]))
        further += [*null_tables(settings.nulls), *attribution_tables(settings.attribution)]
        table = with_nulls(with_columns_of(table, further), scores, settings.nulls)
        table = with_floors(table, settings.attribution, form.meta.get("model"))
        write_further(further, run.folder / "tables")
        write_comparison(table, run.folder)
        write_record(
            table,
            run.folder / _RECORD,
            name=settings.name or run.folder.name,
            model=str(form.meta.get("model", "unknown")),
            background=str(form.meta.get("background", "unknown")),
            **_fractions(scores, structure),
        )
        products = [SCORES, SPACES, "comparison.ecsv", "comparison.json", _RECORD, f"tables/{INDEX}"]
        products += [f"tables/{each.name}.ecsv" for each in further if each.table is not None]
        done.record(*(name for name in products if name != SPACES or (run.folder / SPACES).is_file()))
    return table


def _verdicts(table: Table) -> dict[str, str]:
    """Verdict on each simulation."""
    claims = table[[kind == Kind.SIMULATED for kind in table["kind"]]]
    return dict(zip(claims["dataset"].tolist(), claims["verdict"].tolist(), strict=True))


def _with_structure(scores: Scores, structure: Structure | None, questions: Questions, note: str) -> Scores:
    """Scores with that of the structure as headline; without one as they are, and `note` says why."""
    if structure is not None:
        return scores.with_columns(structure_z=structure.z(scores)).with_headline("structure_z")
    if questions.conditions:
        raise ValueError(f"--condition: {note}")
    logger.warning("structure score skipped: %s", note)
    return scores


def _fractions(scores: Scores, structure: Structure | None) -> dict:
    """Fractions of the simulations as the board needs them."""
    if structure is None:
        return {}
    names = scores.of_kind(Kind.SIMULATED)
    return {
        "fractions": {name: structure.fraction(scores.sample(name)) for name in names},
        "galaxies": structure.galaxies.tolist(),
    }


def _inputs(settings: CompareSettings) -> list[Path]:
    """Files that a comparison is made from."""
    paths = list(map(scores_file, settings.scores))
    paths += [settings.nulls / NULLS] if settings.nulls else []
    paths += [path / ATTRIBUTION for path in settings.attribution]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist; run the command that makes it first.")
    return paths


def _placed(read: Reader, form: Scores, run: Run) -> Iterable[Scores]:
    """Blocks of scores among the real galaxies of the reference, in spaces that all score runs share."""
    settings = run.settings
    (run.folder / SPACES).unlink(missing_ok=True)
    scored = read_settings(settings.scores[0])
    sets = run_image_sets(run.folder)
    real = sets.get(form.named_reference)
    model = run_models(run.folder).get("model")
    if real is None or model is None:
        logger.warning(
            "feature tests skipped: the flow or the images of %s are not available", form.reference
        )
        return read(None)
    blank = [blank_sky_of(real, scored.get("seed", 0))] if real.unit == LINEAR_UNIT else []
    return place_scores(
        read,
        form,
        [*sets.values(), *blank],
        model,
        run.folder,
        seed=settings.seed,
        neighbours=scored.get("neighbours", 3),
        embedding=_encoder(settings.embedding, scored.get("embedding")),
    )


def _encoder(asked: str | None, scored: object) -> Encoder | None:
    """Find the encoder of the score runs; code that a folder names is not imported."""
    if asked is not None:
        return find_encoder(asked, may_import=True)
    if not isinstance(scored, str):
        return None
    if is_import(scored):
        logger.warning(
            "neighbours by the encoder %s skipped: code is imported only when named on the command line; "
            "if you trust it, give --embedding %s",
            scored,
            scored,
        )
        return None
    return find_encoder(scored, may_import=False)


def _questions(settings: CompareSettings, names: list[str]) -> Questions:
    """Turn options into questions."""
    bins = property_of(settings.bins or "", "--bins")
    population = population_of(settings.population, names)
    conditions = _listed(settings.condition)
    if missing := [name for name in ALWAYS if name not in conditions]:
        raise ValueError(
            f"--condition is {settings.condition!r} and lacks {', '.join(missing)}, which always count; add "
            f"columns to '{','.join(ALWAYS)}'."
        )
    further = tuple(dict.fromkeys(name for name in conditions if name not in ALWAYS))
    generations = _listed(settings.generations)
    return Questions(_listed(settings.match), bins.column, bins.edges, generations, further, population)


def _listed(text: str | None) -> tuple[str, ...]:
    """Words between commas."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _refuse_unknown(form: Scores, scores: Scores, questions: Questions) -> None:
    """Raise when a column or a data set that is asked for is not there."""
    read_columns(form, questions.columns or ["dataset"])
    names = scores.datasets
    unknown = [name for name in questions.generations if name not in names]
    if unknown or len(questions.generations) == 1:
        raise ValueError(
            f"--generations names {', '.join(unknown) or 'one data set'}; "
            f"give two or more of {', '.join(names)}."
        )


def main_columns(table: Table) -> Table:
    """Choose the columns of a comparison that are looked at first, with few digits."""
    fraction = [f"structure_fraction{end}" for end in ("", "_low", "_high")]
    shown = table["dataset", "n_galaxies", *fraction, "structure_z_weighted", "structure_p_holm", "verdict"]
    for name in fraction:
        shown[name].info.format = ".2f"
    shown["structure_z_weighted"].info.format = "+.2f"
    shown["structure_p_holm"].info.format = ".2g"
    return shown


def messages(settings: CompareSettings, table: Table) -> Iterator[str]:
    """Show the answer, the main columns, and what is doubtful."""
    sentence, note = answer(table), table.meta.get("structure", {}).get("note", "").rstrip(".")
    yield sentence
    if note and note not in sentence:
        yield f"note: {note}"
    yield from readable(main_columns(table)).pformat(max_width=-1, max_lines=-1)
    for row in table[table["caution"] != ""]:
        yield f"{row['dataset']}: {row['caution']}"
    yield f"all columns in {settings.out / 'comparison.ecsv'}"
