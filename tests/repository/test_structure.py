"""The files around the code: what they promise is what pyproject.toml, the lock and the modules
keep."""

import ast
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
REQUIREMENTS = [
    Requirement(text)
    for texts in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in texts
]
PYTHONS = [f"3.{minor}" for minor in range(9, 20)
           if f"3.{minor}" in SpecifierSet(PROJECT["requires-python"])]
ON_PYPI_ALONE = {"halide"}  # the conda route has it from there, by way of pyproject.toml
ON_CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base", "dask": "dask-core"}
SYSTEMS = {"linux": ("posix", "Linux", "x86_64"), "darwin": ("posix", "Darwin", "arm64"),
           "win32": ("nt", "Windows", "AMD64")}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
CONVAE_LINES = 10_650       # to become 8,000
EXPRESSIONS_A_LINE = 6.12   # to become 5.5
COMPREHENSIONS_IN_100 = 4.1  # to become 4
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
    there = {
        "python_version": python, "python_full_version": f"{python}.9",
        "implementation_name": "cpython", "platform_python_implementation": "CPython",
        "sys_platform": system, "os_name": os_name,
        "platform_system": platform, "platform_machine": machine,
        "extra": "",
    }
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
    assert bounds == {ON_CONDA.get(r.name, r.name): str(r.specifier)
                      for r in REQUIREMENTS if r.name not in ON_PYPI_ALONE}


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
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise",
         "benchmarks", "convae", "tests", "notebooks"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def test_packages_are_all_installed():
    code = ("from setuptools import find_packages; import sys; "
            "print(*find_packages(include=sys.argv[1:]))")
    include = PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    done = subprocess.run([sys.executable, "-c", code, *include],
                          cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    there = {".".join(path.parent.relative_to(ROOT).parts)
             for path in (ROOT / "convae").rglob("__init__.py")}
    assert set(done.stdout.split()) == there


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize("active, sets_up", [
    ({}, True), ({"VIRTUAL_ENV": "/some"}, False), ({"CONDA_DEFAULT_ENV": "convae"}, False),
    ({"CONDA_DEFAULT_ENV": "base"}, True),
])
def test_make_sets_up_an_environment_unless_one_is_active(active, sets_up, tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "requirements.lock").touch()
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "CONDA_PREFIX")}
    shown = subprocess.run(["make", "-n", *TARGETS], cwd=folder, check=True, capture_output=True,
                           text=True, env=environment | active).stdout
    assert ("requirements.lock" in shown) == sets_up


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_refuses_a_python_that_is_not_supported_and_makes_nothing(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").touch()
    old = tmp_path / "python"
    old.write_text(f"""#!{sys.executable}
import sys
sys.version_info = (3, 9)
exec(sys.argv[2])
""", encoding="utf-8")
    old.chmod(0o755)
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "CONDA_PREFIX")}
    done = subprocess.run(["make", "setup", f"PYTHON={old}"], cwd=tmp_path, capture_output=True,
                          text=True, env=environment)
    assert done.returncode and f"{old} is 3.9: give another" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_readme_names_targets_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE))
    assert {"figures", "test"} <= named <= set(TARGETS)


def test_workflow_tests_each_python_and_other_processors():
    job = read_yaml(".github/workflows/test.yml")["jobs"]["test"]
    runs = job["strategy"]["matrix"]["include"]
    assert {run["python"] for run in runs} == set(PYTHONS)
    assert any("arm" in run.get("machine", "") for run in runs)
    assert sum("environment" in run for run in runs) >= 2
    assert any(".ci/run" in step.get("run", "") for step in job["steps"])


def test_licence_and_citation_agree_with_pyproject():
    citation = read_yaml("CITATION.cff")
    assert PROJECT["license"] == citation["license"]
    assert citation["authors"] == PROJECT["authors"]
    assert citation["version"] == PROJECT["version"]


@pytest.mark.parametrize("where, files, lines", [
    ("convae/*.py", 13, 1_140),
    ("convae/models.py convae/losses.py", 2, 256),
    ("convae/**/*.py", 90, CONVAE_LINES),
])
def test_a_part_of_the_package_is_no_larger_than_its_bound(where, files, lines):
    """Growth is a decision: whoever raises a bound says why."""
    paths = {path for pattern in where.split() for path in ROOT.glob(pattern)}
    assert len(paths) <= files
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths) <= lines


def test_code_holds_one_idea_a_line():
    """Expressions a line of code, and comprehensions in 100 lines, over all of the package."""
    lines = expressions = comprehensions = 0
    for path in (ROOT / "convae").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        nodes = list(ast.walk(ast.parse(text)))
        lines += len(code_lines(text, nodes))
        expressions += sum(isinstance(node, ast.expr) for node in nodes)
        comprehensions += sum(isinstance(node, COMPREHENSIONS) for node in nodes)
    assert expressions / lines <= EXPRESSIONS_A_LINE
    assert 100 * comprehensions / lines <= COMPREHENSIONS_IN_100


def code_lines(text, nodes):
    """The numbers of the lines that are neither empty nor comment nor docstring."""
    docstrings = set()
    for node in nodes:
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node):
            docstrings.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    stripped = {number: line.strip() for number, line in enumerate(text.splitlines(), 1)}
    return {number for number, line in stripped.items()
            if line and not line.startswith("#")} - docstrings


def test_packages_that_are_imported_are_declared():
    """An import works by luck if another package brings what pyproject.toml does not name."""
    import grimp

    graph = grimp.build_graph("convae", include_external_packages=True, cache_dir=None)
    top = {name for name in graph.modules if "." not in name and name != "convae"}
    imported = top - sys.stdlib_module_names
    called = {
        "PIL": "pillow", "yaml": "pyyaml", "sklearn": "scikit-learn", "mpl_toolkits": "matplotlib"}
    texts = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["sweep"]
    declared = {Requirement(text).name for text in texts}
    assert {called.get(name, canonicalize_name(name)) for name in imported} <= declared
    assert all(version(name) for name in declared)
