"""Surveys as data: one TOML file each, every number with its reference."""

import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from mocks.magnitudes import AB_NANOMAGGY, nanomaggies_of

__all__ = ["SURVEYS", "Band", "Survey", "load_survey"]

SURVEYS: dict[str, Path] = {path.stem: path for path in sorted(Path(str(files(__package__))).glob("*.toml"))}
"""Name of every survey that ships with the package, and its file. Adding a file adds a survey."""


@dataclass(frozen=True)
class Band:
    """How one survey records light in one filter.

    Parameters
    ----------
    name : str
        As the survey calls it.
    filter : str
        Name of the transmission curve in ``speclite``, atmosphere and camera included.
    zeropoint : float
        AB magnitude of a source giving one count.
    gain : tuple of float
        Electrons per count, one entry per chip of the camera.
    dark_variance : tuple of float
        Variance from dark current and read-out, one entry per chip [count^2].
    sky_sigma : float
        Standard deviation of a blank pixel [nanomaggies].
    sky_sigma_scatter : float
        Standard deviation of its logarithm between images [mag].
    seeing : float
        Mean PSF FWHM, measured on pixels [arcsec].
    seeing_scatter : float
        Its standard deviation between images [arcsec].
    depth : float
        AB magnitude of a point source detected at 5 sigma.
    depth_scatter : float
        Its standard deviation over the survey [mag].
    faint_density : float, optional
        Sources at AB magnitude 22 [per square arcminute and magnitude].
    references : dict of str
        Where each number comes from.
    """

    name: str
    filter: str
    zeropoint: float
    gain: tuple[float, ...]
    dark_variance: tuple[float, ...]
    sky_sigma: float
    sky_sigma_scatter: float
    seeing: float
    seeing_scatter: float
    depth: float
    depth_scatter: float = 0.0
    faint_density: float | None = None
    references: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def counts_per_nanomaggy(self) -> float:
        """Counts from a source of AB magnitude 22.5."""
        return 10 ** (0.4 * (self.zeropoint - AB_NANOMAGGY))

    @property
    def electrons_per_nanomaggy(self) -> np.ndarray:
        """Electrons from a source of AB magnitude 22.5, shape (chip,)."""
        return np.array(self.gain) * self.counts_per_nanomaggy


@dataclass(frozen=True)
class Survey:
    """What is needed to observe as one survey does.

    Parameters
    ----------
    name, title : str
    pixel_scale : float
        [arcsec].
    bands : dict of Band
        In order of wavelength.
    psf_model : str
        Name in ``mocks.observing.psf.PSF_MODELS``.
    psf_parameters : dict of float
        Parameters of that model.
    psf_size : int
        Side of a PSF image [pixels], odd.
    integer_counts : bool
        Whether pixels hold whole camera counts (single exposures) or not (coadds).
    seeing_correlation, sky_correlation : float
        Correlation between any two bands of one image.
    noise_correlation : ndarray, shape (2 l + 1, 2 l + 1), optional
        Correlation of the sky noise between pixels by separation, for resampled coadds.
    row_correlation, row_scatter : float
        Correlation of neighbours along a row from a camera's read-out, and its scatter between images, for
        pixels that are not resampled.
    sigma_over_variance : float
        Standard deviation of blank pixels over what the survey's own variance plane says.
    residual_level, residual_gradient : float
        Scatter of the sky left over by the survey's subtraction [noise of a pixel] and of its slope [the same
        per pixel].
    residual_correlation : float
        Of the left-over sky between any two bands.
    faint_slope : float, optional
        Of the logarithm of the number of sources per magnitude; without it no undetected sources are drawn.
    faint_span : float
        How far below the depth sources are drawn [mag].
    references : dict of str
        Key used in the file to full reference.
    notes : dict of str
        What a number is not, by its place in the file.
    """

    name: str
    title: str
    pixel_scale: float
    bands: dict[str, Band]
    psf_model: str
    psf_parameters: dict[str, float]
    psf_size: int
    integer_counts: bool
    seeing_correlation: float
    sky_correlation: float
    noise_correlation: np.ndarray | None = field(default=None, compare=False)
    row_correlation: float = 0.0
    row_scatter: float = 0.0
    sigma_over_variance: float = 1.0
    residual_level: float = 0.0
    residual_gradient: float = 0.0
    residual_correlation: float = 0.0
    faint_slope: float | None = None
    faint_span: float = 0.0
    references: dict[str, str] = field(default_factory=dict, compare=False)
    notes: dict[str, str] = field(default_factory=dict, compare=False)

    def select(self, bands) -> list[Band]:
        """Bands by name, in the order asked for; ValueError lists the known ones."""
        unknown = [name for name in bands if name not in self.bands]
        if unknown or not bands:
            raise ValueError(f"survey {self.name} has no band {unknown}; it has {', '.join(self.bands)}.")
        return [self.bands[name] for name in bands]


class _Entries:
    """Checked access to the numbers of one survey file."""

    def __init__(self, path: Path, tree: dict):
        self.path, self.tree = path, tree
        self.references = tree.get("references", {})
        self.used: dict[str, str] = {}
        self.notes: dict[str, str] = {}
        for name, branch in tree.items():
            if name != "references":
                self._check(branch, name)

    def _check(self, branch, place: str) -> None:
        """Refuse any number that stands without a known reference."""
        if isinstance(branch, dict):
            if "reference" in branch:
                key = branch["reference"]
                if key not in self.references:
                    raise ValueError(
                        f"{self.path}: {place} cites {key!r}, which is not under [references] "
                        f"({', '.join(self.references)})."
                    )
                self.used[place] = self.references[key]
                if "note" in branch:
                    self.notes[place] = branch["note"]
                return
            for name, value in branch.items():
                self._check(value, f"{place}.{name}")
        elif isinstance(branch, list):
            for value in branch:
                self._check(value, place)
        elif isinstance(branch, int | float) and not isinstance(branch, bool):
            raise ValueError(
                f"{self.path}: the number {place} = {branch} has no reference; write "
                f'{place} = {{value = {branch}, reference = "..."}} and list it under [references].'
            )

    def entry(self, *place: str) -> dict:
        """Table at a place of the file."""
        branch = self.tree
        for part in place:
            if not isinstance(branch, dict) or part not in branch:
                raise ValueError(f"{self.path}: {'.'.join(place)} is missing.")
            branch = branch[part]
        return branch

    def number(self, *place: str, item: str = "value"):
        """Read a number, or a tuple of numbers, at a place of the file."""
        table = self.entry(*place)
        if not isinstance(table, dict) or item not in table:
            raise ValueError(f"{self.path}: {'.'.join(place)} has no {item!r}.")
        value = table[item]
        return tuple(map(float, value)) if isinstance(value, list) else float(value)


def _sky_sigma(entries: _Entries, name: str, pixel_scale: float, zeropoint: float) -> float:
    """Convert the noise of a blank pixel to nanomaggies from whichever unit the file gives."""
    unit = entries.entry("band", name, "sky_sigma").get("unit")
    value = entries.number("band", name, "sky_sigma")
    if unit == "mag / arcsec2":
        return nanomaggies_of(value) * pixel_scale**2
    if unit == "count":
        return value / 10 ** (0.4 * (zeropoint - AB_NANOMAGGY))
    if unit == "nanomaggy":
        return value
    raise ValueError(
        f"{entries.path}: band.{name}.sky_sigma has unit {unit!r}; allowed are 'mag / arcsec2' "
        "(surface brightness of one sigma), 'count' (at the zeropoint) and 'nanomaggy' (per pixel)."
    )


def _optional(entries: _Entries, *place: str, default: float | None = 0.0) -> float | None:
    """Read a number that a survey file may leave out."""
    branch = entries.tree
    for part in place:
        if part not in branch:
            return default
        branch = branch[part]
    return entries.number(*place)


def _noise_correlation(entries: _Entries) -> np.ndarray | None:
    """Mirror the quadrant of the noise correlation that the file gives."""
    if "correlation" not in entries.tree.get("noise", {}):
        return None
    quadrant = np.array(entries.entry("noise", "correlation")["value"], float)
    half = np.concatenate([quadrant[:, :0:-1], quadrant], axis=1)
    return np.concatenate([half[:0:-1], half])


def _band(entries: _Entries, name: str, pixel_scale: float) -> Band:
    """One band of a survey file."""

    def number(key, item="value"):
        return entries.number("band", name, key, item=item)

    def per_chip(key):
        value = number(key)
        return value if isinstance(value, tuple) else (value,)

    zeropoint = number("zeropoint")
    gain, dark = per_chip("gain"), per_chip("dark_variance")
    if len(gain) != len(dark):
        raise ValueError(f"{entries.path}: band.{name} has {len(gain)} gains and {len(dark)} dark variances.")
    prefix = f"band.{name}."
    return Band(
        name=name,
        filter=entries.entry("band", name, "filter"),
        zeropoint=zeropoint,
        gain=gain,
        dark_variance=dark,
        sky_sigma=_sky_sigma(entries, name, pixel_scale, zeropoint),
        sky_sigma_scatter=number("sky_sigma", "scatter"),
        seeing=number("seeing"),
        seeing_scatter=number("seeing", "scatter"),
        depth=number("depth"),
        depth_scatter=float(entries.entry("band", name, "depth").get("scatter", 0.0)),
        faint_density=_optional(entries, "band", name, "faint_density", default=None),
        references={
            place.removeprefix(prefix): text
            for place, text in entries.used.items()
            if place.startswith(prefix)
        },
    )


def load_survey(survey: "str | Path | Survey") -> Survey:
    """Read a survey from its data file.

    Parameters
    ----------
    survey : str or Path
        Name in ``SURVEYS`` or path of a TOML file. A ``Survey`` is returned as it is.

    Returns
    -------
    Survey

    Raises
    ------
    ValueError
        For an unknown name, a file that is not TOML, a missing entry, or a number without reference.
    FileNotFoundError
        For a path that does not exist.
    """
    if isinstance(survey, Survey):
        return survey
    path = SURVEYS.get(str(survey), Path(survey))
    if not path.is_file():
        if path.suffix == ".toml":
            raise FileNotFoundError(f"survey file {path} does not exist.")
        raise ValueError(
            f"survey {str(survey)!r} is unknown; known are {', '.join(SURVEYS)}; or give a .toml file."
        )
    return _read_survey(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _read_survey(path: Path, changed: int) -> Survey:
    """Read a survey file once per state of it; ``changed`` is its time of change [ns]."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not a TOML file: {error}.") from error
    entries = _Entries(path, tree)
    pixel_scale = entries.number("pixel_scale")
    parameters = entries.entry("psf").get("parameters", {})
    return Survey(
        name=entries.entry("name"),
        title=entries.entry("title"),
        pixel_scale=pixel_scale,
        bands={name: _band(entries, name, pixel_scale) for name in entries.entry("band")},
        psf_model=entries.entry("psf", "model"),
        psf_parameters={name: entries.number("psf", "parameters", name) for name in parameters},
        psf_size=int(entries.number("psf", "size")),
        integer_counts=bool(entries.entry("integer_counts")),
        seeing_correlation=entries.number("correlation", "seeing"),
        sky_correlation=entries.number("correlation", "sky_sigma"),
        noise_correlation=_noise_correlation(entries),
        row_correlation=_optional(entries, "noise", "row_correlation"),
        row_scatter=_optional(entries, "noise", "row_scatter"),
        sigma_over_variance=_optional(entries, "noise", "sigma_over_variance", default=1.0),
        residual_level=_optional(entries, "sky_residual", "level"),
        residual_gradient=_optional(entries, "sky_residual", "gradient"),
        residual_correlation=_optional(entries, "sky_residual", "correlation"),
        faint_slope=_optional(entries, "faint_sources", "slope", default=None),
        faint_span=_optional(entries, "faint_sources", "span"),
        references=entries.references,
        notes=entries.notes,
    )
