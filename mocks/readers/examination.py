"""Look data over before a long run: what it is, what it holds, what is missing and what that costs."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import Table

from mocks.galaxy import Galaxy
from mocks.ideal.files import is_ideal_image
from mocks.ideal.record import IdealImage
from mocks.magnitudes import magnitude_of
from mocks.readers.base import Snapshot
from mocks.readers.centring import centred_on
from mocks.readers.hdf5.headers import RUNS
from mocks.readers.inputs import grouped, members, read_image
from mocks.readers.particles.limits import unusual
from mocks.readers.particles.mass_loss import remaining_mass_fraction
from mocks.readers.registry import open_snapshot, run_problems

__all__ = ["Examination", "Finding", "doubts_of_galaxy", "doubts_of_image", "examine", "examine_all"]

SANE_MAGNITUDE = 3.0, 33.0  # AB; the brightest galaxy of the sky, M 31, has 3.4
# Current mass over what BC03 models (Chabrier) leave of the initial mass: 0.96 to 1.06 in six simulations
MASS_LOSS = 0.8, 1.4
SAMPLED = 3  # galaxies that are read
# What is done without a field, and what that costs
COSTS = {
    "initial_mass": "from current mass, age and metallicity by BC03: light uncertain by some 5 %",
    "velocity": "no face-on or edge-on views by the stars' angular momentum",
    "smoothing_length": "computed from the distance to neighbouring stars, the same for all simulations",
    "photometry": "no light from the snapshot's own magnitudes; stellar-population models are needed",
    "gas": "no dust from gas columns, only screens",
    "half_mass_radius": "no selection by size; apertures in half-mass radii take the particles' own",
    "star_formation_rate": "no selection by star formation rate",
    "is_central": "no choice between centrals and satellites",
}


CENTRES = {
    "catalogue": "that of the catalogue; --centre light: the densest place of the light",
    "stars": "the densest place of the stars' mass, no catalogue tells; --centre light: that of the light",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    level : str
        ``"ok"``, ``"note"``, ``"warning"`` (runs, but look) or ``"error"`` (will fail, or be wrong).
    subject : str
        What was looked at.
    message : str
        What was found.
    """

    level: str
    subject: str
    message: str


@dataclass(frozen=True, eq=False)
class Examination:
    """What is known of a path.

    Parameters
    ----------
    path : Path
    format, simulation : str or None
        None where they could not be told.
    snapshot : int or None
    redshift : float or None
    cosmology : str
        In words.
    n_galaxies, n_above : int
        Galaxies in the catalogue, and those above `min_stellar_mass`.
    min_stellar_mass : float
        [Msun].
    findings : list of Finding
    """

    path: Path
    format: str | None = None
    simulation: str | None = None
    snapshot: int | None = None
    redshift: float | None = None
    cosmology: str = ""
    n_galaxies: int = 0
    n_above: int = 0
    min_stellar_mass: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way of a run."""
        return all(finding.level != "error" for finding in self.findings)

    def __str__(self) -> str:
        lines = [f"{self.path}"]
        if self.format is not None:
            lines.append(f"  format      {self.format}")
            number = "" if self.snapshot is None else f", snapshot {self.snapshot}"
            lines.append(f"  simulation  {self.simulation}{number}, redshift {self.redshift:.4f}")
        if self.cosmology:
            lines.append(f"  cosmology   {self.cosmology}")
            heavy = f"{self.n_above} of {self.min_stellar_mass:.3g} Msun or more"
            lines.append(f"  galaxies    {self.n_galaxies} with stars, {heavy}")
        lines += [f"  {f.level:<8}{f.subject}: {f.message}" for f in self.findings]
        if self.format is not None:
            errors = sum(finding.level == "error" for finding in self.findings)
            lines.append(f"  {f'cannot be used as it is: {errors} errors' if errors else 'can be used'}")
        return "\n".join(lines)


def examine(
    path: str | Path | tuple[Path, ...],
    simulation: str | None = None,
    *,
    min_stellar_mass: float = 1e9,
    **options,
) -> Examination:
    """Check a snapshot or an image before a long run. Bad data end up in the findings, not in an exception.

    Parameters
    ----------
    path : str, Path or tuple of Path
        Several only for an image with a file for each band.
    simulation : str, optional
        See `mocks.readers.open_snapshot`.
    min_stellar_mass : float
        For the count of galaxies [Msun].
    **options
        Of the format's opener, or of `mocks.ideal.read_ideal_image`.
    """
    paths, findings = path if isinstance(path, tuple) else (Path(path),), []
    path = paths[0]
    known = {"path": path, "min_stellar_mass": min_stellar_mass, "findings": findings}
    try:
        if is_ideal_image(path):
            return _examine_image(paths, known, options)
        snapshot = open_snapshot(path, simulation, check=False, **options)
    except (OSError, ValueError) as error:
        findings.append(Finding("error", "opening", str(error)))
        return Examination(**known)
    known |= {
        "format": snapshot.format,
        "simulation": snapshot.simulation,
        "snapshot": snapshot.snapshot,
        "redshift": snapshot.redshift,
        "cosmology": _words(snapshot),
    }
    findings += [Finding("note", "assumed", note) for note in snapshot.notes]
    findings += _check_run(snapshot)
    try:
        problems = snapshot.problems()
    except (OSError, ValueError) as error:
        problems = [str(error)]
    findings += [Finding("error", "files", problem) for problem in problems]
    if not problems:
        findings.append(Finding("ok", "files", "complete"))
    try:
        table = snapshot.catalogue()
    except (OSError, ValueError) as error:
        findings.append(Finding("error", "catalogue", str(error)))
        return Examination(**known)
    findings += [Finding("warning", "catalogue", note) for note in table.meta.get("notes", ())]
    known |= {"n_galaxies": len(table)}
    if "stellar_mass" in table.colnames:
        known["n_above"] = int(np.count_nonzero(np.asarray(table["stellar_mass"]) >= min_stellar_mass))
    columns = ("half_mass_radius", "star_formation_rate", "is_central")
    findings += [_presence(name, name in table.colnames, "catalogue column") for name in columns]
    findings += _check_galaxies(snapshot, table) + _check_companions(snapshot)
    return Examination(**known)


def examine_all(path: str | Path, simulation: str | None = None, **options) -> list[Examination]:
    """Check a snapshot, an image, or each of them in a folder of single files; see `examine`.

    Parameters
    ----------
    path : str or Path
    simulation, **options
        Of `examine`.

    Returns
    -------
    list of Examination
        One for each that is there, at least one.
    """
    path = Path(path)
    try:
        files_in, others = members(path)
    except (OSError, ValueError):
        files_in, others = [path], {}  # its examination says why
    left_out = [
        Examination(path=file, findings=[Finding("warning", "left out", reason)])
        for file, reason in others.items()
    ]
    return [examine(files, simulation, **options) for files in grouped(files_in)] + left_out


def _check_companions(snapshot: Snapshot) -> list[Finding]:
    """Say what `--companions` can show."""
    try:
        region, group = snapshot.region_problem(), snapshot.group_problem()
    except (OSError, ValueError) as error:
        return [Finding("error", "companions", str(error))]
    if region:
        return [Finding("note", "companions", f"none can be shown: {region}")]
    if group:
        return [Finding("note", "companions", f"within a radius only: {group}")]
    return [Finding("ok", "companions", "of the group or within a radius")]


def _words(snapshot: Snapshot) -> str:
    """Cosmology in words."""
    cosmology = snapshot.cosmology
    return f"h = {cosmology.h:.4g}, Omega_m = {cosmology.Om0:.4g}, Omega_Lambda = {cosmology.Ode0:.4g}"


def _check_run(snapshot: Snapshot) -> list[Finding]:
    """Compare with the published run of that name."""
    if snapshot.simulation not in RUNS:
        return [Finding("note", "simulation", f"{snapshot.simulation} is not a known published run")]
    wrong = [Finding("error", "simulation", text) for text in run_problems(snapshot)]
    return wrong or [Finding("ok", "simulation", f"as {snapshot.simulation} was published")]


def _presence(name: str, is_present: bool, kind: str) -> Finding:
    """Whether a field is there, and what it costs when not."""
    if is_present:
        return Finding("ok", name, f"{kind} present")
    return Finding("note", name, f"{kind} missing: {COSTS[name]}")


def _check_galaxies(snapshot: Snapshot, table: Table) -> list[Finding]:
    """Read the heaviest, the median and the lightest galaxy and judge their numbers."""
    order = np.argsort(
        np.asarray(table["stellar_mass"] if "stellar_mass" in table.colnames else table["n_stars"])
    )
    sample = table["subhalo_id"][order[np.unique(np.linspace(0, len(order) - 1, SAMPLED).astype(int))]]
    findings, galaxies = [], []
    for number in sample:
        try:
            galaxies.append(snapshot.read(int(number)))
        except (OSError, ValueError) as error:
            findings.append(Finding("error", f"galaxy {number}", str(error)))
    if not galaxies:
        return findings
    stars = galaxies[-1].stars
    has_initial = not any("initial mass not stored" in note for note in galaxies[-1].notes)
    fields = {"initial_mass": has_initial, "gas": any(galaxy.gas is not None for galaxy in galaxies)}
    fields |= {
        name: getattr(stars, name) is not None for name in ("velocity", "smoothing_length", "photometry")
    }
    findings += [_presence(name, is_present, "particle field") for name, is_present in fields.items()]
    findings.append(Finding("ok", "centre", CENTRES[centred_on(galaxies[-1])]))
    for galaxy in galaxies:
        findings += _check_units(galaxy)
        new = [note for note in galaxy.notes if note not in snapshot.notes]
        findings += [Finding("note", f"galaxy {galaxy.subhalo_id}", note) for note in new]
    return findings


def doubts_of_galaxy(galaxy: Galaxy) -> list[str]:
    """Say which of a galaxy's numbers are of an unusual size."""
    stars, universe = galaxy.stars, galaxy.cosmology.age(galaxy.redshift).to_value(u.Gyr)
    values = {
        "star particle mass [Msun]": np.median(stars.mass),
        "half-mass radius [kpc]": galaxy.properties["half_mass_radius"],
        "current over initial mass": stars.mass.sum() / stars.initial_mass.sum(),
        "median age [Gyr]": np.median(stars.age),
        "median metallicity": np.median(stars.metallicity),
    }
    wrong = unusual(values)
    expected = float(stars.initial_mass @ remaining_mass_fraction(stars.age, stars.metallicity))
    if not MASS_LOSS[0] < stars.mass.sum() / expected < MASS_LOSS[1]:
        wrong.append(
            f"stars have {values['current over initial mass']:.3g} of their initial mass, BC03 models of "
            f"their ages {expected / stars.initial_mass.sum():.3g}: a factor of h in one of the two, or "
            "another IMF? Light follows the initial mass"
        )
    if stars.age.max() > universe:
        wrong.append(f"oldest star {stars.age.max():.4g} Gyr, universe {universe:.4g} Gyr")
    return wrong


def doubts_of_image(ideal: IdealImage) -> list[str]:
    """Say which of an image's magnitudes no galaxy has.

    Parameters
    ----------
    ideal : IdealImage

    Returns
    -------
    list of str
    """
    total = magnitude_of(ideal.image.sum(axis=(1, 2)))
    return [
        f"magnitude {value:.2f} in {band}, usual is {SANE_MAGNITUDE[0]:g} to {SANE_MAGNITUDE[1]:g}: "
        "mJy for MJy, or another unit?"
        for band, value in zip(ideal.bands, total, strict=True)
        if not SANE_MAGNITUDE[0] < value < SANE_MAGNITUDE[1]
    ]


def _check_units(galaxy: Galaxy) -> list[Finding]:
    """Judge whether a galaxy's numbers are of the right size."""
    subject = f"units of galaxy {galaxy.subhalo_id}"
    wrong = [Finding("warning", subject, text) for text in doubts_of_galaxy(galaxy)]
    return wrong or [Finding("ok", subject, "plausible")]


def _examine_image(paths: tuple[Path, ...], known: dict, options: dict) -> Examination:
    """Look over a ready-made image."""
    ideal = read_image(paths, options)
    if len(paths) > 1:
        known["findings"].append(Finding("ok", "files", f"one for each band: {', '.join(map(str, paths))}"))
    total = magnitude_of(ideal.image.sum(axis=(1, 2)))
    magnitudes = ", ".join(f"{band} = {value:.2f}" for band, value in zip(ideal.bands, total, strict=True))
    shape = " x ".join(map(str, ideal.image.shape[1:]))
    known["findings"].append(
        Finding("ok", "image", f"{shape} pixels of {ideal.pixel_scale:.4g} arcsec, {magnitudes}")
    )
    known["findings"].extend(Finding("note", "assumed", note) for note in ideal.metadata["notes"])
    known["findings"].extend(Finding("warning", "units", text) for text in doubts_of_image(ideal))
    return Examination(
        **known
        | {
            "format": "ideal image",
            "simulation": ideal.metadata["simulation"],
            "redshift": ideal.metadata["redshift"] or 0.0,
            "n_galaxies": 1,
        }
    )
