"""Files and JSON: files appear whole or not at all, and every result is written in one form."""

import hashlib
import json
import math
import os
import re
import tempfile
from pathlib import Path

from platformdirs import user_cache_path

ROOT = Path(__file__).parents[1]  # of the checkout
FIGURES = ROOT / "figures"


class UserError(RuntimeError):
    """An error that the user can mend: its message says what and how, and is all that is shown."""


def cache_dir() -> Path:
    """The folder for data and for models trained on the way: ``CONVAE_DATA``, or the platform's."""
    return Path(os.environ.get("CONVAE_DATA") or user_cache_path("convae")).expanduser()


def write_all_atomically(contents: dict[Path, str | bytes]):
    """Write files beside their places, then rename them: none is touched until all are on disk."""
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
    """Write one file: a reader sees the old content or the new, never a part."""
    write_all_atomically({path: content})
    return path


def read_json(path: Path):
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def plain(value, digits: int = 5):
    """The value as JSON holds it: arrays as lists, floats rounded, and None if not finite."""
    if hasattr(value, "tolist"):  # arrays, tensors and NumPy's numbers
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(item, digits) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, digits) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return value


def to_json(content, digits: int = 5) -> str:
    """The content made :func:`plain`, as indented text with each list of numbers on one line."""
    text = json.dumps(plain(content, digits), indent=1, ensure_ascii=False, allow_nan=False)
    innermost_list = r"\[\n\s+([^\[\]{}]*?)\n\s+\]"
    return re.sub(innermost_list, lambda match: re.sub(r"\n\s+", " ", f"[{match[1]}]"), text) + "\n"


def key_of(content) -> str:
    """Sixteen hexadecimal digits that identify what a result depends on, given in JSON's types."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
