"""Layers are described as what they are in the live model."""

import json

import pytest
import torch

from convae.models import ConvAE, ConvVAE
from convae.plots.introspection import layers, sum_at_one_unit, window_start
from tests.plots.data import build


def test_the_default_model_has_the_papers_layers(image):
    found = layers(build(ConvAE, 2), image)
    assert [(layer.part, layer.name, layer.maps, layer.height, layer.width) for layer in found] == [
        ("input", "layer 1", 1, 28, 28),
        ("encoder", "layer 2", 4, 14, 14),
        ("encoder", "layer 3", 16, 7, 7),
        ("encoder", "layer 4", 64, 3, 3),
        ("latent", "z", 2, 1, 1),
        ("decoder", "layer 4", 64, 3, 3),
        ("decoder", "layer 3", 16, 7, 7),
        ("decoder", "layer 2", 4, 14, 14),
        ("decoder", "layer 1", 1, 28, 28),
    ]
    assert [layer.kernel for layer in found[1:]] == [4, 4, 3, 3, 3, 3, 4, 4]
    assert {layer.stride for layer in found[1:]} == {2}
    assert [layer.padding for layer in found[1:]] == [1, 1, 0, 0, 0, 0, 1, 1]
    normalised = [layer.name for layer in found if layer.normalised]
    assert normalised == ["layer 2", "layer 3", "layer 3", "layer 2"]
    leaky = ["LeakyReLU(0.01)"] * 3
    assert [layer.activation for layer in found] == [None, *leaky, None, *leaky, "Sigmoid"]


def test_the_facts_of_a_layer_are_all_that_json_holds(image):
    facts = layers(build(ConvAE, 2), image)[1].facts()
    assert json.loads(json.dumps(facts)) == {
        "part": "encoder", "name": "layer 2", "maps": 4, "height": 14, "width": 14, "kernel": 4,
        "stride": 2, "padding": 1, "normalised": "BatchNorm2d", "activation": "LeakyReLU(0.01)",
        "parameters": 4 * 16 + 4 + 2 * 4, "sees": 4}


def test_sigma_is_recognised_as_softplus(image):
    mu, sigma = (layer for layer in layers(build(ConvVAE, 3), image) if layer.part == "latent")
    assert (mu.name, mu.activation, sigma.name, sigma.activation) == ("μ", None, "σ", "softplus")
    assert (sigma.values > 0).all()


def test_mu_and_sigma_are_the_posterior_of_the_model(image):
    model = build(ConvVAE, 3)
    mu, sigma = (layer.values.flatten() for layer in layers(model, image)[4:6])
    for found, expected in zip((mu, sigma), model.posterior(image[None]), strict=True):
        torch.testing.assert_close(found, expected[0].detach())


@pytest.mark.parametrize("model", [build(ConvAE, 2), build(ConvVAE, 64, (8, 5, 7), 0.2, (4,))])
def test_values_and_parameters_are_the_models(model, image):
    found = layers(model, image)
    output = model(image[None])
    torch.testing.assert_close(found[-1].values, output.reconstruction[0].detach())
    if output.mu is not None:
        mu = next(layer for layer in found if layer.name == "μ")
        torch.testing.assert_close(mu.values.flatten(), output.mu[0].detach())
    assert sum(layer.parameters for layer in found) == sum(p.numel() for p in model.parameters())


def test_epsilon_moves_z_before_the_decoder(image):
    model, epsilon = build(ConvVAE, 2), torch.tensor([1.5, -0.5])
    mu, sigma = model.posterior(image[None])
    torch.testing.assert_close(layers(model, image, epsilon)[-1].values,
                               model.decode(mu + epsilon * sigma)[0].detach())


@pytest.mark.parametrize("training", [True, False])
def test_reading_leaves_the_model_as_it_was(image, training):
    model = build(ConvVAE, 2).train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    layers(model, image)
    assert model.training is training and all(m.training is training for m in model.modules())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_a_module_that_is_no_autoencoder_is_refused(image):
    with pytest.raises(TypeError, match="Linear"):
        layers(torch.nn.Linear(2, 2), image)


def test_receptive_fields_are_what_brute_force_finds(image):
    """Change each pixel in turn: exactly the units change whose receptive field holds it."""
    model = build(ConvAE, 2, slope=0.3).double()
    changed = image.double().flatten().repeat(784, 1) + 0.5 * torch.eye(784, dtype=torch.float64)
    before, after = image.double()[None], changed.view(784, 1, 28, 28)
    found = layers(model.float(), image)
    model.double()
    with torch.no_grad():
        for layer, module in zip(found[1:5], [*model.encoder, model.to_z], strict=True):
            before, after = module(before), module(after)
            moved = ((after - before).abs() > 1e-12).any(1).view(28, 28, layer.height, layer.width)
            for row in range(layer.height):
                for column in range(layer.width):
                    expected = torch.zeros(28, 28, dtype=torch.bool)
                    (top, bottom), (left, right) = layer.sees.span(row), layer.sees.span(column)
                    expected[max(top, 0):max(bottom, 0), max(left, 0):max(right, 0)] = True
                    sensitive = moved[:, :, row, column]
                    assert torch.equal(sensitive, expected), (layer.name, row, column)


def test_the_sum_at_one_unit_is_equation_1(image):
    _, o, n, *_ = layers(build(ConvAE, 2), image)
    found = sum_at_one_unit(o, n)
    row, column = window_start(n, found.row, found.column)
    weight = n.convolution.weight[found.plane].detach()
    terms = [sum(float(weight[q, i, j] * o.values[q, row + i, column + j])
                 for i in range(n.kernel) for j in range(n.kernel)) for q in range(o.maps)]
    assert found.terms == pytest.approx(terms, abs=1e-5)
    assert found.total == pytest.approx(sum(terms) + found.bias, abs=1e-5)
    assert found.total == pytest.approx(float(n.sums[found.plane, found.row, found.column]))
