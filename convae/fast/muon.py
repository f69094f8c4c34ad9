"""Muon: gradient descent with momentum whose every step, as a matrix, is made orthogonal (Jordan et
al. 2024)."""

from collections import defaultdict

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Jordan's coefficients: in five rounds every singular value comes near 1
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """For parameters with two or more axes; a kernel counts as the matrix (first axis) × (all
    others).

    ``torch.optim.Muon`` takes matrices only, and one after another; here those of one shape, such
    as an encoder's layer and its mirror in the decoder, are computed together.

    Parameters
    ----------
    params : iterable of Tensor
        Each with at least two axes.
    lr : float
        Length of a step, at least 0: about the spectral norm of what is added to each matrix, times
        √(rows / columns) where it has more rows than columns.
    momentum : float
        Share of the old direction that is kept, in [0, 1).

    Raises
    ------
    ValueError
        If a parameter has fewer than two axes, or a number is out of its range.
    """

    def __init__(self, params, lr: float, momentum: float = 0.9):
        if not lr >= 0 or not 0 <= momentum < 1:
            raise ValueError(f"Muon needs lr ≥ 0 and momentum in [0, 1), got {lr} and {momentum}")
        super().__init__(params, {"lr": lr, "momentum": momentum})

    def add_param_group(self, param_group):
        super().add_param_group(param_group)
        if vectors := [tuple(p.shape) for p in self.param_groups[-1]["params"] if p.ndim < 2]:
            raise ValueError(f"Muon orthogonalises matrices; {len(vectors)} parameters are none, the first has shape "
                             f"{vectors[0]}")

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            alike = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    alike[p.flatten(1).shape].append(p)
            for (rows, columns), parameters in alike.items():
                directions = torch.stack([self._direction(p, group["momentum"]).flatten(1) for p in parameters])
                steps = orthogonalise(directions) * max(1, rows / columns) ** 0.5
                for p, step in zip(parameters, steps, strict=True):
                    p.sub_(step.view_as(p), alpha=group["lr"])

    def _direction(self, p, momentum):
        """The gradient, drawn towards the running mean of all gradients so far (Nesterov's
        momentum)."""
        mean = self.state[p].setdefault("momentum", torch.zeros_like(p))
        mean.lerp_(p.grad, 1 - momentum)
        return p.grad.lerp(mean, momentum)


def orthogonalise(matrices: Tensor) -> Tensor:
    """About U·Vᵀ of each matrix U·S·Vᵀ, by five rounds of a Newton–Schulz iteration.

    Parameters
    ----------
    matrices : Tensor
        ``(K, rows, columns)``.

    Returns
    -------
    Tensor
        The same shape; singular values between about 0.7 and 1.2, but for those below about 0.002
        of the matrix's norm.
    """
    a, b, c = NEWTON_SCHULZ
    x = matrices / (matrices.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
