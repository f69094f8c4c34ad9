"""Files appear whole or not at all."""

import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]  # of the checkout
FIGURES = ROOT / "figures"


def write_all_atomically(contents: dict[Path, str | bytes]):
    """Write every file beside its place first, then rename each: until all are on the disk, none of
    the old is touched."""
    temporary = {}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary[path] = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
            os.chmod(temporary[path], 0o644)
        for path in contents:
            os.replace(temporary[path], path)
    except BaseException:
        for path in temporary.values():
            Path(path).unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write to a temporary file beside `path`, then rename: a reader sees the old content or the
    new, never a part."""
    write_all_atomically({path: content})
    return path
