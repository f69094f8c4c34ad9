"""Parts of pages that are generated: each stands between two comments that name its source."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from convae._io import FIGURES, ROOT, write_all_atomically, write_atomically

README = ROOT / "README.md"


def render(template: Path, **values) -> str:
    """The text of a jinja2 template with `values` in it; into HTML they are put escaped."""
    environment = Environment(
        undefined=StrictUndefined,         # a name that nothing was given for is an error
        autoescape=".html" in template.name,
        trim_blocks=True,                  # lines that hold a statement alone leave no empty line
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(template.read_text(encoding="utf-8")).render(values)


def changes(source: str, lines: Iterable[str], page: Path | None = None) -> dict[Path, str]:
    """The page, or the README, with `lines` as what comes from `source`, if they differ from it."""
    page = page or README
    old = page.read_text(encoding="utf-8")
    new = replace_block(old, source, lines)
    return {} if new == old else {page: new}


def publish(results: Path, content: str, block: Callable[[], Iterable[str]]) -> list[str]:
    """Write a result file, then the README's lines that `block` makes of it, where they differ.

    Returns what was written.
    """
    written = []
    if not results.exists() or results.read_text(encoding="utf-8") != content:
        written.append(write_atomically(results, content))
    page = changes(results.relative_to(ROOT).as_posix(), block())
    write_all_atomically(page)
    return list(map(str, [*written, *page]))


def gallery(contents: dict[Path, str | bytes] | None = None) -> list[str]:
    """The README's figures, with what each shows by `contents` or else by the disk."""
    lines = ["## The figures\n"]
    for number in range(1, 9):
        path = FIGURES / f"fig{number}.json"
        shows = json.loads((contents or {}).get(path) or path.read_bytes())["shows"]
        lines.append(f"![Figure {number}: {shows}](figures/fig{number}.png)\n")
        lines.append(f"**Figure {number}.** {shows}.\n")
    return lines


def replace_block(text: str, source: str, lines: Iterable[str]) -> str:
    """The text with `lines` between the two comments; ValueError if it lacks them."""
    start, end = markers(source)
    before, _, rest = text.partition(start)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"no place in the page for what comes from {source}: the lines {start!r} "
                         f"and {end!r} must stand in it, in this order")
    return "\n".join([f"{before}{start}", *lines, f"{end}{after}"])


def markers(source: str) -> tuple[str, str]:
    """The comments before and after what is generated from `source`."""
    return f"<!-- generated from {source}: start -->", f"<!-- generated from {source}: end -->"
