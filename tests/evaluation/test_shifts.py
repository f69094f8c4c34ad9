"""Shifts, and responses to them that are known: of models that have nothing to learn."""

import pytest
import torch
from torch import nn

from convae.evaluation.damage import shifted
from convae.evaluation.shifts import DIRECTIONS, respond

SHIFTS = (0, 1, 2, 3, 4)


@pytest.fixture
def digits():
    """Random pixels in the middle 16 × 16: shifts of up to 6 pixels lose no ink."""
    images = torch.zeros(8, 1, 28, 28)
    images[:, :, 6:22, 6:22] = torch.rand(8, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    return images


class Linear:
    """A classifier that looks at every pixel's place: any change may change its prediction."""

    weight = torch.randn(784, 10, generator=torch.Generator().manual_seed(1))

    def probabilities(self, x):
        return (x.flatten(1) @ self.weight).softmax(1)


class Identity(nn.Module):
    """z is the image."""

    def encode(self, x):
        return x.flatten(1)

    def decode(self, z):
        return z.unflatten(1, (1, 28, 28))


class Sorted(Identity):
    """z is the pixels in ascending order, wherever they are."""

    def encode(self, x):
        return x.flatten(1).sort(1).values


def test_the_directions_of_shifts_are_right_left_down_and_up():
    dot = torch.zeros(1, 1, 28, 28)
    dot[0, 0, 10, 10] = 1
    places = [divmod(int(shifted(dot, rows, columns).argmax()), 28) for rows, columns in DIRECTIONS]
    assert places == [(10, 11), (10, 9), (11, 10), (9, 10)]


@pytest.mark.parametrize("pixels", SHIFTS)
def test_the_identity_has_no_error_and_is_never_misrecognised(digits, pixels):
    error, misrecognised, displacement = respond(Identity(), Linear(), digits, pixels)
    assert error == misrecognised == 0
    assert (displacement > 0) == (pixels > 0)


@pytest.mark.parametrize("pixels", SHIFTS)
@pytest.mark.parametrize(("contrast", "error"), [(1, 0), (0.5, 0.25), (0, 1), (-1, 4)])
def test_the_error_after_a_shift_is_relative_to_the_images_energy(digits, pixels, contrast, error):
    model = Identity()
    model.decode = lambda z: contrast * Identity.decode(model, z)
    assert respond(model, Linear(), digits, pixels).error == pytest.approx(error)


def test_a_model_that_undoes_the_shift_errs_and_is_misrecognised(digits):
    """The output is to match the shifted input: this one would be right for the image at rest."""
    model = Identity()
    model.decode = lambda z: digits
    energy = digits.square().sum()
    moved = [shifted(digits, 3 * rows, 3 * columns) for rows, columns in DIRECTIONS]
    by_hand = [(digits - images).square().sum() / energy for images in moved]
    at_rest = Linear().probabilities(digits).argmax(1)
    read_out_of_place = [Linear().probabilities(images).argmax(1) for images in moved]
    differ = [(read != at_rest).double().mean() for read in read_out_of_place]
    found = respond(model, Linear(), digits, 3)
    assert found.error == pytest.approx(sum(by_hand).item() / 4)
    assert found.misrecognised == pytest.approx(sum(differ).item() / 4) != 0


@pytest.mark.parametrize(("pixels", "wrong"), [(0, 0), (1, 1 / 4), (4, 1 / 4)])
def test_misrecognition_after_a_shift_is_the_mean_over_images_and_directions(pixels, wrong):
    """Dots shifted to the right are blanked, one direction of four; the classifier reads ink."""
    class Ink:
        def probabilities(self, x):
            return torch.stack([1 - x.amax((1, 2, 3)), x.amax((1, 2, 3))], 1)

    class BlankToTheRight(Identity):
        def decode(self, z):
            images = super().decode(z).clone()
            images[..., 15:] = 0
            return images

    dots = torch.zeros(4, 1, 28, 28)
    dots[:, :, 14, 14] = 1
    found = respond(BlankToTheRight(), Ink(), dots, pixels)
    assert found.misrecognised == found.error == wrong
    dots[0, 0, 14, 14], dots[0, 0, 14, 5] = 0, 1  # of four images, three are read wrong
    found = respond(BlankToTheRight(), Ink(), dots, pixels)
    assert found.misrecognised == found.error == wrong * 3 / 4


@pytest.mark.parametrize("pixels", SHIFTS)
def test_the_displacement_is_how_far_z_moved_over_the_clouds_radius(pixels):
    """z is where the only dot is: at the corners of 6 × 8, all 5 pixels from the middle."""
    class Place(nn.Module):
        def __init__(self, unit):
            super().__init__()
            self.unit = unit

        def encode(self, x):
            place = x.flatten(1).argmax(1)
            return self.unit * torch.stack([place // 28, place % 28], 1).float()

        def decode(self, z):
            return torch.zeros(len(z), 1, 28, 28)

    dots = torch.zeros(4, 1, 28, 28)
    for dot, row, column in zip(dots, (10, 10, 16, 16), (10, 18, 10, 18), strict=True):
        dot[0, row, column] = 1
    for unit in (1, 7):
        response = respond(Place(unit), Linear(), dots, pixels)
        assert response.displacement == pytest.approx(pixels / 5)


@pytest.mark.parametrize("pixels", SHIFTS)
def test_a_z_that_does_not_change_with_a_shift_is_not_displaced(digits, pixels):
    assert respond(Sorted(), Linear(), digits, pixels).displacement == 0
    constant = Sorted()
    constant.decode = lambda z: torch.full((len(z), 1, 28, 28), 0.5)
    assert respond(constant, Linear(), digits, pixels).displacement == 0
