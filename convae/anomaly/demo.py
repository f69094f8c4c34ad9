"""Folders of images to try ``convae fit`` and ``convae detect`` on: ``python -m convae.anomaly.demo
DIR``.

MNIST's zeros play the good parts, as rings. Which images are taken is a rule: always the first.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from convae._io import write_atomically
from convae.anomaly import folders
from convae.data import load_mnist
from convae.evaluation.defects import KINDS, make_defects

MODEL = Path(__file__).with_name("example.safetensors")  # ``convae fit`` of the normal images
DIGIT = 0
NORMAL, UNSEEN, OTHERS = 1_000, 100, 4      # images; OTHERS of each other digit
DEFECTS, LEVEL = 6, 5                       # of each kind, and how severe


def write_normal(folder: Path) -> Path:
    """The first training images of the digit as PNG files; returns the folder."""
    images, labels = load_mnist(train=True)
    _write(folder, images[labels == DIGIT][:NORMAL], "{:03}")
    return folder


def write_images(folder: Path) -> Path:
    """Unseen images as PNG files in subfolders: the digit, the digit with a defect, other digits;
    returns the folder."""
    images, labels = load_mnist(train=False)
    of_digit = images[labels == DIGIT]
    _write(folder / "good", of_digit[:UNSEEN], "{:03}")
    for k, kind in enumerate(KINDS):
        start = UNSEEN + DEFECTS * k
        clean = of_digit[start:start + DEFECTS]
        _write(folder / "with a defect", make_defects(clean, kind, LEVEL)[0], f"{kind} {{}}")
    for digit in set(range(10)) - {DIGIT}:
        _write(folder / "other digits", images[labels == digit][:OTHERS], f"{digit} {{}}")
    return folder


def renew_model() -> list[Path]:
    """Fit the example's model again, from scratch; returns its path if that changed it, else
    nothing."""
    with tempfile.TemporaryDirectory() as place:
        new = Path(place) / MODEL.name
        folders.fit(write_normal(Path(place) / "normal"), new, progress=False)
        content = new.read_bytes()
    if MODEL.exists() and MODEL.read_bytes() == content:
        return []
    return [write_atomically(MODEL, content)]


def _write(folder, images, name):
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        pixels = (255 * image[0].numpy()).round().astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{name.format(i)}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m convae.anomaly.demo",
                                     description="Writes images to try fit and detect on.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="gets folders normal and images")
    folder = parser.parse_args().folder
    print(write_normal(folder / "normal"))
    print(write_images(folder / "images"))
