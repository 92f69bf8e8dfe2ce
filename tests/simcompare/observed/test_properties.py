"""Properties of real galaxies: units, logarithms and fill values read, rows matched by place."""

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table

from simcompare.commands.prepare import make_image_set
from simcompare.observed.properties import (
    check_matches,
    read_properties,
    with_properties,
    without_fill_values,
)
from simcompare.settings import PrepareSettings


def _write(path, **columns):
    table = Table({"ra": [10.0, 10.1, 10.2], "dec": [1.0, 1.0, 1.0], **columns})
    table.write(path, overwrite=True)
    return path


def _catalogue(offset=0.0, **columns):
    return Table(
        {"ra": [10.1, 10.0, 50.0, np.nan], "dec": [1.0 + offset / 3600, 1.0, 0.0, np.nan], **columns}
    )


@pytest.mark.parametrize(
    ("column", "values", "name", "expected"),
    [
        ("lgm_tot_p50", [10.0, 11.0, -9999.0], "stellar_mass", [1e10, 1e11, np.nan]),  # MPA-JHU
        ("ELPETRO_MASS", [4.9e9, 0.0, 4.9e10], "stellar_mass", [1e10, np.nan, 1e11]),  # NSA: Msun / h^2
        ("sfr_tot_p50", [0.0, 1.0, -9999.0], "star_formation_rate", [1.0, 10.0, np.nan]),
        ("specsfr_tot_p50", [-10.0, -99.0, -12.0], "specific_star_formation_rate", [1e-10, np.nan, 1e-12]),
        ("Z", [0.03, -9999.0, 0.05], "redshift", [0.03, np.nan, 0.05]),
        ("t02_edgeon_a05_no_debiased", [0.25, 1.0, -999.0], "edge_on_share", [0.75, 0.0, np.nan]),
        ("P_CS_DEBIASED", [0.25, 2.0, 1.0], "spiral_share", [0.25, np.nan, 1.0]),
        ("BT", [0.0, 0.5, -999.0], "bulge_share", [0.0, 0.5, np.nan]),  # Meert et al.
        ("TType", [-5.0, 6.0, -99.0], "hubble_type", [-5.0, 6.0, np.nan]),
        ("log_sigma5", [0.0, 1.0, -99.9], "surface_density", [1.0, 10.0, np.nan]),
    ],
)
def test_columns_of_public_catalogues_are_known(tmp_path, column, values, name, expected):
    table = read_properties(_write(tmp_path / "a.ecsv", **{column: values}))
    assert table.taken_from == {name: column}
    np.testing.assert_allclose(table.columns[name], expected, rtol=1e-6)


def test_stated_units_are_read(tmp_path):
    mass = MaskedColumn([1.0, 2.0, 3.0], mask=[False, True, False], unit=1e10 * u.Msun)
    rate = MaskedColumn([1e9, 2e9, 3e9], unit=u.Msun / u.Gyr)
    table = read_properties(_write(tmp_path / "a.ecsv", stellar_mass=mass, sfr=rate))
    np.testing.assert_allclose(table.columns["stellar_mass"], [1e10, np.nan, 3e10])
    np.testing.assert_allclose(table.columns["star_formation_rate"], [1.0, 2.0, 3.0])
    logarithm = MaskedColumn([9.0, 10.0, 11.0], unit="dex(kg)")
    found = read_properties(_write(tmp_path / "b.ecsv", logmass=logarithm)).columns["stellar_mass"]
    assert np.isnan(found).all()  # 1e9 kg is no galaxy
    with pytest.raises(ValueError, match=r"c\.ecsv: column stellar_mass has the unit km; solMass or its log"):
        read_properties(_write(tmp_path / "c.ecsv", stellar_mass=MaskedColumn([1.0] * 3, unit="km")))


def test_a_magnitude_in_z_is_no_redshift(tmp_path):
    with pytest.raises(ValueError, match="is a known property; known:"):
        read_properties(_write(tmp_path / "a.ecsv", i=[17.0] * 3, z=[0.5] * 3))


def test_text_in_a_known_column_is_refused(tmp_path):
    with pytest.raises(ValueError, match="column redshift holds texts, such as 'a', not numbers"):
        read_properties(_write(tmp_path / "a.ecsv", redshift=["a", "b", "c"]))


POLE = (192.25, 27.4), (192.85948, 27.12825)  # of the Galaxy, B1950 by definition, and J2000
VOTABLE = """<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>
<COOSYS ID="a" system="eq_FK4" equinox="B1950"/><TABLE><FIELD name="ra" datatype="double" unit="deg"/>
<FIELD name="dec" datatype="double" unit="deg"/><FIELD name="z" datatype="double"/><DATA><TABLEDATA>
<TR><TD>192.25</TD><TD>27.4</TD><TD>0.1</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"""


@pytest.mark.parametrize(
    ("names", "meta", "expected"),
    [
        (("RAB1950", "DEB1950"), {}, POLE[1]),
        (("ra", "dec"), {"EQUINOX": 1950.0}, POLE[1]),
        (("ra", "dec"), {"RADESYS": "FK4"}, POLE[1]),
        (("RAJ2000", "DEJ2000"), {"RADESYS": "FK5", "EQUINOX": "J2000"}, POLE[0]),
        (("RA_ICRS", "DE_ICRS"), {"RADESYS": "ICRS"}, POLE[0]),
    ],
)
def test_places_of_another_equinox_are_brought_to_icrs(tmp_path, names, meta, expected):
    columns = dict(zip(names, np.array(POLE[0])[:, None], strict=True))
    Table(columns | {"z": [0.1]}, meta=meta).write(tmp_path / "a.fits")
    table = read_properties(tmp_path / "a.fits")
    np.testing.assert_allclose([table.ra[0], table.dec[0]], expected, rtol=0, atol=0.3 / 3600)


def test_the_equinox_of_a_votable_is_read(tmp_path):
    (tmp_path / "a.vot").write_text(VOTABLE)
    table = read_properties(tmp_path / "a.vot")
    np.testing.assert_allclose([table.ra[0], table.dec[0]], POLE[1], rtol=0, atol=0.3 / 3600)


@pytest.mark.parametrize("meta", [{"RADESYS": "GALACTIC"}, {"EQUINOX": "of date"}])
def test_places_of_an_unknown_frame_are_refused(tmp_path, meta):
    Table({"ra": [1.0], "dec": [1.0], "z": [0.1]}, meta=meta).write(tmp_path / "a.ecsv")
    with pytest.raises(
        ValueError, match=r"a\.ecsv: its places are of .*, which is not known here; bring them"
    ):
        read_properties(tmp_path / "a.ecsv")


def test_a_redshift_that_is_none_is_missing(caplog):
    table = Table({"redshift": [0.1, -9999.0, np.nan], "mag_r": [-99.0, 17.0, 18.0]})
    mended = without_fill_values(table)
    np.testing.assert_array_equal(mended["redshift"], [0.1, np.nan, np.nan])
    np.testing.assert_array_equal(mended["mag_r"], table["mag_r"])
    assert "1 values of redshift are out of range and count as missing" in caplog.text
    assert table["redshift"][1] == -9999


def test_nearest_row_within_the_radius_is_taken(tmp_path):
    table = read_properties(_write(tmp_path / "a.ecsv", z=[0.01, 0.02, 0.03]))
    matched = with_properties(_catalogue(offset=1.5), [table], radius=2.0)
    np.testing.assert_allclose(matched["redshift"], [0.02, 0.01, np.nan, np.nan])
    np.testing.assert_allclose(matched["catalogue_separation"], [1.5, 0.0, np.nan, np.nan], atol=1e-6)
    assert matched["catalogue_near"].tolist() == [1, 1, 0, 0]
    assert np.isnan(with_properties(_catalogue(offset=2.5), [table], radius=2.0)["redshift"][0])


def test_ambiguous_matches_are_counted_and_a_row_serves_once(tmp_path, caplog):
    places = {"ra": [10.0, 10.0], "dec": [1.0, 1.0 + 1 / 3600]}
    Table(places | {"z": [0.01, 0.02]}).write(tmp_path / "a.ecsv")
    table = read_properties(tmp_path / "a.ecsv")
    galaxies = Table({"ra": [10.0], "dec": [1.0 + 0.4 / 3600]})
    matched = with_properties(galaxies, [table], radius=2.0)
    assert (matched["redshift"][0], matched["catalogue_near"][0]) == (0.01, 2)
    check_matches(matched, [table], 2.0)
    assert "1 galaxies have several rows of a.ecsv" in caplog.text
    two = Table({"ra": [10.0, 10.0], "dec": [1.0 - 0.2 / 3600, 1.0 - 1.0 / 3600]})
    one = with_properties(two, [table], radius=1.1)["redshift"]
    np.testing.assert_array_equal(one, [0.01, np.nan])


def test_first_table_decides_and_what_the_images_know_stays(tmp_path):
    first = read_properties(_write(tmp_path / "a.ecsv", z=[0.01, -9999.0, 0.03]))
    second = read_properties(_write(tmp_path / "b.ecsv", z=[0.5, 0.6, 0.7]))
    own = _catalogue(redshift=[0.9, 0.9, 0.9, -9999.0])
    np.testing.assert_allclose(
        with_properties(own, [first, second], 2.0)["redshift"], [0.6, 0.01, 0.9, np.nan]
    )


def test_a_catalogue_of_another_sky_is_refused(tmp_path):
    table = read_properties(_write(tmp_path / "hours.ecsv", z=[0.01, 0.02, 0.03]))
    matched = with_properties(Table({"ra": [150.0], "dec": [1.0]}), [table], 2.0)
    with pytest.raises(ValueError, match=r"none of 1 galaxies .* row of hours\.ecsv .* ra 10 to 10\.2"):
        check_matches(matched, [table], 2.0)


def test_spirals_get_their_masses_and_redshifts(shared_data, tmp_path):
    folder = shared_data / "observed"
    images = make_image_set(
        PrepareSettings(
            inputs=[folder / "sdss-r-spirals" / "sdss-r-spirals.h5"],
            properties=[folder / "catalogues" / "nsa-gz2-hart.csv.gz"],
            out=tmp_path / "spirals",
            bands="r",
            workers=1,
        )
    )
    table = images.catalogue
    matched = np.asarray(table["catalogue_near"]) > 0
    assert matched.sum() >= 0.8 * len(table)  # 154 of the 172 by their NSA numbers
    assert np.nanmedian(table["catalogue_separation"]) < 0.5
    assert 9 < np.log10(np.nanmedian(table["stellar_mass"])) < 11
    assert np.isfinite(table["redshift"]).all()  # the images' own, where the catalogue has none
    both = matched & np.isfinite(np.asarray(table["spiral_share"]))
    assert np.median(table["featured_share"][both]) > 0.8
    assert "star_formation_rate" not in table.colnames


def test_what_stands_for_no_value_in_csv_and_parquet(tmp_path):
    (tmp_path / "a.csv").write_text(
        "ra,dec,stellar_mass,redshift\n30,10,1e10,\n60,10,NULL,0.02\n90,10,3e10,N/A\n"
    )
    columns = {"ra": [30.0, 60.0, 90.0], "dec": [10.0] * 3, "stellar_mass": [1e10, None, 3e10]}
    columns |= {"redshift": [None, 0.02, None], "name": ["a", None, "c"], "flag": [True, None, False]}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        found = read_properties(tmp_path / name).columns
        np.testing.assert_array_equal(found["stellar_mass"], [1e10, np.nan, 3e10])
        np.testing.assert_array_equal(found["redshift"], [np.nan, 0.02, np.nan])
    (tmp_path / "b.csv").write_text("ra,dec,stellar_mass\n30,10,large\n")
    with pytest.raises(ValueError, match="column stellar_mass holds texts, such as 'large', not numbers"):
        read_properties(tmp_path / "b.csv")
