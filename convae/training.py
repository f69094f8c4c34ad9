"""From a recipe to a trained model: the loop, and the measurement of what it reached."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import trange

from convae.data import check_images, load_mnist
from convae.fast.muon import Muon
from convae.losses import loss
from convae.recipes import Recipe


class Trained(NamedTuple):
    """What training gives: the model, in ``eval()`` mode, and the mean training loss of each
    epoch."""

    model: nn.Module
    history: list[float]


def train(recipe: Recipe, images: Tensor | None = None, progress: bool = True, bar_position: int = 0, *,
          device: str = "auto", threads: int = 1) -> Trained:
    """Train a new model; labels never enter.

    On a processor the same recipe, images and number of threads give the same bytes on the same
    machine and versions: the generator is seeded (and the caller's left as it was), and sums are
    always added in the same order.

    Parameters
    ----------
    recipe : Recipe
        All that determines the result.
    images : Tensor, optional
        ``(N, 1, 28, 28)`` floats in [0, 1], at least one batch; MNIST's 60,000 training images if
        None.
    progress : bool
        Show a bar, with the loss of the last epoch.
    bar_position : int
        The bar's line on the terminal, for several trainings side by side.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``: a GPU if there is one. Images, model and batches stay
        there.
    threads : int
        Threads that compute on a processor. For many models, one thread each and as many processes
        as cores is the fastest (:func:`convae.pretrained.train_side_by_side`); for a single one,
        more threads are.

    Returns
    -------
    Trained
        The model, on the processor, and its history.

    Raises
    ------
    TypeError, ValueError
        If `images` are not what a model takes or too few, `device` cannot be had, or the loss stops
        being finite.
    """
    x = check_images(load_mnist(train=True)[0] if images is None else images)
    device = find_device(device)
    with reproducible(recipe.seed, threads):
        x = x.float().to(device)
        model = recipe.build().to(device)

        def objective(batch: Tensor) -> Tensor:
            images = x[batch.to(device)]
            return loss(model(images), images, recipe.difference, recipe.kl_weight)

        history = minimise(objective, model, model.kernels_beside_z(), recipe, len(x), progress, bar_position)
    return Trained(model.cpu().eval(), history)


def minimise(objective: Callable[[Tensor], Tensor], model: nn.Module, apart: list[nn.Parameter], recipe, n: int,
             progress: bool = True, bar_position: int = 0) -> list[float]:
    """Train `model` for the recipe's epochs: each visits the `n` images in a new order, in full
    batches.

    Parameters
    ----------
    objective : callable
        From the indices of a batch ``(B,)`` to the loss, a scalar; ValueError if it is not finite.
    model : Module
        Whose parameters are trained.
    apart : list of Parameter
        The kernels that are Adam's although the others are Muon's.
    recipe : Recipe or ClassifierRecipe
        Optimiser, schedule, peak learning rate, epochs, batch size.

    Returns
    -------
    list of float
        The mean loss of each epoch.
    """
    batches = n // recipe.batch_size
    if not batches:
        raise ValueError(f"images: {n} are fewer than one batch of {recipe.batch_size}")
    optimisers = make_optimisers(model, apart, recipe)
    schedules = [make_schedule(optimiser, recipe, recipe.epochs * batches) for optimiser in optimisers]
    history = []
    bar = trange(recipe.epochs, desc=recipe.name, unit="epoch", disable=not progress, position=bar_position)
    for epoch in bar:
        total = 0.0
        for batch in torch.randperm(n).split(recipe.batch_size)[:batches]:
            for optimiser in optimisers:
                optimiser.zero_grad()
            try:
                value = objective(batch)
            except ValueError as error:
                raise ValueError(f"{recipe.name}, epoch {epoch + 1}: {error}; try a lower learning_rate") from error
            value.backward()
            for optimiser, schedule in zip(optimisers, schedules, strict=True):
                optimiser.step()
                schedule.step()
            total += value.item()
        history.append(total / batches)
        bar.set_postfix(loss=f"{history[-1]:.2f}")
    if not all(p.isfinite().all() for p in model.parameters()):  # the loss is checked before a step, not after the last
        raise ValueError(f"{recipe.name}: the last step left weights that are not finite; try a lower learning_rate")
    return history


def make_optimisers(model: nn.Module, apart: list[nn.Parameter], recipe) -> list[torch.optim.Optimizer]:
    """Adam for all parameters; or Muon for the kernels, and Adam for those `apart`, for biases and
    normalisations."""
    if recipe.optimiser == "adam":
        return [torch.optim.Adam(model.parameters(), recipe.learning_rate, fused=True)]
    for_adam = {id(p) for p in [*apart, *(p for p in model.parameters() if p.ndim < 2)]}
    return [Muon([p for p in model.parameters() if id(p) not in for_adam], recipe.learning_rate, recipe.momentum),
            torch.optim.Adam([p for p in model.parameters() if id(p) in for_adam], recipe.adam_share * recipe.learning_rate,
                             betas=(0.9, 0.99), fused=True)]


def make_schedule(optimiser: torch.optim.Optimizer, recipe, steps: int):
    """The learning rate over all `steps`: up to its peak and down to 0 along cosines, or
    constant."""
    if recipe.schedule == "one_cycle":
        return torch.optim.lr_scheduler.OneCycleLR(optimiser, optimiser.defaults["lr"], total_steps=steps, cycle_momentum=False)
    return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)


def find_device(name: str) -> torch.device:
    """The device of this name, ``"auto"`` being a GPU if there is one; ValueError if it cannot be
    had here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device must be auto, cpu or one that torch finds here, got {name!r}: "
                         f"{str(error).splitlines()[0]}") from None
    return device


@contextmanager
def reproducible(seed: int, threads: int = 1):
    """A seeded generator and so many threads inside; outside, both as they were."""
    threads_before, flushed_before = torch.get_num_threads(), not torch.tensor(1e-40).mul(0.5).item()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # numbers too small to matter; some processors take much longer over them
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_flush_denormal(flushed_before)
        torch.set_num_threads(threads_before)
