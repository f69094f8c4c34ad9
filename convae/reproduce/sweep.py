"""Many tasks on Dask: on this machine's cores, or on the workers of a scheduler anywhere.

Each finished record is written to a folder, under its task's key, as soon as it is there: a sweep
that was stopped goes on where it was, and no task is done twice. Dask does the rest: it hands tasks
to workers that come and go, and gives a task whose worker was lost to another one.
"""

import json
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from convae._io import UserError, cache_dir, read_json, write_atomically

RETRIES = 1    # of a task that failed, for want of a network, say; a lost worker does not count
PATIENCE = 30  # seconds that a scheduler is waited for
DASHBOARD = "127.0.0.1:8787"  # not :8787, which all of the network could open
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
SETTINGS = {
    # Workers that a task may lose before it is taken for what kills them.
    "distributed.scheduler.allowed-failures": 10,
    # Dask's default also sets MALLOC_TRIM_THRESHOLD_, which has every large tensor's memory mapped
    # anew: training then takes about twice as long.
    "distributed.nanny.pre-spawn-environ": ONE_THREAD,
}
ONE_AT_A_TIME = threading.Lock()  # in a worker, whose threads share torch's random generator


class SweepError(UserError):
    """Tasks failed; the message names them. What succeeded is kept."""


@dataclass(frozen=True)
class Task:
    """A piece of a study that makes one record, on whichever machine.

    Parameters
    ----------
    name : str
        For progress and reports.
    key : str
        :func:`convae._io.key_of` all that the record depends on.
    run : callable
        A function of a module, which workers import.
    arguments : dict
        What it is called with, by name.
    """

    name: str
    key: str
    run: Callable[..., dict]
    arguments: dict

    def record(self) -> dict:
        """What `run` returns, with the key before it."""
        return {"key": self.key, **self.run(**self.arguments)}


def sweep(
    tasks: list[Task],
    folder: Path | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
) -> dict[str, dict]:
    """Do all tasks that have no record in `folder` yet; returns the records of all, by key.

    Parameters
    ----------
    tasks : list of Task
        Two with one key are done once. Workers get them in this order.
    folder : Path, optional
        Of the records, one file each; ``records`` in the cache if None.
    scheduler : str, optional
        Address of a running Dask scheduler, such as ``tcp://head:8786``; its workers must have this
        version of convae, and get MNIST themselves. A worker does one task at a time, however many
        threads it has. If None, a cluster is started on this machine and stopped at the end.
    workers : int, optional
        Processes of the cluster on this machine, one thread each; one a core if None.

    Raises
    ------
    SweepError
        After all others are done, if tasks failed; the message names each, with its error.
    ValueError
        If `workers` is less than 1.
    OSError
        If the scheduler cannot be reached, or is lost on the way; finished records are kept.
    """
    if workers is not None and workers < 1:  # Dask would wait for a worker for ever
        raise ValueError(f"workers must be at least 1, got {workers}")
    folder = folder or cache_dir() / "records"
    files = {task.key: folder / f"{task.key}.json" for task in tasks}
    missing = {task.key: task for task in tasks if not files[task.key].exists()}
    failures = _do(missing, files, scheduler, workers) if missing else []
    if failures:
        raise SweepError("\n".join([f"{len(failures)} of {len(files)} tasks failed (the records of "
                                    f"the others are kept in {folder}):", *failures]))
    return {key: read_json(file) for key, file in files.items()}


def sweep_studies(studies: dict[str, list[Task]], records: Path, *where) -> dict[Path, str]:
    """Do all tasks of some studies, given by name.

    Parameters
    ----------
    records : Path
        The folder of the committed records.
    *where
        `folder`, `scheduler` and `workers` of :func:`sweep`.

    Returns
    -------
    dict
        The content of each study's file of committed records: a line each, by their keys.
    """
    contents = {}
    for study, tasks in studies.items():
        done = sweep(tasks, *where)
        lines = [json.dumps(done[key]) + "\n" for key in sorted(done)]
        contents[records / f"{study}.jsonl"] = "".join(lines)
    return contents


def _do(missing: dict[str, Task], files: dict[str, Path], scheduler, workers) -> list[str]:
    """Do tasks and write their records; returns a line about each that failed."""
    from distributed import as_completed

    from convae.data import load_mnist  # needs torch, which a worker loads when a task needs it

    load_mnist(train=True)  # fetched once, before the processes need it
    # Tasks whose keys begin alike are one group to Dask. Of a large group a worker gets the next
    # task when it is free; others would be dealt out at once, however long each takes. Within a
    # group they go by their keys.
    keys = [("model", i, task.name, key) for i, (key, task) in enumerate(missing.items())]
    failures = []
    with _client(scheduler, workers) as client, \
            tqdm(total=len(missing), unit="model", file=sys.stderr) as bar:
        bar.write(f"Dask's dashboard: {client.dashboard_link}", file=sys.stderr)
        futures = client.map(_alone, missing.values(), key=keys, retries=RETRIES)
        for future in as_completed(futures):
            _, _, name, key = future.key
            if future.status == "finished":
                write_atomically(files[key], json.dumps(future.result()) + "\n")
            elif future.status == "error":
                failures.append(f"{name} {key}: {future.exception()}")
            else:  # no task's fault
                raise ConnectionError(
                    "the Dask scheduler was lost, or the tasks were cancelled there; "
                    f"finished records are kept in {files[key].parent}, "
                    "and the same sweep goes on from them")
            future.release()
            bar.update()
    return failures


def _alone(task):
    with ONE_AT_A_TIME:
        return task.record()


@contextmanager
def _client(scheduler, workers):
    import dask
    from distributed import Client, LocalCluster
    from distributed.comm import get_address_host_port

    if scheduler:
        try:
            get_address_host_port(scheduler)  # a ValueError for an address without a port, say
            client = Client(scheduler, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise OSError(f"the Dask scheduler {scheduler} cannot be reached: {error}") from error
        with client:
            yield client
    else:
        with dask.config.set(SETTINGS), LocalCluster(
            n_workers=workers, threads_per_worker=1, memory_limit=0, dashboard_address=DASHBOARD,
        ) as cluster, Client(cluster) as client:
            yield client
