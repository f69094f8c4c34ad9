"""Each measurement on cases with known answers: the instruments, before anything is measured with
them."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.special import ndtr
from scipy.stats import beta, poisson
from sklearn.metrics import roc_auc_score

from convae import ConvAE, ConvVAE
from convae.evaluation.correction import (
    change_map_area,
    changed_ink,
    changed_share,
    corrected_regions,
    localises,
    reach,
)
from convae.evaluation.damage import plant_defects
from convae.evaluation.inference import BATCH_SIZE, decode, encode, in_batches, reconstruct
from convae.evaluation.intervals import (
    Estimate,
    bootstrap,
    mean_over_seeds,
    mean_with_t_interval,
    ratio_of_shares,
    share,
)
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
    silhouette,
    spread,
)
from convae.evaluation.recognition import NearestImage, Prediction, classify, confusion, legibility_gain, misrecognised
from convae.evaluation.sharpness import blurred_as_much, edge_steepness, fine_detail, grey_ink, raggedness, variety


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


def blank(n=None):
    return torch.zeros(*(() if n is None else (n,)), 1, 28, 28)


def random_images(n=6, seed=0):
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def strokes(n=6):
    """Black-and-white bars three pixels wide, each elsewhere, as sharp as can be."""
    images = blank(n)
    for k in range(n):
        images[k, 0, 5:23, 4 + 2 * k:7 + 2 * k] = 1
    return images


class Brightness:
    """A judge that reads a constant image of grey level d / 10 as d, the surer the closer the level
    is to that."""

    def probabilities(self, x):
        return (-(100 * (x.mean((1, 2, 3))[:, None] - torch.arange(10) / 10)).square()).softmax(1)


def levels(*digits):
    return torch.tensor(digits).div(10).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)


# Whole sets through a model


class Counting(torch.nn.Module):
    """Encodes an image as its mean, decodes z as a constant image, and notes how many it was given
    at a time."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def encode(self, x):
        self.sizes.append(len(x))
        return x.mean((1, 2, 3))[:, None]

    def decode(self, z):
        self.sizes.append(len(z))
        return z[:, :, None, None].expand(-1, 1, 28, 28)


def test_images_go_through_a_model_in_parts_and_come_back_in_order():
    n = 2 * BATCH_SIZE + 7
    images = torch.linspace(0, 1, n).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
    model = Counting()
    torch.testing.assert_close(reconstruct(model, images), images)
    assert model.sizes == 2 * [BATCH_SIZE, BATCH_SIZE, 7]


@pytest.mark.parametrize("kind", [ConvAE, ConvVAE])
def test_models_give_the_same_in_batches_as_at_once(kind):
    torch.manual_seed(0)
    model, images = kind(3).eval(), random_images(10)
    z = in_batches(model.encode, images, size=4)
    assert z.shape == (10, 3)
    torch.testing.assert_close(z, model(images).z.detach())
    torch.testing.assert_close(in_batches(model.decode, z, size=4), model.decode(z).detach())
    torch.testing.assert_close(reconstruct(model, images), model(images).reconstruction.detach())


def test_in_batches_takes_and_returns_several_tensors_in_order():
    a, b = torch.arange(7.0), torch.arange(7.0).flip(0)
    sizes = []

    def both(a, b):
        sizes.append(len(a))
        return a + b, a - b

    total, difference = in_batches(both, a, b, size=3)
    assert sizes == [3, 3, 1]
    assert torch.equal(total, a + b) and torch.equal(difference, a - b)


def test_no_gradient_is_kept():
    model, images = ConvVAE(2).eval(), random_images(2).requires_grad_()
    assert not encode(model, images).requires_grad
    assert not decode(model, torch.zeros(2, 2, requires_grad=True)).requires_grad
    assert not reconstruct(model, images).requires_grad


# Latent spaces


@pytest.mark.parametrize("neighbours", [1, 5, 25])
@pytest.mark.parametrize("d", [2, 3])
def test_separate_clusters_have_a_neighbour_score_of_one(d, neighbours):
    known, unseen = ten_clusters(d=d, seed=0), ten_clusters(d=d, seed=1)
    assert knn_accuracy(*known, *unseen, neighbours) == 1


@pytest.mark.parametrize("neighbours", [1, 15])
def test_identical_clusters_have_a_neighbour_score_of_chance(neighbours):
    known, unseen = ten_clusters(200, distance=0, seed=0), ten_clusters(200, distance=0, seed=1)
    assert knn_accuracy(*known, *unseen, neighbours) == pytest.approx(0.1, abs=0.03)


def test_permuted_labels_have_a_neighbour_score_of_chance():
    (known, labels), unseen = ten_clusters(200, seed=0), ten_clusters(200, seed=1)
    permuted = np.random.default_rng(0).permutation(labels)
    assert knn_accuracy(known, permuted, *unseen) == pytest.approx(0.1, abs=0.03)


def test_neighbours_vote():
    known, labels = np.array([[0.0], [1.0], [-1.0]]), np.array([3, 8, 8])
    assert knn_accuracy(known, labels, [[0.1]], [3], neighbours=1) == 1
    assert knn_accuracy(known, labels, [[0.1]], [8], neighbours=3) == 1


def test_the_silhouette_is_near_one_for_separate_clusters_and_below_zero_for_one_cloud():
    z, labels = ten_clusters()
    assert silhouette(z, labels) > 0.95
    cloud = ten_clusters(distance=0)[0]
    assert -0.3 < silhouette(cloud, labels) < 0
    assert -0.3 < silhouette(z, np.random.default_rng(0).permutation(labels)) < 0


def test_the_silhouette_is_that_of_rousseeuw_and_knows_no_scale():
    z, labels = np.array([[0.0], [1.0], [4.0], [6.0]]), np.array([0, 0, 1, 1])
    by_hand = np.mean([1 - 1 / 5, 1 - 1 / 4, 1 - 2 / 3.5, 1 - 2 / 5.5])
    assert silhouette(z, labels) == pytest.approx(by_hand)
    assert silhouette(100 * z, labels) == pytest.approx(by_hand)


@pytest.mark.parametrize("d", [2, 3])
def test_separate_clusters_are_found_without_labels_and_agree_with_any_naming_of_the_digits(d):
    z, labels = ring_of_clusters(d=d)
    assert adjusted_mutual_info(z, labels) == 1
    assert adjusted_mutual_info(z, permuted(np.arange(10))[labels]) == 1


@pytest.mark.parametrize("d", [2, 3])
def test_by_chance_clusters_agree_with_no_digits(d):
    z, labels = ring_of_clusters(200, d=d)
    cloud = ring_of_clusters(200, radius=0, d=d)[0]
    assert adjusted_mutual_info(z, permuted(labels)) == pytest.approx(0, abs=0.01)
    assert adjusted_mutual_info(cloud, labels) == pytest.approx(0, abs=0.01)


def test_clusters_that_tell_pairs_of_digits_apart_but_not_the_digits_of_a_pair_agree_in_part():
    """Of log 10 that there is to know, a cluster tells log 5."""
    z, labels = ring_of_clusters(200)
    digits = labels // 2 * 2 + np.arange(2000) % 2
    assert adjusted_mutual_info(z, digits) == pytest.approx(np.log(5) / np.log(10), abs=0.01)


def test_agreement_knows_no_scale_and_the_more_the_clusters_overlap_the_less_it_is():
    agreements = []
    for radius in (12, 6, 4, 2, 0):
        z, labels = ring_of_clusters(radius=radius)
        agreements.append(adjusted_mutual_info(z, labels))
        assert adjusted_mutual_info(7 * z, labels) == pytest.approx(agreements[-1], abs=1e-9)
    assert agreements == sorted(agreements, reverse=True)


def test_extent_of_four_points_is_exact():
    found = extent([[1, 0], [-1, 0], [0, 2], [0, -2]])
    assert found.radius == pytest.approx(np.sqrt((1 + 1 + 4 + 4) / 4))
    assert found.width == pytest.approx(np.mean([1.94, 3.88]))  # NumPy's percentiles 1 and 99 lie 0.03 steps inside


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
    far = np.concatenate([cloud, cloud[::100] + 1000]), np.concatenate([digits, digits[::100]])  # one in a hundred
    np.testing.assert_allclose(median_cluster_sizes(*far), median_cluster_sizes(cloud, digits), rtol=0.03)
    assert (cluster_sizes(*far) > 10 * cluster_sizes(cloud, digits)).all()


@pytest.mark.parametrize(("d", "expected"), [(1, 0.6745), (2, np.sqrt(np.log(4))), (3, 1.5382)])
def test_the_median_size_of_a_normal_cluster_is_known(d, expected):
    sizes = median_cluster_sizes(3 * draws(100_000, d), np.arange(100_000) % 10)
    np.testing.assert_allclose(sizes, 3 * expected, rtol=0.03)


def test_spread_is_standard_deviation_over_mean():
    assert spread([4, 4, 4]) == 0
    assert spread([1, 3]) == pytest.approx(0.5)


def test_a_point_falls_into_the_row_of_its_z2_and_the_column_of_its_z1():
    z = np.concatenate([UNIT_SQUARE, [[0.9, 0.1]]]) * [4, 8]  # two corners, and one point at the lower right
    grid = plane(z, 4)
    np.testing.assert_allclose([grid.low, grid.high], [[0, 0], [4, 8]])
    expected = np.zeros((4, 4), int)
    expected[0, 0], expected[3, 3], expected[0, 3] = 500, 500, 1
    np.testing.assert_array_equal(grid.counts, expected)


UNIT_SQUARE = np.repeat([[0.0, 0.0], [1.0, 1.0]], 500, 0)  # the plane of these and few others is [0, 1]²


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


def test_the_occupied_share_of_a_known_grid():
    inside = np.array([[0.1, 0.9], [0.1, 0.95], [0.6, 0.1]])  # three points in two cells of 4 × 4
    assert plane(np.concatenate([UNIT_SQUARE, inside]), 4).occupied == 4 / 16


def test_a_full_square_has_no_empty_cell_and_four_blobs_leave_gaps():
    assert plane(np.random.default_rng(0).random((10_000, 2)), 20).occupied == 1
    corners = np.concatenate([draws(2_500, 2, k) + 10 * np.array(c) for k, c in enumerate(product((-1, 1), repeat=2))])
    assert 1.5 * plane(corners, 20).occupied < occupied_without_gaps(corners, 20)


def test_a_round_cloud_has_no_gaps_whatever_its_scale_and_tails():
    leaning = draws(5_000, 2) @ np.array([[1, 0.9], [0, 0.4359]])  # correlation 0.9
    for cloud in (draws(5_000, 2), 7 * draws(5_000, 2) + 3, draws(5_000, 2) * np.abs(draws(5_000, 1, 1)), leaning):
        assert abs(plane(cloud, 30).occupied - occupied_without_gaps(cloud, 30)) < 0.02


def test_the_yardstick_fills_the_gaps_between_the_arms_of_a_cross_and_is_the_same_every_time():
    arms = draws(2_000, 1) * [[1, 0.02]]
    cross = np.concatenate([arms, arms[:, ::-1]])
    assert occupied_without_gaps(cross, 20, seed=3) == occupied_without_gaps(cross, 20, seed=3)
    assert occupied_without_gaps(cross, 20, seed=3) != occupied_without_gaps(cross, 20, seed=4)
    assert occupied_without_gaps(cross, 20) > 3 * plane(cross, 20).occupied


def test_clear_cells_are_those_that_the_judge_reads_surely():
    """Cells to the right of z₁ = ½ and above z₂ = ¾ decode to white, the others to a level between
    two digits."""
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
    judge = SimpleNamespace(probabilities=lambda x: torch.full((len(x), 2), 0.5))
    assert clear_cells(model, judge, grid, 0.5).all() and not clear_cells(model, judge, grid, 0.51).any()


def test_neighbour_shares_are_of_one_digit_inside_and_of_both_on_a_boundary():
    line = np.arange(-100, 101)[:, None] + 0.5
    sides = (line[:, 0] > 0).astype(int)  # digit 0 on the left, 1 on the right
    shares = neighbour_shares(line, sides, [[-60.0], [0.0], [60.0], [-2.0]], neighbours=10)
    np.testing.assert_allclose(shares, [[1, 0], [0.5, 0.5], [0, 1], [0.7, 0.3]])


def test_neighbour_shares_count_as_many_as_asked():
    known, labels = ten_clusters(20)
    of_own = {k: neighbour_shares(known, labels, known, k)[np.arange(len(labels)), labels] for k in (20, 40, 200)}
    for k, share_of_own in of_own.items():
        np.testing.assert_allclose(share_of_own, 20 / k)


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
    """On a line, evenly dense stretches in turn with stretches where the points lie `thinning`
    times as far apart."""
    stretch = np.concatenate([np.arange(0, 5, 0.01), np.arange(5, 15, 0.01 * thinning)])
    z, labels = np.concatenate([stretch + 15 * digit for digit in range(10)]), np.repeat(np.arange(10), len(stretch))
    np.testing.assert_allclose(gap_depth(z[:, None], labels, neighbours), 1 - 1 / thinning, atol=0.01)


def test_each_digit_has_the_gap_to_its_nearest_cluster():
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
    np.testing.assert_allclose(pairwise_overlap(*ring_of_clusters(500, radius=50)), np.eye(10), atol=1e-12)


def test_clusters_of_the_same_distribution_overlap_nearly_wholly_given_many_points_a_cell():
    overlap = pairwise_overlap(draws(60_000, 2), np.arange(60_000) % 10, cells=10)
    assert overlap.min() > 0.98
    permuted_labels = pairwise_overlap(ring_of_clusters(6000)[0], permuted(np.repeat(np.arange(10), 6000)), cells=10)
    assert permuted_labels.min() > 0.98


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


# Corrections


def planted(*places, value=1.0):
    image = blank()
    for rows, columns in places:
        image[0, rows, columns] = value
    return image


SQUARE = (slice(10, 13), slice(4, 8))  # 3 × 4 pixels, centre (5.5, 11)


def test_a_removed_blot_is_found_with_its_pixels_mass_centre_and_radius():
    (region,) = corrected_regions(planted(SQUARE, value=0.75), blank(), threshold=0.5, pixels=5)
    assert (region.kind, region.pixels) == ("removed", 12)
    assert region.mass == pytest.approx(9)
    assert region.centre == pytest.approx((5.5, 11))  # column, row
    assert region.radius == pytest.approx(np.hypot(1.5, 1) + 0.5)


def test_a_filled_gap_is_found_as_added():
    (region,) = corrected_regions(blank(), planted(SQUARE), threshold=0.5, pixels=5)
    assert (region.kind, region.pixels, region.mass) == ("added", 12, 12)


def test_the_centre_leans_to_where_more_changed():
    change = planted((slice(10, 12), slice(4, 6)), value=0.6)
    change[0, 11, 4] = 1
    (region,) = corrected_regions(blank(), change, 0.5, 1)
    assert region.centre == pytest.approx((4 + 1.2 / 2.8, 10 + 1.6 / 2.8))
    assert region.mass == pytest.approx(2.8)


def test_an_unchanged_image_has_no_corrections():
    image = random_images(1)[0]
    assert corrected_regions(image, image, 0.01, 1) == []


@pytest.mark.parametrize(("threshold", "count"), [(0.5, 0), (0.49, 1), (0.51, 0)])
def test_a_pixel_must_change_by_more_than_the_threshold(threshold, count):
    assert len(corrected_regions(blank(), planted(SQUARE, value=0.5), threshold, 1)) == count


@pytest.mark.parametrize(("pixels", "count"), [(1, 1), (12, 1), (13, 0), (784, 0)])
def test_a_region_needs_its_least_number_of_pixels(pixels, count):
    assert len(corrected_regions(blank(), planted(SQUARE), 0.5, pixels)) == count


def test_pixels_that_touch_at_a_corner_are_connected_and_others_are_not():
    diagonal = torch.eye(28)[None]
    (region,) = corrected_regions(blank(), diagonal, 0.5, 5)
    assert region.pixels == 28
    apart = planted((3, 3), (3, 5), (5, 3))  # a pixel between each two
    assert [r.pixels for r in corrected_regions(blank(), apart, 0.5, 1)] == [1, 1, 1]


def test_added_and_removed_pixels_that_touch_are_two_regions():
    before, after = planted((10, slice(0, 5))), planted((11, slice(0, 6)))
    assert [(r.kind, r.pixels) for r in corrected_regions(before, after, 0.5, 5)] == [("added", 6), ("removed", 5)]


def test_the_region_with_the_largest_mass_comes_first():
    faint, strong = planted((slice(0, 4), slice(0, 4)), value=0.6), planted((slice(20, 23), slice(20, 24)))
    assert [r.pixels for r in corrected_regions(blank(), faint + strong, 0.5, 5)] == [12, 16]  # masses 12 and 9.6


def test_shares_of_pixels_and_of_ink_changed():
    images = torch.stack([planted(SQUARE), planted(SQUARE), planted(SQUARE, value=0.5)])
    outputs = torch.stack([planted(SQUARE), planted((0, slice(0, 6))), blank()])  # as it was, moved to a half, gone
    torch.testing.assert_close(changed_share(images, outputs, 0.5), torch.tensor([0, 18, 0]) / 784,
                               check_dtype=False)
    torch.testing.assert_close(changed_ink(images, outputs), torch.tensor([0, 1.5, 1]), check_dtype=False)


def blocks(*places, size=4, value=1.0):
    """An image with one pixel in each of these blocks."""
    return planted(*((row * size + 1, column * size + 2) for row, column in places), value=value)


def test_reach_is_the_changed_share_of_the_blocks_with_ink():
    character = blocks((1, 1), (1, 2), (2, 2), (5, 5))
    outputs = torch.stack([
        character,                                        # as it was
        blocks((1, 1), (1, 2), (2, 2)),                   # one of four erased
        character + blocks((6, 0)),                       # one added, so it is one of five
        blocks((3, 3), (3, 4), (4, 3), (4, 4)),           # another character
        character + blocks((0, 0), (0, 5), value=0.45),   # too faint for ink
        blank(),
    ])
    found = reach(character.expand_as(outputs), outputs, 0.5)
    torch.testing.assert_close(found, torch.tensor([0, 1 / 4, 1 / 5, 1, 0, 1]), check_dtype=False)


def test_reach_counts_changes_beyond_the_threshold_in_blocks_with_ink_only():
    before, after = blocks((1, 1), (2, 2)), blocks((1, 1), (2, 2), value=0.7)
    assert [reach(before[None], after[None], t).item() for t in (0.25, 0.35)] == [1, 0]
    faint = before + blocks((4, 4), value=0.4)
    assert reach(before[None], faint[None], 0.25).item() == 0  # changed, but without ink


@pytest.mark.parametrize(("block", "expected"), [(2, 1 / 3), (4, 1 / 3), (7, 1 / 2), (14, 1)])
def test_reach_is_counted_in_blocks_of_the_size_asked_for(block, expected):
    """Three dots, one of which goes: in blocks of 7 it shares one with a dot, in blocks of 14 with
    both."""
    dots = planted((1, 1), (5, 5), (9, 9))
    assert reach(dots[None], planted((1, 1), (9, 9))[None], 0.5, block).item() == pytest.approx(expected)


def test_reach_of_images_without_ink_is_0():
    assert reach(blank(2), blank(2), 0.5).tolist() == [0, 0]


# Recognition


def test_a_reading_is_the_most_probable_digit_and_its_probability():
    found = classify(Brightness(), levels(0, 3, 9, 5))
    assert found.digit.tolist() == [0, 3, 9, 5]
    assert (found.probability > 0.999).all()
    between = classify(Brightness(), torch.full((1, 1, 28, 28), 0.35))
    assert between.digit[0] in (3, 4) and between.probability[0] == pytest.approx(0.5, abs=0.01)


def pixels(*rows):
    """Images of 2 × 2 pixels."""
    return torch.tensor(rows, dtype=torch.float).view(-1, 1, 2, 2)


def test_the_nearest_image_reads_the_images_that_it_knows_and_those_near_them():
    images, labels = random_images(60), torch.arange(60) % 10
    reader = NearestImage(images, labels)
    assert reader.digits(images).tolist() == labels.tolist()
    assert reader.digits(images[7:30] + 0.05 * random_images(23, seed=1)).tolist() == labels[7:30].tolist()
    assert reader.digits(images[:1]).shape == (1,)


def test_the_nearest_image_is_nearest_in_the_principal_components_that_count():
    """The known images differ most in the first pixel, then in the second; the third says
    nothing."""
    reader_of = {c: NearestImage(pixels([0, 0, 0, 0], [1, 0, 0, 0], [0, 0.5, 0, 0], [1, 0.5, 0, 0]),
                                 torch.tensor([3, 5, 7, 9]), components=c) for c in (1, 2)}
    seen = pixels([0.1, 0.1, 9, 0], [0.9, 0.1, 0, 0], [0.1, 0.4, 0, 0], [0.9, 0.4, 0, 9])
    assert reader_of[2].digits(seen).tolist() == [3, 5, 7, 9]
    assert [d in pair for d, pair in zip(reader_of[1].digits(seen), [(3, 7), (5, 9)] * 2, strict=True)] == [True] * 4
    assert reader_of[1].digits(pixels([0.2, 0.5, 0, 0])) == reader_of[1].digits(pixels([0.2, 0, 0, 0]))


def test_misrecognised_is_a_changed_reading_whatever_the_label():
    before, after = classify(Brightness(), levels(1, 2, 3)), classify(Brightness(), levels(1, 7, 3))
    assert misrecognised(before, after).tolist() == [False, True, False]
    assert not misrecognised(before, before).any()


def prediction(digits, probabilities=None):
    return Prediction(np.array(digits), np.array(probabilities or [1.0] * len(digits)))


def test_the_gain_in_legibility_is_that_of_the_right_digit_and_undefined_without_it():
    before = prediction([1, 1, 1, 2, 2], [0.6, 0.9, 0.9, 0.9, 0.9])
    after = prediction([1, 1, 2, 1, 2], [0.9, 0.7, 0.9, 0.9, 1])
    gain = legibility_gain(before, after, torch.tensor([1, 1, 1, 1, 1]))
    np.testing.assert_allclose(gain, [0.3, -0.2, np.nan, np.nan, np.nan])
    assert not (gain[2:] >= 0).any()


def test_the_confusion_matrix_counts_inputs_in_rows_and_outputs_in_columns():
    counts = confusion(prediction([4, 4, 4, 9, 0]), prediction([9, 9, 4, 4, 0]))
    assert counts.shape == (10, 10) and counts.sum() == 5
    assert (counts[4, 9], counts[4, 4], counts[9, 4], counts[0, 0]) == (2, 1, 1, 1)


# Sharpness


def test_black_and_white_has_no_grey_and_middle_grey_has_two():
    torch.testing.assert_close(grey_ink(strokes(3)), torch.zeros(3), check_dtype=False)
    torch.testing.assert_close(grey_ink(blank(2) + 0.5), torch.full((2,), 2.0), check_dtype=False)
    mixed = planted((slice(0, 2), slice(0, 4))) + planted((5, slice(0, 4)), value=0.5)
    assert grey_ink(mixed[None]).item() == pytest.approx(4 / (8 + 2))  # four grey pixels of 4 · ¼ over the ink


def wave(period):
    return (0.5 + 0.5 * torch.cos(2 * torch.pi * torch.arange(28.0) / period)).expand(1, 1, 28, 28)


@pytest.mark.parametrize(("period", "fine"), [(28, 0), (14, 0), (7, 0), (28 / 5, 1), (4, 1), (2, 1)])
def test_waves_shorter_than_seven_pixels_are_fine_detail(period, fine):
    assert fine_detail(wave(period)).item() == pytest.approx(fine, abs=1e-6)
    assert fine_detail(wave(period).mT).item() == pytest.approx(fine, abs=1e-6)


def test_a_slanted_wave_is_as_fine_as_it_is_long_across():
    """Periods of 28 / 4 along one axis and 28 / 1 along the other: 28 / √17 = 6.8 pixels across."""
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    slanted, long = (0.5 + 0.5 * torch.cos(2 * torch.pi * (k * rows + columns) / 28) for k in (4, 3))
    assert fine_detail(torch.stack([slanted, long])[:, None]).tolist() == pytest.approx([1, 0], abs=1e-6)


def test_fine_detail_is_a_share_of_the_power_and_ignores_brightness_and_contrast():
    torch.testing.assert_close(fine_detail((wave(14) + wave(4)) / 2), torch.tensor([0.5]), check_dtype=False)
    torch.testing.assert_close(fine_detail((wave(14) + 2 * wave(4)) / 3), torch.tensor([0.8]), check_dtype=False)
    images = random_images()
    torch.testing.assert_close(fine_detail(0.3 * images + 0.5), fine_detail(images), rtol=1e-4, atol=1e-5)


def test_blur_lowers_fine_detail_and_raises_grey():
    images = strokes()
    slight, strong = (blurred_as_much(images, left * float(fine_detail(images).mean()))[0] for left in (0.7, 0.3))
    assert (fine_detail(strong) < fine_detail(slight)).all() and (fine_detail(slight) < fine_detail(images)).all()
    assert (grey_ink(strong) > grey_ink(slight)).all() and (grey_ink(slight) > grey_ink(images)).all()


def edge(width):
    """A vertical edge at full contrast that rises evenly over `width` pixels."""
    return ((torch.arange(28.0) - 8) / width).clamp(0, 1).expand(1, 1, 28, 28)


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_the_steepness_of_an_edge_is_one_over_its_width(width):
    for image in (edge(width), edge(width).mT, 1 - edge(width), edge(width).flip(3)):
        assert edge_steepness(image).item() == pytest.approx(1 / width)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_steepness_of_an_edge_blurred_by_a_gaussian_is_known(width):
    """∫ g² of a normal density g of standard deviation s is 1 / (2 s √π)."""
    rise = torch.from_numpy(ndtr((np.arange(28) - 13.5) / width)).expand(1, 1, 28, 28)
    assert edge_steepness(rise).item() == pytest.approx(1 / (2 * width * np.sqrt(np.pi)), rel=0.05)


@pytest.mark.parametrize("width", [3, 4, 8])
def test_a_slanted_edge_is_about_as_steep_as_an_upright_one(width):
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    slanted = ((rows + columns - 27) / np.sqrt(2) / width + 0.5).clamp(0, 1)[None, None]
    assert edge_steepness(slanted).item() == pytest.approx(1 / width, rel=0.06)


def test_steepness_is_that_of_each_image_and_falls_with_contrast_and_with_blur():
    images = torch.cat([edge(2), edge(4), 0.5 * edge(2)])
    torch.testing.assert_close(edge_steepness(images), torch.tensor([0.5, 0.25, 0.25]), check_dtype=False)
    sharp = strokes()
    slight, strong = (blurred_as_much(sharp, left * float(fine_detail(sharp).mean()))[0] for left in (0.7, 0.3))
    assert (edge_steepness(strong) < edge_steepness(slight)).all()
    assert (edge_steepness(slight) < edge_steepness(sharp)).all()


RECTANGLE = (slice(6, 20), slice(8, 18))  # its outline is 2 · (14 + 10) = 48 long


def disc(radius, width=None):
    """A disc, or a ring as wide as said around the radius."""
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    distance = torch.hypot(rows - 13.5, columns - 13.5)
    return ((distance < radius) if width is None else ((distance - radius).abs() < width / 2)).float()[None, None]


@pytest.mark.parametrize("width", [3, 4, 10])
def test_a_smooth_rectangle_is_not_ragged(width):
    assert raggedness(planted((slice(6, 20), slice(8, 8 + width)))[None]).item() == 0


@pytest.mark.parametrize("radius", [4, 6, 8, 10])
def test_a_disc_and_a_closed_stroke_of_two_pixels_or_more_are_not_ragged(radius):
    for image in (disc(radius), disc(radius, 2), disc(radius, 3)):
        assert raggedness(image).item() == 0


@pytest.mark.parametrize(("ragged", "smoothed", "length"), [
    (planted(RECTANGLE, (2, 3)), 4, 52),                                 # a speck
    (planted(RECTANGLE, (2, 3), (2, 8), (25, 20)), 12, 60),              # three
    (planted(RECTANGLE, (12, 18)), 2, 50),                               # a spike
    (planted(RECTANGLE) - planted((12, 17)), 2, 50),                     # a notch
    (planted(RECTANGLE) - planted((12, 12)), 4, 52),                     # a hole
    (planted((slice(6, 20), 12)), 30, 30),                               # a hair
], ids=["speck", "specks", "spike", "notch", "hole", "hair"])
def test_the_ragged_share_of_an_outline_is_what_the_median_smooths_away(ragged, smoothed, length):
    for image in (ragged, ragged.mT, ragged.flip(2)):
        assert raggedness(image[None]).item() == pytest.approx(smoothed / length)


def test_raggedness_is_of_ink_darker_than_a_half_and_nan_without_any():
    speck = planted(RECTANGLE, value=0.6) + planted((2, 3), value=0.4)
    found = raggedness(torch.stack([speck, 0.5 * speck, blank()]))
    assert found[0] == 0 and found[1:].isnan().all()


@pytest.mark.parametrize("left", [0.9, 0.5, 0.2])
def test_images_are_blurred_until_they_have_the_detail_asked_for(left):
    images = strokes()
    target = left * float(fine_detail(images).mean())
    blurred, width = blurred_as_much(images, target)
    assert blurred.shape == images.shape and blurred.dtype == images.dtype
    assert float(fine_detail(blurred).mean()) == pytest.approx(target, abs=0.005)
    assert 0.05 < width < 5
    torch.testing.assert_close(blurred.sum((1, 2, 3)), images.sum((1, 2, 3)), rtol=1e-3, atol=0)  # no ink is lost


@pytest.mark.parametrize("detail", [0.999, -0.1, float("nan")])
def test_a_detail_that_no_blur_gives_is_refused(detail):
    with pytest.raises(ValueError, match="no blur .* fine detail"):
        blurred_as_much(strokes(), detail)


def test_equal_images_have_no_variety():
    labels = torch.arange(10).repeat(3)
    images = random_images(10).repeat(3, 1, 1, 1)
    np.testing.assert_allclose(variety(images, labels), 0, atol=1e-10)


def test_variety_is_half_the_mean_squared_distance_of_pairs():
    labels, images = torch.arange(10).repeat(7), random_images(70)
    pairs = [torch.cdist(own, own).square().mean() / 2
             for own in (images[labels == digit].flatten(1).double() for digit in range(10))]
    np.testing.assert_allclose(variety(images, labels), pairs, rtol=1e-6)


def test_variety_knows_digits_apart():
    """Images that differ between digits only have none; with the labels mixed they have."""
    labels = torch.arange(10).repeat_interleave(4)
    images = levels(*labels.tolist())
    np.testing.assert_allclose(variety(images, labels), 0, atol=1e-10)
    assert (variety(images, torch.arange(10).repeat(4)) > 10).all()


# Intervals


@pytest.mark.parametrize(("count", "n", "low", "high"), [
    (0, 10, 0, 0.3084971),       # 1 − 0.025^(1/10)
    (10, 10, 0.6915029, 1),
    (5, 10, 0.1870860, 0.8129140),
    (1, 10, 0.0025286, 0.4450161),
])
def test_a_share_has_clopper_and_pearsons_interval(count, n, low, high):
    found = share(count, n)
    assert found == pytest.approx((count / n, low, high), abs=1e-6)


@pytest.mark.parametrize(("count", "n", "confidence"), [(3, 40, 0.9), (597, 10_000, 0.95), (17, 18, 0.99)])
def test_the_interval_is_that_of_the_beta_distribution(count, n, confidence):
    tail = (1 - confidence) / 2
    expected = beta.ppf(tail, count, n - count + 1), beta.ppf(1 - tail, count + 1, n - count)
    assert share(np.int64(count), torch.tensor(n), confidence)[1:] == pytest.approx(expected)


def test_of_nothing_any_share_is_possible():
    found = share(0, np.int64(0))
    assert np.isnan(found.value) and found[1:] == (0, 1)


@pytest.mark.parametrize(("counts", "expected"), [
    ((10, 100, 60, 600), 1), ((30, 100, 60, 600), 3), ((1, 10, 1, 5), 0.5)])
def test_a_ratio_is_that_of_the_shares_and_lies_in_its_interval(counts, expected):
    found = ratio_of_shares(*counts)
    assert found.value == pytest.approx(expected)
    assert found.low < expected < found.high


def test_the_ratio_of_the_two_sets_exchanged_is_the_inverse():
    one, other = ratio_of_shares(9, 10_000, 60, 60_000), ratio_of_shares(60, 60_000, 9, 10_000)
    assert other == pytest.approx((1 / one.value, 1 / one.high, 1 / one.low))


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_interval_of_a_ratio_is_clopper_and_pearsons_for_one_sets_part_of_the_events(confidence):
    tail = (1 - confidence) / 2
    part = beta.ppf([tail, 1 - tail], [9, 10], [61, 60])  # 9 of 69 events
    assert ratio_of_shares(9, 10_000, 60, 60_000, confidence)[1:] == pytest.approx(tuple(part / (1 - part) * 6))


def test_a_ratio_without_events_on_one_side_is_zero_or_infinite():
    none, all_of_them = ratio_of_shares(0, 10_000, 6, 60_000), ratio_of_shares(6, 10_000, 0, 60_000)
    assert (none.value, none.low) == (0, 0) and 1 < none.high < np.inf
    assert (all_of_them.value, all_of_them.high) == (np.inf, np.inf) and all_of_them.low > 1


def test_a_ratio_without_any_event_is_refused():
    with pytest.raises(ValueError, match="neither set has an event"):
        ratio_of_shares(0, 10, 0, 20)


@pytest.mark.parametrize("truth", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("expected_events", [10, 30])
def test_the_interval_of_a_ratio_of_rare_shares_covers_the_truth(truth, expected_events):
    """Exactly computed: over all pairs of Poisson counts that are likely at all, weighted with
    their probability."""
    n, other_n = 10_000, 60_000
    mean, other_mean = truth * expected_events * n / other_n, expected_events
    counts = [np.arange(*(poisson.ppf([1e-3, 1 - 1e-3], m) + [0, 1]), dtype=int) for m in (mean, other_mean)]
    weights = poisson.pmf(counts[0], mean)[:, None] * poisson.pmf(counts[1], other_mean)
    covers = np.array([[interval.low <= truth <= interval.high for interval in
                        (ratio_of_shares(a, n, b, other_n) for b in counts[1])] for a in counts[0]])
    coverage = (weights * covers).sum() / weights.sum()
    assert 0.95 <= coverage < 0.995  # an exact interval covers at least as often as it says, and not always


def test_a_bootstrap_is_the_same_for_the_same_seed_only():
    values = draws(200, 1)[:, 0]
    one, again, other = (bootstrap(np.mean, values, resamples=100, seed=s) for s in (0, 0, 1))
    assert one == again != other
    assert one.value == other.value == values.mean()
    assert one.low < one.value < one.high


def test_a_bootstrap_covers_the_truth_about_as_often_as_it_says():
    inside = [interval.low <= 0 <= interval.high for interval in
              (bootstrap(np.mean, draws(60, 1, seed=s)[:, 0], resamples=200) for s in range(200))]
    assert 0.90 <= np.mean(inside) <= 0.985


def test_a_bootstrap_has_the_width_of_theory():
    found = bootstrap(np.mean, draws(400, 1)[:, 0], resamples=2_000)
    assert found.high - found.low == pytest.approx(2 * 1.96 / np.sqrt(400), rel=0.12)
    narrower = bootstrap(np.mean, draws(400, 1)[:, 0], resamples=2_000, confidence=0.5)
    assert narrower.high - narrower.low == pytest.approx(2 * 0.6745 / np.sqrt(400), rel=0.12)


def test_a_bootstrap_draws_its_arrays_together():
    x = draws(100, 1)[:, 0]
    found = bootstrap(lambda a, b: float(np.abs(a - b).max()), x, x, resamples=50)
    assert found == (0, 0, 0)
    assert bootstrap(roc_auc_score, x > 0, x, resamples=50) == pytest.approx((1, 1, 1))


def test_an_estimate_is_written_with_its_interval():
    assert f"{Estimate(0.0597, 0.0551, 0.0645):.1%}" == "6.0% (5.5% – 6.5%)"
    assert Estimate(1, 0.5, 2).interval(".2f") == "0.50 – 2.00"


# Planted defects


def digit_like():
    image = torch.zeros(1, 1, 28, 28)
    image[0, 0, 8:20, 10:13] = 1  # two strokes, with room between them
    image[0, 0, 8:20, 18:21] = 1
    return image


@pytest.mark.parametrize("kind, value", [("blot", 1.0), ("gap", 0.0)])
def test_a_planted_defect_is_a_square_where_it_is_said_to_be_and_nothing_else_changes(kind, value):
    images = digit_like().repeat(50, 1, 1, 1)
    damaged, corners = plant_defects(images, kind, size=4, seed=1)
    for before, after, (row, column) in zip(images[:, 0], damaged[:, 0], corners, strict=True):
        assert (after[row:row + 4, column:column + 4] == value).all()
        assert 0 <= row <= 24 and 0 <= column <= 24
        rest = torch.ones(28, 28, dtype=torch.bool)
        rest[row:row + 4, column:column + 4] = False
        assert (before == after)[rest].all() and not (before == after).all()
        if kind == "blot":
            assert not before[row:row + 4, column:column + 4].any()
            assert 4 <= row <= 19 and 6 <= column <= 20  # within the digit's frame, or just beside it
    assert len({tuple(c) for c in corners}) > 10
    assert (plant_defects(images, kind, seed=1)[1] == corners).all()
    assert (plant_defects(images, kind, seed=2)[1] != corners).any()


def test_a_defect_is_found_if_the_largest_correction_is_centred_in_it():
    clean = digit_like()
    damaged, corners = plant_defects(clean, "blot")
    assert localises(corrected_regions(damaged[0], clean[0], 0.5, 5), corners[0])
    assert not localises(corrected_regions(damaged[0], clean[0], 0.5, 5), corners[0] + 6)
    assert not localises([], corners[0])


CORNERS = np.array([[3, 5], [10, 20], [24, 0]])


def in_squares(images, size=4):
    inside = torch.zeros_like(images)
    for image, (row, column) in zip(inside, CORNERS, strict=True):
        image[0, row:row + size, column:column + size] = 1
    return inside


def test_a_change_in_the_defect_alone_is_perfect_and_everywhere_else_is_the_opposite():
    images = random_images(3)
    inside = in_squares(images)
    for sign in (1, -1):
        np.testing.assert_allclose(change_map_area(images, images + sign * 0.1 * inside, CORNERS), 1)
        np.testing.assert_allclose(change_map_area(images, images + sign * 0.1 * (1 - inside), CORNERS), 0)
    faint = 0.1 + 0.001 * inside  # no threshold is involved
    np.testing.assert_allclose(change_map_area(blank(3), faint, CORNERS), 1)


@pytest.mark.parametrize("change", [0, 0.2, -0.2])
def test_an_equal_change_everywhere_tells_nothing(change):
    np.testing.assert_allclose(change_map_area(blank(3), blank(3) + change, CORNERS), 0.5)


def test_of_a_defect_changed_in_half_of_its_pixels_the_other_half_is_chance():
    half = in_squares(blank(3))
    half[:, :, ::2] = 0
    np.testing.assert_allclose(change_map_area(blank(3), half, CORNERS), 0.5 * 1 + 0.5 * 0.5)


@pytest.mark.parametrize("size", [2, 4])
def test_the_area_is_that_under_the_roc_curve_of_each_image(size):
    images, outputs = random_images(3).round(decimals=1), random_images(3, seed=1).round(decimals=1)  # with ties
    by_image = [roc_auc_score(inside.flatten(), (after - before).abs().flatten())
                for inside, before, after in zip(in_squares(images, size), images, outputs, strict=True)]
    np.testing.assert_allclose(change_map_area(images, outputs, CORNERS, size), by_image)


def test_a_blot_that_is_removed_is_told_perfectly():
    images = digit_like().repeat(20, 1, 1, 1)
    damaged, corners = plant_defects(images, "blot")
    np.testing.assert_allclose(change_map_area(damaged, images, corners), 1)


def test_of_a_gap_that_is_filled_only_the_pixels_that_had_ink_are_told():
    """A gap's square reaches beyond the stroke; where it was empty before, there is nothing to
    restore."""
    images = digit_like().repeat(20, 1, 1, 1)
    damaged, corners = plant_defects(images, "gap")
    erased = (images != damaged).sum((1, 2, 3)).numpy() / 16
    np.testing.assert_allclose(change_map_area(damaged, images, corners), 0.5 + 0.5 * erased)
    assert erased.max() < 1


def test_students_interval_covers_what_it_says_and_two_values_have_a_range():
    samples = np.random.default_rng(0).normal(3, 2, (4000, 5))
    intervals = [mean_with_t_interval(sample) for sample in samples]
    assert np.mean([e.low <= 3 <= e.high for e in intervals]) == pytest.approx(0.95, abs=0.015)
    assert mean_with_t_interval([1, 4]) == (2.5, 1, 4)
    assert mean_with_t_interval([2]) == (2, 2, 2)


def test_the_bootstrap_over_ten_seeds_covers_about_90_per_cent_as_the_page_on_claims_says():
    samples = np.random.default_rng(1).normal(3, 2, (1000, 10))
    intervals = [mean_over_seeds(sample, resamples=1000) for sample in samples]
    assert np.mean([e.low <= 3 <= e.high for e in intervals]) == pytest.approx(0.9, abs=0.025)
