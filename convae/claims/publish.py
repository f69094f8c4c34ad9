"""From a sweep to what is committed: the records, ``figures/claims.json``, the README's table."""

import json
from collections.abc import Iterable
from pathlib import Path

from convae._io import to_json, write_all_atomically
from convae.claims import measure, results
from convae.claims.design import STUDIES
from convae.claims.records import RECORDS, casts_of
from convae.claims.verdicts import evaluate
from convae.reproduce import readme
from convae.reproduce.sweep import sweep_studies


def sweep_and_publish(
    studies: list[str],
    folder: Path | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
) -> list[str]:
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
    tasks = {study: list(STUDIES[study]().values()) for study in studies}
    contents = sweep_studies(tasks, RECORDS, folder, scheduler, workers)
    contents[RECORDS / "baseline.json"] = json.dumps(measure.baseline()) + "\n"
    write_all_atomically(contents)
    return [*map(str, contents), *publish()]


def publish() -> list[str]:
    """Write what follows from the committed records; returns what was written."""
    return readme.publish(results.CLAIMS, claims_json(), _readme_block)


def claims_json() -> str:
    """``figures/claims.json`` as the committed records have it."""
    return to_json(evaluate(casts_of("seeds"), casts_of("universes")))


def _readme_block() -> Iterable[str]:
    results.load.cache_clear()  # the file was written anew
    return results.readme_block()
