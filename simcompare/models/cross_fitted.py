"""Flows of several folds as one density: every galaxy that one has learned from is held out by another."""

import csv
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from astropy.table import Table

from flows import Ensemble, FlowConfig, FlowModel
from simcompare.images.positions import SAME_OBJECT, match_places
from simcompare.runs.files import atomic_path, sha256
from simcompare.runs.tables import numbers_of

__all__ = ["CrossFitted", "is_cross_fitted"]

FORMAT = "simcompare cross-fitted flow"
_SCHEMA = 1
_FACTS, _GALAXIES, _CARD = "model.toml", "folds.csv", "README.md"
_COLUMNS = ("galaxy_id", "ra", "dec", "fold")
_ALIKE = ("survey", "bands", "pixel_scale", "unit", "size", "preparation_hash")


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """Flows of several folds of one sample, each of which learned from the galaxies outside its own fold.

    The log density of an image is the mean of the folds' log densities, so that its terms by scale, band and
    place still add up. A galaxy of the sample, known by its name or its place on the sky, is given to the
    flow of its own fold alone, which has not seen it; so are its twin and whatever else bears its name.

    Parameters
    ----------
    members : sequence of FlowModel
        One for each fold, of the same images and configuration but for the softening.
    galaxies : Table
        ``galaxy_id``, ``ra`` and ``dec`` [deg, NaN where not known] and ``fold``, from 0.
    card : str
        Markdown for a reader.
    chosen : ndarray of int, shape (n,), optional
        Fold of each image to come, -1 for all; see `for_catalogue`.

    Raises
    ------
    ValueError
        For fewer than two members, members of unlike images, or galaxies of a fold that is not there.
    """

    members: tuple[FlowModel, ...]
    galaxies: Table
    card: str = ""
    chosen: np.ndarray | None = None
    _fold_of: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        members, folds = tuple(self.members), np.asarray(self.galaxies["fold"], dtype=int)
        if len(members) < 2:
            raise ValueError(f"{len(members)} fold is there; a cross-fitted flow needs at least two.")
        first = members[0]
        for k, member in enumerate(members):
            differences = [
                name for name in _ALIKE if member.metadata.get(name) != first.metadata.get(name)
            ]  # fmt: skip
            differences += [member.config.difference(first.config, ("dropout", "softening"))]
            if any(differences):
                raise ValueError(
                    f"fold {k} is of other images than fold 0: {', '.join(filter(None, differences))} differ."
                )
        if len(folds) == 0 or folds.min() < 0 or folds.max() >= len(members):
            raise ValueError(
                f"galaxies are said to be in folds {sorted(set(folds.tolist()))}, but there are "
                f"{len(members)} folds, numbered from 0."
            )
        object.__setattr__(self, "members", members)
        names = map(str, self.galaxies["galaxy_id"].tolist())
        object.__setattr__(self, "_fold_of", dict(zip(names, folds.tolist(), strict=True)))

    @property
    def config(self) -> FlowConfig:
        """Configuration of the first fold; the others differ in their softening."""
        return self.members[0].config

    @property
    def metadata(self) -> dict:
        """What the folds have in common; valid is the range that most of them have learned from."""
        ranges = [member.metadata["validity"] for member in self.members]
        shared = [name for name in ranges[0] if all(name in each for each in ranges)]
        validity = {
            name: [float(np.median([each[name][side] for each in ranges])) for side in (0, 1)]
            for name in shared
        }
        return self.members[0].metadata | {"validity": validity, "n_train": self.summary["n_train"]}

    @property
    def summary(self) -> dict[str, float]:
        """Mean over the folds of the numbers of their training."""
        summaries = [member.summary for member in self.members]
        mean = {name: float(np.mean([each[name] for each in summaries])) for name in summaries[0]}
        return mean | {
            name: round(mean[name]) for name in ("n_train", "n_validation", "epochs") if name in mean
        }

    @property
    def history(self) -> list[dict[str, float]]:
        """Training of the first fold, epoch by epoch."""
        return self.members[0].history

    @property
    def n_parameters(self) -> int:
        """Number of trained numbers of each fold."""
        return self.members[0].n_parameters

    @property
    def scale_names(self) -> tuple[str, ...]:
        """Names of the columns of `budget`, finest scale first."""
        return self.members[0].scale_names

    @property
    def context_names(self) -> tuple[str, ...]:
        """Names of the context columns, in order."""
        return self.members[0].context_names

    @property
    def is_symmetric(self) -> bool:
        """Whether the members give the eight turns and mirror images of an image the same density."""
        return all(getattr(member, "is_symmetric", False) for member in self.members)

    @property
    def is_local(self) -> bool:
        """Whether the density says at which band and place its nats arise."""
        return self.members[0].is_local

    def __repr__(self) -> str:
        return f"<CrossFitted: {len(self.members)} folds, {len(self.galaxies)} galaxies, {self.members[0]!r}>"

    def to(self, device: str) -> "CrossFitted":
        """Move every fold to a device."""
        for member in self.members:
            member.to(device)
        return self

    def for_catalogue(self, catalogue: Table) -> "CrossFitted":
        """Give the density of as many images as the catalogue has rows, each under the folds it belongs to.

        Parameters
        ----------
        catalogue : Table
            With ``galaxy_id``, and ``ra`` and ``dec`` [deg] where they are known.
        """
        names = map(str, catalogue["galaxy_id"].tolist())
        chosen = np.array([self._fold_of.get(name, -1) for name in names], dtype=int)
        if {"ra", "dec"} <= set(catalogue.colnames):
            known = np.isfinite(numbers_of(self.galaxies["ra"])) & np.isfinite(
                numbers_of(self.galaxies["dec"])
            )
            sample = self.galaxies[known]
            places = [numbers_of(catalogue[name]) for name in ("ra", "dec")]
            there = [numbers_of(sample[name]) for name in ("ra", "dec")]
            index, *_ = match_places(*places, *there, SAME_OBJECT)
            by_place = np.flatnonzero((chosen < 0) & (index >= 0))
            chosen[by_place] = np.asarray(sample["fold"])[index[by_place]]
        return replace(self, chosen=chosen)

    def log_prob(self, images: Any, context: Any = None, batch_size: int = 128) -> torch.Tensor:
        """Natural log density of each image, shape (n,); arguments as of `FlowModel.log_prob`."""
        return self._mean(lambda member, *batch: (member.log_prob(*batch, batch_size),), images, context)[0]

    def budget(
        self, images: Any, context: Any = None, batch_size: int = 128, *, by_band: bool = False
    ) -> torch.Tensor:
        """Nats of each scale, and of each band if wanted; as `FlowModel.budget`."""
        call = lambda member, *batch: (member.budget(*batch, batch_size, by_band=by_band),)  # noqa: E731
        return self._mean(call, images, context)[0]

    def budget_within(
        self, images: Any, context: Any, weight: Any, batch_size: int = 128
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Nats of each scale and band, of the whole image and of a region; as `FlowModel.budget_within`."""
        call = lambda member, *batch: member.budget_within(*batch, batch_size)  # noqa: E731
        return self._mean(call, images, context, weight)

    def map(self, images: Any, context: Any = None, batch_size: int = 128) -> torch.Tensor:
        """Nats of each pixel, shape (n, y, x); as `FlowModel.map`."""
        return self._mean(lambda member, *batch: (member.map(*batch, batch_size),), images, context)[0]

    def latents(self, images: Any, context: Any = None, batch_size: int = 128) -> torch.Tensor:
        """Latents under the first fold, whatever the galaxy: those of two folds cannot be compared."""
        return self.members[0].latents(images, context, batch_size)

    def sample(self, n: int, context: Any = None, *, generator: torch.Generator, **options) -> torch.Tensor:
        """Random images, each from a fold drawn at random; as `FlowModel.sample`."""
        return Ensemble(self.members).sample(n, context, generator=generator, **options)

    def _mean(self, call: Callable, *arrays: Any) -> tuple[torch.Tensor, ...]:
        """Mean over the folds of each image; what ``call`` returns has one row an image."""
        n = len(arrays[0])
        chosen = np.full(n, -1) if self.chosen is None else self.chosen
        if len(chosen) != n:
            raise ValueError(
                f"{n} images are given, but the catalogue of this density has {len(chosen)} rows."
            )
        totals = None
        for fold, member in enumerate(self.members):
            rows = np.flatnonzero((chosen == fold) | (chosen < 0))
            if not rows.size:
                continue
            returned = call(member, *(None if each is None else each[rows] for each in arrays))
            totals = totals or tuple(part.new_zeros((n, *part.shape[1:])) for part in returned)
            share = torch.as_tensor(np.where(chosen[rows] < 0, 1 / len(self.members), 1.0))
            for total, part in zip(totals, returned, strict=True):
                total[rows] += part * share.reshape(-1, *[1] * (part.ndim - 1))
        return totals

    def save(self, folder: str | Path) -> Path:
        """Write the folds into ``fold-0`` and so on, which galaxy is in which, and the card.

        Raises
        ------
        FileExistsError
            When the folder is not empty.
        """
        folder = Path(folder)
        if folder.is_dir() and any(folder.iterdir()):
            raise FileExistsError(
                f"{folder} is not empty; give a new or empty folder for a cross-fitted flow."
            )
        names = [f"fold-{k}" for k in range(len(self.members))]
        for name, member in zip(names, self.members, strict=True):
            member.save(folder / name)
        with atomic_path(folder / _GALAXIES) as temporary, open(temporary, "w", newline="") as file:
            rows = zip(*(self.galaxies[name].tolist() for name in _COLUMNS), strict=True)
            csv.writer(file, lineterminator="\n").writerows([_COLUMNS, *rows])
        if self.card:
            (folder / _CARD).write_text(self.card, encoding="utf-8")
        facts = {
            "format": FORMAT,
            "schema": _SCHEMA,
            "members": names,
            "weights_sha256": [sha256(folder / name / "weights.safetensors") for name in names],
            "galaxies_sha256": sha256(folder / _GALAXIES),
        }
        with atomic_path(folder / _FACTS) as temporary:  # last: a folder with it is complete
            temporary.write_text(tomli_w.dumps(facts), encoding="utf-8")
        return folder

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> "CrossFitted":
        """Read what `save` wrote.

        Raises
        ------
        FileNotFoundError
            When the flow of a fold, or the list of galaxies, is missing.
        ValueError
            When it is damaged, mixed from two models, or from a newer version.
        """
        folder = Path(folder)
        facts = _read_facts(folder)
        for name in [*(f"{name}/weights.safetensors" for name in facts["members"]), _GALAXIES]:
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"{folder / name} does not exist, but {folder} has {len(facts['members'])} folds "
                    f"({', '.join(facts['members'])}) with the list of their galaxies; copy all of it again."
                )
        members = [FlowModel.load(folder / name, device) for name in facts["members"]]
        hashes = [sha256(folder / name / "weights.safetensors") for name in facts["members"]]
        for name, own, stated in zip(facts["members"], hashes, facts["weights_sha256"], strict=True):
            if own != stated:
                raise ValueError(
                    f"{folder / name} is the flow of another fit than {folder / _FACTS} states; copy all of "
                    "the folder again."
                )
        if sha256(folder / _GALAXIES) != facts["galaxies_sha256"]:
            raise ValueError(
                f"{folder / _GALAXIES} is damaged: its sha256 is not that of {_FACTS}. Copy it again."
            )
        card = folder / _CARD
        text = card.read_text(encoding="utf-8") if card.is_file() else ""
        return cls(tuple(members), _read_galaxies(folder / _GALAXIES), text)


def is_cross_fitted(folder: Path) -> bool:
    """Whether a folder of a model says that it holds several folds."""
    path = Path(folder) / _FACTS
    return path.is_file() and path.read_bytes().startswith(f'format = "{FORMAT}"'.encode())


def _read_facts(folder: Path) -> dict:
    """Facts of a cross-fitted flow, checked."""
    path = folder / _FACTS
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
        members, hashes = facts["members"], facts["weights_sha256"]
        if not _are_words(members, 2) or not _are_words(hashes, 2) or len(members) != len(hashes):
            raise ValueError("members and weights_sha256 are no lists of equal length")
        if not _are_words([facts["galaxies_sha256"]], 1) or any(Path(name).name != name for name in members):
            raise ValueError("galaxies_sha256 or a name in members is not valid")
    except (ValueError, KeyError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}); copy the model again.") from error
    if not isinstance(facts.get("schema"), int) or facts["schema"] > _SCHEMA:
        raise ValueError(
            f"{path} has schema {facts.get('schema')!r}; this version reads up to {_SCHEMA}. Update "
            "simcompare."
        )
    return facts


def _are_words(values: Any, least: int) -> bool:
    """Whether this is a list of at least so many words."""
    return isinstance(values, list) and len(values) >= least and all(isinstance(each, str) for each in values)


def _read_galaxies(path: Path) -> Table:
    """Which galaxy is in which fold."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    kinds: Sequence[Callable] = (str, float, float, int)
    try:
        columns = [[kind(row[name]) for row in rows] for name, kind in zip(_COLUMNS, kinds, strict=True)]
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}); copy the model again.") from error
    return Table(columns, names=_COLUMNS)
