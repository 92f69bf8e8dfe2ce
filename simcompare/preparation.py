"""The one preparation that real and mock images share: centre, cut, clean, dither, measure."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields

__all__ = ["MASK_BITS", "Preparation"]

# Why a pixel of a prepared image is not the survey's own.
MASK_BITS = {"neighbour": 1, "bad": 2}


@dataclass(frozen=True)
class Preparation:
    """Settings of the preparation; two sets may be compared only when these agree.

    Parameters
    ----------
    size : int
        Side of the prepared image [pixels].
    centring_radius : float
        The target's peak is sought within this distance of the given position [pixels]; the image is
        moved by whole pixels, so that no pixel value is interpolated.
    subtract_background : bool
        Take off the local background; it is measured either way.
    neighbours : str
        ``"fill"`` replaces other objects by noise like the sky's, ``"keep"`` leaves them.
    detection_threshold : float
        Of objects, in units of the sky sigma of a smoothed image.
    detection_area : int
        Fewest connected pixels of an object.
    dither : bool
        Add noise uniform over one camera count, so that no image lies on a lattice.
    psf_size : int
        Side of the stored PSF, odd [pixels].
    version : int
        Of this code; raised whenever the pixels it makes would change.
    """

    size: int = 64
    centring_radius: float = 6.0
    subtract_background: bool = False
    neighbours: str = "fill"
    detection_threshold: float = 1.5
    detection_area: int = 8
    dither: bool = True
    psf_size: int = 31
    version: int = 1

    def __post_init__(self) -> None:
        if self.size < 8 or self.psf_size % 2 == 0:
            raise ValueError(
                f"size is {self.size} and psf_size {self.psf_size}; size >= 8, psf_size odd needed."
            )
        if self.neighbours not in ("fill", "keep"):
            raise ValueError(f"neighbours is {self.neighbours!r}; 'fill' and 'keep' are known.")

    def to_json(self) -> str:
        """Canonical JSON of the settings: sorted keys, no blanks."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Preparation":
        """Read settings from their JSON.

        Raises
        ------
        ValueError
            When it names a setting that this version does not have.
        """
        settings = json.loads(text)
        unknown = sorted(set(settings) - {item.name for item in fields(cls)})
        if unknown:
            raise ValueError(
                f"preparation has unknown settings {unknown}, made by another version of simcompare."
            )
        return cls(**settings)

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def difference(self, other: "Preparation") -> dict[str, tuple]:
        """Name what two preparations do unlike, as setting -> (own, other's)."""
        mine, theirs = asdict(self), asdict(other)
        return {key: (mine[key], theirs[key]) for key in mine if mine[key] != theirs[key]}
