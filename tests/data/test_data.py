"""MNIST as tensors; images that are refused where they enter."""

import re

import pytest
import torch

from convae import load_mnist
from convae.data import check_images, to_tensors


@pytest.mark.parametrize(("train", "n", "first", "counts"), [
    (True, 60_000, [5, 0, 4, 1, 9, 2, 1, 3, 1, 4],
     [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
    (False, 10_000, [7, 2, 1, 0, 4, 1, 4, 9, 5, 9],
     [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])])
def test_mnist_has_its_images_labels_and_order(train, n, first, counts):
    images, labels = load_mnist(train)
    assert (images.shape, images.dtype) == ((n, 1, 28, 28), torch.float32)
    assert (labels.shape, labels.dtype) == ((n,), torch.int64)
    assert (images.min(), images.max()) == (0, 1)
    assert labels[:10].tolist() == first
    assert labels.bincount().tolist() == counts
    levels = images * 255
    assert torch.allclose(levels, levels.round(), atol=1e-4)


def test_mnists_first_image_is_upright_and_in_its_place():
    image = load_mnist(train=True)[0][0, 0]
    assert (image[5, 12] * 255).round() == 3      # the first grey pixel of the first image, a five
    assert image[:5].sum() == 0
    assert image.mean().item() == pytest.approx(0.1377, abs=1e-4)


@pytest.mark.parametrize("train", [1, 0, "train", None, torch.tensor(True)])
def test_train_must_be_true_or_false(train):
    with pytest.raises(TypeError, match="^train must be True or False, got "):
        load_mnist(train)


def test_grey_levels_become_255ths_and_labels_stay():
    images = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]) + bytes([0, 51, 102, 255])
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 2]) + bytes([7, 3])
    tensors = to_tensors(images, labels)
    torch.testing.assert_close(tensors[0], torch.tensor([[[[0, 0.2]]], [[[0.4, 1]]]]))
    assert tensors[1].tolist() == [7, 3]


def good(n=4):
    return torch.rand(n, 1, 28, 28).clamp(0.25, 0.75)


@pytest.mark.parametrize("images", [good(), good(1), good().double(), 0 * good(), 0 * good() + 1],
                         ids=["some", "one", "double", "black", "white"])
def test_good_images_come_back_themselves(images):
    assert check_images(images) is images


def spoilt(value, *where):
    images = good(6)
    for i in where:
        images[i, 0, 27, 27] = value
    return images


@pytest.mark.parametrize(("images", "message"), [
    (spoilt(1.5, 2, 4), "outside [0, 1] in 2 of 6 images; the first is image 2, from "),
    (spoilt(-0.5, 5), "outside [0, 1] in 1 of 6 images; the first is image 5, from -0.5 to "),
    (good() * 255, "outside [0, 1] in 4 of 4 images; the first is image 0, from "),
    (spoilt(float("nan"), 3), "not finite in 1 of 6 images; the first is image 3"),
    (spoilt(float("inf"), 1, 2),
     "not finite in 2 of 6 images; the first is image 1, from 0.25 to inf"),
    (spoilt(float("-inf"), 0),
     "not finite in 1 of 6 images; the first is image 0, from -inf to 0.75"),
    (good()[:, 0], "must have shape (N, 1, 28, 28) with N at least 1, got (4, 28, 28)"),
    (good()[:0], "must have shape (N, 1, 28, 28) with N at least 1, got (0, 1, 28, 28)"),
    (good().expand(4, 3, 28, 28),
     "must have shape (N, 1, 28, 28) with N at least 1, got (4, 3, 28, 28)")])
def test_wrong_images_are_refused_with_the_name_the_fault_and_the_first(images, message):
    with pytest.raises(ValueError, match=r"^parts\b.*" + re.escape(message)):
        check_images(images, "parts")


@pytest.mark.parametrize(("images", "got"), [
    (good().byte(), "torch.uint8"), (good().numpy(), "float32"), ([[0.5]], "list"),
    (None, "NoneType")],
    ids=["uint8", "numpy", "list", "None"])
def test_images_that_are_no_floating_point_tensor_are_refused_by_name(images, got):
    with pytest.raises(TypeError, match=f"^parts must be a floating-point tensor, got {got}$"):
        check_images(images, "parts")
