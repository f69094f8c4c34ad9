"""Folders of images to try ``convae fit`` and ``convae detect`` on: ``python -m convae.anomaly.examples DIR``.

Digits 2 of MNIST play the good parts. Which images are taken is a rule: always the first.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from convae.anomaly.defects import KINDS, make_defects
from convae.data import load_mnist

DIGIT = 2
NORMAL, UNSEEN, OTHERS = 300, 100, 4        # images; others of each other digit
LEVELS = (3, 5)                             # of the defects: some of each kind


def write_normal(folder: Path) -> Path:
    """The first training images of the digit as PNG files; returns the folder."""
    images, labels = load_mnist(train=True)
    _write(folder, images[labels == DIGIT][:NORMAL], "{:03}")
    return folder


def write_images(folder: Path) -> Path:
    """Unseen images as PNG files in subfolders: the digit, the digit with a defect, other digits; returns the folder."""
    images, labels = load_mnist(train=False)
    of_digit = images[labels == DIGIT]
    _write(folder / "good", of_digit[:UNSEEN], "{:03}")
    for k, kind in enumerate(KINDS):
        for level in LEVELS:
            clean = of_digit[UNSEEN + 3 * k:UNSEEN + 3 * k + 3]
            _write(folder / "with a defect", make_defects(clean, kind, level)[0], f"{kind} {level} {{}}")
    for digit in set(range(10)) - {DIGIT}:
        _write(folder / "other digits", images[labels == digit][:OTHERS], f"{digit} {{}}")
    return folder


def _write(folder, images, name):
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray((255 * image[0].numpy()).round().astype(np.uint8)).save(folder / f"{name.format(i)}.png")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m convae.anomaly.examples DIR")
    for written in (write_normal(Path(sys.argv[1]) / "normal"), write_images(Path(sys.argv[1]) / "images")):
        print(written)
