"""How many pixels a mock shows, where its side is given in arcsec, kpc or half-mass radii."""

from collections.abc import Iterable

from mocks import load_survey
from mocks.projection import kpc_per_arcsec
from mocks.views import field_of_view
from simcompare.settings import MockSettings
from simcompare.synthetic.targets import Target, snapshot_of

__all__ = ["pixels_of", "radii_of"]

LEAST_SIZE = 8  # pixels, of any image


def radii_of(settings: MockSettings) -> float:
    """Side of the images in half-mass radii; 0 where it is not given so."""
    number, unit = field_of_view(settings.field_of_view) if settings.field_of_view else (0.0, "")
    return number if unit == "rhalf" else 0.0


def pixels_of(settings: MockSettings, targets: Iterable[Target]) -> int:
    """Side of the images in pixels: the nearest to the field of view that is asked for.

    Raises
    ------
    ValueError
        When there are fewer than 8, when galaxies at unlike redshifts would have unlike numbers, or for a
        ready-made image whose field is not in arcsec.
    """
    if not settings.field_of_view:
        return settings.size
    targets = [target for target in targets if not target.fault]
    number, unit = field_of_view(settings.field_of_view)
    scale = load_survey(settings.survey).pixel_scale
    images = [target.path for target in targets if target.is_image]
    if images and unit != "arcsec":
        raise ValueError(f"{images[0]}: the field of view of a ready-made image is given in arcsec.")
    if unit == "rhalf":
        return settings.size
    sides = {round(number / scale)}
    if unit == "kpc":
        ones = {target.path: target for target in targets}.values()
        sides = {round(number / _kpc_per_arcsec(target, settings) / scale) for target in ones}
    if len(sides) > 1:
        raise ValueError(
            f"a field of {settings.field_of_view} is {', '.join(map(str, sorted(sides)))} pixels at the "
            "redshifts of these inputs; images of one set have one size: give --redshift, or make a run for "
            "each."
        )
    size = sides.pop()
    if size < LEAST_SIZE:
        raise ValueError(f"a field of {settings.field_of_view} is {size} pixels, below {LEAST_SIZE}.")
    return size


def _kpc_per_arcsec(target: Target, settings: MockSettings) -> float:
    """Transverse size of an arcsecond where a galaxy is observed [kpc]."""
    snapshot = snapshot_of(target, settings)
    redshift = snapshot.redshift if settings.redshift is None else settings.redshift
    if not redshift > 0:
        raise ValueError(f"{target.path}: at redshift {redshift:g} kpc have no angle; give --redshift.")
    return kpc_per_arcsec(redshift, snapshot.cosmology)
