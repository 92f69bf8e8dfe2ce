"""Fitting a density to images: the loop, its augmentation, several processes."""

from flows.training.train import Progress, train

__all__ = ["Progress", "train"]
