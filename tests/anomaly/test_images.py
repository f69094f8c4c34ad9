"""Images from files: every format gives the grey levels put in, and what is no image says why."""

import os
import pickle

import numpy as np
import pytest
from PIL import Image

from convae.anomaly.images import ImageError, list_images, read_images

RAMP = np.linspace(0, 255, 30 * 20).reshape(30, 20).astype(np.uint8)


def only(path):
    ((part, image),) = read_images(path)
    assert part == ""
    assert image.dtype == np.float32
    return image


def save(path, picture, **options):
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff", "PNG"])
def test_lossless_formats_keep_every_grey_level(tmp_path, suffix):
    assert only(save(tmp_path / f"x.{suffix}", Image.fromarray(RAMP))) == pytest.approx(RAMP / 255)


@pytest.mark.parametrize("suffix", ["jpg", "jpeg"])
def test_jpeg_is_near_the_grey_levels_put_in(tmp_path, suffix):
    found = only(save(tmp_path / f"x.{suffix}", Image.fromarray(RAMP), quality=95))
    assert found == pytest.approx(RAMP / 255, abs=0.03)


def test_sixteen_bits_are_divided_by_65535(tmp_path):
    deep = (RAMP.astype(np.uint16) * 257)
    for suffix in ("png", "tif"):
        found = only(save(tmp_path / f"x.{suffix}", Image.fromarray(deep)))
        assert found == pytest.approx(RAMP / 255, abs=1e-6)


def test_images_of_one_bit_are_black_and_white(tmp_path):
    bits = RAMP > 127
    found = only(save(tmp_path / "x.png", Image.fromarray(bits)))
    assert found == pytest.approx(bits.astype(float))


def test_floating_point_tiff_is_read_from_0_to_1_only(tmp_path):
    found = only(save(tmp_path / "x.tif", Image.fromarray(RAMP.astype(np.float32) / 255)))
    assert found == pytest.approx(RAMP / 255)
    with pytest.raises(ImageError, match="from 0 to 255"):
        only(save(tmp_path / "y.tif", Image.fromarray(RAMP.astype(np.float32))))


def test_colours_count_as_the_eye_sees_them(tmp_path):
    green = Image.new("RGB", (5, 4), (0, 255, 0))
    assert only(save(tmp_path / "x.png", green)) == pytest.approx(np.full((4, 5), 0.587), abs=0.003)
    np.save(tmp_path / "x.npy", np.asarray(green))
    assert only(tmp_path / "x.npy") == pytest.approx(np.full((4, 5), 0.587), abs=0.003)


def test_cmyk_is_the_picture_it_prints(tmp_path):
    cmyk = Image.new("CMYK", (4, 4), (0, 0, 0, 255))  # black ink alone
    cmyk.paste((0, 0, 0, 0), (0, 0, 2, 4))            # no ink: paper
    image = only(save(tmp_path / "x.tif", cmyk))
    assert (image[:, :2] == 1).all()
    assert (image[:, 2:] == 0).all()
    paper = Image.new("CMYK", (8, 8), (0, 0, 0, 0))
    assert only(save(tmp_path / "x.jpg", paper, quality=95)) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_lie_on_white(tmp_path, mode):
    picture = Image.new("RGBA", (4, 4), (0, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 2, 4))
    if mode == "P":
        indexed = Image.new("P", (4, 4), 1)
        indexed.putpalette([0, 0, 0, 0, 0, 0])
        indexed.paste(0, (0, 0, 2, 4))
        path = save(tmp_path / "x.png", indexed, transparency=0)
    else:
        path = save(tmp_path / "x.png", picture.convert(mode))
    image = only(path)
    assert (image[:, :2] == 1).all()
    assert (image[:, 2:] == 0).all()


def test_a_camera_s_note_on_which_side_is_up_is_followed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image = only(save(tmp_path / "x.png", Image.fromarray(RAMP), exif=exif))
    assert image == pytest.approx(np.rot90(RAMP, -1) / 255)


def test_a_name_that_ends_wrongly_does_not_matter(tmp_path):
    save(tmp_path / "x.bmp", Image.fromarray(RAMP))
    os.rename(tmp_path / "x.bmp", tmp_path / "x.png")
    assert only(tmp_path / "x.png") == pytest.approx(RAMP / 255)


def test_every_page_of_a_tiff_is_read(tmp_path):
    pages = [Image.fromarray(RAMP // i) for i in (1, 2, 3)]
    save(tmp_path / "x.tif", pages[0], save_all=True, append_images=pages[1:])
    found = dict(read_images(tmp_path / "x.tif"))
    assert list(found) == ["[0]", "[1]", "[2]"]
    assert found["[2]"] == pytest.approx(RAMP // 3 / 255)


def test_tiny_and_huge_images_are_read(tmp_path):
    assert only(save(tmp_path / "x.png", Image.new("L", (1, 1), 255))).shape == (1, 1)
    assert only(save(tmp_path / "y.png", Image.new("L", (6000, 5000), 7))).shape == (5000, 6000)


def test_a_picture_too_large_for_memory_is_refused(tmp_path, monkeypatch):
    path = save(tmp_path / "x.png", Image.fromarray(RAMP))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match="exceeds limit"):
        only(path)


@pytest.mark.parametrize(("array", "parts", "shape"), [
    (RAMP, [""], (30, 20)),
    (np.stack([RAMP] * 3), ["[0]", "[1]", "[2]"], (30, 20)),
    (np.zeros((9, 8, 3)), [""], (9, 8)),
    (np.zeros((9, 8, 1), np.uint8), [""], (9, 8)),
    (np.zeros((2, 9, 8, 3), np.uint8), ["[0]", "[1]"], (9, 8)),
    (np.zeros((2, 9, 8, 1)), ["[0]", "[1]"], (9, 8)),
    (np.zeros((9, 8), bool), [""], (9, 8)),
    (np.zeros((9, 8, 4), np.float32), [""], (9, 8)),
])
def test_arrays_are_read_as_grey_images(tmp_path, array, parts, shape):
    np.save(tmp_path / "x.npy", array)
    found = list(read_images(tmp_path / "x.npy"))
    assert [part for part, _ in found] == parts
    assert all(image.shape == shape and image.dtype == np.float32 for _, image in found)


def test_several_arrays_in_one_file_are_told_apart(tmp_path):
    np.savez(tmp_path / "x.npz", good=RAMP, more=np.stack([RAMP, RAMP // 2]))
    found = dict(read_images(tmp_path / "x.npz"))
    assert list(found) == ["[good]", "[more][0]", "[more][1]"]
    assert found["[more][1]"] == pytest.approx(RAMP // 2 / 255)


@pytest.mark.parametrize(("array", "problem"), [
    (np.zeros((0, 28, 28)), "shape"), (np.zeros(28), "shape"), (np.zeros((1, 2, 3, 4, 5)), "shape"),
    (np.zeros((0, 5)), "no pixels"), (np.full((9, 9), np.nan), "not finite"),
    (np.full((9, 9), 1.5), "from 1.5 to 1.5"), (np.full((9, 9), 3, np.int64), "int64"),
    (np.full((9, 9), "x"), "type"), (np.zeros((9, 8, 2, 2)), "type|shape|colour"),
])
def test_arrays_that_are_no_images_are_refused(tmp_path, array, problem):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ImageError, match=problem):
        list(read_images(tmp_path / "x.npy"))


def test_pickled_objects_are_not_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    np.save(tmp_path / "x.npy", np.array([Bomb()], object), allow_pickle=True)
    (tmp_path / "y.npy").write_bytes(pickle.dumps(Bomb()))
    for name in ("x.npy", "y.npy"):
        with pytest.raises(ImageError, match="no array that can be read"):
            list(read_images(tmp_path / name))
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(("content", "problem"), [
    (b"", "is empty"),
    (b"not a picture", "no picture of a known format"),
])
@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.tif", "x.bmp"])
def test_files_that_are_no_pictures_are_refused(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=problem):
        only(tmp_path / name)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "npy", "npz"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_files_that_are_cut_off_are_refused(tmp_path, suffix, share):
    path = tmp_path / f"x.{suffix}"
    noise = np.random.default_rng(0).integers(256, size=(64, 64), dtype=np.uint8)
    writers = {"npy": np.save, "npz": np.savez}
    if suffix in writers:
        writers[suffix](path, noise)
    else:
        save(path, Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])
    with pytest.raises(ImageError):
        list(read_images(path))


@pytest.mark.parametrize("name", ["x.bmp", "x.tif"])
def test_damage_of_any_kind_is_told_as_that_of_the_file(tmp_path, name):
    path = save(tmp_path / name, Image.fromarray(RAMP).convert("P"))
    content = bytearray(path.read_bytes())
    if name == "x.bmp":
        content[46:48] = b"\xff\xff"  # its number of colours
    else:
        start = int.from_bytes(content[4:8], "little")  # of the directory
        end = start + 2 + 12 * int.from_bytes(content[start:start + 2], "little")
        content[end:end + 4] = len(content).to_bytes(4, "little")  # where the next one is
        content += bytes(6)  # an empty directory
    path.write_bytes(content)
    with pytest.raises(ImageError, match="cannot be read"):
        list(read_images(path))


def test_of_a_photograph_with_a_preview_the_photograph_counts(tmp_path):
    photograph, preview = Image.new("RGB", (64, 48), "white"), Image.new("RGB", (16, 12))
    photograph.save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[preview])
    ((part, image),) = read_images(tmp_path / "x.jpg")
    assert part == "" and image.shape == (48, 64)


def test_a_file_that_is_not_there_or_a_folder_named_as_an_image_is_refused(tmp_path):
    (tmp_path / "x.png").mkdir()
    for name in ("x.png", "y.png"):
        with pytest.raises(ImageError, match="cannot be read"):
            only(tmp_path / name)


def test_the_list_of_images_is_sorted_with_subfolders_and_nothing_hidden(tmp_path):
    for name in ("b.png", "a 良品/c.JPG", ".hidden/d.png", ".e.png", "notes.txt", "a 良品/x.npz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_images(tmp_path) == ["a 良品/c.JPG", "a 良品/x.npz", "b.png"]


def test_a_folder_without_images_says_what_is_there(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FileNotFoundError, match="no images in .*other files: 1.*\\.png"):
        list_images(tmp_path)
    with pytest.raises(NotADirectoryError, match="notes.txt is a file, not a folder"):
        list_images(tmp_path / "notes.txt")
