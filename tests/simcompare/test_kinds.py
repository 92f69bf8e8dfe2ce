"""Kinds stand in files and tables as the words they have always been."""

import json
from typing import get_args

import numpy as np
import pyarrow as pa
from astropy.table import Table

from simcompare.images.parts import KINDS
from simcompare.kinds import Kind
from simcompare.settings import PrepareSettings


def test_the_words_do_not_change():
    assert [str(kind) for kind in Kind] == ["observed", "simulated", "twins", "control", "null"]
    assert all(type(str(kind)) is str for kind in Kind)
    assert get_args(PrepareSettings.model_fields["kind"].annotation) == KINDS


def test_kinds_are_text_to_arrays_tables_and_json():
    words = np.array(["simulated", "twins"])
    assert (words == Kind.TWINS).tolist() == [False, True]
    assert np.full(1, Kind.CONTROL).tolist() == ["control"]
    assert Table(rows=[{"kind": Kind.NULL}])["kind"].dtype == "<U4"
    assert pa.array(words.tolist()).index(Kind.TWINS).as_py() == 1
    assert json.dumps({Kind.NULL: Kind.OBSERVED}) == '{"null": "observed"}'
