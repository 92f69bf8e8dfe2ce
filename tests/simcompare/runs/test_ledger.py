import os

import pytest

from simcompare.runs.files import sha256
from simcompare.runs.ledger import Ledger, content_hash, digest, read_record, write_record
from simcompare.settings import ReportSettings


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("a page")
    return path


def test_products_are_known_by_content_and_by_what_they_are_made_from(page):
    first, other = (Ledger(page.with_name("products.json"), key) for key in ("from this", "from that"))
    assert not first.has(page.name)
    assert not first.is_of_other()
    first.record(page.name)
    assert first.has(page.name)
    assert not other.has(page.name)
    assert other.is_of_other()
    page.write_text("half a p")
    assert not first.has(page.name)
    other.record(page.name)
    assert not first.has(page.name)


def test_last_product_alone_is_not_all(page):
    done = Ledger(page.with_name("products.json"), "from this")
    figure = page.with_name("figure.png")
    figure.write_text("a figure")
    done.record(figure.name)
    assert not done.has_all(page.name)
    done.record(page.name)
    assert done.has_all(page.name)
    figure.unlink()
    assert not done.has_all(page.name)


def test_digest_sees_settings_and_content(page, tmp_path):
    def told(*further, **settings):
        return digest(ReportSettings(run=tmp_path, **settings), [page], *further)

    seen = {told(), told("x"), told(embedding="umap")}
    page.write_text("b page")
    seen.add(told())
    os.truncate(page, 100_000)
    seen.add(told())
    assert len(seen) == 5
    assert told() == told()


def test_a_change_deep_in_a_recorded_file_is_seen_and_the_record_spares_the_reading(tmp_path, monkeypatch):
    path = tmp_path / "part-0000.h5"
    path.write_bytes(bytes(200_000))
    os.utime(path, ns=(10**18, 10**18))
    whole = content_hash(path)
    write_record(path, {"failures": []})
    assert read_record(path)["failures"] == []
    with monkeypatch.context() as patch:
        patch.setattr("simcompare.runs.ledger.sha256", None)
        assert content_hash(path) == whole
    with open(path, "r+b") as file:
        file.seek(150_000)
        file.write(b"1")
    changed = content_hash(path)
    assert changed != whole
    os.utime(path, ns=(10**18 + 1, 10**18 + 1))  # a copy has another time, and is read
    assert content_hash(path) == changed
    path.write_bytes(bytes(200_000))
    assert content_hash(path) == whole


def test_a_json_file_is_not_its_own_record_and_a_damaged_record_counts_for_none(tmp_path):
    path = tmp_path / "found.json"
    path.write_text('{"gap"')
    assert read_record(path) == {}
    assert content_hash(path) == sha256(path)
    part = tmp_path / "part.h5"
    part.write_bytes(b"pixels")
    part.with_suffix(".json").write_text('{"sha256": "0')
    assert content_hash(part) == sha256(part)
