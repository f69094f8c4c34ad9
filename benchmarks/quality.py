"""What the plain loop reaches at its best, and what convae's recipe reaches: test loss and
downstream metrics over seeds.

The plain loop's Adam at 1e-3, batch 128, 36 epochs is computed here with convae's layers, on one
thread, two seeds at a time: the function is the same (tests/test_layers.py), and no time is taken
from here.
"""

import json
from pathlib import Path

import torch

import convae
from benchmarks.peers import in_memory, unseen_loss
from convae._io import write_atomically
from convae.evaluation.inference import encode, reconstruct
from convae.evaluation.latent import extent, knn_accuracy
from convae.evaluation.recognition import classify, misrecognised
from convae.fast.parallel import parallel_map
from convae.recipes import Recipe
from convae.training import reproducible, train

SETTINGS = {
    "2-D VAE, squared error": {"model": "vae", "latent_dim": 2},
    "2-D VAE, cross-entropy": {"model": "vae", "latent_dim": 2, "difference": "cross_entropy"},
    "64-D VAE, squared error": {"model": "vae", "latent_dim": 64},
}
PLAIN_EPOCHS = 36
SEEDS = range(5)


def measure(folder: Path) -> dict:
    """All runs, as ``[setting][way][seed]``; what is in `folder` already is not computed again."""
    runs = [
        (setting, way, seed)
        for seed in SEEDS
        for setting in SETTINGS
        for way in ("plain", "convae")
    ]
    missing = [
        (setting, way, seed, _path(folder, setting, way, seed))
        for setting, way, seed in runs
        if not _path(folder, setting, way, seed).exists()
    ]
    parallel_map(_run, missing)
    return {
        setting: {
            way: [json.loads(_path(folder, setting, way, seed).read_text()) for seed in SEEDS]
            for way in ("plain", "convae")
        }
        for setting in SETTINGS
    }


def _path(folder, setting, way, seed):
    recipe = Recipe.from_dict({**SETTINGS[setting], "seed": seed})
    key = recipe.key if way == "convae" else f"{recipe.name}-{recipe.difference}-{seed}"
    return folder / "quality" / f"{way}-{key}.json"


def _run(setting: str, way: str, seed: int, path: Path):
    recipe = Recipe.from_dict({**SETTINGS[setting], "seed": seed})
    unseen, labels = convae.load_mnist(train=False)
    train_images, train_labels = convae.load_mnist(train=True)
    losses = []

    def on_epoch(trained):
        nonlocal model
        model = trained
        losses.append(unseen_loss(model, recipe, unseen))

    model = None
    if way == "plain":
        with reproducible(seed):
            in_memory(recipe, PLAIN_EPOCHS, on_epoch, recipe.build())
    else:
        on_epoch(train(recipe, progress=False, device="cpu").model)
    model.eval()
    torch.set_num_threads(1)
    classifier = convae.load_pretrained("classifier")
    z = encode(model, unseen)
    before, after = (
        classify(classifier, pictures) for pictures in (unseen, reconstruct(model, unseen))
    )
    result = {
        "losses": losses,
        "neighbour_accuracy": knn_accuracy(encode(model, train_images), train_labels, z, labels),
        "misrecognised": float(misrecognised(before, after).mean()),
        "extent": extent(z).width,
    }
    write_atomically(path, json.dumps(result))
    print(f"{setting}, {way}, seed {seed}: {losses[-1]:.2f}", flush=True)
