"""Sweeps on real schedulers and workers.

They are processes on the loopback interface, some of which are killed. Workers import this file:
what takes seconds to import is imported where it is needed.
"""

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
from functools import cache
from pathlib import Path

import psutil
import pytest
from distributed import Client
from threadpoolctl import threadpool_limits

from convae._io import ROOT
from convae.reproduce import sweep as module
from convae.reproduce.sweep import SweepError, Task, sweep, sweep_studies

# Seconds after which what should happen is taken not to; far more than a busy machine needs
LONG = 300
KEYS = [f"{seed:016x}" for seed in range(4)]


def make_tasks(run, folder, seeds=range(4)):
    """A task for each seed; `run` is one of the functions below, which write to `folder`."""
    return [Task(f"seed {seed}", f"{seed:016x}", run, {"folder": folder, "seed": seed})
            for seed in seeds]


# What workers run, imported by name from this file. Who started and finished what is in a log, a
# line each.

def log(folder, what, seed):
    with open(folder / "log", "a", encoding="utf-8") as file:
        file.write(f"{what} {seed:016x} {os.getpid()}\n")


def logged(folder, what):
    """The keys and process numbers of all lines about `what`, in order."""
    with suppress(FileNotFoundError):
        lines = [line.split() for line in (folder / "log").read_text(encoding="utf-8").splitlines()]
        return [(key, int(pid)) for word, key, pid in lines if word == what]
    return []


def note(folder, seed):
    log(folder, "started", seed)
    return {"seed": seed, "threads": os.environ.get("OMP_NUM_THREADS"),
            "trim": os.environ.get("MALLOC_TRIM_THRESHOLD_")}


def fail(folder, seed):
    """Seed 1 fails until there is a network, seed 2 the first time only."""
    before = [key for key, _ in logged(folder, "started")]
    record = note(folder, seed)
    if seed == 1 and not (folder / "network").exists():
        raise ConnectionError("no network")
    if seed == 2 and f"{seed:016x}" not in before:
        raise ConnectionError("a bad moment")
    return record


def die_once(folder, seed):
    first = not logged(folder, "started")
    record = note(folder, seed)
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    return record


def last_to_finish(folder, seed):
    """Seed 0 ends when all others have."""
    if seed == 0:
        wait_until(lambda: len(logged(folder, "finished")) == 19)
    log(folder, "finished", seed)
    return {"seed": seed}


def go_on_and_on(folder, seed):
    """All but the first to start."""
    first = not logged(folder, "started")
    record = note(folder, seed)
    time.sleep(1 if first else 4 * LONG)
    log(folder, "finished", seed)
    return record


def measured(folder, seed, recipe):
    log(folder, "started", seed)
    record = measure_on_few_images(recipe)
    log(folder, "finished", seed)
    return record


def measure_on_few_images(recipe):
    """All measurements, with as little of MNIST as can be."""
    from convae.claims import measure
    from convae.data import load_mnist

    def few(train):
        images, labels = load_mnist(train)
        n = 2_500 if train else 1_000
        return images[:n], labels[:n]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "training_set", cache(lambda: few(train=True)))
        patch.setattr(measure, "test_set", cache(lambda: few(train=False)))
        for name in ("predicted", "nearest_image", "predicted_by_nearest"):  # of all images, else
            patch.setattr(measure, name, cache(getattr(measure, name).__wrapped__))
        return measure.run(recipe, held_out=1_500)


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
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        with open(folder / f"{len(processes)}-{program}.log", "w") as output:
            processes.append(subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{program}", *map(str, arguments),
                 "--host", "127.0.0.1",
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
    return lambda address, threads=1: start(
        "worker", address, "--no-nanny", "--nthreads", threads, "--memory-limit", 0,
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
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


def test_no_task_waits_for_a_busy_worker_while_another_is_free(tmp_path):
    tasks = make_tasks(last_to_finish, tmp_path, range(20))
    sweep(tasks, tmp_path / "records", workers=2)
    assert logged(tmp_path, "finished")[-1][0] == KEYS[0]


# A sweep stopped and taken up again

def test_tasks_are_done_once_in_their_order_and_those_with_a_record_not_at_all(scheduler, tmp_path):
    records, tasks = tmp_path / "records", make_tasks(note, tmp_path)
    records.mkdir()
    (records / f"{KEYS[1]}.json").write_text('{"seed": "of an earlier sweep"}\n')
    swept = sweep(tasks[1:3], records, scheduler)
    assert [record["seed"] for record in swept.values()] == ["of an earlier sweep", 2]
    again = sweep([tasks[3], *tasks, *make_tasks(note, tmp_path, [0])], records, scheduler)
    assert {key: record["seed"] for key, record in again.items()} == {
        KEYS[3]: 3, KEYS[0]: 0, KEYS[1]: "of an earlier sweep", KEYS[2]: 2}
    assert [key for key, _ in logged(tmp_path, "started")] == [KEYS[i] for i in (2, 3, 0)]


def test_a_record_is_what_its_task_returned_with_the_key_before_it(scheduler, tmp_path):
    (record,) = sweep(make_tasks(note, tmp_path, [3]), tmp_path / "records", scheduler).values()
    assert list(record) == ["key", "seed", "threads", "trim"] and record["key"] == KEYS[3]
    file = tmp_path / "records" / f"{KEYS[3]}.json"
    assert json.loads(file.read_text(encoding="utf-8")) == record


def test_committed_records_of_a_study_are_lines_in_the_order_of_their_keys(unreachable, tmp_path):
    for seed, key in enumerate(KEYS):
        (tmp_path / f"{key}.json").write_text(json.dumps({"seed": seed}))
    studies = {"all": make_tasks(note, tmp_path)[::-1], "few": make_tasks(note, tmp_path, [2])}
    assert sweep_studies(studies, Path("records"), tmp_path, unreachable) == {
        Path("records/all.jsonl"): '{"seed": 0}\n{"seed": 1}\n{"seed": 2}\n{"seed": 3}\n',
        Path("records/few.jsonl"): '{"seed": 2}\n'}


def test_a_sweep_with_all_records_needs_no_scheduler(unreachable, tmp_path):
    for seed, key in enumerate(KEYS):
        (tmp_path / f"{key}.json").write_text(json.dumps({"seed": seed}))
    swept = sweep(make_tasks(note, tmp_path), tmp_path, unreachable)
    assert [record["seed"] for record in swept.values()] == [0, 1, 2, 3]


def test_a_failing_task_is_tried_again_then_named_and_the_next_sweep_does_it_alone(
        scheduler, tmp_path):
    records, tasks = tmp_path / "records", make_tasks(fail, tmp_path)
    with pytest.raises(SweepError) as caught:
        sweep(tasks, records, scheduler)
    assert str(caught.value) == (
        f"1 of 4 tasks failed (the records of the others are kept in {records}):\n"
        f"seed 1 {KEYS[1]}: no network")
    assert {path.stem for path in records.iterdir()} == {KEYS[i] for i in (0, 2, 3)}
    assert Counter(key for key, _ in logged(tmp_path, "started")) == {
        KEYS[0]: 1, KEYS[1]: 2, KEYS[2]: 2, KEYS[3]: 1}

    (tmp_path / "network").touch()
    (tmp_path / "log").unlink()
    assert [record["seed"] for record in sweep(tasks, records, scheduler).values()] == [0, 1, 2, 3]
    assert [key for key, _ in logged(tmp_path, "started")] == [KEYS[1]]


# Schedulers

def test_a_scheduler_that_cannot_be_reached_is_named(unreachable, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 1)
    for address in (unreachable, "127.0.0.1", "http://127.0.0.1:80"):
        with pytest.raises(OSError, match=f"^the Dask scheduler {address} cannot be reached: "):
            sweep(make_tasks(note, tmp_path), tmp_path / "records", address)


def test_a_scheduler_lost_on_the_way_is_no_failure_of_the_tasks_and_costs_no_record(
        start_scheduler, start_worker, tmp_path):
    process, address = start_scheduler()
    start_worker(address, threads=2)
    records, tasks = tmp_path / "records", make_tasks(go_on_and_on, tmp_path)
    with ThreadPoolExecutor(1) as pool:
        swept = pool.submit(sweep, tasks, records, address)
        wait_until(lambda: len(list(records.glob("*.json"))) == 1
                   and len(logged(tmp_path, "started")) >= 2)
        process.kill()
        with pytest.raises(OSError, match=f"^the Dask scheduler was lost.* kept in {records}"):
            swept.result()
    (finished, _), = logged(tmp_path, "finished")
    assert [path.stem for path in records.iterdir()] == [finished]
    # One after the other, although the worker has two threads: they share the process's random
    # generator
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["started", "finished", "started"]


# Workers

def test_a_worker_killed_on_this_machine_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DASHBOARD", "127.0.0.1:0")
    records = sweep(make_tasks(die_once, tmp_path, [0, 1]), tmp_path / "records", workers=1)
    threads = os.environ.get("OMP_NUM_THREADS", "1")  # Dask's, unless the caller has set it
    assert list(records.values()) == [
        {"key": KEYS[seed], "seed": seed, "threads": threads, "trim": None} for seed in (0, 1)]
    keys, processes = zip(*logged(tmp_path, "started"), strict=True)
    assert sorted(keys) == sorted([keys[0], *KEYS[:2]])
    assert processes[0] != processes[1] == processes[2]
    children = psutil.Process().children(recursive=True)
    started = [process for process in children if process.pid in processes]
    assert not psutil.wait_procs(started, timeout=LONG)[1]


def test_records_are_those_of_measuring_here_though_a_worker_was_killed_in_a_task(
        scheduler, start_worker, one_thread, tmp_path):
    from convae import Recipe

    recipes = (Recipe.from_name("dense_vae_64d", hidden=50, epochs=1),
               Recipe.from_name("conv_ae_2d", channels=(2, 2, 2), epochs=1))
    tasks = make_tasks(measured, tmp_path, range(2))
    for task, recipe in zip(tasks, recipes, strict=True):
        task.arguments["recipe"] = recipe
    records = tmp_path / "records"
    victim = start_worker(scheduler)
    with Client(scheduler) as client:
        client.wait_for_workers(2, timeout=LONG)
    with ThreadPoolExecutor(1) as pool:
        swept = pool.submit(sweep, tasks, records, scheduler)
        wait_until(lambda: any(pid == victim.pid for _, pid in logged(tmp_path, "started")))
        victim.kill()
        here = [measure_on_few_images(recipe) for recipe in recipes]
        swept = swept.result()
    assert victim.wait() == -signal.SIGKILL

    started, finished = logged(tmp_path, "started"), logged(tmp_path, "finished")
    lost, = [key for key, pid in started if pid == victim.pid]
    starts = {task.key: 1 + (task.key == lost) for task in tasks}
    assert Counter(key for key, _ in started) == starts
    assert Counter(key for key, _ in finished) == {task.key: 1 for task in tasks}
    assert len({victim.pid, *(pid for _, pid in finished)}) == 2  # all by the other one
    assert {path.name for path in records.iterdir()} == {f"{task.key}.json" for task in tasks}

    for record in (*swept.values(), *here):
        assert set(record.pop("seconds")) == {"training", "measuring"}
    there = [{name: record[name] for name in record if name != "key"} for record in swept.values()]
    assert json.dumps(there) == json.dumps(here)


@pytest.mark.parametrize("workers", [0, -1])
def test_a_cluster_without_workers_is_refused_before_anything_waits_for_it(tmp_path, workers):
    with pytest.raises(ValueError, match=f"workers must be at least 1, got {workers}"):
        sweep(make_tasks(note, tmp_path), tmp_path, workers=workers)
