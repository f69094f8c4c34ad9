"""From a folder of normal images to a model file; from a folder of images and a model file to
scores and a report."""

import csv
import heapq
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from convae._io import write_all_atomically
from convae.anomaly import report
from convae.anomaly.conformal import check_rate
from convae.anomaly.images import ImageError, list_images, printable, read_images
from convae.anomaly.model import Inspector

RESULTS = ("scores.json", "scores.csv", "report.html")  # the first says whose results they are
PARTIAL = ".partial.jsonl"  # of an interrupted detection, in its output folder
BATCH = 500                 # images that are read and scored at a time, but of large ones
BATCH_PIXELS = 10_000_000   # only as many as have this number of pixels together


class Folder:
    """The images below a folder, in order; those that cannot be read are passed over.

    Attributes
    ----------
    unreadable : dict
        From file to what is wrong with it; complete once all images have been gone through.
    """

    def __init__(self, path: Path, progress: str | None = None):
        self.path, self.names, self.progress = path, list_images(path), progress
        self.unreadable: dict[str, str] = {}

    def __iter__(self) -> Iterator[np.ndarray]:
        for name in tqdm(self.names, self.progress, unit="file", disable=not self.progress):
            for _, image in self.read(name):
                yield image

    def read(self, name: str) -> Iterator[tuple[str, np.ndarray]]:
        """One file's images, as :func:`convae.anomaly.images.read_images` has them, as far as they
        can be read."""
        try:
            yield from read_images(self.path / name)
        except ImageError as error:
            self.unreadable[name] = str(error)


class Key(NamedTuple):
    """Which image it is."""

    file: str
    part: str  #: empty if the file has no other image


class Detection(NamedTuple):
    """Results of :func:`detect`."""

    scores: list[dict]          #: ``file``, ``score``, ``p_value``, ``anomalous``; highest first
    unreadable: dict[str, str]  #: from file to what is wrong with it
    written: list[Path]
    advice: str                 #: whether the threshold can be trusted
    shown: list[tuple[dict, dict[str, np.ndarray]]]  #: rows, each with its :func:`report.pictures`


def fit(folder: Path, model: Path, false_alarms: float = 0.01, progress: bool = True,
        **options) -> Inspector:
    """Learn from a folder of normal images and write the model; `options` are those of
    :meth:`Inspector.fit`.

    Raises
    ------
    OSError, ValueError
        If the folder has no images, or too few that can be read, or `model` cannot be written; no
        model is written then.
    """
    if model.is_dir():
        raise IsADirectoryError(f"{model} is a folder; give a file to write, such as "
                                f"{model / 'parts.safetensors'}")
    model.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(model.parent, os.W_OK):  # known before minutes of training, not after
        raise PermissionError(f"{model.parent} cannot be written to")
    images = Folder(folder, "reading" if progress else None)
    try:
        inspector = Inspector.fit(images, false_alarms=false_alarms, progress=progress, **options)
    finally:
        _complain(images.unreadable)
    inspector.save(model)
    return inspector


def detect(folder: Path, model: Path, out: Path, false_alarms: float = 0.01, show: int = 60,
           progress: bool = True) -> Detection:
    """Score every image of a folder and write ``scores.csv``, ``scores.json`` and ``report.html``.

    Interrupted, it goes on where it was when called again; an image whose file or model has changed
    is scored anew.

    Parameters
    ----------
    folder, model, out : Path
        Images; the file that :func:`fit` wrote; the folder to write to, made if need be.
    false_alarms : float
        The share of normal images that may be called anomalous.
    show : int
        How many images the report shows, the most anomalous first.

    Raises
    ------
    OSError, ValueError
        If there are no images, none can be read, `model` is not a model, or `out` cannot be written
        to or has another folder's results.
    """
    check_rate(false_alarms)
    if isinstance(show, bool) or not isinstance(show, int) or show < 0:
        raise ValueError(f"show must be a whole number, 0 or more, got {show!r}")
    _check_places(folder, model, out)
    inspector, images = Inspector.load(model), Folder(folder)
    gallery = Gallery(inspector, show)
    records = _score_all(images, gallery, out, progress)
    _complain(images.unreadable)
    if not any(record["scores"] for record in records):
        raise ValueError(f"none of the {len(images.names)} files in {folder} can be read")
    gallery.complete(images)

    rows = _rows(records, inspector, false_alarms)
    summary = {
        "folder": printable(str(folder.resolve())),
        "model": printable(str(model)), "model_sha256": inspector.sha256,
        "view": inspector.view, "in_place": inspector.in_place,
        "normal_images_held_out": len(inspector.calibration),
        "false_alarms": false_alarms, "threshold": inspector.threshold(false_alarms),
        "images": len(rows), "resized": sum(record["resized"] for record in records),
        "anomalous": sum(row["anomalous"] for row in rows.values()),
        "unreadable": _printable(images.unreadable),
    }
    advice = report.advice_on(summary)
    shown = [(rows[key], pictures) for key, pictures in gallery.pictures.items()]
    table = list(rows.values())
    page = report.page(summary, advice, table, inspector.calibration, shown)
    scores = json.dumps(summary | {"scores": table}, indent=1, ensure_ascii=False) + "\n"
    written = [out / name for name in RESULTS]
    write_all_atomically(dict(zip(written, (scores, _to_csv(table), page), strict=True)))
    (out / PARTIAL).unlink(missing_ok=True)
    return Detection(table, summary["unreadable"], written, advice, shown)


class Gallery:
    """The pictures of the most unusual images so far, for the report.

    They are made while an image is in memory, so that its file is read once.

    Attributes
    ----------
    scores : dict
        Of the `size` most unusual images so far, the highest first, by :class:`Key`.
    pictures : dict
        Of those among them that this run has read.
    """

    def __init__(self, inspector: Inspector, size: int):
        self.inspector, self.size = inspector, size
        self.scores: dict[Key, float] = {}
        self.pictures: dict[Key, dict[str, np.ndarray]] = {}

    def rank(self, scores: dict[Key, float]):
        """Keep the highest of these scores and those before."""
        highest = heapq.nsmallest(self.size, (self.scores | scores).items(), key=_rank)
        self.scores = dict(highest)
        self.pictures = {key: self.pictures[key] for key in self.scores if key in self.pictures}

    def show(self, images: dict[Key, np.ndarray]):
        """Make pictures of those of the images that are among the most unusual."""
        images = {key: image for key, image in images.items() if key in self.scores}
        inspections = self.inspector.inspections(images.values())
        for key, inspection in zip(images, inspections, strict=True):
            self.pictures[key] = report.pictures(inspection)

    def complete(self, images: Folder):
        """Read those again that an interrupted run has scored, unless they are gone; put all in
        order."""
        for key in self.scores.keys() - self.pictures.keys():
            for part, image in images.read(key.file):
                if part == key.part:
                    self.show({key: image})
        self.rank({})


def _rank(item: tuple[Key, float]):
    key, score = item
    return -score, key


def _check_places(folder, model, out):
    """Results on another folder than `folder` are not overwritten, nor files of other origin."""
    if not model.is_file():
        raise FileNotFoundError(f"there is no model {model}: give a file that convae fit has "
                                "written")
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"{out} is a file; give a folder for the report")
    present = [out / name for name in RESULTS if (out / name).exists()]
    if not present:
        return
    try:
        before = json.loads((out / RESULTS[0]).read_text(encoding="utf-8"))["folder"]
    except (OSError, ValueError, KeyError, TypeError):
        raise FileExistsError(f"{present[0]} was not written by convae detect: give another folder "
                              "for the report") from None
    if before != printable(str(folder.resolve())):
        raise FileExistsError(f"{out} has the results on {before}: give another folder for the "
                              "report, or remove it")


def _score_all(images: Folder, gallery: Gallery, out: Path, progress: bool) -> list[dict]:
    """The record of each file: those of an interrupted run that still hold, and all others."""
    out.mkdir(parents=True, exist_ok=True)
    partial = out / PARTIAL
    header = {"model": gallery.inspector.sha256, "folder": str(images.path.resolve())}
    states = {name: _state(images.path / name) for name in images.names}
    done = {record["file"]: record for record in _read_partial(partial, header)
            if record["state"] == states.get(record["file"]) and not record["error"]}
    write_all_atomically({partial: _lines(header, *done.values())})
    gallery.rank(_scores(done.values()))

    missing = [name for name in images.names if name not in done]
    bar = tqdm(total=len(images.names), initial=len(done), desc="scoring", unit="file",
               disable=not progress)
    with partial.open("a", encoding="utf-8") as file, bar:
        for record in _score_files(images, missing, gallery):
            record["state"] = states[record["file"]]
            done[record["file"]] = record
            file.write(_lines(record))
            file.flush()
            bar.update()
    return list(done.values())


def _score_files(images: Folder, names: list[str], gallery: Gallery) -> Iterator[dict]:
    """The record of each file, once all its images have been scored; each file is read once."""
    scores, resized = [], 0
    for batch in _batches(_read_all(images, names)):
        in_memory = {key: image for key, image in batch if image is not None}
        new_scores = iter(gallery.inspector.scores(in_memory.values()))
        ranked = {}
        for key, image in batch:
            if image is None:
                error = images.unreadable.get(key.file)
                yield {"file": key.file, "scores": scores, "resized": resized, "error": error}
                scores, resized = [], 0
            else:
                ranked[key] = next(new_scores)
                scores.append((key.part, ranked[key]))
                resized += gallery.inspector.resizes(image)
        gallery.rank(ranked)
        gallery.show(in_memory)


def _read_all(images: Folder, names: list[str]) -> Iterator[tuple[Key, np.ndarray | None]]:
    """Each image of each file, and None at the end of a file."""
    for name in names:
        for part, image in images.read(name):
            yield Key(name, part), image
        yield Key(name, ""), None


def _batches(items: Iterable[tuple[Key, np.ndarray | None]]) -> Iterator[list]:
    """Lists of at most :data:`BATCH` items, and of about :data:`BATCH_PIXELS` pixels at most."""
    batch, pixels = [], 0
    for key, image in items:
        batch.append((key, image))
        pixels += 0 if image is None else image.size
        if len(batch) >= BATCH or pixels >= BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _scores(records: Iterable[dict]) -> dict[Key, float]:
    return {Key(record["file"], part): score
            for record in records for part, score in record["scores"]}


def _rows(records, inspector, false_alarms) -> dict[Key, dict]:
    """The table's rows, the highest score first."""
    ranking = dict(sorted(_scores(records).items(), key=_rank))
    scores = list(ranking.values())
    p_values = inspector.p_values(scores).round(6).tolist()
    limit = inspector.threshold(false_alarms)
    return {key: {"file": printable(key.file) + key.part, "score": score, "p_value": p_value,
                  "anomalous": score > limit}
            for key, score, p_value in zip(ranking, scores, p_values, strict=True)}


def _lines(*records) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def _read_partial(path: Path, header: dict) -> list[dict]:
    """The records of an interrupted run, if it was of this model and folder; a line that was cut
    off ends them."""
    records = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            records.append(json.loads(line))
    except (OSError, ValueError):
        pass
    return records[1:] if records[:1] == [header] else []


def _state(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:  # removed meanwhile, or a link to nowhere: reading says so
        return []
    return [status.st_size, status.st_mtime_ns]


def _to_csv(rows: list[dict]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"anomalous": int(row["anomalous"])} for row in rows)
    return text.getvalue()


def _printable(unreadable):
    return {printable(name): problem for name, problem in sorted(unreadable.items())}


def _complain(unreadable: dict[str, str]):
    for name, problem in _printable(unreadable).items():
        print(f"passed over: {name} {problem}", file=sys.stderr)
