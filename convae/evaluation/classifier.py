"""The judge: a small convolutional classifier that reads the digit in an image or in a
reconstruction.

The paper's authors judged by eye whether a digit was misrecognised. This network stands in for the
eye; it is trained on MNIST's training images and labels only, and has no part in training the
autoencoders.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from convae.data import load_mnist
from convae.training import Trained, minimise, reproducible


@dataclass(frozen=True)
class ClassifierRecipe:
    """What determines the classifier."""

    width: int = 16
    degrees: float = 10.0       # random rotations, shifts and scales make it robust to unusual digits
    shift: float = 0.08
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
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "ClassifierRecipe":
        return cls(**values)


class Classifier(nn.Module):
    """Three convolutions with pooling, then one linear layer: images ``(N, 1, 28, 28)`` to logits
    ``(N, 10)``."""

    def __init__(self, width: int = 16):
        super().__init__()

        def block(i, o):
            return nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2)

        self.layers = nn.Sequential(
            *block(1, width), *block(width, 2 * width), *block(2 * width, 4 * width), nn.Flatten(),
            nn.Linear(4 * width * 9, 10),
        )
        self.to(memory_format=torch.channels_last)  # with these maps, a processor then takes half the time

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)

    @torch.no_grad()
    def probabilities(self, x: Tensor) -> Tensor:
        """Probability of each digit, ``(N, 10)``."""
        return torch.cat([self(part).softmax(1) for part in x.split(250)])


def train_classifier(recipe: ClassifierRecipe = ClassifierRecipe(), progress=True, bar_position=0) -> Trained:
    """Train the judge on MNIST's 60,000 training images; reproducible as :func:`convae.train`
    is."""
    from torchvision.transforms.v2 import RandomAffine  # takes a second, and only training needs it

    x, y = load_mnist(train=True)
    with reproducible(recipe.seed):
        model = recipe.build()
        distort = RandomAffine(recipe.degrees, (recipe.shift,) * 2, (1 - recipe.scale, 1 + recipe.scale))

        def objective(batch: Tensor) -> Tensor:
            distorted = torch.cat([distort(part) for part in x[batch].split(8)])  # one distortion for each 8 images
            return cross_entropy(model(distorted.contiguous(memory_format=torch.channels_last)), y[batch])

        history = minimise(objective, model, [], recipe, len(x), progress, bar_position)
    return Trained(model.eval(), history)


def accuracy(model: Classifier, images: Tensor, labels: Tensor) -> float:
    """Share of `images` ``(N, 1, 28, 28)`` read as their `labels` ``(N,)``."""
    return (model.probabilities(images).argmax(1) == labels).double().mean().item()
