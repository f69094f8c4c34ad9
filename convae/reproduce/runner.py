"""Runs the notebooks, one a core, and puts what they made in its place once all have succeeded."""

import json
import os
import shutil
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from tqdm import tqdm

from convae._io import FIGURES, ROOT, UserError, cache_dir, to_json, write_all_atomically
from convae.data import load_mnist
from convae.pretrained import SHIPPED, train_shipped, weights_dir
from convae.reproduce import compare, parameters, readme
from convae.reproduce.notebook import NOTEBOOKS, RESULTS_READ, TOLERANCE

WORKSPACE = ROOT / "build"  # for notebooks that failed; git ignores it


class RunError(UserError):
    """Notebooks that cannot be run as was asked, or that failed."""


class Figure(NamedTuple):
    """A figure as a notebook published it."""

    picture: bytes    #: PNG
    content: bytes    #: JSON: the numbers drawn, and what the text says of them
    provenance: dict  #: its entry in the manifest


class Made(NamedTuple):
    """What notebooks made: themselves, executed, by their committed path; and figures by name."""

    notebooks: dict[Path, NotebookNode]
    figures: dict[str, Figure]


def available() -> list[Path]:
    """The notebooks of this checkout, by number."""
    notebooks = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    if not notebooks:
        raise RunError(f"there are no notebooks in {NOTEBOOKS}: run this from a checkout")
    return notebooks


def select(only: str | None) -> list[Path]:
    """The notebooks whose numbers or names `only` lists, such as ``02,05``; all if None."""
    notebooks = available()
    if only is None:
        return notebooks
    wanted = [item.strip() for item in only.split(",") if item.strip()]
    known = {name for notebook in notebooks for name in (notebook.stem, notebook.stem[:2])}
    unknown = [item for item in wanted if item not in known]
    if unknown or not wanted:
        there = ", ".join(notebook.stem for notebook in notebooks)
        raise RunError(f"no notebook {', '.join(unknown) or 'named'}; there are {there}")
    return [n for n in notebooks if n.stem in wanted or n.stem[:2] in wanted]


def parse(items: Iterable[str]) -> dict[str, str]:
    """Parameters by name, from ``NAME=VALUE``."""
    values = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not (equals and name.isidentifier()):
            raise RunError(f"-p takes NAME=VALUE, got {item!r}")
        values[name] = value
    return values


def resolve(notebooks: list[Path], values: dict) -> dict[Path, dict]:
    """The values that each notebook declares, checked; each must be known to at least one."""
    declared = {notebook: parameters.declared(notebook) for notebook in notebooks}
    for name in values:
        if not any(name in known for known in declared.values()):
            each = "; ".join(f"{n.stem}: {', '.join(known)}" for n, known in declared.items())
            raise parameters.ParameterError(
                f"no chosen notebook has a parameter {name!r}. Their parameters are: {each}")
    resolved = {}
    for notebook, known in declared.items():
        own = {name: value for name, value in values.items() if name in known}
        resolved[notebook] = parameters.check(notebook, own)
    return resolved


def figures(only: str | None = None, values: dict | None = None,
            out: Path | None = None) -> list[str]:
    """Run notebooks and draw their figures; returns what was written.

    Parameters
    ----------
    only : str, optional
        Which notebooks, such as ``02,05``; all if None.
    values : dict, optional
        Parameters other than the committed ones; needs `out`.
    out : Path, optional
        Folder for the notebooks and figures. If None they replace the committed ones, where they
        differ by more than the tolerances.

    Raises
    ------
    RunError, convae.reproduce.parameters.ParameterError
        Before anything runs, if something is asked that cannot be; or if a notebook failed: nothing
        is replaced then.
    """
    resolved = resolve(select(only), values or {})
    if values and out is None:
        raise RunError("parameters other than the committed ones need --out DIR: figures/ holds "
                       "the committed figures")
    if out is not None and {FIGURES, NOTEBOOKS} & {out.resolve(), *out.resolve().parents}:
        raise RunError(f"--out {out}: that is where the committed ones are; choose another folder")
    made = execute(resolved)
    contents = _committed(made) if out is None else _files(made, out, out)
    write_all_atomically(contents)
    return [str(path) for path in contents]


def reproduce() -> list[str]:
    """Train every shipped model from scratch, then run every notebook; returns what changed.

    Models that an interrupted run has trained are not trained again.
    """
    folder = cache_dir() / "reproduce"
    train_shipped(folder)
    contents = _committed(execute(resolve(available(), {}), weights=folder))
    for name in SHIPPED:
        old, new = weights_dir() / f"{name}.safetensors", folder / f"{name}.safetensors"
        if not old.exists() or old.read_bytes() != new.read_bytes():
            contents[old] = new.read_bytes()
            contents[old.with_suffix(".json")] = new.with_suffix(".json").read_bytes()
    write_all_atomically(contents)
    shutil.rmtree(folder)
    return [str(path) for path in contents]


def verify(only: str | None = None) -> list[str]:
    """Run notebooks again; returns where they differ from what is committed, as sentences."""
    return differences(execute(resolve(select(only), {})))


def differences(made: Made) -> list[str]:
    """Where notebooks and figures differ from what is committed, as sentences."""
    sentences = []
    for path, notebook in made.notebooks.items():
        found = _notebook_differences(path, notebook)
        sentences += [f"{path.relative_to(ROOT)}: {difference}" for difference in found]
    for name, figure in made.figures.items():
        found = _figure_differences(name, figure)
        sentences += [f"figures/{name}: {difference}" for difference in found]
    return sentences


def execute(resolved: dict[Path, dict], weights: Path | None = None) -> Made:
    """Run each notebook with its values, and with the weights in a folder other than the shipped.

    Raises
    ------
    RunError
        If notebooks failed, once all have ended; the message has each cell that did.
    """
    load_mnist(train=True)  # fetched once, before the kernels need it
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if weights:
        environment["CONVAE_WEIGHTS"] = str(weights)
    long_ones_first = sorted(resolved, key=lambda path: -path.stat().st_size)  # roughly
    with TemporaryDirectory(prefix="convae-") as place:
        folders = {path: Path(place) / path.stem for path in resolved}
        jobs = [(path, folders[path], resolved[path], environment) for path in long_ones_first]
        failures = [report for report in _run_all(jobs) if report]
        if failures:
            unchanged = "Figures, notebooks and weights are as they were."
            raise RunError("\n\n".join([*failures, unchanged]))
        return collect(folders)


def collect(folders: dict[Path, Path]) -> Made:
    """What executed notebooks made, each in a folder, by the notebook's committed path."""
    notebooks = {path: _without_traces(folder / path.name) for path, folder in folders.items()}
    drawn = {}
    for folder in folders.values():
        drawn |= _figures_in(folder)
    return Made(notebooks, drawn)


def _run_all(jobs: list[tuple]) -> list[str | None]:
    """The reports of all notebooks. Any exception, and Ctrl-C, stops every kernel."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = [pool.submit(_run, *job) for job in jobs]
        try:
            return [job.result() for job in running]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            while any(job.running() for job in running):  # one may be starting its kernel
                _kill_kernels()
                wait(running, timeout=0.1)
            raise


def _kill_kernels():
    for kernel in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            kernel.suspend()  # it starts no more processes while they are listed
            for process in (*kernel.children(recursive=True), kernel):
                process.kill()


def _run(path: Path, folder: Path, values: dict, environment: dict) -> str | None:
    """Run one notebook into its folder; returns a report of the cell that failed."""
    folder.mkdir()
    notebook = load_notebook_node(str(path))
    if values:
        notebook = parameterize_notebook(notebook, values)
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=cells, desc=path.stem, unit="cell", file=sys.stderr) as bar:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},  # where it runs
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            on_cell_executed=lambda **_: bar.update(),
        )
        try:
            client.execute(env={**environment, "CONVAE_FIGURES": str(folder)})
        except CellExecutionError as error:
            return _report(path, notebook, error)
    nbformat.write(notebook, folder / path.name)
    return None


def _report(path: Path, notebook: NotebookNode, error: CellExecutionError) -> str:
    number, cell = next((number, cell) for number, cell in enumerate(notebook.cells, 1)
                        if any(o.output_type == "error" for o in cell.get("outputs", [])))
    source = "\n".join(f"    {line}" for line in cell.source.splitlines()[:12])
    kept = WORKSPACE / "failed" / path.name
    write_all_atomically({kept: nbformat.writes(notebook)})
    return (f"{path.stem} failed in cell {number} (In [{cell.execution_count}]):\n{source}\n"
            f"{error.ename}: {error.evalue}\nThe notebook up to there: {kept}")


def _without_traces(path: Path) -> NotebookNode:
    """An executed notebook without what differs from one run to the next.

    Its metadata say which committed results it read.
    """
    notebook = nbformat.read(path, 4)
    results_read = path.parent / RESULTS_READ
    notebook.metadata = {
        "kernelspec": notebook.metadata["kernelspec"],
        "language_info": {"name": "python"},
        "results_sha256": _read_json(results_read) if results_read.exists() else {},
    }
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = {"tags": tags} if tags else {}
    return notebook


def _figures_in(folder: Path) -> dict[str, Figure]:
    drawn = {}
    for picture in sorted(folder.glob("fig*.png")):
        provenance = _read_json(folder / "manifest.json")[picture.stem]
        content = picture.with_suffix(".json").read_bytes()
        drawn[picture.stem] = Figure(picture.read_bytes(), content, provenance)
    return drawn


def _files(made: Made, notebooks: Path, figures: Path) -> dict[Path, bytes | str]:
    """The files that hold it, in these folders, by path."""
    contents = {}
    for path, notebook in made.notebooks.items():
        contents[notebooks / path.name] = nbformat.writes(notebook) + "\n"
    for name, figure in made.figures.items():
        contents[figures / f"{name}.png"] = figure.picture
        contents[figures / f"{name}.json"] = figure.content
    if made.figures:
        manifest = figures / "manifest.json"
        entries = _read_json(manifest) if manifest.exists() else {}
        entries |= {name: figure.provenance for name, figure in made.figures.items()}
        contents[manifest] = to_json(dict(sorted(entries.items())))
    return contents


def _committed(made: Made) -> dict[Path, bytes | str]:
    """The files of the checkout as they have to be after a run: those alone that differ."""
    changed = Made({}, {})
    for path, notebook in made.notebooks.items():
        if _notebook_differences(path, notebook):
            changed.notebooks[path] = notebook
    for name, figure in made.figures.items():
        if _figure_differences(name, figure):
            changed.figures[name] = figure
    contents = _files(changed, NOTEBOOKS, FIGURES)
    return contents | readme.changes("figures/fig*.json", readme.gallery(contents))


def _notebook_differences(path: Path, notebook: NotebookNode) -> list[str]:
    committed = nbformat.read(path, 4)
    before = committed.metadata.get("results_sha256", {})
    # With other results, a number that is off by one in its last digit is not rounding.
    stale = [f"was run with another {name}"
             for name, sha256 in notebook.metadata["results_sha256"].items()
             if before.get(name) != sha256]
    return stale + compare.notebook(committed, notebook, TOLERANCE)


def _figure_differences(name: str, figure: Figure) -> list[str]:
    try:
        content = _read_json(FIGURES / f"{name}.json")
        picture = (FIGURES / f"{name}.png").read_bytes()
        before = _read_json(FIGURES / "manifest.json")[name]
    except (OSError, KeyError, json.JSONDecodeError) as error:
        return [f"is not there or not whole ({type(error).__name__}: {error})"]
    provenance = [f"{key} in the manifest: {value}, was {before.get(key)}"
                  for key, value in figure.provenance.items()
                  if key != "versions" and value != before.get(key)]
    tolerance = content.get("tolerance", TOLERANCE)
    numbers = compare.content(content, json.loads(figure.content), tolerance, f"{name}.json")
    return provenance + compare.png(picture, figure.picture, f"{name}.png") + numbers


def _read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))
