"""Measures of latent spaces, on clouds of points with known answers."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from convae.evaluation.latent import (
    adjusted_mutual_info,
    clear_cells,
    cluster_sizes,
    extent,
    gap_depth,
    knn_accuracy,
    median_cluster_sizes,
    neighbour_shares,
    occupied_without_gaps,
    pairwise_overlap,
    plane,
    pure_neighbourhood_share,
    spread,
)
from tests.evaluation.pictures import Brightness, blank

# The plane of these and few others is [0, 1]².
UNIT_SQUARE = np.repeat([[0.0, 0.0], [1.0, 1.0]], 500, 0)


def draws(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def ten_clusters(n=30, distance=100.0, d=2, seed=0):
    """`n` points of each digit around ten centres on a line, and their digits."""
    labels = np.repeat(np.arange(10), n)
    return draws(10 * n, d, seed) + distance * labels[:, None] * np.eye(d)[0], labels


def ring_of_clusters(n=100, radius=20.0, d=2, seed=0):
    """Ten normal clouds of `n` points, their centres evenly on a circle, and their digits."""
    labels = np.repeat(np.arange(10), n)
    angles = 2 * np.pi * labels / 10
    centres = np.pad(radius * np.stack([np.cos(angles), np.sin(angles)], 1), [(0, 0), (0, d - 2)])
    return draws(10 * n, d, seed) + centres, labels


def permuted(labels, seed=0):
    return np.random.default_rng(seed).permutation(labels)


@pytest.mark.parametrize("neighbours", [1, 5, 25])
@pytest.mark.parametrize("d", [2, 3])
def test_separate_clusters_have_a_knn_accuracy_of_1(d, neighbours):
    train, test = ten_clusters(d=d, seed=0), ten_clusters(d=d, seed=1)
    assert knn_accuracy(*train, *test, neighbours) == 1


@pytest.mark.parametrize("neighbours", [1, 15])
def test_identical_clusters_have_a_knn_accuracy_of_chance(neighbours):
    train, test = (ten_clusters(200, distance=0, seed=seed) for seed in (0, 1))
    assert knn_accuracy(*train, *test, neighbours) == pytest.approx(0.1, abs=0.03)


def test_permuted_labels_have_a_knn_accuracy_of_chance():
    (train_z, labels), test = ten_clusters(200, seed=0), ten_clusters(200, seed=1)
    assert knn_accuracy(train_z, permuted(labels), *test) == pytest.approx(0.1, abs=0.03)


def test_nearest_neighbours_vote_on_the_digit():
    train_z, labels = np.array([[0.0], [1.0], [-1.0]]), np.array([3, 8, 8])
    assert knn_accuracy(train_z, labels, [[0.1]], [3], neighbours=1) == 1
    assert knn_accuracy(train_z, labels, [[0.1]], [8], neighbours=3) == 1


@pytest.mark.parametrize("d", [2, 3])
def test_the_mutual_information_of_separate_clusters_is_1_in_any_order_of_digits(d):
    z, labels = ring_of_clusters(d=d)
    assert adjusted_mutual_info(z, labels) == 1
    assert adjusted_mutual_info(z, permuted(np.arange(10))[labels]) == 1


@pytest.mark.parametrize("d", [2, 3])
def test_the_mutual_information_of_clusters_and_permuted_digits_is_0(d):
    z, labels = ring_of_clusters(200, d=d)
    cloud = ring_of_clusters(200, radius=0, d=d)[0]
    assert adjusted_mutual_info(z, permuted(labels)) == pytest.approx(0, abs=0.01)
    assert adjusted_mutual_info(cloud, labels) == pytest.approx(0, abs=0.01)


def test_the_mutual_information_of_clusters_that_hold_a_pair_of_digits_each_is_known():
    """Of log 10 that there is to know, a cluster tells log 5."""
    z, labels = ring_of_clusters(200)
    digits = labels // 2 * 2 + np.arange(2000) % 2
    assert adjusted_mutual_info(z, digits) == pytest.approx(np.log(5) / np.log(10), abs=0.01)


def test_the_mutual_information_falls_with_overlap_and_knows_no_scale():
    values = []
    for radius in (12, 6, 4, 2, 0):
        z, labels = ring_of_clusters(radius=radius)
        values.append(adjusted_mutual_info(z, labels))
        assert adjusted_mutual_info(7 * z, labels) == pytest.approx(values[-1], abs=1e-9)
    assert values == sorted(values, reverse=True)


def test_extent_of_four_points_is_exact():
    found = extent([[1, 0], [-1, 0], [0, 2], [0, -2]])
    assert found.radius == pytest.approx(np.sqrt((1 + 1 + 4 + 4) / 4))
    inside = 1 - 0.03  # NumPy's percentiles 1 and 99 of four values lie 0.03 steps inside
    assert found.width == pytest.approx(np.mean([2 * inside, 4 * inside]))


@pytest.mark.parametrize("d", [2, 3])
def test_extent_of_a_normal_cloud_is_known(d):
    found = extent(5 + 2 * draws(200_000, d))
    assert found.radius == pytest.approx(2 * np.sqrt(d), rel=0.01)
    assert found.width == pytest.approx(2 * 2 * 2.3263, rel=0.01)


def test_extent_and_sizes_grow_with_z_and_their_spread_does_not():
    z, labels = ten_clusters()
    z = z * np.linspace(1, 3, 10)[labels, None]
    np.testing.assert_allclose(extent(7 * z), np.multiply(7, extent(z)))
    np.testing.assert_allclose(cluster_sizes(7 * z, labels), 7 * cluster_sizes(z, labels))
    assert spread(cluster_sizes(7 * z, labels)) == pytest.approx(spread(cluster_sizes(z, labels)))


def test_each_digits_cluster_has_its_own_size_wherever_it_lies():
    radii = np.arange(1, 11)
    square = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    z = np.concatenate([50 * digit + r * square for digit, r in enumerate(radii)])
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_allclose(cluster_sizes(z[order], np.repeat(np.arange(10), 4)[order]), radii)


def test_a_clusters_median_size_is_its_radius_and_stragglers_count_for_little():
    radii, square = np.arange(1, 11), np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    z = np.concatenate([50 * digit + r * square for digit, r in enumerate(radii)])
    labels, order = np.repeat(np.arange(10), 4), np.random.default_rng(0).permutation(40)
    np.testing.assert_allclose(median_cluster_sizes(z[order], labels[order]), radii)
    np.testing.assert_allclose(median_cluster_sizes(7 * z + 3, labels), 7 * radii)

    cloud, digits = ten_clusters(1000)
    with_stragglers = np.concatenate([cloud, cloud[::100] + 1000])  # one in a hundred
    their_digits = np.concatenate([digits, digits[::100]])
    robust = median_cluster_sizes(with_stragglers, their_digits)
    np.testing.assert_allclose(robust, median_cluster_sizes(cloud, digits), rtol=0.03)
    assert (cluster_sizes(with_stragglers, their_digits) > 10 * cluster_sizes(cloud, digits)).all()


@pytest.mark.parametrize(("d", "expected"), [(1, 0.6745), (2, np.sqrt(np.log(4))), (3, 1.5382)])
def test_the_median_size_of_a_normal_cluster_is_known(d, expected):
    sizes = median_cluster_sizes(3 * draws(100_000, d), np.arange(100_000) % 10)
    np.testing.assert_allclose(sizes, 3 * expected, rtol=0.03)


def test_spread_is_standard_deviation_over_mean():
    assert spread([4, 4, 4]) == 0
    assert spread([1, 3]) == pytest.approx(0.5)


def test_a_point_falls_into_the_row_of_its_z2_and_the_column_of_its_z1():
    lower_right = [[0.9, 0.1]]
    z = np.concatenate([UNIT_SQUARE, lower_right]) * [4, 8]
    grid = plane(z, 4)
    np.testing.assert_allclose([grid.low, grid.high], [[0, 0], [4, 8]])
    expected = np.zeros((4, 4), int)
    expected[0, 0], expected[3, 3], expected[0, 3] = 500, 500, 1
    np.testing.assert_array_equal(grid.counts, expected)


@pytest.mark.parametrize("cells", [5, 16, 200])
def test_centres_come_row_by_row_from_the_lowest_z2(cells):
    grid = plane(draws(5_000, 2) * [1, 20] + [3, -7], cells)
    row, column = np.divmod(np.arange(cells**2), cells)
    expected = grid.low + (np.stack([column, row], 1) + 0.5) * (grid.high - grid.low) / cells
    np.testing.assert_allclose(grid.centres, expected, rtol=1e-5, atol=1e-5)
    assert grid.counts.shape == (cells, cells)


def test_a_point_at_a_centre_is_counted_in_that_centres_cell():
    before = plane(UNIT_SQUARE, 5)
    for k, centre in enumerate(before.centres):
        after = plane(np.concatenate([UNIT_SQUARE, centre[None].numpy()]), 5)
        assert np.flatnonzero(after.counts - before.counts) == [k]


def test_the_plane_holds_the_central_98_percent_along_each_axis():
    z = draws(100_000, 2)
    grid = plane(z, 10)
    np.testing.assert_allclose([grid.low, grid.high], [[-2.326] * 2, [2.326] * 2], atol=0.05)
    within = ((z >= grid.low) & (z <= grid.high)).all(1).sum()
    assert grid.counts.sum() == within == pytest.approx(0.98**2 * len(z), rel=0.002)


def test_the_occupied_share_of_a_plane_with_known_cells():
    inside = np.array([[0.1, 0.9], [0.1, 0.95], [0.6, 0.1]])  # three points in two cells of 4 × 4
    assert plane(np.concatenate([UNIT_SQUARE, inside]), 4).occupied == 4 / 16


def test_a_full_square_has_no_empty_cell_and_four_blobs_leave_gaps():
    assert plane(np.random.default_rng(0).random((10_000, 2)), 20).occupied == 1
    places = 10 * np.array(list(product((-1, 1), repeat=2)))
    corners = np.concatenate([draws(2_500, 2, k) + place for k, place in enumerate(places)])
    assert 1.5 * plane(corners, 20).occupied < occupied_without_gaps(corners, 20)


def test_a_cloud_of_any_scale_and_tails_has_no_gaps():
    normal = draws(5_000, 2)
    leaning = normal @ np.array([[1, 0.9], [0, 0.4359]])  # correlation 0.9
    long_tailed = normal * np.abs(draws(5_000, 1, 1))
    for cloud in (normal, 7 * normal + 3, long_tailed, leaning):
        assert abs(plane(cloud, 30).occupied - occupied_without_gaps(cloud, 30)) < 0.02


def test_without_gaps_a_cross_occupies_more_and_the_same_for_the_same_seed():
    arms = draws(2_000, 1) * [[1, 0.02]]
    cross = np.concatenate([arms, arms[:, ::-1]])
    assert occupied_without_gaps(cross, 20, seed=3) == occupied_without_gaps(cross, 20, seed=3)
    assert occupied_without_gaps(cross, 20, seed=3) != occupied_without_gaps(cross, 20, seed=4)
    assert occupied_without_gaps(cross, 20) > 3 * plane(cross, 20).occupied


def test_clear_cells_are_those_that_the_classifier_is_sure_of():
    """Cells with z₁ > ½ and z₂ > ¾ decode to a digit's level, the others to one between two."""
    class Model:
        def decode(self, z):
            clear = (z[:, 0] > 0.5) & (z[:, 1] > 0.75)
            return torch.where(clear, 0.3, 0.35).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)

    grid = plane(UNIT_SQUARE, 8)
    expected = np.zeros((8, 8), bool)
    expected[6:, 4:] = True  # the first index is z₂
    np.testing.assert_array_equal(clear_cells(Model(), Brightness(), grid, 0.9), expected)
    assert clear_cells(Model(), Brightness(), grid, 0.4).all()


def test_a_cell_is_clear_at_exactly_the_probability():
    grid = plane(draws(100, 2), 5)
    model = SimpleNamespace(decode=lambda z: blank(len(z)))
    classifier = SimpleNamespace(probabilities=lambda x: torch.full((len(x), 2), 0.5))
    assert clear_cells(model, classifier, grid, 0.5).all()
    assert not clear_cells(model, classifier, grid, 0.51).any()


def test_neighbour_shares_are_of_one_digit_inside_and_of_both_on_a_boundary():
    line = np.arange(-100, 101)[:, None] + 0.5
    sides = (line[:, 0] > 0).astype(int)  # digit 0 on the left, 1 on the right
    shares = neighbour_shares(line, sides, [[-60.0], [0.0], [60.0], [-2.0]], neighbours=10)
    np.testing.assert_allclose(shares, [[1, 0], [0.5, 0.5], [0, 1], [0.7, 0.3]])


def test_neighbour_shares_count_as_many_as_asked():
    train_z, labels = ten_clusters(20)
    for k in (20, 40, 200):
        shares = neighbour_shares(train_z, labels, train_z, k)
        np.testing.assert_allclose(shares[np.arange(len(labels)), labels], 20 / k)


def test_a_neighbourhood_is_pure_if_nine_in_ten_neighbours_are_of_the_own_digit():
    labels = np.arange(20) % 10
    shares = np.full((20, 10), 0.01)
    shares[np.arange(10), labels[:10]] = 0.91  # the first of each digit lies inside its own cluster
    expected = np.full(10, 0.5)
    np.testing.assert_allclose(pure_neighbourhood_share(shares, labels), expected)
    np.testing.assert_allclose(pure_neighbourhood_share(shares, labels, purity=0.92), 0)


@pytest.mark.parametrize("d", [2, 3])
def test_an_empty_gap_is_deep_and_one_cloud_labelled_at_random_has_none(d):
    z, labels = ring_of_clusters(200, radius=50, d=d)
    assert (gap_depth(z, labels) > 0.98).all()
    cloud = draws(2000, d)
    assert gap_depth(cloud, permuted(labels)).mean() < 0.1


@pytest.mark.parametrize("neighbours", [20, 50, 100])
@pytest.mark.parametrize("thinning", [2, 4, 10])
def test_a_gap_that_is_filled_in_part_has_a_known_depth(neighbours, thinning):
    """On a line, dense stretches alternate with ones of points `thinning` times as far apart."""
    stretch = np.concatenate([np.arange(0, 5, 0.01), np.arange(5, 15, 0.01 * thinning)])
    z = np.concatenate([stretch + 15 * digit for digit in range(10)])
    depths = gap_depth(z[:, None], np.repeat(np.arange(10), len(stretch)), neighbours)
    np.testing.assert_allclose(depths, 1 - 1 / thinning, atol=0.01)


def test_the_gap_of_each_digit_is_that_to_the_nearest_cluster():
    """Digits 0 and 1 lie at one place, the others apart."""
    z, labels = ten_clusters(200)
    z[labels == 1] = z[labels == 0] + draws(200, 2, 1) / 10
    depths = gap_depth(z, labels)
    assert (depths[:2] < 0.5).all() and (depths[2:] > 0.98).all()


@pytest.mark.parametrize("d", [2, 3])
def test_the_depth_of_gaps_knows_no_scale(d):
    z, labels = ring_of_clusters(100, radius=6, d=d)
    depths = gap_depth(z, labels)
    assert 0.1 < depths.mean() < 0.9
    np.testing.assert_allclose(gap_depth(7 * z + 3, labels), depths, rtol=1e-6)


def test_clusters_of_the_same_points_overlap_wholly_and_separate_ones_not_at_all():
    points = draws(500, 2)
    labels = np.repeat(np.arange(10), 500)
    np.testing.assert_allclose(pairwise_overlap(np.tile(points, (10, 1)), labels), 1)
    separate = ring_of_clusters(500, radius=50)
    np.testing.assert_allclose(pairwise_overlap(*separate), np.eye(10), atol=1e-12)


def test_clusters_of_one_distribution_overlap_nearly_wholly_with_many_points_a_cell():
    overlap = pairwise_overlap(draws(60_000, 2), np.arange(60_000) % 10, cells=10)
    assert overlap.min() > 0.98
    z, labels = ring_of_clusters(6000)
    assert pairwise_overlap(z, permuted(labels), cells=10).min() > 0.98


def test_uniform_clusters_overlap_by_the_part_that_they_share():
    """Digit k lies evenly from k/4 to k/4 + 1."""
    z = np.concatenate([np.arange(2000) / 2000 + digit / 4 for digit in range(10)])
    apart = np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
    overlap = pairwise_overlap(z[:, None], np.repeat(np.arange(10), 2000), cells=400)
    np.testing.assert_allclose(overlap, np.clip(1 - apart / 4, 0, 1), atol=0.02)


def test_normal_clusters_overlap_as_bhattacharyya_says():
    """exp(−s²/8) for unit variances and a distance s of the centres."""
    z, labels = ten_clusters(6000, distance=1)
    apart = np.subtract.outer(np.arange(10), np.arange(10))
    np.testing.assert_allclose(pairwise_overlap(z, labels), np.exp(-apart**2 / 8), atol=0.04)


def test_overlap_is_symmetric_and_knows_no_scale_and_no_order():
    z, labels = ring_of_clusters(300, radius=3)
    overlap, order = pairwise_overlap(z, labels), np.random.default_rng(0).permutation(3000)
    np.testing.assert_allclose(overlap, overlap.T)
    np.testing.assert_allclose(np.diag(overlap), 1)
    np.testing.assert_allclose(pairwise_overlap(z * [7, 0.1] + [3, -5], labels), overlap, atol=0.01)
    np.testing.assert_allclose(pairwise_overlap(z[order], labels[order]), overlap)


def test_clusters_of_unequal_numbers_overlap_no_less():
    points, labels = np.tile(draws(400, 2), (10, 1)), np.repeat(np.arange(10), 400)
    twice = np.concatenate([points, points[:400]]), np.concatenate([labels, labels[:400]])
    np.testing.assert_allclose(pairwise_overlap(*twice), 1)
