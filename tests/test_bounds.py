"""Bounds: what they admit, what they refuse and how they say it."""

import math
import re

import pytest

from convae.bounds import BOUNDS, check, list_of, number, one_of, whole

WRONG_TYPE = [
    *((one_of("ae", "vae"), value) for value in (None, 1, True, ["ae"], b"ae")),
    *((whole(1, 9), value) for value in (None, True, False, 2.0, math.nan, "2", [2], (2,))),
    *((number(0, 9), value) for value in (None, True, "1", [0.1], 1j)),
    *((BOUNDS["channels"], value) for value in (None, 2, "234", {2, 3}, True)),
    *((list_of(whole(1, 9)), value) for value in (None, 2, (2, 3))),
]
OUT_OF_BOUND = [
    *((one_of("ae", "vae"), value) for value in ("", "vaes", "AE", "ae ")),
    *((whole(1, 784), value) for value in (0, -1, 785, 10**400)),
    *((number(0, 0.99), value) for value in (-0.01, 1, math.nan, math.inf, -math.inf, 10**400)),
    *((BOUNDS["channels"], value) for value in (
        (), (4, 16), (4, 16, 64, 64), (0, 16, 64), (4, 16, True), (4, 16, 64.0),
        ("4", "16", "64"))),
    *((BOUNDS["normalised_layers"], value) for value in (
        (1,), (5,), (2, 2), (3, 2), (2.0, 3), ("2",), (True,), ([2],))),
    *((list_of(whole(1, 9), at_least=2), value) for value in ([], [1], [1, 10], [1, "2"])),
]


def short(value):
    return getattr(value, "text", str(value))[:20]


@pytest.mark.parametrize(("bound", "value"), WRONG_TYPE, ids=short)
def test_value_of_a_wrong_type_is_a_type_error_with_name_bound_and_value(bound, value):
    message = re.escape(f"size must be {bound.text}, got {value!r}")
    with pytest.raises(TypeError, match=f"^{message}$"):
        bound.check("size", value)


@pytest.mark.parametrize(("bound", "value"), OUT_OF_BOUND, ids=short)
def test_value_out_of_bound_is_a_value_error_with_name_bound_and_value(bound, value):
    message = re.escape(f"size must be {bound.text}, got {value!r}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        bound.check("size", value)


@pytest.mark.parametrize(("bound", "value"), [
    (whole(1, 784), 1), (whole(1, 784), 784), (number(0, 0.99), 0), (number(0, 0.99), 0.99),
    (BOUNDS["normalised_layers"], ()), (BOUNDS["normalised_layers"], (2, 3, 4)),
    (BOUNDS["channels"], (1, 1, 4096)), (list_of(number(0, 1)), [0, 0.5, 1])], ids=short)
def test_ends_of_a_bound_are_within_it(bound, value):
    assert bound.check("size", value) == value


def test_equal_values_get_one_form():
    assert type(number(0, 2).check("size", 1)) is float
    assert BOUNDS["channels"].check("channels", [4, 16, 64]) == (4, 16, 64)


def test_check_refuses_the_first_wrong_value_by_its_name():
    check(model="vae", latent_dim=2)
    with pytest.raises(ValueError, match="^slope must be a number from 0 to 0.99, got 1$"):
        check(latent_dim=2, slope=1, hidden=0)
