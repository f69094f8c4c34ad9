"""The judge: probabilities, accuracy, and a training as reproducible as the autoencoders'."""

import hashlib

import attrs
import pytest
import safetensors.torch
import torch

from convae import load_mnist
from convae.evaluation import classifier
from convae.evaluation.classifier import Classifier, ClassifierRecipe, accuracy, train_classifier

SHORT = ClassifierRecipe(width=4, epochs=3, batch_size=32, seed=2)


@pytest.fixture(scope="module")
def digits():
    images, labels = load_mnist(train=True)
    return images[:512].clone(), labels[:512].clone()


@pytest.fixture
def few(monkeypatch, digits):
    monkeypatch.setattr(classifier, "load_mnist",
                        lambda train: digits if train else pytest.fail("test images"))


def digest(model):
    weights = {name: t.contiguous() for name, t in model.state_dict().items()}
    return hashlib.sha256(safetensors.torch.save(weights)).hexdigest()


def test_probabilities_lie_in_0_to_1_and_add_up_to_1(digits):
    probabilities = Classifier(4).eval().probabilities(digits[0])
    assert probabilities.shape == (512, 10)
    assert (probabilities >= 0).all()
    torch.testing.assert_close(probabilities.sum(1), torch.ones(512))
    assert not probabilities.requires_grad


def test_probabilities_are_the_softmax_of_the_logits_across_parts(digits):
    model, many = Classifier(4).eval(), digits[0]
    with torch.no_grad():
        expected = model(many).softmax(1)
    torch.testing.assert_close(model.probabilities(many), expected)


def test_accuracy_is_the_share_of_labels_read_right(digits):
    model, images = Classifier(4).eval(), digits[0][:10]
    read = model.probabilities(images).argmax(1)
    wrong = torch.where(torch.arange(10) < 3, (read + 1) % 10, read)
    assert accuracy(model, images, read) == 1
    assert accuracy(model, images, wrong) == 0.7


def test_training_is_reproducible_and_leaves_the_callers_generator_alone(few):
    state = torch.get_rng_state()
    first = train_classifier(SHORT, progress=False)
    torch.rand(5)
    second = train_classifier(SHORT, progress=False)
    assert digest(first.model) == digest(second.model)
    assert first.history == second.history
    torch.set_rng_state(state)
    train_classifier(SHORT, progress=False)
    assert torch.equal(torch.get_rng_state(), state)


def test_another_seed_gives_another_classifier(few):
    first, second = (train_classifier(attrs.evolve(SHORT, seed=s), progress=False).model
                     for s in (2, 3))
    assert digest(first) != digest(second)


def test_the_classifier_learns_to_read(few, digits):
    model, history = train_classifier(attrs.evolve(SHORT, epochs=8), progress=False)
    assert len(history) == 8
    assert history[-1] < history[0] / 2
    assert not model.training
    assert accuracy(model, *digits) > 0.8


def test_the_classifiers_recipe_comes_back_from_its_card():
    assert ClassifierRecipe.from_dict(SHORT.to_dict()) == SHORT
    with pytest.raises(TypeError, match="widht"):
        ClassifierRecipe.from_dict({"widht": 3})
