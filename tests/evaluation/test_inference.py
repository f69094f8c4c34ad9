"""Whole sets of images through models."""

import pytest
import torch

from convae import ConvAE, ConvVAE
from convae.evaluation.inference import BATCH_SIZE, decode, encode, in_batches, reconstruct
from tests.evaluation.pictures import random_images


class Counting(torch.nn.Module):
    """Encodes an image as its mean, decodes z as a constant image, and notes the batches' sizes."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def encode(self, x):
        self.sizes.append(len(x))
        return x.mean((1, 2, 3))[:, None]

    def decode(self, z):
        self.sizes.append(len(z))
        return z[:, :, None, None].expand(-1, 1, 28, 28)


def test_images_go_through_a_model_in_batches_and_come_back_in_order():
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


def test_encoding_and_decoding_keep_no_gradient():
    model, images = ConvVAE(2).eval(), random_images(2).requires_grad_()
    assert not encode(model, images).requires_grad
    assert not decode(model, torch.zeros(2, 2, requires_grad=True)).requires_grad
    assert not reconstruct(model, images).requires_grad
