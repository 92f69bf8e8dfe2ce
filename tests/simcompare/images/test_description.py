"""Summary, data section and torch view of an image set."""

import numpy as np
import pytest

from mocks.observing.psf import gaussian_psf
from simcompare.images.description import data_section, summarise
from simcompare.images.image_set import ImageSet, collect_stamps, write_part
from simcompare.images.preparation.prepare import Preparation, preparation_stream, prepare_stamp
from simcompare.images.splits import assign_split
from simcompare.images.stamps import RawStamp


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    rows, columns = np.indices((40, 40)) - 19.7
    light = np.exp(-(rows**2 + columns**2) / 18)
    preparation, stamps = Preparation(size=32), []
    for i in range(12):
        noise = 0.02 * np.random.default_rng(i).standard_normal((1, 40, 40))
        stamp = RawStamp(
            image=(10 + i) * light / light.sum() + noise,
            psf=gaussian_psf(3.0, 31)[None],
            pixel_scale=0.4,
            bands=("r",),
            galaxy_id=f"g{i}",
        )
        prepared = prepare_stamp(stamp, preparation, preparation_stream(1, stamp.galaxy_id))
        prepared.row.update(view=0, dataset="toy", split=assign_split(f"g{i}"))
        stamps.append(prepared)
    stack, table = collect_stamps(stamps)
    path = tmp_path_factory.mktemp("set") / "toy.h5"
    reasons = [
        {"reason": "31% of the pixels are bad or masked"},
        {"reason": "8.5% of the pixels are bad or masked"},
    ]
    write_part(
        path, stack, table, name="toy", kind="observed", survey="sdss", bands=("r",), pixel_scale=0.4,
        preparation=preparation,
        provenance={"inputs": [{"path": "/somewhere/private/stack.h5"}], "rejects": reasons},
    )  # fmt: skip
    return ImageSet.open(path)


def test_summary_counts_and_percentiles(images):
    facts = summarise(images)
    assert (facts["images"], facts["galaxies"], facts["shape"]) == (12, 12, [1, 32, 32])
    assert sum(facts["splits"].values()) == 12
    assert facts["rejected"] == {"N% of the pixels are bad or masked": 2}
    assert facts["inputs"] == ["stack.h5"]
    assert facts["distributions"]["mag_r"][2] == pytest.approx(22.5 - 2.5 * np.log10(15.5), abs=0.1)


def test_data_section_says_what_was_left_out_and_no_paths(images):
    text = data_section(images)
    assert "12 images of 12 galaxies (observed, sdss, r), 32 x 32 pixels of 0.4 arcsec" in text
    assert "left out: 2 (N% of the pixels are bad or masked)" in text
    assert images.preparation_hash[:12] in text
    assert "| mag_r [mag] |" in text
    assert "private" not in text


def test_masses_have_their_unit(images, monkeypatch):
    """The catalogue of mocks states none; the house unit is Msun."""
    table = images.catalogue.copy()
    table["stellar_mass"] = np.full(len(table), 1e10)
    monkeypatch.setattr(images, "catalogue", table)
    assert "| stellar_mass [Msun] | 1e+10" in data_section(images)


def test_selection_by_expression(images):
    bright = images.select("mag_r < 19.5 and split == 'train'")
    assert 0 < len(bright) < 12
    assert (bright.catalogue["mag_r"] < 19.5).all()
