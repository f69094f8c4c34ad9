"""Seconds, images and operations per second: every peer in turn, round after round, in processes of
their own."""

import json
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import torch
from torch.nn.functional import conv2d, conv_transpose2d

from benchmarks.peers import PEERS
from benchmarks.quality import SETTINGS
from convae._io import write_atomically
from convae.fast.parallel import parallel_map
from convae.recipes import Recipe
from convae.training import train

ROUNDS = 3
IMAGES = 60_000
IN_EVERY_SETTING = (
    "plain",
    "pythae",
    "convae",
)  # the others in the first only: their epochs take as long in all
MANY, MANY_EPOCHS = 4, 4  # models trained at once, and for how long
ROOT = Path(__file__).parents[1]


def measure(folder: Path) -> list[dict]:
    """All rounds; what is in `folder` already is not measured again."""
    return [_round(number, folder / "speed") for number in range(ROUNDS)]


def _round(number: int, folder: Path) -> dict:
    """Every peer once, on every setting or on the first; then many models at once, and what the
    processor can do."""
    first = next(iter(SETTINGS))
    peers = {
        setting: {
            peer: _once(
                folder,
                f"{number}-{peer}-{Recipe.from_dict(fields).key}",
                lambda p=peer, f={**fields, "seed": number}: _in_a_process(p, Recipe.from_dict(f)),
            )
            for peer in (PEERS if setting == first else IN_EVERY_SETTING)
        }
        for setting, fields in SETTINGS.items()
    }
    many = {**SETTINGS[first], "epochs": MANY_EPOCHS}
    recipes = [Recipe.from_dict({**many, "seed": seed}) for seed in range(MANY)]
    return {
        "peers": peers,
        "many": _once(folder, f"{number}-many-{recipes[0].key}", lambda: _many(recipes)),
        "peak": _once(folder, f"{number}-peak", peak),
        "passes": _once(folder, f"{number}-passes", passes),
    }


def _once(folder: Path, name: str, function):
    """What `function` gives, or gave when this was called before, in a run that was interrupted."""
    path = folder / f"{name}.json"
    if not path.exists():
        print(f"measuring {name}", flush=True)
        write_atomically(path, json.dumps(function()))
    return json.loads(path.read_text())


def _many(recipes: list[Recipe]) -> dict:
    """Seconds that several models take; side by side, starting the processes is part of it."""
    return {
        "one after another, all cores": _timed(
            lambda: [_train(r, torch.get_num_threads()) for r in recipes]
        ),
        "one after another, one core": len(recipes) * _timed(lambda: _train(recipes[0], 1)),
        "side by side": _timed(lambda: parallel_map(_train, [(r, 1) for r in recipes])),
    }


def _in_a_process(peer: str, recipe: Recipe) -> dict:
    """Two epochs of a peer (the second without what comes before the first); convae's whole
    training."""
    command = [sys.executable, "-m", "benchmarks.worker", peer, json.dumps(recipe.to_dict()), "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{peer} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _train(recipe: Recipe, threads: int):
    train(recipe, progress=False, device="cpu", threads=threads)


def _timed(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def operations(recipe: Recipe) -> int:
    """Floating-point operations of a training step, for one image, counted from the convolutions.

    A multiplication and an addition for each weight a unit meets; forward, and twice that backward
    (for the weights and for the input), but once for the first layer, whose input needs no
    gradient.
    """
    forward = [2 * connections(shape) for shape in shapes(recipe)]
    return 3 * sum(forward) - forward[0]


def shapes(recipe: Recipe) -> list[tuple[int, int, int, int, int, int]]:
    """Of each convolution as one from its wide to its narrow side: maps in, maps out, kernel,
    stride, padding, height."""
    found = []
    model = recipe.build().eval()

    def record(layer, inputs, output):
        transposed = isinstance(layer, torch.nn.ConvTranspose2d)
        wide, maps = (
            (output, (layer.out_channels, layer.in_channels))
            if transposed
            else (inputs[0], (layer.in_channels, layer.out_channels))
        )
        found.append(
            (*maps, layer.kernel_size[0], layer.stride[0], layer.padding[0], wide.shape[2])
        )

    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            module.register_forward_hook(record)
    with torch.no_grad():
        model(torch.zeros(1, 1, 28, 28))
    return found


def connections(shape) -> int:
    """Weights met by all units of the narrow side."""
    maps_in, maps_out, kernel, stride, padding, height = shape
    narrow = (height + 2 * padding - kernel) // stride + 1
    return maps_in * maps_out * kernel**2 * narrow**2


def peak(repeats: int = 30) -> dict:
    """Operations per second on all cores: oneDNN's forward convolutions of the paper's shapes, and
    a large matrix product.

    The convolutions' rate is what a training step would have if each of its passes, forward, for
    the weights and for the input, took no longer than the forward convolution of that shape, and
    nothing else took time.
    """
    recipe = Recipe.from_dict(SETTINGS["2-D VAE, squared error"])
    seconds = 0.0
    for index, shape in enumerate(shapes(recipe)):
        x, weight = _operands(shape, recipe.batch_size)
        forward = _fastest(lambda x=x, w=weight, s=shape: conv2d(x, w, None, s[3], s[4]), repeats)
        seconds += forward * (2 if index == 0 else 3)
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    return {
        "convolutions": recipe.batch_size * operations(recipe) / seconds,
        "matrix product": 2 * 1024**3 / _fastest(lambda: a @ b, repeats),
    }


def passes(repeats: int = 30) -> dict:
    """Operations per second on one core, by PyTorch and by convae, of convolutions ("forward"),
    transposed ones and gradients of weights.

    For each of the three shapes between image and layer 4.
    """
    recipe = Recipe.from_dict(SETTINGS["2-D VAE, squared error"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rates = defaultdict(list)
    for shape in shapes(recipe)[:3]:
        work = 2 * recipe.batch_size * connections(shape)
        for name, function in _passes(shape, recipe.batch_size).items():
            rates[name].append(work / _fastest(function, repeats))
    torch.set_num_threads(threads)
    return dict(rates)


def _passes(shape, batch_size) -> dict:
    """Each pass of this shape as a function, by name."""
    *_, stride, padding, _ = shape
    wide, weight = _operands(shape, batch_size)
    narrow = conv2d(wide, weight, None, stride, padding)
    options = [stride, stride], [padding, padding], [1, 1], False, [0, 0], 1, [False, True, False]
    weights = torch.ops.aten.convolution_backward
    return {
        "forward": lambda: conv2d(wide, weight, None, stride, padding),
        "transposed, PyTorch": lambda: conv_transpose2d(narrow, weight, None, stride, padding),
        "weights, PyTorch": lambda: weights(narrow, wide, weight, None, *options),
        **_compiled_passes(wide, narrow, weight, padding),
    }


def _compiled_passes(wide, narrow, weight, padding) -> dict:
    """The same by convae's kernels, with the images as the last axis."""
    from convae.fast.calls import (  # needs Halide
        as_it_is,
        convolution,
        transposed_convolution,
        weight_gradient,
    )

    wide, narrow = (maps.permute(1, 2, 3, 0).contiguous() for maps in (wide, narrow))
    x, g = as_it_is(wide), as_it_is(narrow)
    return {
        "forward, convae": convolution(x, weight, padding, torch.empty_like(narrow)),
        "transposed, convae": transposed_convolution(g, weight, padding, torch.empty_like(wide)),
        "weights, convae": weight_gradient(x, g, padding, torch.empty_like(weight)),
    }


def _operands(shape, batch_size) -> tuple[torch.Tensor, torch.Tensor]:
    maps_in, maps_out, kernel, _, _, height = shape
    return torch.rand(batch_size, maps_in, height, height), torch.rand(
        maps_out, maps_in, kernel, kernel
    )


@torch.no_grad()
def _fastest(function, repeats):
    return min(_timed(function) for _ in range(repeats))
