"""The detector and the space it measures in, on cases with known answers."""

import numpy as np
import pytest
import torch

from convae.anomaly.detector import Detector, averaged, nearest
from convae.anomaly.register import resized
from convae.anomaly.space import Space, left_out
from convae.anomaly.study.textures import make_textures
from convae.data import load_mnist


def test_whitened_distances_are_mahalanobis_distances():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5000, 3, generator=generator) * torch.tensor([10.0, 1, 0.1])
    space = Space.whitened(x, floor=1e-9)
    expected = (x - x.mean(0)) @ torch.linalg.inv(torch.cov(x.T, correction=0)) * (x - x.mean(0))
    found = space.project(x).square().sum(1)
    assert found.numpy() == pytest.approx(expected.sum(1).numpy(), rel=1e-2)


def test_the_floor_limits_what_a_still_direction_counts():
    x = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.0])
    away = Space.whitened(x, floor=1.0).project(torch.tensor([[0.0, 1.0]]) + x.mean(0))
    variance = x.var(0, correction=0).mean().item()
    assert away.square().sum().item() == pytest.approx(1 / variance, rel=1e-3)


@pytest.mark.parametrize("n", [40, 4000])  # fewer images than features, and more
def test_kinds_of_features_have_equal_weight_at_any_scale(n):
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(n, 60, generator=generator)
    second = 1000 * torch.randn(n, 60, generator=generator) + 5
    space = Space.fit(first, second, axes=120)
    both = space.project(torch.cat([first, second], 1))
    assert both.square().sum(1).mean().item() == pytest.approx(2, rel=1e-3)  # nothing is lost
    assert both.mean(0).abs().max() < 1e-4
    alone = space.project(torch.cat([first, second.mean(0).expand(n, -1)], 1))
    assert alone.square().sum(1).mean().item() == pytest.approx(1, rel=0.5 if n == 40 else 0.05)


def test_few_axes_keep_what_varies_most():
    scales = torch.tensor([5.0, 4] + [0.1] * 8)
    x = torch.randn(500, 10, generator=torch.Generator().manual_seed(0)) * scales
    space = Space.fit(x, axes=2)
    assert space.axes.shape == (10, 2)
    assert space.project(x).square().sum(1).mean().item() == pytest.approx(1, abs=0.01)


def test_features_that_never_vary_do_no_harm():
    constant = torch.ones(30, 5)
    space = Space.fit(torch.randn(30, 4), (constant, Space.whitened(constant, 1.0)), axes=9)
    assert torch.isfinite(space.project(torch.randn(3, 9))).all()


def test_nearest_is_the_mean_distance_to_the_five_nearest_or_all_of_fewer():
    memory = torch.tensor([[0.0], [1], [2], [3], [4], [100]])
    found = nearest(memory, torch.tensor([[0.0], [200]]))
    assert found.tolist() == pytest.approx([2, (100 + 196 + 197 + 198 + 199) / 5])
    assert nearest(memory[:2], torch.tensor([[0.0]])).tolist() == [0.5]


def test_averaged_spreads_a_spot_over_3_by_3_pixels():
    spot = torch.zeros(1, 1, 28, 28)
    spot[0, 0, 10, 10] = 9
    assert averaged(spot)[0, 0, 9:12, 9:12].tolist() == torch.ones(3, 3).tolist()
    assert averaged(spot).sum().item() == pytest.approx(9)


@pytest.fixture(scope="module")
def ones():
    images, labels = load_mnist(train=True)
    return images[labels == 1]


@pytest.fixture(scope="module")
def detector(ones):
    return Detector.fit(ones[:300], members=2, epochs=30, latent_dim=4, progress=False)


def test_the_same_seed_gives_the_same_detector(ones):
    first, again, other = (Detector.fit(ones[:60], members=2, epochs=2, seed=seed, progress=False)
                           for seed in (0, 0, 1))
    assert torch.equal(again.scores(ones[300:320]), first.scores(ones[300:320]))
    assert not torch.equal(other.scores(ones[300:320]), first.scores(ones[300:320]))


def test_members_differ_and_scores_are_their_mean(ones, detector):
    from convae.anomaly.detector import look

    each = [member.distances(*look(member.model, ones[300:320])) for member in detector.members]
    assert not torch.equal(*each)
    assert detector.scores(ones[300:320])[0].numpy() == pytest.approx((sum(each) / 2).numpy())


def test_detector_survives_the_way_through_tensors(ones, detector):
    loaded = Detector.from_tensors(detector.tensors(), detector.settings())
    scores, expected = loaded.all_scores(ones[300:320]), detector.all_scores(ones[300:320])
    assert all(torch.equal(scores[name], expected[name]) for name in expected)
    found, expected = loaded.explain(ones[:5]), detector.explain(ones[:5])
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_one_normal_training_image_in_a_hundred_scores_above_the_scale(ones, detector):
    memories = [member.memory.double() for member in detector.members]
    others = [torch.cdist(m, m).fill_diagonal_(torch.inf).topk(5, largest=False).values.mean(1)
              for m in memories]
    assert (sum(others) / 2 > detector.scale[0]).sum() == 3  # 1 % of those trained on
    assert (detector.scores(ones[:300])[1] > detector.scale[1]).sum() == 3
    unseen = ones[300:1300]
    parts = detector.scores(unseen) / detector.scale[:, None]
    assert torch.equal(detector.all_scores(unseen)["combined"], torch.maximum(*parts))
    worst = detector.all_scores(unseen)["combined"].topk(30).indices
    assert 0 < (parts[0] > parts[1])[worst].sum() < 30                 # both have their say


def test_largest_residual_is_that_of_the_mean_output(ones, detector):
    images = ones[300:303].double()
    output = sum(member.model(images).reconstruction for member in detector.members) / 2
    expected = averaged(ones[300:303] - output).abs().amax((1, 2, 3))
    assert detector.scores(ones[300:303])[1].tolist() == pytest.approx(expected.tolist(), rel=1e-9)


@pytest.mark.parametrize("n", [30, 300])  # fewer than features, and more
def test_left_out_distances_are_those_of_images_that_were_not_learnt_from(n):
    x = torch.randn(n, 60, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.1, 2, 60)
    found = left_out(Space.whitened(x, 0.3).project(x).norm(dim=1), n)
    for i in range(0, n, 7):
        without = Space.whitened(torch.cat([x[:i], x[i + 1:]]), 0.3)
        assert found[i].item() == pytest.approx(without.project(x[i]).norm().item(), rel=0.05)
    assert found.mean() > Space.whitened(x, 0.3).project(x).norm(dim=1).mean()


def test_left_out_distances_are_right_with_far_fewer_features_than_dimensions():
    """What is left of 1 is then small, and must not be taken for rounding."""
    images = np.stack([resized(image) for image in make_textures("weave", 41, 0)])
    x = averaged(torch.from_numpy(images)[:, None]).flatten(1)
    found = left_out(Space.whitened(x, 0.3).project(x).norm(dim=1).double(), 41)
    true = [Space.whitened(torch.cat([x[:i], x[i + 1:]]), 0.3).project(x[i]).norm().item()
            for i in range(0, 41, 4)]
    assert found[::4].tolist() == pytest.approx(true, rel=0.1)
    assert max(true) > 1.3 * np.median(true)


def test_nearest_leaves_out_the_image_itself():
    memory = torch.tensor([[0.0], [1], [3]])
    assert nearest(memory, memory, leave_out=1).tolist() == [2, 1.5, 2.5]


def test_residual_is_positive_for_excess_ink_and_negative_for_missing_ink(ones, detector):
    image = ones[300:301].clone()
    image[..., 3:7, 3:7] = 1                    # a blot beside the stroke
    row = 10 + int(image[0, 0, 10:18].sum(1).argmax())
    image[..., row - 1:row + 2, 10:20] = 0      # a gap in it
    repaired, difference = detector.explain(image)
    assert difference[0, 4:6, 4:6].min() > 1  # more than is usual anywhere
    assert difference[0, row].min() < -1
    assert repaired.shape == difference.shape == (1, 28, 28)


@pytest.mark.parametrize(("images", "options", "problem"), [
    (torch.ones(1, 1, 28, 28), {}, "at least two"), (torch.ones(5, 28, 28), {}, "shape"),
    (2 * torch.ones(5, 1, 28, 28), {}, "outside"),
    (torch.ones(5, 1, 28, 28), {"members": 0}, "members must be"),
    (torch.ones(5, 1, 28, 28), {"members": True}, "members must be"),
    (torch.ones(5, 1, 28, 28), {"latent_dim": 0}, "latent_dim"),
    (torch.ones(5, 1, 28, 28), {"epochs": -1}, "epochs"),
    (torch.ones(5, 1, 28, 28), {"seed": -1}, "seed"),
])
def test_arguments_out_of_range_are_refused(images, options, problem):
    with pytest.raises(ValueError, match=problem):
        Detector.fit(images, progress=False, **options)


def test_equal_images_can_be_fitted():
    found = Detector.fit(torch.full((12, 1, 28, 28), 0.5), members=1, epochs=1, progress=False)
    assert np.isfinite(found.scores(torch.rand(3, 1, 28, 28)).numpy()).all()
