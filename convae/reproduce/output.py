"""What a notebook shows: figures, tables, HTML."""

import io
import json

from IPython.display import HTML, Markdown, display
from matplotlib.figure import Figure
from PIL import Image

PLOTLY = "application/vnd.plotly.v1+json"
DPI, DPI_SHOWN = 150, 100  # of the files, and in the notebooks, which have to stay small


def show(figure: Figure, interactive=None):
    """Show a figure as PNG, for every viewer, and as a plotly figure if any, in one output."""
    bundle = {"image/png": to_png(figure, DPI_SHOWN), "text/plain": ""}
    if interactive is not None:
        bundle[PLOTLY] = json.loads(interactive.to_json())
    display(bundle, raw=True)


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
