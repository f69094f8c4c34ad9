"""Runs the notebooks through papermill, two at a time, and puts what they made in its place once
all have succeeded."""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat

from convae._io import FIGURES, ROOT, cache_dir, to_json, write_all_atomically
from convae.data import load_mnist
from convae.fast.parallel import side_by_side
from convae.pretrained import SHIPPED, train_shipped, weights_dir
from convae.reproduce import compare, parameters, readme
from convae.reproduce.notebook import NOTEBOOKS, RESULTS_READ, TOLERANCE

WORKSPACE = ROOT / "build"  # beside the final places, so that a rename is enough; git ignores it


class RunError(RuntimeError):
    """Something the user can mend; the message says what and how."""


def available() -> list[Path]:
    """The notebooks of this checkout, by number."""
    found = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise RunError(f"there are no notebooks in {NOTEBOOKS}: run this from a checkout of the repository")
    return found


def select(only: str | None) -> list[Path]:
    """The notebooks whose numbers or names `only` lists, such as ``02,05``; all if None."""
    notebooks = available()
    if only is None:
        return notebooks
    wanted = [item.strip() for item in only.split(",") if item.strip()]
    unknown = [item for item in wanted if not any(item in (n.stem, n.stem[:2]) for n in notebooks)]
    if unknown or not wanted:
        raise RunError(f"no notebook {', '.join(unknown) or 'named'}; there are {', '.join(n.stem for n in notebooks)}")
    return [n for n in notebooks if n.stem in wanted or n.stem[:2] in wanted]


def resolve(notebooks: list[Path], values: dict) -> dict[Path, dict]:
    """For each notebook those of the values that it declares, checked; every value must be known to
    at least one."""
    declared = {notebook: parameters.declared(notebook) for notebook in notebooks}
    for name in values:
        if not any(name in known for known in declared.values()):
            each = "; ".join(f"{n.stem}: {', '.join(known)}" for n, known in declared.items())
            raise parameters.ParameterError(f"no chosen notebook has a parameter {name!r}. Their parameters are: {each}")
    return {n: parameters.check(n, {k: v for k, v in values.items() if k in known}) for n, known in declared.items()}


def figures(only: str | None = None, values: dict | None = None, out: Path | None = None) -> list[str]:
    """Run notebooks and draw their figures.

    Parameters
    ----------
    only : str, optional
        Which notebooks, such as ``02,05``; all if None.
    values : dict, optional
        Parameters other than the committed ones; needs `out`.
    out : Path, optional
        Folder for the notebooks and figures. If None they replace the committed ones, where they
        differ by more than the tolerances.

    Returns
    -------
    list of str
        What was written.

    Raises
    ------
    RunError, convae.reproduce.parameters.ParameterError
        Before anything runs, if something is asked that cannot be; or if a notebook failed: nothing
        is replaced then.
    """
    notebooks = select(only)
    resolved = resolve(notebooks, values or {})
    if values and out is None:
        raise RunError("parameters other than the committed ones need --out DIR: figures/ holds the committed figures")
    if out is not None and any(out.resolve() == p or p in out.resolve().parents for p in (FIGURES, NOTEBOOKS)):
        raise RunError(f"--out {out}: that is where the committed ones are; choose another folder")
    with Run(resolved) as run:
        contents = run.contents(out) if out else run.changes()
        if out is None:
            contents |= readme.changes("figures/fig*.json", readme.gallery(contents))
        write_all_atomically(contents)
    return [str(path) for path in contents]


def reproduce() -> list[str]:
    """Train every shipped model from scratch, then run every notebook with the new weights; returns
    what changed.

    An interrupted training goes on where it stopped: models already trained are not trained again.
    """
    folder = cache_dir() / "reproduce"
    train_shipped(folder)
    with Run(resolve(available(), {}), weights=folder) as run:
        contents = run.changes()
        for name in SHIPPED:
            old, new = weights_dir() / f"{name}.safetensors", folder / f"{name}.safetensors"
            if not old.exists() or old.read_bytes() != new.read_bytes():
                contents |= {old: new.read_bytes(), old.with_suffix(".json"): new.with_suffix(".json").read_bytes()}
        contents |= readme.changes("figures/fig*.json", readme.gallery(contents))
        write_all_atomically(contents)
    shutil.rmtree(folder)
    return [str(path) for path in contents]


def verify(only: str | None = None) -> list[str]:
    """Run notebooks again and compare with what is committed; returns the differences, as
    sentences."""
    with Run(resolve(select(only), {})) as run:
        return run.differences()


class Run:
    """One run of notebooks in a workspace of its own, gone at the end unless a notebook failed."""

    def __init__(self, resolved: dict[Path, dict], weights: Path | None = None):
        self.resolved = resolved
        self.weights = weights

    def __enter__(self):
        load_mnist(train=True)  # fetched once, before the kernels need it
        WORKSPACE.mkdir(exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=WORKSPACE))
        try:
            order = sorted(self.resolved, key=lambda n: -n.stat().st_size)  # roughly the long ones first
            jobs = [(n, self.folder / n.stem, self.resolved[n], self.weights) for n in order]
            failures = [report for report in side_by_side(_execute, jobs) if report]
        except BaseException:
            self.__exit__()
            raise
        if failures:
            raise RunError("\n\n".join([*failures, "Figures, notebooks and weights are as they were."]))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def notebook(self, source: Path) -> nbformat.NotebookNode:
        """An executed notebook, without what differs from one run to the next: times, paths, the
        Python version.

        Its metadata say which committed results it was run with.
        """
        executed = nbformat.read(self.folder / source.stem / source.name, 4)
        executed.metadata = {"kernelspec": executed.metadata["kernelspec"], "language_info": {"name": "python"},
                             "results_sha256": self._results_read(source)}
        for cell in executed.cells:
            cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags" and value}
        return executed

    def drawn(self) -> dict[str, Path]:
        """The figures of this run, by name, as paths without suffix."""
        return {p.stem: p.with_suffix("") for n in self.resolved for p in sorted((self.folder / n.stem).glob("fig*.png"))}

    def manifest(self) -> dict:
        """The provenance of each figure of this run."""
        files = [self.folder / n.stem / "manifest.json" for n in self.resolved]
        return {name: entry for f in files if f.exists() for name, entry in _read_json(f).items()}

    def _results_read(self, source):
        path = self.folder / source.stem / RESULTS_READ
        return _read_json(path) if path.exists() else {}

    def contents(self, out: Path) -> dict[Path, bytes | str]:
        """All that this run made, as it belongs into the folder `out`."""
        contents = {out / n.name: nbformat.writes(self.notebook(n)) + "\n" for n in self.resolved}
        for name, path in self.drawn().items():
            contents |= {out / f"{name}{suffix}": path.with_suffix(suffix).read_bytes() for suffix in (".png", ".json")}
        before = _read_json(out / "manifest.json") if (out / "manifest.json").exists() else {}
        return contents | {out / "manifest.json": to_json(dict(sorted({**before, **self.manifest()}.items())))}

    def changes(self) -> dict[Path, bytes | str]:
        """What has to be written so that figures/ and notebooks/ are those of this run: only what
        is not alike already."""
        contents, committed = {}, _read_json(FIGURES / "manifest.json") if (FIGURES / "manifest.json").exists() else {}
        for notebook in self.resolved:
            if self._notebook_differs(notebook):
                contents[notebook] = nbformat.writes(self.notebook(notebook)) + "\n"
        entries = dict(committed)
        for name, path in self.drawn().items():
            if self._figure_differs(name):
                contents |= {FIGURES / f"{name}{s}": path.with_suffix(s).read_bytes() for s in (".png", ".json")}
                entries[name] = self.manifest()[name]
        if entries != committed:
            contents[FIGURES / "manifest.json"] = to_json(dict(sorted(entries.items())))
        return contents

    def differences(self) -> list[str]:
        """Where this run and what is committed differ."""
        return [f"{n.relative_to(ROOT)}: {d}" for n in self.resolved for d in self._notebook_differs(n)] + \
            [f"figures/{name}: {d}" for name in self.drawn() for d in self._figure_differs(name)]

    def _notebook_differs(self, notebook):
        committed, run = nbformat.read(notebook, 4), self.notebook(notebook)
        before = committed.metadata.get("results_sha256", {})
        stale = [f"was run with another {name}" for name, sha256 in run.metadata["results_sha256"].items()
                 if before.get(name) != sha256]  # a number that is off by one in its last digit is not rounding then
        return stale + compare.notebook(committed, run, TOLERANCE)

    def _figure_differs(self, name):
        try:
            old, picture = _read_json(FIGURES / f"{name}.json"), (FIGURES / f"{name}.png").read_bytes()
            committed = _read_json(FIGURES / "manifest.json")[name]
        except (OSError, KeyError, json.JSONDecodeError) as error:
            return [f"is not there or not whole ({type(error).__name__}: {error})"]
        path, entry = self.drawn()[name], self.manifest()[name]
        provenance = [f"{key} in the manifest: {entry[key]}, was {committed.get(key)}" for key in entry
                      if key != "versions" and entry[key] != committed.get(key)]
        return provenance + compare.png(picture, path.with_suffix(".png").read_bytes(), f"{name}.png") + \
            compare.content(old, _read_json(path.with_suffix(".json")), old.get("tolerance", TOLERANCE), f"{name}.json")


def _execute(notebook, folder, values, weights, line):
    """Run one notebook into its folder; None, or a report of the cell that failed."""
    from papermill import PapermillExecutionError, execute_notebook

    folder.mkdir()
    os.environ |= {"CONVAE_FIGURES": str(folder), "OMP_NUM_THREADS": "1"}
    if weights:
        os.environ["CONVAE_WEIGHTS"] = str(weights)
    try:
        execute_notebook(notebook, folder / notebook.name, values, kernel_name="python3", cwd=folder,
                         progress_bar={"desc": notebook.stem, "position": line, "file": sys.stderr},
                         extra_arguments=["--IPKernelApp.log_level=ERROR"])
    except PapermillExecutionError as error:
        source = "\n".join(f"    {line}" for line in error.source.splitlines()[:12])
        return (f"{notebook.stem} failed in cell {error.cell_index + 1} (In [{error.exec_count}]):\n{source}\n"
                f"{error.ename}: {error.evalue}\nThe notebook up to there: {folder / notebook.name}")
    return None


def _read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))
