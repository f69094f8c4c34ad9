"""The same arithmetic, faster: the networks' passes, compiled, and the optimiser Muon."""

import sys
from functools import cache

from tqdm import tqdm


def compiled(model, difference: str, threads: int = 1, progress: bool = True):
    """The convolutional model as a :class:`convae.fast.step.CompiledModel`, on a processor.

    None where Halide, which compiles it, is not installed: autograd gives the same loss and
    gradients then, in several times the time. With `progress`, that is said once a process.
    """
    try:
        from convae.fast.step import CompiledModel
    except ImportError as error:
        if progress:
            _say_once(f"training takes several times as long without Halide ({error})")
        return None
    return CompiledModel(model, difference, threads)


@cache
def _say_once(message: str):
    tqdm.write(message, file=sys.stderr)  # between progress bars
