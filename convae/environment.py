"""The environment that the project runs in: found or made, then entered. Standard library only.

``python -m convae.environment MODULE [ARGUMENT ...]`` runs a module in the first of these that satisfies
pyproject.toml: the running interpreter, the active virtual or conda environment, ``.venv`` in this checkout. If none
does, ``.venv`` is made from requirements.lock. Without MODULE it prints the interpreter. All messages go to stderr.

An old Python (3.6 and later) must get as far as the message that says so, so no newer syntax is used here.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

PYTHONS = ("3.11", "3.12", "3.13")  # pyproject.toml's requires-python, which an old Python cannot read
ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
VENV_PYTHON = str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
EXTRAS = ("test", "sweep")  # of pyproject.toml's, those that every command wants
STAMP = VENV / "convae-stamp"  # what the finished .venv was made of; a .venv without one was made by somebody else
UNFINISHED = "unfinished"
ENTERED = "CONVAE_ENTERED"  # stops a set-up that does not help from being repeated for ever
CONVAE_ITSELF = ("--no-deps", "--no-build-isolation", "-e", str(ROOT))


def reenter(module: str = "convae"):
    """Return if the running interpreter will do; else set up, run `module` in the right one, and never return."""
    entered = os.environ.pop(ENTERED, None)
    if not (ROOT / "pyproject.toml").is_file():  # installed as a package: whoever did it saw to the rest
        return
    lacking = lacks()
    if lacking and entered:
        sys.exit(f"convae: {entered} lacks {_some(lacking)} right after set-up; delete {VENV} and try again")
    if lacking:
        python = ensure()
        if python != sys.executable:
            os.environ[ENTERED] = python
            run(python, module, sys.argv[1:])


def ensure(extras=EXTRAS) -> str:
    """The path of an interpreter that has all the project needs, set up first if there is none.

    Raises
    ------
    SystemExit
        If set-up fails or is interrupted; the message says why and what to do.
    """
    try:
        for python in _candidates():
            if not _lacks(python, extras):
                return python
        with _one_at_a_time():
            for python in _candidates():  # once more: another set-up may just have finished
                lacking = _lacks(python, extras)
                if lacking == ["convae"]:  # kernels that Jupyter starts in other folders must be able to import it
                    _say(f"{python} has all that is needed; adding convae itself")
                    status, _ = _install(python, *CONVAE_ITSELF)
                    lacking = lacking if status else []
                if not lacking:
                    return python
                if python != VENV_PYTHON:
                    _say(f"{python} will not do, it lacks {_some(lacking)}")
            _make()
            return VENV_PYTHON
    except OSError as error:
        sys.exit(f"convae: set-up failed in {ROOT}: {error}")
    except KeyboardInterrupt:
        _say("set-up interrupted; run the same command again to start it afresh")
        sys.exit(130)


def lacks(extras=EXTRAS) -> list:
    """What the running interpreter lacks: requirements of pyproject.toml, ``convae``, or a finished ``.venv``."""
    version = "{}.{}".format(*sys.version_info)
    if version not in PYTHONS:
        return [f"Python {PYTHONS[0]} to {PYTHONS[-1]} (it is {version})"]
    if STAMP.exists() and os.path.samefile(sys.prefix, VENV):
        return [] if STAMP.read_text() == _fingerprint() else ["what requirements.lock says"]
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return ["packaging"]
    project = _project()
    wanted = sum((project["optional-dependencies"][extra] for extra in extras), project["dependencies"])
    missing = [text for text in wanted if not _installed(Requirement(text))]
    return missing if _importable_everywhere() else [*missing, "convae"]


def run(python, module, arguments):
    """Run a module in place of this process, which ends with its exit status."""
    command = [python, "-m", module, *arguments]
    if os.name == "nt":  # whose exec returns to the shell at once
        sys.exit(subprocess.run(command).returncode)
    os.execv(python, command)


def _candidates():
    found = [sys.executable]
    if os.environ.get("VIRTUAL_ENV"):
        found.append(os.path.join(os.environ["VIRTUAL_ENV"], *Path(VENV_PYTHON).parts[-2:]))
    if os.environ.get("CONDA_PREFIX"):
        found.append(os.path.join(os.environ["CONDA_PREFIX"], "python.exe" if os.name == "nt" else "bin/python"))
    return list(dict.fromkeys([*found, VENV_PYTHON]))


def _lacks(python, extras):
    if python == sys.executable:
        return lacks(extras)
    answer = _ask(python, "-m", "convae.environment", "--lacks", *extras)
    return ["an interpreter that starts"] if answer is None else list(filter(None, answer.split("\n")))


def _ask(python, *arguments):
    """What an interpreter prints; None if it fails."""
    try:
        return subprocess.run([python, *arguments], cwd=str(ROOT), check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, errors="replace").stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def _version(python, *modules):
    """An interpreter's version, such as 3.12; None if it does not start or lacks one of the modules."""
    answer = _ask(python, "-c", f"import {', '.join(['sys', *modules])}; print('{{}}.{{}}'.format(*sys.version_info))")
    return answer and answer.strip()


def _installed(requirement):
    from importlib import metadata

    try:
        return ((requirement.marker and not requirement.marker.evaluate())
                or requirement.specifier.contains(metadata.version(requirement.name), prereleases=True))
    except (metadata.PackageNotFoundError, KeyError, TypeError):  # the last two: a package cut short
        return False


def _importable_everywhere():
    """Whether ``import convae`` gives this checkout from any folder, as ``pip install -e`` sees to."""
    from importlib import metadata

    records = [d.read_text("direct_url.json") for d in metadata.distributions(name="convae")]
    return any(Path(url2pathname(urlparse(json.loads(r)["url"]).path)) == ROOT for r in records if r)


def _make():
    """Make ``.venv`` from requirements.lock, or bring it up to date."""
    started = time.time()
    if _version(VENV_PYTHON, "pip") in PYTHONS and not (STAMP.exists() and STAMP.read_text() == UNFINISHED):
        _say(f"bringing {VENV} up to date with requirements.lock")
        STAMP.write_text(UNFINISHED)  # until all is done: whatever stops this, it never looks finished
    else:
        python = _find_python()
        _say(f"making {VENV} from requirements.lock; it takes some minutes, and about 6 GB on Linux, where torch "
             "brings CUDA along")
        _must("the folder", *_stream(python, "-m", "venv", "--clear", "--without-pip", str(VENV)))
        STAMP.write_text(UNFINISHED)
        _must("pip", *_stream(VENV_PYTHON, "-m", "ensurepip", "--default-pip"))
    _must("the packages", *_install(VENV_PYTHON, "--require-hashes", "-r", "requirements.lock"))
    _must("convae itself", *_install(VENV_PYTHON, *CONVAE_ITSELF))
    _must("the last step", *_stream(VENV_PYTHON, "-m", "convae.environment", "--stamp"))
    _say(f"{VENV} is ready, after {time.time() - started:.0f} s")


def _find_python():
    """A Python that can make virtual environments; on PATH there may be names that lead nowhere."""
    bare = None
    running = getattr(sys, "_base_executable", sys.executable)  # not the one in .venv, which is about to be cleared
    for name in (running, *(f"python{version}" for version in PYTHONS), "python3", "python"):
        version = _version(name)
        if version in PYTHONS and _version(name, "venv", "ensurepip"):
            return name
        bare = bare or (version if version in PYTHONS else None)
    if bare:
        sys.exit(f"convae: Python {bare} is here but cannot make virtual environments. On Debian or Ubuntu, "
                 f"apt install python3-venv (or python{bare}-venv), then run the same command again.")
    sys.exit(f"convae needs Python {PYTHONS[0]} to {PYTHONS[-1]}. This is {sys.version.split()[0]} ({sys.executable}), "
             "and PATH has no other that works.\nInstall one (Debian, Ubuntu: apt install python3 python3-venv; "
             f"macOS: brew install python@{PYTHONS[-1]};\nWindows: the installer from python.org), or use conda (conda "
             "env create -f environment.yml; conda activate convae).\nThen run the same command again.")


def _install(python, *arguments):
    return _stream(python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *arguments)


def _stream(*command):
    """Run a command, the line it is at in view on a terminal; its exit status and its last lines."""
    lines = deque(maxlen=12)
    width = max(os.get_terminal_size(2).columns - 3, 0) if os.isatty(2) else 0
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                               cwd=str(ROOT))
    try:
        for line in process.stdout:
            lines.append(line.rstrip())
            if width:
                print(f"\r  {line.strip()[:width]:{width}}", end="", file=sys.stderr, flush=True)
        return process.wait(), lines
    finally:
        if width:
            print(f"\r{'':{width + 2}}\r", end="", file=sys.stderr, flush=True)
        try:
            process.wait(5)  # Ctrl-C reaches it as well, and it tidies up
        except subprocess.TimeoutExpired:
            process.terminate()


def _must(what, status, lines):
    if status:
        _say(f"set-up failed at {what} (exit status {status}), saying:")
        print("\n".join(f"  {line}" for line in lines), file=sys.stderr)
        sys.exit("convae: if the network was away, connect; if the disk is full, make room for 6 GB. Then run the same "
                 f"command again: it makes {VENV} afresh, and does not download again what pip has in its cache.")


@contextmanager
def _one_at_a_time():
    """Let one process in a checkout set up; others wait, and say so."""
    with open(str(ROOT / ".venv.lock"), "w") as file:
        waiting = False
        while True:
            try:
                if os.name == "nt":
                    import msvcrt
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    import fcntl
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except (BlockingIOError, PermissionError):
                if not waiting:
                    _say("another process is setting up in this checkout; waiting for it")
                waiting = True
                time.sleep(0.5)
        yield  # closing the file lets the next one in


def _project():
    import tomllib

    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _fingerprint():
    made_of = [(ROOT / "requirements.lock").read_text(encoding="utf-8"), _project(), str(ROOT), sys.version_info[:2]]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


def _some(names):
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _say(message):
    print(f"convae: {message}", file=sys.stderr, flush=True)


def main(arguments):
    """The command line: see the top of this file."""
    if arguments[:1] == ["--lacks"]:  # asked of other interpreters
        print("\n".join(lacks(arguments[1:])))
    elif arguments[:1] == ["--stamp"]:
        STAMP.write_text(_fingerprint())
    elif arguments and arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        sys.exit(0 if arguments[0] in ("-h", "--help") else 2)
    elif arguments:
        run(ensure((*EXTRAS, "lab") if arguments[0] == "jupyterlab" else EXTRAS), arguments[0], arguments[1:])
    else:
        print(ensure())


if __name__ == "__main__":
    main(sys.argv[1:])
