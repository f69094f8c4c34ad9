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
    """The paths below `folder`, subfolders too, whose names end as an image's do: in order, with
    ``/`` between their parts.

    Files and folders whose names start with a dot are passed over, links to folders too.

    Raises
    ------
    NotADirectoryError, FileNotFoundError
        If there is no such folder, or no image in it; the message says what is there instead.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, not a folder of images")
    if not folder.is_dir():
        raise NotADirectoryError(f"there is no folder {folder}")
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
        A picture, of which the content counts, not what its name says: its first frame, or all
        pages of a TIFF. Or an array file: ``(H, W)`` and ``(H, W, 1, 3 or 4)`` are one image, ``(N,
        H, W)`` and ``(N, H, W, 1, 3 or 4)`` are N.

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
        empty = path.stat().st_size == 0
        raise ImageError("is empty" if empty else "holds no picture of a known format") from None
    except Exception as error:  # Pillow raises many kinds for damaged files
        reason = getattr(error, "strerror", None) or error or type(error).__name__
        raise ImageError(f"cannot be read: {reason}") from None


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
    if picture.mode.startswith("I;16") or picture.mode == "F":
        return _scaled(np.asarray(picture))
    if picture.mode == "I":  # 32 bits in memory; files that have 16 are opened so, too
        values = np.asarray(picture)
        sixteen_bits = values.min(initial=0) >= 0 and values.max(initial=0) <= 65535
        return _scaled(values.astype(np.uint16 if sixteen_bits else np.int64))
    if picture.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in picture.info:
        colours = picture.convert("RGBA")
        ground = Image.new("RGBA", colours.size, (BACKGROUND, BACKGROUND, BACKGROUND, 255))
        picture = Image.alpha_composite(ground, colours)
    if picture.mode not in ("1", "L"):
        try:
            picture = picture.convert("RGB").convert("L")
        except ValueError as error:
            raise ImageError(f"its colours cannot be read: {error}") from None
    return _scaled(np.asarray(picture))


def _array_file(path):
    mmap_mode = "r" if path.suffix.lower() == ".npy" else None
    try:
        content = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
        if isinstance(content, np.ndarray):
            yield from _arrays(content, "")
        else:
            with content:
                for key in content.files:
                    yield from _arrays(content[key], f"[{key}]")
    except ImageError:
        raise
    except Exception as error:  # NumPy and zipfile raise many kinds for damaged files
        raise ImageError(f"holds no array that can be read: {error}") from None


def _arrays(array, part):
    if array.ndim == 2 or array.ndim == 3 and array.shape[2] in (1, 3, 4):
        yield part, _scaled(array)
    elif array.ndim in (3, 4) and len(array):
        for i, each in enumerate(array):
            yield f"{part}[{i}]", _scaled(each)
    else:
        raise ImageError(f"has an array{part and ' ' + part} of shape {array.shape}; an image is "
                         "(H, W) or (H, W, 3), several are (N, H, W) or (N, H, W, 3)")


def _scaled(values):
    """Any array of one image to float32 ``(H, W)`` in [0, 1]."""
    if not values.size:
        raise ImageError(f"has no pixels: its shape is {values.shape}")
    values = _to_unit_range(values)
    if values.ndim == 3:
        values = _brightness(values)
    return np.ascontiguousarray(values, np.float32)


def _to_unit_range(values):
    if values.dtype == bool:
        return values.astype(np.float32)
    if np.issubdtype(values.dtype, np.unsignedinteger):
        return values.astype(np.float32) / np.iinfo(values.dtype).max
    if not np.issubdtype(values.dtype, np.floating):
        raise ImageError(f"has values of type {values.dtype}, whose range is not known: use "
                         "unsigned integers, or numbers in [0, 1]")
    values = values.astype(np.float32)
    if not np.isfinite(values).all():
        raise ImageError("has values that are not finite")
    low, high = values.min(), values.max()
    if low < 0 or high > 1:
        raise ImageError(f"has values from {low:g} to {high:g}; numbers that are no integers must "
                         "lie in [0, 1]")
    return values


def _brightness(values):
    """Of an array ``(H, W, 1, 3 or 4)``; the fourth is how opaque a pixel is."""
    n = values.shape[2]
    if n not in (1, 3, 4):
        raise ImageError(f"has {n} colours: an image has 1, 3, or 4 with how opaque it is")
    if n == 1:
        return values[..., 0]
    if n == 4:
        opacity = values[..., 3:]
        values = values[..., :3] * opacity + BACKGROUND / 255 * (1 - opacity)
    return values @ np.float32([0.299, 0.587, 0.114])


def _stop(error):
    raise error
