"""Numbers of particles that headers promise, against those in the files, and headers of two outputs."""

import h5py
import numpy as np
import pytest

from mocks.readers.hdf5.chunks import count_problems
from mocks.readers.hdf5.statements import _agree_on_time, other_output

HEADER = {"HubbleParam": 0.7, "Omega0": 0.3, "Redshift": 0.5, "BoxSize": 100.0}


def write(path, held, total, here=None, **more):
    """File with as many particles of each type as `held` says."""
    with h5py.File(path, "w") as file:
        header = file.create_group("Header")
        header.attrs.update(HEADER | {"NumPart_Total": np.array(total, np.uint32)} | more)
        if here is not None:
            header.attrs["NumPart_ThisFile"] = np.array(here, np.int32)
        for kind, n in held.items():
            group = file.create_group(f"PartType{kind}")
            group["Masses"] = np.ones(n)
            group["Coordinates"] = np.ones((n, 3))
    return path


def test_one_file_may_leave_out_the_gas_and_nothing_else(tmp_path):
    fine = write(tmp_path / "a.hdf5", {0: 7, 4: 5}, [7, 0, 0, 0, 5, 0])
    no_gas = write(tmp_path / "b.hdf5", {4: 5}, [7, 0, 0, 0, 5, 0])
    less_gas = write(tmp_path / "c.hdf5", {0: 1, 4: 5}, [7, 0, 0, 0, 5, 0])
    no_stars = write(tmp_path / "d.hdf5", {0: 7}, [7, 0, 0, 0, 5, 0])
    assert count_problems((fine,)) == count_problems((no_gas,)) == []
    (text,) = count_problems((less_gas,))
    assert text.startswith(f"{less_gas}: 1 particles of type 0, but NumPart_Total says 7: cut short")
    (text,) = count_problems((no_stars,))
    assert text.startswith(f"{no_stars}: 0 particles of type 4, but NumPart_Total says 5: cut short")
    assert count_problems((less_gas,), partial=True) == []


def test_several_files_hold_what_the_first_promises_in_all(tmp_path):
    total = [7, 0, 0, 0, 5, 0]
    parts = [
        write(tmp_path / f"s.{k}.hdf5", {0: gas, 4: 5 - 3 * k}, total, here=[99, 0, 0, 0, 99, 0])
        for k, gas in enumerate((7, 0))
    ]
    assert count_problems((*parts, write(tmp_path / "s.2.hdf5", {4: 0}, total))) == [
        f"{tmp_path}: 7 particles of type 4, but NumPart_Total says 5: cut short, or one file of several? "
        "If it is meant to hold some alone, give --reader partial=true."
    ]
    assert count_problems((parts[0], write(tmp_path / "s.1.hdf5", {}, total))) == []
    (text,) = count_problems((write(tmp_path / "s.0.hdf5", {4: 5}, total), parts[1].parent / "s.1.hdf5"))
    assert text.startswith(f"{tmp_path}: 0 particles of type 0, but NumPart_Total says 7")


def test_a_single_file_is_held_to_its_own_number_too(tmp_path):
    path = write(tmp_path / "a.hdf5", {4: 5}, [0, 0, 0, 0, 5, 0], here=[0, 0, 0, 0, 6, 0])
    (text,) = count_problems((path,))
    assert "5 particles of type 4, but NumPart_Total says 5 and NumPart_ThisFile says 6" in text
    cut = write(tmp_path / "b.hdf5", {4: 5}, [0, 0, 0, 0, 9, 0], here=[0, 0, 0, 0, 5, 0], CutoutID=3)
    assert count_problems((cut,)) == []
    shorter = write(tmp_path / "c.hdf5", {4: 5}, [0, 0, 0, 0, 5, 0], here=[0, 0, 0, 0, 4, 0], CutoutID=3)
    assert len(count_problems((shorter,))) == 1


@pytest.mark.parametrize("group", ["Header", "Cosmology"])
def test_a_time_beside_a_scale_factor_is_a_time(group):
    """SWIFT counts it in its own unit; elsewhere it is the scale factor."""
    stated = {"Header": {"Time": 8.6, "Redshift": 1.0}, "Cosmology": {}}
    with pytest.raises(ValueError, match=r"Header/Time = 8\.6 contradict each other"):
        _agree_on_time("x", stated)
    stated[group]["Scale-factor"] = 0.5
    _agree_on_time("x", stated)
    stated[group]["Scale-factor"] = 0.6
    with pytest.raises(ValueError, match=rf"{group}/Scale-factor = 0\.6 contradict each other"):
        _agree_on_time("x", stated)


def test_another_output_is_told_by_what_both_state():
    own = HEADER | {"Time": 2 / 3}
    assert other_output("b", HEADER, "a", own) == []
    assert other_output("b", {"Omega0": 0.3}, "a", own) == []
    assert other_output("b", HEADER, "a", {"Omega0": 0.3}) == []
    assert other_output("b", HEADER | {"Redshift": 0.5014}, "a", own) == []  # of 1 + z it is rounding
    assert other_output("b", HEADER | {"Redshift": 0.502}, "a", own) == [
        "b: Redshift = 0.502, but 0.5 in a: of another output?"
    ]
    assert other_output("b", HEADER | {"BoxSize": 50.0}, "a", own) == [
        "b: BoxSize = 50, but 100 in a: of another output?"
    ]
