"""Images from a folder as grey levels in [0, 1]: any common format, any size, each unreadable one
named."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
ARRAYS = (".npy", ".npz")
BACKGROUND = 255  # of transparent pictures: white, as a viewer shows them


class ImageError(ValueError):
    """A file holds no image that can be used; the message says why."""


def list_images(folder: Path) -> list[str]:
    """The paths below `folder`, with ``/`` between their parts, whose names end as an image's do:
    in order, subfolders too.

    Files and folders whose names start with a dot are passed over, links to folders too.

    Raises
    ------
    NotADirectoryError, FileNotFoundError
        If `folder` is none, or there is no image in it; the message says what is there instead.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, not a folder of images" if folder.exists() else
                                 f"there is no folder {folder}")
    names, others = [], 0
    for parent, folders, files in os.walk(folder, onerror=_stop):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if name.lower().endswith(PICTURES + ARRAYS) and not name.startswith("."):
                names.append(Path(parent, name).relative_to(folder).as_posix())
            else:
                others += 1
    if not names:
        raise FileNotFoundError(f"there are no images in {folder} (other files: {others}); "
                                f"an image's name ends in {', '.join(PICTURES + ARRAYS)}")
    return sorted(names)


def printable(name: str) -> str:
    r"""A file's name as text that can be written anywhere: bytes in it that are no UTF-8 become
    such as ``\x89``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_images(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The images of one file, with what tells them apart.

    Parameters
    ----------
    path : Path
        A picture; or an array file: ``(H, W)`` and ``(H, W, 1, 3 or 4)`` are one image, ``(N, H,
        W)`` and ``(N, H, W, 1, 3 or 4)`` are N. What a file holds counts, not what its name says;
        but for array files. Of a picture with a preview or several frames the first counts, but for
        TIFF's pages, which all do.

    Yields
    ------
    part : str
        Empty if the file holds one image; otherwise such as ``[2]``, for an image of several in a
        TIFF or an array, or ``[key][2]`` in an ``.npz``.
    image : ndarray
        float32, ``(H, W)``, in [0, 1]: brightness, 0 black. Integers are divided by the largest
        that their type (or, for a picture, its number of bits) can have. Colours count as the eye
        sees them (ITU-R BT.601); transparent pixels lie on white; a camera's note on which side is
        up is followed.

    Raises
    ------
    ImageError
        If it cannot be read, is cut off, too large (Pillow's limit of about 179 million pixels), or
        has values that are not finite or outside [0, 1].
    """
    try:
        yield from _array_file(path) if path.suffix.lower() in ARRAYS else _picture_file(path)
    except ImageError:
        raise
    except UnidentifiedImageError:
        size = path.stat().st_size
        raise ImageError("is empty" if not size else "holds no picture of a known format") from None
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise ImageError(f"cannot be read: {getattr(error, 'strerror', None) or error or type(error).__name__}") from None


def _picture_file(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow's on large pictures and odd metadata
        with Image.open(path) as file:
            if file.format == "TIFF" and file.n_frames > 1:
                for i, frame in enumerate(ImageSequence.Iterator(file)):
                    yield f"[{i}]", _grey(ImageOps.exif_transpose(frame))
            else:
                yield "", _grey(ImageOps.exif_transpose(file))


def _grey(picture):
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        values = np.asarray(picture)
        if picture.mode == "I":  # 32 bits in memory; files that have 16 are opened so, too
            values = values.astype(np.int64) if values.min(initial=0) < 0 or values.max(initial=0) > 65535 \
                else values.astype(np.uint16)
        return _scaled(values)
    if picture.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in picture.info:
        colours = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", colours.size, (BACKGROUND,) * 3 + (255,)), colours)
    if picture.mode not in ("1", "L"):
        try:
            picture = picture.convert("RGB").convert("L")
        except ValueError as error:
            raise ImageError(f"its colours cannot be read: {error}") from None
    return _scaled(np.asarray(picture))


def _array_file(path):
    try:
        content = np.load(path, mmap_mode="r" if path.suffix.lower() == ".npy" else None, allow_pickle=False)
        if isinstance(content, np.ndarray):
            yield from _arrays(content, "")
        else:
            with content:
                for key in content.files:
                    yield from _arrays(content[key], f"[{key}]")
    except ImageError:
        raise
    except Exception as error:  # NumPy and zipfile raise many kinds for files that are none of theirs
        raise ImageError(f"holds no array that can be read: {error}") from None


def _arrays(array, part):
    if array.ndim == 2 or array.ndim == 3 and array.shape[2] in (1, 3, 4):
        yield part, _scaled(array)
    elif array.ndim in (3, 4) and len(array):
        for i, each in enumerate(array):
            yield f"{part}[{i}]", _scaled(each)
    else:
        raise ImageError(f"has an array{part and ' ' + part} of shape {array.shape}; an image is (H, W) or (H, W, 3), several "
                         "are (N, H, W) or (N, H, W, 3)")


def _scaled(values):
    """Any array of one image to float32 ``(H, W)`` in [0, 1]."""
    if not values.size:
        raise ImageError(f"has no pixels: its shape is {values.shape}")
    if values.dtype == bool or np.issubdtype(values.dtype, np.unsignedinteger):
        largest = 1 if values.dtype == bool else np.iinfo(values.dtype).max
        values = values.astype(np.float32) / largest
    elif not np.issubdtype(values.dtype, np.floating):
        raise ImageError(f"has values of type {values.dtype}, whose range is not known: use unsigned integers, or numbers in "
                         "[0, 1]")
    values = values.astype(np.float32)
    if not np.isfinite(values).all():
        raise ImageError("has values that are not finite")
    if values.min() < 0 or values.max() > 1:
        raise ImageError(f"has values from {values.min():g} to {values.max():g}; numbers that are no integers must lie in [0, 1]")
    if values.ndim == 3 and values.shape[2] not in (1, 3, 4):
        raise ImageError(f"has {values.shape[2]} colours: an image has 1, 3, or 4 with how opaque it is")
    if values.ndim == 3:
        if values.shape[2] == 4:
            values = values[..., :3] * values[..., 3:] + BACKGROUND / 255 * (1 - values[..., 3:])
        values = values @ np.float32([0.299, 0.587, 0.114]) if values.shape[2] == 3 else values[..., 0]
    return np.ascontiguousarray(values, np.float32)


def _stop(error):
    raise error
