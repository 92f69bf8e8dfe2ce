"""Compare simulated galaxies with real ones: scores, statistics, figures."""

__version__ = "0.1.0"
