"""Registry of densities in flow space: adding one is one file and one line here.

An entry takes a `FlowConfig` and returns an nflows ``Distribution`` with ``scale_names``,
``scale_dims``, ``scale_of(parameter_name)``, ``terms(images, context)``, ``latents``, ``inverse`` and
``draw``, as `flows.densities.wavelet.WaveletFlow` defines them, and ``is_local``: whether terms have band and
place.
"""

from collections.abc import Callable
from functools import partial

from nflows.distributions.base import Distribution

from flows.config import FlowConfig
from flows.densities.glow import GlowFlow
from flows.densities.symmetric import SymmetricFlow
from flows.densities.wavelet import WaveletFlow

__all__ = ["ARCHITECTURES", "make_density"]

ARCHITECTURES: dict[str, Callable[[FlowConfig], Distribution]] = {
    "wavelet": WaveletFlow,
    "symmetric": SymmetricFlow,
    "glow": GlowFlow,
    "glow-spline": partial(GlowFlow, spline=True),
}


def make_density(config: FlowConfig) -> Distribution:
    """Untrained density of a configuration.

    Raises
    ------
    ValueError
        Unknown architecture.
    """
    if config.architecture not in ARCHITECTURES:
        raise ValueError(f"architecture is {config.architecture!r}; known: {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[config.architecture](config)
