"""Sets of images through a model: what it reconstructs, and the objective it reaches on them."""

import pytest
import torch

from convae import Recipe, load_mnist, loss
from convae.evaluation.inference import evaluate


@pytest.fixture(scope="module")
def images():
    return load_mnist(train=True)[0][:512].clone()


def new(name, **changes):
    """A recipe, and an untrained model of it."""
    recipe = Recipe.from_name(name, **changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return recipe.build().eval(), recipe


@pytest.mark.parametrize(("name", "changes"), [
    ("conv_vae_2d", {}), ("conv_vae_2d", {"kl_weight": 0.25}),
    ("conv_vae_2d", {"difference": "cross_entropy"}), ("conv_ae_2d", {})], ids=str)
def test_terms_of_the_metrics_add_up_to_the_loss(images, name, changes):
    model, recipe = new(name, **changes)
    metrics = evaluate(model, recipe, images)
    assert list(metrics) == ["loss", "difference", "kl_divergence"]
    weighted = recipe.kl_weight * metrics["kl_divergence"]
    assert metrics["loss"] == pytest.approx(metrics["difference"] + weighted)
    assert metrics["difference"] > 0
    assert (metrics["kl_divergence"] > 0) == (recipe.model == "vae")


def test_metrics_of_an_autoencoder_are_its_loss(images):
    model, recipe = new("conv_ae_2d")
    with torch.no_grad():
        expected = loss(model(images), images).item()
    assert evaluate(model, recipe, images)["loss"] == pytest.approx(expected, rel=1e-5)


def test_metrics_are_means_over_the_images_however_many(images):
    model, recipe = new("conv_vae_2d")
    many = images.repeat(3, 1, 1, 1)  # 1536: one batch of 1000 images and one of 536
    one, three = (evaluate(model, recipe, x) for x in (images, many))
    # z is sampled and differs; μ and σ do not.
    assert three["kl_divergence"] == pytest.approx(one["kl_divergence"], rel=1e-5)


def test_evaluation_is_reproducible_and_changes_neither_model_nor_generator(images):
    model, recipe = new("conv_vae_2d")
    before = {name: t.clone() for name, t in model.state_dict().items()}
    state = torch.get_rng_state()
    assert evaluate(model, recipe, images) == evaluate(model, recipe, images)
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
