"""Which simulation resembles real galaxies most: calibrated probabilities, after the absolute fit."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from scipy.optimize import minimize, minimize_scalar
from scipy.spatial import cKDTree
from scipy.special import log_softmax, logsumexp, softmax

from mocks.streams import stream
from simcompare.kinds import Kind
from simcompare.scores.record import Scores
from simcompare.statistics.known_equal import N_DRAWS
from simcompare.statistics.preference import (
    corrected,
    design,
    findings,
    preference_test,
    trial_rates,
)
from simcompare.statistics.resampling import resampled_means

__all__ = ["ModelComparison", "compare_models", "posterior_table"]

FOLDS = 5
BINS = 10

N_BOOTSTRAP = 500  # resamples of real galaxies


@dataclass(frozen=True, eq=False)
class ModelComparison:
    """Probabilities of simulations given real galaxies.

    Parameters
    ----------
    probabilities : Table
        ``dataset``, ``probability`` (mean over the real galaxies that lie among the simulations),
        ``probability_low``, ``probability_high`` (real galaxies resampled); ``p_value`` and ``p_holm`` of a
        simulation that is no more like them than the others, by exchanged labels; ``false_alarms``, rate at
        which sets of real galaxies in the place of the simulations can be told apart, and ``power`` to tell a
        set of their Sersic twins; ``n_drawn``, galaxies of the largest set tried; ``finding``.
    galaxies : Table
        ``galaxy_id``, ``inside`` and one column of probabilities for each simulation.
    calibration : Table
        ``low``, ``high``, ``predicted``, ``observed``, ``n``: mean predicted probability and share of right
        labels of held-out simulated galaxies, by predicted probability.
    calibration_error : float
        Mean absolute difference of the two, weighted by number.
    share_inside : float
        Share of real galaxies among the simulations; expected 0.95 when one of them fits.
    warning : str
        Empty, or why the probabilities say nothing.
    """

    probabilities: Table
    galaxies: Table
    calibration: Table
    calibration_error: float
    share_inside: float
    warning: str


def compare_models(
    scores: Scores,
    features: np.ndarray,
    seed: int,
    *,
    prior: Mapping[str, float] | None = None,
) -> ModelComparison:
    """Posterior probability of each simulation for real galaxies, given that one of them is right.

    A regularised multinomial logistic regression on features and their squares tells the simulations apart,
    its temperature set on galaxies it has not seen. A real galaxy counts when it is no farther from the
    simulations than 95 % of held-out simulated galaxies are (distance to the fifth neighbour).

    Parameters
    ----------
    scores : Scores
        Data set, galaxy and split of each row.
    features : ndarray, shape (len(scores), d)
        Features in units of galaxies that are not tested.
    seed : int
        Each galaxy is dealt into a fold by its name, with its copies in other simulations.
    prior : mapping of str to float, optional
        Default: equal, whatever the galaxy numbers.

    Raises
    ------
    ValueError
        When there are fewer than two simulations with 20 galaxies each.

    References
    ----------
    Zhou et al. 2025, A&A 701, A44 (the question); Guo et al. 2017, arXiv:1706.04599 (temperature).
    """
    names, reference = scores.of_kind(Kind.SIMULATED), scores.named_reference
    rows = {name: _first_views(scores, name, features) for name in [*names, reference]}
    _refuse_few(names, [name for name in names if len(rows[name]) < 20])
    x = np.concatenate([features[rows[name]] for name in names])
    label = np.repeat(np.arange(len(names)), [len(rows[name]) for name in names])
    share = np.array([(prior or {}).get(name, 1.0) for name in names], float)
    weight = (share / share.sum() / np.bincount(label))[label] * len(label)
    galaxy = np.concatenate([scores[rows[name]]["galaxy_id"] for name in names])
    fold = _folds(galaxy, seed)
    held_out = np.empty((len(label), len(names)))
    for k in np.unique(fold):
        held_out[fold == k] = _logits(_fit(x[fold != k], label[fold != k], weight[fold != k]), x[fold == k])
    temperature = _temperature(held_out, label, weight)
    calibration, error = _calibration(softmax(held_out / temperature, axis=1), label, weight)
    real = features[rows[reference]]
    probability = softmax(_logits(_fit(x, label, weight), real) / temperature, axis=1)
    inside = _inside(x, real, fold)
    galaxies = Table({"galaxy_id": scores[rows[reference]]["galaxy_id"], "inside": inside})
    for k, name in enumerate(names):
        galaxies[name] = probability[:, k]
    share_inside = float(inside.mean())
    table = _averaged(names, probability[inside], stream(seed, "real galaxies"), N_BOOTSTRAP)
    if inside.any():
        tested = preference_test(x, label, galaxy, real[inside], stream(seed, "exchanged labels"))
    else:
        tested = np.full((2, len(names)), np.nan)
    twins = _twins(scores, features, rows[reference])
    tried = trial_rates(
        real, twins, [len(rows[name]) for name in names], stream(seed, "trial of preference"), N_DRAWS
    )
    return ModelComparison(
        _with_findings(table, names, tested, tried),
        galaxies,
        calibration,
        error,
        share_inside,
        _warning(share_inside, error),
    )


def _refuse_few(names: list[str], few: list[str]) -> None:
    if len(names) < 2 or few:
        raise ValueError(
            "model comparison needs two simulations of 20 galaxies or more; "
            f"found {', '.join(names) or 'none'}"
            + (f", too few galaxies in {', '.join(few)}." if few else ".")
        )


def _first_views(scores: Scores, dataset: str, features: np.ndarray) -> np.ndarray:
    """Row of the first view with finite features of every galaxy."""
    return scores.first_views(np.flatnonzero(scores.held_out(dataset) & np.isfinite(features).all(axis=1)))


def _folds(galaxy: np.ndarray, seed: int) -> np.ndarray:
    """Fold of each row by the name of its galaxy, so that copies are never on both sides, shape (n,)."""
    names, code = np.unique(galaxy, return_inverse=True)
    order = np.argsort([zlib.crc32(f"{seed} {name}".encode()) for name in names], kind="stable")
    place = np.empty(len(names), int)
    place[order] = np.arange(len(names))
    return place[code] % FOLDS


def _twins(scores: Scores, features: np.ndarray, real: np.ndarray) -> np.ndarray | None:
    """Features of the twin of each real galaxy, NaN where there is none; None without twins."""
    of_twin = np.full((len(real), features.shape[1]), np.nan)
    for name in scores.of_kind(Kind.TWINS):
        rows = _first_views(scores, name, features)
        _, i, j = np.intersect1d(scores.galaxies[real], scores.galaxies[rows], return_indices=True)
        of_twin[i] = features[rows[j]]
    return of_twin if np.isfinite(of_twin).any() else None


def _with_findings(table: Table, names: Sequence[str], tested: Sequence[np.ndarray], tried: tuple) -> Table:
    """Add p-values, the rates of the trials, and what may be said."""
    excess, p_value = (np.asarray(each) for each in tested)
    p_holm = corrected(p_value)
    finding_of = dict(zip(names, findings(excess, p_holm, *tried[:2], N_DRAWS), strict=True))
    order = [list(names).index(name) for name in table["dataset"]]
    table["p_value"], table["p_holm"] = p_value[order], p_holm[order]
    table["false_alarms"], table["power"], table["n_drawn"] = tried
    table["finding"] = [finding_of[name] for name in table["dataset"]]
    return table


def _fit(x: np.ndarray, label: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Coefficients of the regression, shape (n_terms, n_classes)."""
    terms, n_classes = design(x), int(label.max()) + 1
    target = np.eye(n_classes)[label]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        coefficient = flat.reshape(terms.shape[1], n_classes)
        log_probability = log_softmax(terms @ coefficient, axis=1)
        penalty = 0.5 * (coefficient[1:] ** 2).sum()
        value = -(weight[:, None] * target * log_probability).sum() + penalty
        gradient = terms.T @ (weight[:, None] * (np.exp(log_probability) - target))
        gradient[1:] += coefficient[1:]
        return value, gradient.ravel()

    start = np.zeros(terms.shape[1] * n_classes)
    return minimize(loss, start, jac=True, method="L-BFGS-B").x.reshape(terms.shape[1], n_classes)


def _logits(coefficient: np.ndarray, x: np.ndarray) -> np.ndarray:
    return design(x) @ coefficient


def _temperature(logits: np.ndarray, label: np.ndarray, weight: np.ndarray) -> float:
    """Divisor of the logits that makes held-out labels likeliest."""

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        right = scaled[np.arange(len(label)), label] - logsumexp(scaled, axis=1)
        return -float(weight @ right)

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 3.0), method="bounded").x))


def _calibration(probability: np.ndarray, label: np.ndarray, weight: np.ndarray) -> tuple[Table, float]:
    """Predicted against observed share in bins of the predicted probability, over all classes."""
    predicted = probability.ravel()
    hit = (np.eye(probability.shape[1])[label] > 0).ravel()
    importance = np.repeat(weight, probability.shape[1])
    place = np.minimum((predicted * BINS).astype(int), BINS - 1)
    rows = []
    for k in range(BINS):
        inside = place == k
        if inside.any():
            rows.append(
                {
                    "low": k / BINS,
                    "high": (k + 1) / BINS,
                    "predicted": float(np.average(predicted[inside], weights=importance[inside])),
                    "observed": float(np.average(hit[inside], weights=importance[inside])),
                    "n": int(inside.sum()),
                }
            )
    table = Table(rows=rows)
    return table, float(np.average(np.abs(table["predicted"] - table["observed"]), weights=table["n"]))


def _inside(x: np.ndarray, real: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Whether each real galaxy is as near to the simulations as 95 % of held-out simulated ones."""
    parts = [cKDTree(x[fold != k]).query(x[fold == k], k=5)[0][:, -1] for k in np.unique(fold)]
    own = np.concatenate(parts)
    return cKDTree(x).query(real, k=5)[0][:, -1] <= np.quantile(own, 0.95)


def posterior_table(comparison: ModelComparison, most: int | None = None) -> Table:
    """Probabilities with a note that says how to read them.

    Parameters
    ----------
    comparison : ModelComparison
    most : int, optional
        Images of a data set, drawn at random, where there were more.
    """
    table = comparison.probabilities.copy()
    warning = f" Warning: {comparison.warning}." if comparison.warning else ""
    drawn = f" At most {most} images of a data set, drawn at random." if most else ""
    table.meta["note"] = (
        f"{comparison.share_inside:.0%} of the real galaxies lie among the simulations (95% expected of a "
        f"right one); mean calibration error {comparison.calibration_error:.3f}. A simulation is preferred "
        "where exchanged labels give p (Holm) below 0.05. False alarms: sets of real galaxies in the place "
        f"of the simulations; power: one of them replaced by Sersic twins.{warning}{drawn}"
    )
    table.meta |= {"share_inside": comparison.share_inside, "warning": comparison.warning}
    return table


def _averaged(
    names: Sequence[str], probability: np.ndarray, rng: np.random.Generator, n_bootstrap: int
) -> Table:
    """Mean probability over real galaxies with its bootstrap interval."""
    table = Table({"dataset": list(names)})
    if not len(probability):
        for name in ("probability", "probability_low", "probability_high"):
            table[name] = np.full(len(names), np.nan)
        return table
    drawn = resampled_means(probability, len(probability), n_bootstrap, rng)
    table["probability"] = probability.mean(axis=0)
    table["probability_low"], table["probability_high"] = np.quantile(drawn, [0.025, 0.975], axis=0)
    table.sort("probability", reverse=True)
    return table


def _warning(share_inside: float, calibration_error: float) -> str:
    """Why the probabilities say nothing, if so."""
    doubts = []
    if share_inside < 0.5:
        doubts.append(
            f"only {share_inside:.0%} of the real galaxies lie among the simulations: no simulation fits, "
            "and the probabilities rank wrong models"
        )
    if calibration_error > 0.1:
        doubts.append(f"the classifier is badly calibrated (mean error {calibration_error:.2f})")
    return "; ".join(doubts)
