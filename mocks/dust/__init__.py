"""Treatments of dust, behind one registry."""

from mocks.dust.gas_column import GasColumn
from mocks.dust.registry import DUST, dust_model
from mocks.dust.screens import (
    CalzettiScreen,
    Dust,
    NoDust,
    TwoComponentScreen,
    calzetti_curve,
    cardelli_curve,
)

__all__ = [
    "DUST",
    "CalzettiScreen",
    "Dust",
    "GasColumn",
    "NoDust",
    "TwoComponentScreen",
    "calzetti_curve",
    "cardelli_curve",
    "dust_model",
]
