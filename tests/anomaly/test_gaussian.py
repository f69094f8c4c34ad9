"""The Gaussian of pixels: distances are Mahalanobis's, and the map says which pixels make them."""

import pytest
import torch

from convae.anomaly.detector import averaged
from convae.anomaly.gaussian import FLOOR, Gaussian


@pytest.fixture(scope="module")
def images():
    return torch.rand(200, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_distances_are_mahalanobis_of_a_covariance_with_a_floor(images):
    found = Gaussian.fit(images[:150]).distances(images[150:])
    flat = averaged(images).flatten(1)
    centred = flat[:150] - flat[:150].mean(0)
    covariance = centred.T @ centred / 150
    inverse = torch.linalg.inv(covariance + FLOOR * covariance.trace() / 784 * torch.eye(784))
    away = flat[150:] - flat[:150].mean(0)
    expected = ((away @ inverse) * away).sum(1).sqrt()
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-3)


def test_the_map_adds_up_to_the_distance_and_shows_where_with_its_sign(images):
    gaussian, new = Gaussian.fit(images[:150]), images[150:].clone()
    before = gaussian.distances(new)
    new[:, :, 10:13, 10:13], new[:, :, 20:23, 4:7] = 3, -3
    found = gaussian.deviations(new)
    total = found.square().sum((1, 2)).sqrt()
    assert total.tolist() == pytest.approx(gaussian.distances(new).tolist(), rel=1e-5)
    assert (gaussian.distances(new) > before).all()
    for sign, row, column in ((1, 11, 11), (-1, 21, 5)):
        places = (sign * found).flatten(1).argmax(1)
        assert (abs(places // 28 - row) <= 1).all() and (abs(places % 28 - column) <= 1).all()
