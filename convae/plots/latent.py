"""Latent spaces: the digits as points, on paper and to turn and hover over (Figs. 4 and 5), and the
decoded plane."""

import matplotlib.patheffects as effects
import numpy as np
import plotly.graph_objects as go
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from mpl_toolkits.mplot3d.proj3d import proj_transform
from plotly.subplots import make_subplots
from torch import Tensor

from convae.plots.style import DIGIT_COLOURS, FAINT, INK, new_figure, panel_title

MARGIN = 1.04
NAME_SIZE = 15  # of the digits' names, in points
HALO = [effects.withStroke(linewidth=2.5, foreground="white")]


def latent_spaces(spaces: dict, labels, model: str, beside: tuple | None = None) -> Figure:
    """Panels a and b: a model's 2-D and 3-D latent space, one point a digit, the digit's name at
    its median.

    Parameters
    ----------
    spaces : dict
        By dimension d, 2 or 3, the latent vectors of the same images, ``(N, d)``.
    labels : array
        Their digits ``(N,)``, for the colours.
    model : str
        Name of the model, for the titles.
    beside : (array, str), optional
        A 2-D cloud of another model and its name, for a small picture of the two on the same axes.
    """
    figure = new_figure(6 * len(spaces), 5.9)
    for i, (d, z) in enumerate(spaces.items(), 1):
        axes = figure.add_subplot(1, len(spaces), i, projection="3d" if d == 3 else None)
        _scatter(axes, np.asarray(z), np.asarray(labels), size=2.5)
        panel_title(axes, "ab"[i - 1], f"{model}, {d}-D latent space" + (f": {len(z):,} unseen digits" if i == 1 else ""))
        if d == 2 and beside is not None:
            _clouds_on_the_same_axes(axes, (np.asarray(z), model), beside)
    figure.legend(handles=[Patch(color=c, label=str(d)) for d, c in enumerate(DIGIT_COLOURS)], loc="outside lower center",
                  ncols=10, frameon=False, handlelength=1, handleheight=1, columnspacing=1.4)
    return figure


def on_the_same_axes(clouds: dict, labels) -> Figure:
    """Several 2-D or 3-D latent spaces side by side, all with the axes of the widest.

    Parameters
    ----------
    clouds : dict
        Latent vectors ``(N, 2)`` or ``(N, 3)`` by title.
    labels : array
        The digits ``(N,)``.
    """
    labels = np.asarray(labels)
    clouds = {title: np.asarray(z) for title, z in clouds.items()}
    figure = new_figure(3.4 * len(clouds), 3.7)
    for i, (title, z) in enumerate(clouds.items()):
        same = [other for other in clouds.values() if other.shape[1] == z.shape[1]]
        axes = figure.add_subplot(1, len(clouds), i + 1, projection="3d" if z.shape[1] == 3 else None)
        _scatter(axes, z, labels, size=1, limits=_limits(np.concatenate(same)), names=False)
        panel_title(axes, "", title)
    return figure


def _scatter(axes, z, labels, size, limits=None, names=True):
    """Points and names of the digits, on axes of equal scale."""
    order = np.random.default_rng(0).permutation(len(z))  # no digit always on top
    axes.scatter(*z[order].T, s=size, c=np.array(DIGIT_COLOURS)[labels[order]], linewidths=0, alpha=0.75,
                 **({"depthshade": False} if z.shape[1] == 3 else {}))
    low, high = limits or _limits(z)
    for name, lower, upper in zip("xyz", low, high, strict=False):
        getattr(axes, f"set_{name}lim")(lower, upper)
        getattr(axes, f"set_{name}label")(f"z{'₁₂₃'['xyz'.index(name)]}", color=INK)
    axes.tick_params(labelsize=8, colors="#555555")
    if z.shape[1] == 3:
        axes.set_box_aspect(high - low)
        axes.locator_params(nbins=4)
        axes.view_init(22, -55)
    else:
        axes.set_aspect("equal")
        axes.grid(color="#eeeeee")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    if names:
        _name_clusters(axes, np.array([np.median(z[labels == digit], 0) for digit in range(10)]))


def _limits(z):
    """The box that holds all the points, a little wider."""
    low, high = z.min(0), z.max(0)
    return (low + high) / 2 - (high - low) * MARGIN / 2, (low + high) / 2 + (high - low) * MARGIN / 2


def _name_clusters(axes, places):
    """Write each digit at its place, moved just far enough that no two overlap, with a line back to
    where it belongs."""
    if places.shape[1] == 3:
        places = np.stack(proj_transform(*places.T, axes.get_proj())[:2], 1)
    axes.apply_aspect()
    to_points = axes.transData.transform(places) * 72 / axes.figure.dpi
    moved = _apart(to_points, NAME_SIZE * 1.15)
    for digit, (place, shift) in enumerate(zip(places, moved - to_points, strict=True)):
        axes.annotate(str(digit), place, shift, textcoords="offset points", fontsize=NAME_SIZE, fontweight="bold",
                      color=INK, ha="center", va="center", path_effects=HALO, zorder=10, annotation_clip=False,
                      arrowprops={"arrowstyle": "-", "color": INK, "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
                      if np.hypot(*shift) > NAME_SIZE / 2 else None)


def _apart(points, distance):
    """The points, moved until each is `distance` from every other."""
    points = points + 1e-3 * np.arange(len(points))[:, None] * [1, -1]  # two in one place must part somewhere
    for _ in range(200):
        steps = points[:, None] - points[None]
        lengths = np.hypot(*steps.transpose(2, 0, 1)) + np.eye(len(points)) * distance
        push = np.clip(distance - lengths, 0, None) / 2
        points = points + (steps / lengths[..., None] * push[..., None]).sum(1)
    return points


def _clouds_on_the_same_axes(axes, own, other):
    inset = axes.inset_axes((0.745, 0.745, 0.255, 0.255))
    both = np.concatenate([own[0], other[0]])
    low, high = _limits(both)
    inset.scatter(*np.asarray(other[0]).T, s=0.4, c=FAINT, linewidths=0)
    inset.scatter(*np.asarray(own[0]).T, s=0.4, c=INK, linewidths=0)
    inset.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[], aspect="equal")
    inset.set_title("on the same axes:", fontsize=7.5, color=INK, pad=3)
    inset.text(0.03, 0.02, f"{own[1]} black, {other[1]} grey", transform=inset.transAxes, fontsize=6.5, color=INK)


def interactive_latent_spaces(spaces: dict, labels, images: Tensor, model: str) -> go.Figure:
    """The same to zoom, turn and hover over; hovering shows the digit's image, drawn in dots, and
    which it is.

    Parameters
    ----------
    spaces, labels, model
        As for :func:`latent_spaces`.
    images : Tensor
        The images themselves, ``(N, 1, 28, 28)``.
    """
    labels, pictures = np.asarray(labels), np.array([in_dots(image) for image in images])
    figure = make_subplots(1, len(spaces), specs=[[{"type": "scene" if d == 3 else "xy"} for d in spaces]],
                           horizontal_spacing=0.03, subplot_titles=[
                               f"{letter}) {model}, {d}-D" + (": drag to turn" if d == 3 else "")
                               for letter, d in zip("ab", spaces, strict=False)])
    for column, (d, z) in enumerate(spaces.items(), 1):
        for digit, colour in enumerate(DIGIT_COLOURS):
            mine = labels == digit
            places = dict(zip("xyz", np.asarray(z)[mine].round(3).T.tolist(), strict=False))
            trace, size = (go.Scatter3d, 2) if d == 3 else (go.Scatter, 4)
            figure.add_trace(trace(**places, mode="markers", marker={"color": colour, "size": size}, name=str(digit),
                                   legendgroup=str(digit), showlegend=column == 1, text=pictures[mine].tolist(),
                                   hovertemplate=f"%{{text}}<extra>{digit}</extra>"), 1, column)
    figure.update_xaxes(title="z₁")
    figure.update_yaxes(title="z₂", scaleanchor="x")
    figure.update_layout(
        template="plotly_white", height=560, margin={"l": 10, "r": 10, "t": 40, "b": 10}, dragmode="pan",
        legend={"title": "digit (click: off, on)", "itemsizing": "constant"},
        hoverlabel={"font": {"family": "DejaVu Sans Mono, monospace", "size": 13}, "bgcolor": "white", "align": "left"},
        scene={"xaxis_title": "z₁", "yaxis_title": "z₂", "zaxis_title": "z₃", "aspectmode": "data"},
    )
    return figure


def in_dots(image: Tensor) -> str:
    """The central 20 × 20 pixels of an image ``(1, 28, 28)``, as Braille characters of 2 × 4 dots:
    a picture in a text.

    MNIST's digits fill a box of 20 × 20 pixels. Lines are joined by ``<br>``.
    """
    dots = image[0, 4:24, 4:24].numpy() > 0.4
    bits = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # of the characters from U+2800
    cells = dots.reshape(5, 4, 10, 2).transpose(0, 2, 1, 3)
    codes = 0x2800 + (cells * bits).sum((2, 3))
    blank = chr(0x2800)
    return "<br>".join("".join(map(chr, row)).rstrip(blank) or blank for row in codes)


def decoded_planes(planes: dict) -> Figure:
    """What the plane decodes to, and where it holds data or decodes to a clear digit.

    Parameters
    ----------
    planes : dict
        By title: the grid (:class:`convae.evaluation.latent.Plane`) whose cells decode to the
        pictures shown, these pictures ``(cells², 1, 28, 28)``, the fine grid, and which of its
        cells are clear ``(fine cells, fine cells)``.
    """
    figure = new_figure(4.4 * len(planes), 8.4)
    panels = figure.subplots(2, len(planes), squeeze=False)
    colours = ("#f4f4f4", "#a8d5e5", "#f2b35e", "#2b5f8a")
    names = ("neither", "clear, no data", "data, not clear", "data and clear")
    for (above, below), (title, (coarse, pictures, fine, clear)) in zip(panels.T, planes.items(), strict=True):
        cells = len(coarse.counts)
        tiles = pictures.numpy().reshape(cells, cells, 28, 28)[::-1]  # the highest z₂ above
        montage = tiles.transpose(0, 2, 1, 3).reshape(cells * 28, cells * 28)
        extent = [coarse.low[0], coarse.high[0], coarse.low[1], coarse.high[1]]
        above.imshow(montage, cmap="gray_r", vmin=0, vmax=1, extent=extent, aspect="auto")
        panel_title(above, "", f"{title}: the plane, decoded")
        kinds = clear.astype(int) + 2 * (fine.counts > 0)
        below.imshow(kinds, cmap=ListedColormap(colours), vmin=-0.5, vmax=3.5, extent=extent, origin="lower",
                     aspect="auto", interpolation="nearest")
        panel_title(below, "", f"{title}: data in {fine.occupied:.0%} of the cells, clear {clear.mean():.0%}")
        for axes in (above, below):
            axes.set(xlabel="z₁", ylabel="z₂", box_aspect=1)
            axes.tick_params(labelsize=8)
    figure.legend(handles=[Patch(facecolor=c, edgecolor="#888888", label=n) for c, n in zip(colours, names, strict=True)],
                  loc="outside lower center", ncols=4, frameon=False)
    return figure
