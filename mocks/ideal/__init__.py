"""Images without noise made by others: SKIRT files, FITS cubes, arrays."""

from mocks.ideal.arrays import ideal_image_from_array
from mocks.ideal.files import band_groups, is_ideal_image, read_ideal_image
from mocks.ideal.fit import fit_to_survey
from mocks.ideal.record import IdealImage

__all__ = [
    "IdealImage",
    "band_groups",
    "fit_to_survey",
    "ideal_image_from_array",
    "is_ideal_image",
    "read_ideal_image",
]
