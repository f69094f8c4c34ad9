"""Trained models on disk: ``NAME.safetensors`` and, beside it, its card ``NAME.json``.

The shipped ones lie in ``weights/``; what a notebook trains goes to the cache. A card has recipe,
data's checksums, versions, training curve, test metrics, and the SHA-256 of the weights.
"""

import hashlib
import json
import os
import platform
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from convae._io import cache_dir, write_atomically
from convae.data import load_mnist
from convae.data.download import MD5
from convae.evaluation.classifier import ClassifierRecipe, accuracy, train_classifier
from convae.evaluation.inference import evaluate
from convae.fast.parallel import parallel_map
from convae.models import count
from convae.recipes import Recipe
from convae.training import train

SHIPPED = ("conv_ae_2d", "conv_ae_3d", "conv_ae_64d",
           "conv_vae_2d", "conv_vae_3d", "conv_vae_64d", "classifier")


def weights_dir() -> Path:
    """The folder of the shipped weights, or ``CONVAE_WEIGHTS``."""
    return Path(os.environ.get("CONVAE_WEIGHTS") or Path(__file__).with_name("weights"))


def shipped_recipe(name: str) -> Recipe | ClassifierRecipe:
    """The recipe of a shipped model; ValueError lists the names if there is none of that name."""
    if name not in SHIPPED:
        raise ValueError(f"no model named {name!r} is shipped; the names are {', '.join(SHIPPED)}")
    return ClassifierRecipe() if name == "classifier" else Recipe.from_name(name)


def load_pretrained(name: str) -> nn.Module:
    """A shipped model in ``eval()`` mode, such as ``conv_vae_64d``, or ``classifier``.

    ValueError lists the names if there is none of that name, or says what is wrong with its files.

    Examples
    --------
    >>> load_pretrained("conv_vae_3d").decode(torch.zeros(1, 3)).shape
    torch.Size([1, 1, 28, 28])
    """
    shipped_recipe(name)
    return load(weights_dir(), name)


def load_card(name: str) -> dict:
    """The card of a shipped model."""
    shipped_recipe(name)
    return _read_card(weights_dir() / f"{name}.json")


def load_or_train(*recipes: Recipe) -> list[nn.Module]:
    """The models of these recipes: shipped, cached, or trained now, in about a minute each."""
    jobs = [(recipe, *_place(recipe)) for recipe in recipes]
    missing = [job for job in jobs if not (job[1] / f"{job[2]}.json").exists()]
    if missing:
        train_side_by_side(missing)
    return [load(folder, name) for _, folder, name in jobs]


def train_and_save(recipe, folder: Path, name: str | None = None, progress: bool = True) -> Path:
    """Train a model; write it, then its card, each whole or not at all; give the card's path."""
    if isinstance(recipe, ClassifierRecipe):
        model, history = train_classifier(recipe, progress)
        metrics = {"accuracy": accuracy(model, *load_mnist(train=False))}
    else:
        model, history = train(recipe, None, progress, device="cpu")  # a GPU gives other bytes
        metrics = evaluate(model, recipe, load_mnist(train=False)[0])
    content = safetensors.torch.save({key: t.contiguous() for key, t in model.state_dict().items()})
    card = {  # written last: it vouches for the weights
        "name": recipe.name,
        "recipe": recipe.to_dict(),
        "parameters": count(model),
        "sha256": hashlib.sha256(content).hexdigest(),
        "test": {metric: round(value, 4) for metric, value in metrics.items()},
        "training_loss_by_epoch": [round(value, 4) for value in history],
        "data_md5": MD5,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    name = name or recipe.name
    write_atomically(folder / f"{name}.safetensors", content)
    return write_atomically(folder / f"{name}.json", json.dumps(card, indent=1) + "\n")


def train_shipped(folder: Path, names=SHIPPED):
    """Train shipped models into `folder`, but for those that an interrupted run left there."""
    recipes = [shipped_recipe(name) for name in names]
    train_side_by_side([(r, folder, r.name) for r in recipes if not _is_trained(r, folder)])


def train_side_by_side(jobs: list[tuple[Recipe | ClassifierRecipe, Path, str]]):
    """Train and save each (recipe, folder, file name): one process a core, with one thread each."""
    load_mnist(train=True)  # fetched once, before the processes need it
    longest_first = sorted(jobs, key=lambda job: (job[0].name != "classifier", -job[0].epochs))
    parallel_map(train_and_save, longest_first)


def load(folder: Path, name: str) -> nn.Module:
    """The model in ``eval()`` mode, with ``.card``; ValueError if a file is missing or damaged."""
    card = _read_card(folder / f"{name}.json")
    path = folder / f"{name}.safetensors"
    content = _read("weights", path)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != card["sha256"]:
        remedy = "delete both files, and the model is trained again"
        if folder == weights_dir():
            remedy = "restore it (git checkout) or train it again (python -m convae reproduce)"
        raise ValueError(f"weights {path} have SHA-256 {sha256}, but their card says "
                         f"{card['sha256']}: {remedy}")
    kind = ClassifierRecipe if card["name"] == "classifier" else Recipe
    with torch.random.fork_rng(devices=[]):  # building draws initial weights, of no use here
        model = kind.from_dict(card["recipe"]).build()
    model.load_state_dict(safetensors.torch.load(content))
    model.card = card
    return model.eval()


def _place(recipe: Recipe) -> tuple[Path, str]:  # folder and file name
    if recipe.name in SHIPPED and _is_trained(recipe, weights_dir()):
        return weights_dir(), recipe.name
    return cache_dir() / "models", f"{recipe.name}-{recipe.key}"


def _is_trained(recipe, folder: Path) -> bool:
    path = folder / f"{recipe.name}.json"
    return path.exists() and _read_card(path)["recipe"] == recipe.to_dict()


def _read(what: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{what} {path} cannot be read: {error.strerror}") from None


def _read_card(path: Path) -> dict:
    content = _read("card", path)
    try:
        card = json.loads(content)
    except ValueError as error:
        raise ValueError(f"card {path} is not JSON: {error}") from None
    if not isinstance(card, dict) or not {"name", "recipe", "sha256"} <= card.keys():
        raise ValueError(f"card {path} has no name, recipe or sha256")
    return card
