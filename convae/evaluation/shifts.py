"""How a model responds to shifted images (claim J; sections 1, 2.1, 2.2)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from convae.evaluation.damage import shifted
from convae.evaluation.inference import decode, encode
from convae.evaluation.recognition import classify, misrecognised
from convae.losses import squared_error

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))  # right, left, down, up


class Response(NamedTuple):
    """What a shift does to a model, mean over all directions."""

    error: float          #: squared error over the images' energy Σx²: a blank output has 1
    misrecognised: float  #: share whose output, moved back, is another digit than the input at rest
    displacement: float   #: root mean square of how far z moved, over the radius of the cloud of z


def respond(model: nn.Module, classifier, images: Tensor, pixels: int) -> Response:
    """The response of `model` to `images` ``(N, 1, 28, 28)`` shifted by `pixels`.

    They are shifted in each of the four directions. The shifted output is to match the shifted
    input. It is moved back before it is classified, so that the classifier never sees a digit out
    of place. The displacement is NaN if the cloud of z has no radius.
    """
    at_rest = classify(classifier, images)
    z_at_rest = encode(model, images)
    radius = _root_mean_square(z_at_rest - z_at_rest.mean(0))
    responses = []
    for down, right in DIRECTIONS if pixels else DIRECTIONS[:1]:
        rows, columns = down * pixels, right * pixels
        inputs = shifted(images, rows, columns)
        z = encode(model, inputs)
        outputs = decode(model, z)
        error = squared_error(outputs, inputs).double().sum() / inputs.double().square().sum()
        moved_back = classify(classifier, shifted(outputs, -rows, -columns))
        wrong = misrecognised(at_rest, moved_back).mean()
        displacement = (_root_mean_square(z - z_at_rest) / radius).double()
        responses.append(torch.tensor([error, wrong, displacement], dtype=torch.double))
    return Response(*torch.stack(responses).mean(0).tolist())


def _root_mean_square(vectors):
    """Of the lengths of vectors ``(N, d)``."""
    return vectors.square().sum(1).mean().sqrt()
