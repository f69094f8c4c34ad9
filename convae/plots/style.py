"""Colours and small things that all figures share."""

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

# Ten colours that colour-blind readers tell apart as well as ten can be: Petroff, "Accessible color
# sequences for data visualization" (2021), arXiv:2107.02270; so ordered that digits whose clusters
# often touch (3, 5, 8 and 4, 7, 9) differ most. Figures also write the digit beside each cluster.
DIGIT_COLOURS = ("#94a4a2", "#e76300", "#a96b59", "#ffa90e", "#bd1f01",
                 "#832db6", "#b9ac70", "#717581", "#3f90da", "#92dadd")
TRAIN, TEST = "#3f90da", "#ff8c1a"        # the paper's blue and orange
ADDED, REMOVED = "#1f6fd0", "#e0492e"     # ink that a reconstruction added, and ink that it removed
LEGIBLE, MISREAD = "#d62718", "#1f6fd0"   # the paper's red circles and blue squares
INK, FAINT = "#222222", "#9a9a9a"
HALO = [withStroke(linewidth=2.5, foreground="white")]  # around what stands on a picture

# A decorator for functions that draw: axes made within have lines below and on the left only.
open_axes = matplotlib.rc_context({"axes.spines.top": False, "axes.spines.right": False})


def new_figure(width: float, height: float) -> Figure:
    """A figure of its own, in inches, outside pyplot: nothing shows it twice."""
    figure = Figure((width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.06)
    return figure


def panel_title(axes, letter: str, text: str):
    """The paper's letter for the panel, and what it shows, above its left edge."""
    title = f"{letter})  {text}" if letter else text
    axes.set_title(title, loc="left", fontsize=11, color=INK)
