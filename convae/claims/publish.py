"""From a sweep to what is committed: the records, ``figures/claims.json``, the README's table."""

import json
from pathlib import Path

from convae import findings, readme
from convae.claims import measure
from convae.claims.designs import STUDIES
from convae.claims.records import RECORDS, casts_of, to_text
from convae.claims.sweep import sweep
from convae.claims.verdicts import evaluate
from convae.files import write_all_atomically
from convae.notebook import to_json


def sweep_and_publish(studies: list[str], folder: Path | None = None, scheduler: str | None = None,
                      workers: int | None = None) -> list[str]:
    """Do studies and put their records, and what follows from all records, in their places; returns what was written.

    Parameters
    ----------
    studies : list of str
        Of :data:`convae.claims.designs.STUDIES`.
    folder, scheduler, workers
        As for :func:`convae.claims.sweep.sweep`.

    Raises
    ------
    convae.claims.sweep.SweepError
        If tasks failed: nothing is replaced then.
    """
    contents = {RECORDS / "baseline.json": json.dumps(measure.baseline()) + "\n"}
    for study in studies:
        contents[RECORDS / f"{study}.jsonl"] = to_text(sweep(list(STUDIES[study]().values()), folder, scheduler, workers))
    write_all_atomically(contents)
    return [*map(str, contents), *publish()]


def publish() -> list[str]:
    """Write what follows from the committed records; returns what was written."""
    contents: dict[Path, str] = {findings.CLAIMS: claims_json()}
    write_all_atomically(contents)
    findings.load.cache_clear()
    changed = readme.changes({})
    write_all_atomically(changed)
    return [str(path) for path in [*contents, *changed]]


def claims_json() -> str:
    """``figures/claims.json`` as the committed records have it."""
    return to_json(evaluate(casts_of("seeds"), casts_of("universes")))
