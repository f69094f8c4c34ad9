"""The detector of 28 × 28 images: how far an image lies from the nearest normal ones, as the
paper's autoencoder sees them.

A variational autoencoder is trained on normal images alone, or several from different seeds. The
paper compares input and output; here that comparison is one half of what counts: the residual, with
its sign, averaged over 3 × 3 pixels. The other half are the encoder's maps of layer 3. Both
together, scaled and projected, are compared with those of normal images, and the score is the
distance to the nearest. The residual also says where an image is unusual, and finds what is wrong
in one place only.
"""

import copy
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from convae.anomaly.space import Space
from convae.data import check_images
from convae.evaluation.inference import in_batches
from convae.recipes import ConvRecipe, Recipe
from convae.training import train

# Chosen on Fashion-MNIST's training images and on digits of other sources than MNIST: see the
# README of this folder.
FLOOR = 1.0        # of the whitening of maps
AXES = 128         # principal axes that are kept
NEIGHBOURS = 5     # the nearest images whose mean distance counts
BLUR = 3           # pixels: residuals are averaged over squares of this side
SEEN = 540_000     # images that training sees in total; the number of epochs follows,
EPOCHS = (5, 400)  # within these bounds
MEMORY = 5_000     # normal images that are remembered, at most
USUAL = 0.99       # share of normal training images that score less than the scale
BATCH_SIZE = 500


class Member(NamedTuple):
    """One autoencoder of an ensemble, and what it makes of normal images.

    It computes in double precision: in single, the last digits of an image's score depend on how
    many images are scored with it and on the processor.
    """

    model: torch.nn.Module  #: in double precision; training left its weights in single
    space: Space    #: of residuals and maps
    memory: Tensor  #: normal images in it, ``(M, K)``

    @classmethod
    def remember(cls, model, images: Tensor, seed: int) -> "Member":
        """A model with what it makes of normal `images`; `seed` draws which are remembered, if they
        are many."""
        model = copy.deepcopy(model).double()
        residuals, maps = in_batches(partial(look, model), images, size=BATCH_SIZE)
        residuals, maps = residuals.flatten(1), maps.flatten(1)
        space = Space.fit(residuals, (maps, Space.whitened(maps, FLOOR)), axes=AXES)
        chosen = torch.randperm(len(maps), generator=torch.Generator().manual_seed(seed))[:MEMORY]
        features = torch.cat([residuals, maps], 1)
        return cls(model, space, space.project(features[chosen]).float())

    def distances(self, residuals: Tensor, maps: Tensor) -> Tensor:
        """Mean distance to the nearest normal images, ``(N,)``, of what :func:`look` returns."""
        features = torch.cat([residuals.flatten(1), maps.flatten(1)], 1)
        return nearest(self.memory, self.space.project(features))


class Detector:
    """Scores 28 × 28 images and shows where they differ from normal ones; made by :meth:`fit`.

    Attributes
    ----------
    members : list of Member
    recipe : Recipe
        The first member's; the others' seeds follow it.
    deviation : Tensor
        How large the averaged residual is at a pixel in normal images, ``(1, 1, 28, 28)``: the root
        of its mean square there plus that over all pixels, so that pixels at which normal images
        hardly differ do not count without limit.
    scale : Tensor
        Of each score, the 99th percentile of normal training images, ``(2,)``.
    """

    def __init__(self, members: list[Member], recipe: Recipe, deviation: Tensor, scale: Tensor):
        self.members, self.recipe, self.deviation, self.scale = members, recipe, deviation, scale

    @classmethod
    def fit(cls, images: Tensor, latent_dim: int = 16, members: int = 1, epochs: int | None = None,
            seed: int = 0, progress: bool = True) -> "Detector":
        """Train on normal images, on one thread: two gained little alone, and lost much beside
        another job.

        Parameters
        ----------
        images : Tensor
            ``(N, 1, 28, 28)`` in [0, 1], at least two.
        latent_dim : int
            Of each autoencoder; 1 to 784.
        members : int
            Autoencoders, trained from seeds that follow from `seed`; their scores are averaged. 1
            to 100.
        epochs : int, optional
            About :data:`SEEN` / N if None.
        seed : int
            0 to 2³¹ − 1.
        progress : bool
            Whether a bar is shown.

        Raises
        ------
        TypeError, ValueError
            If `images` are not images, or an argument is out of range.
        """
        check_images(images)
        if len(images) < 2:
            raise ValueError("images: at least two are needed")
        if type(members) is not int or not 1 <= members <= 100:
            raise ValueError(f"members must be a whole number from 1 to 100, got {members!r}")
        if not 0 <= seed < 2**31:
            raise ValueError(f"seed must be from 0 to {2**31 - 1:,}, got {seed}")
        if epochs is None:
            epochs = int(np.clip(round(SEEN / len(images)), *EPOCHS))
        batch_size = min(128, len(images))
        recipes = [ConvRecipe("vae", latent_dim, epochs=epochs, batch_size=batch_size, seed=each)
                   for each in seeds_of(members, seed)]
        models = [train(recipe, images, progress).model for recipe in recipes]
        return cls.of(models, recipes[0], images)

    @classmethod
    def of(cls, models: list, recipe: Recipe, images: Tensor) -> "Detector":
        """From autoencoders that were trained on normal `images`; `recipe` is the first one's."""
        members = [Member.remember(model, images, recipe.seed) for model in models]
        detector = cls(members, recipe, torch.ones(1, 1, 28, 28), torch.ones(2))
        _, residuals = in_batches(detector._compare, images, size=BATCH_SIZE)
        mean_square = residuals.square().mean(0, keepdim=True)
        detector.deviation = (mean_square + mean_square.mean()).sqrt().clamp(min=1e-6)
        to_others = [nearest(member.memory, member.memory, leave_out=1) for member in members]
        scores = sum(to_others) / len(members), _max_residuals(residuals)
        detector.scale = torch.stack([each.quantile(USUAL) for each in scores]).clamp(min=1e-6)
        return detector

    def scores(self, images: Tensor) -> Tensor:
        """Two scores of `images` ``(N, 1, 28, 28)``, ``(2, N)``, higher more anomalous: distance to
        the nearest normal images, and largest averaged residual, of either sign."""
        return in_batches(self._scores_of_batch, images, size=BATCH_SIZE).T

    def _scores_of_batch(self, images):
        looks = [look(member.model, images) for member in self.members]
        distances = [member.distances(*features)
                     for member, features in zip(self.members, looks, strict=True)]
        residuals = sum(residuals for residuals, _ in looks) / len(looks)
        return torch.stack([sum(distances) / len(distances), _max_residuals(residuals)], 1)

    def all_scores(self, images: Tensor) -> dict[str, Tensor]:
        """The two :meth:`scores`, and as ``combined`` the larger of them in units of its scale; by
        the names that records have for them, each ``(N,)``.

        The nearest normal images are near to one with a small defect, too; the largest residual
        finds it.
        """
        scores = self.scores(images)
        combined = (scores / self.scale[:, None]).amax(0)
        return {"detector": scores[0], "largest_difference": scores[1], "combined": combined}

    def explain(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What the members make of `images` on average, and by how much the images differ from it,
        both ``(N, 28, 28)``.

        Residuals have a sign, above 0 where the image is the brighter one; they are averaged over
        3 × 3 pixels, and in units of :attr:`deviation`.
        """
        repaired, residuals = in_batches(self._compare, images, size=BATCH_SIZE)
        return repaired[:, 0], (residuals / self.deviation)[:, 0]

    def _compare(self, images):
        images = images.double()
        repaired = sum(member.model(images).reconstruction for member in self.members)
        repaired = repaired / len(self.members)
        return repaired, averaged(images - repaired)

    def settings(self) -> dict:
        """What :meth:`from_tensors` needs beside the tensors, as JSON holds it."""
        return {"recipe": self.recipe.to_dict(), "members": len(self.members)}

    def tensors(self) -> dict[str, Tensor]:
        """All numbers, by name."""
        tensors = {"deviation": self.deviation, "usual": self.scale}
        for i, member in enumerate(self.members):
            model = copy.deepcopy(member.model).float()  # but for whole numbers, which stay
            parts = {"mean": member.space.mean, "axes": member.space.axes, "memory": member.memory}
            tensors |= above(above(model.state_dict(), "model.") | parts, f"{i}.")
        return {name: tensor.contiguous() for name, tensor in tensors.items()}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], settings: dict) -> "Detector":
        """The detector whose :meth:`tensors` and :meth:`settings` these are."""
        recipe, members = Recipe.from_dict(settings["recipe"]), []
        for i in range(settings["members"]):
            with torch.random.fork_rng(devices=[]):  # building draws weights that are not used
                model = recipe.build().eval()
            of_member = below(tensors, f"{i}.")
            model.load_state_dict(below(of_member, "model."))
            space = Space(of_member["mean"], of_member["axes"])
            members.append(Member(model.double(), space, of_member["memory"]))
        return cls(members, recipe, tensors["deviation"], tensors["usual"])


def above(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors with a prefix to their names."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names have the prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()
            if name.startswith(prefix)}


def seeds_of(members: int, seed: int) -> list[int]:
    """The seed of each member, the first being `seed` itself."""
    return [(seed + i * 1_000_003) % 2**31 for i in range(members)]


@torch.no_grad()
def look(model, images: Tensor) -> tuple[Tensor, Tensor]:
    """What a model in double precision makes of `images` ``(N, 1, 28, 28)``.

    Returns
    -------
    residuals : Tensor
        Input minus output, averaged, ``(N, 1, 28, 28)``.
    maps : Tensor
        The encoder's maps of layer 3 (Fig. 2), ``(N, 16, 7, 7)``.
    """
    images = images.double()
    return averaged(images - model(images).reconstruction), model.encoder[:2](images)


def averaged(residuals: Tensor) -> Tensor:
    """``(N, 1, 28, 28)``, each pixel the mean of the 3 × 3 around it."""
    return avg_pool2d(residuals, BLUR, 1, BLUR // 2)


def nearest(memory: Tensor, points: Tensor, leave_out: int = 0) -> Tensor:
    """Mean distance of `points` ``(N, K)`` to the nearest in `memory` ``(M, K)``, leaving out the
    very nearest `leave_out` (1 if `points` are those of the memory), ``(N,)``."""
    memory, points = memory.double(), points.double()
    wanted = min(NEIGHBOURS + leave_out, len(memory))
    rough = torch.cdist(points, memory)
    indices = rough.topk(wanted, largest=False).indices[:, leave_out:]  # (N, NEIGHBOURS)
    # cdist takes the root of a difference of squares, which cancels where distances are small: the
    # few that count are computed once more.
    return (points[:, None] - memory[indices]).norm(dim=2).mean(1)


def _max_residuals(residuals):
    return residuals.flatten(1).abs().amax(1)
