"""Muon: gradient descent with momentum whose steps are orthogonal matrices (Jordan et al. 2024).

A weight matrix's gradient is often dominated by a few directions, and a plain step hardly moves the
others. Muon replaces the step U·S·Vᵀ by U·Vᵀ, so that every direction moves as far. An exact
decomposition would be slow; a Newton–Schulz iteration, of matrix products alone, comes near enough
(https://kellerjordan.github.io/posts/muon).
"""

from collections import defaultdict

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Jordan's: five rounds bring singular values near 1
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """For parameters with two or more axes; a kernel is the matrix (first axis) × (all others).

    ``torch.optim.Muon`` takes matrices only, and one after another; here those of one shape, such
    as an encoder's layer and its mirror in the decoder, are computed together.

    Parameters
    ----------
    params : iterable of Tensor
        Each with at least two axes.
    lr : float
        At least 0: about the spectral norm of each step, times √(rows / columns) for a matrix with
        more rows than columns.
    momentum : float
        Share of the old direction that is kept, in [0, 1).

    ValueError refuses a parameter with fewer axes, or a number out of its range.
    """

    def __init__(self, params, lr: float, momentum: float = 0.9):
        if not lr >= 0 or not 0 <= momentum < 1:
            raise ValueError(f"Muon needs lr ≥ 0 and momentum in [0, 1), got {lr} and {momentum}")
        super().__init__(params, {"lr": lr, "momentum": momentum})

    def add_param_group(self, param_group):
        super().add_param_group(param_group)
        shapes = [tuple(p.shape) for p in self.param_groups[-1]["params"] if p.ndim < 2]
        if shapes:
            raise ValueError(f"Muon orthogonalises matrices; {len(shapes)} parameters are none, "
                             f"the first has shape {shapes[0]}")

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            same_shape = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    same_shape[p.flatten(1).shape].append(p)
            for (rows, columns), params in same_shape.items():
                directions = [self._direction(p, group["momentum"]).flatten(1) for p in params]
                steps = orthogonalise(torch.stack(directions)) * max(1, rows / columns) ** 0.5
                for p, step in zip(params, steps, strict=True):
                    p.sub_(step.view_as(p), alpha=group["lr"])

    def _direction(self, p, momentum):
        """The gradient, drawn towards the running mean of all gradients (Nesterov's momentum)."""
        mean = self.state[p].setdefault("momentum", torch.zeros_like(p))
        mean.lerp_(p.grad, 1 - momentum)
        return p.grad.lerp(mean, momentum)


def orthogonalise(matrices: Tensor) -> Tensor:
    """About U·Vᵀ of each matrix U·S·Vᵀ, by five rounds of a Newton–Schulz iteration.

    Of `matrices`, ``(K, rows, columns)``, singular values come between about 0.7 and 1.2, but for
    those below about 0.002 of the matrix's norm.
    """
    a, b, c = NEWTON_SCHULZ
    x = matrices / (matrices.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    for _ in range(ROUNDS):  # x ← a·x + (b·x·xᵀ + c·(x·xᵀ)²)·x
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
