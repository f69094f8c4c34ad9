"""From a recipe to a trained model: the loop, and the measurement of what it reached."""

from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import trange

from convae.data import check_images, load_mnist
from convae.losses import difference, kl_to_standard_normal, loss
from convae.recipes import Recipe


class Trained(NamedTuple):
    """What training gives: the model, in ``eval()`` mode, and the mean training loss of each epoch."""

    model: nn.Module
    history: list[float]


def train(recipe: Recipe, images: Tensor | None = None, progress: bool = True, bar_position: int = 0) -> Trained:
    """Train a new model; labels never enter.

    The same recipe and images give the same bytes on the same machine and versions: the generator is seeded (and the
    caller's left as it was), and one thread computes, so that sums are always added in the same order.

    Parameters
    ----------
    recipe : Recipe
        All that determines the result.
    images : Tensor, optional
        ``(N, 1, 28, 28)`` floats in [0, 1], at least one batch; MNIST's 60,000 training images if None.
    progress : bool
        Show a bar, with the loss of the last epoch.
    bar_position : int
        The bar's line on the terminal, for several trainings side by side.

    Returns
    -------
    Trained
        The model and its history.

    Raises
    ------
    TypeError, ValueError
        If `images` are not what a model takes or too few, or the loss stops being finite.
    """
    x = load_mnist(train=True)[0] if images is None else images
    x = check_images(x).float().contiguous(memory_format=torch.channels_last)
    batches = len(x) // recipe.batch_size
    if not batches:
        raise ValueError(f"images: {len(x)} are fewer than one batch of {recipe.batch_size}")
    history = []
    with reproducible(recipe.seed):
        model = recipe.build().to(memory_format=torch.channels_last)
        optimiser, schedule = make_optimiser(model, recipe, steps=recipe.epochs * batches)
        bar = trange(recipe.epochs, desc=recipe.name, unit="epoch", disable=not progress, position=bar_position)
        for epoch in bar:
            total = 0.0
            for batch in torch.randperm(len(x)).split(recipe.batch_size)[:batches]:
                optimiser.zero_grad()
                try:
                    value = loss(model(x[batch]), x[batch], recipe.difference, recipe.kl_weight)
                except ValueError as error:
                    raise ValueError(f"{recipe.name}, epoch {epoch + 1}: {error}; try a lower learning_rate") from error
                value.backward()
                optimiser.step()
                schedule.step()
                total += value.item()
            history.append(total / batches)
            bar.set_postfix(loss=f"{history[-1]:.2f}")
    if not all(p.isfinite().all() for p in model.parameters()):  # the loss is checked before a step, not after the last
        raise ValueError(f"{recipe.name}: the last step left weights that are not finite; try a lower learning_rate")
    return Trained(model.to(memory_format=torch.contiguous_format).eval(), history)


def make_optimiser(model: nn.Module, recipe, steps: int):
    """Adam, and its schedule over all `steps`, as the recipe says."""
    optimiser = torch.optim.Adam(model.parameters(), recipe.learning_rate, fused=True)
    if recipe.schedule == "one_cycle":
        return optimiser, torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=steps)
    return optimiser, torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)


@contextmanager
def reproducible(seed: int):
    """A seeded generator and one thread inside; outside, both as they were."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # numbers too small to matter, but a hundred times slower to add
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


@torch.no_grad()
def unseen_metrics(model: nn.Module, recipe: Recipe, images: Tensor) -> dict[str, float]:
    """The objective on images not trained on, z sampled once as in training (seeded by the recipe).

    Returns
    -------
    dict
        ``difference`` and ``kl_divergence`` (0 for an autoencoder), means over the images, and ``loss``.
    """
    terms = {"difference": 0.0, "kl_divergence": 0.0}
    with reproducible(recipe.seed):
        for x in images.split(1000):
            if recipe.model == "vae":
                mu, sigma = model.posterior(x)
                z = torch.distributions.Normal(mu, sigma).sample()
                terms["kl_divergence"] += kl_to_standard_normal(mu, sigma).sum().item() / len(images)
            else:
                z = model.encode(x)
            terms["difference"] += difference(model.decode(z), x, recipe.difference).sum().item() / len(images)
    return {"loss": terms["difference"] + recipe.kl_weight * terms["kl_divergence"], **terms}
