"""From a folder of normal images to a model file; from a folder of images and a model file to
scores and a report."""

import csv
import heapq
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
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


class Key(NamedTuple):
    """Which image it is."""

    file: str
    part: str  #: empty if the file has no other image


class Folder:
    """The images below a folder, in order; those that cannot be read are passed over.

    Attributes
    ----------
    names : list of str
        The files.
    unreadable : dict
        From file to what is wrong with it; complete once all images have been gone through.
    """

    def __init__(self, path: Path, progress: str | None = None):
        self.path, self.names, self.progress = path, list_images(path), progress
        self.unreadable: dict[str, str] = {}

    def __iter__(self) -> Iterator[np.ndarray]:
        names = tqdm(self.names, self.progress, unit="file", disable=not self.progress)
        return (image for _, image in self.read(names))

    def read(self, names: Iterable[str]) -> Iterator[tuple[Key, np.ndarray]]:
        """The images of some of the files, as far as they can be read."""
        for name in names:
            try:
                for part, image in read_images(self.path / name):
                    yield Key(name, part), image
            except ImageError as error:
                self.unreadable[name] = str(error)

    def state(self, name: str) -> list[int]:
        """What tells whether a file has changed: its size and when it was written."""
        try:
            status = (self.path / name).stat()
        except OSError:  # removed meanwhile, or a link to nowhere: reading says so
            return []
        return [status.st_size, status.st_mtime_ns]


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
    if not records:
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
    shown = list(zip(map(rows.get, gallery.pictures), gallery.pictures.values(), strict=True))
    table = list(rows.values())
    page = report.page(summary, advice, table, inspector.calibration, shown)
    scores = json.dumps(summary | {"scores": table}, indent=1, ensure_ascii=False) + "\n"
    written = [out / name for name in RESULTS]
    write_all_atomically(dict(zip(written, (scores, _to_csv(table), page), strict=True)))
    (out / PARTIAL).unlink(missing_ok=True)
    return Detection(table, summary["unreadable"], written, advice, shown)


class Gallery:
    """Pictures of the `size` most unusual images so far, for the report; made while an image is in
    memory, so that its file is read once.

    Attributes
    ----------
    scores : dict
        Of these images by :class:`Key`, the highest first.
    pictures : dict
        Of those among them that this run has read, in the same order.
    """

    def __init__(self, inspector: Inspector, size: int):
        self.inspector, self.size = inspector, size
        self.scores: dict[Key, float] = {}
        self.pictures: dict[Key, dict[str, np.ndarray]] = {}

    def add(self, scores: dict[Key, float], images: dict[Key, np.ndarray]):
        """Keep the highest of these scores and those before, with pictures if there is an image."""
        self.scores = _highest_first(self.scores | scores, self.size)
        new = {key: images[key] for key in self.scores if key in images.keys() - self.pictures}
        inspections = self.inspector.inspections(new.values())
        pictures = dict(zip(new, map(report.pictures, inspections), strict=True))
        pictures = self.pictures | pictures
        self.pictures = {key: pictures[key] for key in self.scores if key in pictures}

    def complete(self, images: Folder):
        """Read those again that an interrupted run has scored, unless they are gone."""
        files = {key.file for key in self.scores.keys() - self.pictures}
        for key, image in images.read(files):
            self.add({}, {key: image})


def _highest_first(scores: dict[Key, float], size: int) -> dict[Key, float]:
    return dict(heapq.nsmallest(size, scores.items(), key=lambda item: (-item[1], item[0])))


def _check_places(folder, model, out):
    """Results on another folder than `folder` are not overwritten, nor files of other origin."""
    if not model.is_file():
        raise FileNotFoundError(f"there is no model {model}: give a file that convae fit has "
                                "written")
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"{out} is a file; give a folder for the report")
    present = next(filter(Path.exists, map(out.joinpath, RESULTS)), None)
    if not present:
        return
    try:
        before = json.loads((out / RESULTS[0]).read_text(encoding="utf-8"))["folder"]
    except (OSError, ValueError, KeyError, TypeError):
        raise FileExistsError(f"{present} was not written by convae detect: give another folder "
                              "for the report") from None
    if before != printable(str(folder.resolve())):
        raise FileExistsError(f"{out} has the results on {before}: give another folder for the "
                              "report, or remove it")


def _score_all(images: Folder, gallery: Gallery, out: Path, progress: bool) -> list[dict]:
    """The record of each file that can be read: those of an interrupted run that still hold, and
    all others."""
    out.mkdir(parents=True, exist_ok=True)
    partial = out / PARTIAL
    header = {"model": gallery.inspector.sha256, "folder": str(images.path.resolve())}
    missing = {name: images.state(name) for name in images.names}
    records = []
    for record in _read_partial(partial, header):
        if record["state"] == missing.get(record["file"]):
            del missing[record["file"]]
            records.append(record)
    write_all_atomically({partial: _lines(header, *records)})
    gallery.add(_scores(records), {})

    bar = tqdm(missing, "scoring", len(images.names), initial=len(records), unit="file",
               disable=not progress)
    with partial.open("a", encoding="utf-8") as file:
        for record in _score_files(images, bar, gallery):
            record["state"] = missing[record["file"]]
            records.append(record)
            if record["file"] not in images.unreadable:  # else it is tried again
                file.write(_lines(record))
                file.flush()
    return records


def _score_files(images: Folder, names: Iterable[str], gallery: Gallery) -> Iterator[dict]:
    """The record of each file, once all its images have been scored; each file is read once."""
    scored = _score_images(images.read(names), gallery)
    for file, of_file in groupby(scored, lambda item: item[0].file):
        record = {"file": file, "scores": [], "resized": 0}
        for key, score, resized in of_file:
            record["scores"].append((key.part, score))
            record["resized"] += resized
        yield record


def _score_images(images: Iterable[tuple[Key, np.ndarray]], gallery: Gallery):
    """Each image's key and score, and whether it was resized."""
    for batch in _batches(images):
        scores = dict(zip(batch, gallery.inspector.scores(batch.values()), strict=True))
        gallery.add(scores, batch)
        for key, image in batch.items():
            yield key, scores[key], gallery.inspector.resizes(image)


def _batches(images: Iterable[tuple[Key, np.ndarray]]) -> Iterator[dict[Key, np.ndarray]]:
    """At most :data:`BATCH` images each, and about :data:`BATCH_PIXELS` pixels at most."""
    batch, pixels = {}, 0
    for key, image in images:
        batch[key] = image
        pixels += image.size
        if len(batch) >= BATCH or pixels >= BATCH_PIXELS:
            yield batch
            batch, pixels = {}, 0
    if batch:
        yield batch


def _scores(records: Iterable[dict]) -> dict[Key, float]:
    return {Key(record["file"], part): score
            for record in records for part, score in record["scores"]}


def _rows(records, inspector, false_alarms) -> dict[Key, dict]:
    """The table's rows, the highest score first."""
    scores = _scores(records)
    ranking = _highest_first(scores, len(scores))
    p_values = inspector.p_values(list(ranking.values())).round(6).tolist()
    limit, rows = inspector.threshold(false_alarms), {}
    for (key, score), p_value in zip(ranking.items(), p_values, strict=True):
        rows[key] = {"file": printable(key.file) + key.part, "score": score, "p_value": p_value,
                     "anomalous": score > limit}
    return rows


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
