"""How the notebooks are checked: nbval runs every cell and compares its output with the committed one.

Interactive figures are left out there, and pictures by nbval itself: both are compared with a tolerance by
``tests/test_figures.py``, since a last digit may differ between machines.
"""

from nbval.plugin import IPyNbCell


def pytest_collection_modifyitems(items):
    for item in items:
        if isinstance(item, IPyNbCell):
            item.parent.skip_compare = (*item.parent.skip_compare, "application/vnd.plotly.v1+json")
