"""Whole sets of images through a model, in batches that fit in memory; no gradient is kept."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from convae.losses import DIFFERENCES, kl_to_standard_normal
from convae.recipes import Recipe
from convae.training import reproducible

BATCH_SIZE = 1000


@torch.no_grad()
def in_batches(function: Callable, *tensors: Tensor, size: int = BATCH_SIZE):
    """`function` of tensors of equal length, computed `size` rows at a time.

    The rows of what it returns, a tensor or several, are joined.

    Examples
    --------
    >>> in_batches(torch.square, torch.arange(5), size=2)
    tensor([ 0,  1,  4,  9, 16])
    """
    batches = zip(*(tensor.split(size) for tensor in tensors), strict=True)
    results = [function(*batch) for batch in batches]
    if isinstance(results[0], Tensor):
        return torch.cat(results)
    return tuple(torch.cat(column) for column in zip(*results, strict=True))


def encode(model: nn.Module, images: Tensor) -> Tensor:
    """Latent vectors ``(N, d)`` of `images` ``(N, 1, 28, 28)``: z, or μ for a VAE in ``eval()``."""
    return in_batches(model.encode, images)


def decode(model: nn.Module, z: Tensor) -> Tensor:
    """Images ``(N, 1, 28, 28)`` of latent vectors `z` ``(N, d)``."""
    return in_batches(model.decode, z)


def reconstruct(model: nn.Module, images: Tensor) -> Tensor:
    """Outputs of the model for `images`, ``(N, 1, 28, 28)`` in [0, 1]."""
    return decode(model, encode(model, images))


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
        for x in images.split(BATCH_SIZE):
            if recipe.model == "vae":
                mu, sigma = model.posterior(x)
                z = torch.distributions.Normal(mu, sigma).sample()
                kl = kl_to_standard_normal(mu, sigma)
                terms["kl_divergence"] += kl.sum().item() / len(images)
            else:
                z = model.encode(x)
            reconstruction = model.decode(z)
            by_image = DIFFERENCES[recipe.difference](reconstruction, x)
            terms["difference"] += by_image.sum().item() / len(images)
    return {"loss": terms["difference"] + recipe.kl_weight * terms["kl_divergence"], **terms}
