"""Fully connected autoencoders, with which the paper compares (claims J and K):

    784 → h → z → h → 784        LeakyReLU on the hidden layers, sigmoid on the output image.

The paper does not say how they were built, so all of this is our choice. h = 400 is the commonest
(Kingma and Welling 2014 and the tutorials after them use 400 or 500).
"""

from functools import cache

from torch import nn

from convae.bounds import check
from convae.models import IMAGE_SHAPE, Autoencoder, ConvAE, ConvVAE, Variational, count

PIXELS = 28 * 28


class DenseAE(Autoencoder):
    """Fully connected autoencoder.

    Parameters
    ----------
    latent_dim, slope
        As for :class:`convae.ConvAE`.
    hidden : int
        Units h in the hidden layer of the encoder, and in that of the decoder, at least 1.
    """

    def __init__(self, latent_dim: int, hidden: int = 400, slope=0.01):
        super().__init__()
        check(latent_dim=latent_dim, hidden=hidden, slope=slope)
        self.latent_dim, self.code_shape = latent_dim, (latent_dim,)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, hidden), nn.LeakyReLU(slope))
        to_z = nn.Linear(hidden, latent_dim)
        decoder = nn.Sequential(
            nn.Sequential(nn.Linear(latent_dim, hidden), nn.LeakyReLU(slope)),
            nn.Linear(hidden, PIXELS), nn.Sigmoid(), nn.Unflatten(1, IMAGE_SHAPE),
        )
        self.assemble(encoder, to_z, decoder)


class DenseVAE(Variational, DenseAE):
    """Fully connected variational autoencoder; parameters as for :class:`DenseAE`."""


@cache  # a study asks for it hundreds of times, and each time four models were built
def hidden_like_conv(model: str, latent_dim: int, channels=(4, 16, 64)) -> int:
    """The h with which a dense ``"ae"`` or ``"vae"`` is nearest in size to the convolutional."""
    conv, dense = {"ae": (ConvAE, DenseAE), "vae": (ConvVAE, DenseVAE)}[model]
    wanted = count(conv(latent_dim, channels))
    with_one, with_two = count(dense(latent_dim, 1)), count(dense(latent_dim, 2))
    by_unit = with_two - with_one  # the count is linear in h
    return max(1, round(1 + (wanted - with_one) / by_unit))
