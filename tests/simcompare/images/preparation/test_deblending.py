"""Rules by which a piece is foreign or a clump, each on both sides of its bound, and geometry by loops."""

import numpy as np
import pytest

from simcompare.images.preparation.deblending import _at_distance, _clumps, _saddle, foreign_pieces


def test_the_galaxy_at_a_distance_is_the_median_of_a_narrow_ring():
    """From 0.85 to 1.15 times the distance, of the galaxy's own pixels alone."""
    radius = np.array([[0.0, 8.4, 8.6, 9.0, 10.0, 11.4, 11.6, 10.0]])
    smooth = np.array([[99.0, 50.0, 1.0, 2.0, 4.0, 3.0, 60.0, 70.0]])
    target = np.ones((1, 8), bool)
    target[0, -1] = False
    assert _at_distance(smooth, target, radius**2, 100.0) == 2.5  # of 1, 2, 3 and 4
    assert _at_distance(smooth, target, radius**2, 1e4) == 0


@pytest.mark.parametrize("seed", range(6))
def test_saddle_is_the_highest_pair_of_touching_pixels(seed):
    rng = np.random.default_rng(seed)
    smooth, labels = rng.uniform(1, 2, size=(6, 7)), rng.integers(0, 6, size=(6, 7))
    piece, body = labels == 1, labels == 2
    pairs = [
        min(smooth[a], smooth[b])
        for a in zip(*np.nonzero(piece), strict=True)
        for b in zip(*np.nonzero(body), strict=True)
        if max(abs(a[0] - b[0]), abs(a[1] - b[1])) == 1
    ]
    assert _saddle(smooth, piece, body) == max(pairs, default=0.0)


@pytest.mark.parametrize("step", [(0, 1), (1, 0), (1, 1), (1, -1), (0, -1), (-1, 0), (-1, -1), (-1, 1)])
def test_pixels_touch_by_sides_and_corners(step):
    piece, body, smooth = np.zeros((4, 4), bool), np.zeros((4, 4), bool), np.full((4, 4), 9.0)
    here = (2, 1) if step[1] > 0 else (1, 2)
    there = here[0] + step[0], here[1] + step[1]
    piece[here], body[there] = True, True
    smooth[here], smooth[there] = 3.0, 5.0
    assert _saddle(smooth, piece, body) == 3.0
    far = np.zeros((4, 4), bool)
    far[2 * here[0] - there[0], 2 * here[1] - there[1]] = True
    assert _saddle(smooth, far, body) == 0


def pieces_of(width=8, height=10.0, neck=10.0):
    """Draw a galaxy of light 10 a pixel, and a piece of 5 x ``width`` pixels that it meets in a neck."""
    smooth, pieces = np.zeros((20, 30)), np.zeros((20, 30), int)
    smooth[5:15, 0:10], pieces[5:15, 0:10] = 10.0, 1
    smooth[7:12, 10], pieces[7:12, 10] = neck, 2
    smooth[7:12, 11 : 11 + width], pieces[7:12, 11 : 11 + width] = height, 2
    return smooth, pieces


@pytest.mark.parametrize(
    ("changes", "light", "is_clump"),
    [
        ({"neck": 4.9}, 4200.0, False),  # a saddle of less than 10 / 1.9
        ({"neck": 5.3}, 4200.0, True),
        ({"height": 18.0}, 4200.0, True),  # less than 1.9 over the galaxy
        ({"height": 20.0}, 4200.0, False),
        ({}, 4499.0, True),  # 450 is a tenth of the light, or less
        ({}, 4501.0, False),
    ],
)
def test_a_piece_that_no_saddle_divides_is_a_clump(changes, light, is_clump):
    smooth, pieces = pieces_of(**changes)
    assert _clumps(smooth, pieces, 1, [2], light, 1.0) == ({2} if is_clump else set())


def test_a_clump_has_forty_pixels_above_half_its_peak():
    smooth, pieces = pieces_of(width=7)  # with the neck 40 pixels
    smooth[7, 13] = 5.1
    assert _clumps(smooth, pieces, 1, [2], 1000.0, 1.0) == {2}
    smooth[7, 13] = 4.9
    assert _clumps(smooth, pieces, 1, [2], 1000.0, 1.0) == set()
    # One that does not rise above the noise needs none of this.
    assert _clumps(smooth, pieces, 1, [2], 1000.0, 10.5) == {2}


def test_a_clump_of_a_clump_is_one():
    smooth, pieces = pieces_of()
    smooth[7:12, 19:27], pieces[7:12, 19:27] = 10.0, 3
    assert _clumps(smooth, pieces, 1, [2, 3], 1000.0, 1.0) == {2, 3}


SIGMA = 4.0
CENTRE = (30.0, 30.0)


def foreign_at(x, height, far=0.0, least=0.1, good=None, others=None, y=30):
    """Whether a piece of one pixel is foreign to a round Gaussian of peak 1, given the light opposite."""
    row, column = np.indices((61, 61))
    smooth = np.exp(-((column - 30) ** 2 + (row - 30) ** 2) / (2 * SIGMA**2))
    pieces = (smooth > 1e-6).astype(int)
    pieces[y, x], smooth[y, x] = 2, height
    if far is not None:
        smooth[60 - y, 60 - x] = far
    good = np.ones((61, 61), bool) if good is None else good
    others = np.zeros((61, 61), bool) if others is None else others
    return bool(foreign_pieces(smooth, pieces, 1, CENTRE, least, good, others, 1.2)[y, x])


@pytest.mark.parametrize(("x", "y"), [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_a_peak_within_the_body_of_the_galaxy_is_its_own(x, y):
    """A squared radius of 8 in the second moments: 11.3 pixels of a Gaussian of width 4."""
    assert not foreign_at(30 + 11 * x, 0.9, y=30 + 11 * y)
    assert foreign_at(30 + 12 * x, 0.9, y=30 + 12 * y)


def test_a_piece_must_stand_out_against_the_far_side():
    """By half more and the least height: 1.5 * 0.2 + 0.1."""
    assert foreign_at(45, 0.41, far=0.2)
    assert not foreign_at(45, 0.39, far=0.2)


def test_where_the_far_side_is_not_known_nothing_is_foreign():
    good = np.ones((61, 61), bool)
    good[28:33, 13:18] = False
    assert not foreign_at(45, 0.9, good=good)
    good[:] = True
    good[30, 18] = False  # three pixels from the far side: all but 0.4 % of the kernel is known
    assert foreign_at(45, 0.9, good=good)


def test_where_another_object_is_on_the_far_side_the_galaxy_at_that_distance_serves():
    """exp(-15^2 / 32) = 0.0009 there: the piece stands out against it, whatever the other object has."""
    others = np.zeros((61, 61), bool)
    others[30, 15] = True
    assert foreign_at(45, 0.11, far=5.0, others=others)
    assert not foreign_at(45, 0.09, far=0.0, others=others)
    assert not foreign_at(45, 0.11, far=5.0)
