"""What the images of one set have in common when they are prepared: name, survey, seed, splits."""

from dataclasses import dataclass, replace

import numpy as np

from mocks.surveys import Survey
from simcompare.images.preparation.flags import refuse_flagged, rejected_flags_of
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.splits import TEST_ALONE, assign_split, split_of_place
from simcompare.images.stamps import PreparedStamp, RawStamp, RejectedStampError

__all__ = ["Sample"]


@dataclass(frozen=True)
class Sample:
    """What the images of one set have in common.

    Parameters
    ----------
    dataset : str
    preparation : Preparation
    survey : str or Survey
    seed : int
    fractions : tuple of float
        Shares of train, validation and test; nothing learns from mocks.
    """

    dataset: str
    preparation: Preparation
    survey: str | Survey
    seed: int
    fractions: tuple[float, float, float] = TEST_ALONE

    def prepare(self, stamp: RawStamp, view: int = 0) -> PreparedStamp:
        """Prepare one image, real or mock.

        Raises
        ------
        ValueError
            When it cannot be prepared, has a flag for which a real image is refused, or lies between cells of
            the sky that belong to unlike splits.
        """
        if np.isfinite(stamp.ra) and np.isfinite(stamp.dec):
            split = split_of_place(stamp.ra, stamp.dec, self.seed, self.fractions)
        else:
            split = assign_split(stamp.galaxy_id, self.seed, self.fractions)
        if split is None:
            raise RejectedStampError("on the boundary between sky cells of different splits")
        rng = preparation_stream(self.seed, stamp.galaxy_id, view)
        prepared = prepare_stamp(stamp, self.preparation, rng)
        refuse_flagged(prepared, rejected_flags_of(self.survey))
        return replace(prepared, row=prepared.row | {"dataset": self.dataset, "view": view, "split": split})
