"""What training minimises: difference of input and output, plus KL divergence (section 2.3).

The paper does not say which difference: we read squared error; cross-entropy is the alternative.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from convae.bounds import check
from convae.models import Output


def squared_error(reconstruction: Tensor, x: Tensor) -> Tensor:
    """Squared difference of grey levels, summed over the pixels of each image, ``(N,)``."""
    _check_same_shape(reconstruction=reconstruction, x=x)
    return (reconstruction - x).square().flatten(1).sum(1)


def cross_entropy(reconstruction: Tensor, x: Tensor) -> Tensor:
    """Binary cross-entropy in nats, summed over the pixels of each image, ``(N,)``."""
    _check_same_shape(reconstruction=reconstruction, x=x)
    nan = reconstruction.isnan()  # torch would complain of its range; the loss names the term
    by_pixel = binary_cross_entropy(reconstruction.masked_fill(nan, 0), x, reduction="none")
    return by_pixel.masked_fill(nan, torch.nan).flatten(1).sum(1)


DIFFERENCES = {"squared_error": squared_error, "cross_entropy": cross_entropy}


def kl_to_standard_normal(mu: Tensor, sigma: Tensor) -> Tensor:
    """D_KL[N(μ, σ) ‖ N(0, 1)] in closed form: equation (5), with P and Q of equation (4).

    Parameters
    ----------
    mu, sigma : Tensor
        Mean and standard deviation, both ``(N, d)``; σ > 0. The result, ``(N,)`` in nats, is
        summed over the d latent variables.

    Examples
    --------
    >>> kl_to_standard_normal(torch.tensor([[0.0, 3.0]]), torch.tensor([[1.0, 1.0]]))
    tensor([4.5000])
    """
    _check_same_shape(mu=mu, sigma=sigma)
    return ((mu.square() + sigma.square() - 1) / 2 - sigma.log()).sum(1)


def discrete_kl(p: Tensor, q: Tensor) -> Tensor:
    """Σ P(i) log(P(i) / Q(i)): equation (3), for distributions ``(K,)``; 0 where P(i) = 0."""
    _check_same_shape(p=p, q=q)
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum()


def loss(output: Output, x: Tensor, difference="squared_error", kl_weight=1.0) -> Tensor:
    """The objective: difference plus, for a VAE, weighted KL divergence; mean over the batch.

    Parameters
    ----------
    output : Output
        What the model returned for the images `x`, ``(N, 1, 28, 28)`` in [0, 1].
    difference : {"squared_error", "cross_entropy"}
    kl_weight : float
        The paper simply adds the KL divergence.

    A loss that is not finite raises ValueError, which names the term and counts the images.

    Examples
    --------
    >>> x = torch.zeros(3, 1, 28, 28)
    >>> loss(Output(x + 0.5, torch.zeros(3, 2), None, None), x)  # 28 · 28 · 0.5²
    tensor(196.)
    """
    check(difference=difference)
    by_image = {difference: DIFFERENCES[difference](output.reconstruction, x)}
    return objective(by_image, output.mu, output.sigma, kl_weight)


def objective(difference: dict[str, Tensor], mu=None, sigma=None, kl_weight=1.0) -> Tensor:
    """:func:`loss` where the `difference` of each image, ``(N,)``, by its name, is known."""
    terms = dict(difference)  # each (N,)
    if mu is not None:
        terms["KL divergence"] = kl_weight * kl_to_standard_normal(mu, sigma)
    total = sum(terms.values()).mean()
    if not total.isfinite():
        raise ValueError(f"the loss is not finite: {_culprits(terms)}")
    return total


def _culprits(terms):
    broken = {name: int((~values.isfinite()).sum()) for name, values in terms.items()}
    culprits = [f"{name} for {n} of {len(terms[name])} images" for name, n in broken.items() if n]
    return "; ".join(culprits) or "the sum overflows"


def _check_same_shape(**tensors):  # nothing is broadcast
    (a, first), (b, second) = tensors.items()
    if first.shape != second.shape:
        raise ValueError(f"{a} {tuple(first.shape)} and {b} {tuple(second.shape)} differ in shape")
