"""Several flows of the same images, from different seeds: their mean density and their disagreement."""

import math
from pathlib import Path

import numpy as np
import torch

from flows.config import FlowConfig
from flows.model import FlowModel

__all__ = ["Ensemble"]

Array = np.ndarray | torch.Tensor


class Ensemble:
    """Equal mixture of flows, itself a density that integrates to one.

    Parameters
    ----------
    models : sequence of FlowModel
        At least two, of one size, set of bands and context.

    Raises
    ------
    ValueError
        Fewer than two models, or models of different images.
    """

    def __init__(self, models: list[FlowModel] | tuple[FlowModel, ...]) -> None:
        models = tuple(models)
        if len(models) < 2:
            raise ValueError(f"{len(models)} model given; an ensemble needs at least two.")
        first = models[0].config
        for model in models[1:]:
            theirs = (model.config.size, model.config.n_bands, model.config.context)
            if theirs != (first.size, first.n_bands, first.context):
                raise ValueError(
                    f"size, bands and context differ: {theirs} against "
                    f"{(first.size, first.n_bands, first.context)}; use models of the same images."
                )
        self.models = models

    @property
    def config(self) -> FlowConfig:
        """Configuration of the first model."""
        return self.models[0].config

    def log_prob_members(
        self, images: Array, context: Array | None = None, batch_size: int = 128
    ) -> torch.Tensor:
        """Natural log density under each model, shape (n, n_models)."""
        return torch.stack([model.log_prob(images, context, batch_size) for model in self.models], dim=1)

    def log_prob(self, images: Array, context: Array | None = None, batch_size: int = 128) -> torch.Tensor:
        """Natural log of the mean density, shape (n,); never below the mean of the members."""
        members = self.log_prob_members(images, context, batch_size)
        return torch.logsumexp(members, dim=1) - math.log(len(self.models))

    def sample(
        self, n: int, context: Array | None = None, *, generator: torch.Generator, temperature: float = 1.0
    ) -> torch.Tensor:
        """Random images, each from a model drawn at random; as `FlowModel.sample`."""
        choice = torch.randint(len(self.models), (n,), generator=generator)
        images = torch.empty(n, self.config.n_bands, self.config.size, self.config.size)
        given = (
            None if context is None else np.broadcast_to(np.atleast_2d(context), (n, np.shape(context)[-1]))
        )
        for index, model in enumerate(self.models):
            rows = torch.nonzero(choice == index).flatten()
            if len(rows):
                part = None if given is None else given[rows.numpy()]
                images[rows] = model.sample(len(rows), part, generator=generator, temperature=temperature)
        return images

    def save(self, folder: str | Path) -> Path:
        """Write every model into a folder of its own, ``member-0`` and so on."""
        folder = Path(folder)
        if folder.is_dir() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} is not empty; give a new or empty folder for an ensemble.")
        for index, model in enumerate(self.models):
            model.save(folder / f"member-{index}")
        return folder

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> "Ensemble":
        """Read what `save` wrote.

        Raises
        ------
        FileNotFoundError
            No members in the folder.
        """
        members = sorted(
            Path(folder).glob("member-*"), key=lambda path: int(path.name.removeprefix("member-"))
        )
        if not members:
            raise FileNotFoundError(
                f"{folder} is not an ensemble (no member-0); give a folder that Ensemble.save wrote."
            )
        return cls([FlowModel.load(member, device) for member in members])
