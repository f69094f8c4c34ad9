"""Work side by side in processes, one a core, that stop together."""

import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from multiprocessing import get_context

import psutil
from tqdm import tqdm


def side_by_side(function, jobs: list[tuple]) -> list:
    """``function(*job, line)`` for each job, `line` being its own line of the terminal for a
    progress bar.

    Where there is no terminal whose cursor could move between lines, as in a notebook or a log,
    `line` is always 0. The first exception, and Ctrl-C, stops all the others, and what they had
    started, such as kernels: none of them runs any more when this raises.

    Returns
    -------
    list
        The results, in the order of the jobs.
    """
    context = get_context("spawn")  # no state but what is passed
    with ProcessPoolExecutor(os.cpu_count(), context, _set_up, (context.RLock(),)) as pool:
        terminal = sys.stderr.isatty()
        running = [pool.submit(function, *job, i if terminal else 0) for i, job in enumerate(jobs)]
        try:
            for job in as_completed(running):
                job.result()
        except BaseException:
            processes = list(pool._processes.values())  # no public name; shutdown() forgets them
            pool.shutdown(wait=False, cancel_futures=True)
            _kill(processes)
            raise
    return [job.result() for job in running]


def _kill(processes):
    started = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(process.pid)
            parent.suspend()  # it starts no more children while they are listed
            started += parent.children(recursive=True)
        process.kill()
    for child in started:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    for process in processes:
        process.join()
    while any(_runs(child) for child in started):  # psutil.wait_procs would wait for zombies that nobody reaps, too
        time.sleep(0.01)


def _runs(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _set_up(lock):
    tqdm.set_lock(lock)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one stops the others
