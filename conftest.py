"""How the notebooks are checked.

nbval runs every cell and compares its output with the committed one, character by character. It
leaves out pictures; interactive figures and HTML are left out here. What the same run made is then
compared by the measures of ``convae verify``, since a last digit may differ between machines.
"""

import copy
import signal
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbFile

from convae.reproduce.runner import collect, differences, without_traces

# A shell's background jobs inherit that Ctrl-C is ignored, and their children in turn; some tests
# interrupt processes that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What nbval does not compare
TOLERANT = ("application/vnd.plotly.v1+json", "text/html")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file():
    collectors = yield
    return [Notebook.from_parent(c.parent, path=c.path) if isinstance(c, IPyNbFile) else c
            for c in collectors]


class Notebook(IPyNbFile):
    """A notebook, whose cells are run with a folder for the figures that they publish."""

    def collect(self):
        self.skip_compare = (*self.skip_compare, *TOLERANT)
        self.cells = list(super().collect())
        return [*self.cells, Redrawn.from_parent(self, name="All that it shows and publishes")]

    def setup(self):
        self.folder = tempfile.TemporaryDirectory(prefix="convae-")
        self.figures = Path(self.folder.name) / self.path.stem
        self.figures.mkdir()
        with pytest.MonkeyPatch.context() as patch:  # the kernel inherits it
            patch.setenv("CONVAE_FIGURES", str(self.figures))
            super().setup()

    def teardown(self):
        super().teardown()
        self.folder.cleanup()


class Redrawn(pytest.Item):
    """The executed notebook and its figures, against the committed ones."""

    def runtest(self):
        executed = copy.deepcopy(self.parent.nb)
        code = (cell for cell in executed.cells if cell.cell_type == "code")
        for cell, run in zip(code, self.parent.cells, strict=True):
            if run.test_outputs is None:
                pytest.fail(f"{run.name} was not run")
            cell.outputs = run.test_outputs
        folder = self.parent.figures
        nbformat.write(without_traces(executed, folder), folder / self.path.name)
        if found := differences(collect(folder.parent)):
            pytest.fail("\n".join(found), pytrace=False)

    def reportinfo(self):
        return self.path, None, f"{self.path.stem}: {self.name}"
