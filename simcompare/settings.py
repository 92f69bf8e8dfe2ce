"""Settings of every command: the one place for their names, defaults, meanings and limits."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from simcompare.data.shipped import default_background, shipped_models

__all__ = [
    "FAILURES",
    "SKY_FILE",
    "WHERE_AND_HOW",
    "AttributeSettings",
    "BoardSettings",
    "BrowseSettings",
    "CiteSettings",
    "CompareSettings",
    "DemoSettings",
    "DoctorSettings",
    "ExportSettings",
    "FetchSettings",
    "FigureSettings",
    "InfoSettings",
    "InitSettings",
    "MatchSettings",
    "MockSettings",
    "NullsSettings",
    "PrepareSettings",
    "ReobserveSettings",
    "ReportSettings",
    "RunSettings",
    "ScoreSettings",
    "Settings",
    "SkySettings",
    "SlurmSettings",
    "TrainSettings",
    "TwinsSettings",
    "WorkflowSettings",
    "likely_name",
    "problems_of",
    "size_problem",
]


def _matches(pattern: Path) -> list[Path]:
    """Files and folders of a pattern, hidden ones left out; links to folders are not followed by ``**``."""
    paths = Path(pattern.anchor or ".").glob(str(pattern.relative_to(pattern.anchor)))
    hidden = [part for part in pattern.parts if part.startswith(".")]
    plain = (path for path in paths if all(part[:1] != "." or part in hidden for part in path.parts))
    return sorted(plain, key=str)


def _letters_of(bands: object) -> object:
    """Put filters given as 'gri', 'g,r,i', 'g r i' or a list, into one word."""
    if isinstance(bands, str):
        names = re.findall(r"[^\s,;\[\]'\"]+", bands)
        names = list(names[0]) if len(names) == 1 else names
    elif isinstance(bands, list | tuple) and all(isinstance(name, str) for name in bands):
        names = list(bands)
    else:
        return bands
    if len(names) > 1 and (long := [name for name in names if len(name) != 1]):
        raise ValueError(f"{long[0]!r} is not one letter; write the survey's letters: 'gri' or 'g,r,i'")
    return "".join(names)


def _each_once(bands: str | None) -> str | None:
    """Refuse no filter, or one that is named twice."""
    if bands is not None and (not bands or len(set(bands)) < len(bands)):
        raise ValueError("name each filter once: 'gri' or 'g,r,i'")
    return bands


class Settings(BaseModel):
    """Settings of one command, whose help is the docstring; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    _bands = field_validator("bands", "rgb", mode="before", check_fields=False)(_letters_of)
    _each_band = field_validator("bands", mode="after", check_fields=False)(_each_once)

    @field_validator("inputs", mode="after", check_fields=False)
    @classmethod
    def _matching(cls, paths: list[Path]) -> list[Path]:
        """Files that match patterns: a workflow file has no shell to expand them."""
        matching = []
        for path in paths:
            is_pattern = any(sign in str(path) for sign in "*?[") and not path.exists()
            matches = _matches(path) if is_pattern else [path]
            if not matches:
                raise ValueError(f"no file matches {path}")
            matching += matches
        return matching

    @property
    def filters(self) -> tuple[str, ...]:
        """Names of the filters in ``bands``: its letters, or all of it where the survey has such a filter."""
        from mocks.surveys import load_survey

        return (self.bands,) if self.bands in load_survey(self.survey).bands else tuple(self.bands)

    def as_dict(self) -> dict:
        """Plain values for TOML and JSON; what is not set is left out."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def path_names(cls) -> list[str]:
        """Names of the settings that are paths, or lists of them."""
        kinds = {name: field.annotation for name, field in cls.model_fields.items()}
        return [name for name, kind in kinds.items() if Path in (kind, *get_args(kind))]

    def of_result(self) -> dict:
        """Values that the result depends on."""
        return {name: value for name, value in self.as_dict().items() if name not in WHERE_AND_HOW}


def size_problem(size: int) -> str:
    """Say why no flow takes images of this size; empty where one does."""
    if not size & (size - 1):
        return ""
    power = size.bit_length()
    return f"{size} is not a power of two, as flows need; choose {1 << (power - 1)} or {1 << power}"


def likely_name(name: str, known: Sequence[str]) -> str:
    """Ask whether a known name was meant instead of an unknown one, or list the known ones."""
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}."


def problems_of(error: ValidationError) -> list[str]:
    """Say which settings are wrong, why, and what was given."""
    return [
        f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')} "
        f"(given: {each['input']!r})"
        for each in error.errors()
    ]


WHERE_AND_HOW = frozenset({"out", "workers", "scheduler", "timeout", "members", "machine"})
"""Settings on which no result depends; a run may go on with others."""

_SHIPPED = ", ".join(shipped_models()) or "none"
_SEED = Field(0, ge=0, description="Random seed of the run.")
_WORKERS = Field(
    0, ge=0, description="Number of processes; 0 uses all cores. The result does not depend on it."
)
_SCHEDULER = Field(
    None,
    examples=["slurm"],
    description="Dask cluster to run on: scheduler file or address (tcp://host:8786; command line only, as "
    "it can run code here), or 'slurm' (dask-jobqueue); default: the cores of this machine.",
)
_TIMEOUT = Field(600.0, gt=0, description="Time limit for reading one galaxy [s].")
_READER = Field(
    [],
    description="Option of the format's reader as key=value, repeatable: 'snapshot=99', 'length=cMpc', "
    "'a=0.5', 'linking_length=0.8', 'fields.birth=BornAt'.",
)
_BANDS = Field("r", description="Filters, one letter each: 'gri' or 'g,r,i' (Euclid: VIS).")
_SIZE = Field(64, ge=8, description="Image size [pixels], a power of two: 32, 64, 128, ...")
_ARCSEC = Field(None, gt=0, description="Image size [arcsec], to the nearest pixel; overrides --size.")
_RADII = Field(
    None, gt=0, description="Image size [Petrosian radii of each galaxy], resampled to --size pixels."
)
FAILURES = "failures.ecsv"
"""Table in a run folder of what could not be done."""
SKY_FILE = "sky.h5"
"""Bank of real sky in the folder of an image set that was cut from whole frames."""
_VIEWS = Field(
    "1",
    examples=["face-on,edge-on"],
    description="Views of each galaxy: a number of random ones, or a list of x, y, z, face-on, "
    "edge-on, random:N and healpix:N (N = 12, 48, 192, ... equal parts of the sphere).",
)
_SURVEY = Field("sdss", description="Survey, by name or as the path of a survey file.")


def _checked_views(views: object) -> str:
    """Text of views, a number or names, that can be."""
    from mocks.views import named_views

    views = str(views)
    named_views(views)
    return views


class MockSettings(Settings):
    """Observe simulated galaxies as a survey would."""

    inputs: list[Path] = Field(
        description="Data of one simulation: snapshots, cutouts, extracts, images, or folders of such files."
    )
    out: Path = Field(description="Run folder.")
    survey: str = _SURVEY
    simulation: str | None = Field(None, description="Known simulation or format; default: from the file.")
    name: str | None = Field(None, description="Name of the simulation; default: from the file.")
    reader: list[str] = _READER
    redshift: float | None = Field(
        None, gt=0, examples=[0.05], description="Redshift of the mocks; default: the snapshot's."
    )
    views: str = _VIEWS
    bands: str = _BANDS
    size: int = _SIZE
    seed: int = _SEED
    population: str = Field(
        "bc03",
        description="Stellar population: bc03 (options as 'bc03:imf=chabrier'), fsps, snapshot or "
        "an HDF5 grid of spectra.",
    )
    nebular: bool | None = Field(
        None,
        description="Lines and continuum of ionised gas around young stars, of population bc03; default: on.",
    )
    dust: str = Field(
        "screen",
        description="Dust: none, screen, calzetti or gas-column; options as 'screen:tau_old=0.5' or "
        "'gas-column:geometry=screen,cell=0.2'.",
    )
    conditions: Path | None = Field(
        None, description="Image set to take PSF, noise and calibration from; default: the survey file."
    )
    sky: Path | None = Field(
        None,
        description="Real sky to insert galaxies into: a bank written by `simcompare sky`, or a folder of "
        "survey images; 'model': synthetic. Default: the sky kept with the images of --conditions, if any.",
    )
    fits: bool = Field(False, description="Also write each image as FITS: variance, mask, PSF, WCS.")
    stages: bool = Field(False, description="Keep the noiseless stages in the FITS files.")
    rgb: str | None = Field(
        None,
        min_length=3,
        max_length=3,
        description="Bands of red, green and blue ('irg'): 8-bit pictures with one stretch for all.",
    )
    min_stellar_mass: float = Field(0.0, ge=0, description="Minimum stellar mass [Msun].")
    subhalo: list[int] = Field([], description="Only the galaxy with this subhalo_id; repeatable.")
    where: str | None = Field(None, description="Condition on catalogue columns: 'n_stars > 500'.")
    every: int = Field(1, ge=1, description="Use every n-th galaxy of the selection.")
    aperture: str | None = Field(
        None,
        description="Keep only stars within a radius: '30 kpc', '2 rhalf' (half-mass radii), '2 rlight' "
        "(half-light radii, with --centre light) or 'image' (half its side); default: all.",
    )
    centre: Literal["catalogue", "light"] = Field(
        "catalogue",
        description="Centre of a galaxy: that of the simulation's catalogue, or where its light in the first "
        "band is densest.",
    )
    field_of_view: str | None = Field(
        None,
        examples=["50 kpc"],
        description="Side of the image: '25 arcsec' or '50 kpc', to the nearest pixel, overriding --size; "
        "or '8 rhalf' (half-mass radii of each galaxy), resampled to --size pixels.",
    )
    companions: str | None = Field(
        None,
        examples=["group", "100 kpc"],
        description="Also show the stars of the galaxy's friends-of-friends 'group', or within a radius: "
        "'100 kpc', '0.1 Mpc' or a number of kpc; default: only its own.",
    )
    workers: int = _WORKERS
    scheduler: str | None = _SCHEDULER
    timeout: float = _TIMEOUT

    @property
    def real_sky(self) -> Path | None:
        """Bank or folder of real sky that the settings mean; None is synthetic sky."""
        if self.sky is not None:
            return None if str(self.sky) == "model" else self.sky
        kept = self.conditions / SKY_FILE if self.conditions else None
        return kept if kept and kept.is_file() else None

    @model_validator(mode="before")
    @classmethod
    def _with_or_without_gas(cls, given: dict) -> dict:
        """Put the choice of nebular light into the name of the population, where it is recorded."""
        wanted, population = given.get("nebular"), str(given.get("population", "bc03"))
        if not isinstance(wanted, bool):
            return given
        name, _, options = population.partition(":")
        if name != "bc03":
            raise ValueError(f"population {population} has no choice of nebular light; only bc03 has")
        word = "nebular=yes" if wanted else "nebular=no"
        listed = [part.strip() for part in options.split(",") if part.strip()]
        if any(part.startswith("nebular=") and part != word for part in listed):
            raise ValueError(f"population {population} contradicts nebular = {str(wanted).lower()}")
        if not wanted and word not in listed:
            listed = [word, *listed]
        return {**given, "population": ":".join(filter(None, [name, ",".join(listed)]))}

    @field_validator("views", mode="before")
    @classmethod
    def _known_views(cls, views: object) -> str:
        """Refuse views that cannot be; a workflow file may give a number."""
        return _checked_views(views)

    @field_validator("field_of_view")
    @classmethod
    def _known_field(cls, text: str | None) -> str | None:
        """Refuse what is no side of an image."""
        from mocks.views import field_of_view

        if text is not None:
            field_of_view(text)
        return text

    @field_validator("companions", mode="before")
    @classmethod
    def _known_companions(cls, companions: object) -> str | None:
        """Refuse what is neither the group nor a radius; a workflow file may give a number of kpc."""
        from mocks.readers.companions import companion_radius

        if companions is not None:
            companion_radius(str(companions))
        return None if companions is None else str(companions)

    @property
    def needs_gas(self) -> bool:
        """Whether dust comes from gas."""
        return self.dust.startswith("gas-column")

    @property
    def directions(self) -> tuple[str, ...]:
        """Names of the views of a galaxy, ``"random"`` for a random one."""
        from mocks.views import named_views

        return named_views(self.views)


class SkySettings(Settings):
    """Cut patches of real sky to insert mocks into."""

    inputs: list[Path] = Field(description="SDSS frames or HSC coadds, or folders of them.")
    out: Path = Field(description="HDF5 file to write.")
    survey: str = _SURVEY
    bands: str = _BANDS
    size: int = Field(80, ge=8, description="Size of the patches in pixels; mocks of 64 pixels need 80.")
    per_field: int = Field(200, ge=1, description="Maximum number of patches per field; they do not overlap.")
    clear: float | None = Field(
        5.0,
        ge=0,
        description="Radius around the centre of a patch that must be free of sources [pixels].",
    )
    seed: int = _SEED


class AttributeSettings(MockSettings):
    """Measure what each step of a mock contributes to the result, and its systematic floor."""

    conditions: None = Field(None, exclude=True)
    field_of_view: None = Field(None, exclude=True)
    real: Path = Field(description="Image set of real galaxies, for conditions, preparation and reference.")
    model: Path = Field(description=f"Model of real galaxies: a folder, or shipped: {_SHIPPED}.")
    background: Path | None = Field(
        None,
        description="Model of the background class. Default: that of the twins, if the model is shipped.",
    )
    twins: Path | None = Field(
        None,
        description="Image set of the Sersic twins of the real galaxies, for the structure fraction. "
        "Default: those of a shipped model; without any, the budget is in nats.",
    )
    real_conditions: bool = Field(
        True, description="Use PSF, noise and sky of the real images; false: of the survey file."
    )
    percents: str = Field("5,10,20", description="Errors of PSF, noise and background to try [percent].")
    known_to: float = Field(
        5.0,
        gt=0,
        description="How well PSF, noise and background are known [percent]; sets the systematic floor.",
    )
    dusts: str = Field("none,screen,calzetti", description="Dust models to try, comma-separated.")
    populations: str = Field(
        "bc03:nebular=no;bc03:imf=chabrier;bc03:metallicity_floor=0.001",
        description="Stellar populations to try, separated by semicolons: of bc03 with options, fsps, or the "
        "path of a grid of your own.",
    )
    symmetries: bool = Field(True, description="Average over the eight flips and rotations.")

    @property
    def needs_gas(self) -> bool:
        """Whether some of the dust that is tried comes from gas."""
        return "gas-column" in (self.dust.partition(":")[0], *self.dusts.split(","))

    @property
    def mock(self) -> MockSettings:
        """Settings of the mock that is varied."""
        names = set(MockSettings.model_fields) - {"conditions", "field_of_view"}
        return MockSettings(**{name: getattr(self, name) for name in names})


class PrepareSettings(Settings):
    """Prepare real survey images in the same way as mocks."""

    inputs: list[Path] = Field(description="Files or folders of survey images, or tar files of cutouts.")
    out: Path = Field(description="Run folder.")
    survey: str = _SURVEY
    name: str | None = Field(None, description="Name of the data set; default: the survey's.")
    bands: str = _BANDS
    size: int = _SIZE
    arcsec: float | None = _ARCSEC
    radii: float | None = _RADII
    domain: Literal["linear", "8-bit"] = Field(
        "linear", description="Linear fluxes, or 8-bit pictures in R, G and B."
    )
    neighbours: Literal["fill", "keep"] = Field(
        "fill", description="Replace neighbouring objects by noise, or keep them."
    )
    kind: Literal["observed", "simulated", "twins"] = Field(
        "observed", description="Real images, mocks made elsewhere, or a background class."
    )
    units: str | None = Field(
        None, description="Pixel units where the files do not state them: 'nanomaggy', 'zero point 27'."
    )
    catalogue: Path | None = Field(
        None, description="Table with ra and dec [deg]: cut only these positions from SDSS frames."
    )
    properties: list[Path] = Field(
        [], description="Table with masses, rates, redshifts, ..., matched by ra and dec; repeatable."
    )
    match_radius: float = Field(2.0, gt=0, description="Matching radius [arcsec].")
    every: int = Field(1, ge=1, description="Use every n-th image.")
    seed: int = _SEED
    train: float = Field(0.7, gt=0, lt=1, description="Fraction of the sky for training.")
    validation: float = Field(
        0.1, gt=0, lt=1, description="Fraction of the sky for validation (early stopping)."
    )
    workers: int = _WORKERS
    scheduler: str | None = _SCHEDULER
    timeout: float = _TIMEOUT


class MatchSettings(Settings):
    """Give prepared real galaxies masses, redshifts, types, ... from catalogues, matched by position."""

    images: list[Path] = Field(description="Image sets of real galaxies; several are joined.")
    catalogue: list[Path] = Field(
        description="Table with ra, dec and known columns (NSA, MPA-JHU, Meert, Galaxy Zoo, ...); repeatable."
    )
    out: Path = Field(description="Run folder.")
    radius: float = Field(2.0, gt=0, description="Matching radius [arcsec].")


class ReobserveSettings(Settings):
    """Degrade real images to a shallower survey, or move them to a higher redshift."""

    inputs: list[Path] = Field(description="Files or folders of images from a deeper and sharper survey.")
    out: Path = Field(description="Run folder.")
    survey: str = Field("sdss", description="Survey to simulate, by name or as the path of a survey file.")
    name: str | None = Field(None, description="Name of the data set; default: '<SURVEY> reobserved'.")
    bands: str = _BANDS
    size: int = _SIZE
    redshift: float | None = Field(
        None, gt=0, description="New redshift of the galaxies; default: unchanged."
    )
    own_redshift: str | None = Field(
        None, description="Present redshift: a number, or a column of the file; default: 'redshift'."
    )
    k_correction: float = Field(
        0.0, description="Change of magnitude by the K correction at the new redshift."
    )
    conditions: Path | None = Field(
        None, description="Image set to take PSF, noise and calibration from; default: the survey file."
    )
    units: str | None = Field(
        None, description="Pixel units where the files do not state them: 'nanomaggy', 'zero point 27'."
    )
    seed: int = _SEED
    workers: int = _WORKERS
    scheduler: str | None = _SCHEDULER
    timeout: float = _TIMEOUT


class FetchSettings(Settings):
    """Fetch survey images, catalogues and simulations from public archives."""

    archive: str = Field(description="What to fetch; 'list' shows what is available.")
    out: Path = Field(Path("fetched"), description="Folder for the files; existing ones are kept.")
    targets: Path | None = Field(
        None, description="Table with one row per file or galaxy: ra and dec, run, camcol and field, ..."
    )
    bands: str | None = Field(
        None, description="Filters, one letter each ('gri' or 'g,r,i'), where there is one file per filter."
    )
    field: list[str] = Field(
        [], description="Parameter common to all files, as key=value: scale=0.2; repeatable."
    )
    redshift: tuple[float, float] = Field(
        (0.03, 0.055), description="Redshift range of the SDSS catalogue query."
    )
    log_stellar_mass: float = Field(
        9.5, description="Minimum log10 stellar mass [Msun] of that query, and of tng-subhalos."
    )
    limit: int = Field(100_000, ge=1, description="Maximum number of galaxies of that query.")
    region: tuple[float, float, float, float] | None = Field(
        None, description="Region of that query: lowest and highest ra, lowest and highest dec [deg]."
    )
    every: int = Field(1, ge=1, description="Use every n-th row of --targets.")
    release: str | None = Field(None, description="Data release; default: the archive's newest known.")
    base: str | None = Field(None, description="Address of a mirror.")
    parallel: int = Field(4, ge=1, le=16, description="Number of parallel downloads.")
    rate: float | None = Field(
        None, gt=0, description="Maximum number of requests per second; default: what the archive allows."
    )
    report_every: int = Field(100, ge=1, description="Number of files between two log lines.")
    dry_run: bool = Field(
        False, title="--dry-run", description="Print the number of files, disk and run time, then exit."
    )


class ExportSettings(Settings):
    """Export image sets as FITS or Multimodal Universe files, or scores as a table."""

    images: list[Path] = Field(description="Image sets, or runs of scores; several are joined.")
    out: Path = Field(description="Folder for FITS files, or file to write.")
    layout: Literal["fits", "mmu", "ecsv", "csv"] = Field(
        "fits",
        description="Images: 'fits', one file per galaxy, or 'mmu', HDF5 as in the Multimodal Universe. "
        "Scores: 'ecsv', 'fits' or 'csv'.",
    )
    where: str | None = Field(None, description="Condition on catalogue columns: 'mag_r < 17.7'.")


class InfoSettings(Settings):
    """Describe an image set: what was kept, what was left out and why."""

    images: list[Path] = Field(description="Image sets; several are joined.")
    where: str | None = Field(None, description="Condition on catalogue columns: 'mag_r < 17.7'.")


class TwinsSettings(Settings):
    """Fit a smooth Sersic model to each real galaxy and observe it under the same conditions."""

    images: Path = Field(description="Image set of real galaxies.")
    out: Path = Field(description="Run folder.")
    sky: Literal["own", "model"] = Field(
        "own", description="Outside the galaxy's aperture: the real image's own pixels, or synthetic noise."
    )
    seed: int = _SEED
    workers: int = _WORKERS
    scheduler: str | None = _SCHEDULER


class TrainSettings(Settings):
    """Train a flow: learn the probability density of an image set."""

    images: Path = Field(description="Image set.")
    out: Path = Field(description="Folder of the model.")
    init: Path | None = Field(None, description=f"Model to start from: a folder, or shipped: {_SHIPPED}.")
    architecture: str | None = Field(
        None,
        examples=["symmetric"],
        description="Flow: wavelet, symmetric (one evaluation instead of eight), glow or glow-spline; "
        "default: wavelet, or that of --init.",
    )
    epochs: int | None = Field(None, ge=1, description="Maximum number of epochs; default: the flow's.")
    minutes: float | None = Field(None, gt=0, examples=[60.0], description="Maximum training time [minutes].")
    batch_size: int | None = Field(None, ge=1, description="Batch size; default: the flow's.")
    device: str = Field(
        "auto",
        pattern="^(auto|cpu|mps|cuda(:[0-9]+)?)$",
        description="cpu, cuda or mps; auto: a GPU if there is one.",
    )
    precision: str = Field(
        "float32",
        pattern="^(float32|bfloat16)$",
        description="Precision of the convolutions: float32 or bfloat16.",
    )
    compile: bool = Field(False, description="Use torch.compile; needs a C++ compiler.")
    tensorboard: bool = Field(False, description="Also write the losses for TensorBoard.")
    members: int = Field(
        1,
        ge=1,
        description="Number of models to train, with successive seeds: an ensemble for 'score --ensemble'.",
    )
    seed: int = _SEED


class ScoreSettings(Settings):
    """Compute the log-likelihood and the likelihood ratio of every image."""

    images: list[Path] = Field(description="Image sets.")
    out: Path = Field(description="Run folder.")
    model: Path = Field(description=f"Model of real galaxies: a folder, or shipped: {_SHIPPED}.")
    ensemble: list[Path] = Field(
        [], description="The same model from another seed, or a folder of such members; repeatable."
    )
    background: Path | None = Field(
        None,
        description="Model of the background class, for the likelihood ratio. Default: that of the twins, if "
        "the model is shipped.",
    )
    versus: list[str] = Field([], description="Further background: 'name=path'; repeatable.")
    reference: str | None = Field(
        None, description="Data set of real galaxies; default: the only observed one."
    )
    symmetries: bool = Field(True, description="Average over the eight flips and rotations.")
    maps: bool = Field(False, description="Also write the likelihood of each pixel, in HDF5 shards.")
    neighbours: int = Field(3, ge=0, description="Number of nearest real galaxies to list for each image.")
    embedding: str | None = Field(
        None,
        description="Also find neighbours in another space: a registered encoder, or 'module:function', from "
        "images to vectors.",
    )
    batch_size: int = Field(64, ge=1, description="Batch size.")
    device: str = Field(
        "auto",
        pattern="^(auto|cpu|mps|cuda(:[0-9]+)?)$",
        description="cpu, cuda or mps; auto: a GPU if there is one.",
    )
    workers: int = _WORKERS
    scheduler: str | None = _SCHEDULER
    seed: int = _SEED

    @model_validator(mode="before")
    @classmethod
    def _with_its_background(cls, values: dict) -> dict:
        """Take the background that comes with a shipped model."""
        if values.get("background") is None and (name := default_background(values.get("model", ""))):
            return {**values, "background": name}
        return values


class CompareSettings(Settings):
    """Compare data sets with real galaxies: differences, errors, cautions."""

    scores: list[Path] = Field(description="Score runs.")
    out: Path = Field(description="Run folder.")
    reference: str | None = Field(
        None,
        description="Data set of real galaxies to compare the others with; default: the only one.",
    )
    bootstrap: int = Field(2000, ge=100, description="Number of bootstrap resamples.")
    match: str | None = Field(
        None,
        description="Columns to match samples in, comma-separated; default: brightness, size, noise, seeing.",
    )
    bins: str | None = Field(
        None,
        description="Column to bin results by: 'mag_r' or 'mag_r:15,16,17'; default: the first magnitude.",
    )
    population: str | None = Field(
        None,
        description="Mass, size and type, each 'column' or 'column:limits', separated by ';', or 'auto': "
        "results by each and matched in all three, as Zanisi et al. 2021.",
    )
    generations: str | None = Field(
        None, description="Data sets, comma-separated, oldest first: tests for a trend of their structure."
    )
    condition: str = Field(
        "snr,resolution",
        description="Columns in which the real galaxies compared with must be equal: signal-to-noise, size "
        "over seeing, and any you add: 'snr,resolution,redshift,mag_g-mag_r'.",
    )
    nulls: Path | None = Field(None, description="Run of 'simcompare nulls'.")
    attribution: list[Path] = Field(
        [], description="Run of 'simcompare attribute' to add to the report; repeatable."
    )
    embedding: str | None = Field(
        None,
        description="Encoder of the score runs; give it again if it is 'module:function', which is not read "
        "from their folders.",
    )
    name: str | None = Field(None, description="Name of this run on the board; default: its folder's.")
    seed: int = _SEED


class NullsSettings(Settings):
    """Retrain with other seeds, halves and pixel transforms, to see how large a difference must be."""

    images: list[Path] = Field(description="Image sets that were scored.")
    out: Path = Field(description="Run folder.")
    model: Path = Field(description="Training run of real galaxies.")
    background: Path | None = Field(None, description="Training run of the background class.")
    seeds: int = Field(2, ge=1, description="Number of further training seeds.")
    epochs: int | None = Field(None, ge=1, description="Maximum number of epochs; default: the flow's.")
    minutes: float | None = Field(None, gt=0, description="Maximum training time of each flow [minutes].")
    symmetries: bool = Field(False, description="Average over the eight flips and rotations.")
    seed: int = _SEED
    workers: int = _WORKERS
    scheduler: str | None = _SCHEDULER


class BoardSettings(Settings):
    """Rank stored comparisons of one survey, preparation and model."""

    runs: list[Path] = Field(description="Comparison runs, or their record.json.")
    out: Path | None = Field(None, description="Also write the ranking to this file (.ecsv).")


class ReportSettings(Settings):
    """Draw the figures and write the report, one self-contained page."""

    run: Path = Field(description="Folder of a comparison run.")
    machine: bool = Field(False, title="--json", description="Print the page's content as JSON.")
    embedding: Literal["pca", "umap"] = Field(
        "pca", description="Map of the latents; umap needs the extra simcompare[embed]."
    )


class FigureSettings(Settings):
    """Draw a figure of a report for a paper: width, names, choice of data sets."""

    name: str = Field(description="Name of the figure, as its file in 'figures' is called.")
    run: Path = Field(description="Folder of a comparison run with a report.")
    out: Path = Field(description="File to write: .pdf, .png or .svg.")
    width: float | None = Field(
        None, gt=1, le=20, description="Width [inch]; 3.3 is one column, 7 a page. Default: the report's."
    )
    labels: list[str] = Field([], description="New name of a data set as OLD=NEW; repeatable.")
    colors: list[str] = Field([], description="Colour of a data set as NAME=COLOUR; repeatable.")
    style: Literal["report", "aas", "mnras", "talk"] = Field(
        "report", description="Font and size of letters: of the report, a journal or a talk."
    )
    datasets: str | None = Field(
        None, description="Data sets to show, comma-separated; the reference stays. Default: all."
    )
    title: str | None = Field(None, description="Title in place of the figure's own; '' for none.")


class DoctorSettings(Settings):
    """Check a simulation's files before a long run."""

    path: Path = Field(description="Snapshot folder, cut-out, extract, image, or folder of such files.")
    simulation: str | None = Field(None, description="Known simulation or format; default: from the file.")
    reader: list[str] = _READER
    min_stellar_mass: float = Field(1e9, ge=0, description="Count galaxies above this stellar mass [Msun].")
    survey: str = _SURVEY


class DemoSettings(Settings):
    """Run the whole chain on toy galaxies; needs no data and no network."""

    out: Path = Field(Path("simcompare-demo"), description="Folder of the demo.")
    seed: int = _SEED
    workers: int = _WORKERS


class WorkflowSettings(Settings):
    """What the steps of a workflow share: the top of its file."""

    out: Path = Field(Path("simcompare-run"), description="Folder of the whole workflow.")
    survey: str = _SURVEY
    bands: str = _BANDS
    size: int = _SIZE
    views: str = _VIEWS
    seed: int = _SEED
    workers: int = _WORKERS
    scheduler: str | None = _SCHEDULER
    real: Path | None = Field(
        None, description="Image set of real galaxies that is prepared already; leave out [prepare] then."
    )
    real_conditions: bool = Field(
        True, description="Mocks use PSF, noise and sky of the real images; false: of the survey file."
    )

    @field_validator("size", mode="after")
    @classmethod
    def _power_of_two(cls, size: int) -> int:
        """Refuse what the flows of the workflow could not take."""
        if problem := size_problem(size):
            raise ValueError(problem)
        return size

    @field_validator("views", mode="before")
    @classmethod
    def _known_views(cls, views: object) -> str:
        """Refuse views that cannot be, as of one simulation."""
        return _checked_views(views)


class InitSettings(Settings):
    """Write a workflow file to fill in, with comments."""

    path: Path = Field(Path("simcompare.toml"), description="File to write.")
    recipe: Literal["sdss-tng", "hsc-tng", "zanisi21", "camels"] | None = Field(
        None, description="Write a complete workflow instead, from public archives to the report."
    )
    every_key: bool = Field(False, title="--all", description="Write every key, not only the usual ones.")


class RunSettings(Settings):
    """Run the whole chain of a workflow file: prepare, twins, train, mock, score, compare, report."""

    config: Path = Field(description="Workflow file; 'simcompare init' writes one.")
    overrides: list[str] = Field(
        [], title="--set", description="Override a value: section.key=value; repeatable."
    )
    dry_run: bool = Field(
        False, title="--dry-run", description="Print image counts, disk and run time, then exit."
    )


class SlurmSettings(Settings):
    """Write job scripts that run a workflow file on a SLURM cluster."""

    config: Path = Field(description="Workflow file; 'simcompare init' writes one.")
    out: Path = Field(Path("simcompare-jobs"), description="Folder of the scripts and their logs.")
    hours: float = Field(
        12.0, gt=0, description="Time limit of each job [hours]; unfinished work continues in another."
    )
    nodes: int = Field(1, ge=1, description="Number of nodes of parallel jobs.")
    cores: int = Field(32, ge=1, description="Number of cores per node.")
    gpus: int = Field(1, ge=1, description="Number of GPUs per node, for training and scoring.")
    warning: int = Field(300, ge=10, description="Time before its end at which a job stops cleanly [s].")


class CiteSettings(Settings):
    """Print BibTeX and acknowledgements for everything a run has used."""

    run: Path = Field(description="Run folder of any command.")


class BrowseSettings(Settings):
    """Browse scored galaxies: one page, or for more than 10,000 a local server."""

    run: Path = Field(description="Folder of a score or comparison run.")
    serve: bool = Field(False, title="--serve", description="Start a server even where one page would do.")
    port: int = Field(0, ge=0, le=65535, description="Port of the server; 0 uses any free one.")
