"""How the notebooks are checked.

nbval runs every cell and compares its output with the committed one. Interactive figures and HTML
are left out there, and pictures by nbval itself: all are compared with a tolerance by
``tests/repository/test_figures.py``, since a last digit may differ between machines.
"""

import signal

from nbval.plugin import IPyNbCell

# A shell's background jobs inherit that Ctrl-C is ignored, and their children in turn; some tests
# interrupt processes that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What nbval does not compare
TOLERANT = ("application/vnd.plotly.v1+json", "text/html")


def pytest_collection_modifyitems(items):
    for item in items:
        if isinstance(item, IPyNbCell):
            item.parent.skip_compare = (*item.parent.skip_compare, *TOLERANT)
