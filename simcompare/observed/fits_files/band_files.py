"""Files of one galaxy next to each other: an image per band, and PSFs, as archives name them."""

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.utils.exceptions import AstropyWarning

from mocks.checked_fits import open_fits
from simcompare.images.positions import SAME_OBJECT, separation
from simcompare.observed.fits_files.headers import sky_frame

__all__ = [
    "BandFile",
    "band_files",
    "is_psf_file",
    "one_a_galaxy",
    "psf_file",
    "psf_name",
    "side_kind",
    "split_band",
]

_ENDING = r"\.(?:fits?|fts)(?:\.(?:gz|bz2|fz))?"
_LETTERS = "ugrizy"
_ENDINGS = (".fits", ".fit", ".fits.gz", ".fits.bz2", ".fits.fz", ".fit.gz")
# HSC's cut-outs, wherever the filter stands: cutout1-HSC-G.fits, 2-cutout-HSC-R2-9813-pdr3_wide.fits.
_HSC_FILTER = re.compile(rf"^(.*HSC-)([A-Za-z])(2?(?:[-_.].*)?{_ENDING})$", re.IGNORECASE)
# Stacks of Pan-STARRS: rings.v3.skycell.1234.056.stk.r.unconv.fits.
_STACK_FILTER = re.compile(rf"^(.*\.stk\.)([A-Za-z])(\.unconv.*{_ENDING})$", re.IGNORECASE)
_LAST_LETTER = re.compile(rf"^(.*[-_])([A-Za-z])({_ENDING})$", re.IGNORECASE)
# Files of HSC's bulk service are numbered by the line of the list that asked for them.
_NUMBERED = re.compile(r"^(\d+)-(cutout|psf)-", re.IGNORECASE)
_PSF_NAME = re.compile(r"(?:[-_]psf\.|^(?:\d+-)?psf[-_]|^psfield)", re.IGNORECASE)
# HSC's PSF picker puts the place last: psf-calexp-pdr3_wide-HSC-G-9813-4,5-150.10000-2.20000.fits.
_PICKED_PLACE = re.compile(rf"-(\d+\.\d+)-(-?\d+\.\d+)(?:\s*\(\d+\))?{_ENDING}$")
_PICKED_NEAR = 60 / 3600  # deg, within which a picked PSF stands for an image


# Parts of the names of weight, error and mask images that surveys hand out beside those of galaxies.
_SIDE_WORDS = frozenset(
    [
        "invvar",
        "ivar",
        "wht",
        "weight",
        "weights",
        "wgt",
        "wei",
        "wt",
        "err",
        "error",
        "rms",
        "var",
        "variance",
        "mask",
        "maskbits",
        "msk",
        "dq",
        "flags",
    ]
)


@dataclass(frozen=True)
class BandFile:
    """Name of a file that holds one band, in three parts."""

    before: str
    band: str
    after: str

    @property
    def number(self) -> int | None:
        """Line of the list that asked for it, of files of HSC's bulk service."""
        match = _NUMBERED.match(self.before)
        return int(match[1]) if match else None

    @property
    def letter(self) -> str:
        """Band in small letters."""
        return self.band.lower()

    @property
    def kin(self) -> tuple[str, str]:
        """What the names of one galaxy's bands share."""
        return _NUMBERED.sub("", self.before), re.sub(r"^2", "", self.after)


def split_band(name: str, bands: Sequence[str] = ()) -> BandFile | None:
    """Parts of a name such as ``<name>-<band>.fits``; None where it gives no usual or given band."""
    match = _HSC_FILTER.match(name) or _STACK_FILTER.match(name) or _LAST_LETTER.match(name)
    known = match and (match[2].lower() in _LETTERS or match[2].lower() in {band.lower() for band in bands})
    return BandFile(*match.groups()) if known else None


def is_psf_file(path: Path) -> bool:
    """Whether a file is named as PSFs are."""
    return _PSF_NAME.search(path.name) is not None


def side_kind(path: Path) -> str:
    """Say which part of a name tells that a file holds weights, errors or a mask; empty for other names."""
    parts = re.split(r"[-_.\s]+", path.name.lower())
    return next((part for part in parts if part in _SIDE_WORDS), "")


def band_files(path: Path, bands: Sequence[str]) -> list[Path]:
    """Files of one galaxy, one per band.

    Parameters
    ----------
    path : Path
        Any of them.
    bands : sequence of str
        Wanted, in this order.

    Raises
    ------
    FileNotFoundError
        When that of a band is missing.
    ValueError
        When the name gives no band.
    """
    own = split_band(path.name, bands)
    if own is None:
        if len(bands) == 1:
            return [path]
        raise ValueError(
            f"{path}: one image for {len(bands)} bands; name files <name>-<band>.fits or make a cube."
        )
    files = []
    for band in bands:
        file = path if band.lower() == own.letter else _sibling(path, own, band)
        if file is None:
            missing = path.with_name(f"{own.before}{_in_case(band, own.band)}{own.after}")
            raise FileNotFoundError(f"{missing}: the image of this band is missing beside {path.name}.")
        files.append(file)
    return files


def _in_case(band: str, like: str) -> str:
    """Band in large or small letters, like another."""
    return band.upper() if like.isupper() else band.lower()


def _sibling(path: Path, own: BandFile, band: str) -> Path | None:
    """File of another band of the same galaxy; None where there is none."""
    kin = [
        (file, other)
        for file in path.parent.iterdir()
        if (other := split_band(file.name, [band])) is not None
        and other.letter == band.lower()
        and other.kin == own.kin
        and not is_psf_file(file)
    ]
    if own.number is None:
        return next((file for file, _ in sorted(kin, key=lambda item: item[0])), None)
    # A line of the list asks for one band, so numbers differ; lines of one galaxy stand together as a rule.
    place = _place(path)
    for file, _ in sorted(kin, key=lambda item: abs(item[1].number - own.number)):
        if float(separation(*_place(file), *place)) * 3600 < SAME_OBJECT:
            return file
    return None


def _place(path: Path) -> tuple[float, float]:
    """ICRS place of the middle of an image [deg]."""
    with warnings.catch_warnings(action="ignore", category=AstropyWarning):
        try:
            with open_fits(path) as hdus:
                header = next(hdu.header for hdu in hdus if hdu.header.get("NAXIS") == 2)
                shape = header["NAXIS2"], header["NAXIS1"]
        except (OSError, ValueError, TypeError, StopIteration, KeyError) as error:
            raise ValueError(f"{path}: no FITS image, or damaged ({error}).") from error
    return sky_frame(header, shape, path)[1:3]


def one_a_galaxy(files: Iterable[Path], bands: Sequence[str]) -> list[Path]:
    """Of files that come one per band, that which stands for its galaxy: of the first band that is there.

    Parameters
    ----------
    files : iterable of Path
        Of any kind; files that tell no band in their name stand for themselves.
    bands : sequence of str
        Wanted.

    Returns
    -------
    list of Path
        Sorted. A galaxy without any of the bands is among them, for its reader to say so.
    """
    order = {band.lower(): i for i, band in enumerate(bands)}
    alone, kin, numbered = [], {}, {}
    for file in sorted(files):
        own = split_band(file.name, bands)
        if own is None:
            alone.append(file)
            continue
        group = kin if own.number is None else numbered
        rank = order.get(own.letter, len(order))
        group.setdefault((file.parent, *own.kin), []).append((rank, file))
    chosen = alone + [min(group)[1] for group in kin.values()]
    for group in numbered.values():
        chosen += _by_place(group)
    return sorted(chosen)


def _by_place(group: list[tuple[int, Path]]) -> list[Path]:
    """Of numbered files of one kind, that of the first band at each place."""
    taken, chosen = [], []
    for _, file in sorted(group):
        try:
            place = _place(file)
        except ValueError:
            chosen.append(file)  # reading it says why
            continue
        if not taken or (separation(*np.array(taken).T, *place) * 3600 >= SAME_OBJECT).all():
            taken.append(place)
            chosen.append(file)
    return chosen


def psf_file(path: Path) -> Path | None:
    """PSF next to an image.

    It is named ``<name>-psf.fits``, ``<name>.psf`` (PSFEx), or has the same number in HSC's bulk answers.
    """
    own = split_band(path.name)
    if own is not None and own.number is not None:
        named = re.compile(rf"^{own.number}-psf-.*HSC-{own.band}2?[-_.].*{_ENDING}$", re.IGNORECASE)
        return next((file for file in sorted(path.parent.iterdir()) if named.match(file.name)), None)
    if own is not None and _HSC_FILTER.match(path.name) and (picked := _picked_psf(path, own)) is not None:
        return picked
    expected = psf_name(path)
    stem = re.sub(rf"{_ENDING}$", "", expected.name, flags=re.IGNORECASE)
    files = [expected, *(path.with_name(f"{stem}{ending}") for ending in _ENDINGS)]
    model = path.with_name(re.sub(rf"{_ENDING}$", ".psf", path.name, flags=re.IGNORECASE))
    psf_files = (file for file in files if file.is_file() and is_psf_file(file))
    return next(psf_files, model if model != path and model.is_file() else None)


def _picked_psf(path: Path, own: BandFile) -> Path | None:
    """PSF of the same filter that HSC's PSF picker has given for the place of an image; None without one."""
    named = re.compile(rf"^psf-.*HSC-{own.band}2?-.*{_ENDING}$", re.IGNORECASE)
    near = {}
    for file in sorted(path.parent.iterdir()):
        if named.match(file.name) and (place := _PICKED_PLACE.search(file.name)):
            near[float(separation(float(place[1]), float(place[2]), *_place(path)))] = file
    return near[min(near)] if near and min(near) < _PICKED_NEAR else None


def psf_name(path: Path) -> Path:
    """Where the PSF of an image is looked for; the image itself, where its name does not end as FITS do."""
    return path.with_name(re.sub(rf"({_ENDING})$", r"-psf\1", path.name, flags=re.IGNORECASE))
