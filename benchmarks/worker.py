"""One peer in a process of its own: trains, and prints as JSON what was measured.

``python -m benchmarks.worker PEER RECIPE EPOCHS``, RECIPE being a recipe's fields as JSON.
"""

import importlib
import json
import resource
import sys
import time

import torch

import convae
from benchmarks.peers import IMPORTS, PEERS, unseen_loss
from convae.recipes import Recipe

UNIT = 2**20 if sys.platform == "darwin" else 2**10  # a MiB in bytes, or in KiB


def main(peer: str, recipe: str, epochs: str):
    recipe = Recipe.from_dict(json.loads(recipe))
    for module in IMPORTS.get(peer, ()):  # before the clock starts
        importlib.import_module(module)
    torch.manual_seed(recipe.seed)
    unseen, _ = convae.load_mnist(train=False)
    times, losses = [], []
    start = time.perf_counter()

    def on_epoch(model):
        nonlocal start
        times.append(time.perf_counter() - start)
        losses.append(unseen_loss(model, recipe, unseen))
        start = time.perf_counter()  # measuring the loss is not part of any peer's time

    PEERS[peer](recipe, int(epochs), on_epoch)
    print(
        json.dumps(
            {
                # of each epoch, the first with all before it; convae's: of the whole training
                "seconds": times,
                "losses": losses,
                "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
