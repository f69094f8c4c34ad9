"""The networks against the paper: sizes, kernels, normalisation, activations and equations."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Normal
from torch.nn.functional import pad

from convae import ConvAE, ConvVAE, DenseAE, DenseVAE
from convae.losses import loss

MODELS = [ConvAE, ConvVAE]
AES, VAES = [ConvAE, DenseAE], [ConvVAE, DenseVAE]


def images(n=3, seed=0):
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def new(cls, *args, seed=0, **kwargs):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cls(*args, **kwargs)


def trace(model, x):
    """Every leaf module that the images pass, in order, with the shape that it gives.

    A shape is (maps, height, width).
    """
    passed = []
    hooks = [m.register_forward_hook(lambda m, _, y: passed.append((m, tuple(y.shape[1:]))))
             for m in model.modules() if not list(m.children())]
    model(x)
    for hook in hooks:
        hook.remove()
    return passed


def convolutions(model, x):
    return [(m, shape) for m, shape in trace(model, x)
            if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]


@pytest.mark.parametrize(("cls", "latent_dim", "count"), [
    (ConvVAE, 2, 24_317), (ConvVAE, 64, 131_577), (ConvAE, 2, 23_163)])
def test_parameter_counts_are_the_stated_ones(cls, latent_dim, count):
    assert sum(p.numel() for p in cls(latent_dim).parameters()) == count


def test_the_maps_of_every_layer_have_the_papers_sizes():
    shapes = [shape for _, shape in convolutions(ConvAE(2), images())]
    assert shapes == [(4, 14, 14), (16, 7, 7), (64, 3, 3), (2, 1, 1),
                      (64, 3, 3), (16, 7, 7), (4, 14, 14), (1, 28, 28)]


def test_the_vae_has_one_more_convolution_for_sigma_and_the_aes_sizes_otherwise():
    shapes = [shape for _, shape in convolutions(ConvVAE(5), images())]
    assert shapes == [(4, 14, 14), (16, 7, 7), (64, 3, 3), (5, 1, 1), (5, 1, 1),
                      (64, 3, 3), (16, 7, 7), (4, 14, 14), (1, 28, 28)]


def test_kernels_are_4_4_3_3_and_mirrored_and_the_stride_is_2():
    layers = [m for m, _ in convolutions(ConvAE(2), images())]
    assert [m.kernel_size for m in layers] == [(k, k) for k in (4, 4, 3, 3, 3, 3, 4, 4)]
    assert {m.stride for m in layers} == {(2, 2)}
    assert all(isinstance(m, nn.Conv2d) for m in layers[:4])
    assert all(isinstance(m, nn.ConvTranspose2d) for m in layers[4:])


def test_every_map_has_a_bias_as_in_equation_1():
    assert all(m.bias is not None for m, _ in convolutions(ConvVAE(2), images()))


@pytest.mark.parametrize("cls", MODELS)
def test_exactly_layers_2_and_3_are_normalised_in_encoder_and_decoder(cls):
    shapes = [shape for m, shape in trace(cls(2), images()) if isinstance(m, nn.BatchNorm2d)]
    assert shapes == [(4, 14, 14), (16, 7, 7), (16, 7, 7), (4, 14, 14)]


@pytest.mark.parametrize(("layers", "maps"),
                         [((), []), ((4,), [64, 64]), ((2, 3, 4), [4, 16, 64, 64, 16, 4])])
def test_layers_other_than_2_and_3_can_be_normalised(layers, maps):
    model = ConvAE(2, normalised_layers=layers)
    assert [shape[0] for m, shape in trace(model, images())
            if isinstance(m, nn.BatchNorm2d)] == maps


@pytest.mark.parametrize("cls", MODELS)
def test_leaky_relu_follows_each_hidden_layer_and_no_other(cls):
    activated = [shape for m, shape in trace(cls(2), images()) if isinstance(m, nn.LeakyReLU)]
    assert activated == [(4, 14, 14), (16, 7, 7), (64, 3, 3), (64, 3, 3), (16, 7, 7), (4, 14, 14)]


def test_normalisation_stands_between_convolution_and_activation():
    kinds = [type(m) for m, _ in trace(ConvAE(2), images())]
    assert [kinds[i - 1:i + 2] for i, kind in enumerate(kinds) if kind is nn.BatchNorm2d] == [
        [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU]] * 2 + [
        [nn.ConvTranspose2d, nn.BatchNorm2d, nn.LeakyReLU]] * 2


@pytest.mark.parametrize("cls", MODELS)
def test_the_image_is_a_sigmoid_of_the_last_convolution(cls):
    passed = trace(cls(2), images())
    assert isinstance(passed[-2][0], nn.ConvTranspose2d)
    assert isinstance(passed[-1][0], nn.Sigmoid)


@pytest.mark.parametrize(("ae", "vae"), list(zip(AES, VAES, strict=True)))
def test_z_mu_and_sigma_are_not_cut_at_zero_by_an_activation(ae, vae):
    # With slope 0 an activation would leave no negative value: z and μ take both signs all the
    # same.
    x = images(64)
    assert (new(ae, 8, slope=0)(x).z < 0).any()
    assert (new(vae, 8, slope=0)(x).mu < 0).any()
    vae = new(vae, 8, slope=0).eval()
    before_softplus = vae.to_sigma(vae.encoder(x)).flatten(1)
    assert (before_softplus < 0).any()
    torch.testing.assert_close(vae(x).sigma, before_softplus.exp().log1p())


@pytest.mark.parametrize("cls", AES + VAES)
def test_the_slope_of_leaky_relu_is_the_one_asked_for(cls):
    slopes = {m.negative_slope for m in cls(2, slope=0.2).modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2}


@pytest.mark.parametrize("latent_dim", [1, 2, 3, 64])
@pytest.mark.parametrize("cls", VAES)
def test_the_vae_returns_image_z_mu_and_sigma(cls, latent_dim):
    output = cls(latent_dim)(images(5))
    assert output._fields == ("reconstruction", "z", "mu", "sigma")
    assert output.reconstruction.shape == (5, 1, 28, 28)
    assert output.z.shape == output.mu.shape == output.sigma.shape == (5, latent_dim)
    assert output.reconstruction.min() >= 0
    assert output.reconstruction.max() <= 1


@pytest.mark.parametrize("cls", AES)
def test_the_ae_returns_image_and_z_and_neither_mu_nor_sigma(cls):
    output = cls(3)(images(5))
    assert output._fields == ("reconstruction", "z", "mu", "sigma")
    assert output.reconstruction.shape == (5, 1, 28, 28)
    assert output.z.shape == (5, 3)
    assert output.mu is None
    assert output.sigma is None


@pytest.mark.parametrize("cls", AES + VAES)
def test_in_eval_mode_forward_is_decode_of_encode(cls):
    model, x = new(cls, 4).eval(), images()
    output = model(x)
    assert torch.equal(model.encode(x), output.z)
    assert torch.equal(model.decode(output.z), output.reconstruction)


@pytest.mark.parametrize("cls", VAES)
def test_in_eval_mode_the_vae_uses_z_equal_to_mu(cls):
    output = new(cls, 4).eval()(images())
    assert torch.equal(output.z, output.mu)


@pytest.mark.parametrize("cls", VAES)
def test_in_train_mode_the_vae_samples_z_anew_each_time(cls):
    model, x = new(cls, 4).train(), images()
    torch.manual_seed(1)
    first, second = model(x), model(x)
    assert torch.equal(first.mu, second.mu)
    assert not torch.equal(first.z, second.z)
    assert not torch.equal(first.z, first.mu)


@pytest.mark.parametrize("cls", AES)
def test_the_ae_draws_no_random_numbers(cls):
    model, x = new(cls, 4).train(), images()
    before = torch.get_rng_state()
    model(x)
    assert torch.equal(torch.get_rng_state(), before)


def test_samples_of_z_have_mean_mu_and_standard_deviation_sigma():
    model = ConvVAE(2).train()
    mu, sigma = torch.tensor([[-1.0, 3.0]]), torch.tensor([[0.5, 2.0]])
    torch.manual_seed(0)
    z = model.sample(mu.expand(40_000, 2), sigma.expand(40_000, 2))
    error = 4 * sigma[0] / 40_000**0.5  # four standard errors; the seed is fixed
    assert ((z.mean(0) - mu[0]).abs() < error).all()
    assert ((z.std(0) - sigma[0]).abs() < error).all()


@pytest.mark.parametrize("activation", [-80.0, -20.0, 0.0, 20.0, 80.0, 1e30])
@pytest.mark.parametrize("cls", VAES)
def test_softplus_keeps_sigma_positive_and_finite(cls, activation):
    model = new(cls, 2)
    nn.init.zeros_(model.to_sigma.weight)
    nn.init.constant_(model.to_sigma.bias, activation)
    sigma = model(images()).sigma
    assert (sigma > 0).all()
    assert sigma.isfinite().all()


@pytest.mark.parametrize("training", [True, False])
def test_where_float32_cannot_hold_so_small_a_sigma_the_loss_names_the_kl_term(training):
    # softplus(-104) = e^-104 underflows to 0: log σ is infinite. Training that diverges ends here.
    model = new(ConvVAE, 2).train(training)
    nn.init.zeros_(model.to_sigma.weight)
    nn.init.constant_(model.to_sigma.bias, -104)
    output = model(images(3))
    assert (output.sigma == 0).all()
    assert torch.equal(output.z, output.mu)
    with pytest.raises(ValueError, match="not finite: KL divergence for 3 of 3 images"):
        loss(output, images(3))


def triple_sum(convolution, o):
    """Equation (1), term by term, at every second x and y.

    It is Σ_q Σ_i Σ_j W_pq(i, j) O_q(x + i, y + j) + b_p.
    """
    w, b = convolution.weight.double(), convolution.bias.double()
    o = pad(o.double(), (convolution.padding[1],) * 2 + (convolution.padding[0],) * 2)
    maps, planes, height, width = w.shape
    rows, columns = (o.shape[1] - height) // 2 + 1, (o.shape[2] - width) // 2 + 1
    n = torch.empty(maps, rows, columns, dtype=torch.float64)
    for p, x, y in itertools.product(range(maps), range(rows), range(columns)):
        total = b[p].item()
        for q, i, j in itertools.product(range(planes), range(height), range(width)):
            total += (w[p, q, i, j] * o[q, 2 * x + i, 2 * y + j]).item()
        n[p, x, y] = total
    return n


@torch.no_grad()
def test_equation_1_is_what_the_first_convolution_computes():
    convolution, x = new(ConvAE, 2).encoder[0][0], images(1)
    torch.testing.assert_close(convolution(x)[0].double(), triple_sum(convolution, x[0]), rtol=1e-5,
                               atol=1e-6)


@torch.no_grad()
def test_equation_1_is_what_the_second_convolution_computes_from_all_maps_of_layer_2():
    model = new(ConvAE, 2).eval()
    layer2, convolution = model.encoder[0](images(1)), model.encoder[1][0]
    assert layer2.shape == (1, 4, 14, 14)
    # Four of the 16 maps: each takes 49 sums of 4·4·4 terms.
    few = nn.Conv2d(4, 4, 4, 2, 1)
    few.weight = nn.Parameter(convolution.weight[::4])
    few.bias = nn.Parameter(convolution.bias[::4])
    torch.testing.assert_close(convolution(layer2)[0, ::4].double(), triple_sum(few, layer2[0]),
                               rtol=1e-5, atol=1e-6)


def test_equation_2_is_rsample_with_its_gradients():
    model = ConvVAE(2).train()
    mu = torch.tensor([[0.3, -2.0], [1.5, 0.0]], requires_grad=True)
    sigma = torch.tensor([[0.7, 0.1], [2.0, 1.0]], requires_grad=True)
    torch.manual_seed(5)
    epsilon = torch.randn(2, 2)
    torch.manual_seed(5)
    z = model.sample(mu, sigma)
    torch.manual_seed(5)
    assert torch.equal(z, Normal(mu, sigma).rsample())
    torch.testing.assert_close(z, mu + epsilon * sigma, rtol=0, atol=0)
    z.sum().backward()
    assert torch.equal(mu.grad, torch.ones(2, 2))  # dz/dμ = 1
    assert torch.equal(sigma.grad, epsilon)        # dz/dσ = ε


@pytest.mark.parametrize("cls", AES + VAES)
def test_every_parameter_of_the_model_learns(cls):
    model, x = new(cls, 2), images(8)
    loss(model(x), x).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None
            or not p.grad.isfinite().all()] == []
    without = [name for name, p in model.named_parameters() if not p.grad.any()]
    assert without == []


@pytest.mark.parametrize("cls", AES + VAES)
def test_bottleneck_parameters_are_the_kernels_with_as_many_rows_or_columns_as_z(cls):
    model = new(cls, 5)
    expected = [p for p in model.parameters() if p.dim() > 1 and 5 in p.shape[:2]]
    assert len(expected) == (3 if cls in VAES else 2)
    assert {id(p) for p in model.bottleneck_parameters()} == {id(p) for p in expected}


@pytest.mark.parametrize(("ae", "vae"), list(zip(AES, VAES, strict=True)))
def test_the_vae_has_the_aes_weights_but_for_mu_and_sigma_in_place_of_z(ae, vae):
    of_ae, of_vae = ({name: p.shape for name, p in cls(2).named_parameters()} for cls in (ae, vae))
    last = [of_ae.pop("to_z.weight"), of_ae.pop("to_z.bias")]
    for name in ("to_mu", "to_sigma"):
        assert [of_vae.pop(f"{name}.weight"), of_vae.pop(f"{name}.bias")] == last
    assert of_ae == of_vae


def test_a_mixed_precision_pass_is_allowed():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = ConvVAE(2)(images())
    assert output.z.shape == (3, 2)


@pytest.mark.parametrize("cls", AES + VAES)
@pytest.mark.parametrize("x", [
    images()[:, 0], images()[0], images().flatten(1), images().expand(3, 3, 28, 28),
    images()[..., :27],
    torch.tensor(0.5)], ids=lambda x: "x".join(map(str, x.shape)) or "scalar")
def test_images_of_a_wrong_shape_are_refused_by_name(cls, x):
    with pytest.raises(ValueError, match=r"^x must have shape \(N, 1, 28, 28\), got \("):
        cls(2)(x)


@pytest.mark.parametrize(("x", "got"), [
    ((images() * 255).byte(), "torch.uint8"), (images().numpy(), "float32"),
    (images().double(), "torch.float64"),
    (images() > 0.5, "torch.bool"), (images().tolist(), "list"), (None, "NoneType")],
    ids=["uint8", "numpy", "float64", "bool", "list", "None"])
@pytest.mark.parametrize("cls", VAES)
def test_images_of_a_wrong_type_are_refused_by_name(cls, x, got):
    with pytest.raises(TypeError, match=f"^x must be a tensor of torch.float32.*got {got}$"):
        cls(2)(x)


@pytest.mark.parametrize("z", [torch.zeros(3, 3), torch.zeros(3, 1), torch.zeros(2),
                               torch.zeros(3, 2, 1, 1)],
                         ids=lambda z: "x".join(map(str, z.shape)))
@pytest.mark.parametrize("cls", VAES)
def test_latent_vectors_of_a_wrong_width_are_refused_by_name(cls, z):
    with pytest.raises(ValueError, match=r"^z must have shape \(N, 2\), got \("):
        cls(2).decode(z)


@pytest.mark.parametrize("z", [np.zeros((3, 2), np.float32), torch.zeros(3, 2).long(),
                               torch.zeros(3, 2).double()],
                         ids=["numpy", "int64", "float64"])
@pytest.mark.parametrize("cls", AES)
def test_latent_vectors_of_a_wrong_type_are_refused_by_name(cls, z):
    with pytest.raises(TypeError, match="^z must be a tensor of torch.float32"):
        cls(2).decode(z)


@pytest.mark.parametrize(("cls", "name", "value"), [
    *((cls, "latent_dim", value) for cls in AES + VAES for value in (0, True, 2.0, "2", None)),
    *((cls, "slope", value) for cls in AES + VAES for value in (-0.1, 1, float("nan"), "0.1")),
    *((cls, "channels", value) for cls in MODELS for value in ((4, 16), (4, 16, 0), "abc", None)),
    *((cls, "normalised_layers", value) for cls in MODELS for value in ((1,), (3, 2), (2.0,), 2)),
    (DenseAE, "hidden", 0), (DenseVAE, "hidden", 400.0),
], ids=str)
def test_argument_out_of_its_bound_is_refused_by_name(cls, name, value):
    with pytest.raises((TypeError, ValueError), match=f"^{name} must be .*got "):
        cls(**{"latent_dim": 2, name: value})
