"""A small convolutional classifier, which says what digit an image or a reconstruction shows.

The paper's authors judged by eye whether a digit was misrecognised. This network stands in for the
eye; it is trained on MNIST's training set with its labels, and has no part in training the
autoencoders.
"""

import attrs
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from convae.data import load_mnist
from convae.training import Trained, fit, reproducible


@attrs.frozen
class ClassifierRecipe:
    """Everything that determines the classifier."""

    width: int = 16
    degrees: float = 10.0  # random rotations, shifts and scales prepare it for unusual digits
    shift: float = 0.08    # as a share of the image's width
    scale: float = 0.1
    optimiser: str = "muon"
    momentum: float = 0.9
    adam_share: float = 0.5
    schedule: str = "one_cycle"
    learning_rate: float = 0.02
    epochs: int = 6
    batch_size: int = 128
    seed: int = 0

    name = "classifier"

    def build(self) -> "Classifier":
        return Classifier(self.width)

    def to_dict(self) -> dict:
        return attrs.asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "ClassifierRecipe":
        return cls(**values)


class Classifier(nn.Module):
    """Three convolutions with pooling, then a linear layer: ``(N, 1, 28, 28)`` to ``(N, 10)``."""

    def __init__(self, width: int = 16):
        super().__init__()

        def block(maps_in, maps_out):  # halves height and width
            convolution = nn.Conv2d(maps_in, maps_out, 3, padding=1, bias=False)
            return convolution, nn.BatchNorm2d(maps_out), nn.ReLU(), nn.MaxPool2d(2)

        self.layers = nn.Sequential(
            *block(1, width), *block(width, 2 * width), *block(2 * width, 4 * width),
            nn.Flatten(), nn.Linear(4 * width * 9, 10),
        )
        self.to(memory_format=torch.channels_last)  # half the time on a processor

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the ten digits, ``(N, 10)``."""
        return self.layers(x)

    @torch.no_grad()
    def probabilities(self, x: Tensor) -> Tensor:
        """Probability of each digit, ``(N, 10)``."""
        return torch.cat([self(batch).softmax(1) for batch in x.split(250)])


def train_classifier(recipe: ClassifierRecipe = ClassifierRecipe(), progress=True) -> Trained:
    """Train on MNIST's 60,000 training images; as reproducible as :func:`convae.train`."""
    from torchvision.transforms.v2 import RandomAffine  # takes a second, and only training needs it

    x, y = load_mnist(train=True)
    with reproducible(recipe.seed):
        model = recipe.build()
        shift = (recipe.shift, recipe.shift)
        scale = (1 - recipe.scale, 1 + recipe.scale)
        distort = RandomAffine(recipe.degrees, shift, scale)

        def objective(batch):  # (B,), indices
            eights = [distort(images) for images in x[batch].split(8)]  # distorted together
            images = torch.cat(eights).contiguous(memory_format=torch.channels_last)
            return cross_entropy(model(images), y[batch])

        history = fit(model, objective, len(x), recipe, progress=progress)
    return Trained(model.eval(), history)


def accuracy(model: Classifier, images: Tensor, labels: Tensor) -> float:
    """Share of `images` ``(N, 1, 28, 28)`` classified as their `labels` ``(N,)``."""
    return (model.probabilities(images).argmax(1) == labels).double().mean().item()
