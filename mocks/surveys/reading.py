"""From the text of a survey file to the record, every number with its reference."""

from functools import lru_cache

import numpy as np

from mocks.magnitudes import AB_NANOMAGGY, nanomaggies_of
from mocks.surveys.record import FRAMES, Band, Survey
from mocks.toml import parse_toml

__all__ = ["parse_survey"]

POINT_DEPTH, APERTURE_DEPTH = "mag, 5 sigma point source", "mag, 5 sigma aperture"
"""Units of noise that is told by a depth."""


_LIMITS = {
    "pixel_scale": (1e-3, 100), "psf.size": (3, 1001), "seeing": (1e-3, 100), "zeropoint": (-30, 60),
    "gain": (1e-9, 1e20), "dark_variance": (0, 1e9), "sky_sigma": (1e-12, 1e9), "depth": (0, 50),
    "faint_density": (0, 1e6), "correlation.seeing": (0, 1), "correlation.sky_sigma": (0, 1),
    "noise.row_correlation": (-0.99, 0.99), "row_scatter": (0, 1), "sigma_over_variance": (1e-3, 1e3),
    "level": (0, 100), "gradient": (0, 10), "sky_residual.correlation": (0, 1), "slope": (0, 2),
    "span": (0, 20),
}  # fmt: skip
"""Smallest and largest sensible value by the place in the file, its last two parts or the last."""

_LONGEST_CORRELATION, _LONGEST_WORD = 64, 200  # pixels; characters


class _Entries:
    """Checked access to the numbers of one survey file."""

    def __init__(self, path: str, tree: dict):
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

    def number(self, *place: str, item: str = "value") -> float:
        """Read a number at a place of the file, refused where it makes no sense."""
        return self.numbers(*place, item=item, several=False)[0]

    def numbers(self, *place: str, item: str = "value", several: bool = True) -> tuple[float, ...]:
        """Read a number, or a list of them where the file may give several, at a place of the file."""
        table = self.entry(*place)
        if not isinstance(table, dict) or item not in table:
            raise ValueError(f"{self.path}: {'.'.join(place)} has no {item!r}.")
        value = table[item]
        values = value if several and isinstance(value, list) else [value]
        low, high = self._limits(place, item)
        if not values or not all(_is_number(each) and low <= each <= high for each in values):
            where = ".".join(place if item == "value" else (*place, item))
            raise ValueError(
                f"{self.path}: {where} is {value!r}; it must be {'numbers' if several else 'a number'} from "
                f"{low:g} to {high:g}."
            )
        return tuple(map(float, values))

    def word(self, *place: str) -> str:
        """Read a name at a place of the file."""
        value = self.entry(*place)
        if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _LONGEST_WORD:
            raise ValueError(
                f"{self.path}: {'.'.join(place)} is {str(value)[:80]!r}; it must be a text of one line."
            )
        return value

    def _limits(self, place: tuple[str, ...], item: str) -> tuple[float, float]:
        """Smallest and largest value that makes sense at a place of the file."""
        if item == "scatter":
            return 0, 10
        if item == "diameter":
            return 0.1, 100
        units = ("mag / arcsec2", POINT_DEPTH, APERTURE_DEPTH)
        if place[-1] == "sky_sigma" and self.entry(*place).get("unit") in units:
            return 0, 50
        if place[-2:-1] == ("parameters",):
            return 0, 100
        return _LIMITS.get(".".join(place[-2:])) or _LIMITS[place[-1]]


def _is_number(value: object) -> bool:
    """Whether a value of a file is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


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
    if unit in (POINT_DEPTH, APERTURE_DEPTH):
        return _sigma_of_depth(entries, name, pixel_scale, value, unit)
    raise ValueError(
        f"{entries.path}: band.{name}.sky_sigma has unit {unit!r}; allowed are 'mag / arcsec2' "
        "(surface brightness of one sigma), 'count' (at the zeropoint), 'nanomaggy' (per pixel), and depths: "
        f"{POINT_DEPTH!r}, and {APERTURE_DEPTH!r} with its diameter [arcsec]."
    )


def _sigma_of_depth(entries: _Entries, name: str, pixel_scale: float, depth: float, unit: str) -> float:
    """Convert a depth to the noise of a blank pixel [nanomaggies], pixels taken as independent."""
    from mocks.observing.noise import sigma_from_aperture_depth, sigma_from_point_depth  # they need surveys
    from mocks.observing.psf import effective_psf

    if unit == APERTURE_DEPTH:
        diameter = entries.number("band", name, "sky_sigma", item="diameter")
        return sigma_from_aperture_depth(depth, diameter, pixel_scale)
    side, parameters = int(entries.number("psf", "size")), entries.entry("psf").get("parameters", {})
    parameters = {key: entries.number("psf", "parameters", key) for key in parameters}
    fwhm = entries.number("band", name, "seeing") / pixel_scale
    return sigma_from_point_depth(
        depth, effective_psf(entries.word("psf", "model"), fwhm, side, **parameters)
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
    fits = quadrant.ndim == 2 and quadrant.size and max(quadrant.shape) <= _LONGEST_CORRELATION
    if not fits or quadrant[0, 0] != 1 or not (np.abs(quadrant) <= 1).all():
        raise ValueError(
            f"{entries.path}: noise.correlation must be rows of numbers from -1 to 1, at most "
            f"{_LONGEST_CORRELATION} a side, the first of all 1."
        )
    half = np.concatenate([quadrant[:, :0:-1], quadrant], axis=1)
    return np.concatenate([half[:0:-1], half])


def _band(entries: _Entries, name: str, pixel_scale: float) -> Band:
    """One band of a survey file."""

    def number(key, item="value"):
        return entries.number("band", name, key, item=item)

    zeropoint, depth = number("zeropoint"), entries.entry("band", name, "depth")
    gain, dark = (entries.numbers("band", name, key) for key in ("gain", "dark_variance"))
    if len(gain) != len(dark):
        raise ValueError(f"{entries.path}: band.{name} has {len(gain)} gains and {len(dark)} dark variances.")
    prefix = f"band.{name}."
    return Band(
        name=name,
        filter=entries.word("band", name, "filter"),
        zeropoint=zeropoint,
        gain=gain,
        dark_variance=dark,
        sky_sigma=_sky_sigma(entries, name, pixel_scale, zeropoint),
        sky_sigma_scatter=number("sky_sigma", "scatter"),
        seeing=number("seeing"),
        seeing_scatter=number("seeing", "scatter"),
        depth=number("depth"),
        depth_scatter=number("depth", "scatter") if "scatter" in depth else 0.0,
        faint_density=_optional(entries, "band", name, "faint_density", default=None),
        references={
            place.removeprefix(prefix): text
            for place, text in entries.used.items()
            if place.startswith(prefix)
        },
    )


def _assumed(entries: _Entries) -> tuple[str, ...]:
    """Sentences on what the survey's numbers rest on without a source."""
    sentences = entries.tree.get("assumed", [])
    if not isinstance(sentences, list) or not all(isinstance(text, str) for text in sentences):
        raise ValueError(f"{entries.path}: assumed is {sentences!r}; write a list of sentences.")
    return tuple(sentences)


def _frames(entries: _Entries) -> str | None:
    """Kind of the survey's whole images, where the file names one that we know."""
    kind = entries.tree.get("frames")
    if kind is not None and kind not in FRAMES:
        raise ValueError(
            f"{entries.path}: frames is {kind!r}; write one of {', '.join(FRAMES)}, or leave it out."
        )
    return kind


@lru_cache(maxsize=16)
def parse_survey(text: str, source: str) -> Survey:
    """Survey that a TOML text describes.

    Parameters
    ----------
    text : str
    source : str
        File it is from, for messages.

    Raises
    ------
    ValueError
        When it is not TOML, lacks an entry, or holds a number without reference.
    """
    try:
        tree = parse_toml(text)
    except ValueError as error:
        raise ValueError(f"{source} is not a TOML file: {error}.") from error
    try:
        return _survey(tree, text, source)
    except ValueError as error:
        if source in str(error):
            raise
        raise ValueError(f"{source}: {error}.") from error
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"{source}: an entry has the wrong type or is missing ({error}).") from error


def _survey(tree: dict, text: str, source: str) -> Survey:
    """Survey of the content of its file."""
    entries = _Entries(source, tree)
    pixel_scale = entries.number("pixel_scale")
    parameters = entries.entry("psf").get("parameters", {})
    size = entries.number("psf", "size")
    bands, counts = entries.entry("band"), entries.entry("integer_counts")
    if size % 2 != 1:
        raise ValueError(f"{source}: psf.size is {size:g}; it must be odd, for a central pixel.")
    if not isinstance(bands, dict) or not bands:
        raise ValueError(f"{source}: there is no band; write a section [band.r] for each.")
    if not isinstance(counts, bool):
        raise ValueError(f"{source}: integer_counts is {counts!r}; write true or false.")
    return Survey(
        name=entries.word("name"),
        title=entries.word("title"),
        pixel_scale=pixel_scale,
        bands={name: _band(entries, name, pixel_scale) for name in bands},
        psf_model=entries.word("psf", "model"),
        psf_parameters={name: entries.number("psf", "parameters", name) for name in parameters},
        psf_size=int(size),
        integer_counts=counts,
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
        assumed=_assumed(entries),
        frames=_frames(entries),
        source=source,
        text=text,
    )
