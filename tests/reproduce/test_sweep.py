"""Sweeps on real schedulers and workers: processes on the loopback interface, some of which are
killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch
from distributed import Client
from threadpoolctl import threadpool_limits

from convae import Recipe
from convae.claims import measure
from convae.claims.measure import Task
from convae.reproduce import sweep as module
from convae.reproduce.sweep import SweepError, sweep

LONG = 300  # seconds after which what should happen is taken not to; far more than a busy machine needs
TASKS = [Task(Recipe("ae", 2, seed=seed)) for seed in range(4)]  # never trained: their run is one of these functions


# What workers run, imported by name from this file. Who started and finished what is in a log, a
# line each.

def log(folder, what, task):
    with open(folder / "log", "a", encoding="utf-8") as file:
        file.write(f"{what} {task.key} {os.getpid()}\n")


def logged(folder, what):
    """The keys and process numbers of all lines about `what`, in order."""
    with suppress(FileNotFoundError):
        lines = [line.split() for line in (folder / "log").read_text(encoding="utf-8").splitlines()]
        return [(key, int(pid)) for word, key, pid in lines if word == what]
    return []


def note(folder, task):
    log(folder, "started", task)
    return {"seed": task.recipe.seed, "threads": os.environ.get("OMP_NUM_THREADS"),
            "trim": os.environ.get("MALLOC_TRIM_THRESHOLD_")}


def fail(folder, task):
    """Seed 1 fails until there is a network, seed 2 the first time only."""
    before = [key for key, _ in logged(folder, "started")]
    record = note(folder, task)
    if task.recipe.seed == 1 and not (folder / "network").exists():
        raise ConnectionError("no network")
    if task.recipe.seed == 2 and task.key not in before:
        raise ConnectionError("a bad moment")
    return record


def die_once(folder, task):
    first = not logged(folder, "started")
    record = note(folder, task)
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    return record


def last_to_finish(folder, task):
    """Seed 0 ends when all others have."""
    if task.recipe.seed == 0:
        wait_until(lambda: len(logged(folder, "finished")) == 19)
    log(folder, "finished", task)
    return {"seed": task.recipe.seed}


def go_on_and_on(folder, task):
    """All but the first to start."""
    first = not logged(folder, "started")
    record = note(folder, task)
    time.sleep(1 if first else 4 * LONG)
    log(folder, "finished", task)
    return record


def measured(folder, task):
    log(folder, "started", task)
    record = measure.run(task)
    log(folder, "finished", task)
    return record


# Processes

def wait_until(condition):
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Starts Dask's command-line programs; what still runs at the end is killed."""
    folder, processes = tmp_path_factory.mktemp("dask"), []

    def start(program, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
        with open(folder / f"{len(processes)}-{program}.log", "w") as output:
            processes.append(subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{program}", *map(str, arguments), "--host", "127.0.0.1",
                 "--no-dashboard", "--dashboard-address", "127.0.0.1:0"],
                cwd=folder, env=environment, stdout=output, stderr=output))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def start_scheduler(start, tmp_path_factory):
    """Starts a scheduler; gives it and its address."""
    timers = []

    def start_scheduler():
        file = tmp_path_factory.mktemp("scheduler") / "address.json"
        process = start("scheduler", "--port", 0, "--scheduler-file", file)
        timers.append(threading.Timer(4 * LONG, process.kill))  # a sweep that hangs fails then
        timers[-1].start()
        wait_until(lambda: file.exists() and file.read_text().endswith("}"))
        return process, json.loads(file.read_text())["address"]

    yield start_scheduler
    for timer in timers:
        timer.cancel()


@pytest.fixture(scope="module")
def start_worker(start):
    """Starts a worker without a nanny that would start another one in its place."""
    return lambda address, threads=1: start("worker", address, "--no-nanny", "--nthreads", threads, "--memory-limit", 0,
                                            "--death-timeout", LONG)


@pytest.fixture(scope="module")
def scheduler(start_scheduler, start_worker):
    """The address of a scheduler with one worker."""
    _, address = start_scheduler()
    start_worker(address)
    return address


@pytest.fixture
def unreachable():
    """The address of a port at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"tcp://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def one_thread():
    """Sums in the workers' order, however many threads this process has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


def test_no_task_waits_for_a_busy_worker_while_another_is_free(tmp_path):
    tasks = [Task(Recipe("ae", 2, seed=seed)) for seed in range(20)]
    sweep(tasks, tmp_path / "records", workers=2, run=partial(last_to_finish, tmp_path))
    assert logged(tmp_path, "finished")[-1][0] == tasks[0].key


# A sweep stopped and taken up again

def test_tasks_are_done_once_in_their_order_and_those_with_a_record_not_at_all(scheduler, tmp_path):
    records, run = tmp_path / "records", partial(note, tmp_path)
    records.mkdir()
    (records / f"{TASKS[1].key}.json").write_text('{"seed": "of an earlier sweep"}\n')
    assert [record["seed"] for record in sweep(TASKS[1:3], records, scheduler, run=run).values()] == ["of an earlier sweep", 2]
    again = sweep([TASKS[3], *TASKS, Task(Recipe("ae", 2))], records, scheduler, run=run)
    assert {key: record["seed"] for key, record in again.items()} == {
        TASKS[3].key: 3, TASKS[0].key: 0, TASKS[1].key: "of an earlier sweep", TASKS[2].key: 2}
    assert [key for key, _ in logged(tmp_path, "started")] == [TASKS[i].key for i in (2, 3, 0)]


def test_a_sweep_with_all_records_needs_no_scheduler(unreachable, tmp_path):
    for task in TASKS:
        (tmp_path / f"{task.key}.json").write_text(json.dumps({"seed": task.recipe.seed}))
    assert [record["seed"] for record in sweep(TASKS, tmp_path, unreachable).values()] == [0, 1, 2, 3]


def test_a_failing_task_is_tried_again_then_named_and_the_next_sweep_does_it_alone(scheduler, tmp_path):
    records, run = tmp_path / "records", partial(fail, tmp_path)
    with pytest.raises(SweepError) as caught:
        sweep(TASKS, records, scheduler, run=run)
    assert str(caught.value) == (f"1 of 4 tasks failed (the records of the others are kept in {records}):\n"
                                 f"conv_ae_2d seed 1 {TASKS[1].key}: no network")
    assert {path.stem for path in records.iterdir()} == {TASKS[i].key for i in (0, 2, 3)}
    assert Counter(key for key, _ in logged(tmp_path, "started")) == {
        TASKS[0].key: 1, TASKS[1].key: 2, TASKS[2].key: 2, TASKS[3].key: 1}

    (tmp_path / "network").touch()
    (tmp_path / "log").unlink()
    assert [record["seed"] for record in sweep(TASKS, records, scheduler, run=run).values()] == [0, 1, 2, 3]
    assert [key for key, _ in logged(tmp_path, "started")] == [TASKS[1].key]


# Schedulers

def test_a_scheduler_that_cannot_be_reached_is_named(unreachable, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 1)
    for address in (unreachable, "127.0.0.1", "http://127.0.0.1:80"):
        with pytest.raises(OSError, match=f"^the Dask scheduler {address} cannot be reached: "):
            sweep(TASKS, tmp_path / "records", address)


def test_a_scheduler_lost_on_the_way_is_no_failure_of_the_tasks_and_costs_no_record(start_scheduler, start_worker, tmp_path):
    process, address = start_scheduler()
    start_worker(address, threads=2)
    records = tmp_path / "records"
    with ThreadPoolExecutor(1) as pool:
        swept = pool.submit(sweep, TASKS, records, address, run=partial(go_on_and_on, tmp_path))
        wait_until(lambda: len(list(records.glob("*.json"))) == 1 and len(logged(tmp_path, "started")) >= 2)
        process.kill()
        with pytest.raises(OSError, match=f"^the Dask scheduler was lost.* kept in {records}"):
            swept.result()
    (finished, _), = logged(tmp_path, "finished")
    assert [path.stem for path in records.iterdir()] == [finished]
    # One after the other, although the worker has two threads: they share the process's random
    # generator
    assert [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()] == ["started", "finished", "started"]


# Workers

def test_a_worker_killed_on_this_machine_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DASHBOARD", "127.0.0.1:0")
    records = sweep(TASKS[:2], tmp_path / "records", workers=1, run=partial(die_once, tmp_path))
    assert list(records.values()) == [{"seed": seed, "threads": "1", "trim": None} for seed in (0, 1)]
    keys, processes = zip(*logged(tmp_path, "started"), strict=True)
    assert sorted(keys) == sorted([keys[0], *(task.key for task in TASKS[:2])])
    assert processes[0] != processes[1] == processes[2]
    started = [process for process in psutil.Process().children(recursive=True) if process.pid in processes]
    assert not psutil.wait_procs(started, timeout=LONG)[1]


def test_a_sweep_with_a_worker_killed_in_the_middle_of_a_task_gives_the_records_of_measuring_here(
        scheduler, start_worker, one_thread, tmp_path):
    # MNIST and all measurements, but as little training as can be
    tasks = [Task(recipe, held_out=59_000) for recipe in (
        Recipe("vae", 64, "dense", hidden=50, epochs=1), Recipe("ae", 2, channels=(2, 2, 2), epochs=1))]
    records = tmp_path / "records"
    victim = start_worker(scheduler)
    with Client(scheduler) as client:
        client.wait_for_workers(2, timeout=LONG)
    with ThreadPoolExecutor(1) as pool:
        swept = pool.submit(sweep, tasks, records, scheduler, run=partial(measured, tmp_path))
        wait_until(lambda: any(pid == victim.pid for _, pid in logged(tmp_path, "started")))
        victim.kill()
        here = {task.key: measure.run(task) for task in tasks}
        swept = swept.result()
    assert victim.wait() == -signal.SIGKILL

    started, finished = logged(tmp_path, "started"), logged(tmp_path, "finished")
    lost, = [key for key, pid in started if pid == victim.pid]
    assert Counter(key for key, _ in started) == {task.key: 1 + (task.key == lost) for task in tasks}
    assert Counter(key for key, _ in finished) == {task.key: 1 for task in tasks}
    assert len({victim.pid, *(pid for _, pid in finished)}) == 2  # all by the other one
    assert sorted(path.name for path in records.iterdir()) == sorted(f"{task.key}.json" for task in tasks)

    for record in (*swept.values(), *here.values()):
        assert set(record.pop("seconds")) == {"training", "measuring"}
    assert json.dumps(swept) == json.dumps(here)


@pytest.mark.parametrize("workers", [0, -1])
def test_a_cluster_without_workers_is_refused_before_anything_waits_for_it(tmp_path, workers):
    with pytest.raises(ValueError, match=f"workers must be at least 1, got {workers}"):
        sweep(TASKS, tmp_path, workers=workers)
