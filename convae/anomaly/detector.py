"""The detector of 28 × 28 images: how far an image's feature maps lie from those of the nearest normal ones.

A few of the paper's variational autoencoders are trained on normal images alone, from different seeds. Each one's encoder
turns an image into the maps of layer 3; they are compared with the maps of the normal images, in these maps' own spread (a
regularised Mahalanobis distance). The score is the distance to the nearest. What the decoders make of the image says where
it differs.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from convae.anomaly.gaussian import Gaussian
from convae.data import check_images
from convae.recipes import Recipe
from convae.training import train

FLOOR = 1.0        # this and the next two were chosen on Fashion-MNIST's training images and other digits: see the README
AXES = 128
NEIGHBOURS = 2
MEMORY = 5_000     # normal images that are remembered, at most
SEEN = 180_000     # images that training sees, each as often as it takes
EPOCHS = (5, 400)  # but no fewer and no more epochs than these
BLUR = 3           # pixels: differences are averaged over so many squared
_AT_ONCE = 500


class Member(NamedTuple):
    """One autoencoder, and what it made of the normal images."""

    model: torch.nn.Module
    spread: Gaussian  #: of the normal images' maps
    memory: Tensor    #: their whitened maps, ``(M, K)``

    @classmethod
    def remember(cls, model, images: Tensor, seed: int) -> "Member":
        """A model with the maps that it makes of normal `images`; `seed` draws which are remembered, if they are many."""
        maps = torch.cat([layer3(model, part) for part in images.split(_AT_ONCE)])
        spread = Gaussian.fit(maps, FLOOR, AXES)
        chosen = torch.randperm(len(maps), generator=torch.Generator().manual_seed(seed))[:MEMORY]
        return cls(model, spread, spread.whiten(maps[chosen]))

    @torch.no_grad()
    def distances(self, images: Tensor) -> Tensor:
        """Mean distance to the nearest normal images, ``(N,)``."""
        maps = self.spread.whiten(layer3(self.model, images))  # in double precision: the squares of small distances cancel
        nearest = torch.cdist(maps.double(), self.memory.double()).topk(min(NEIGHBOURS, len(self.memory)), largest=False)
        return nearest.values.mean(1)


class Detector:
    """Scores 28 × 28 images and shows where they differ from normal ones; made by :meth:`fit`.

    Attributes
    ----------
    members : list of Member
    recipe : Recipe
        The first member's; the others' seeds follow it.
    deviation : Tensor
        Standard deviation of the averaged difference of input and output in normal images, ``(1, 1, 28, 28)``.
    """

    def __init__(self, members: list[Member], recipe: Recipe, deviation: Tensor):
        self.members, self.recipe, self.deviation = members, recipe, deviation

    @classmethod
    def fit(cls, images: Tensor, latent_dim: int = 16, members: int = 3, epochs: int | None = None, seed: int = 0,
            progress: bool = True, threads: int = 1) -> "Detector":
        """Train on normal images.

        Parameters
        ----------
        images : Tensor
            ``(N, 1, 28, 28)`` in [0, 1], at least two.
        latent_dim : int
            Of each autoencoder.
        members : int
            Autoencoders, trained from seeds that follow from `seed`; their scores are averaged.
        epochs : int, optional
            About :data:`SEEN` / N if None.
        threads : int
            As for :func:`convae.training.train`.

        Raises
        ------
        TypeError, ValueError
            If `images` are none, or an argument is out of range.
        """
        check_images(images)
        if len(images) < 2:
            raise ValueError("images: at least two are needed")
        if isinstance(members, bool) or not isinstance(members, int) or not 1 <= members <= 100:
            raise ValueError(f"members must be a whole number from 1 to 100, got {members!r}")
        if epochs is None:
            epochs = min(max(round(SEEN / len(images)), EPOCHS[0]), EPOCHS[1])
        batch_size = min(128, len(images))
        recipes = [Recipe("vae", latent_dim, epochs=epochs, batch_size=batch_size, seed=(seed + i * 1_000_003) % 2**31)
                   for i in range(members)]
        models = [train(recipe, images, progress, threads=threads).model for recipe in recipes]
        return cls.of(models, recipes[0], images)

    @classmethod
    def of(cls, models: list, recipe: Recipe, images: Tensor) -> "Detector":
        """From autoencoders that were trained on normal `images`; `recipe` is the first one's."""
        members = [Member.remember(model, images, recipe.seed) for model in models]
        detector = cls(members, recipe, torch.ones(1, 1, 28, 28))
        differences = torch.cat([detector._compare(part)[1] for part in images.split(_AT_ONCE)])
        deviation = differences.square().mean(0, keepdim=True)
        detector.deviation = (deviation + deviation.mean()).sqrt().clamp(min=1e-6)
        return detector

    def scores(self, images: Tensor) -> Tensor:
        """How unusual each of `images` ``(N, 1, 28, 28)`` is, ``(N,)``: higher is more anomalous."""
        return torch.cat([sum(member.distances(part) for member in self.members) / len(self.members)
                          for part in images.split(_AT_ONCE)])

    def explain(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What the members make of `images` on average, and by how much the images differ from it, both ``(N, 28, 28)``.

        Differences have a sign, above 0 where the image is the brighter one; they are averaged over 3 × 3 pixels, and in units
        of what is usual at their place in normal images.
        """
        found = [self._compare(part) for part in images.split(_AT_ONCE)]
        repaired, differences = (torch.cat(each) for each in zip(*found, strict=True))
        return repaired[:, 0], (differences / self.deviation)[:, 0]

    @torch.no_grad()
    def _compare(self, images):
        repaired = sum(member.model(images).reconstruction for member in self.members) / len(self.members)
        return repaired, avg_pool2d(images - repaired, BLUR, 1, BLUR // 2)

    def settings(self) -> dict:
        """What :meth:`from_tensors` needs beside the tensors, as JSON holds it."""
        return {"recipe": self.recipe.to_dict(), "members": len(self.members)}

    def tensors(self) -> dict[str, Tensor]:
        """All numbers, by name."""
        found = {"deviation": self.deviation}
        for i, member in enumerate(self.members):
            found |= {f"{i}.model.{name}": tensor for name, tensor in member.model.state_dict().items()}
            found |= {f"{i}.mean": member.spread.mean, f"{i}.axes": member.spread.axes, f"{i}.memory": member.memory}
        return {name: tensor.contiguous() for name, tensor in found.items()}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], settings: dict) -> "Detector":
        """The detector whose :meth:`tensors` and :meth:`settings` these are."""
        recipe, members = Recipe.from_dict(settings["recipe"]), []
        for i in range(settings["members"]):
            with torch.random.fork_rng(devices=[]):  # building draws initial weights, of no use here
                model = recipe.build().eval()
            start = f"{i}.model."
            model.load_state_dict({name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)})
            members.append(Member(model, Gaussian(tensors[f"{i}.mean"], tensors[f"{i}.axes"]), tensors[f"{i}.memory"]))
        return cls(members, recipe, tensors["deviation"])


@torch.no_grad()
def layer3(model, images: Tensor) -> Tensor:
    """The encoder's maps of layer 3 (Fig. 2) of `images` ``(N, 1, 28, 28)``, flattened: ``(N, 784)``."""
    return model.encoder[:2](images).flatten(1)
