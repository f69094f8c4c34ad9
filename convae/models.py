"""The paper's two networks, in its notation (sections 3.1 to 3.3, Figs. 2 and 3).

Layer 1 is the image, layers 2 to 4 are feature maps, then comes the latent vector z:

    28×28 → 14×14×4 → 7×7×16 → 3×3×64 → z        and mirrored in the decoder.

Stated: sizes and maps of layers 1 to 3, kernels, stride, LeakyReLU, normalised layers, softplus for
σ. Our choice: maps of layer 4, batch normalisation before the activation, sigmoid on the output.
"""

import copy
from typing import NamedTuple

from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import softplus

from convae.bounds import check, check_batch

KERNELS = (4, 4, 3, 3)   # from layer 1 to 2, 2 to 3, 3 to 4, 4 to z (section 3.2)
PADDINGS = (1, 1, 0, 0)  # the paddings with which stride 2 gives the stated sizes
STRIDE = 2
IMAGE_SHAPE = (1, 28, 28)


class Output(NamedTuple):
    """What a model returns: the image, and z, μ and σ to be evaluated (section 3.2)."""

    reconstruction: Tensor  #: ``(N, 1, 28, 28)``, in [0, 1]
    z: Tensor               #: ``(N, d)``
    mu: Tensor | None       #: ``(N, d)``; None for an autoencoder
    sigma: Tensor | None    #: ``(N, d)``, positive; None for an autoencoder


class Autoencoder(nn.Module):
    """Image to z to image; a subclass builds the three parts and assembles them."""

    latent_dim: int
    code_shape: tuple[int, ...]  #: the shape in which the decoder takes one z

    def assemble(self, encoder: nn.Module, to_z: nn.Module, decoder: nn.Module):
        self.encoder, self.to_z, self.decoder = encoder, to_z, decoder

    def encode(self, x: Tensor) -> Tensor:
        """Images ``(N, 1, 28, 28)`` to latent vectors z ``(N, d)``."""
        return self.to_z(self._features(x)).flatten(1)

    def decode(self, z: Tensor) -> Tensor:
        """Latent vectors z ``(N, d)`` to images ``(N, 1, 28, 28)`` in [0, 1]."""
        check_batch(self, "z", z, (self.latent_dim,))
        return self.decoder(z.unflatten(1, self.code_shape))

    def forward(self, x: Tensor) -> Output:
        z = self.encode(x)
        return Output(self.decode(z), z, None, None)

    def bottleneck_parameters(self) -> list[nn.Parameter]:
        """The weights to and from z, which training may treat differently."""
        return [self.to_z.weight, self.decoder[0][0].weight]

    def _features(self, x):  # of layer 4, or of a dense model's hidden layer
        check_batch(self, "x", x, IMAGE_SHAPE)
        return self.encoder(x)


class ConvAE(Autoencoder):
    """Convolutional autoencoder (section 3.2, Fig. 2).

    Parameters
    ----------
    latent_dim : int
        Number d of latent variables, 1 to 784.
    channels : tuple of three int
        Maps in layers 2, 3 and 4. The paper states 4 and 16; 64 is our choice.
    slope : float
        LeakyReLU's slope for negative values, 0 to 0.99.
    normalised_layers : tuple of int
        The layers (of 2, 3, 4) that are normalised, both in encoder and decoder.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or range; the message names it.

    Examples
    --------
    >>> import torch
    >>> ConvAE(latent_dim=2)(torch.zeros(5, 1, 28, 28)).z.shape
    torch.Size([5, 2])
    """

    def __init__(self, latent_dim, channels=(4, 16, 64), slope=0.01, normalised_layers=(2, 3)):
        super().__init__()
        check(latent_dim=latent_dim, channels=channels, slope=slope)
        check(normalised_layers=normalised_layers)
        self.latent_dim, self.code_shape = latent_dim, (latent_dim, 1, 1)
        maps = (IMAGE_SHAPE[0], *channels)

        def block(convolution, layer):
            norm = [nn.BatchNorm2d(maps[layer - 1])] if layer in normalised_layers else []
            return nn.Sequential(convolution, *norm, nn.LeakyReLU(slope))

        def down(i, out):  # equation (1), with stride 2
            return nn.Conv2d(maps[i], out, KERNELS[i], STRIDE, PADDINGS[i])

        def up(i, into):   # the same connections, read from right to left
            return nn.ConvTranspose2d(into, maps[i], KERNELS[i], STRIDE, PADDINGS[i])

        # Each layer draws its initial weights when it is built: this order is the seed.
        encoder = nn.Sequential(*(block(down(i, maps[i + 1]), layer=i + 2) for i in range(3)))
        to_z = down(3, latent_dim)
        decoder = nn.Sequential(
            block(up(3, latent_dim), layer=4), block(up(2, maps[3]), layer=3),
            block(up(1, maps[2]), layer=2), up(0, maps[1]), nn.Sigmoid(),
        )
        self.assemble(encoder, to_z, decoder)


class Variational:
    """Makes an autoencoder variational (section 3.3, Fig. 3): z is drawn from N(μ, σ)."""

    def assemble(self, encoder: nn.Module, to_z: nn.Module, decoder: nn.Module):
        self.encoder, self.decoder = encoder, decoder
        # The layer to z is doubled: one gives μ; the other gives σ, and draws its own weights last.
        self.to_mu, self.to_sigma = to_z, copy.deepcopy(to_z)
        self.to_sigma.reset_parameters()

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean μ and standard deviation σ > 0 for each image, both ``(N, d)``."""
        features = self._features(x)
        return self.to_mu(features).flatten(1), softplus(self.to_sigma(features)).flatten(1)

    def sample(self, mu: Tensor, sigma: Tensor) -> Tensor:
        """z = μ + ε·σ, ε from the standard normal, equation (2); z = μ in ``eval()`` mode."""
        # Unchecked: where σ underflows to 0, the loss says so, and for how many images.
        return Normal(mu, sigma, validate_args=False).rsample() if self.training else mu

    def encode(self, x: Tensor) -> Tensor:
        return self.sample(*self.posterior(x))

    def forward(self, x: Tensor) -> Output:
        mu, sigma = self.posterior(x)
        z = self.sample(mu, sigma)
        return Output(self.decode(z), z, mu, sigma)

    def bottleneck_parameters(self) -> list[nn.Parameter]:
        return [self.to_mu.weight, self.to_sigma.weight, self.decoder[0][0].weight]


class ConvVAE(Variational, ConvAE):
    """Convolutional variational autoencoder (section 3.3); parameters as for :class:`ConvAE`."""


def count(model: nn.Module) -> int:
    """The number of a model's parameters."""
    return sum(p.numel() for p in model.parameters())
