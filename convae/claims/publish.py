"""From a sweep to what is committed: the records, ``figures/claims.json``, the README's table."""

import json
from pathlib import Path

from convae._io import to_json, write_all_atomically
from convae.claims import measure, results
from convae.claims.design import STUDIES
from convae.claims.records import RECORDS, casts_of, to_text
from convae.claims.verdicts import evaluate
from convae.reproduce import readme
from convae.reproduce.sweep import sweep


def sweep_and_publish(studies: list[str], folder: Path | None = None, scheduler: str | None = None,
                      workers: int | None = None) -> list[str]:
    """Do studies and put their records, and what follows from all records, in their places; returns
    what was written.

    Parameters
    ----------
    studies : list of str
        Of :data:`convae.claims.design.STUDIES`.
    folder, scheduler, workers
        As for :func:`convae.reproduce.sweep.sweep`.

    Raises
    ------
    convae.reproduce.sweep.SweepError
        If tasks failed: nothing is replaced then.
    """
    contents = {RECORDS / "baseline.json": json.dumps(measure.baseline()) + "\n"}
    for study in studies:
        tasks = list(STUDIES[study]().values())
        contents[RECORDS / f"{study}.jsonl"] = to_text(sweep(tasks, folder, scheduler, workers, run=measure.run))
    write_all_atomically(contents)
    return [*map(str, contents), *publish()]


def publish() -> list[str]:
    """Write what follows from the committed records; returns what was written."""
    contents: dict[Path, str] = {results.CLAIMS: claims_json()}
    write_all_atomically(contents)
    results.load.cache_clear()
    changed = readme.changes("figures/claims.json", results.readme_block())
    write_all_atomically(changed)
    return [str(path) for path in [*contents, *changed]]


def claims_json() -> str:
    """``figures/claims.json`` as the committed records have it."""
    return to_json(evaluate(casts_of("seeds"), casts_of("universes")))
