"""The compiled networks against autograd: every parameter's gradient, every loss, every edge."""

import copy
import sys

import pytest
import torch

from convae import ConvAE, ConvVAE, Recipe, fast, train
from convae.losses import DIFFERENCES, objective

pytest.importorskip("halide", reason="Halide has no wheel here: autograd trains")

from convae.fast.step import CompiledModel  # noqa: E402

# Single precision, and sums of some 50,000 terms: relative to the norm of all gradients.
TOLERANCE = 1e-5


def batch(n, seed=0):
    """Mostly black, as digits are."""
    x = torch.rand(2, n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
    return x[0] * (x[1] > 0.7)


def by_autograd(model, x, difference="squared_error", kl_weight=1.0):
    """The loss of a copy of the model in double precision, which has the gradients; ε as drawn."""
    model, x = copy.deepcopy(model).double(), x.double()
    if isinstance(model, ConvVAE):
        mu, sigma = model.posterior(x)
        epsilon = torch.randn(mu.shape).double()
        posterior = mu, sigma
        output = model.decode(mu + epsilon * sigma)
    else:
        posterior, output = (), model(x).reconstruction
    by_image = {difference: DIFFERENCES[difference](output, x)}
    loss = objective(by_image, *posterior, kl_weight=kl_weight)
    loss.backward()
    return model, loss


def compiled(model, x, difference="squared_error", kl_weight=1.0):
    by_image, *posterior = CompiledModel(model, difference)(x)
    loss = objective({difference: by_image}, *posterior, kl_weight=kl_weight)
    loss.backward()
    return loss


def assert_alike(model, x, tolerance=TOLERANCE, **options):
    """Loss, gradients and running statistics."""
    torch.manual_seed(1)
    expected, expected_loss = by_autograd(model, x, **options)
    torch.manual_seed(1)
    loss = compiled(model, x, **options)
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-5)
    norm = torch.stack([p.grad.norm() for p in expected.parameters()]).norm()
    for (name, p), q in zip(model.named_parameters(), expected.parameters(), strict=True):
        assert (p.grad - q.grad).norm() <= tolerance * norm, name
    for (name, found), wanted in zip(model.named_buffers(), expected.buffers(), strict=True):
        torch.testing.assert_close(found.double(), wanted.double(), rtol=1e-5, atol=1e-6, msg=name)


def new(cls, latent_dim=2, slope=0.99, **options):
    """With a slope near 1: rounding decides the slope of units that lie very near 0."""
    torch.manual_seed(0)
    return cls(latent_dim, slope=slope, **options).train()


@pytest.mark.parametrize("difference", DIFFERENCES)
@pytest.mark.parametrize("cls", [ConvAE, ConvVAE])
def test_loss_and_gradients_are_autograds(cls, difference):
    assert_alike(new(cls), batch(100), difference=difference)


@pytest.mark.parametrize("latent_dim", [1, 3, 64, 784])
def test_any_number_of_latent_variables(latent_dim):
    assert_alike(new(ConvVAE, latent_dim), batch(20))


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 128])
def test_a_batch_of_any_size(n):
    layers = (2, 3) if n > 1 else ()  # nothing could be normalised over one image
    assert_alike(new(ConvVAE, normalised_layers=layers), batch(n))


@pytest.mark.parametrize("layers", [(), (2,), (3,), (4,), (2, 4), (2, 3, 4)], ids=str)
def test_any_layers_normalised(layers):
    assert_alike(new(ConvVAE, normalised_layers=layers), batch(40))


@pytest.mark.parametrize("channels", [(1, 1, 1), (5, 7, 3), (3, 1, 2), (2, 9, 6)], ids=str)
def test_any_numbers_of_maps(channels):
    assert_alike(new(ConvVAE, channels=channels), batch(40))


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3])
def test_any_slope(slope):
    assert_alike(new(ConvAE, slope=slope), batch(40), tolerance=1e-3)


@pytest.mark.parametrize("kl_weight", [0.0, 4.0])
def test_any_weight_of_the_kl_divergence(kl_weight):
    assert_alike(new(ConvVAE), batch(40), kl_weight=kl_weight)


def test_cross_entropy_where_the_sigmoid_is_0_or_1():
    model = new(ConvAE)
    with torch.no_grad():
        model.decoder[3].weight.mul_(200)  # single precision: torch's own is the measure
    x = batch(40)
    alone = copy.deepcopy(model)
    expected = DIFFERENCES["cross_entropy"](alone(x).reconstruction, x).mean()
    expected.backward()
    assert compiled(model, x, "cross_entropy").item() == pytest.approx(expected.item(), rel=1e-4)
    norm = torch.stack([p.grad.norm() for p in alone.parameters()]).norm()
    for p, q in zip(model.parameters(), alone.parameters(), strict=True):
        assert (p.grad - q.grad).norm() <= 1e-3 * norm  # 1 − r loses digits where r is near 1


def test_each_image_has_its_own_difference():
    model, x = new(ConvAE, normalised_layers=()), batch(70)
    (found,) = CompiledModel(model, "squared_error")(x)
    wanted = DIFFERENCES["squared_error"](model(x).reconstruction, x)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_parameters_that_change_and_batches_of_other_sizes_are_followed():
    model = new(ConvVAE)
    step = CompiledModel(model, "squared_error")
    for n in (64, 30, 64):
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(1.01)
        model.zero_grad()
        torch.manual_seed(1)
        expected, _ = by_autograd(model, batch(n))
        torch.manual_seed(1)
        by_image, *posterior = step(batch(n))
        objective({"squared_error": by_image}, *posterior).backward()
        for p, q in zip(model.parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(p.grad.double(), q.grad, rtol=1e-3, atol=1e-3)


def test_gradients_of_gradients_are_refused_rather_than_wrong():
    model, x = new(ConvAE), batch(4)
    (by_image,) = CompiledModel(model, "squared_error")(x)
    (gradient,) = torch.autograd.grad(by_image.mean(), [model.to_z.weight], create_graph=True)
    with pytest.raises(RuntimeError, match="grad"):
        gradient.sum().backward()


def test_not_a_number_reaches_the_loss_by_name():
    for difference in DIFFERENCES:
        model = new(ConvAE)
        with torch.no_grad():
            model.decoder[3].bias.fill_(torch.nan)
        with pytest.raises(ValueError, match=f"not finite: {difference} for 5 of 5 images"):
            compiled(model, batch(5), difference)


def gradients(threads, n=200):
    model = new(ConvVAE)
    torch.manual_seed(1)
    by_image, *posterior = CompiledModel(model, "squared_error", threads)(batch(n))
    objective({"squared_error": by_image}, *posterior).backward()
    return [p.grad for p in model.parameters()]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_batch_gives_the_same_bytes_on_any_number_of_threads(threads):
    torch.testing.assert_close(gradients(threads), gradients(1), rtol=0, atol=0)


SHORT = Recipe.from_name("conv_vae_2d", epochs=2, batch_size=64)


@pytest.fixture
def without_halide(monkeypatch):
    """As on a machine for which there is no wheel."""
    for name in [name for name in sys.modules if name.startswith("convae.fast.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "halide", None)
    fast._say_once.cache_clear()


def test_training_without_halide_gives_the_same_model(without_halide, monkeypatch):
    slow = train(SHORT, batch(200), progress=False).history
    monkeypatch.undo()
    assert train(SHORT, batch(200), progress=False).history == pytest.approx(slow, rel=1e-3)


def test_training_without_halide_says_so_once_beside_the_progress(without_halide, capsys):
    images = batch(200)
    train(SHORT, images, progress=False)
    assert capsys.readouterr() == ("", "")
    train(SHORT, images)
    train(SHORT, images)
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("without Halide") == 1
