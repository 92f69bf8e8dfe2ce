"""Gas cells of RAMSES outputs through yt, an optional extra: their tree of refined cells is not read here."""

from pathlib import Path

import numpy as np

from mocks.galaxy import Gas

__all__ = ["read_gas_cells"]

KEPT = {
    "mass": (("gas", "cell_mass"), "Msun"),
    "density": (("gas", "density"), "Msun/kpc**3"),
    "temperature": (("gas", "temperature"), "K"),
    "metallicity": (("gas", "metallicity"), "dimensionless"),
    "smoothing_length": (("index", "dx"), "kpc"),
}
OPTIONAL = ("temperature", "metallicity")


def read_gas_cells(output: Path, centre: np.ndarray, radius: float, box_size: float) -> Gas:
    """Read the gas cells whose centres lie in a sphere.

    Parameters
    ----------
    output : Path
        Folder ``output_NNNNN`` with ``amr_`` and ``hydro_`` files.
    centre : ndarray, shape (3,)
        [physical kpc, box frame].
    radius : float
        [physical kpc].
    box_size : float
        Side of the box [physical kpc].

    Returns
    -------
    Gas
        Positions in the box frame; ``smoothing_length`` is the side of the cell. No star formation rates:
        RAMSES does not store them. The temperature of star-forming cells holds the code's pressure floor.

    Raises
    ------
    ImportError
        When yt is not installed.
    FileNotFoundError
        When the output has no hydro files.
    OSError
        When yt cannot read them.
    """
    try:
        import yt
    except ImportError as error:
        raise ImportError("gas cells of RAMSES need yt: pip install 'simcompare[ramses]'.") from error
    number = output.name[7:]
    if not any(output.glob(f"hydro_{number}.out*")) or not any(output.glob(f"amr_{number}.out*")):
        raise FileNotFoundError(f"{output} holds no amr_ and hydro_ files; fetch them, or read without gas.")
    level = yt.mylog.level
    yt.set_log_level("error")
    try:
        data = yt.load(str(output / f"info_{number}.txt"))
        place = data.arr(np.asarray(centre) / box_size, "code_length")
        sphere = data.sphere(place, (radius, "kpc"))
        columns = {}
        for name, (field, unit) in KEPT.items():
            if name not in OPTIONAL or field in data.derived_field_list:
                columns[name] = np.array(sphere[field].to_value(unit), dtype=float)
        axes = [sphere["index", axis].to_value("kpc") for axis in "xyz"]
        speeds = [sphere["gas", f"velocity_{axis}"].to_value("km/s") for axis in "xyz"]
    except Exception as error:  # yt raises many kinds of its own for damaged files
        raise OSError(f"{output}: yt cannot read the gas ({type(error).__name__}: {error}).") from error
    finally:
        yt.set_log_level(level)
    return Gas(position=np.stack(axes, axis=1), velocity=np.stack(speeds, axis=1), **columns)
