"""Models trained together: each as if trained alone, shown here without a GPU."""

import pytest
import torch

from benchmarks.stacked import Training, initialise, stack, train_together
from convae import Recipe, load_mnist, train

# A few steps at a low rate: rounding errors of float32 (1e-7), which each step multiplies, and to
# which Adam adds steps of its own in biases before a normalisation, whose true gradient is 0.
AS_IF_ALONE = {"rtol": 1e-4, "atol": 1e-3}
FEW = {"epochs": 2, "batch_size": 32, "learning_rate": 0.002}
VARIANTS = {
    "a VAE": {"model": "vae", "latent_dim": 2},
    "an autoencoder": {"model": "ae", "latent_dim": 3},
    "cross-entropy": {"model": "vae", "latent_dim": 2, "difference": "cross_entropy"},
    "Adam at a constant rate": {
        "model": "vae", "latent_dim": 1, "optimiser": "adam", "schedule": "constant"},
    "another network and weight": {
        "model": "vae", "latent_dim": 9, "channels": (2, 3, 5), "slope": 0.2,
        "normalised_layers": (2, 4), "kl_weight": 0.5},
}


@pytest.fixture(scope="module")
def images():
    return load_mnist(train=True)[0][:112].clone()  # three batches, and 16 images left over


@pytest.mark.parametrize("variant", VARIANTS)
def test_models_trained_together_come_out_as_if_trained_alone(variant, images):
    recipes = [Recipe.from_dict({**VARIANTS[variant], **FEW, "seed": seed}) for seed in (3, 4)]
    together = train_together(recipes, images, device="cpu")
    alone = [train(recipe, images, progress=False, device="cpu") for recipe in recipes]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one.history, other.history, **AS_IF_ALONE)
        assert not one.model.training
        outputs = [trained.model.encoder(images) for trained in (one, other)]
        # Statistics follow those biases late, and Adam moves each by up to its rate a step.
        torch.testing.assert_close(*outputs, rtol=0.02, atol=0.02)
    # Seeds differ by far more than that, or the equality above would show nothing.
    first, second = (trained.history[-1] for trained in together)
    assert abs(first - second) > 0.01 * first


def test_each_stacked_models_gradients_are_those_of_the_model_alone(images):
    models = [initialise(Recipe.from_name("conv_ae_2d", seed=seed))[0].double() for seed in (0, 1)]
    network, x = stack(models), images[:64].double()  # in float64, no rounding hides a difference
    network(x).reconstruction.square().sum().backward()
    for i, batch in enumerate(x.split(32)):
        models[i](batch).reconstruction.square().sum().backward()
        for name, parameter in models[i].named_parameters():
            gradient = network.get_parameter(name).grad[i]
            torch.testing.assert_close(gradient, parameter.grad, rtol=1e-8, atol=1e-8)
        for name, statistic in models[i].named_buffers():
            torch.testing.assert_close(network.get_buffer(name)[i], statistic)


def test_recipes_that_differ_in_more_than_the_seed_are_not_trained_together(images):
    recipes = [Recipe.from_name(name, **FEW) for name in ("conv_ae_2d", "conv_ae_3d")]
    with pytest.raises(ValueError, match="differ in more than the seed"):
        train_together(recipes, images, device="cpu")


def test_a_training_whose_weights_are_not_finite_says_so(images):
    recipe = Recipe.from_name("conv_ae_2d", **FEW)
    models = [initialise(recipe)[0] for _ in range(2)]
    torch.nn.init.constant_(models[1].to_z.bias, torch.nan)
    with pytest.raises(ValueError, match="conv_ae_2d: a loss or weight is not finite"):
        Training(recipe, models, images).history()
