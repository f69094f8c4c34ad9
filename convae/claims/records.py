"""The records on which the claims' verdicts stand: committed, one line each, because they take
hours to make."""

import json
from pathlib import Path

from convae.claims.design import STUDIES, Role
from convae.claims.statements import Cast

RECORDS = Path(__file__).parent / "records"
FAMILIES = tuple(field for field in Cast._fields if field != "baseline")


def load(study: str) -> dict[str, dict]:
    """The committed records of a study, by key; none if it has not been done."""
    path = RECORDS / f"{study}.jsonl"
    if not path.exists():
        return {}
    return {record["key"]: record for record in map(json.loads, path.read_text(encoding="utf-8").splitlines())}


def load_baseline() -> dict:
    """The committed record of what no training changes."""
    return json.loads((RECORDS / "baseline.json").read_text(encoding="utf-8"))


def casts(roles: dict[Role, object], records: dict[str, dict], baseline: dict) -> dict[tuple[int | None, int], Cast]:
    """For each universe and seed of a study, its records by role; those of models not trained yet
    are left out."""
    found: dict = {}
    for role, task in roles.items():
        if task.key in records:
            families = found.setdefault((role.universe, role.seed), {family: {} for family in FAMILIES})
            families[role.family][role.name] = records[task.key]
    order = sorted(found, key=lambda place: (place[0] or 0, place[1]))  # None, for the default choices, stands alone
    return {place: Cast(**found[place], baseline=baseline) for place in order}


def casts_of(study: str) -> dict[tuple[int | None, int], Cast]:
    """The casts of a study from its committed records."""
    return casts(STUDIES[study](), load(study), load_baseline())
