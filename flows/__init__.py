"""The probability density of galaxy images, learnt with normalizing flows."""

from flows.config import FlowConfig, TrainingConfig
from flows.densities.registry import ARCHITECTURES
from flows.diagnostics import calibration, sample_sheet
from flows.ensemble import Ensemble
from flows.model import FlowModel, bits_per_dim
from flows.pixels import PIXEL_TRANSFORMS, dequantise, measure_softening
from flows.symmetry import symmetries
from flows.training.distributed import process_group
from flows.training.train import Progress, train

__all__ = [
    "ARCHITECTURES",
    "PIXEL_TRANSFORMS",
    "Ensemble",
    "FlowConfig",
    "FlowModel",
    "Progress",
    "TrainingConfig",
    "bits_per_dim",
    "calibration",
    "dequantise",
    "measure_softening",
    "process_group",
    "sample_sheet",
    "symmetries",
    "train",
]
