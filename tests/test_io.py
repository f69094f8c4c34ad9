"""Files appear whole or not at all; values become JSON in one way."""

import math
import os
import re
import sys
import threading

import numpy as np
import pytest
import torch

from convae._io import key_of, plain, to_json, write_atomically


@pytest.mark.parametrize(("content", "expected"), [
    ("z = μ + ε·σ\r\n", "z = μ + ε·σ\r\n".encode()), (b"\x00\xff", b"\x00\xff"), ("", b"")],
    ids=["text", "bytes", "empty"])
def test_written_content_arrives_unchanged_and_the_path_comes_back(tmp_path, content, expected):
    path = tmp_path / "file"
    assert write_atomically(path, content) == path
    assert path.read_bytes() == expected


def test_missing_folders_of_a_written_file_are_made(tmp_path):
    assert write_atomically(tmp_path / "a" / "b" / "file", "new").read_text() == "new"


def test_an_old_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, "a long old content")
    write_atomically(path, "new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_everybody_may_read_the_file_and_its_owner_write_it(tmp_path):
    assert write_atomically(tmp_path / "file", "new").stat().st_mode & 0o777 == 0o644


def test_a_failure_in_the_middle_of_writing_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_atomically(path, ["not", "bytes"])  # fails with the temporary file open
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_failure_of_the_rename_leaves_no_temporary_file(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError):
        write_atomically(tmp_path / "file", "new")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interruption_around_the_rename_leaves_one_whole_file(tmp_path, monkeypatch, when):
    path = tmp_path / "file"
    path.write_text("old")
    replace = os.replace

    def interrupted(source, target):
        if when == "after":
            replace(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert path.read_text() == ("old" if when == "before" else "new")
    assert os.listdir(tmp_path) == ["file"]


def test_a_reader_sees_the_old_content_or_the_new_and_never_a_part(tmp_path):
    path = tmp_path / "file"
    contents = [letter * 300_000 for letter in (b"a", b"b")]
    write_atomically(path, contents[0])
    writer = threading.Thread(target=lambda: [write_atomically(path, contents[i % 2])
                                              for i in range(100)])
    writer.start()
    seen = set()
    while writer.is_alive():
        seen.add(path.read_bytes())
    writer.join()
    assert seen <= set(contents)


def test_plain_values_are_lists_rounded_numbers_and_none_for_what_json_lacks():
    content = {1: torch.tensor([1 / 3, math.nan]), "b": (np.float64(123456.7), np.int64(3)),
               "c": [True, None, "é"]}
    assert plain(content) == {"1": [0.33333, None], "b": [123460.0, 3], "c": [True, None, "é"]}
    assert plain(content, digits=6)["b"] == [123457.0, 3]


def test_json_has_each_list_of_numbers_on_one_line():
    text = to_json({"a": [1, 2.5], "é": [[1], [2]]})
    assert text == '{\n "a": [1, 2.5],\n "é": [\n  [1],\n  [2]\n ]\n}\n'


def test_keys_differ_with_the_content_and_not_with_its_order():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1}) != key_of({"a": 1, "b": 3})
    assert re.fullmatch("[0-9a-f]{16}", key_of([]))
