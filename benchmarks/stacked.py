"""Many models of one recipe, which differ in the seed alone, trained at once on a GPU.

One model leaves a GPU idle: starting a kernel takes longer than running it. Here M models are one
network whose layers hold the weights of M layers, and a step's kernels are recorded once (a CUDA
graph) and then replayed. The models share the images alone: each has its own initial weights, order
of images, noise and statistics, drawn as :func:`convae.train` draws them on a processor, so each
comes out as if trained alone, up to rounding.

The network is the single model's, with other layers, for M batches in a row, ``(M·B, 1, 28, 28)``;
between its layers, maps are ``(M, C, B, H, W)``. A convolution is a matrix product for each model,
of its kernels and the columns of pixels that they meet: faster here than grouped convolutions.
"""

import copy
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import attrs
import torch
from torch import Tensor, nn
from torch.func import stack_module_state
from torch.nn.functional import batch_norm, pad
from torch.optim import Adam

from convae.data import check_images, load_mnist
from convae.fast.muon import Muon, orthogonalise
from convae.losses import DIFFERENCES, kl_to_standard_normal
from convae.models import STRIDE
from convae.recipes import ConvRecipe
from convae.training import Trained, find_device, make_optimisers, make_schedule, reproducible

EAGER_STEPS = 3  # before a step is recorded: they load libraries and make the optimisers' state


class Stacked(nn.Module):
    """M layers in one: parameters and buffers of their names, each ``(M, *shape)``."""

    def __init__(self, layers: list[nn.Module]):
        super().__init__()
        parameters, buffers = stack_module_state(layers)
        for name, value in parameters.items():
            self.register_parameter(name, nn.Parameter(value.detach()))
        for name, value in buffers.items():
            self.register_buffer(name, value)


class Normalisation(Stacked):
    """M batch normalisations: one with M·C maps, so that each model has its own statistics."""

    def __init__(self, layers: list[nn.BatchNorm2d]):
        super().__init__(layers)
        self.momentum, self.eps = layers[0].momentum, layers[0].eps

    def forward(self, x: Tensor) -> Tensor:  # (M, C, B, H, W)
        own = (self.running_mean, self.running_var, self.weight, self.bias)  # each (M, C)
        y = batch_norm(x.reshape(1, self.weight.numel(), -1), *(each.view(-1) for each in own),
                       training=True, momentum=self.momentum, eps=self.eps)
        self.num_batches_tracked.add_(1)
        return y.view_as(x)


class Convolution(Stacked):
    """M convolutions with stride 2, equation (1)."""

    def __init__(self, layers: list[nn.Conv2d | nn.ConvTranspose2d]):
        super().__init__(layers)
        self.kernel, self.padding = layers[0].kernel_size[0], layers[0].padding[0]

    def forward(self, x: Tensor) -> Tensor:  # (M, I, B, H, W)
        x = pad(x, [self.padding] * 4)
        windows = x.unfold(3, self.kernel, STRIDE).unfold(4, self.kernel, STRIDE)
        images_and_pixels = windows.shape[2:5]                                   # (B, h, w)
        columns = windows.permute(0, 1, 5, 6, 2, 3, 4).flatten(1, 3).flatten(2)  # (M, I·k·k, B·h·w)
        y = torch.baddbmm(self.bias[:, :, None], self.weight.flatten(2), columns)
        return y.unflatten(2, images_and_pixels)                                 # (M, O, B, h, w)


class TransposedConvolution(Convolution):
    """M transposed convolutions: columns, which a convolution reads, are added to maps instead."""

    def forward(self, x: Tensor) -> Tensor:  # (M, I, B, h, w)
        columns = self.weight.flatten(2).mT @ x.flatten(2)                       # (M, O·k·k, B·h·w)
        windows = columns.unflatten(2, x.shape[2:]).unflatten(1, (-1, self.kernel, self.kernel))
        windows = windows.permute(0, 1, 4, 5, 6, 2, 3)                     # (M, O, B, h, w, k, k)
        y = add_windows(add_windows(windows, 4), 3)                        # (M, O, B, H, W)
        height, width = y.shape[3:]
        y = y[..., self.padding:height - self.padding, self.padding:width - self.padding]
        return y + self.bias[:, :, None, None, None]


def add_windows(windows: Tensor, axis: int) -> Tensor:
    """The adjoint of ``unfold(axis, size, STRIDE)``, which put each window's pixels on a last axis.

    Examples
    --------
    >>> add_windows(torch.ones(3, 4), 0)  # three windows of four pixels; neighbours share two
    tensor([1., 1., 2., 2., 2., 2., 1., 1.])
    """
    *shape, size = windows.shape
    shape[axis] = STRIDE * (shape[axis] - 1) + size
    return torch.ops.aten.unfold_backward(windows, shape, axis, size, STRIDE)


KINDS = {nn.Conv2d: Convolution, nn.ConvTranspose2d: TransposedConvolution,
         nn.BatchNorm2d: Normalisation}


def stack(models: list[nn.Module]) -> nn.Module:
    """One convolutional network for M batches in a row, each met by the weights of its model."""
    network = copy.deepcopy(models[0])
    for name, module in models[0].named_modules():
        for kind, stacked in KINDS.items():
            if isinstance(module, kind):
                layers = [model.get_submodule(name) for model in models]
                network.set_submodule(name, stacked(layers))

    def split(_, inputs):          # (M·B, C, H, W) to (M, C, B, H, W)
        return inputs[0].unflatten(0, (len(models), -1)).transpose(1, 2)

    def join(_, inputs, outputs):  # and back
        return outputs.transpose(1, 2).flatten(0, 1)

    to_latent = ("to_z",) if hasattr(network, "to_z") else ("to_mu", "to_sigma")
    for name in ("encoder", "decoder"):
        network.get_submodule(name).register_forward_pre_hook(split)
    for name in (*to_latent, "decoder"):
        network.get_submodule(name).register_forward_hook(join)
    return network


def unstack(network: nn.Module, models: list[nn.Module]) -> list[nn.Module]:
    """The single models with the network's weights and statistics, in ``eval()`` mode."""
    state = {name: value.cpu() for name, value in network.state_dict().items()}
    for i, model in enumerate(models):
        model.load_state_dict({name: value[i] for name, value in state.items()})
    return [model.eval() for model in models]


class StackedMuon(Muon):
    """Muon for parameters ``(M, *shape)``, of which each model's part is a matrix of its own."""

    @torch.no_grad()
    def step(self):
        (group,) = self.param_groups
        same_shape = defaultdict(list)
        for p in group["params"]:
            same_shape[p.flatten(2).shape].append(p)
        for (models, rows, columns), params in same_shape.items():
            directions = [self._direction(p, group["momentum"]).flatten(2) for p in params]
            steps = orthogonalise(torch.cat(directions)) * max(1, rows / columns) ** 0.5
            for p, step in zip(params, steps.split(models), strict=True):
                p.sub_(group["lr"] * step.view_as(p))


def stack_optimisers(network: nn.Module, model: nn.Module, recipe: ConvRecipe, steps: int):
    """The single model's optimisers for the stacked parameters, each with its rate at all steps."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    for single in make_optimisers(model, model.bottleneck_parameters(), recipe):
        parameters = [network.get_parameter(names[p]) for p in single.param_groups[0]["params"]]
        device, options = parameters[0].device, single.defaults
        rate = torch.tensor(options["lr"], device=device)  # in one place, for the recorded step
        if isinstance(single, Muon):
            optimiser = StackedMuon(parameters, rate, options["momentum"])
        else:
            optimiser = Adam(parameters, rate, options["betas"], fused=True,
                             capturable=device.type == "cuda")
        yield optimiser, torch.tensor(rates_of(single, recipe, steps), device=device)


def rates_of(optimiser, recipe: ConvRecipe, steps: int) -> list[float]:
    """The learning rate of each step, from the schedule itself; nothing is trained."""
    schedule = make_schedule(optimiser, recipe, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()  # without gradients, nothing moves
        schedule.step()
    return rates


class Training:
    """The state of M trainings, and the step that moves them on, recorded where there is a GPU.

    All that a step reads or writes, its own number included, is a tensor that stays in its place.

    Parameters
    ----------
    recipe : ConvRecipe
    models : list of Module
        M models with their initial weights.
    images : Tensor
        ``(N, 1, 28, 28)``, on the device that trains.
    """

    def __init__(self, recipe: ConvRecipe, models: list[nn.Module], images: Tensor):
        self.recipe, self.images = recipe, images
        device, steps = images.device, len(images) // recipe.batch_size
        self.network = stack(models).to(device)
        self.parameters = list(self.network.parameters())
        self.optimisers = [*stack_optimisers(
            self.network, models[0], recipe, recipe.epochs * steps)]
        shape = (steps, len(models), recipe.batch_size)
        self.order = torch.empty(shape, dtype=torch.int64, device=device)
        self.noise = torch.empty((*shape, noise_dim(recipe)), device=device)
        self.losses = torch.zeros(recipe.epochs * steps, len(models), device=device)
        self.number = torch.zeros(1, dtype=torch.int64, device=device)
        self.eager_steps = EAGER_STEPS if images.is_cuda else len(self.losses)
        self.graph = None

    def run_epoch(self, order: Tensor, noise: Tensor):
        """An epoch's steps, with what :func:`draw` drew for it; the GPU may end later."""
        self.order.copy_(order, non_blocking=True)
        self.noise.copy_(noise, non_blocking=True)
        for _ in order:
            self.run_step()

    def run_step(self):
        if self.eager_steps:
            self.eager_steps -= 1
            self.step()
            return
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=torch.cuda.current_stream()):
                self.step()
        self.graph.replay()

    def step(self):
        in_epoch = self.number % len(self.order)
        x = self.images[self.order[in_epoch].flatten()]  # (M·B, 1, 28, 28)
        noise = self.noise[in_epoch].flatten(0, 2)       # (M·B, d)
        self.network.sample = lambda mu, sigma: mu + noise * sigma
        output = self.network(x)
        by_image = DIFFERENCES[self.recipe.difference](output.reconstruction, x)
        if output.mu is not None:
            divergence = kl_to_standard_normal(output.mu, output.sigma)
            by_image = by_image + self.recipe.kl_weight * divergence
        losses = by_image.unflatten(0, (self.losses.shape[1], -1)).mean(1)  # (M,)
        # A model's loss depends on its own weights alone, so the sum's gradients are each one's.
        gradients = torch.autograd.grad(losses.sum(), self.parameters)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient.contiguous()  # fused Adam reads it as it lies in memory
        for optimiser, rates in self.optimisers:
            optimiser.param_groups[0]["lr"].copy_(rates[self.number][0])
            optimiser.step()
        self.losses.index_copy_(0, self.number, losses.detach()[None])
        self.number += 1

    def history(self) -> list[list[float]]:
        """Each model's mean loss of each epoch; ValueError if a model went astray."""
        if not all(value.isfinite().all() for value in (self.losses, *self.parameters)):
            raise ValueError(f"{self.recipe.name}: a loss or weight is not finite; "
                             "try a lower learning_rate")
        return self.losses.unflatten(0, (self.recipe.epochs, -1)).mean(1).T.tolist()


def noise_dim(recipe: ConvRecipe) -> int:
    """Length of an image's noise ε: that of z, or 0 for an autoencoder."""
    return recipe.latent_dim if recipe.model == "vae" else 0


def initialise(recipe: ConvRecipe) -> tuple[nn.Module, torch.Generator]:
    """A model's initial weights, and the generator as it stands once they are drawn."""
    with reproducible(recipe.seed):
        model = recipe.build()
        generator = torch.Generator()
        generator.set_state(torch.get_rng_state())
    return model, generator


def draw(recipe: ConvRecipe, generators, n: int, pinned: bool = False) -> tuple[Tensor, Tensor]:
    """What chance decides in an epoch over `n` images, from a generator for each model.

    Returns
    -------
    order : Tensor
        Indices of images, ``(steps, M, B)``.
    noise : Tensor
        ε of equation (2), ``(steps, M, B, d)``; d is 0 for an autoencoder.
    """
    steps, d = n // recipe.batch_size, noise_dim(recipe)
    shape = (steps, len(generators), recipe.batch_size)
    order = torch.empty(shape, dtype=torch.int64, pin_memory=pinned)
    noise = torch.empty((*shape, d), pin_memory=pinned)

    def draw_for_one(i):
        batches = torch.randperm(n, generator=generators[i]).split(recipe.batch_size)[:steps]
        order[:, i] = torch.stack(batches)
        if d:
            for of_a_step in noise[:, i]:  # one after another, as a single model's
                of_a_step.normal_(generator=generators[i])

    with ThreadPoolExecutor() as pool:
        list(pool.map(draw_for_one, range(len(generators))))
    return order, noise


def train_together(recipes: list[ConvRecipe], images: Tensor | None = None,
                   device: str = "cuda") -> list[Trained]:
    """Train a model for each recipe, all at once: up to rounding what ``train(recipe)`` gives.

    Parameters
    ----------
    recipes : list of ConvRecipe
        M recipes that differ in the seed alone.
    images : Tensor, optional
        ``(N, 1, 28, 28)`` floats in [0, 1], at least one batch; MNIST's training set if None.
    device : str
        ``"cuda"``; or ``"cpu"``, where nothing is recorded, which proves the path and is slow.

    ValueError says that the recipes differ in more, or that a model's weights are not finite.
    """
    if any(attrs.evolve(recipe, seed=recipes[0].seed) != recipes[0] for recipe in recipes):
        raise ValueError("recipes that differ in more than the seed cannot be trained together")
    x = check_images(load_mnist(train=True)[0] if images is None else images)
    device = find_device(device)
    with torch.cuda.stream(side_stream(device) if device.type == "cuda" else None):
        return _train_together(recipes, x.float().to(device))


@cache
def side_stream(device: torch.device) -> torch.cuda.Stream:
    """A stream beside the default one, where nothing can be recorded.

    One for all trainings, as cuBLAS keeps memory for each stream that it has met.
    """
    return torch.cuda.Stream(device)


def _train_together(recipes, x):
    models, generators = zip(*map(initialise, recipes), strict=True)
    training = Training(recipes[0], models, x)
    for _ in range(recipes[0].epochs):
        training.run_epoch(*draw(recipes[0], generators, len(x), pinned=x.is_cuda))
    histories = training.history()
    return [*map(Trained, unstack(training.network, models), histories)]
