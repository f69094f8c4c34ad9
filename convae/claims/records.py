"""The records on which the claims' verdicts stand, and what is made of them.

They are committed, one line each, because they take hours to make. ``figures/claims.json`` and the
README's table of claims follow from them in seconds.
"""

import json
from pathlib import Path

from convae._io import read_json, to_json, write_all_atomically
from convae.claims import measure, results
from convae.claims.design import REPLICATES, STUDIES, RunKey
from convae.claims.statements import CLAIMS, Records
from convae.claims.verdicts import VERDICTS, evaluate, over_universes, verdict
from convae.reproduce import readme
from convae.reproduce.sweep import Task, sweep_studies

RECORDS = Path(__file__).parent / "records"
PAGE = Path(__file__).with_name("README.md")
TEMPLATE = Path(__file__).with_name("page.md.j2")


def load(study: str) -> dict[str, dict]:
    """The committed records of a study, by their tasks' keys; none if it has not been done."""
    path = RECORDS / f"{study}.jsonl"
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {record["key"]: record for record in map(json.loads, lines)}


def load_baseline() -> dict:
    """The committed record of what no training changes."""
    return read_json(RECORDS / "baseline.json")


def records_of(study: str) -> dict[tuple[int | None, int], Records]:
    """The committed records of a study by universe, None for the default choices, and seed."""
    return grouped(STUDIES[study](), load(study), load_baseline())


def grouped(tasks: dict[RunKey, Task], records: dict[str, dict],
            baseline: dict) -> dict[tuple[int | None, int], Records]:
    """Records by universe and seed; those of models that are not trained yet are left out."""
    by_place = {}
    # A study has either the default choices alone, whose universe is None, or universes alone.
    for run, task in sorted(tasks.items(), key=lambda item: (item[0].universe or 0, item[0].seed)):
        if task.key in records:
            place = (run.universe, run.seed)
            of_place = by_place.setdefault(place, Records({}, {}, {}, {}, baseline))
            getattr(of_place, run.family)[run.name] = records[task.key]
    return by_place


def sweep_and_publish(studies: list[str], folder: Path | None = None, scheduler: str | None = None,
                      workers: int | None = None) -> list[str]:
    """Do studies and put their records, and what follows from all records, in their places.

    Parameters
    ----------
    studies : list of str
        Of :data:`convae.claims.design.STUDIES`.
    folder, scheduler, workers
        As for :func:`convae.reproduce.sweep.sweep`.

    Returns
    -------
    list of str
        What was written.

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
    written = readme.publish(results.CLAIMS, claims_json(), results.readme_block)
    page = readme.changes("figures/claims.json", page_block(), PAGE)
    write_all_atomically(page)
    return [*written, *map(str, page)]


def claims_json() -> str:
    """``figures/claims.json`` as it follows from the committed records."""
    return to_json(evaluate(records_of("seeds"), records_of("universes")))


def page_block() -> list[str]:
    """What the page on the claims says of verdicts, and of what the measures cannot say."""
    first = verdicts_of_first_replicate()
    return [readme.render(TEMPLATE, **results.load(), verdicts=VERDICTS, first=first,
                          baseline=load_baseline())]


def verdicts_of_first_replicate() -> dict[str, str]:
    """Each claim's verdict if the universes had been trained from one seed only."""
    universes = records_of("universes")
    first = {place: of for place, of in universes.items() if place[1] == REPLICATES[0]}
    claims = results.load()["claims"]
    verdicts = {}
    for name, claim in CLAIMS.items():
        holds = [criterion["holds"] for criterion in claims[name]["criteria"]]
        effects = over_universes(claim.criteria[0], first)
        verdicts[name] = verdict(holds, effects and effects["share"])
    return verdicts
