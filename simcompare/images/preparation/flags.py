"""Flags that reject a stamp."""

from collections.abc import Sequence

from mocks.surveys import Survey, load_survey
from simcompare.images.stamps import FLAGS, PreparedStamp, RejectedStampError

__all__ = ["REJECTED_FLAGS", "refuse_flagged", "rejected_flags_of"]


REJECTED_FLAGS = ("undetected", "resampled", "saturated")


def rejected_flags_of(survey: str | Survey) -> tuple[str, ...]:
    """Name the flags that make an image of a survey unusable.

    Interpolated pixels are refused only where the survey gives a camera's own: coadds are all interpolated.
    """
    own_pixels = load_survey(survey).integer_counts
    return tuple(flag for flag in REJECTED_FLAGS if own_pixels or flag != "resampled")


def refuse_flagged(stamp: PreparedStamp, flags: Sequence[str]) -> None:
    """Raise `RejectedStampError` when a prepared image, real or mock, has one of these flags."""
    refused = [flag for flag in flags if stamp.row["flags"] & FLAGS[flag]]
    if refused:
        raise RejectedStampError(f"flagged {', '.join(refused)}")
