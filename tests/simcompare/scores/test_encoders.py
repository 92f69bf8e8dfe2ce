"""Encoders are registered, or named by the user; nothing that was read from a file is imported."""

import importlib.metadata
import sys

import numpy as np
import pytest

from simcompare.scores.encoders import ENCODER_GROUP, find_encoder


@pytest.fixture
def registered(monkeypatch):
    """Pretend that a package has registered a good encoder and two useless ones."""
    points = [
        importlib.metadata.EntryPoint(name, value, ENCODER_GROUP)
        for name, value in (
            ("arctan", "numpy:arctan"),
            ("broken", "no_such_module:f"),
            ("number", "math:pi"),
        )
    ]
    found = importlib.metadata.EntryPoints(points)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: found.select(group=group))


@pytest.mark.parametrize("may_import", [True, False])
def test_registered_encoders_are_known_by_name(registered, may_import):
    assert find_encoder("arctan", may_import=may_import) is np.arctan
    for name, message in (
        ("absent", "no encoder 'absent' is registered .known: arctan, broken, number"),
        ("broken", "cannot be loaded: No module named 'no_such_module'"),
        ("number", "is not a function"),
    ):
        with pytest.raises(ValueError, match=message):
            find_encoder(name, may_import=may_import)


def test_a_function_is_imported_for_the_user_alone(tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text("raise SystemExit('ran')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="was read from a file, which must not choose code"):
        find_encoder("planted:f", may_import=False)
    assert "planted" not in sys.modules
    assert find_encoder("numpy:ravel", may_import=True) is np.ravel


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (":f", "name it as"),
        ("numpy:", "name it as"),
        ("numpy:absent", "holds no function"),
        ("nowhere:f", "PYTHONPATH"),
    ],
)
def test_wrong_names_are_told(name, message):
    with pytest.raises(ValueError, match=message):
        find_encoder(name, may_import=True)
