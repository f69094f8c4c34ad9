"""Whole sets of images through a model, in parts that fit in memory; nothing is sampled and no
gradient is kept."""

import torch
from torch import Tensor, nn

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
