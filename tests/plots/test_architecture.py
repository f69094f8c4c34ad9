"""What Figs. 1 to 3 say is read from the model that they draw."""

import pytest
import torch

from convae.losses import kl_to_standard_normal, squared_error
from convae.models import ConvAE, ConvVAE
from convae.plots.architecture import autoencoder, receptive_fields, variational_autoencoder
from tests.plots.data import build


def words(*figures):
    """All lines of text in figures."""
    texts = [text for figure in figures for axes in figure.axes for text in axes.texts]
    return [line for text in texts for line in text.get_text().splitlines()]


def draw(model, image):
    """The model's figures: 1 and 2, or 1 and 3."""
    if isinstance(model, ConvVAE):
        epsilon = torch.randn(model.latent_dim)
        return [receptive_fields(model, image), variational_autoencoder(model, image, epsilon)]
    return [receptive_fields(model, image), autoencoder(model, image)]


@pytest.mark.parametrize(("kind", "latent_dim"), [
    (ConvAE, 1), (ConvAE, 64), (ConvVAE, 3), (ConvVAE, 64)])
def test_figures_can_be_drawn_for_any_dimension(kind, latent_dim, image):
    fig_1, network = draw(build(kind, latent_dim), image)
    assert any(line.endswith(f"autoencoder, {latent_dim}-D") for line in words(network))
    for figure in (fig_1, network):
        figure.canvas.draw()  # what cannot be rendered fails here


@pytest.mark.parametrize("kind", [ConvAE, ConvVAE])
def test_other_channels_slopes_and_normalisation_change_the_labels(kind, image):
    usual = words(*draw(build(kind, 2), image))
    other = words(*draw(build(kind, 2, (3, 10, 30), 0.25, (4,)), image))
    for text in ("14×14 · 4 maps", "7×7 · 16 maps", "3×3 · 64 maps", "BatchNorm2d, LeakyReLU(0.01)",
                 "4 planes $q$ of 14×14", "16 planes $p$ of 7×7"):
        assert text in usual and text not in other
    for text in ("14×14 · 3 maps", "7×7 · 10 maps", "3×3 · 30 maps", "BatchNorm2d, LeakyReLU(0.25)",
                 "LeakyReLU(0.25)", "3 planes $q$ of 14×14", "10 planes $p$ of 7×7"):
        assert text in other and text not in usual


def test_kernels_strides_and_paddings_are_read_from_the_modules(image, monkeypatch):
    monkeypatch.setattr("convae.models.KERNELS", (2, 6, 3, 3))
    monkeypatch.setattr("convae.models.PADDINGS", (0, 2, 0, 0))
    fig_1, fig_2 = draw(build(ConvAE, 2), image)
    assert {"2×2", "6×6", "padding 2"} <= set(words(fig_2)) and "4×4" not in words(fig_2)
    assert {"2×2 pixels", "12×12 pixels", "6×6, stride 2"} <= set(words(fig_1))


def test_of_a_wide_layer_some_maps_and_terms_are_drawn_and_said_to_be(image):
    fig_1, fig_2 = draw(build(ConvAE, 2, (100, 4, 4)), image)
    assert "14×14 · 100 maps, 16 drawn" in words(fig_2)
    (terms,) = (line for line in words(fig_1) if line.startswith("here"))
    assert "+ …" in terms


def test_the_loss_terms_in_figure_3_are_those_of_the_draw(image):
    model, epsilon = build(ConvVAE, 2), torch.tensor([0.3, -1.2])
    mu, sigma = model.posterior(image[None])
    output = model.decode(mu + epsilon * sigma)
    error = squared_error(output, image[None]).item()
    divergence = kl_to_standard_normal(mu, sigma).item()
    written = words(variational_autoencoder(model, image, epsilon))
    assert any(text.endswith(f"{error:.1f} + {divergence:.1f}") for text in written)
