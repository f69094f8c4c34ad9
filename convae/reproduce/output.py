"""What a notebook shows: figures, tables, HTML."""

import io
import json

from IPython.display import HTML, Markdown, display
from matplotlib.figure import Figure
from PIL import Image

PLOTLY = "application/vnd.plotly.v1+json"
DPI, DPI_SHOWN = 150, 100  # of the files, and in the notebooks, which have to stay small


def show(figure: Figure):
    """Show a figure as PNG."""
    display({"image/png": to_png(figure, DPI_SHOWN), "text/plain": ""}, raw=True)


def show_interactive(figure, instead: str):
    """Show a plotly figure; where plotly is not known, as on GitHub, a sentence `instead`."""
    display({PLOTLY: json.loads(figure.to_json()), "text/plain": instead}, raw=True)


def show_html(html: str):
    """Show HTML."""
    display(HTML(html))


def show_table(header, rows):
    """Show a table, as Markdown."""
    lines = [f"| {' | '.join(map(str, line))} |" for line in (header, ["---"] * len(header), *rows)]
    display(Markdown("\n".join(lines)))


def to_png(figure: Figure, dpi: int = DPI) -> bytes:
    """The figure as PNG of 256 colours, a third of the full range's size, without a date."""
    drawn, compact = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=dpi, format="png", facecolor="white")
    picture = Image.open(drawn).convert("RGB")
    picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    picture.save(compact, "png", optimize=True)
    return compact.getvalue()
