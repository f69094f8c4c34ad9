"""Work in processes, one a core, that stop together.

joblib stops its workers as surely, but keeps idle ones, with torch loaded, for minutes after the
work is done, and would need the same initialiser for the progress bars.
"""

import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context


def parallel_map(function: Callable, jobs: list[tuple]) -> list:
    """``function(*job)`` for each job, in new processes; the results are in the order of the jobs.

    The first exception, and Ctrl-C, stops all: no process works on when this raises.
    """
    context = get_context("spawn")  # no state but what is passed
    shared = context.RLock(), context.Value("i", 0)
    with ProcessPoolExecutor(os.cpu_count(), context, _set_up, shared) as pool:
        running = [pool.submit(function, *job) for job in jobs]
        try:
            for job in as_completed(running):
                job.result()
        except BaseException:
            for process in pool._processes.values():  # has no public name before Python 3.14
                process.kill()
            pool.shutdown(cancel_futures=True)
            raise
    return [job.result() for job in running]


def _set_up(lock, started):
    """Give a new process a line of the terminal for its progress bars."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first stops the others
    with started:
        if sys.stderr.isatty():  # elsewhere, no cursor could move between lines
            os.environ["TQDM_POSITION"] = str(started.value)
        started.value += 1

    from tqdm import tqdm  # reads its settings when it is imported

    tqdm.set_lock(lock)
