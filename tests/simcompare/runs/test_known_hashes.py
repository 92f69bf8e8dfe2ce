"""One flipped bit in a product whose hash is known is an error that says which and how to mend it."""

import json
import os
import shutil

import numpy as np
import pytest
from astropy.table import Table

from simcompare.commands.prepare import make_image_set
from simcompare.comparison.attribution import with_floors
from simcompare.comparison.nulls import with_nulls
from simcompare.images.image_set import ImageSet
from simcompare.runs import ledger
from simcompare.runs.failures import count_failures
from simcompare.runs.files import sha256
from simcompare.runs.ledger import check_hash, write_record
from simcompare.runs.tables import read_ecsv, write_table
from simcompare.settings import PrepareSettings


def flip(path, place):
    """Change one bit and nothing else: neither size nor time."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.fixture(scope="module")
def prepared(stamps, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "run"
    make_image_set(PrepareSettings(inputs=[stamps], out=out, size=32, bands="r", workers=1))
    return out


@pytest.fixture
def copy(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "run")


USES = {
    "pixels": lambda images: images.read(0),
    "catalogue": lambda images: images.catalogue,
    "columns": lambda images: images.columns("mag_r"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_one_bit_of_an_image_set_is_noticed_at_the_first_reading(copy, use, share):
    part = copy / "images" / "part-0000.h5"
    use(ImageSet.open(copy))
    other = shutil.copytree(copy, copy.with_name("other"))
    part = other / "images" / "part-0000.h5"
    flip(part, int(share * part.stat().st_size))
    with pytest.raises(OSError, match=r"part-0000\.h5 (has changed since it was written|.*damaged)"):
        use(ImageSet.open(other))


def test_a_part_that_is_there_twice_is_refused(copy):
    """Its galaxies would count twice."""
    part = copy / "images" / "part-0000.h5"
    with pytest.raises(ValueError, match=r"part-0000\.h5 is a copy of .*count twice"):
        ImageSet.open(part, copy)
    for ending in (".h5", ".json"):
        shutil.copy2(part.with_suffix(ending), copy / "images" / f"part-0001{ending}")
    with pytest.raises(ValueError, match=r"part-0001\.h5 is a copy of .*part-0000\.h5"):
        ImageSet.open(copy)


def test_a_rerun_makes_a_damaged_part_anew(copy, stamps):
    part = copy / "images" / "part-0000.h5"
    whole = part.read_bytes()
    flip(part, len(whole) // 2)
    make_image_set(PrepareSettings(inputs=[stamps], out=copy, size=32, bands="r", workers=1))
    assert part.read_bytes() == whole


def test_parts_behind_a_gap_are_made_anew(stamps, tmp_path, monkeypatch):
    def prepare():
        monkeypatch.setattr("simcompare.observed.sample._images_per_part", lambda *_: 3)
        settings = PrepareSettings(inputs=[stamps], out=tmp_path / "run", size=32, bands="r", workers=1)
        return make_image_set(settings)

    images = prepare()
    whole = [path.read_bytes() for path in images.files]
    assert len(whole) >= 3
    images.files[1].unlink()
    assert [path.read_bytes() for path in prepare().files] == whole
    flip(images.files[0], len(whole[0]) // 2)
    ledger._hash_once.cache_clear()  # as in another process
    assert [path.read_bytes() for path in prepare().files] == whole


def test_a_listed_product_is_checked_also_in_a_folder_below(tmp_path):
    (tmp_path / "tables").mkdir()
    product = tmp_path / "tables" / "a.ecsv"
    product.write_text("content")
    check_hash(product)  # nothing is known of it
    listed = {"made_from": "x", "products": {"tables/a.ecsv": "0123456789abcdef"}}
    (tmp_path / "products.json").write_text(json.dumps(listed))
    with pytest.raises(OSError, match=r"a\.ecsv has changed since it was written: .* 0123456789ab\.\.\. was"):
        check_hash(product)


def test_a_file_is_hashed_once_for_each_state(tmp_path, monkeypatch):
    product, count = tmp_path / "a.h5", []
    product.write_bytes(np.zeros(1000).tobytes())
    write_record(product, {})
    monkeypatch.setattr("simcompare.runs.ledger.sha256", lambda path: count.append(path) or "0")
    for _ in range(3):
        with pytest.raises(OSError, match="has changed since it was written"):
            check_hash(product)
    assert len(count) == 1
    product.touch()
    with pytest.raises(OSError, match="has changed since it was written"):
        check_hash(product)
    assert len(count) == 2


def test_the_report_s_products_are_known_beside_those_of_the_command(tmp_path):
    """`figure` draws again from numbers that the report wrote."""
    (tmp_path / "figures").mkdir()
    table = tmp_path / "figures" / "difference.ecsv"
    write_table(Table({"dataset": ["a"], "value": [0.5]}), table)
    (tmp_path / ledger.PRODUCTS).write_text(json.dumps({"products": {"comparison.ecsv": "0"}}))
    (tmp_path / ledger.PAGE_PRODUCTS).write_text(
        json.dumps({"products": {"figures/difference.ecsv": sha256(table)}})
    )
    assert read_ecsv(table)["value"].tolist() == [0.5]
    flip(table, -3)
    ledger._hash_once.cache_clear()  # as in a new command
    with pytest.raises(OSError, match=r"difference\.ecsv has changed since it was written"):
        read_ecsv(table)


@pytest.mark.parametrize(
    "content", [b"", b"# %ECSV", b"\xff\xfe", b"# %ECSV 1.0\n# ---\n# datatype: 5\na\n1\n"]
)
def test_a_damaged_table_of_failures_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "failures.ecsv").write_bytes(content)
    with pytest.raises((OSError, ValueError), match=r"failures\.ecsv"):
        count_failures(tmp_path / "failures.ecsv")


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"sim": 5}', '{"sim": {"seed_scatter": "x"}}', '{"a": ' * 9000]
)
def test_damaged_nulls_are_an_error_that_names_them(tmp_path, content):
    (tmp_path / "nulls.json").write_text(content)
    with pytest.raises(ValueError, match=r"nulls\.json"):
        with_nulls(Table(), None, tmp_path)


@pytest.mark.parametrize(
    "content", ["{}", '{"dataset": [], "model": "m", "floor": 1, "unit": "nats"}',
                '{"dataset": "a", "model": "m", "floor": "x", "unit": "nats"}',
                '{"dataset": "a", "model": "m", "floor": 1, "unit": "mag"}'],
)  # fmt: skip
def test_a_damaged_attribution_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "attribution.json").write_text(content)
    with pytest.raises(ValueError, match=r"attribution\.json"):
        with_floors(Table(), [tmp_path])
