"""What training minimises: the difference between input and output, plus the KL divergence (section
2.3)."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from convae.models import Output

DIFFERENCES = ("squared_error", "cross_entropy")


def difference(reconstruction: Tensor, x: Tensor, kind: str = "squared_error") -> Tensor:
    """Difference between output and input, summed over the pixels of each image.

    The paper does not say which difference; the squared error is our reading, cross-entropy the
    usual alternative.

    Parameters
    ----------
    reconstruction, x : Tensor
        Images in [0, 1], both ``(N, 1, 28, 28)``.
    kind : {"squared_error", "cross_entropy"}
        Squared error in squared grey levels, or binary cross-entropy in nats.

    Returns
    -------
    Tensor
        One value an image, ``(N,)``.

    Raises
    ------
    ValueError
        If the shapes differ (nothing is broadcast) or `kind` is unknown.
    """
    _check_same_shape(reconstruction=reconstruction, x=x)
    if kind == "squared_error":
        return (reconstruction - x).square().flatten(1).sum(1)
    if kind == "cross_entropy":
        broken = reconstruction.isnan()  # stays NaN; torch's own complaint would be that it is not in [0, 1]
        value = binary_cross_entropy(reconstruction.masked_fill(broken, 0), x, reduction="none")
        return value.masked_fill(broken, torch.nan).flatten(1).sum(1)
    raise ValueError(f"difference must be one of {', '.join(DIFFERENCES)}, got {kind!r}")


def kl_to_standard_normal(mu: Tensor, sigma: Tensor) -> Tensor:
    """D_KL[N(μ, σ) ‖ N(0, 1)] in closed form: equation (5), with P and Q of equation (4).

    Parameters
    ----------
    mu, sigma : Tensor
        Mean and standard deviation, both ``(N, d)``; σ > 0.

    Returns
    -------
    Tensor
        One value an image in nats, summed over the d latent variables, ``(N,)``.

    Raises
    ------
    ValueError
        If the shapes differ: nothing is broadcast.
    """
    _check_same_shape(mu=mu, sigma=sigma)
    return ((mu.square() + sigma.square() - 1) / 2 - sigma.log()).sum(1)


def discrete_kl(p: Tensor, q: Tensor) -> Tensor:
    """Σ P(i) log(P(i) / Q(i)): equation (3). Where P(i) = 0 the term is 0.

    Parameters
    ----------
    p, q : Tensor
        Two distributions over the same states, ``(K,)``, each summing to 1.

    Raises
    ------
    ValueError
        If the shapes differ: nothing is broadcast.
    """
    _check_same_shape(p=p, q=q)
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum()


def loss(output: Output, x: Tensor, difference_kind: str = "squared_error", kl_weight: float = 1.0) -> Tensor:
    """The objective: difference plus, for a VAE, `kl_weight` times the KL divergence; mean over the
    batch.

    Parameters
    ----------
    output : Output
        What the model returned for `x`.
    x : Tensor
        The input images, ``(N, 1, 28, 28)``, in [0, 1].
    difference_kind : {"squared_error", "cross_entropy"}
        See :func:`difference`.
    kl_weight : float
        Weight of the KL term; the paper simply adds it.

    Returns
    -------
    Tensor
        A scalar.

    Raises
    ------
    ValueError
        If the loss is not finite; the message says which term and for how many images.
    """
    terms = {difference_kind: difference(output.reconstruction, x, difference_kind)}
    if output.mu is not None:
        terms["KL divergence"] = kl_weight * kl_to_standard_normal(output.mu, output.sigma)
    total = sum(terms.values()).mean()
    if not torch.isfinite(total):
        culprits = [f"{name} for {(~t.isfinite()).sum()} of {len(t)} images" for name, t in terms.items()
                    if not t.isfinite().all()]
        raise ValueError(f"the loss is not finite: {'; '.join(culprits) or 'the sum overflows'}")
    return total


def _check_same_shape(**tensors: Tensor):
    (a, first), (b, second) = tensors.items()
    if first.shape != second.shape:
        raise ValueError(f"{a} {tuple(first.shape)} and {b} {tuple(second.shape)} differ in shape")
