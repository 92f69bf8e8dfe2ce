import os

import pytest

from simcompare.config import ReportSettings
from simcompare.ledger import Ledger, digest


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


def test_digest_sees_settings_names_sizes_and_beginnings(page, tmp_path):
    def told(*further, **settings):
        return digest(ReportSettings(run=tmp_path, **settings), [page], *further)

    seen = {told(), told("x"), told(embedding="umap")}
    page.write_text("b page")
    seen.add(told())
    os.truncate(page, 100_000)
    seen.add(told())
    os.truncate(page, 100_001)
    seen.add(told())
    assert len(seen) == 6
    assert told() == told()
