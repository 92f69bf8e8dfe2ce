"""Catalogues of places that would have other files read in their place."""

import bz2
import gzip
import lzma
import tarfile

import pytest

from mocks import claims
from simcompare.observed.formats import read_stamps
from simcompare.observed.places import read_places, read_table


class Zeros:
    def read(self, n):
        return bytes(n)


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
    with pytest.raises(ValueError, match="not a table that can be read") as error:
        read_places(tmp_path / "places.ecsv")
    assert len(str(error.value)) < 500
    assert "\n" not in str(error.value)


def test_a_member_of_a_tar_that_claims_gigabytes_is_refused(tmp_path):
    """A tar packed to 20 kB whose member unpacks to 300 MB of zeros."""
    for name in ("hsc.tar.gz", "hsc-psf.tar.gz"):
        with tarfile.open(tmp_path / name, "w:gz", compresslevel=1) as archive:
            member = tarfile.TarInfo("1-cutout-HSC-R-9813-pdr3.fits")
            member.size = 300_000_000
            archive.addfile(member, Zeros())
    (stamp,) = read_stamps(tmp_path / "hsc.tar.gz", ("r",))
    assert "1-cutout-HSC-R-9813-pdr3.fits claims 0.3 GB; no cut-out is so large" in stamp.problem


def test_a_tar_that_claims_far_more_than_it_holds_is_refused_by_its_headers(tmp_path):
    for name in ("hsc.tar.gz", "hsc-psf.tar.gz"):
        with gzip.open(tmp_path / name, "wb") as file:
            member = tarfile.TarInfo("zeros")
            member.size = 10**13
            file.write(member.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(ValueError, match=r"hsc-psf\.tar\.gz: it claims to hold 1e\+04 GB"):
        next(read_stamps(tmp_path / "hsc.tar.gz", ("r",)))


def test_two_members_of_one_number_do_not_hide_each_other(tmp_path):
    for name in ("hsc.tar", "hsc-psf.tar"):
        with tarfile.open(tmp_path / name, "w") as archive:
            for folder in ("a", "b"):
                archive.addfile(tarfile.TarInfo(f"{folder}/1-cutout-HSC-R-9813-pdr3.fits"))
    with pytest.raises(ValueError, match=r"hsc-psf\.tar: two files have the number 1"):
        next(read_stamps(tmp_path / "hsc.tar", ("r",)))


WIDE = 20_000
NAMES = ["ra", "dec", *(f"c{k}" for k in range(WIDE))]
ABSURD = {
    "line.csv": (lambda path: path.write_text("ra,dec\n" + "1" * 2_000_000), "a line of more than"),
    "wide.csv": (lambda path: path.write_text(",".join(NAMES) + "\n"), "20002 columns"),
    "wide.ecsv": (
        lambda path: path.write_text("# %ECSV 1.0\n# ---\n" + " ".join(NAMES) + "\n"), "20002 columns",
    ),
    "wide.xml": (
        lambda path: path.write_text("<VOTABLE><TABLE>" + "<FIELD/>" * WIDE + "</TABLE></VOTABLE>"),
        "10001 columns",
    ),
    "long.csv.gz": (
        lambda path: path.write_bytes(gzip.compress(b"ra,dec\n" + b"1,2\n" * 40_000)), "GB of values",
    ),
    "long.ecsv": (  # gzip, whatever its name
        lambda path: path.write_bytes(gzip.compress(b"# %ECSV 1.0\n" + b"1 2\n" * 40_000)), "GB of values",
    ),
    "zeros.xml": (lambda path: path.write_bytes(lzma.compress(bytes(200_000))), "GB of values"),
}  # fmt: skip


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_tables_are_refused_before_they_are_read(tmp_path, monkeypatch, name):
    monkeypatch.setattr(claims, "SMALL", 10**6)
    write, reason = ABSURD[name]
    write(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name}: not a table that can be read \(.*{reason}"):
        read_table(tmp_path / name)


@pytest.mark.parametrize("packed", [gzip, bz2, lzma], ids=["gz", "bz2", "xz"])
def test_packed_tables_are_known_by_their_first_bytes(tmp_path, packed):
    content = packed.compress(b"\xef\xbb\xbfra,dec\r\n10,1\r\n")
    (tmp_path / "places.csv").write_bytes(content)
    assert read_places(tmp_path / "places.csv")["ra"].tolist() == [10]


@pytest.mark.parametrize(
    ("header", "row", "why"),
    [
        ("ra,dec,RA", "150.0,2.0,151.0", "columns ra and RA contradict each other: 150 and 151 deg in row 0"),
        ("raj2000,ra,dec", "150.0,151,2.0", "columns raj2000 and ra contradict each other"),
        ("ra,dec,dec_deg", "150.0,2.0,-2.0", "columns dec_deg and dec contradict each other: -2 and 2 deg"),
        ("ra,dec,ra_deg", "359.9999,2.0,0.0001", None),
        ("ra,dec,raj2000", "150.0,2.0,10:00:00.1", None),
    ],
)
def test_columns_of_one_coordinate_must_agree(header, row, why, tmp_path):
    (tmp_path / "x.csv").write_text(f"{header}\n{row}\n")
    if why is None:
        assert read_places(tmp_path / "x.csv")["dec"][0] == pytest.approx(2.0)
        return
    with pytest.raises(ValueError, match=why):
        read_places(tmp_path / "x.csv")
