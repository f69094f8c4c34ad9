"""The faster convolutions: the same function as PyTorch's, to the last gradient."""

import pytest
import torch
from torch import nn

from convae.fast import conv

# (maps in, maps out, kernel, stride, padding, height): the paper's conv, then shapes for which
# PyTorch computes
PAPER = [(1, 4, 4, 2, 1, 28), (4, 16, 4, 2, 1, 14), (16, 64, 3, 2, 0, 7), (64, 5, 3, 2, 0, 3)]
OTHERS = [(2, 3, 4, 2, 1, 7), (2, 3, 3, 2, 0, 8), (2, 3, 3, 1, 1, 7), (2, 3, 5, 2, 2, 9),
          (2, 3, 4, 2, 0, 10), (2, 3, 3, 2, 1, 7)]


def pair(cls, maps, out, kernel, stride=1, padding=0, **options):
    torch.manual_seed(0)
    torch_layer = getattr(nn, cls)(maps, out, kernel, stride, padding, **options).double()
    ours = getattr(conv, cls)(maps, out, kernel, stride, padding, **options).double()
    ours.load_state_dict(torch_layer.state_dict())
    return ours, torch_layer


def outputs_and_gradients(layer, x):
    x = x.clone().requires_grad_()
    layer.zero_grad()
    y = layer(x)
    (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum().backward()
    return {"output": y.detach(), "input": x.grad,
            **{name: p.grad.clone() for name, p in layer.named_parameters()}}


def assert_alike(ours, torch_layer, x):
    got, expected = outputs_and_gradients(ours, x), outputs_and_gradients(torch_layer, x)
    assert got.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(got[name], expected[name], rtol=1e-10, atol=1e-10,
                                   msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("shape", PAPER + OTHERS, ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_is_pytorchs(shape, bias, layout):
    *layer, height = shape
    ours, torch_layer = pair("Conv2d", *layer, bias=bias)
    x = torch.randn(3, shape[0], height, height,
                    dtype=torch.double).contiguous(memory_format=layout)
    assert_alike(ours, torch_layer, x)


@pytest.mark.parametrize("shape", [(*s[:5], h) for s, h in zip(PAPER, (14, 7, 3, 1),
                                                               strict=True)] + OTHERS, ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_transposed_convolution_is_pytorchs(shape, bias, layout):
    out, maps, kernel, stride, padding, height = shape
    ours, torch_layer = pair("ConvTranspose2d", maps, out, kernel, stride, padding, bias=bias)
    x = torch.randn(3, maps, height, height, dtype=torch.double).contiguous(memory_format=layout)
    assert_alike(ours, torch_layer, x)


OPTIONS = [("Conv2d", {"groups": 2}), ("Conv2d", {"dilation": 2}),
           ("Conv2d", {"padding_mode": "circular"}),
           ("Conv2d", {"stride": 1}), ("ConvTranspose2d", {"groups": 2}),
           ("ConvTranspose2d", {"dilation": 2}),
           ("ConvTranspose2d", {"output_padding": 1}), ("ConvTranspose2d", {"stride": 1})]


@pytest.mark.parametrize("cls, options", OPTIONS, ids=str)
@pytest.mark.parametrize("kernel, padding, height", [(4, 1, 10), (3, 0, 9), (3, 0, 5)])
def test_what_pytorchs_layers_can_besides_is_theirs(cls, options, kernel, padding, height):
    options = {"stride": 2, "padding": padding, **options}
    ours, torch_layer = pair(cls, 4, 6, kernel, **options)
    assert_alike(ours, torch_layer, torch.randn(2, 4, height, height, dtype=torch.double))


@pytest.mark.parametrize("cls, options", [o for o in OPTIONS if o[0] == "ConvTranspose2d"], ids=str)
def test_one_pixel_is_spread_as_pytorch_does_whatever_the_options(cls, options):
    ours, torch_layer = pair(cls, 4, 6, 3, **{"stride": 2, **options})
    assert_alike(ours, torch_layer, torch.randn(2, 4, 1, 1, dtype=torch.double))


def test_one_output_of_grouped_maps_is_pytorchs():
    ours, torch_layer = pair("Conv2d", 4, 6, 3, 2, 0, groups=2)
    assert_alike(ours, torch_layer, torch.randn(2, 4, 3, 3, dtype=torch.double))


@pytest.mark.parametrize("cls, height", [("Conv2d", 7), ("Conv2d", 3), ("ConvTranspose2d", 3),
                                         ("ConvTranspose2d", 1)])
def test_a_single_image_without_a_batch_is_pytorchs(cls, height):
    ours, torch_layer = pair(cls, 2, 4, 3, 2, 0)
    x = torch.randn(2, height, height, dtype=torch.double)
    torch.testing.assert_close(ours(x), torch_layer(x))


def test_an_oblong_input_is_computed_too():
    for cls in ("Conv2d", "ConvTranspose2d"):
        ours, torch_layer = pair(cls, 2, 3, 4, 2, 1)
        assert_alike(ours, torch_layer, torch.randn(2, 2, 6, 10, dtype=torch.double))


def test_an_output_size_is_heeded():
    ours, torch_layer = pair("ConvTranspose2d", 2, 3, 3, 2, 0)
    x = torch.randn(2, 2, 3, 3, dtype=torch.double)
    torch.testing.assert_close(ours(x, output_size=(8, 8)), torch_layer(x, output_size=(8, 8)))


@pytest.mark.parametrize("cls, kernel, padding, height", [
    ("Conv2d", 4, 1, 6), ("Conv2d", 3, 0, 5), ("ConvTranspose2d", 4, 1, 3),
    ("ConvTranspose2d", 3, 0, 2)])
def test_gradients_of_gradients_are_right(cls, kernel, padding, height):
    layer, _ = pair(cls, 2, 2, kernel, 2, padding)
    x = torch.randn(1, 2, height, height, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


def test_the_paper_s_layers_take_the_faster_way(monkeypatch):
    calls = []
    for name in ("_by_phase", "_by_kernel_row"):
        original = getattr(conv, name)
        monkeypatch.setattr(conv, name, lambda *a, f=original, n=name: calls.append(n) or f(*a))
    from convae import ConvVAE, loss

    x = torch.rand(2, 1, 28, 28)
    loss(ConvVAE(2)(x), x).backward()
    # Three layers of the decoder, and two of the encoder's gradients.
    assert sorted(calls) == ["_by_kernel_row"] * 2 + ["_by_phase"] * 3


@pytest.mark.parametrize("kernel, padding, height", [(4, 1, 7), (3, 0, 1)])
def test_autocast_is_left_to_pytorch(kernel, padding, height):
    ours, torch_layer = (layer.float()
                         for layer in pair("ConvTranspose2d", 4, 2, kernel, 2, padding))
    x = torch.rand(2, 4, height, height)
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(x).dtype == torch_layer(x).dtype == torch.bfloat16
        torch.testing.assert_close(ours(x), torch_layer(x))
