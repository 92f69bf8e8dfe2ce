"""What is left out means the same in Python and on the command line."""

import inspect

import pytest

from mocks import Scene, mock_galaxy
from mocks.survey_files.hsc_coadds import hsc_sky_bank
from mocks.survey_files.sdss_sky import sdss_sky_bank
from simcompare.images.preparation.prepare import Preparation
from simcompare.observed import Reading, prepare_observed
from simcompare.settings import MockSettings, PrepareSettings, SkySettings

PAIRS = [
    (MockSettings, Scene),
    (MockSettings, mock_galaxy),
    (PrepareSettings, Preparation),
    (PrepareSettings, prepare_observed),
    (PrepareSettings, Reading),
    (SkySettings, sdss_sky_bank),
    (SkySettings, hsc_sky_bank),
]
# Python works in the process that asks; coadds are of HSC, frames of SDSS.
OTHERWISE = {(Reading, "workers"): 1, (hsc_sky_bank, "survey"): "hsc-wide"}


def defaults(function):
    """Default of each parameter that has one; nothing said is None, whatever stands for it."""
    if hasattr(function, "model_fields"):
        given = {name: field for name, field in function.model_fields.items() if not field.is_required()}
        return {name: field.default or None for name, field in given.items()}
    given = inspect.signature(function).parameters.values()
    return {each.name: each.default or None for each in given if each.default is not each.empty}


@pytest.mark.parametrize(("settings", "function"), PAIRS)
def test_defaults_agree(settings, function):
    command, python = defaults(settings), defaults(function)
    shared = set(command) & set(python)
    assert shared or function is mock_galaxy
    for name in shared:
        assert python[name] == OTHERWISE.get((function, name), command[name]), name


def test_what_mocks_share():
    """The names that a mock is chosen by are compared at all."""
    assert {"redshift", "size", "population", "dust"} <= set(defaults(MockSettings)) & set(defaults(Scene))
    assert defaults(Scene)["dust"] == "screen"
