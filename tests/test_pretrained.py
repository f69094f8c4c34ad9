"""Weights on disk.

What is saved comes back, what is damaged is refused by name, what ships is what its card says.
"""

import hashlib
import json
import shutil

import attrs
import pytest
import torch

from convae import Recipe, load_mnist, load_or_train, load_pretrained, pretrained, training
from convae._io import cache_dir
from convae.data.download import MD5
from convae.evaluation.classifier import ClassifierRecipe, accuracy
from convae.evaluation.inference import evaluate

TINY = Recipe.from_name("conv_vae_2d", channels=(2, 2, 2), epochs=2, batch_size=64)
MODELS = [name for name in pretrained.SHIPPED if name != "classifier"]


@pytest.fixture(scope="module")
def mnist():
    return {train: tuple(part[:256].clone() for part in load_mnist(train))
            for train in (True, False)}


@pytest.fixture
def few(monkeypatch, mnist):
    """256 images in place of MNIST's, in this process."""
    for module in (pretrained, training):
        monkeypatch.setattr(module, "load_mnist", lambda train: mnist[train])


@pytest.fixture
def saved(few, tmp_path):
    """A folder with one tiny model."""
    pretrained.train_and_save(TINY, tmp_path, progress=False)
    return tmp_path


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache for models, in which everything is trained in this process."""
    def one_after_another(jobs):
        for job in jobs:
            pretrained.train_and_save(*job, progress=False)

    monkeypatch.setattr(pretrained, "train_side_by_side", one_after_another)
    monkeypatch.setenv("CONVAE_DATA", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


def not_trained(*args):
    pytest.fail("this should not be trained")


# Saved and loaded

def test_a_saved_model_comes_back_the_same(saved, mnist):
    expected = training.train(TINY, mnist[True][0], progress=False).model.state_dict()
    model = pretrained.load(saved, "conv_vae_2d")
    assert list(model.state_dict()) == list(expected)
    assert all(torch.equal(t, expected[name]) for name, t in model.state_dict().items())
    assert not model.training


def test_the_card_says_all_there_is_to_know(saved, mnist):
    card = json.loads((saved / "conv_vae_2d.json").read_text())
    content = (saved / "conv_vae_2d.safetensors").read_bytes()
    model = pretrained.load(saved, "conv_vae_2d")
    assert card["name"] == TINY.name
    assert Recipe.from_dict(card["recipe"]) == TINY
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["parameters"] == sum(p.numel() for p in model.parameters())
    assert card["data_md5"] == MD5
    assert card["versions"]["torch"] == torch.__version__
    assert len(card["training_loss_by_epoch"]) == TINY.epochs
    assert card["test"] == pytest.approx(evaluate(model, TINY, mnist[False][0]), abs=1e-4)
    assert model.card == card


def test_saving_leaves_two_files_and_returns_the_cards_path(few, tmp_path):
    path = pretrained.train_and_save(TINY, tmp_path / "new" / "folder", "other_name",
                                     progress=False)
    assert path == tmp_path / "new" / "folder" / "other_name.json"
    assert sorted(p.name for p in path.parent.iterdir()) == ["other_name.json",
                                                             "other_name.safetensors"]


def test_training_twice_writes_the_same_bytes(few, tmp_path):
    first, second = (pretrained.train_and_save(TINY, tmp_path / folder, progress=False)
                     for folder in "ab")
    assert first.read_bytes() == second.read_bytes()
    weights = [path.with_suffix(".safetensors").read_bytes() for path in (first, second)]
    assert weights[0] == weights[1]


def test_loading_leaves_the_callers_generator_alone(saved):
    before = torch.get_rng_state()
    pretrained.load(saved, "conv_vae_2d")
    assert torch.equal(torch.get_rng_state(), before)


# Damaged

@pytest.mark.parametrize("position", [0, 200, -1])
def test_a_changed_byte_is_refused_with_the_file_and_the_remedy(saved, position):
    path = saved / "conv_vae_2d.safetensors"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError,
                       match=r"safetensors have SHA-256 .*card says .*delete both files"):
        pretrained.load(saved, "conv_vae_2d")


def test_a_changed_byte_in_shipped_weights_is_refused_with_a_way_to_restore_them(monkeypatch,
                                                                                 tmp_path):
    for suffix in (".json", ".safetensors"):
        shutil.copy(pretrained.weights_dir() / f"conv_ae_2d{suffix}", tmp_path)
    monkeypatch.setenv("CONVAE_WEIGHTS", str(tmp_path))
    assert load_pretrained("conv_ae_2d").latent_dim == 2
    path = tmp_path / "conv_ae_2d.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError,
                       match=r"safetensors have .*git checkout.*python -m convae reproduce"):
        load_pretrained("conv_ae_2d")


@pytest.mark.parametrize(("suffix", "what"), [(".json", "card"), (".safetensors", "weights")])
def test_a_missing_file_is_named(saved, suffix, what):
    (saved / f"conv_vae_2d{suffix}").unlink()
    with pytest.raises(ValueError,
                       match=rf"^{what} .*conv_vae_2d\{suffix} cannot be read: No such file"):
        pretrained.load(saved, "conv_vae_2d")


@pytest.mark.parametrize(("content", "what"), [
    (b"", "is not JSON"), (b'{"name": ', "is not JSON"), (b"\xff\xfe", "is not JSON"),
    (b"[]", "has no name, recipe or sha256"),
    (b'{"name": "conv_vae_2d"}', "has no name, recipe or sha256"),
], ids=["empty", "cut", "binary", "list", "incomplete"])
def test_a_card_that_is_none_is_refused_with_its_path(saved, content, what):
    (saved / "conv_vae_2d.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"^card .*conv_vae_2d\.json {what}"):
        pretrained.load(saved, "conv_vae_2d")


def test_a_card_with_a_wrong_recipe_is_refused_by_the_field(saved):
    path = saved / "conv_vae_2d.json"
    card = json.loads(path.read_text())
    card["recipe"]["epochs"] = 0
    path.write_text(json.dumps(card))
    with pytest.raises(ValueError, match="epochs must be a whole number"):
        pretrained.load(saved, "conv_vae_2d")


@pytest.mark.parametrize("use", [load_pretrained, pretrained.load_card, pretrained.shipped_recipe])
@pytest.mark.parametrize("name", ["conv_vae_5d", "", "../classifier", None])
def test_an_unknown_name_is_refused_with_the_known_ones(use, name):
    with pytest.raises(ValueError) as caught:
        use(name)
    names = ", ".join(pretrained.SHIPPED)
    assert f"{name!r} is shipped; the names are {names}" in str(caught.value)


# Trained on the way

def test_a_model_is_trained_once_and_then_read_from_the_cache(few, cache, monkeypatch):
    first, = load_or_train(TINY)
    name = f"conv_vae_2d-{TINY.key}"
    assert sorted(p.name for p in cache.iterdir()) == [f"{name}.json", f"{name}.safetensors"]
    monkeypatch.setattr(pretrained, "train_side_by_side", not_trained)
    second, = load_or_train(TINY)
    assert all(torch.equal(a, b)
               for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_models_come_in_the_order_asked_for_and_only_missing_ones_are_trained(few, cache,
                                                                              monkeypatch):
    load_or_train(TINY)
    train_side_by_side, trained = pretrained.train_side_by_side, []
    monkeypatch.setattr(pretrained, "train_side_by_side",
                        lambda jobs: (trained.extend(jobs), train_side_by_side(jobs)))
    other = attrs.evolve(TINY, seed=1)
    third = attrs.evolve(TINY, model="ae", latent_dim=3)
    models = load_or_train(third, TINY, other)
    assert [Recipe.from_dict(m.card["recipe"]) for m in models] == [third, TINY, other]
    assert [job[0] for job in trained] == [third, other]


def test_the_shipped_recipe_is_not_trained(cache, monkeypatch):
    monkeypatch.setattr(pretrained, "train_side_by_side", not_trained)
    model, = load_or_train(Recipe.from_name("conv_vae_2d"))
    assert model.card == pretrained.load_card("conv_vae_2d")


def test_a_missing_model_is_trained_on_all_of_mnist_in_a_process_of_its_own(monkeypatch, tmp_path):
    # The real thing, in seconds: one epoch of the smallest network. That any process gives the same
    # bytes is shown in test_training.py.
    recipe = Recipe.from_name("dense_ae_2d", hidden=2, epochs=1, batch_size=2_000)
    monkeypatch.setattr(pretrained, "cache_dir", lambda: tmp_path)
    model, = load_or_train(recipe)
    assert Recipe.from_dict(model.card["recipe"]) == recipe
    measured = evaluate(model, recipe, load_mnist(train=False)[0])
    assert measured == pytest.approx(model.card["test"], rel=0, abs=1e-3)


def test_an_interruption_before_the_card_leaves_a_model_that_does_not_count(few, cache,
                                                                            monkeypatch):
    write = pretrained.write_atomically

    def interrupted(path, content):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(pretrained, "write_atomically", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load_or_train(TINY)
    assert [p.suffix for p in cache.iterdir()] == [".safetensors"]
    model, = load_or_train(TINY)
    assert Recipe.from_dict(model.card["recipe"]) == TINY


def test_an_interruption_in_training_leaves_no_file(few, cache, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.Tensor, "backward", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_or_train(TINY)
    assert not cache.exists() or list(cache.iterdir()) == []


def test_reproducing_skips_what_an_interrupted_run_has_finished_and_nothing_else(monkeypatch,
                                                                                 tmp_path):
    trained = []
    monkeypatch.setattr(pretrained, "train_side_by_side", trained.extend)
    for name in ("conv_ae_2d", "conv_ae_3d", "classifier"):
        shutil.copy(pretrained.weights_dir() / f"{name}.json", tmp_path)
    card = json.loads((tmp_path / "conv_ae_3d.json").read_text())
    card["recipe"]["seed"] = 1
    (tmp_path / "conv_ae_3d.json").write_text(json.dumps(card))  # of an older, other recipe
    pretrained.train_shipped(tmp_path)
    assert [job[2] for job in trained] == ["conv_ae_3d", "conv_ae_64d", "conv_vae_2d",
                                           "conv_vae_3d", "conv_vae_64d"]
    assert all(job == (pretrained.shipped_recipe(job[2]), tmp_path, job[2]) for job in trained)


# Shipped

@pytest.fixture(scope="module")
def unseen():
    return load_mnist(train=False)


@pytest.mark.parametrize("name", pretrained.SHIPPED)
def test_shipped_weights_are_what_their_card_says(name):
    card, model = pretrained.load_card(name), load_pretrained(name)
    content = (pretrained.weights_dir() / f"{name}.safetensors").read_bytes()
    assert card["name"] == name
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["recipe"] == pretrained.shipped_recipe(name).to_dict()
    assert card["parameters"] == sum(p.numel() for p in model.parameters())
    assert card["data_md5"] == MD5
    assert len(card["training_loss_by_epoch"]) == card["recipe"]["epochs"]
    assert set(card["versions"]) == {"python", "torch"}
    assert not model.training
    assert all(t.isfinite().all() for t in model.state_dict().values())


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_models_test_loss_is_the_one_in_its_card(name, unseen):
    measured = evaluate(load_pretrained(name), pretrained.shipped_recipe(name), unseen[0])
    assert measured == pytest.approx(pretrained.load_card(name)["test"], rel=0, abs=1e-3)


def test_a_shipped_model_with_more_latent_variables_reconstructs_better():
    for model in ("ae", "vae"):
        errors = [pretrained.load_card(f"conv_{model}_{d}d")["test"]["difference"]
                  for d in (2, 3, 64)]
        assert errors == sorted(errors, reverse=True)


def test_the_shipped_judge_reads_99_2_percent_of_the_unseen_digits_as_its_card_says(unseen):
    card, model = pretrained.load_card("classifier"), load_pretrained("classifier")
    assert isinstance(pretrained.shipped_recipe("classifier"), ClassifierRecipe)
    assert card["test"]["accuracy"] >= 0.992
    assert accuracy(model, *unseen) == pytest.approx(card["test"]["accuracy"], abs=1e-9)


def test_a_place_for_other_weights_can_be_given(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVAE_WEIGHTS", str(tmp_path))
    assert pretrained.weights_dir() == tmp_path
    with pytest.raises(ValueError, match=r"^card .*conv_ae_2d\.json cannot be read"):
        load_pretrained("conv_ae_2d")
    monkeypatch.setenv("CONVAE_WEIGHTS", "")
    assert (pretrained.weights_dir() / "conv_ae_2d.json").exists()
    assert cache_dir() != pretrained.weights_dir()
