"""The objective against the paper's equations (3) to (5) and against sums written out."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from convae import Output, cross_entropy, discrete_kl, kl_to_standard_normal, loss, squared_error
from convae.bounds import BOUNDS
from convae.losses import DIFFERENCES


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def images(n=3, seed=0):
    return random(n, 1, 28, 28, seed=seed)


def moments(n=50, d=3):
    """μ and σ over the range that trained models use, and beyond."""
    mu = (random(n, d, seed=1).double() - 0.5) * 8
    sigma = 10 ** (random(n, d, seed=2).double() * 4 - 3)
    return mu.requires_grad_(), sigma.requires_grad_()


def test_equation_5_is_the_kl_divergence_of_torch_distributions():
    mu, sigma = moments()
    expected = kl_divergence(Normal(mu, sigma), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_to_standard_normal(mu, sigma), expected)


def test_the_gradients_of_equation_5_are_those_of_torch_distributions():
    ours, theirs = moments(), moments()
    kl_to_standard_normal(*ours).sum().backward()
    kl_divergence(Normal(*theirs), Normal(0.0, 1.0)).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_the_gradients_of_equation_5_are_mu_and_sigma_less_its_inverse():
    mu, sigma = moments()
    kl_to_standard_normal(mu, sigma).sum().backward()
    torch.testing.assert_close(mu.grad, mu.detach())
    torch.testing.assert_close(sigma.grad, (sigma - 1 / sigma).detach())


def cells(mu, sigma, edges):
    """The probability of each cell between two edges under N(μ, σ)."""
    return Normal(mu, sigma).cdf(edges).diff()


@pytest.mark.parametrize(("mu", "sigma"),
                         [(0.0, 1.0), (0.5, 0.8), (-1.5, 0.3), (-1.0, 1.1), (0.0, 0.1)])
def test_equation_5_is_equation_3_on_a_finely_discretised_normal(mu, sigma):
    edges = mu + sigma * torch.linspace(-6, 6, 20_001,
                                        dtype=torch.float64)  # all but 2e-9 of N(μ, σ)
    mu, sigma = (torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (mu, sigma))
    fine = discrete_kl(cells(mu, sigma, edges), cells(0.0, 1.0, edges))
    closed = kl_to_standard_normal(mu[None], sigma[None]).sum()
    torch.testing.assert_close(fine, closed, rtol=1e-6, atol=1e-6)
    fine_gradients, closed_gradients = (torch.autograd.grad(value, (mu, sigma))
                                        for value in (fine, closed))
    torch.testing.assert_close(fine_gradients, closed_gradients, rtol=1e-5, atol=1e-5)


def test_the_kl_divergence_is_zero_at_the_standard_normal_and_positive_elsewhere():
    assert kl_to_standard_normal(torch.zeros(4, 3), torch.ones(4, 3)).tolist() == [0, 0, 0, 0]
    mu, sigma = moments()
    assert (kl_to_standard_normal(mu, sigma) > 0).all()


def test_the_kl_divergence_adds_up_over_the_latent_variables_image_by_image():
    mu, sigma = moments(4, 3)
    values = kl_to_standard_normal(mu, sigma)
    assert values.shape == (4,)
    by_variable = sum(kl_to_standard_normal(mu[:, [k]], sigma[:, [k]]) for k in range(3))
    torch.testing.assert_close(values, by_variable)


def test_discrete_kl_is_the_sum_of_equation_3():
    p, q = [0.5, 0.25, 0.25], [0.25, 0.25, 0.5]
    expected = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert discrete_kl(torch.tensor(p), torch.tensor(q)).item() == pytest.approx(expected)


def test_a_state_that_p_never_takes_adds_nothing_to_discrete_kl():
    p, q = torch.tensor([0.0, 0.5, 0.5]), torch.tensor([0.5, 0.25, 0.25])
    assert discrete_kl(p, q).item() == pytest.approx(math.log(2))
    assert discrete_kl(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0])) == 0


def test_a_state_that_q_never_takes_and_p_does_makes_discrete_kl_infinite():
    assert discrete_kl(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])) == math.inf


def test_discrete_kl_of_a_distribution_to_itself_is_zero():
    p = torch.softmax(random(10), 0)
    assert discrete_kl(p, p) == 0


def test_squared_error_is_the_sum_over_the_pixels():
    reconstruction, x = images(seed=1), images(seed=2)
    expected = [sum((a - b) ** 2
                    for a, b in zip(r.flatten().tolist(), i.flatten().tolist(), strict=True))
                for r, i in zip(reconstruction, x, strict=True)]
    assert squared_error(reconstruction, x).tolist() == pytest.approx(expected, rel=1e-5)


def test_cross_entropy_is_the_sum_over_the_pixels():
    reconstruction, x = images(seed=1), images(seed=2)
    expected = [-sum(b * math.log(a) + (1 - b) * math.log(1 - a)
                     for a, b in zip(r.flatten().tolist(), i.flatten().tolist(), strict=True))
                for r, i in zip(reconstruction, x, strict=True)]
    assert cross_entropy(reconstruction, x).tolist() == pytest.approx(expected, rel=1e-5)


def test_differences_of_a_recipe_are_those_that_the_loss_knows():
    assert all(BOUNDS["difference"].holds(name) for name in DIFFERENCES)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_the_difference_is_zero_for_a_perfect_black_and_white_image_alone(name):
    x, difference = (images() > 0.5).float(), DIFFERENCES[name]
    assert difference(x, x).tolist() == [0, 0, 0]
    assert (difference(1 - x, x) > 0).all()


@pytest.mark.parametrize("name", DIFFERENCES)
@pytest.mark.parametrize("shape", [(1, 1, 28, 28), (3, 28, 28), (3, 1, 1, 28), (1, 28, 28)],
                         ids=str)
def test_images_that_would_broadcast_are_refused(name, shape):
    with pytest.raises(ValueError,
                       match=r"^reconstruction \(3, 1, 28, 28\) and x \(.*differ in shape"):
        DIFFERENCES[name](images(3), torch.zeros(shape))


def test_moments_and_distributions_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"^mu \(3, 2\) and sigma \(3, 1\) differ in shape"):
        kl_to_standard_normal(torch.zeros(3, 2), torch.ones(3, 1))
    with pytest.raises(ValueError, match=r"^p \(1,\) and q \(4,\) differ in shape"):
        discrete_kl(torch.ones(1), torch.ones(4) / 4)


@pytest.mark.parametrize("name", ["l2", "mse", ""])
def test_an_unknown_difference_is_refused_with_the_known_ones(name):
    with pytest.raises(ValueError,
                       match="^difference must be one of 'squared_error', 'cross_entropy', got "):
        loss(output(), images(), name)


def output(mu=None, sigma=None, reconstruction=None):
    return Output(images(seed=1) if reconstruction is None else reconstruction, torch.zeros(3, 2),
                  mu, sigma)


@pytest.mark.parametrize("name", DIFFERENCES)
@pytest.mark.parametrize("kl_weight", [0, 0.5, 1.0, 4])
def test_the_loss_is_difference_plus_weighted_kl_meaned_over_the_batch(name, kl_weight):
    mu, sigma, x = random(3, 2, seed=3), random(3, 2, seed=4) + 0.1, images(seed=2)
    by_image = [DIFFERENCES[name](output().reconstruction[[i]], x[[i]]).item()
                + kl_weight * kl_to_standard_normal(mu[[i]], sigma[[i]]).item() for i in range(3)]
    assert loss(output(mu, sigma), x, name, kl_weight).item() == pytest.approx(sum(by_image) / 3,
                                                                               rel=1e-6)


def test_by_default_the_kl_term_is_simply_added_to_the_squared_error():
    mu, sigma, x = random(3, 2, seed=3), random(3, 2, seed=4) + 0.1, images(seed=2)
    assert torch.equal(loss(output(mu, sigma), x), loss(output(mu, sigma), x, "squared_error", 1.0))


@pytest.mark.parametrize("kl_weight", [0.0, 1.0, 100.0])
def test_an_autoencoder_has_no_kl_term(kl_weight):
    x = images(seed=2)
    assert torch.equal(loss(output(), x, kl_weight=kl_weight),
                       squared_error(output().reconstruction, x).mean())


@pytest.mark.parametrize("name", DIFFERENCES)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_names_the_kl_term_and_the_count(name, value):
    mu = torch.zeros(3, 2)
    mu[1, 0] = mu[2, 1] = value
    with pytest.raises(ValueError,
                       match="^the loss is not finite: KL divergence for 2 of 3 images$"):
        loss(output(mu, torch.ones(3, 2)), images(seed=2), name)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_reconstruction_that_is_not_a_number_is_named_with_the_count(name):
    broken = images(seed=1)
    broken[2, 0, 5, 5] = math.nan
    with pytest.raises(ValueError, match=f"^the loss is not finite: {name} for 1 of 3 images$"):
        loss(output(reconstruction=broken), images(seed=2), name)


def test_every_term_that_is_not_finite_is_named():
    broken = torch.full((3, 1, 28, 28), math.nan)
    with pytest.raises(ValueError,
                       match="squared_error for 3 of 3 images; KL divergence for 3 of 3 images"):
        loss(output(torch.zeros(3, 2), torch.zeros(3, 2), broken), images(seed=2))


def test_a_sum_that_overflows_is_named_though_every_term_is_finite():
    mu = torch.full((3, 2), 1e19)  # each KL divergence is 1e38: finite, but their sum is not
    with pytest.raises(ValueError, match="the sum overflows"):
        loss(output(mu, torch.ones(3, 2)), images(seed=2), kl_weight=2.0)
