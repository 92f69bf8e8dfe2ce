import matplotlib

matplotlib.use("Agg")
import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from simcompare.scores import columns
from simcompare.scores.columns import COLUMNS, Column, Use, axis_label, column_of, derived_columns, names_for
from simcompare.scores.record import Scores

ROWS = [
    # galaxy, data set, kind, split, view, ratio, mag
    ("b", "real", "observed", "test", 0, 4.0, 17.0),
    ("a", "real", "observed", "train", 0, 9.0, 16.0),
    ("ä", "real", "observed", "test", 0, 2.0, 15.0),
    ("b", "twins", "twins", "test", 0, -1.0, 17.0),
    ("t1", "TNG", "simulated", "test", 0, 1.0, 18.0),
    ("t1", "TNG", "simulated", "test", 1, 3.0, 18.5),
    ("t0", "TNG", "simulated", "test", 0, np.nan, 18.2),
]  # fmt: skip
NAMES = ["galaxy_id", "dataset", "kind", "split", "view", "log_likelihood_ratio", "mag_r"]


def table():
    made = Table(rows=ROWS, names=NAMES, meta={"survey": "sdss", "scale_names": ["fine", "coarse"]})
    made["log_prob"] = made["log_likelihood_ratio"] + 100
    made["log_likelihood_ratio_scale_1"], made["log_likelihood_ratio_scale_0"] = 0.5, 0.25
    made["ra"] = np.arange(7.0) * u.deg
    made["tilt"] = np.arange(7) * u.rad
    made["tilt"].description = "of the disc"
    made["n_stars"] = MaskedColumn(np.arange(7), mask=np.arange(7) == 2)
    return made


def test_it_knows_its_data_sets_and_which_rows_no_model_has_seen():
    scores = Scores.of(table())
    assert (scores.reference, scores.headline) == ("real", "log_likelihood_ratio")
    assert scores.datasets == ["TNG", "real", "twins"]
    assert scores.others == ["TNG", "twins"]
    assert scores.of_kind("simulated") == ["TNG"]
    assert scores.kind_of("twins") == "twins"
    assert scores.reference_sample()["galaxy_id"].tolist() == ["b", "ä"]
    assert scores.sample("TNG")["view"].tolist() == [0, 1, 0]
    assert scores.clustered("TNG").means.tolist() == [2.0]  # two views of one galaxy; the other is not finite
    assert scores.sample("TNG").n_galaxies == 2
    assert scores.first_views(np.array([6, 5, 4])).tolist() == [6, 5]
    assert scores.with_reference("twins").reference_sample()["galaxy_id"].tolist() == ["b"]


def test_without_one_real_data_set_the_reference_must_be_named():
    scores = Scores.of(table()[3:])
    assert scores.reference is None
    with pytest.raises(ValueError, match=r"hold 0 real data sets \(score one too\); name the reference"):
        scores.reference_sample()


def test_text_is_text_and_is_compared_and_ordered_as_text_is():
    scores, whole = Scores.of(table()), table()
    for name in ("galaxy_id", "dataset"):
        np.testing.assert_array_equal(scores[name], whole[name])
        for word in ("real", "b", "nowhere"):
            np.testing.assert_array_equal(scores.equals(name, word), whole[name] == word)
        np.testing.assert_array_equal(np.argsort(scores.codes(name), kind="stable"), np.argsort(whole[name]))
    part = scores[scores["view"] == 1]
    assert (part["galaxy_id"].tolist(), part.words("dataset")) == (["t1"], ["TNG"])
    assert scores[[6, 0]]["galaxy_id"].tolist() == ["t0", "b"]
    assert len(scores[:0]["galaxy_id"]) == 0
    # In order: TNG t0, TNG t1, real a, real b, real ä, twins b.
    assert scores.row_codes(["dataset", "galaxy_id"]).tolist() == [3, 2, 4, 5, 1, 1, 0]


def test_nothing_of_it_changes():
    scores = Scores.of(table())
    further = scores.with_columns(twice=2 * scores["mag_r"], kind=np.full(7, "control"))
    assert "twice" not in scores
    assert (further["twice"][0], further.of_kind("control")) == (34, scores.datasets)
    assert scores.kind_of("real") == "observed"
    assert further.select("twice", "absent").colnames == ["dataset", "kind", "split", "galaxy_id", "twice"]
    with pytest.raises(ValueError, match="short: other than 7 rows"):
        scores.with_columns(short=[1])
    with pytest.raises(KeyError, match="no column 'nothing' in the scores; there are galaxy_id, dataset"):
        scores["nothing"]


def test_odd_columns_are_refused():
    made = table()
    made["pair"] = np.zeros((7, 2))
    with pytest.raises(ValueError, match=r"column 'pair' of the scores has shape \(7, 2\)"):
        Scores.of(made)


def test_it_is_a_table_with_units_and_descriptions():
    made = Scores.of(table()).table
    assert made["mag_r"].description == "magnitude in r (AB)"
    assert (made["mag_r"].unit, made["ra"].unit, made["tilt"].unit) == (u.mag, u.deg, u.rad)
    assert made["tilt"].description == "of the disc"
    assert made["log_prob"].unit is None
    assert made["log_prob"].description.endswith("[nat]")
    assert made.meta["survey"] == "sdss"
    assert made["n_stars"].tolist() == [0, 1, -1, 3, 4, 5, 6]
    again = Scores.of(made)
    assert again.table["tilt"].unit == u.rad
    for name in made.colnames:
        np.testing.assert_array_equal(again[name], made[name])


def test_columns_are_found_by_their_use_and_scales_by_their_number():
    scores = Scores.of(table())
    assert scores.nuisances == ["mag_r"]
    assert scores.scales == {"log_likelihood_ratio_scale_0": "fine", "log_likelihood_ratio_scale_1": "coarse"}
    names = ["redshift", "sky_sigma_r", "half_light_radius", "mag_r", "concentration", "mag_g", "colour"]
    order = ["mag_r", "mag_g", "half_light_radius", "concentration", "sky_sigma_r", "redshift"]
    assert names_for(Use.RELATION, names) == order


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("log_prob", "log-likelihood  [nats]"),
        ("mag_r", "r magnitude  [AB]"),
        ("stellar_mass", r"stellar mass  [M$_\odot$]"),
        ("stellar_mass_30kpc", "stellar mass 30kpc"),
        ("colour_excess", "colour excess"),
    ],
)
def test_labels_say_the_unit_where_it_is_known(name, label):
    assert axis_label(name) == label


def test_a_kind_of_a_listed_column_is_taken_for_it():
    assert column_of("stellar_mass_30kpc").is_logarithmic
    assert column_of("log_prob_scale_3").meaning == "part of log_prob at scale 3, 0 the finest"


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_has_a_meaning_and_a_unit_that_is_one(name):
    column = COLUMNS[name]
    assert column.meaning
    assert ("{}" in column.meaning + column.label) <= name.endswith("*")
    if column.unit != "nat":
        u.Unit(column.unit)
    assert axis_label(name.replace("*", "x"))


def test_derived_columns_follow_from_others(monkeypatch):
    scores = Scores.of(table()).with_columns(
        stellar_mass=[1e10, 1e10, 0, 1, 1, 1, 1], star_formation_rate=[1.0, 0, 1, 1, 1, 1, 1]
    )
    rates = scores.derived()["specific_star_formation_rate"]
    np.testing.assert_allclose(rates[:2], [1e-10, 10**-12.5])
    assert np.isnan(rates[2])
    monkeypatch.setitem(columns.COLUMNS, "half", Column("half the ratio", needs=("log_prob",),
                                                        make=lambda s: s["log_prob"] / 2))  # fmt: skip
    assert list(derived_columns(scores.colnames)) == ["specific_star_formation_rate", "half"]
    np.testing.assert_array_equal(scores.derived()["half"][0], 52)


def test_it_shows_itself():
    scores = Scores.of(table())
    assert repr(scores) == (
        "<Scores: 7 images, 13 columns, log_likelihood_ratio against real; held-out galaxies: "
        "TNG (2), real (2), twins (1)>"
    )
    page = scores._repr_html_()
    assert "<td>TNG</td><td>simulated</td><td>2</td><td>3</td><td>2.0</td>" in page
    ax = scores.plot()
    heights = {label: bars[0].get_xy()[:, 1].max() for label, bars in zip(
        ax.get_legend_handles_labels()[1], [[patch] for patch in ax.patches], strict=True)}  # fmt: skip
    assert heights == pytest.approx({"TNG (1)": 0.5, "real (2)": 0.5, "twins (1)": 1.0})
    plt.close(ax.figure)


def test_scales_are_in_order_of_their_numbers_and_named():
    """Ten comes after two; without names in the header they are counted."""
    columns = {f"log_likelihood_ratio_scale_{k}": np.zeros(1) for k in (10, 0, 2)}
    base = {"galaxy_id": ["a"], "dataset": ["s"], "log_likelihood_ratio": np.zeros(1)}
    scores = Scores.of(base | columns)
    assert list(scores.named_scales()) == [f"log_likelihood_ratio_scale_{k}" for k in (0, 2, 10)]
    assert list(scores.named_scales().values()) == ["scale 0", "scale 1", "scale 2"]
    named = Scores.of(Table(base | columns, meta={"scale_names": ["fine", "middle", "coarse"]}))
    assert list(named.named_scales().values()) == ["fine", "middle", "coarse"]
    with pytest.raises(ValueError, match="no columns log_likelihood_ratio_scale_<k>"):
        Scores.of(base).named_scales()
