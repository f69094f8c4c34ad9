"""The paper's two networks, in its notation (sections 3.1 to 3.3, Figs. 2 and 3).

Layer 1 is the image, layers 2 to 4 are feature maps, then comes the latent vector z:

    28×28 → 14×14×4 → 7×7×16 → 3×3×64 → z        and mirrored in the decoder.

Stated by the paper: the sizes and maps of layers 1 to 3, the kernels, the stride, LeakyReLU,
normalisation on layers 2 and 3, softplus for σ, rsample. Chosen by us: 64 maps in layer 4, batch
normalisation as the kind, its place before the activation, the slope, sigmoid on the output image,
the mirrored place of the decoder's normalisation.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import softplus

from convae.fast.conv import Conv2d, ConvTranspose2d

KERNELS = (4, 4, 3, 3)   # from layer 1 to 2, 2 to 3, 3 to 4, 4 to z (section 3.2)
PADDINGS = (1, 1, 0, 0)  # the paddings with which stride 2 gives the stated sizes
STRIDE = 2
IMAGE_SHAPE = (1, 28, 28)


class Output(NamedTuple):
    """What a model returns: the reconstruction and, so that they can be evaluated, z, μ and σ
    (section 3.2)."""

    reconstruction: Tensor  #: ``(N, 1, 28, 28)``, in [0, 1]
    z: Tensor               #: ``(N, d)``
    mu: Tensor | None       #: ``(N, d)``; None for an autoencoder
    sigma: Tensor | None    #: ``(N, d)``, positive; None for an autoencoder


class Autoencoder(nn.Module):
    """What every autoencoder here does: image to z to image. A subclass builds ``encoder``,
    ``to_z`` and ``decoder``."""

    latent_dim: int
    code_shape: tuple[int, ...]  #: the shape in which the decoder takes one z

    def encode(self, x: Tensor) -> Tensor:
        """Images ``(N, 1, 28, 28)`` to latent vectors z ``(N, d)``."""
        return self.to_z(self.encoder(self._check(x, "x", IMAGE_SHAPE))).flatten(1)

    def decode(self, z: Tensor) -> Tensor:
        """Latent vectors z ``(N, d)`` to images ``(N, 1, 28, 28)`` in [0, 1]."""
        return self.decoder(self._check(z, "z", (self.latent_dim,)).unflatten(1, self.code_shape))

    def forward(self, x: Tensor) -> Output:
        z = self.encode(x)
        return Output(self.decode(z), z, None, None)

    def kernels_beside_z(self) -> list[nn.Parameter]:
        """The kernels that reach z: training may treat them apart."""
        return [self.to_z.weight, self.decoder[0][0].weight]

    def _check(self, tensor, name, shape):
        """The tensor itself, if it is ``(N, *shape)`` and of the weights' type; autocast alone may
        mix types."""
        kind, expected = getattr(tensor, "dtype", type(tensor).__name__), next(self.parameters()).dtype
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point() or (
                kind != expected and not torch.is_autocast_enabled(tensor.device.type)):
            raise TypeError(f"{name} must be a tensor of {expected}, as the model's weights are; got {kind}")
        if tensor.shape[1:] != shape:
            raise ValueError(f"{name} must have shape (N, {', '.join(map(str, shape))}), got {tuple(tensor.shape)}")
        return tensor


class ConvAE(Autoencoder):
    """Convolutional autoencoder (section 3.2, Fig. 2).

    Parameters
    ----------
    latent_dim : int
        Number d of latent variables, at least 1.
    channels : tuple of three int
        Maps in layers 2, 3 and 4. The paper states 4 and 16; 64 is our choice.
    slope : float
        LeakyReLU's slope for negative values, in [0, 1).
    normalised_layers : tuple of int
        The layers (of 2, 3, 4) that are normalised, in encoder and decoder alike.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or range; the message names it.
    """

    def __init__(self, latent_dim: int, channels=(4, 16, 64), slope=0.01, normalised_layers=(2, 3)):
        super().__init__()
        check_latent_dim(latent_dim)
        check_slope(slope)
        check_maps(channels, normalised_layers)
        self.latent_dim, self.channels, self.code_shape = latent_dim, tuple(channels), (latent_dim, 1, 1)
        maps = (IMAGE_SHAPE[0], *channels)

        def block(convolution, layer):
            norm = [nn.BatchNorm2d(maps[layer - 1])] if layer in normalised_layers else []
            return nn.Sequential(convolution, *norm, nn.LeakyReLU(slope))

        def down(i, out):  # equation (1), with stride 2
            return Conv2d(maps[i], out, KERNELS[i], STRIDE, PADDINGS[i])

        def up(i, into):   # the same connections, read from right to left
            return ConvTranspose2d(into, maps[i], KERNELS[i], STRIDE, PADDINGS[i])

        self.encoder = nn.Sequential(*(block(down(i, maps[i + 1]), layer=i + 2) for i in range(3)))
        self.to_z = self._last_layer()
        self.decoder = nn.Sequential(
            block(up(3, latent_dim), layer=4), block(up(2, maps[3]), layer=3), block(up(1, maps[2]), layer=2),
            up(0, maps[1]), nn.Sigmoid(),
        )

    def _last_layer(self):  # from layer 4 to z, or to μ, or to σ
        return Conv2d(self.channels[2], self.latent_dim, KERNELS[3], STRIDE, PADDINGS[3])


class Variational:
    """Makes a variational autoencoder of an :class:`Autoencoder` (section 3.3, Fig. 3): z is drawn
    from N(μ, σ).

    Training samples; in ``eval()`` mode z = μ.
    """

    def __init__(self, *architecture, **options):
        super().__init__(*architecture, **options)
        self.to_mu = self.to_z  # the autoencoder's last layer is the mean; beside it, a second one for σ
        del self.to_z
        self.to_sigma = self._last_layer()

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean μ and standard deviation σ > 0 for each image, both ``(N, d)``."""
        hidden = self.encoder(self._check(x, "x", IMAGE_SHAPE))
        return self.to_mu(hidden).flatten(1), softplus(self.to_sigma(hidden)).flatten(1)

    def sample(self, mu: Tensor, sigma: Tensor) -> Tensor:
        """z = μ + ε·σ, ε from the standard normal, equation (2); z = μ in ``eval()`` mode."""
        # Unchecked, so that the loss can say which term fails when σ underflows to 0, for how many
        # images.
        return Normal(mu, sigma, validate_args=False).rsample() if self.training else mu

    def encode(self, x: Tensor) -> Tensor:
        return self.sample(*self.posterior(x))

    def forward(self, x: Tensor) -> Output:
        mu, sigma = self.posterior(x)
        z = self.sample(mu, sigma)
        return Output(self.decode(z), z, mu, sigma)

    def kernels_beside_z(self) -> list[nn.Parameter]:
        return [self.to_mu.weight, self.to_sigma.weight, self.decoder[0][0].weight]


class ConvVAE(Variational, ConvAE):
    """Convolutional variational autoencoder (section 3.3, Fig. 3); parameters as for
    :class:`ConvAE`."""


def count(model: nn.Module) -> int:
    """The number of a model's parameters."""
    return sum(p.numel() for p in model.parameters())


def check_latent_dim(latent_dim):
    """Raise TypeError or ValueError unless it is an int of at least 1."""
    if not _whole(latent_dim):
        raise TypeError(f"latent_dim must be an int, got {latent_dim!r}")
    if latent_dim < 1:
        raise ValueError(f"latent_dim must be at least 1, got {latent_dim}")


def check_slope(slope):
    """Raise ValueError unless LeakyReLU can have it."""
    if not isinstance(slope, (int, float)) or isinstance(slope, bool) or not 0 <= slope < 1:
        raise ValueError(f"slope must be a number in [0, 1), got {slope!r}")


def check_maps(channels, normalised_layers):
    """Raise ValueError naming the argument that no convolutional model can have."""
    if not isinstance(channels, (tuple, list)) or len(channels) != 3 or not all(_whole(c) and c >= 1 for c in channels):
        raise ValueError(f"channels must be three positive ints (maps in layers 2, 3, 4), got {channels!r}")
    if not isinstance(normalised_layers, (tuple, list)) or not all(map(_whole, normalised_layers)) \
            or list(normalised_layers) != sorted({2, 3, 4} & set(normalised_layers)):
        raise ValueError(f"normalised_layers must be some of 2, 3, 4 in ascending order, got {normalised_layers!r}")


def _whole(value):
    return isinstance(value, int) and not isinstance(value, bool)
