"""Fully connected autoencoders, as the authors' earlier report had them: the comparison of claims J
and K.

The paper does not say how they were built, so all of this is our choice: one hidden layer on either
side of z,

    784 → h → z → h → 784        LeakyReLU on the hidden layers, sigmoid on the output image, no
    normalisation.

h = 400 is the commonest (Kingma and Welling 2014 and the tutorials after them use 400 or 500);
:func:`hidden_like_conv` gives the h with which a model has about as many parameters as the
convolutional one.
"""

from math import prod

from torch import nn

from convae.models import IMAGE_SHAPE, Autoencoder, ConvAE, ConvVAE, Variational, check_latent_dim, check_slope, count

PIXELS = prod(IMAGE_SHAPE)


class DenseAE(Autoencoder):
    """Fully connected autoencoder.

    Parameters
    ----------
    latent_dim : int
        Number d of latent variables, at least 1.
    hidden : int
        Units in the hidden layer of the encoder, and in that of the decoder, at least 1.
    slope : float
        LeakyReLU's slope for negative values, in [0, 1).

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or range; the message names it.
    """

    def __init__(self, latent_dim: int, hidden: int = 400, slope=0.01):
        super().__init__()
        check_latent_dim(latent_dim)
        check_slope(slope)
        if not isinstance(hidden, int) or isinstance(hidden, bool) or hidden < 1:
            raise ValueError(f"hidden must be a positive int, got {hidden!r}")
        self.latent_dim, self.hidden, self.code_shape = latent_dim, hidden, (latent_dim,)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, hidden), nn.LeakyReLU(slope))
        self.to_z = self._last_layer()
        self.decoder = nn.Sequential(
            nn.Sequential(nn.Linear(latent_dim, hidden), nn.LeakyReLU(slope)),
            nn.Linear(hidden, PIXELS), nn.Sigmoid(), nn.Unflatten(1, IMAGE_SHAPE),
        )

    def _last_layer(self):
        return nn.Linear(self.hidden, self.latent_dim)


class DenseVAE(Variational, DenseAE):
    """Fully connected variational autoencoder; parameters as for :class:`DenseAE`."""


def hidden_like_conv(model: str, latent_dim: int, channels=(4, 16, 64)) -> int:
    """The hidden units with which a dense model's parameters are nearest in number to the
    convolutional one's.

    Parameters
    ----------
    model : {"ae", "vae"}
    latent_dim : int
    channels : tuple of three int
        Of the convolutional model.
    """
    conv, dense = {"ae": (ConvAE, DenseAE), "vae": (ConvVAE, DenseVAE)}[model]
    wanted = count(conv(latent_dim, channels))
    one, two = (count(dense(latent_dim, h)) for h in (1, 2))  # linear in h
    return max(1, round(1 + (wanted - one) / (two - one)))
