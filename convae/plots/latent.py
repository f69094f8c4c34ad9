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
CELL_KINDS = {  # of the plane, by the sum of 1 for clear and 2 for data
    "neither": "#f4f4f4",
    "clear, no data": "#a8d5e5",
    "data, not clear": "#f2b35e",
    "data and clear": "#2b5f8a",
}
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
    for i, (d, z) in enumerate(spaces.items()):
        z = np.asarray(z)
        axes = _add_axes(figure, 1 + i, len(spaces), d)
        _scatter(axes, z, np.asarray(labels), size=2.5)
        title = f"{model}, {d}-D latent space"
        panel_title(axes, "ab"[i], title if i else f"{title}: {len(z):,} unseen digits")
        if d == 2 and beside is not None:
            _clouds_on_the_same_axes(axes, (z, model), beside)
    digits = [Patch(color=colour, label=str(d)) for d, colour in enumerate(DIGIT_COLOURS)]
    figure.legend(handles=digits, loc="outside lower center", ncols=10, frameon=False,
                  handlelength=1, handleheight=1, columnspacing=1.4)
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
    figure = new_figure(3.4 * len(clouds), 3.7)
    for i, (title, z) in enumerate(clouds.items(), 1):
        z = np.asarray(z)
        d = z.shape[1]
        same = [other for other in clouds.values() if np.shape(other)[1] == d]
        axes = _add_axes(figure, i, len(clouds), d)
        limits = _limits(np.concatenate(same))
        _scatter(axes, z, np.asarray(labels), size=1, limits=limits, names=False)
        panel_title(axes, "", title)
    return figure


def _add_axes(figure, number, count, d):
    return figure.add_subplot(1, count, number, projection="3d" if d == 3 else None)


def _scatter(axes, z, labels, size, limits=None, names=True):
    """Points and names of the digits, on axes of equal scale."""
    order = np.random.default_rng(0).permutation(len(z))  # no digit always on top
    colours = np.array(DIGIT_COLOURS)[labels[order]]
    flat = {"depthshade": False} if z.shape[1] == 3 else {}
    axes.scatter(*z[order].T, s=size, c=colours, linewidths=0, alpha=0.75, **flat)
    low, high = limits or _limits(z)
    for axis, number, lower, upper in zip("xyz", "₁₂₃", low, high, strict=False):
        axes.set(**{f"{axis}lim": (lower, upper)})
        getattr(axes, f"set_{axis}label")(f"z{number}", color=INK)
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
        medians = [np.median(z[labels == digit], axis=0) for digit in range(10)]
        _name_clusters(axes, np.array(medians))


def _limits(z):
    """The box that holds all the points, a little wider."""
    low, high = z.min(0), z.max(0)
    middle, half = (low + high) / 2, (high - low) * MARGIN / 2
    return middle - half, middle + half


def _name_clusters(axes, places):
    """Write each digit at its place, moved just far enough that no two overlap, with a line back to
    where it belongs."""
    if places.shape[1] == 3:
        places = np.stack(proj_transform(*places.T, axes.get_proj())[:2], 1)
    axes.apply_aspect()
    points = axes.transData.transform(places) * 72 / axes.figure.dpi
    shifts = _moved_apart(points, NAME_SIZE * 1.15) - points
    line_back = {"arrowstyle": "-", "color": INK, "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
    for digit, (place, shift) in enumerate(zip(places, shifts, strict=True)):
        moved = np.hypot(*shift) > NAME_SIZE / 2
        axes.annotate(
            str(digit), place, shift, textcoords="offset points", fontsize=NAME_SIZE,
            fontweight="bold", color=INK, ha="center", va="center", path_effects=HALO, zorder=10,
            annotation_clip=False, arrowprops=line_back if moved else None,
        )


def _moved_apart(points, distance):
    """The points ``(N, 2)``, moved until each is `distance` from every other."""
    n = len(points)
    points = points + 1e-3 * np.arange(n)[:, None] * [1, -1]  # two in one place must part somewhere
    for _ in range(200):
        steps = points[:, None] - points[None]  # (N, N, 2)
        lengths = np.hypot(*steps.transpose(2, 0, 1)) + np.eye(n) * distance
        push = np.clip(distance - lengths, 0, None) / 2
        directions = steps / lengths[..., None]
        points = points + (directions * push[..., None]).sum(1)
    return points


def _clouds_on_the_same_axes(axes, own, other):
    """A small picture of two clouds, each with its name, in the upper right corner of the axes."""
    inset = axes.inset_axes((0.745, 0.745, 0.255, 0.255))
    (cloud, name), (other_cloud, other_name) = own, other
    other_cloud = np.asarray(other_cloud)
    inset.scatter(*other_cloud.T, s=0.4, c=FAINT, linewidths=0)
    inset.scatter(*cloud.T, s=0.4, c=INK, linewidths=0)
    (left, bottom), (right, top) = _limits(np.concatenate([cloud, other_cloud]))
    inset.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], aspect="equal")
    inset.set_title("on the same axes:", fontsize=7.5, color=INK, pad=3)
    inset.text(0.03, 0.02, f"{name} black, {other_name} grey", transform=inset.transAxes,
               fontsize=6.5, color=INK)


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
    types, titles = [], []
    for letter, d in zip("ab", spaces, strict=False):
        types.append({"type": "scene" if d == 3 else "xy"})
        titles.append(f"{letter}) {model}, {d}-D" + (": drag to turn" if d == 3 else ""))
    figure = make_subplots(1, len(spaces), specs=[types], horizontal_spacing=0.03,
                           subplot_titles=titles)
    pictures = np.array([in_dots(image) for image in images])
    for column, z in enumerate(spaces.values(), 1):
        for digit in range(10):
            mine = np.asarray(labels) == digit
            trace = _digit_trace(np.asarray(z)[mine], digit, pictures[mine], column == 1)
            figure.add_trace(trace, 1, column)
    figure.update_xaxes(title="z₁")
    figure.update_yaxes(title="z₂", scaleanchor="x")
    font = {"family": "DejaVu Sans Mono, monospace", "size": 13}
    axis_titles = {"xaxis_title": "z₁", "yaxis_title": "z₂", "zaxis_title": "z₃"}
    figure.update_layout(
        template="plotly_white", height=560, margin={"l": 10, "r": 10, "t": 40, "b": 10},
        dragmode="pan", legend={"title": "digit (click: off, on)", "itemsizing": "constant"},
        hoverlabel={"font": font, "bgcolor": "white", "align": "left"},
        scene={**axis_titles, "aspectmode": "data"},
    )
    return figure


def _digit_trace(z, digit, pictures, showlegend):
    coordinates = dict(zip("xyz", z.round(3).T.tolist(), strict=False))
    trace, size = (go.Scatter3d, 2) if "z" in coordinates else (go.Scatter, 4)
    return trace(
        **coordinates, mode="markers", marker={"color": DIGIT_COLOURS[digit], "size": size},
        name=str(digit), legendgroup=str(digit), showlegend=showlegend, text=pictures.tolist(),
        hovertemplate=f"%{{text}}<extra>{digit}</extra>",
    )


def in_dots(image: Tensor) -> str:
    """The central 20 × 20 pixels of an image ``(1, 28, 28)``, as Braille characters of 2 × 4 dots:
    a picture in a text.

    MNIST's digits fill a box of 20 × 20 pixels. Lines are joined by ``<br>``.
    """
    dots = image[0, 4:24, 4:24].numpy() > 0.4
    bits = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # from U+2800 on
    cells = dots.reshape(5, 4, 10, 2).transpose(0, 2, 1, 3)
    codes = 0x2800 + (cells * bits).sum((2, 3))
    blank = chr(0x2800)
    lines = ["".join(map(chr, row)).rstrip(blank) or blank for row in codes]
    return "<br>".join(lines)


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
    for (above, below), title in zip(panels.T, planes, strict=True):
        coarse, pictures, fine, clear = planes[title]
        (left, bottom), (right, top) = coarse.low, coarse.high
        look = {"extent": [left, right, bottom, top], "aspect": "auto"}
        above.imshow(_montage(pictures, len(coarse.counts)), cmap="gray_r", vmin=0, vmax=1, **look)
        panel_title(above, "", f"{title}: the plane, decoded")
        kinds = clear.astype(int) + 2 * (fine.counts > 0)
        below.imshow(kinds, cmap=ListedColormap(list(CELL_KINDS.values())), vmin=-0.5, vmax=3.5,
                     origin="lower", interpolation="nearest", **look)
        occupied = f"data in {fine.occupied:.0%} of the cells, clear {clear.mean():.0%}"
        panel_title(below, "", f"{title}: {occupied}")
        for axes in (above, below):
            axes.set(xlabel="z₁", ylabel="z₂", box_aspect=1)
            axes.tick_params(labelsize=8)
    kinds = [Patch(facecolor=colour, edgecolor="#888888", label=name)
             for name, colour in CELL_KINDS.items()]
    figure.legend(handles=kinds, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _montage(pictures, cells):
    """Pictures ``(cells², 1, 28, 28)`` of the plane's cells as one, the highest z₂ above."""
    tiles = pictures.numpy().reshape(cells, cells, 28, 28)[::-1]
    return tiles.transpose(0, 2, 1, 3).reshape(cells * 28, cells * 28)
