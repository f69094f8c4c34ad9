"""Seconds, images and operations per second: every peer in turn, round after round, in processes of their own."""

import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch.nn.functional import conv2d

from benchmarks.peers import BATCH_SIZE, PEERS
from benchmarks.quality import SETTINGS
from convae.files import write_atomically
from convae.processes import side_by_side
from convae.recipes import Recipe
from convae.training import train

ROUNDS = 3
IMAGES = 60_000
MANY_EPOCHS = 5
ROOT = Path(__file__).parents[1]


def measure(folder: Path) -> list[dict]:
    """All rounds; finished ones are read from `folder`."""
    rounds = []
    for number in range(ROUNDS):
        path = folder / "speed" / f"round-{number}.json"
        if not path.exists():
            write_atomically(path, json.dumps(_round(number, folder)))
        rounds.append(json.loads(path.read_text()))
    return rounds


def _round(number: int, folder: Path) -> dict:
    """Every peer on every setting once, one after another; then many models at once, and the processor's peak."""
    result = {"peers": {}}
    for setting, fields in SETTINGS.items():
        for peer in PEERS:
            print(f"round {number + 1} of {ROUNDS}: {setting}, {peer}", flush=True)
            result["peers"].setdefault(setting, {})[peer] = _in_a_process(peer, Recipe(**fields, seed=number), folder)
    print(f"round {number + 1} of {ROUNDS}: two models, one after another and side by side", flush=True)
    recipes = [Recipe(**SETTINGS["2-D VAE, squared error"], seed=seed, epochs=MANY_EPOCHS) for seed in range(2)]
    result["many"] = {"one after another": _timed(lambda: [_train(r, torch.get_num_threads(), 0) for r in recipes]),
                      "side by side": _timed(lambda: side_by_side(_train, [(r, 1) for r in recipes]))}
    result["peak"] = peak()
    return result


def _in_a_process(peer: str, recipe: Recipe, folder: Path) -> dict:
    """Two epochs of a peer (the second without what comes before the first); convae's whole training."""
    command = [sys.executable, "-m", "benchmarks.worker", peer, json.dumps(recipe.to_dict()), "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{peer} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _train(recipe: Recipe, threads: int, line: int):
    train(recipe, progress=False, device="cpu", threads=threads)


def _timed(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def operations(recipe: Recipe) -> int:
    """Floating-point operations of a training step, for one image, counted from the convolutions.

    A multiplication and an addition for each weight a unit meets; forward, and twice that backward (for the weights and for
    the input), but once for the first layer, whose input needs no gradient.
    """
    forward = [2 * connections(shape) for shape in shapes(recipe)]
    return 3 * sum(forward) - forward[0]


def shapes(recipe: Recipe) -> list[tuple[int, int, int, int, int, int]]:
    """Of each convolution as one from its wide to its narrow side: maps in, maps out, kernel, stride, padding, height."""
    found = []
    model = recipe.build().eval()

    def record(layer, inputs, output):
        transposed = isinstance(layer, torch.nn.ConvTranspose2d)
        wide, maps = (output, (layer.out_channels, layer.in_channels)) if transposed else (
            inputs[0], (layer.in_channels, layer.out_channels))
        found.append((*maps, layer.kernel_size[0], layer.stride[0], layer.padding[0], wide.shape[2]))

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
    return maps_in * maps_out * kernel ** 2 * narrow ** 2


def peak(repeats: int = 30) -> dict:
    """Operations per second that oneDNN's forward convolutions reach on the paper's shapes, and a large matrix product.

    The convolutions' rate is what a training step would have if each of its passes, forward, for the weights and for
    the input, took no longer than the forward convolution of that shape, and nothing else took time.
    """
    recipe = Recipe(**SETTINGS["2-D VAE, squared error"])
    rates = {}
    threads = torch.get_num_threads()
    for count in (1, threads):
        torch.set_num_threads(count)
        seconds = 0.0
        for index, (maps_in, maps_out, kernel, stride, padding, height) in enumerate(shapes(recipe)):
            x, weight = torch.rand(BATCH_SIZE, maps_in, height, height), torch.rand(maps_out, maps_in, kernel, kernel)
            forward = _fastest(lambda x=x, w=weight, s=stride, p=padding: conv2d(x, w, None, s, p), repeats)
            seconds += forward * (2 if index == 0 else 3)
        a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
        rates[f"{count} threads"] = {
            "convolutions": BATCH_SIZE * operations(recipe) / seconds,
            "matrix product": 2 * 1024 ** 3 / _fastest(lambda a=a, b=b: a @ b, repeats)}
    torch.set_num_threads(threads)
    return rates


@torch.no_grad()
def _fastest(function, repeats):
    return min(_timed(function) for _ in range(repeats))
