"""How a model takes images that lie elsewhere than those it was trained on (claim J; sections 1,
2.1, 2.2)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from convae.evaluation.inference import decode, encode, squared_error
from convae.evaluation.recognition import misrecognised, read

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))  # right, left, down, up


def shifted(images: Tensor, rows: int, columns: int) -> Tensor:
    """Images ``(N, 1, 28, 28)`` moved down by `rows` and right by `columns`; what comes in from
    outside is empty."""
    moved = images.roll((rows, columns), (2, 3))
    for axis, by in ((2, rows), (3, columns)):
        if by:
            moved.narrow(axis, 0 if by > 0 else moved.shape[axis] + by, abs(by)).zero_()
    return moved


class Response(NamedTuple):
    """What a shift does to a model, over all images and directions."""

    error: float          #: summed squared error over the images' energy Σx²: 0 is perfect, 1 is as bad as a blank output
    misrecognised: float  #: share whose output, moved back, is read as another digit than the image before the shift
    displacement: float   #: how far z moved (root mean square), over the radius of the cloud of z; NaN if that is 0


def respond(model: nn.Module, judge, images: Tensor, pixels: int) -> Response:
    """The response of `model` to `images` ``(N, 1, 28, 28)`` shifted by `pixels` in each of the
    four directions.

    The shifted output is to match the shifted input. It is moved back before it is read, so that
    the judge never sees a digit out of place; `judge` and the meaning of misrecognised are those of
    :mod:`convae.evaluation.recognition`.
    """
    before, resting = read(judge, images), encode(model, images)
    radius = (resting - resting.mean(0)).square().sum(1).mean().sqrt()
    errors, wrong, moved = [], [], []
    for rows, columns in DIRECTIONS if pixels else DIRECTIONS[:1]:
        inputs = shifted(images, rows * pixels, columns * pixels)
        z = encode(model, inputs)
        outputs = decode(model, z)
        errors.append(squared_error(outputs, inputs).double().sum() / inputs.double().square().sum())
        back = shifted(outputs, -rows * pixels, -columns * pixels)
        wrong.append(misrecognised(before, read(judge, back)).mean())
        moved.append(((z - resting).square().sum(1).mean().sqrt() / radius).double())
    return Response(float(torch.stack(errors).mean()), float(sum(wrong) / len(wrong)), float(torch.stack(moved).mean()))
