"""Catalogues of places that would have other files read in their place."""

import bz2
import gzip
import lzma

import pytest

from simcompare.observed.places import read_places, read_table

VOTABLE = """<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>
<TABLE><FIELD name="ra" datatype="double"/><FIELD name="dec" datatype="double"/><DATA><BINARY>
<STREAM href="{address}"/></BINARY></DATA></TABLE></RESOURCE></VOTABLE>"""


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_votable_has_no_other_file_read(tmp_path, encoding, pack):
    (tmp_path / "secret").write_bytes(b"root:x:0:0:root:/root:/bin/bash\n" * 4)
    text = VOTABLE.format(address=f"file://{tmp_path}/secret")
    text = text.replace("?>", f' encoding="{encoding}"?>', 1)
    (tmp_path / "places.xml").write_bytes(pack(text.encode(encoding)))
    with pytest.raises(ValueError, match="which is not followed"):
        read_places(tmp_path / "places.xml")


def test_a_csv_of_one_line_is_no_path(tmp_path):
    (tmp_path / "secret.csv").write_text("ra,dec\n1,2\n")
    (tmp_path / "places.csv").write_text(str(tmp_path / "secret.csv"))
    assert len(read_table(tmp_path / "places.csv")) == 0


def test_an_error_of_astropy_is_one_short_line(tmp_path):
    (tmp_path / "places.ecsv").write_text("# %ECSV 1.0\n# ---\n" + "# x: [\n" * 2000)
    with pytest.raises(ValueError, match="no table that can be read") as error:
        read_places(tmp_path / "places.ecsv")
    assert len(str(error.value)) < 500
    assert "\n" not in str(error.value)
