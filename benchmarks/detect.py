"""How fast ``convae detect`` goes through a folder, and in how much memory: ``python -m
benchmarks.detect`` (some minutes on two cores under Linux; let nothing else run meanwhile).

Writes ``detect.json`` beside this file, and the part of convae/anomaly/README.md that is made from
it.
"""

import json
import os
import re
import statistics
import tempfile
import time
from pathlib import Path

from convae._io import write_all_atomically
from convae.anomaly import demo, folders
from convae.fast.parallel import parallel_map
from convae.reproduce.readme import replace_block

HERE = Path(__file__).parent
PAGE = HERE.parent / "convae" / "anomaly" / "README.md"
FILES = {1_000: 3, 10_000: 3, 100_000: 1}  # with the rounds of each


def detect(folder: Path) -> dict:
    """Seconds, and the process's peak memory in MiB; in a process of its own, as the command is."""
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        folders.detect(folder, demo.MODEL, Path(out), progress=False)
        seconds = time.perf_counter() - start
    (peak,) = re.findall(
        r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text()
    )  # ru_maxrss would count the parent's, too
    return {"seconds": seconds, "peak_mib": int(peak) / 1024}


def measure() -> dict:
    """For each number of files its rounds; the files are PNG images of 28 × 28 pixels, the
    example's again and again."""
    found: dict = {}
    with tempfile.TemporaryDirectory() as place:
        originals = sorted(demo.write_images(Path(place) / "originals").rglob("*.png"))
        for n, rounds in FILES.items():
            folder = Path(place) / str(n)
            folder.mkdir()
            for i in range(n):
                os.link(originals[i % len(originals)], folder / f"{i:06}.png")
            for _ in range(rounds):
                found.setdefault(str(n), []).append(parallel_map(detect, [(folder,)])[0])
    return {"cores": os.cpu_count(), "files": found}


def report(found: dict) -> list[str]:
    """The lines of convae/anomaly/README.md."""
    seconds, peak = (
        {n: statistics.median(each[key] for each in rounds) for n, rounds in found["files"].items()}
        for key in ("seconds", "peak_mib")
    )
    few, some, many = map(str, FILES)
    rate = (int(many) - int(few)) / (seconds[many] - seconds[few])
    return [
        f"On {found['cores']} cores `convae detect` scores {rate:,.0f} PNG files of 28 × 28 pixels "
        "a second once it "
        f"runs: {int(some):,} in {seconds[some]:.0f} s, {int(many):,} in {seconds[many]:.0f} s "
        "(one round). The "
        f"files were in memory, not on a disk, and the start of Python is not counted. "
        f"Its memory peaks at {peak[few]:,.0f} MiB for {int(few):,} files and at {peak[many]:,.0f} "
        f"MiB for {int(many):,}: "
        f"images are not kept, each file's score and state are."
    ]


def main():
    found = measure()
    page = replace_block(PAGE.read_text(encoding="utf-8"), "benchmarks/detect.json", report(found))
    write_all_atomically({HERE / "detect.json": json.dumps(found, indent=1) + "\n", PAGE: page})
    print("\n".join(report(found)))


if __name__ == "__main__":
    main()
