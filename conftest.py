"""How the notebooks are checked: nbval runs every cell and compares its output with the committed
one.

Interactive figures and HTML are left out there, and pictures by nbval itself: all are compared with
a tolerance by ``tests/test_figures.py``, since a last digit may differ between machines.
"""

import signal

from nbval.plugin import IPyNbCell

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's background jobs inherit it, and their children in turn
    signal.signal(signal.SIGINT, signal.default_int_handler)  # some tests interrupt processes that they start


def pytest_collection_modifyitems(items):
    for item in items:
        if isinstance(item, IPyNbCell):
            item.parent.skip_compare = (*item.parent.skip_compare, "application/vnd.plotly.v1+json", "text/html")
