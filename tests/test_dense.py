"""The fully connected models: a hidden layer on either side of z, of as many units as asked for.

What they have in common with the convolutional ones is tested in test_models.py.
"""

import pytest
import torch
from torch import nn

from convae import ConvAE, ConvVAE, DenseAE, DenseVAE, load_mnist, train
from convae.dense import count, hidden_like_conv
from convae.recipes import DenseRecipe


def leaves(model):
    """The modules that images pass, in order."""
    passed = []
    for m in model.modules():
        if not list(m.children()):
            m.register_forward_hook(lambda m, *_: passed.append(m))
    model(torch.zeros(2, 1, 28, 28))
    return passed


@pytest.mark.parametrize(("cls", "widths"), [
    (DenseAE, [(784, 7), (7, 3), (3, 7), (7, 784)]),
    (DenseVAE, [(784, 7), (7, 3), (7, 3), (3, 7), (7, 784)]),  # one more for σ
])
def test_the_layers_lead_from_784_pixels_to_h_to_z_and_back(cls, widths):
    assert [(m.in_features, m.out_features) for m in leaves(cls(3, hidden=7))
            if isinstance(m, nn.Linear)] == widths


@pytest.mark.parametrize(("cls", "latent"), [(DenseAE, [nn.Linear]), (DenseVAE, [nn.Linear] * 2)])
def test_hidden_layers_are_activated_the_image_is_a_sigmoid_nothing_is_normalised(cls, latent):
    assert [type(m) for m in leaves(cls(2))] == [
        nn.Flatten, nn.Linear, nn.LeakyReLU, *latent, nn.Linear, nn.LeakyReLU, nn.Linear,
        nn.Sigmoid, nn.Unflatten]


@pytest.mark.parametrize("cls", [DenseAE, DenseVAE])
def test_there_are_400_hidden_units_and_pytorchs_slope_unless_said(cls):
    assert str(cls(2)) == str(cls(2, 400, 0.01)) != str(cls(2, 401))


@torch.no_grad()
def test_a_pixel_that_goes_through_one_hidden_unit_comes_out_at_its_place():
    model, image = DenseAE(1, 1), torch.zeros(1, 1, 28, 28)
    for p in model.parameters():
        p.zero_()
    pixel = 5 * 28 + 9
    model.encoder[1].weight[0, pixel] = model.to_z.weight[0, 0] = model.decoder[0][0].weight[0,
                                                                                             0] = 1
    model.decoder[1].weight[pixel, 0] = 100
    image[0, 0, 5, 9] = 1
    expected = torch.full_like(image, 0.5)  # the sigmoid of 0
    expected[0, 0, 5, 9] = 1                # and of 100
    assert torch.equal(model(image).reconstruction, expected)


@pytest.mark.parametrize(("latent_dim", "hidden"), [(2, 14), (3, 400), (64, 70)])
def test_every_weight_and_bias_is_counted(latent_dim, hidden):
    outer, inner = 784 * hidden, latent_dim * hidden
    ae = (outer + hidden) + (inner + latent_dim) + (inner + hidden) + (outer + 784)
    assert count(DenseAE(latent_dim, hidden)) == ae
    assert count(DenseVAE(latent_dim, hidden)) == ae + inner + latent_dim


@pytest.mark.parametrize(("model", "conv", "dense"),
                         [("ae", ConvAE, DenseAE), ("vae", ConvVAE, DenseVAE)])
@pytest.mark.parametrize("latent_dim", [2, 3, 64])
@pytest.mark.parametrize("channels", [(4, 16, 64), (4, 16, 32)])
def test_hidden_like_conv_comes_nearest_to_the_parameters_of_the_convolutional_model(
        model, conv, dense, latent_dim, channels):
    best, wanted = hidden_like_conv(model, latent_dim, channels), count(conv(latent_dim, channels))
    off = {h: abs(count(dense(latent_dim, h)) - wanted) for h in (best - 1, best, best + 1)}
    assert min(off, key=off.get) == best


def test_a_convolutional_model_smaller_than_any_dense_one_is_compared_with_one_unit():
    assert hidden_like_conv("ae", 1, (1, 1, 1)) == 1


@pytest.mark.parametrize("model", ["ae", "vae"])
@pytest.mark.parametrize("optimiser", ["muon", "adam"])
def test_dense_models_learn_by_either_optimiser(model, optimiser):
    images = load_mnist(train=True)[0][:256].clone()
    recipe = DenseRecipe(model, 2, hidden=14, optimiser=optimiser, epochs=3, batch_size=64)
    history = train(recipe, images, progress=False).history
    assert history[2] < history[1] < history[0]
