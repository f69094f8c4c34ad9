"""From a folder of normal images to a model file; from a folder of images and a model file to
scores and a report."""

import csv
import io
import json
import os
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from convae._io import write_all_atomically
from convae.anomaly import report
from convae.anomaly.conformal import check_rate, expected_rate, needed
from convae.anomaly.images import ImageError, list_images, printable, read_images
from convae.anomaly.model import Inspector, enough

RESULTS = ("scores.json", "scores.csv", "report.html")  # the first says whose they are, and is written first
PARTIAL = ".partial.jsonl"  # of an interrupted detection, in its output folder


class Folder:
    """The images below a folder, one after another; those that cannot be read are passed over and
    remembered.

    Attributes
    ----------
    unreadable : dict
        From file to what is wrong with it; complete once all images have been gone through.
    """

    def __init__(self, path: Path, progress: str | None = None):
        self.path, self.names, self.progress, self.unreadable = path, list_images(path), progress, {}

    def __iter__(self) -> Iterator[np.ndarray]:
        for name in tqdm(self.names, self.progress, unit="file", disable=not self.progress):
            for _, image in self.read(name):
                yield image

    def read(self, name: str) -> Iterator[tuple[str, np.ndarray]]:
        """The images of one file, as :func:`convae.anomaly.images.read_images` has them, as far as
        they can be read."""
        try:
            yield from read_images(self.path / name)
        except ImageError as error:
            self.unreadable[name] = str(error)


class Detection(NamedTuple):
    """What :func:`detect` found."""

    scores: list[dict]          #: ``file``, ``score``, ``p_value``, ``anomalous``; the most anomalous first
    unreadable: dict[str, str]  #: from file to what is wrong with it
    written: list[Path]
    advice: str                 #: whether the threshold can be trusted
    shown: list[tuple[dict, dict[str, np.ndarray]]]  #: rows of `scores` with what the report shows: :func:`report.pictures`


def fit(folder: Path, model: Path, false_alarms: float = 0.01, progress: bool = True, **options) -> Inspector:
    """Learn from a folder of normal images and write the model; `options` are those of
    :meth:`Inspector.fit`.

    Raises
    ------
    OSError, ValueError
        If the folder has no images, or too few that can be read, or `model` cannot be written; no
        model is written then.
    """
    if model.is_dir():
        raise IsADirectoryError(f"{model} is a folder; give a file to write, such as {model / 'parts.safetensors'}")
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


def advice(inspector: Inspector, false_alarms: float) -> str:
    """Whether the images held out are enough for a false-alarm rate, in a sentence."""
    n = len(inspector.calibration)
    if n >= needed(false_alarms):
        low, high = expected_rate(n, false_alarms, 1_000)
        return (f"{n} normal images were held out: enough for a false-alarm rate of {false_alarms:.3g} on average (it needs "
                f"{needed(false_alarms)}). Of 1,000 new normal images this model will call {1000 * low:.0f} to {1000 * high:.0f} "
                f"anomalous, in 95 of 100 cases; the more are held out, the narrower.")
    return (f"{n} normal images were held out, and a false-alarm rate of {false_alarms:.3g} needs {needed(false_alarms)}: fit to "
            f"at least {enough(false_alarms)} images for it. Until then, what scores above all {n} is called anomalous: of "
            f"normal images about {1 / (n + 1):.2g}.")


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
        If there are no images, none can be read, `model` is none, or `out` cannot be written to or
        has another folder's results.
    """
    check_rate(false_alarms)
    if isinstance(show, bool) or not isinstance(show, int) or show < 0:
        raise ValueError(f"show must be a whole number, 0 or more, got {show!r}")
    if not model.is_file():
        raise FileNotFoundError(f"there is no model {model}: give a file that convae fit has written")
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"{out} is a file; give a folder for the report")
    _refuse_to_replace(out, folder)
    inspector = Inspector.load(model)
    images = Folder(folder)
    found, resized = _score_all(images, inspector, out, progress)
    _complain(images.unreadable)
    if not found:
        raise ValueError(f"none of the {len(images.names)} files in {folder} can be read")
    places, scores = zip(*sorted(found.items(), key=lambda item: (-item[1], item[0])), strict=True)
    limit = inspector.threshold(false_alarms)
    rows = [{"file": printable(name) + part, "score": score, "p_value": round(float(p), 6), "anomalous": score > limit}
            for (name, part), score, p in zip(places, scores, inspector.p_values(scores), strict=True)]
    summary = {
        "folder": printable(str(folder.resolve())), "model": printable(str(model)), "model_sha256": inspector.sha256,
        "view": inspector.view, "in_place": inspector.in_place,
        "normal_images_held_out": len(inspector.calibration), "false_alarms": false_alarms, "threshold": limit,
        "images": len(rows), "resized": resized, "anomalous": sum(row["anomalous"] for row in rows),
        "unreadable": {printable(name): problem for name, problem in sorted(images.unreadable.items())},
    }
    there = deque()  # the rows of those images that are still there

    def read_again():
        for row, (name, part) in zip(rows, places[:show], strict=False):
            image = next((image for each, image in images.read(name) if each == part), None)
            if image is not None:
                there.append(row)
                yield image

    shown = [(there.popleft(), report.pictures(found)) for found in inspector.inspections(read_again())]
    trust = advice(inspector, false_alarms)
    if resized:
        trust += (f" Images of another size than the normal ones: {resized}. They were resized to that, which hides what is "
                  "wrong with their size.")
    if summary["anomalous"] > len(rows) / 2:
        trust += " More than half of the images are anomalous. Another camera, lamp or size? Then fit to images taken like these."
    page = report.page(summary, trust, rows, inspector.calibration, shown)
    text = json.dumps({**summary, "scores": rows}, indent=1, ensure_ascii=False) + "\n"
    contents = dict(zip([out / name for name in RESULTS], (text, _to_csv(rows), page), strict=True))
    write_all_atomically(contents)
    (out / PARTIAL).unlink(missing_ok=True)
    return Detection(rows, summary["unreadable"], list(contents), trust, shown)


def _refuse_to_replace(out: Path, folder: Path):
    """Results on another folder than `folder` are not overwritten, nor files of other origin."""
    present = [out / name for name in RESULTS if (out / name).exists()]
    if present:
        try:
            before = json.loads((out / RESULTS[0]).read_text(encoding="utf-8"))["folder"]
        except (OSError, ValueError, KeyError, TypeError):
            raise FileExistsError(f"{present[0]} was not written by convae detect: give another folder for the report") from None
        if before != printable(str(folder.resolve())):
            raise FileExistsError(f"{out} has the results on {before}: give another folder for the report, or remove it")


def _score_all(images: Folder, inspector: Inspector, out: Path, progress: bool) -> tuple[dict[tuple[str, str], float], int]:
    """The score of each image by file and part: those of an interrupted run that are still true,
    then all others.

    And of how many the size was changed to the normal ones'.
    """
    out.mkdir(parents=True, exist_ok=True)
    header = {"model": inspector.sha256, "folder": str(images.path.resolve())}
    before = _read_partial(out / PARTIAL, header)
    state = {name: _state(images.path / name) for name in images.names}
    done = {name: record for name, record in before.items() if record["state"] == state.get(name) and not record["error"]}
    write_all_atomically({out / PARTIAL: _lines(header, *done.values())})
    with (out / PARTIAL).open("a", encoding="utf-8") as file, \
            tqdm(total=len(images.names), initial=len(done), desc="scoring", unit="file", disable=not progress) as bar:
        for record in _score_files(images, [name for name in images.names if name not in done], inspector):
            done[record["file"]] = record | {"state": state[record["file"]]}
            file.write(_lines(done[record["file"]]))
            file.flush()
            bar.update()
    images.unreadable |= {name: record["error"] for name, record in done.items() if record["error"]}
    return ({(name, part): score for name, record in done.items() for part, score in record["scores"]},
            sum(record["resized"] for record in done.values()))


def _score_files(images: Folder, names: list[str], inspector: Inspector) -> Iterator[dict]:
    """A record of each file, once all its images have been scored; files are read as scores are
    asked for."""
    waiting = deque()  # the parts that have been read and not scored, and None at the end of each file
    resized = {}

    def read():
        for name in names:
            for part, image in images.read(name):
                waiting.append(part)
                resized[name] = resized.get(name, 0) + inspector.resizes(image)
                yield image
            waiting.append(None)

    def record(name):
        return {"file": name, "scores": list(parts), "resized": resized.pop(name, 0), "error": images.unreadable.get(name)}

    files, parts = iter(names), []
    for score in inspector.scores(read()):
        while waiting[0] is None:
            yield record(next(files))
            waiting.popleft(), parts.clear()
        parts.append((waiting.popleft(), score))
    for name in files:
        yield record(name)
        parts.clear()


def _lines(*records) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def _read_partial(path: Path, header: dict) -> dict[str, dict]:
    """The records of an interrupted run by file, if it was of this model and folder; what was cut
    off does not count."""
    records = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            records.append(json.loads(line))
    except (OSError, ValueError):
        pass
    return {record["file"]: record for record in records[1:]} if records[:1] == [header] else {}


def _state(path: Path) -> list[int]:
    try:
        found = path.stat()
    except OSError:  # removed meanwhile, or a link to nowhere: reading says so
        return []
    return [found.st_size, found.st_mtime_ns]


def _to_csv(rows: list[dict]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"anomalous": int(row["anomalous"])} for row in rows)
    return text.getvalue()


def _complain(unreadable: dict[str, str]):
    for name, problem in sorted(unreadable.items()):
        print(f"passed over: {printable(name)} {problem}", file=sys.stderr)
