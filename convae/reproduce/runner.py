"""Runs the notebooks, one a core, and puts what they made in its place once all have succeeded."""

import json
import os
import re
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

from convae._io import (
    FIGURES,
    ROOT,
    UserError,
    cache_dir,
    read_json,
    to_json,
    write_all_atomically,
    write_atomically,
)
from convae.data import load_mnist
from convae.pretrained import SHIPPED, train_shipped, weights_dir
from convae.reproduce import compare, parameters, readme
from convae.reproduce.notebook import NOTEBOOKS, RESULTS_READ, TOLERANCE

WORKSPACE = ROOT / "build"  # for notebooks that failed; git ignores it
EXACT = {"relative": 0, "absolute": 0}


class RunError(UserError):
    """Notebooks that cannot be run as was asked, or that failed."""


class Made(NamedTuple):
    """What notebooks made."""

    files: dict[str, bytes]     #: by name: executed notebooks, and PNG and JSON of their figures
    manifest: dict[str, dict]   #: by figure, its provenance


def select(only: str | None = None) -> list[Path]:
    """The notebooks whose numbers or names `only` lists, such as ``02,05``; all if None."""
    notebooks = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    if not notebooks:
        raise RunError(f"there are no notebooks in {NOTEBOOKS}: run this from a checkout")
    if only is None:
        return notebooks
    selected = set()
    for item in re.findall(r"[^,\s]+", only) or [""]:
        matching = {path for path in notebooks if item in (path.stem, path.stem[:2])}
        if not matching:
            there = ", ".join(path.stem for path in notebooks)
            raise RunError(f"no notebook {item or 'named'}; there are {there}")
        selected |= matching
    return sorted(selected)


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
    resolved, unknown, known = {}, set(values), []
    for path in notebooks:
        names = parameters.declared(path).keys()
        own = {name: value for name, value in values.items() if name in names}
        resolved[path] = parameters.check(path, own)
        unknown -= names
        known.append(f"{path.stem}: {', '.join(names)}")
    if unknown:
        raise parameters.ParameterError(f"no chosen notebook has a parameter {min(unknown)!r}. "
                                        f"Their parameters are: {'; '.join(known)}")
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
    contents = _committed(made) if out is None else _in_folders(made, out, out)
    write_all_atomically(contents)
    return list(map(str, contents))


def reproduce() -> list[str]:
    """Train every shipped model from scratch, then run every notebook; returns what changed.

    Models that an interrupted run has trained are not trained again.
    """
    folder = cache_dir() / "reproduce"
    train_shipped(folder)
    contents = _committed(execute(resolve(select(), {}), weights=folder))
    for name in SHIPPED:
        old, new = weights_dir() / f"{name}.safetensors", folder / f"{name}.safetensors"
        if not old.exists() or old.read_bytes() != new.read_bytes():
            contents[old] = new.read_bytes()
            contents[old.with_suffix(".json")] = new.with_suffix(".json").read_bytes()
    write_all_atomically(contents)
    shutil.rmtree(folder)
    return list(map(str, contents))


def verify(only: str | None = None) -> list[str]:
    """Run notebooks again; returns where they differ from what is committed, as sentences."""
    return differences(execute(resolve(select(only), {})))


def differences(made: Made) -> list[str]:
    """Where notebooks and figures differ from what is committed, as sentences."""
    sentences = []
    for path, found in _compared(made).items():
        sentences += [f"{path.relative_to(ROOT)}: {difference}" for difference in found]
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
    with TemporaryDirectory(prefix="convae-") as place:
        failures = _run_all(resolved, Path(place), environment)
        if failures:
            unchanged = "Figures, notebooks and weights are as they were."
            raise RunError("\n\n".join([*failures, unchanged]))
        return collect(Path(place))


def collect(place: Path) -> Made:
    """What executed notebooks made, each in a folder of `place`."""
    files, manifest = {}, {}
    for path in sorted(place.glob("*/*")):
        if path.name == "manifest.json":
            manifest |= read_json(path)
        elif path.suffix == ".ipynb" or path.name.startswith("fig"):
            files[path.name] = path.read_bytes()
    return Made(files, manifest)


def _run_all(resolved, place, environment) -> list[str]:
    """Run notebooks, each in its folder of `place`; returns a report of each that failed.

    Any exception, and Ctrl-C, ends every kernel.
    """
    clients: list[NotebookClient] = []
    long_ones_first = sorted(resolved, key=lambda path: -path.stat().st_size)  # roughly
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = []
        for path in long_ones_first:
            job = path, resolved[path], place / path.stem, environment, clients
            running.append(pool.submit(_run, *job))
        try:
            return [job.result() for job in running if job.result()]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            while any(job.running() for job in running):  # one may be starting its kernel
                for client in clients:
                    _kill_kernel(client)
                wait(running, timeout=0.1)
            raise


def _kill_kernel(client: NotebookClient):
    """End a notebook's kernel, if it runs, with the processes that it started."""
    provisioner = getattr(client.km, "provisioner", None)
    if pid := getattr(provisioner, "pid", None):
        with suppress(psutil.NoSuchProcess):
            kernel = psutil.Process(pid)
            kernel.suspend()  # it starts no more processes while they are listed
            for process in (*kernel.children(recursive=True), kernel):
                process.kill()


def _run(path, values, folder, environment, clients) -> str | None:
    """Run one notebook into its folder; returns a report of the cell that failed."""
    folder.mkdir()
    notebook = load_notebook_node(str(path))
    if values:
        notebook = parameterize_notebook(notebook, values)
    with tqdm(total=len(notebook.cells), desc=path.stem, unit="cell", file=sys.stderr) as bar:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            coalesce_streams=True,  # timing decides in how many pieces a text arrives
            resources={"metadata": {"path": str(folder)}},  # where it runs
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            on_cell_complete=lambda **_: bar.update(),
        )
        clients.append(client)
        try:
            client.execute(env={**environment, "CONVAE_FIGURES": str(folder)})
        except CellExecutionError as error:
            kept = WORKSPACE / "failed" / path.name
            write_atomically(kept, nbformat.writes(notebook))
            return f"{path.stem} failed. {error}\nThe notebook up to there: {kept}"
    nbformat.write(without_traces(notebook, folder), folder / path.name)
    return None


def without_traces(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """An executed notebook without what differs from one run to the next.

    Its metadata say which committed results it read.
    """
    results_read = folder / RESULTS_READ
    notebook.metadata = {
        "kernelspec": notebook.metadata["kernelspec"],
        "language_info": {"name": "python"},
        "results_sha256": read_json(results_read) if results_read.exists() else {},
    }
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = {"tags": tags} if tags else {}
    return notebook


def _in_folders(made: Made, notebooks: Path, figures: Path) -> dict[Path, bytes | str]:
    """What was made as files, by path; the manifest keeps its entries of other figures."""
    contents = {}
    for name, content in made.files.items():
        contents[(notebooks if name.endswith(".ipynb") else figures) / name] = content
    if made.manifest:
        manifest = figures / "manifest.json"
        entries = read_json(manifest) if manifest.exists() else {}
        contents[manifest] = to_json(dict(sorted((entries | made.manifest).items())))
    return contents


def _committed(made: Made) -> dict[Path, bytes | str]:
    """The files of the checkout as they have to be after a run: those alone that differ."""
    changed = [path.stem for path, differences in _compared(made).items() if differences]
    files = {name: made.files[name] for name in made.files if Path(name).stem in changed}
    manifest = {name: made.manifest[name] for name in made.manifest if name in changed}
    contents = _in_folders(Made(files, manifest), NOTEBOOKS, FIGURES)
    return contents | readme.changes("figures/fig*.json", readme.gallery(contents))


def _compared(made: Made) -> dict[Path, list[str]]:
    """Where each notebook and figure differs from the committed one, as sentences."""
    differences = {}
    for path in NOTEBOOKS.iterdir():
        if path.name in made.files:
            differences[path] = _notebook_differences(path, made)
    for name in made.manifest:
        differences[FIGURES / name] = _figure_differences(name, made)
    return differences


def _notebook_differences(path: Path, made: Made) -> list[str]:
    committed, notebook = nbformat.read(path, 4), nbformat.reads(made.files[path.name], 4)
    before = committed.metadata.get("results_sha256", {})
    now = notebook.metadata["results_sha256"]
    # With other results, a number that is off by one in its last digit is not rounding.
    stale = [f"was run with another {name}" for name in now if now[name] != before.get(name)]
    return stale + compare.notebook(committed, notebook, TOLERANCE)


def _figure_differences(name: str, made: Made) -> list[str]:
    try:
        picture = (FIGURES / f"{name}.png").read_bytes()
        content = read_json(FIGURES / f"{name}.json")
        entry = read_json(FIGURES / "manifest.json")[name]
    except (OSError, KeyError, json.JSONDecodeError) as error:
        return [f"is not there or not whole ({type(error).__name__}: {error})"]
    now = json.loads(made.files[f"{name}.json"])
    any_versions = {"versions": {}}
    entries = entry | any_versions, made.manifest[name] | any_versions
    return [
        *compare.content(*entries, EXACT, "manifest.json"),
        *compare.content(content, now, content.get("tolerance", TOLERANCE), f"{name}.json"),
        *compare.png(picture, made.files[f"{name}.png"], f"{name}.png"),
    ]
