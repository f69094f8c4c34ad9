"""Set-up, on small stand-ins for this project: no network, and nothing is installed outside temporary folders."""

import ast
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from convae import environment

ROOT = environment.ROOT
BACKEND = '''
from pathlib import Path
from zipfile import ZipFile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name, about = "convae-1.0-py3-none-any.whl", "convae-1.0.dist-info"
    with ZipFile(Path(folder, name), "w") as wheel:
        wheel.writestr("convae.pth", str(Path.cwd()))
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\\nName: convae\\nVersion: 1.0\\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{about}/RECORD", "")
    return name
'''
MAIN = '''
import sys
if __name__ == "__main__":
    from convae.environment import reenter
    reenter()
import convae_test_part  # is in .venv alone
print(sys.prefix, sys.argv[1:], convae_test_part.__name__)
sys.exit(7)
'''


def write_project(folder: Path, dependencies=("convae-test-part>=1",), lock="") -> Path:
    """A project with this one's set-up, its own dependencies, and all that pip needs in its folder ``wheels``."""
    (folder / "convae").mkdir(parents=True)
    for name in ("__init__.py", "environment.py"):
        shutil.copy(ROOT / "convae" / name, folder / "convae")
    (folder / "convae" / "__main__.py").write_text(MAIN)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "convae"\nversion = "1.0"\ndependencies = {list(dependencies)}\n'
        '[project.optional-dependencies]\ntest = ["packaging"]\nsweep = []\nlab = ["convae-test-lab"]\n')
    (folder / "wheels").mkdir()
    wheel = folder / "wheels" / "convae_test_part-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("convae_test_part.py", "")
        file.writestr("convae_test_part-1.0.dist-info/METADATA",
                      "Metadata-Version: 2.1\nName: convae-test-part\nVersion: 1.0\n")
        file.writestr("convae_test_part-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
                      "Tag: py3-none-any\n")
        file.writestr("convae_test_part-1.0.dist-info/RECORD", "")
    (folder / "requirements.lock").write_text(
        lock or f"convae-test-part==1.0 \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    return folder


def imported(project: Path):
    """The project's own convae.environment."""
    spec = importlib.util.spec_from_file_location("environment_of_a_stand_in", project / "convae" / "environment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def surroundings(project: Path, **more) -> dict:
    """Environment variables without an active environment or a network."""
    left_out = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", environment.ENTERED)
    kept = {k: v for k, v in os.environ.items() if k not in left_out and not k.startswith("PIP_")}
    return kept | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": (project / "wheels").as_uri(), "PIP_CONFIG_FILE": os.devnull} | more


def start(project: Path, *arguments, python=sys.executable, **more):
    return subprocess.Popen([python, "-m", *arguments], cwd=project, env=surroundings(project, **more), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def call(project: Path, *arguments, **more):
    """Exit status, stdout and stderr of a module run in the project."""
    process = start(project, *arguments, **more)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def make_environment(project: Path, packages=(), pip=None):
    """An environment without pip, or with a stand-in for it; `packages` (name, version) seem to be installed."""
    there = imported(project)
    venv.create(there.VENV, symlinks=os.name != "nt")
    site = Path(subprocess.run([there.VENV_PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                               check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    spec = importlib.util.find_spec("packaging")
    shutil.copytree(Path(spec.origin).parent, site / "packaging")
    for name, version in (("packaging", "99.0"), *packages):
        about = site / f"{name.replace('-', '_')}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        if name == "convae":
            (about / "direct_url.json").write_text(f'{{"url": "{project.as_uri()}", "dir_info": {{"editable": true}}}}')
    if pip:
        (site / "pip").mkdir()
        (site / "pip" / "__init__.py").touch()
        (site / "pip" / "__main__.py").write_text(pip)
    return there


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project set up by two processes at once over the remains of a set-up that did not finish; and what they said."""
    project = write_project(tmp_path_factory.mktemp("project with spaces"))
    there = imported(project)
    there.VENV.mkdir()
    there.STAMP.write_text(there.UNFINISHED)
    (there.VENV / "remains").touch()
    processes = [start(project, "convae.environment"), start(project, "convae.environment")]
    return project, [(*process.communicate(timeout=120), process.returncode) for process in processes]


def test_two_at_once_make_one_environment_afresh(finished):
    project, results = finished
    there = imported(project)
    for out, err, status in results:
        assert (status, out.strip()) == (0, there.VENV_PYTHON), err
    said = sorted((f"making {there.VENV}" in err, "waiting for it" in err) for _, err, _ in results)
    assert said == [(False, True), (True, False)]
    assert not (there.VENV / "remains").exists()


def test_a_finished_environment_is_found_again_silently(finished):
    project, _ = finished
    assert call(project, "convae.environment") == (0, f"{imported(project).VENV_PYTHON}\n", "")


def test_arguments_and_exit_status_are_passed_on(finished):
    project, _ = finished
    venv = imported(project).VENV
    expected = (7, f"{venv} ['a b', '--c'] convae_test_part\n", "")
    assert call(project, "convae.environment", "convae", "a b", "--c") == expected
    assert call(project, "convae", "a b", "--c") == expected  # reenter(), from an interpreter that will not do
    assert call(project, "convae", "a b", "--c", python=imported(project).VENV_PYTHON) == expected  # from one that will


def test_convae_can_be_imported_from_any_folder(finished, tmp_path):
    project, _ = finished
    found = subprocess.run([imported(project).VENV_PYTHON, "-c", "import convae; print(convae.__file__)"], cwd=tmp_path,
                           env=surroundings(project), check=True, stdout=subprocess.PIPE, text=True).stdout
    assert found.strip() == str(project / "convae" / "__init__.py")


def test_an_environment_made_from_another_lock_is_brought_up_to_date(finished):
    project, _ = finished
    there = imported(project)
    with open(project / "requirements.lock", "a") as lock:
        lock.write("# changed\n")
    status, out, err = call(project, "convae.environment")
    assert (status, out) == (0, f"{there.VENV_PYTHON}\n")
    assert f"bringing {there.VENV} up to date" in err
    assert call(project, "convae.environment") == (0, out, "")


@pytest.mark.skipif(os.name == "nt", reason="no POSIX signals")
def test_an_interrupted_set_up_never_looks_finished(tmp_path):
    project = write_project(tmp_path / "project")
    there = imported(project)
    process = start(project, "convae.environment")
    while not there.STAMP.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does, to all that run
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "interrupted; run the same command again" in err and "Traceback" not in err
    assert there.STAMP.read_text() == there.UNFINISHED
    assert call(project, "convae.environment", "--lacks", "test", python=there.VENV_PYTHON)[1]


def test_a_failure_of_pip_is_shown_with_what_to_do(tmp_path):
    project = write_project(tmp_path / "project")
    there = make_environment(project, pip="print('ERROR: nobody answers'); raise SystemExit(2)")
    status, out, err = call(project, "convae.environment", "convae")
    assert (status, out) == (1, "")
    for part in ("failed at the packages (exit status 2)", "  ERROR: nobody answers", "network", "disk",
                 f"command again: it makes {there.VENV} afresh"):
        assert part in err
    assert "Traceback" not in err
    assert there.STAMP.read_text() == there.UNFINISHED


def test_an_environment_that_somebody_else_made_is_used_if_it_satisfies(tmp_path):
    project = write_project(tmp_path / "project")
    there = make_environment(project, [("convae-test-part", "1.5"), ("convae", "1.0")])
    assert call(project, "convae.environment") == (0, f"{there.VENV_PYTHON}\n", "")
    assert not there.STAMP.exists()  # a new lock must not replace what its owner chose, such as the CPU build of torch


def test_an_active_environment_comes_before_that_of_the_checkout(tmp_path):
    project, other = (write_project(tmp_path / name) for name in ("project", "other"))
    make_environment(project, [("convae-test-part", "1.5"), ("convae", "1.0")])
    active = make_environment(other, [("convae-test-part", "1.5")], pip="print('not allowed'); raise SystemExit(1)")
    about = next(active.VENV.rglob("convae_test_part-1.5.dist-info")).parent / "convae-1.0.dist-info"
    shutil.copytree(next(imported(project).VENV.rglob("convae-1.0.dist-info")), about)  # has it from `project`
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        result = call(project, "convae.environment", **{variable: str(active.VENV)})
        assert result == (0, f"{active.VENV_PYTHON}\n", "")
    shutil.rmtree(about)  # it lacks convae itself, which cannot be added
    status, out, err = call(project, "convae.environment", VIRTUAL_ENV=str(active.VENV))
    assert (status, out) == (0, f"{imported(project).VENV_PYTHON}\n"), err


@pytest.mark.parametrize("packages, lacking", [
    ([("convae-test-part", "0.9"), ("convae", "1.0")], "convae-test-part>=1\n"),
    ([("convae", "1.0")], "convae-test-part>=1\n"),
    ([("convae-test-part", "1.0")], "convae\n"),
    ([("convae-test-part", "1.0"), ("convae", "1.0")], "\n"),
])
def test_what_is_lacking_is_named(tmp_path, packages, lacking):
    project = write_project(tmp_path / "project")
    there = make_environment(project, packages)
    assert call(project, "convae.environment", "--lacks", "test", python=there.VENV_PYTHON) == (0, lacking, "")


def test_jupyterlab_is_needed_for_the_lab_alone(tmp_path):
    project = write_project(tmp_path / "project")
    there = make_environment(project, [("convae-test-part", "1.0"), ("convae", "1.0")],
                             pip="print('asked for more'); raise SystemExit(1)")
    assert call(project, "convae.environment", "--lacks", "test", "lab", python=there.VENV_PYTHON)[1] == "convae-test-lab\n"
    assert "asked for more" in call(project, "convae.environment", "jupyterlab")[2]


def test_markers_are_heeded(tmp_path):
    project = write_project(tmp_path / "project", ["convae-test-part>=1; python_version < '3'", "packaging>=999"])
    assert [text for text in imported(project).lacks() if text != "convae"] == ["packaging>=999"]


def test_a_set_up_that_does_not_help_is_not_repeated(tmp_path):
    project = write_project(tmp_path / "project")
    status, _, err = call(project, "convae", **{environment.ENTERED: "/some/python"})
    assert status == 1 and "/some/python lacks convae-test-part>=1, convae right after set-up" in err


def test_other_pythons_are_refused_with_what_to_install(tmp_path, monkeypatch):
    there = imported(write_project(tmp_path / "project"))
    monkeypatch.setattr(there, "PYTHONS", ("3.97", "3.98", "3.99"))
    running = "{}.{}".format(*sys.version_info)
    assert there.lacks() == [f"Python 3.97 to 3.99 (it is {running})"]
    broken = tmp_path / "bin" / "python3.97"  # as a version manager's shims are, of versions it does not have
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 3.97\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(broken.parent))
    with pytest.raises(SystemExit) as stopped:
        there._find_python()
    for part in ("convae needs Python 3.97 to 3.99", f"This is {running}", "apt install python3", "conda env create"):
        assert part in str(stopped.value)


def test_a_python_that_cannot_make_environments_is_told_how(tmp_path, monkeypatch):
    there = imported(write_project(tmp_path / "project"))
    monkeypatch.setattr(there, "_version", lambda python, *modules: None if modules else "3.12")
    with pytest.raises(SystemExit, match=r"Python 3\.12 is here .*apt install python3-venv \(or python3\.12-venv\)"):
        there._find_python()


def test_pythons_are_those_of_pyproject():
    wanted = SpecifierSet(environment._project()["requires-python"])
    assert [v for v in (f"3.{minor}" for minor in range(6, 20)) if v in wanted] == list(environment.PYTHONS)


def test_an_old_python_without_packages_can_start_it():
    for name in ("__init__.py", "environment.py"):
        tree = ast.parse((ROOT / "convae" / name).read_text(encoding="utf-8"), feature_version=(3, 6))
        imports = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
        imports |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
        assert imports and {name.split(".")[0] for name in imports} <= sys.stdlib_module_names
    bare = subprocess.run([sys.executable, "-S", "-m", "convae.environment", "--lacks"], cwd=ROOT, check=True,
                          stdout=subprocess.PIPE, text=True, env=surroundings(ROOT))
    assert bare.stdout in ("packaging\n", "\n")  # the second: in the checkout's own, finished .venv
