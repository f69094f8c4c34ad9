"""Training on real images: reproducible to the byte, blind to labels, clear on failure."""

import hashlib
import inspect
import re

import pytest
import safetensors.torch
import torch

from convae import ConvAE, ConvVAE, Recipe, load_mnist, loss, train, training
from convae.evaluation.inference import evaluate

SHORT = Recipe.from_name("conv_vae_2d", epochs=2, seed=3)


@pytest.fixture(scope="module")
def images():
    return load_mnist(train=True)[0][:512].clone()


def digest(model):
    return hashlib.sha256(safetensors.torch.save(model.state_dict())).hexdigest()


def short(images, **changes):
    return train(Recipe.from_dict({**SHORT.to_dict(), **changes}), images, progress=False)


@pytest.fixture(scope="module")
def trained(images):
    return short(images)


def test_the_same_recipe_gives_the_same_bytes(images, trained):
    again = short(images)
    assert digest(again.model) == digest(trained.model)
    assert again.history == trained.history


@pytest.mark.parametrize("change", [
    {"seed": 4}, {"learning_rate": 0.005}, {"batch_size": 64}, {"kl_weight": 0.5},
    {"difference": "cross_entropy"},
    {"schedule": "constant"}, {"optimiser": "adam"}, {"momentum": 0.8},
    {"adam_share": 0.4}, {"slope": 0.2}, {"epochs": 1}], ids=lambda change: next(iter(change)))
def test_any_other_recipe_gives_other_bytes(images, trained, change):
    assert digest(short(images, **change).model) != digest(trained.model)


def test_the_callers_generator_and_threads_are_left_as_they_were(images):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        torch.manual_seed(11)
        state = torch.get_rng_state()
        short(images, epochs=1)
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_callers_generator_and_threads_are_left_as_they_were_when_training_fails(images):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    with pytest.raises(ValueError, match="not finite"):
        short(images, optimiser="adam", learning_rate=10, schedule="constant")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_very_small_numbers_are_still_numbers_after_training(images):
    short(images, epochs=1)
    assert torch.tensor([1e-40]).mul(0.5).item() > 0  # training flushes them to 0, for speed


@pytest.mark.parametrize("model", ["ae", "vae"])
@pytest.mark.parametrize("kind", ["squared_error", "cross_entropy"])
def test_the_loss_falls_in_training(images, model, kind):
    history = short(images, model=model, difference=kind, epochs=3, batch_size=64).history
    assert history[2] < history[1] < history[0]


def test_what_is_learnt_holds_for_images_not_trained_on(images):
    unseen = load_mnist(train=False)[0][:500]
    recipe = Recipe.from_name("conv_ae_2d", epochs=20, batch_size=64)
    model = train(recipe, images, progress=False).model
    learnt = evaluate(model, recipe, unseen)["loss"]
    mean_image = (images.mean(0) - unseen).square().sum((1, 2, 3)).mean().item()
    assert learnt < mean_image


def test_the_history_has_one_loss_an_epoch(images):
    assert [len(short(images, epochs=n).history) for n in (1, 3)] == [1, 3]


def test_the_history_holds_the_loss_of_the_whole_epoch(images):
    # One batch an epoch: the first entry is the loss of the untrained model. The order of the
    # images is a matter of rounding, since an autoencoder's batch statistics and mean do not depend
    # on it.
    recipe = Recipe.from_name("conv_ae_2d", epochs=1, batch_size=512, seed=5)
    with training.reproducible(5):
        expected = loss(recipe.build()(images), images).item()
    assert train(recipe, images, progress=False).history == pytest.approx([expected], rel=1e-5)


def test_images_beyond_the_last_full_batch_wait_for_another_epoch(images):
    recipe = Recipe.from_name("conv_ae_2d", epochs=1, batch_size=300, seed=5)
    with training.reproducible(5):
        model, drawn = recipe.build(), torch.randperm(512)[:300]
        expected = loss(model(images[drawn]), images[drawn]).item()
    assert train(recipe, images, progress=False).history == pytest.approx([expected], rel=1e-5)


@pytest.mark.parametrize(("model", "cls"), [("ae", ConvAE), ("vae", ConvVAE)])
def test_the_model_comes_back_in_eval_mode_with_contiguous_float32_weights(images, model, cls):
    model = short(images, model=model, epochs=1).model
    assert type(model) is cls
    assert not any(module.training for module in model.modules())
    assert all(t.is_contiguous() for t in model.state_dict().values())
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_images_in_double_precision_train_the_same_model(images, trained):
    assert digest(short(images.double()).model) == digest(trained.model)


def test_training_leaves_the_images_alone(images):
    before = images.clone()
    short(images, epochs=1)
    assert torch.equal(images, before)


def test_labels_never_enter_the_training(monkeypatch, images, trained):
    assert list(inspect.signature(train).parameters) == ["recipe", "images", "progress", "device",
                                                         "threads"]
    # By default the images come from load_mnist: whatever labels come with them make no difference.
    monkeypatch.setattr(training, "load_mnist",
                        lambda train: (images, None) if train else pytest.fail("test images"))
    assert digest(train(SHORT, progress=False).model) == digest(trained.model)


def test_a_progress_bar_shows_the_loss_of_each_epoch_and_can_be_left_out(images, capfd):
    history = train(SHORT, images).history
    shown = capfd.readouterr()
    assert f"loss={history[-1]:.2f}" in shown.err
    assert "conv_vae_2d" in shown.err
    assert shown.out == ""
    short(images)
    assert capfd.readouterr() == ("", "")


def test_too_few_images_are_refused_with_the_batch_size(images):
    with pytest.raises(ValueError, match="^images: 255 are fewer than one batch of 256$"):
        short(images[:255])


@pytest.mark.parametrize(("value", "what"), [
    (1.01, r"outside \[0, 1\]"), (-0.01, r"outside \[0, 1\]"), (255.0, r"outside \[0, 1\]"),
    (float("nan"), "not finite"), (float("inf"), "not finite"), (float("-inf"), "not finite")])
def test_images_of_wrong_values_are_refused_with_the_first_that_is_wrong(images, value, what):
    wrong = images.clone()
    wrong[7, 0, 3, 4] = wrong[9, 0, 0, 0] = value
    with pytest.raises(ValueError,
                       match=rf"^images .*{what} in 2 of 512 images; the first is image 7\b"):
        short(wrong)


@pytest.mark.parametrize("change", [torch.Tensor.byte, torch.Tensor.long, torch.Tensor.numpy,
                                    torch.Tensor.tolist],
                         ids=["uint8", "int64", "numpy", "list"])
def test_images_of_a_wrong_type_are_refused_by_name(images, change):
    with pytest.raises(TypeError,
                       match="^images must be a floating-point tensor, got "):
        short(change(images))


@pytest.mark.parametrize("shape", [(512, 28, 28), (512, 784), (512, 28, 28, 1), (28, 28),
                                   (0, 1, 28, 28)], ids=str)
def test_images_of_a_wrong_shape_are_refused_by_name(images, shape):
    wrong = images.flatten()[:torch.Size(shape).numel()].reshape(shape)
    with pytest.raises(ValueError,
                       match=rf"^images must have shape .*{re.escape(str(shape))}$"):
        short(wrong)


@pytest.mark.parametrize("kind", ["squared_error", "cross_entropy"])
def test_a_run_that_diverges_names_the_recipe_the_epoch_the_term_and_the_remedy(images, kind):
    with pytest.raises(ValueError) as caught:
        short(images, optimiser="adam", learning_rate=10, schedule="constant", difference=kind)
    assert re.fullmatch(r"conv_vae_2d, epoch [12]: the loss is not finite: "
                        r".*KL divergence for \d+ of 256 images; "
                        "try a lower learning_rate", str(caught.value))


@pytest.mark.parametrize("changes", [
    {"optimiser": "muon", "schedule": "one_cycle"}, {"optimiser": "muon", "schedule": "constant"},
    {"optimiser": "adam", "schedule": "one_cycle"}, {"optimiser": "adam", "schedule": "constant"}],
                         ids=str)
def test_every_optimiser_learns_with_every_schedule(images, changes):
    history = short(images, learning_rate=0.003, epochs=4, batch_size=64, **changes).history
    assert history[3] < 0.95 * history[0]


def test_muon_has_the_inner_kernels_and_adam_the_rest():
    model = ConvVAE(2)
    muon, adam = training.make_optimisers(model, model.bottleneck_parameters(), SHORT)
    assert {id(p) for group in muon.param_groups for p in group["params"]} == {
        id(p) for name, p in model.named_parameters()
        if p.ndim == 4 and name not in ("to_mu.weight", "to_sigma.weight", "decoder.0.0.weight")}
    assert sum(len(group["params"]) for o in (muon, adam)
               for group in o.param_groups) == len(list(model.parameters()))


def test_the_schedule_ends_at_zero_and_peaks_at_the_recipe_s_rate():
    model = ConvVAE(2)
    for optimiser in training.make_optimisers(model, model.bottleneck_parameters(), SHORT):
        peak = optimiser.param_groups[0]["lr"]
        schedule = training.make_schedule(optimiser, SHORT, steps=100)
        rates = []
        for _ in range(100):
            rates.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            schedule.step()
        assert max(rates) == pytest.approx(peak)
        assert rates[0] < 0.1 * peak and rates[-1] < 0.001 * peak
        assert 25 < rates.index(max(rates)) < 35


def test_threads_change_no_more_than_the_last_digits(images, trained):
    model, history = train(SHORT, images, progress=False, threads=2)
    assert history == pytest.approx(trained.history, rel=1e-4)
    torch.testing.assert_close(model(images).reconstruction, trained.model(images).reconstruction,
                               rtol=1e-2, atol=1e-2)


def test_two_threads_give_the_same_bytes_again(images):
    assert len({digest(train(SHORT, images, progress=False, threads=2).model)
                for _ in range(2)}) == 1


def test_a_device_that_is_not_there_is_refused(images):
    for device in ("gpu", "cuda:99"):
        with pytest.raises(ValueError,
                           match=f"^device must be auto, cpu or .*, got '{device}'"):
            train(SHORT, images, progress=False, device=device)


@pytest.mark.parametrize("there, kind", [(True, "meta"), (False, "cpu")])
def test_device_auto_is_a_gpu_if_there_is_one(there, kind, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch, "empty",
                        lambda *_, device: torch.zeros(0, device="meta") if device == "cuda"
                        else torch.zeros(0))  # no GPU need be here
    assert training.find_device("auto").type == kind
    assert training.find_device("cpu").type == "cpu"


def test_other_processes_with_other_threads_and_random_numbers_give_the_same_bytes(images, trained):
    from convae.fast.parallel import parallel_map

    recipes = [SHORT, Recipe.from_name("dense_vae_2d", hidden=20, epochs=2, seed=4)]
    together = parallel_map(_train_beside, [(r, images) for r in recipes])
    assert together[0] == digest(trained.model)
    assert together[1] == digest(train(recipes[1], images, progress=False).model)


def _train_beside(recipe, images):
    torch.set_num_threads(2 if torch.get_num_threads() == 1 else 1)
    torch.rand(3)
    return digest(train(recipe, images, progress=False).model)


def test_a_processor_that_flushed_small_numbers_before_still_does(images):
    torch.set_flush_denormal(True)
    try:
        short(images, epochs=1)
        assert torch.tensor(1e-40).mul(0.5).item() == 0
    finally:
        torch.set_flush_denormal(False)
