"""From a recipe to a trained model."""

from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import ConstantLR, OneCycleLR
from tqdm import trange

from convae.data import check_images, load_mnist
from convae.fast import compiled
from convae.fast.muon import Muon
from convae.losses import loss, objective
from convae.recipes import Recipe


class Trained(NamedTuple):
    """A trained model, in ``eval()`` mode, and the mean training loss of each epoch."""

    model: nn.Module
    history: list[float]


def train(recipe: Recipe, images: Tensor | None = None, progress: bool = True, *,
          device: str = "auto", threads: int = 1) -> Trained:
    """Train a new model; labels never enter.

    On a processor the same recipe, images and threads give the same bytes on the same machine and
    versions: the generator is seeded, and sums are added in a fixed order.

    Parameters
    ----------
    recipe : Recipe
        All that determines the result.
    images : Tensor, optional
        ``(N, 1, 28, 28)`` floats in [0, 1], at least one batch; MNIST's training set if None.
    progress : bool
        Whether to show a bar, with the loss of the last epoch.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``: a GPU if there is one.
    threads : int
        Threads that compute on a processor; more are faster for a single model.

    TypeError or ValueError says which argument is wrong, or that the loss is not finite.

    Examples
    --------
    >>> recipe = Recipe.from_name("conv_vae_2d", epochs=1, batch_size=8)
    >>> model, history = train(recipe, torch.rand(16, 1, 28, 28), progress=False, device="cpu")
    >>> len(history), model.training
    (1, False)
    """
    x = check_images(load_mnist(train=True)[0] if images is None else images)
    device = find_device(device)
    with reproducible(recipe.seed, threads):
        x = x.float().to(device)           # (N, 1, 28, 28)
        model = recipe.build().to(device)

        step = None                            # the same, compiled, where that is possible
        if recipe.architecture == "conv" and device.type == "cpu":
            step = compiled(model.train(), recipe.difference, threads, progress)
        if step:                               # what is left to torch is too little to share
            torch.set_num_threads(1)

        def value(batch: Tensor) -> Tensor:    # of indices (B,) the loss
            images = x[batch.to(device)]       # (B, 1, 28, 28)
            if step is None:
                return loss(model(images), images, recipe.difference, recipe.kl_weight)
            difference, *posterior = step(images)
            terms = {recipe.difference: difference}
            return objective(terms, *posterior, kl_weight=recipe.kl_weight)

        history = fit(model, value, len(x), recipe, model.bottleneck_parameters(), progress)
    return Trained(model.cpu().eval(), history)


def fit(model: nn.Module, objective: Callable[[Tensor], Tensor], n: int, recipe,
        adam_params: Iterable[nn.Parameter] = (), progress: bool = True) -> list[float]:
    """Train `model` for the recipe's epochs, and return the mean loss of each.

    Parameters
    ----------
    objective : callable
        From the indices of a batch, ``(B,)``, to the loss; ValueError if it is not finite.
    n : int
        Number of images; each epoch visits them in a new order.
    recipe : Recipe or ClassifierRecipe
        Optimiser, schedule, peak learning rate, epochs, batch size.
    adam_params : iterable of Parameter
        Kernels that Adam trains although Muon trains the others.
    """
    steps = n // recipe.batch_size  # only full batches: the rest waits for another epoch
    if not steps:
        raise ValueError(f"images: {n} are fewer than one batch of {recipe.batch_size}")
    optimisers = make_optimisers(model, adam_params, recipe)
    schedules = [make_schedule(o, recipe, recipe.epochs * steps) for o in optimisers]
    history = []
    bar = trange(recipe.epochs, desc=recipe.name, unit="epoch", disable=not progress)
    for epoch in bar:
        total = 0.0
        for batch in torch.randperm(n).split(recipe.batch_size)[:steps]:
            try:
                value = objective(batch)
            except ValueError as error:
                raise ValueError(f"{recipe.name}, epoch {epoch + 1}: {error}; "
                                 "try a lower learning_rate") from error
            model.zero_grad()
            value.backward()
            for stepper in (*optimisers, *schedules):
                stepper.step()
            total += value.item()
        history.append(total / steps)
        bar.set_postfix(loss=f"{history[-1]:.2f}")
    # The loss is checked before each step, and so would miss what the last step broke.
    if not all(p.isfinite().all() for p in model.parameters()):
        raise ValueError(f"{recipe.name}: weights are not finite; try a lower learning_rate")
    return history


def make_optimisers(model: nn.Module, adam_params: Iterable[nn.Parameter], recipe) -> list:
    """Adam for all; or Muon for the kernels, and Adam for biases, norms and `adam_params`."""
    rate = recipe.learning_rate
    if recipe.optimiser == "adam":
        return [Adam(model.parameters(), rate, fused=True)]
    adams = {*adam_params, *(p for p in model.parameters() if p.ndim < 2)}
    muons = [p for p in model.parameters() if p not in adams]
    adams = [p for p in model.parameters() if p in adams]
    return [Muon(muons, rate, recipe.momentum),
            Adam(adams, recipe.adam_share * rate, betas=(0.9, 0.99), fused=True)]


def make_schedule(optimiser, recipe, steps: int):
    """The learning rate over all `steps`: constant, or along cosines to its peak and down to 0."""
    if recipe.schedule == "constant":
        return ConstantLR(optimiser, factor=1.0)
    return OneCycleLR(optimiser, optimiser.defaults["lr"], total_steps=steps, cycle_momentum=False)


def find_device(name: str) -> torch.device:
    """The device of this name, ``"auto"`` being a GPU if there is one; else ValueError."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError("device must be auto, cpu or one that torch finds here, "
                         f"got {name!r}: {reason}") from None


@contextmanager
def reproducible(seed: int, threads: int = 1):
    """Seed torch's generator and set its threads inside; outside, both are as they were."""
    threads_before = torch.get_num_threads()
    flushed_before = torch.tensor(1e-40).mul(0.5).item() == 0
    torch.set_num_threads(threads)
    # Numbers below 1e-38 do not matter here, and some processors take much longer over them.
    torch.set_flush_denormal(True)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_flush_denormal(flushed_before)
        torch.set_num_threads(threads_before)
