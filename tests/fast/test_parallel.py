"""Work in several processes: its results, and that all stop together."""

import os
import time

import psutil
import pytest

from convae.fast.parallel import parallel_map


def note(folder, name):
    (folder / name).write_text(str(os.getpid()), encoding="utf-8")


def double(number):
    return os.getpid(), 2 * number


def fail_beside_another(folder, name):
    """``first`` fails once ``second`` runs; all others would run for a minute."""
    note(folder, name)
    if name != "first":
        time.sleep(60)
    while not (folder / "second").exists():
        time.sleep(0.05)
    raise ValueError("first failed")


def die():
    os._exit(3)


def test_results_come_in_the_order_of_the_jobs_from_other_processes():
    processes, results = zip(*parallel_map(double, [(n,) for n in range(6)]), strict=True)
    assert results == (0, 2, 4, 6, 8, 10)
    assert os.getpid() not in processes and len(set(processes)) <= os.cpu_count()


@pytest.mark.skipif(os.cpu_count() < 2, reason="needs two processes at once")
def test_a_job_that_fails_stops_those_that_run_and_those_that_wait(tmp_path):
    names = ("first", "second", *(f"later {n}" for n in range(os.cpu_count())))
    start = time.monotonic()
    with pytest.raises(ValueError, match="first failed"):
        parallel_map(fail_beside_another, [(tmp_path, name) for name in names])
    assert time.monotonic() - start < 60
    assert not psutil.pid_exists(int((tmp_path / "second").read_text(encoding="utf-8")))
    assert not (tmp_path / names[-1]).exists()


def test_a_process_that_dies_is_an_error_not_a_wait():
    with pytest.raises(RuntimeError, match="terminated abruptly"):
        parallel_map(die, [()])
