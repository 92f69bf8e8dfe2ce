"""A trained density of galaxy images: pixel transform, flow and context standardisation in one."""

import logging
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from flows.checkpoint import load_model, save_model
from flows.checks import check_context, check_images
from flows.config import FlowConfig
from flows.densities.registry import make_density
from flows.display import model_table, model_text
from flows.pixels import make_pixels, measure_softening

__all__ = ["FlowModel", "bits_per_dim"]

log = logging.getLogger(__name__)

Array = np.ndarray | torch.Tensor

CONTEXT_RANGE = 5.0  # standard deviations of the training images within which context is held
LEAST_SPREAD = 1e-6  # relative spread of a context column; less is rounding


def bits_per_dim(log_prob: Array, n_dim: int) -> Array:
    """Code length in bits per pixel value, from log_prob in nats per image."""
    return -log_prob / (n_dim * math.log(2))


class FlowModel(nn.Module):
    """Probability density of images of one size and set of bands.

    Every log_prob is in nats, summed over the pixels of an image, and per *physical pixel value*: the
    log-determinant of the pixel transform is included, so models with different transforms can be
    compared. All public methods take NumPy arrays or tensors and return float64 tensors on the CPU.

    Parameters
    ----------
    config : FlowConfig
        With its softening filled in.
    metadata : dict, optional
        Words and numbers that travel with the model and mean nothing here: survey, bands,
        preparation hash, number of training galaxies.

    Attributes
    ----------
    history : list of dict
        One row per validated epoch: nats per pixel value of training and validation, by scale.
    card : str
        Markdown for a reader: what the model is and where it holds.
    summary : dict
        Nats per pixel value of the final model on training and validation images, and their gap.
    """

    def __init__(self, config: FlowConfig, metadata: dict | None = None) -> None:
        super().__init__()
        self.config = config
        self.metadata = dict(metadata or {})
        self.history: list[dict[str, float]] = []
        self.summary: dict[str, float] = {}
        self.card = ""
        self.pixels = make_pixels(config)
        self.density = make_density(config)
        n_context = len(config.context)
        self.register_buffer("context_mean", torch.zeros(n_context))
        self.register_buffer("context_scale", torch.ones(n_context))
        self.register_buffer("context_low", torch.full((n_context,), -math.inf))
        self.register_buffer("context_high", torch.full((n_context,), math.inf))
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.context_mean.device

    @property
    def scale_names(self) -> tuple[str, ...]:
        """Names of the columns of `budget`, finest scale first."""
        return self.density.scale_names

    @property
    def is_local(self) -> bool:
        """Whether the density says at which band and place its nats arise."""
        return self.density.is_local

    @property
    def is_symmetric(self) -> bool:
        """Whether the eight turns and mirror images of an image have the same density by construction."""
        return getattr(self.density, "is_symmetric", False)

    @property
    def context_names(self) -> tuple[str, ...]:
        """Names of the context columns, in order."""
        return self.config.context

    @property
    def n_parameters(self) -> int:
        """Number of trained numbers."""
        return sum(parameter.numel() for parameter in self.parameters())

    def __repr__(self) -> str:
        return model_text(self)

    def _repr_html_(self) -> str:
        return model_table(self)

    @classmethod
    def load(cls, folder: str | Path, device: str = "cpu") -> "FlowModel":
        """Read a model written by `save`.

        Raises
        ------
        FileNotFoundError
            No model in this folder.
        ValueError
            Foreign, damaged, or written by a newer version.
        """
        folder = Path(folder)
        tensors, facts, history, card = load_model(folder)
        try:
            model = cls(FlowConfig(**facts["config"]), facts["metadata"])
            model.load_state_dict(tensors)
        except (TypeError, KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:300]  # torch tells of each of its tensors
            raise ValueError(
                f"{folder} does not hold a complete model: {reason}. Train or copy it again."
            ) from error
        if facts["pixels_version"] != model.pixels.version:
            raise ValueError(
                f"{folder} was trained with version {facts['pixels_version']} of the {model.config.pixels} "
                f"pixels, this is version {model.pixels.version}: its log_prob would differ. Train it again."
            )
        model.history, model.summary, model.card = history, facts["summary"], card
        return model.to(device).eval()

    def save(self, folder: str | Path) -> Path:
        """Write the model into a folder; an existing one is replaced only once the new one is complete."""
        facts = {
            "pixels_version": self.pixels.version,
            "scale_names": list(self.scale_names),
            "n_parameters": self.n_parameters,
            "config": asdict(self.config),
            "summary": self.summary,
            "metadata": self.metadata,
        }
        return save_model(Path(folder), self.state_dict(), facts, self.history, self.card)

    def fit_context(self, context: torch.Tensor | None) -> None:
        """Take mean, spread and valid range of the context from the training images."""
        if context is None:
            return
        deviation, mean = torch.std_mean(context.double(), dim=0, correction=0)
        self.context_mean.copy_(mean)
        # a column that never changes carries no information; leave its unit alone
        self.context_scale.copy_(torch.where(deviation > LEAST_SPREAD * (1 + mean.abs()), deviation, 1.0))
        self.context_low.copy_(context.amin(0))
        self.context_high.copy_(context.amax(0))

    def moved_to(
        self, images: Array, context: Array | None, names: tuple[str, ...], metadata: dict | None = None
    ) -> "FlowModel":
        """Put the same weights on the scale of other images, to be trained on from there.

        Pixels are taken in units of the new images' noise, and the context in that of its own spread, so that
        sky of another survey looks as the sky that the flow knows.

        Parameters
        ----------
        images : array, shape (n, band, y, x)
            Of as many bands and pixels as the flow takes.
        context : array, shape (n, c), or None
            Nuisance of each image.
        names : tuple of str
            Its columns, as many as those of the flow and in the same order of quantities.
        metadata : dict, optional

        Raises
        ------
        ValueError
            When the flow takes other images, or other numbers as context.
        """
        if self.config.pixels != "asinh":
            raise ValueError(f"a flow of {self.config.pixels} pixels cannot start one of another survey.")
        if len(names) != len(self.config.context):
            raise ValueError(
                f"the flow takes {len(self.config.context)} columns of context, the images have {len(names)}."
            )
        images = check_images(images, self.config)
        config = self.config.replace(softening=measure_softening(images), context=tuple(names))
        model = FlowModel(config, metadata)
        model.load_state_dict(self.state_dict())
        model.fit_context(check_context(context, len(images), config))
        return model

    def standardise(self, context: torch.Tensor | None) -> torch.Tensor | None:
        """Context of zero mean and unit variance over the training images, held within 5 deviations."""
        if context is None:
            return None
        return ((context - self.context_mean) / self.context_scale).clamp(-CONTEXT_RANGE, CONTEXT_RANGE)

    def outside_domain(self, context: Array | None, margin: float = 0.1) -> torch.Tensor:
        """Whether the context of each image leaves the range of the training images.

        Parameters
        ----------
        context : array, shape (n, c)
        margin : float
            Excess that is still allowed, in units of the width of the training range.

        Returns
        -------
        Tensor of bool, shape (n,)
        """
        context = check_context(context, None, self.config)
        if context is None:
            raise ValueError("this model uses no context, so no image can be outside its range.")
        low, high = self.context_low.cpu(), self.context_high.cpu()
        room = margin * (high - low).nan_to_num(0.0, 0.0, 0.0)
        return ((context < low - room) | (context > high + room)).any(1)

    def terms(
        self, images: torch.Tensor, context: torch.Tensor | None
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Unchecked inner part of every density, with gradients.

        Returns
        -------
        list of Tensor, shapes (n, band, y, x)
            Nats of each scale, band and place in flow space, finest scale first.
        Tensor, shape (n, band, y, x)
            Log-determinant of the pixel transform.
        """
        inputs, log_det = self.pixels.local(images)
        return self.density.terms(inputs, self.standardise(context)), log_det

    def band_terms(self, images: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """Nats of each image, scale and band (n, n_scales, band), summing to log_prob; with gradients.

        The pixel transform's log-determinant is shared among the scales by their number of
        coefficients; it is the same for two models of equal softening, so it drops out of a ratio.
        """
        return self._by_scale_and_band(*self.terms(images, context))

    def _by_scale_and_band(self, terms: list[torch.Tensor], log_det: torch.Tensor) -> torch.Tensor:
        """Sum the nats of `terms` over places, shape (n, n_scales, band)."""
        share = torch.tensor(self.density.scale_dims, device=log_det.device) / self.config.n_dim
        nats = torch.stack([term.sum((2, 3), dtype=_precise(log_det)) for term in terms], dim=1)
        log_det = log_det.sum((2, 3), dtype=_precise(log_det))
        if nats.shape[2] != log_det.shape[1]:  # an architecture that cannot tell bands apart
            log_det = log_det.sum(1, keepdim=True)
        return nats + log_det[:, None] * share.to(nats)[:, None]

    def scale_terms(self, images: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """Nats of each image and scale (n, n_scales): `band_terms` summed over bands."""
        return self.band_terms(images, context).sum(2)

    def forward(self, images: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return `scale_terms`: what wrappers such as DistributedDataParallel call."""
        return self.scale_terms(images, context)

    def _batches(
        self, images: Array, context: Array | None, batch_size: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """Yield checked batches on the model's device; note context out of range."""
        images = check_images(images, self.config, self.pixels.limits)
        context = check_context(context, len(images), self.config)
        if context is not None and (n_outside := int(self.outside_domain(context).sum())):
            log.debug(
                "%d of %d images have a context outside the range of the training images (%s)",
                n_outside, len(images), ", ".join(self.config.context),
            )  # fmt: skip
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            yield (
                images[part].to(self.device),
                None if context is None else context[part].to(self.device),
            )

    @torch.no_grad()
    def budget(
        self, images: Array, context: Array | None = None, batch_size: int = 128, *, by_band: bool = False
    ) -> torch.Tensor:
        """Nats of each scale, and of each band if wanted; the sum is exactly `log_prob`.

        The nats of a band are those of its detail given the coarser image of all bands and the details of
        the bands before: log p(g), log p(r | g), log p(i | g, r), scale by scale.

        Parameters
        ----------
        images : array, shape (n, band, y, x)
            Pixel values in the unit of the training images.
        context : array, shape (n, c), optional
            Columns named by ``config.context``; required when the model was trained with context.
        batch_size : int
            Images per pass.
        by_band : bool
            Keep the bands apart.

        Returns
        -------
        Tensor of float64, shape (n, n_scales) or (n, n_scales, band)
            Columns as in `scale_names`, bands in the order of the images.

        Raises
        ------
        ValueError
            Wrong shape, NaN, infinite or constant images; missing or unexpected context; bands wanted
            of an architecture that cannot tell them apart.
        """
        if by_band:
            self._need_local("bands")
        parts = [self.band_terms(*batch) for batch in self._batches(images, context, batch_size)]
        nats = torch.cat(parts).double().cpu()
        return nats if by_band else nats.sum(2)

    @torch.no_grad()
    def budget_within(
        self, images: Array, context: Array | None, weight: Array, batch_size: int = 128
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Nats of each scale and band, of the whole image and of a region in it.

        A coefficient counts for the region by the share of its block of pixels that lies inside.

        Parameters
        ----------
        images, context, batch_size
            As in `budget`.
        weight : array, shape (n, y, x)
            Share of each pixel inside the region, 0 to 1.

        Returns
        -------
        whole, inside : Tensor of float64, shape (n, n_scales, band)
            `whole` is ``budget(..., by_band=True)`` to the bit.

        Raises
        ------
        ValueError
            As `budget`, for weights of another shape, or where the architecture has no local terms.
        """
        self._need_local("regions")
        size = self.config.size
        weight = torch.as_tensor(np.asarray(weight), dtype=torch.float32)
        if weight.shape != (len(images), size, size):
            raise ValueError(
                f"weight has shape {tuple(weight.shape)}; expected ({len(images)}, {size}, {size})."
            )
        whole, inside = [], []
        for batch, part in zip(
            self._batches(images, context, batch_size), weight.split(batch_size), strict=True
        ):
            terms, log_det = self.terms(*batch)
            plane = part[:, None].to(log_det)
            weighted = [term * functional.avg_pool2d(plane, size // term.shape[-1]) for term in terms]
            whole.append(self._by_scale_and_band(terms, log_det))
            inside.append(self._by_scale_and_band(weighted, log_det * plane))
        return torch.cat(whole).double().cpu(), torch.cat(inside).double().cpu()

    def _need_local(self, purpose: str) -> None:
        """Refuse to split what the architecture keeps in one piece."""
        if not self.density.is_local:
            raise ValueError(
                f"architecture {self.config.architecture!r} does not split its log-likelihood; use 'wavelet' "
                f"for {purpose}."
            )

    def log_prob(self, images: Array, context: Array | None = None, batch_size: int = 128) -> torch.Tensor:
        """Natural log density of each image per physical pixel value; arguments as in `budget`.

        Returns
        -------
        Tensor of float64, shape (n,)
            Nats, summed over all pixel values.
        """
        return self.budget(images, context, batch_size).sum(1)

    @torch.no_grad()
    def map(self, images: Array, context: Array | None = None, batch_size: int = 128) -> torch.Tensor:
        """Nats of each pixel; the sum over pixels is exactly `log_prob`. Arguments as in `budget`.

        The nats of a coarse coefficient are shared evenly among the pixels it covers.

        Returns
        -------
        Tensor of float64, shape (n, y, x)

        Raises
        ------
        ValueError
            As `budget`, or the architecture has no local terms.
        """
        self._need_local("maps")
        parts = []
        for batch in self._batches(images, context, batch_size):
            terms, log_det = self.terms(*batch)
            total = log_det.sum(1, dtype=_precise(log_det))
            for term in terms:
                side = self.config.size // term.shape[-1]
                spread = term.sum(1, dtype=total.dtype) / side**2
                total = total + spread.repeat_interleave(side, 1).repeat_interleave(side, 2)
            parts.append(total.double().cpu())
        return torch.cat(parts)

    @torch.no_grad()
    def latents(self, images: Array, context: Array | None = None, batch_size: int = 128) -> torch.Tensor:
        """Latents that are standard normal if the model is right; arguments as in `budget`.

        Returns
        -------
        Tensor of float64, shape (n, band, y, x)
            For the wavelet flow laid out as a wavelet mosaic, coarsest scale at the origin.
        """
        parts = []
        for part, nuisance in self._batches(images, context, batch_size):
            parts.append(
                self.density.latents(self.pixels.local(part)[0], self.standardise(nuisance)).double().cpu()
            )
        return torch.cat(parts)

    @torch.no_grad()
    def inverse(self, latents: Array, context: Array | None = None, batch_size: int = 128) -> torch.Tensor:
        """Images of given latents: undoes `latents`.

        Returns
        -------
        Tensor of float64, shape (n, band, y, x)
            Pixel values in the unit of the training images.
        """
        latents = torch.as_tensor(np.asarray(latents), dtype=self.context_mean.dtype)
        shape = (self.config.n_bands, self.config.size, self.config.size)
        if latents.shape[1:] != shape:
            raise ValueError(
                f"latents have shape {tuple(latents.shape)}; expected (n, {', '.join(map(str, shape))})."
            )
        context = check_context(context, len(latents), self.config)
        parts = []
        for start in range(0, len(latents), batch_size):
            part = slice(start, start + batch_size)
            nuisance = None if context is None else self.standardise(context[part].to(self.device))
            inputs = self.density.inverse(latents[part].to(self.device), nuisance)
            parts.append(self.pixels.inverse(inputs)[0].double().cpu())
        return torch.cat(parts)

    @torch.no_grad()
    def sample(
        self, n: int, context: Array | None = None, *, generator: torch.Generator, temperature: float = 1.0
    ) -> torch.Tensor:
        """Random images.

        Parameters
        ----------
        n : int
            Number of images.
        context : array, shape (n, c) or (1, c) or (c,), optional
            One row per image, or one for all.
        generator : torch.Generator
            On the CPU for numbers that do not depend on the device.
        temperature : float
            Factor on the spread of the latents; 1 draws from the density itself.

        Returns
        -------
        Tensor of float32, shape (n, band, y, x)
            Pixel values in the unit of the training images.
        """
        if n < 1 or temperature < 0:
            raise ValueError(
                f"n is {n} and temperature {temperature}; n must be at least 1, temperature not negative."
            )
        if context is not None:
            context = torch.as_tensor(np.asarray(context), dtype=torch.float32)
            context = context.reshape(-1, context.shape[-1])
            context = context.expand(n, -1) if len(context) == 1 else context
        context = check_context(context, n, self.config)
        nuisance = None if context is None else self.standardise(context.to(self.device))
        return self.pixels.inverse(self.density.draw(n, nuisance, generator, temperature))[0].float().cpu()


def _precise(tensor: torch.Tensor) -> torch.dtype:
    """Type to add many nats in: float64, except where the device has none."""
    return tensor.dtype if tensor.device.type == "mps" else torch.float64
