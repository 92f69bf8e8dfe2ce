"""From the text of a survey file to the record, every number with its reference."""

from functools import lru_cache

import numpy as np

from mocks.magnitudes import AB_NANOMAGGY, nanomaggies_of
from mocks.surveys.record import FRAMES, Band, Survey
from mocks.toml import parse_toml

__all__ = ["parse_survey"]


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

    Returns
    -------
    Survey

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
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"{source}: an entry has the wrong type or is missing ({error}).") from error


def _survey(tree: dict, text: str, source: str) -> Survey:
    """Survey of the content of its file."""
    entries = _Entries(source, tree)
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
        assumed=_assumed(entries),
        frames=_frames(entries),
        source=source,
        text=text,
    )
