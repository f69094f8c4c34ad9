"""Latent spaces: the digits as points (Figs. 4 and 5), and the decoded plane."""

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from mpl_toolkits.mplot3d.proj3d import proj_transform

from convae.plots.style import DIGIT_COLOURS, FAINT, HALO, INK, new_figure, panel_title

MARGIN = 0.02  # around the points
NAME_SIZE = 15                # of the digits' names, in points
NAME_DISTANCE = 17.25         # between the middles of two of them
ELEVATION, AZIMUTH = 22, -55  # degrees: where 3-D spaces are seen from
AXES = {"x": "z₁", "y": "z₂", "z": "z₃"}
CELL_KINDS = {  # of the plane, by the sum of 1 for clear and 2 for data
    "neither": "#f4f4f4",
    "clear, no data": "#a8d5e5",
    "data, not clear": "#f2b35e",
    "data and clear": "#2b5f8a",
}


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
    labels = np.asarray(labels)
    figure = new_figure(6 * len(spaces), 5.9)
    for number, (d, z) in enumerate(spaces.items(), 1):
        axes = _scatter(figure, (1, len(spaces), number), z, labels, 2.5, limits_of(z))
        _name_clusters(axes, z, labels)
        title = f"{model}, {d}-D latent space"
        if number == 1:
            title += f": {len(z):,} unseen digits"
        panel_title(axes, " ab"[number], title)
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
    labels = np.asarray(labels)
    figure = new_figure(3.4 * len(clouds), 3.7)
    for number, (title, z) in enumerate(clouds.items(), 1):
        alike = [cloud for cloud in clouds.values() if cloud.shape == z.shape]
        limits = limits_of(np.concatenate(alike))
        axes = _scatter(figure, (1, len(clouds), number), z, labels, 1, limits)
        panel_title(axes, "", title)
    return figure


def _scatter(figure, place, z, labels, size, limits):
    """Points ``(N, d)`` in new axes of equal scale."""
    deep = z.shape[1] == 3
    axes = figure.add_subplot(*place, projection="3d" if deep else None)
    order = np.random.default_rng(0).permutation(len(z))  # no digit always on top
    points = axes.scatter(*z[order].T, s=size, linewidths=0, alpha=0.75)
    points.set_color(np.array(DIGIT_COLOURS)[labels[order]])
    low, high = limits
    for (axis, name), lower, upper in zip(AXES.items(), low, high, strict=False):
        axes.set(**{f"{axis}lim": (lower, upper)})
        getattr(axes, f"set_{axis}label")(name, color=INK)
    axes.tick_params(labelsize=8, colors="#555555")
    if deep:
        points.set_depthshade(False)
        axes.set_box_aspect(high - low)
        axes.locator_params(nbins=4)
        axes.view_init(ELEVATION, AZIMUTH)
    else:
        axes.set_aspect("equal")
        axes.grid(color="#eeeeee")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return axes


def limits_of(z):
    """The box that holds all the points, a little wider: its lowest and its highest corner."""
    low, high = z.min(0), z.max(0)
    margin = MARGIN * (high - low)
    return low - margin, high + margin


def _name_clusters(axes, z, labels):
    """Write each digit at its points' median, moved just far enough that no two overlap, with a
    line back to where it belongs."""
    places = np.array([np.median(z[labels == digit], axis=0) for digit in range(10)])
    if z.shape[1] == 3:
        places = np.stack(proj_transform(*places.T, axes.get_proj())[:2], 1)
    axes.apply_aspect()
    points = axes.transData.transform(places) * 72 / axes.figure.dpi
    shifts = _moved_apart(points, NAME_DISTANCE) - points
    name = {"fontsize": NAME_SIZE, "fontweight": "bold", "color": INK, "path_effects": HALO,
            "ha": "center", "va": "center", "zorder": 10, "annotation_clip": False}
    line_back = {"arrowstyle": "-", "color": INK, "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
    for digit, (place, shift) in enumerate(zip(places, shifts, strict=True)):
        moved = np.hypot(*shift) > NAME_SIZE / 2
        axes.annotate(str(digit), place, shift, textcoords="offset points",
                      arrowprops=line_back if moved else None, **name)


def _moved_apart(points, distance):
    """The points ``(N, 2)``, moved until each is `distance` from every other."""
    numbers = np.arange(len(points))
    points = points + np.outer(numbers, [1e-3, -1e-3])  # two in one place must part somewhere
    for _ in range(200):
        steps = points[:, None] - points  # (N, N, 2)
        lengths = np.linalg.norm(steps, axis=2)
        np.fill_diagonal(lengths, distance)
        push = np.clip(distance - lengths, 0, None) / 2
        points = points + np.einsum("ij,ijk->ik", push / lengths, steps)
    return points


def _clouds_on_the_same_axes(axes, own, other):
    """A small picture of two clouds, each with its name, in the upper right corner of the axes."""
    inset = axes.inset_axes((0.745, 0.745, 0.255, 0.255))
    for (cloud, _), colour in ((other, FAINT), (own, INK)):
        inset.scatter(*cloud.T, s=0.4, c=colour, linewidths=0)
    limits = limits_of(np.concatenate([own[0], other[0]]))
    inset.axis(np.ravel(limits, "F"))  # left, right, bottom, top
    inset.set(xticks=[], yticks=[], aspect="equal")
    inset.set_title("on the same axes:", fontsize=7.5, color=INK, pad=3)
    inset.text(0.03, 0.02, f"{own[1]} black, {other[1]} grey", transform=inset.transAxes,
               fontsize=6.5, color=INK)


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
    colours = ListedColormap(list(CELL_KINDS.values()))
    for (above, below), (title, plane) in zip(panels.T, planes.items(), strict=True):
        coarse, pictures, fine, clear = plane
        extent = np.ravel([coarse.low, coarse.high], "F")  # left, right, bottom, top
        above.imshow(_montage(pictures, len(coarse.counts)), "gray_r", vmin=0, vmax=1)
        panel_title(above, "", f"{title}: the plane, decoded")
        kinds = clear + 2 * (fine.counts > 0)
        below.imshow(kinds, colours, vmin=-0.5, vmax=3.5, origin="lower", interpolation="nearest")
        occupied = f"data in {fine.occupied:.0%} of the cells, clear {clear.mean():.0%}"
        panel_title(below, "", f"{title}: {occupied}")
        for axes in (above, below):
            axes.images[0].set_extent(extent)
            axes.set(xlabel="z₁", ylabel="z₂", box_aspect=1, aspect="auto")
            axes.tick_params(labelsize=8)
    kinds = [Patch(facecolor=colour, edgecolor="#888888", label=name)
             for name, colour in CELL_KINDS.items()]
    figure.legend(handles=kinds, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _montage(pictures, cells):
    """Pictures ``(cells², 1, 28, 28)`` of the plane's cells as one, the highest z₂ above."""
    tiles = pictures.numpy().reshape(cells, cells, 28, 28)[::-1]
    return tiles.transpose(0, 2, 1, 3).reshape(cells * 28, cells * 28)
