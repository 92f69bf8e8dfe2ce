"""Cells of the page: numbers and names as a person writes them."""

import numpy as np
import pytest
from astropy.table import Table

from simcompare.comparison.report_table import FurtherTable
from simcompare.pages.cells import heading, shown_table, value_text


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (np.nan, "delta", ""),
        (np.inf, "delta", "unbounded"),
        (-0.0001, "delta", "\N{MINUS SIGN}0.0001"),
        (-0.00001, "delta", "0"),
        (4.94e-40, "value", "0"),
        (0.0, "value", "0"),
        (-12.345, "delta", "\N{MINUS SIGN}12.3"),
        (1234.5, "delta", "1234"),
        (2.41e10, "low", "2.4 \N{MULTIPLICATION SIGN} 10¹⁰"),
        (3e-11, "low", "3.0 \N{MULTIPLICATION SIGN} 10⁻¹¹"),
        (4.94e-40, "p_value", "< 0.0001"),
        (0.0409, "p_holm", "0.041"),
        (1.0, "p_value", "1"),
        (0.24, "share_extrapolated", "24%"),
        (0.0123, "false_alarms", "1.2%"),
        (0.0001, "fraction_below_2p5", "< 0.1%"),
        (0.94, "structure_fraction", "0.940"),
        (np.int64(12), "n_galaxies", "12"),
        (np.True_, "sky_passed", "yes"),
        ("half_light_radius", "column", "half-light radius"),
        ("mag_r", "column", "r magnitude"),
        ("N/A", "note", ""),
        ("toy_set", "dataset", "toy_set"),
    ],
)
def test_values_are_written_as_a_person_would(value, name, text):
    assert value_text(value, name) == text


def test_headings_are_words():
    names = [
        "n_galaxies",
        "structure_z_weighted",
        "ks_half_light_radius",
        "delta_adjusted",
        "p_holm",
        "mag_g",
    ]
    assert [heading(name) for name in names] == [
        "galaxies", "z", "KS distance of half-light radius", "adjusted difference", "p (Holm)", "g magnitude",
    ]  # fmt: skip


def test_tables_put_intervals_below_blank_columns_away_and_equal_ones_in_the_note():
    table = Table(
        {
            "dataset": ["a", "b", "c"],
            "defect": ["twins"] * 3,
            "note": [""] * 3,
            "delta": [1.0, -2.0, np.nan],
            "delta_low": [0.5, -np.inf, np.nan],
            "delta_high": [1.5, -1.0, np.nan],
        }
    )
    shown = shown_table(FurtherTable("adjusted", "Title", "Note.", table))
    assert shown.heads == ["data set", "first minus second"]
    assert shown.note == "Note. In all rows: defect tried twins. All columns: tables/adjusted.ecsv."
    assert [row[1] for row in shown.rows] == [
        {"text": "1.00", "range": "0.500 to 1.50"},
        {"text": "\N{MINUS SIGN}2.00", "range": "unbounded"},
        {"text": "", "range": ""},
    ]


def test_a_table_that_could_not_be_made_keeps_its_reason():
    assert shown_table(FurtherTable("a", "A", "Not made: too few.", None)).note == "Not made: too few."


def test_a_score_is_named_once():
    table = Table({"column": ["log_prob"], "score": ["log-likelihood"], "dataset": ["a"], "median": [1.5]})
    shown = shown_table(FurtherTable("every_score", "t", "", table))
    assert [cell["text"] for cell in shown.rows[0]] == ["log-likelihood", "a", "1.50"]
