"""The GPU's benchmark, without a GPU: its arithmetic, and the page against its results."""

import json

import pytest
import torch

from benchmarks import gpu, quality
from convae import Recipe, load_mnist

FIRST, SECOND, *OTHERS = quality.SETTINGS


def made_up(setting=FIRST):
    """One model in 6 to 10 s, 60 in 20 s; losses 30, 31, ... and a target of 32."""
    def run(seconds, losses):
        return {"seconds": seconds, "peak_memory_gib": seconds / 10, "losses": losses}

    return {
        "recipe": Recipe.from_dict(quality.SETTINGS[setting]).to_dict(),
        "target_loss": 32.0,
        "ways": {
            "train": [run(25.0, [31.0])],
            "one": [run(6.0 + i, [30.0 + i]) for i in range(5)],
            "many": [run(20.0, [30.0 + i for i in range(60)])],
        },
    }


def results(**settings):
    machine = {"gpu": "A Fast One", "memory_gib": 80.0, "torch": "2.11.0"}
    return {"machine": machine, "settings": settings}


def test_the_table_has_medians_ranges_rates_and_seeds_that_reach_the_target():
    lines = "\n".join(gpu.table({FIRST: made_up()}))
    epochs = made_up()["recipe"]["epochs"]
    assert "seconds | 8.0 (6.0 – 10.0) |" in lines
    assert "seconds | 25.0 |" in lines
    assert "test loss | 32.00 (30.00 – 34.00) |" in lines
    assert "reach the target | 3 of 5 |" in lines and "reach the target | 3 of 60 |" in lines
    assert f"images a second | {epochs * 60_000 / 8:,.0f} |" in lines
    assert f"images a second | {60 * epochs * 60_000 / 20:,.0f} |" in lines
    assert "memory of the GPU | 1.0 GiB |" in lines


def test_the_page_says_what_is_missing_and_what_was_another_recipe():
    changed = made_up(SECOND)
    changed["recipe"]["learning_rate"] = 0.5
    text = "\n".join(gpu.report(results(**{FIRST: made_up(), SECOND: changed})))
    assert f"The recipe has changed since: {SECOND}." in text
    assert f"Not measured: {', '.join(OTHERS)}." in text
    assert "A Fast One (80 GiB; torch 2.11.0)" in text


def test_a_page_without_results_says_that_this_was_not_run():
    assert list(gpu.report(None)) == ["This has not been run: no GPU was at hand."]


def test_the_page_has_the_committed_results():
    committed = json.loads(gpu.RESULTS.read_text()) if gpu.RESULTS.exists() else None
    assert gpu.page_changes(committed) == {}


def test_a_machine_without_a_gpu_gets_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"\Abenchmarks.gpu needs a GPU .*\Z"):
        gpu.main()


@pytest.mark.parametrize("way, seeds", [("train", [0]), ("one", [1]), ("many", [0, 1])])
def test_a_run_gives_a_loss_for_each_seed(way, seeds, monkeypatch):
    images, labels = (part[:64].clone() for part in load_mnist(train=True))
    for place in ("convae", "convae.training", "benchmarks.stacked"):
        monkeypatch.setattr(f"{place}.load_mnist", lambda train: (images, labels))
    recipe = Recipe.from_name("conv_vae_2d", epochs=1, batch_size=32)
    found = gpu.measure_run(way, gpu.with_seeds(recipe, seeds), device="cpu")
    assert found["seconds"] > 0
    assert len(set(found["losses"])) == len(seeds)
    assert all(100 < loss < 1000 for loss in found["losses"])  # of models hardly trained


def test_settings_are_measured_while_time_suffices(monkeypatch):
    monkeypatch.setattr(gpu, "measure_run", lambda way, recipes, device: len(recipes))
    expected = iter([50.0, 1e6])
    monkeypatch.setattr(gpu, "expected_seconds", lambda recipe, device: next(expected))
    found = gpu.measure(device="cpu", limit=100)
    assert list(found) == [FIRST, SECOND]
    assert found[FIRST]["ways"] == {"train": [1], "one": [1] * 5, "many": [60]}


def test_what_a_setting_takes_is_expected_from_steps_free_of_the_set_up(monkeypatch):
    clock = iter([0.0, 3.0, 10.0, 17.0])  # 1 s of set-up, and 0.1 s a step
    monkeypatch.setattr(gpu.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(gpu, "train_together", lambda recipes, images, device: None)
    recipe = Recipe.from_name("conv_vae_2d", epochs=10, batch_size=60)
    assert gpu.expected_seconds(recipe, "cuda") == pytest.approx(4 * 0.1 * 10 * 1000)
