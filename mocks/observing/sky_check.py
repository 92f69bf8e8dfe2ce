"""Can anything tell mock sky from real sky? The gate before any galaxy is scored."""

import logging
from dataclasses import dataclass

import numpy as np

__all__ = ["SkyCheck", "blank_sky_check", "sky_features"]

logger = logging.getLogger(__name__)

FEATURES = (
    "mean",
    "log sigma",
    "skewness",
    "kurtosis",
    "lag x",
    "lag y",
    "lag xy",
    "lag 2x",
    "lag 2y",
    "gradient x",
    "gradient y",
    "largest",
    "smallest",
    "largest smoothed",
    "smallest smoothed",
    "smoothed sigma",
)


LAGS = slice(FEATURES.index("lag x"), FEATURES.index("lag xy") + 1)
SMOOTHING = 1.4  # sigma of the Gaussian for the smoothed features [pixels]: the PSF of SDSS, 3.4 pixels wide
MOST_FROM_CHANCE = 0.02
"""Distance of the AUC from chance within which sky passes; our choice."""
LEAST_P = 0.01
"""Of the Kolmogorov-Smirnov test, below which sky fails: one false alarm in a hundred checks."""
CHANCE_ERRORS = 2  # standard errors of the AUC that chance reaches, at 95 %
FEWEST = 50  # patches of either kind; the AUC has an error of 0.06 then
MOST_DEVIATIONS = 5  # features are clipped here, so that no outlier dominates the classifier
_MOST_STEPS, _FOLDS = 25, 5  # of the fit; of the patches
_FLAT = 1e-12  # added to a spread of nothing
# Newton's method: all but free constant term, largest exponent, step at which it ends.
_FREE, _LARGEST, _STEP = 1e-9, 30, 1e-8


@dataclass(frozen=True)
class SkyCheck:
    """How well blank mock sky can be told from blank real sky.

    Parameters
    ----------
    n_real, n_mock : int
        Patches compared.
    auc : float
        Area under the curve of a classifier on held-out patches; 0.5 is chance.
    auc_error : float
        Its standard error when nothing differs.
    ks_statistic, ks_p : float
        Kolmogorov-Smirnov test of the classifier's scores of real and mock patches.
    sigma_ratio : float
        Median pixel standard deviation, mock over real.
    feature_ks_p : dict of float
        The same test for each feature alone.
    lag_real, lag_mock : tuple of float
        Correlation of neighbouring pixels along x, y and the diagonal.
    """

    n_real: int
    n_mock: int
    auc: float
    auc_error: float
    ks_statistic: float
    ks_p: float
    sigma_ratio: float
    feature_ks_p: dict[str, float]
    lag_real: tuple[float, float, float]
    lag_mock: tuple[float, float, float]

    @property
    def passed(self) -> bool:
        """Whether the AUC is within 0.02 of chance and the scores are alike (p above 0.01)."""
        return abs(self.auc - 0.5) <= MOST_FROM_CHANCE and self.ks_p > LEAST_P

    @property
    def is_unclear(self) -> bool:
        """Whether it failed by no more than chance does with so few patches."""
        within = abs(self.auc - 0.5) <= CHANCE_ERRORS * self.auc_error
        return not self.passed and within and self.ks_p > LEAST_P

    @property
    def summary(self) -> str:
        """One line for logs and reports."""
        worst = min(self.feature_ks_p, key=self.feature_ks_p.get)
        verdict = "indistinguishable" if self.passed else "DISTINGUISHABLE"
        if self.is_unclear:
            verdict = "not shown to be indistinguishable (too few patches)"
        return (
            f"mock sky is {verdict} from real sky: AUC {self.auc:.3f} +- {self.auc_error:.3f}, KS p "
            f"{self.ks_p:.3g} ({self.n_real} real, {self.n_mock} mock patches; sigma ratio "
            f"{self.sigma_ratio:.4f}; most different: {worst}, p {self.feature_ks_p[worst]:.2g})"
        )


def sky_features(patches: np.ndarray) -> np.ndarray:
    """Numbers that describe blank patches of sky.

    Parameters
    ----------
    patches : ndarray, shape (n, y, x)
        All in one unit, real and mock alike.

    Returns
    -------
    ndarray, shape (n, 16)
        In the order of ``FEATURES``.
    """
    from scipy import ndimage

    patches = np.asarray(patches, float)
    n_y, n_x = patches.shape[1:]
    mean = patches.mean(axis=(1, 2))
    residual = patches - mean[:, None, None]
    sigma = residual.std(axis=(1, 2))
    unit = residual / sigma[:, None, None]

    def lag(dy, dx):
        return np.mean(unit[:, : n_y - dy, : n_x - dx] * unit[:, dy:, dx:], axis=(1, 2))

    slope_y, slope_x = np.arange(n_y) - (n_y - 1) / 2, np.arange(n_x) - (n_x - 1) / 2
    smooth = ndimage.gaussian_filter(unit, (0, SMOOTHING, SMOOTHING), mode="nearest")
    return np.stack(
        [
            mean / sigma * np.sqrt(n_y * n_x),
            np.log(sigma),
            np.mean(unit**3, axis=(1, 2)),
            np.mean(unit**4, axis=(1, 2)),
            lag(0, 1),
            lag(1, 0),
            lag(1, 1),
            lag(0, 2),
            lag(2, 0),
            np.einsum("nyx,x->n", unit, slope_x) / np.sqrt(n_y * np.sum(slope_x**2)),
            np.einsum("nyx,y->n", unit, slope_y) / np.sqrt(n_x * np.sum(slope_y**2)),
            unit.max(axis=(1, 2)),
            -unit.min(axis=(1, 2)),
            smooth.max(axis=(1, 2)),
            -smooth.min(axis=(1, 2)),
            smooth.std(axis=(1, 2)),
        ],
        axis=1,
    )


def _logistic(features: np.ndarray, label: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """Ridge logistic regression by Newton steps; the first coefficient is the constant."""
    design = np.column_stack([np.ones(len(features)), features])
    penalty = ridge * np.eye(design.shape[1])
    penalty[0, 0] = _FREE
    weight = np.zeros(design.shape[1])
    for _ in range(_MOST_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(design @ weight, -_LARGEST, _LARGEST)))
        gradient = design.T @ (label - probability) - penalty @ weight
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        weight += step
        if np.abs(step).max() < _STEP:
            break
    return weight


def _held_out_scores(features: np.ndarray, label: np.ndarray, rng: np.random.Generator):
    """Scores of every patch by a classifier that has not seen it."""
    fold = rng.permutation(len(label)) % _FOLDS
    score = np.empty(len(label))
    for k in range(_FOLDS):
        train = fold != k
        centre, scale = features[train].mean(axis=0), features[train].std(axis=0) + _FLAT
        unit = np.clip((features - centre) / scale, -MOST_DEVIATIONS, MOST_DEVIATIONS)
        # Squares let it see a change of spread, not only of mean.
        both = np.column_stack([unit, unit**2])
        weight = _logistic(both[train], label[train])
        score[~train] = weight[0] + both[~train] @ weight[1:]
    return score


def blank_sky_check(real: np.ndarray, mock: np.ndarray, rng: np.random.Generator) -> SkyCheck:
    """Try to tell blank mock sky from blank real sky; warn in the log when it succeeds.

    Parameters
    ----------
    real, mock : ndarray, shape (n, y, x)
        Patches without detected sources, from the same kind of places, in the same unit; NaN not allowed.
    rng : numpy.random.Generator
        Splits the patches into folds.

    Raises
    ------
    ValueError
        For shapes that differ or fewer than 50 patches of either kind.

    Notes
    -----
    Ridge logistic regression on ``sky_features`` and their squares, five-fold cross-validated. With n patches
    of each kind the AUC has an error of about 0.41 / sqrt(n): a thousand of each are needed to see 0.02.
    """
    from scipy import stats  # half a second to load

    real, mock = np.asarray(real, float), np.asarray(mock, float)
    if real.ndim != 3 or real.shape[1:] != mock.shape[1:] or min(len(real), len(mock)) < FEWEST:
        raise ValueError(
            f"sky patches have shapes {real.shape} and {mock.shape}; needed are {FEWEST} of each, of "
            "one size."
        )
    features = sky_features(np.concatenate([real, mock]))
    label = np.repeat([0.0, 1.0], [len(real), len(mock)])
    score = _held_out_scores(features, label, rng)
    n, m = len(real), len(mock)
    auc = stats.mannwhitneyu(score[n:], score[:n]).statistic / (n * m)
    test = stats.ks_2samp(score[:n], score[n:])
    sigma = np.exp(np.median(features[n:, 1]) - np.median(features[:n, 1]))
    check = SkyCheck(
        n_real=n,
        n_mock=m,
        auc=float(auc),
        auc_error=float(np.sqrt((n + m + 1) / (12 * n * m))),
        ks_statistic=float(test.statistic),
        ks_p=float(test.pvalue),
        sigma_ratio=float(sigma),
        feature_ks_p={
            name: float(stats.ks_2samp(column[:n], column[n:]).pvalue)
            for name, column in zip(FEATURES, features.T, strict=True)
        },
        lag_real=tuple(features[:n, LAGS].mean(axis=0).tolist()),
        lag_mock=tuple(features[n:, LAGS].mean(axis=0).tolist()),
    )
    logger.log(logging.INFO if check.passed else logging.WARNING, check.summary)
    return check
