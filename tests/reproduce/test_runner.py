"""The runner, on a small checkout of its own.

Package, kernels and papermill are the real ones, but the notebooks are short, and those that need
nothing of the package do not import it. Commands run in this process, but for those that a signal
or a limit of the system meets.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from papermill.__main__ import papermill

from convae import cli
from convae._io import ROOT
from convae.reproduce import readme, runner
from convae.reproduce.readme import markers

METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}
DRAW = """from convae._io import FIGURES
from convae.plots.style import new_figure
from convae.reproduce.output import show
figure = new_figure(2, 1)
figure.subplots().plot([0, bins])
show(figure)
print(f"{bins} bins")
notebook.results(FIGURES / "claims.json")
numbers = {"bins": bins, "third": bins / 3}
notebook.publish("fig7", figure, "A line", numbers, {"F1": f"{bins} bins"})
"""


def write(path, *cells, parameters="bins: int = 5  # bins of the histogram, from 5 to 1000"):
    cells = [new_markdown_cell("# A question?"),
             new_code_cell(parameters, metadata={"tags": ["parameters"]}),
             *map(new_code_cell, cells)]
    for i, cell in enumerate(cells):
        cell.id = f"cell-{i}"
    nbformat.write(new_notebook(cells=cells, metadata=METADATA), path)


def begin(path):
    """The cell with which a notebook of ours begins."""
    return ("from convae.reproduce.notebook import Notebook\n"
            f"notebook = Notebook('{path.stem}', globals())")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A small checkout: of this process, and of kernels, which import the package from there."""
    root = tmp_path / "check out"
    (root / "notebooks").mkdir(parents=True)
    (root / "convae").symlink_to(ROOT / "convae")
    shutil.copytree(ROOT / "figures", root / "figures")
    lines = ["# Title", *markers("figures/fig*.json"), "The end.\n"]
    (root / "README.md").write_text("\n".join(lines), encoding="utf-8")
    path = root / "notebooks" / "04_small.ipynb"
    write(path, begin(path), DRAW)
    places = {"ROOT": root, "NOTEBOOKS": path.parent, "FIGURES": root / "figures"}
    for name, place in places.items():
        monkeypatch.setattr(runner, name, place)
    monkeypatch.setattr(runner, "WORKSPACE", root / "build")
    monkeypatch.setattr(readme, "FIGURES", root / "figures")
    monkeypatch.setattr(readme, "README", root / "README.md")
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def convae(checkout, capsys):
    """A function that runs the command line and returns its exit status and what it says."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            cli.convae([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        code = stopped.value.code or 0
        return (code, out, err) if isinstance(code, int) else (1, out, f"{err}{code}\n")

    return run


@pytest.fixture
def run_once_more(monkeypatch):
    """A function after which notebooks are run once: what they make then, they make again."""

    def remember():
        made, execute = [], runner.execute

        def execute_once(*arguments):
            if not made:
                made.append(execute(*arguments))
            return made[0]

        monkeypatch.setattr(runner, "execute", execute_once)

    return remember


def start(root, *arguments, **options):
    """The command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "convae", *arguments], cwd=root, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def files(root):
    paths = [p for folder in ("figures", "notebooks") for p in (root / folder).rglob("*")]
    results = {p.relative_to(root): p.read_bytes() for p in paths if p.is_file()}
    return results | {"README": (root / "README.md").read_bytes()}


def test_a_run_puts_all_results_in_place_and_a_second_one_changes_nothing(
        checkout, convae, run_once_more):
    code, out, err = convae("figures")
    assert code == 0, err
    figure = json.loads((checkout / "figures" / "fig7.json").read_text(encoding="utf-8"))
    assert figure["numbers"] == {"bins": 5, "third": 1.6667}
    assert figure["measured"] == {"F1": "5 bins"}
    entry = json.loads((checkout / "figures" / "manifest.json").read_text(encoding="utf-8"))["fig7"]
    assert entry["notebook"] == "notebooks/04_small.ipynb" and entry["parameters"] == {"bins": 5}
    assert "torch" in entry["versions"]
    path = checkout / "notebooks" / "04_small.ipynb"
    notebook = nbformat.read(path, 4)
    results_read = notebook.metadata.pop("results_sha256")
    assert list(results_read) == ["claims.json"] and notebook.metadata == METADATA
    assert notebook.cells[-1].outputs[1].text == "5 bins\n"
    assert str(checkout) not in path.read_text(encoding="utf-8")
    readme = (checkout / "README.md").read_text(encoding="utf-8")
    assert "**Figure 7.** A line." in readme
    assert readme.startswith("# Title\n")
    assert readme.endswith(f"{markers('figures/fig*.json')[1]}\nThe end.\n")
    assert not (checkout / "build").exists()

    run_once_more()
    before = files(checkout)
    code, out, err = convae("figures")
    assert (code, out) == (0, "Nothing to write: all is as it was, within the tolerances.\n"), err
    assert files(checkout) == before

    assert convae("verify")[0] == 0
    figure["numbers"]["third"] = 2
    (checkout / "figures" / "fig7.json").write_text(json.dumps(figure), encoding="utf-8")
    shutil.copy(checkout / "figures" / "fig6.png", checkout / "figures" / "fig7.png")
    code, out, err = convae("verify")
    assert code == 1
    assert "figures/fig7: fig7.json.numbers.third: 1.6667, was 2" in out
    assert "figures/fig7: fig7.png" in out


def test_after_other_results_a_notebook_is_replaced_even_where_it_only_seems_rounded(
        checkout, convae, run_once_more):
    notebook = checkout / "notebooks" / "04_small.ipynb"
    count = ("from convae._io import FIGURES\n"
             "print(len(notebook.results(FIGURES / 'claims.json')['claims']), 'claims')")
    write(notebook, begin(notebook), count)
    assert convae("figures")[0] == 0
    path = checkout / "figures" / "claims.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    shown = f"{len(results['claims'])} claims\n"
    results["claims"].popitem()
    path.write_text(json.dumps(results), encoding="utf-8")
    run_once_more()
    code, out, _ = convae("verify")
    assert code == 1 and "notebooks/04_small.ipynb: was run with another claims.json" in out
    before = nbformat.read(notebook, 4)
    assert shown in before.cells[-1].outputs[0].text
    assert convae("figures")[0] == 0
    after = nbformat.read(notebook, 4)
    assert after.cells[-1].outputs[0].text != before.cells[-1].outputs[0].text
    assert convae("verify")[0] == 0


def test_a_failing_cell_is_reported_and_nothing_is_replaced(checkout, convae):
    write(checkout / "notebooks" / "02_broken.ipynb", "first = 1\nsecond = first / 0")
    write(checkout / "notebooks" / "04_small.ipynb", "print(bins)")
    before = files(checkout)
    code, out, err = convae("figures")
    assert code == 1 and out == ""
    assert "02_broken failed." in err and "first = 1\nsecond = first / 0\n" in err
    assert "ZeroDivisionError" in err and "division by zero" in err
    kept = Path(err.partition("The notebook up to there: ")[2].splitlines()[0])
    assert "ZeroDivisionError" in kept.read_text(encoding="utf-8")
    assert files(checkout) == before


@pytest.mark.parametrize("arguments, says", [
    (["-p", "bins=0", "--out", "x"],
     "04_small: bins must be a whole number from 5 to 1,000, got 0"),
    (["-p", "bin=9", "--out", "x"],
     "no chosen notebook has a parameter 'bin'. Their parameters are: 04_small: bins"),
    (["-p", "bins", "--out", "x"], "-p takes NAME=VALUE, got 'bins'"),
    (["-p", "bins=9"], "parameters other than the committed ones need --out DIR"),
    (["--out", "figures/mine"], "that is where the committed ones are"),
    (["--only", "04,09"], "no notebook 09; there are 04_small"),
])
def test_what_cannot_be_is_refused_before_anything_runs(checkout, convae, arguments, says):
    before = files(checkout)
    code, _, err = convae("figures", *arguments)
    assert code == 1 and says in err
    assert files(checkout) == before
    assert not (checkout / "build").exists() and not (checkout / "x").exists()


def test_other_parameters_go_to_a_folder_of_their_own(checkout, convae, tmp_path):
    before = files(checkout)
    out = tmp_path / "my results"
    code, _, err = convae("figures", "--only", "04", "-p", "bins=6", "--out", out)
    assert code == 0, err
    assert {p.name for p in out.iterdir()} == {
        "04_small.ipynb", "fig7.json", "fig7.png", "manifest.json"}
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["fig7"]["parameters"] == {"bins": 6}
    assert files(checkout) == before


def test_an_interrupted_run_stops_its_kernels_and_leaves_all_as_it_was(checkout):
    sign = f"open({str(checkout / 'it runs')!r}, 'w').close()"
    write(checkout / "notebooks" / "04_small.ipynb", "print(bins)")
    write(checkout / "notebooks" / "02_long.ipynb", f"import time\n{sign}\ntime.sleep(600)")
    before = files(checkout)
    process = start(checkout, "figures")
    deadline = time.monotonic() + 60
    while not (checkout / "it runs").exists():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to the whole group
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.rstrip().endswith("convae: interrupted; what was there before is as it was")
    assert children  # a kernel at least
    assert not psutil.wait_procs(children, timeout=20)[1]
    assert files(checkout) == before
    assert not (checkout / "build").exists()


def test_ending_a_kernel_ends_what_it_started_and_no_other_process():
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    code = ("import subprocess, sys, time; subprocess.Popen(sys.argv[1:]);"
            "print('started', flush=True); time.sleep(600)")
    other = subprocess.Popen(sleep)
    kernel = subprocess.Popen([sys.executable, "-c", code, *sleep], stdout=subprocess.PIPE)
    try:
        kernel.stdout.readline()
        started = psutil.Process(kernel.pid).children()
        provisioner = SimpleNamespace(pid=kernel.pid)
        runner._kill_kernel(SimpleNamespace(km=SimpleNamespace(provisioner=provisioner)))
        assert kernel.wait(timeout=60)
        assert started and not psutil.wait_procs(started, timeout=60)[1]
        assert other.poll() is None
    finally:
        kernel.kill()
        other.kill()
        kernel.communicate()
        other.wait()


def test_a_kernel_that_was_never_started_needs_no_end():
    runner._kill_kernel(SimpleNamespace(km=None))
    runner._kill_kernel(SimpleNamespace(km=SimpleNamespace(provisioner=None)))


def test_a_full_disk_is_reported_and_leaves_all_as_it_was(checkout):
    import resource

    def nothing_fits():  # every write beyond the first kilobyte of a file fails
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    write(checkout / "notebooks" / "04_small.ipynb", "print(1000 * 'fills the disk ')")
    before = files(checkout)
    process = start(checkout, "figures", preexec_fn=nothing_fits)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "File too large" in err
    assert files(checkout) == before


def test_papermill_runs_a_notebook_anywhere_and_writes_figures_only_where_told(
        checkout, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    before = files(checkout)
    path = str(checkout / "notebooks" / "04_small.ipynb")
    done = CliRunner().invoke(papermill, [path, "out.ipynb", "-p", "bins", "7"])
    assert done.exit_code == 0, done.output
    assert nbformat.read("out.ipynb", 4).cells[-1].outputs[1].text == "7 bins\n"
    assert [p.name for p in elsewhere.iterdir()] == ["out.ipynb"]
    done = CliRunner().invoke(papermill, [path, "out.ipynb", "-p", "bin", "7"])
    assert "04_small has no parameter 'bin'; it has bins" in str(done.exception)
    assert files(checkout) == before
