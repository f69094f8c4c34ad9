"""Work side by side in processes, one a core, that stop together."""

import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from tqdm import tqdm


def side_by_side(function, jobs: list[tuple]) -> list:
    """``function(*job, line)`` for each job, `line` being its own line of the terminal for a progress bar.

    Where there is no terminal whose cursor could move between lines, as in a notebook or a log, `line` is always 0.
    The first exception, and Ctrl-C, stops all the others. (A kernel that one of them had started notices within a
    second that its parent is gone, and ends too.)

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
            for process in processes:
                process.terminate()
            for process in processes:
                process.join()
            raise
    return [job.result() for job in running]


def _set_up(lock):
    tqdm.set_lock(lock)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one stops the others
