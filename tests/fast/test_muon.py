"""Muon: steps that are orthogonal matrices, whatever the gradient's scale."""

import pytest
import torch

from convae.fast.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(3, 4, 16), (2, 64, 144), (1, 2, 576), (2, 144, 64), (1, 7, 7)])
def test_every_singular_value_comes_near_one(shape):
    torch.manual_seed(0)
    for scale in (1e-4, 1, 1e4):
        values = torch.linalg.svdvals(orthogonalise(scale * torch.randn(shape)))
        assert values.min() > 0.6 and values.max() < 1.3


def test_the_singular_vectors_are_kept():
    torch.manual_seed(0)
    matrix = torch.randn(1, 5, 8, dtype=torch.double)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    core = u.mT @ orthogonalise(matrix) @ v.mT  # diagonal, if it has the matrix's singular vectors
    torch.testing.assert_close(core, torch.diag_embed(core.diagonal(dim1=1, dim2=2)), rtol=0,
                               atol=1e-8)


def test_a_matrix_does_not_depend_on_those_computed_with_it():
    torch.manual_seed(0)
    matrices = torch.randn(3, 4, 6)
    together = orthogonalise(matrices)
    for alone, one in zip(matrices, together, strict=True):
        torch.testing.assert_close(orthogonalise(alone[None])[0], one)


def test_a_zero_gradient_moves_nothing():
    p = torch.nn.Parameter(torch.ones(3, 4))
    p.grad = torch.zeros(3, 4)
    Muon([p], lr=0.1).step()
    assert torch.equal(p, torch.ones(3, 4))


def test_the_first_step_is_the_orthogonalised_gradient():
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.zeros(4, 2, 3, 3))
    p.grad = torch.randn_like(p)
    Muon([p], lr=0.5).step()
    expected = -0.5 * orthogonalise(p.grad.flatten(1)[None]).view_as(p)
    torch.testing.assert_close(p.detach(), expected, rtol=1e-4, atol=1e-5)


def test_a_tall_matrix_takes_longer_steps():
    p = torch.nn.Parameter(torch.zeros(8, 2))
    p.grad = torch.eye(8, 2)
    Muon([p], lr=1.0).step()
    longest = torch.linalg.svdvals(p.detach()).max()
    assert longest == pytest.approx(2.0, rel=0.3)  # √(8/2) times an orthogonal step


def test_momentum_keeps_the_old_direction():
    p = torch.nn.Parameter(torch.zeros(2, 2))
    optimiser = Muon([p], lr=1.0, momentum=0.9)
    p.grad = torch.eye(2)
    optimiser.step()
    p.grad = torch.zeros(2, 2)
    before = p.detach().clone()
    optimiser.step()
    assert (p.detach() - before).diagonal().max() < -0.5


def test_it_finds_the_minimum_of_a_badly_scaled_quadratic():
    torch.manual_seed(0)
    target, scale = torch.randn(6, 10), torch.logspace(-1, 0, 10)
    p = torch.nn.Parameter(torch.zeros(6, 10))
    optimiser = Muon([p], lr=0.1)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.001, 300)
    for _ in range(300):
        optimiser.zero_grad()
        ((p - target) * scale).square().sum().backward()
        optimiser.step()
        schedule.step()
    assert (p - target).abs().max() < 0.1


def test_parameters_without_a_gradient_are_left_alone():
    p = torch.nn.Parameter(torch.ones(2, 2))
    Muon([p], lr=1.0).step()
    assert torch.equal(p, torch.ones(2, 2))


def test_a_vector_is_refused():
    with pytest.raises(ValueError, match=r"none, the first has shape \(3,\)"):
        Muon([torch.nn.Parameter(torch.ones(3))], lr=1.0)


def test_a_group_added_later_is_checked_too():
    optimiser = Muon([torch.nn.Parameter(torch.ones(2, 2))], lr=1.0)
    with pytest.raises(ValueError, match="orthogonalises matrices"):
        optimiser.add_param_group({"params": [torch.nn.Parameter(torch.ones(3))]})


@pytest.mark.parametrize("numbers", [
    {"lr": -1.0}, {"lr": float("nan")}, {"lr": 1.0, "momentum": 1.0},
    {"lr": 1.0, "momentum": -0.1}])
def test_numbers_out_of_range_are_refused(numbers):
    with pytest.raises(ValueError, match="Muon needs"):
        Muon([torch.nn.Parameter(torch.ones(2, 2))], **numbers)


def test_each_parameter_has_its_own_momentum_even_if_another_has_no_gradient():
    torch.manual_seed(0)
    gradients = torch.randn(3, 2, 2, 3)
    apart = [torch.nn.Parameter(torch.zeros(2, 3)) for _ in range(2)]
    together = [torch.nn.Parameter(torch.zeros(2, 3)) for _ in range(2)]
    alone, both = [Muon([p], lr=0.1) for p in apart], Muon(together, lr=0.1)
    for step in range(3):
        for k in range(2):
            for p in (apart[k], together[k]):
                p.grad = None if step == 1 and k == 0 else gradients[step, k].clone()
        for optimiser in (*alone, both):
            optimiser.step()
    for p, q in zip(apart, together, strict=True):
        torch.testing.assert_close(p, q)
