"""The files around the code: what they promise is what pyproject.toml, the lock and the modules
keep."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest
import yaml
from importlinter.cli import lint_imports
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from convae._io import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
REQUIREMENTS = [Requirement(text) for texts in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
                for text in texts]
PYTHONS = [f"3.{minor}" for minor in range(9, 20)
           if f"3.{minor}" in SpecifierSet(PROJECT["requires-python"])]
ON_CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base", "dask": "dask-core"}
SYSTEMS = {"linux": ("posix", "Linux", "x86_64"), "darwin": ("posix", "Darwin", "arm64"),
           "win32": ("nt", "Windows", "AMD64")}
TARGETS = ("setup", "figures", "reproduce", "verify", "test", "bench", "lab")


def read_yaml(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def lock_entries():
    """The lock's entries: requirement and number of hashes."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            requirement, *hashes = line.split("--hash=sha256:")
            assert all(re.fullmatch("[0-9a-f]{64}", h.strip()) for h in hashes), line
            yield Requirement(requirement), len(hashes)


def active_pins(python, system):
    """What the lock installs there: name to (version, number of hashes), each once."""
    os_name, platform, machine = SYSTEMS[system]
    there = {"python_version": python, "python_full_version": f"{python}.9", "implementation_name": "cpython",
             "platform_python_implementation": "CPython", "sys_platform": system, "os_name": os_name,
             "platform_system": platform, "platform_machine": machine, "extra": ""}
    pins = {}
    for requirement, hashes in lock_entries():
        if requirement.marker is None or requirement.marker.evaluate(there):
            name = canonicalize_name(requirement.name)
            assert name not in pins, f"{name} twice"
            (pin,) = requirement.specifier
            assert pin.operator == "=="
            pins[name] = (pin.version, hashes)
    return pins


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_lock_satisfies_pyproject_with_hashes(python, system):
    pins = active_pins(python, system)
    for requirement in REQUIREMENTS:
        pinned, _ = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pinned), f"{requirement}: {pinned} is locked"
    assert not [name for name, (_, hashes) in pins.items() if not hashes]


def test_environment_yml_has_the_names_and_bounds_of_pyproject():
    conda = read_yaml("environment.yml")
    assert conda["name"] == "convae"
    assert conda["channels"] == ["conda-forge", "nodefaults"]
    *packages, pip = conda["dependencies"]
    assert pip == {"pip": ["-e ."]}
    bounds = dict((text.split(" ", 1) + [""])[:2] for text in packages)
    assert bounds.pop("python").removeprefix("=") in PYTHONS
    assert bounds.pop("pip") == ""
    assert bounds == {ON_CONDA.get(r.name, r.name): str(r.specifier) for r in REQUIREMENTS}


def test_each_module_is_imported_in_its_direction(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True, no_logo=True) == 0  # what it prints names the import


def test_each_module_has_its_place_among_the_layers():
    layers = PYPROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    placed = {name.strip("() ") for layer in layers for name in re.split("[|:]", layer)}
    there = {f"convae.{path.stem}" for path in (ROOT / "convae").iterdir()
             if path.suffix == ".py" or (path / "__init__.py").exists()} - {"convae.__init__"}
    assert there <= placed, "add it to the layers in pyproject.toml"


def test_ruff_has_no_complaint():
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise", "benchmarks",
                           "convae", "tests", "notebooks"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def test_packages_are_all_installed():
    found = subprocess.run([sys.executable, "-c", "from setuptools import find_packages; import sys; "
                            "print(*find_packages(include=sys.argv[1:]))",
                            *PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]],
                           cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "convae").rglob("__init__.py")}
    assert set(found) == there


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("active", ["", "some-environment"])
def test_make_sets_up_an_environment_unless_one_is_active(target, active, tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").touch()
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    shown = subprocess.run(["make", "-n", target], cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True,
                           env=environment | ({"VIRTUAL_ENV": active} if active else {})).stdout
    assert ("--require-hashes -r requirements.lock" in shown) == (not active)


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_lists_its_targets():
    shown = subprocess.run(["make", "-C", str(ROOT), "--no-print-directory"], check=True, stdout=subprocess.PIPE,
                           text=True).stdout
    assert {line.split("\t")[0] for line in shown.splitlines()} == {"help", *TARGETS}


def test_readme_names_targets_that_exist():
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"figures", "test"} <= named <= set(TARGETS)


def test_workflow_runs_ci_on_each_python():
    job = read_yaml(".github/workflows/test.yml")["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == list(PYTHONS)
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    (setup,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/setup-python@")]
    assert setup["with"]["python-version"] == "${{ matrix.python }}"
    assert (ROOT / setup["with"]["cache-dependency-path"]).is_file()


def test_licence_and_citation_agree_with_pyproject():
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    citation = read_yaml("CITATION.cff")
    assert licence.startswith("MIT License\n") and PROJECT["license"] == citation["license"] == "MIT"
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert citation["message"] and citation["title"].startswith("convae")
    assert citation["authors"] == PROJECT["authors"] == [{"name": "The convae authors"}]
    assert citation["version"] == PROJECT["version"]


def test_packages_that_are_imported_are_declared():
    """An import works by luck if another package brings what pyproject.toml does not name."""
    import grimp

    graph = grimp.build_graph("convae", include_external_packages=True, cache_dir=None)
    imported = {name for name in graph.modules if "." not in name and name != "convae"} - sys.stdlib_module_names
    called = {"PIL": "pillow", "yaml": "pyyaml", "sklearn": "scikit-learn", "mpl_toolkits": "matplotlib"}
    declared = {Requirement(text).name for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["sweep"]}
    assert {called.get(name, canonicalize_name(name)) for name in imported} <= declared
    assert all(version(name) for name in declared)
