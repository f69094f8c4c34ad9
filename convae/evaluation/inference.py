"""Whole sets of images through a model, in parts that fit in memory; nothing is sampled and no
gradient is kept."""

import torch
from torch import Tensor, nn

from convae.losses import difference, kl_to_standard_normal
from convae.recipes import Recipe
from convae.training import reproducible

PART = 1000  # images at once


@torch.no_grad()
def encode(model: nn.Module, images: Tensor) -> Tensor:
    """Latent vectors of `images` ``(N, 1, 28, 28)``: z for an AE, μ for a VAE in ``eval()`` mode,
    ``(N, d)``."""
    return torch.cat([model.encode(part) for part in images.split(PART)])


@torch.no_grad()
def decode(model: nn.Module, z: Tensor) -> Tensor:
    """Images ``(N, 1, 28, 28)`` of latent vectors `z` ``(N, d)``."""
    return torch.cat([model.decode(part) for part in z.split(PART)])


def reconstruct(model: nn.Module, images: Tensor) -> Tensor:
    """What the model makes of `images`, ``(N, 1, 28, 28)`` in [0, 1]."""
    return decode(model, encode(model, images))


def squared_error(reconstruction: Tensor, images: Tensor) -> Tensor:
    """Squared error summed over the pixels of each image, ``(N,)``, the paper's “difference”
    (section 2.3)."""
    return (reconstruction - images).square().flatten(1).sum(1)


@torch.no_grad()
def evaluate(model: nn.Module, recipe: Recipe, images: Tensor) -> dict[str, float]:
    """The objective on images not trained on; z is sampled once, seeded by the recipe.

    Returns
    -------
    dict
        ``difference`` and ``kl_divergence`` (0 for an autoencoder), means over the images, and
        ``loss``.
    """
    terms = {"difference": 0.0, "kl_divergence": 0.0}
    with reproducible(recipe.seed):
        for x in images.split(PART):
            if recipe.model == "vae":
                mu, sigma = model.posterior(x)
                z = torch.distributions.Normal(mu, sigma).sample()
                terms["kl_divergence"] += kl_to_standard_normal(mu, sigma).sum().item() / len(images)
            else:
                z = model.encode(x)
            reconstruction = model.decode(z)
            by_image = difference(reconstruction, x, recipe.difference)
            terms["difference"] += by_image.sum().item() / len(images)
    return {"loss": terms["difference"] + recipe.kl_weight * terms["kl_divergence"], **terms}
