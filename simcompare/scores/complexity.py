"""Correct a log-likelihood for the complexity of the image: plain images are likely under any density."""

import zlib
from collections.abc import Sequence

import numpy as np

__all__ = ["complexity"]


def complexity(stack: np.ndarray, quantum: Sequence[float]) -> np.ndarray:
    """Length of a lossless description of each image.

    Pixels are rounded to multiples of a quantum, predicted from the pixels to the left and below, and the
    errors compressed. The log-likelihood of the rounded image plus this length is a likelihood ratio to a
    density that knows of nothing but smoothness, without a parameter to choose.

    Parameters
    ----------
    stack : ndarray, shape (n, band, y, x)
        Images [nanomaggies per pixel].
    quantum : sequence of float, shape (band,)
        Step of rounding, the same for all images that are compared; about half the noise of the sky.

    Returns
    -------
    ndarray, shape (n,)
        Length [nats]; NaN where a pixel is not finite.

    References
    ----------
    Serra et al. 2020, arXiv:1909.11480, section 4.
    """
    steps = np.asarray(quantum, float)
    if steps.shape != (stack.shape[1],) or not (steps > 0).all():
        raise ValueError(
            f"quantum is {quantum}; give one positive number for each of {stack.shape[1]} bands."
        )
    scaled = stack / steps[:, None, None]
    finite = np.isfinite(scaled).all(axis=(1, 2, 3))
    whole = np.rint(np.where(finite[:, None, None, None], scaled, 0)).clip(-(2**30), 2**30).astype(np.int64)
    lengths = np.array([_compressed(image) for image in _prediction_errors(whole)], dtype=float)
    return np.where(finite, 8 * np.log(2) * lengths, np.nan)


def _prediction_errors(whole: np.ndarray) -> np.ndarray:
    """Integers minus the rounded mean of the pixels to the left and below; nothing is lost."""
    error = whole.copy()
    error[..., 0, 1:] -= whole[..., 0, :-1]
    error[..., 1:, 0] -= whole[..., :-1, 0]
    error[..., 1:, 1:] -= (whole[..., 1:, :-1] + whole[..., :-1, 1:]) // 2
    return error


def _compressed(error: np.ndarray) -> int:
    """Compressed length of small signed integers [bytes]."""
    folded = np.where(error >= 0, 2 * error, -2 * error - 1).astype("<u4").ravel()
    planes = folded.view(np.uint8).reshape(-1, 4).T  # the higher bytes are nearly all zero
    packer = zlib.compressobj(6, strategy=zlib.Z_FILTERED)
    return len(packer.compress(planes.tobytes()) + packer.flush())
