"""The benchmark's arithmetic, on made-up measurements; and the README against its results."""

import json
import re

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import __main__ as command
from benchmarks import chart, detect, peers, quality, report, scaling, speed
from convae import Recipe, load_mnist, loss
from convae._io import ROOT
from convae.reproduce.readme import replace_block

RESULTS = ROOT / "benchmarks" / "results.json"
EPOCHS = Recipe.from_name("conv_vae_2d").epochs


def made_up(plain=10.0, ours=30.0):
    """Three rounds of measurements, and runs of five seeds.

    Every peer takes `plain` seconds an epoch, and 2 for set-up; convae takes `ours` in all.
    """
    a_peer = {"seconds": [plain + 2, plain], "losses": [50, 45], "peak_memory_mib": 900.0}
    one = dict.fromkeys(peers.PEERS, a_peer)
    one["convae"] = {"seconds": [ours], "losses": [36], "peak_memory_mib": 1000.0}
    few = {peer: one[peer] for peer in speed.IN_EVERY_SETTING}
    first, *others = quality.SETTINGS
    a_round = {
        "peers": {first: one, **dict.fromkeys(others, few)},
        "many": {
            "one after another, all cores": 60.0,
            "one after another, one core": 80.0,
            "side by side": 40.0,
        },
        "peak": {"convolutions": 1e11, "matrix product": 2e11},
        "passes": {
            "forward": [2e10, 9e10],
            "transposed, PyTorch": [1e9, 1e10],
            "transposed, convae": [9e9, 5e10],
        },
    }
    metrics = {"neighbour_accuracy": 0.7, "misrecognised": 0.3, "extent": 4.0}
    of_a_setting = {
        "plain": [{"losses": [40.0, 36.0 + seed, 37.0 + seed], **metrics} for seed in range(5)],
        "convae": [{"losses": [35.0 + seed], **metrics} for seed in range(5)],
    }
    return [a_round] * 3, dict.fromkeys(quality.SETTINGS, of_a_setting)


@pytest.fixture(scope="module")
def summary():
    return {**report.summarise(*made_up()), "machine": {"cores": 2}}


def test_the_target_is_the_plain_loop_at_its_best(summary):
    for setting in summary["settings"].values():
        assert setting["target_loss"] == {"median": 38.0, "low": 36.0, "high": 40.0}
        assert setting["epochs_to_target"]["median"] == 2
        assert setting["convae_loss"]["median"] == 37.0
        assert setting["seeds_that_reach_the_median_target"] == 4  # 35, 36, 37 and 38


def test_time_to_quality_counts_the_set_up_once(summary):
    peer = summary["settings"]["2-D VAE, squared error"]["peers"]["pythae"]
    assert peer["seconds_to_quality"]["median"] == 22.0  # 12 for the first epoch, 10 for the second
    assert (peer["first_epoch_seconds"]["median"], peer["epoch_seconds"]["median"]) == (12.0, 10.0)
    assert peer["times_as_long_as_convae"]["median"] == pytest.approx(22 / 30, abs=1e-4)


def test_throughput_and_its_share_of_the_peak_follow_from_the_seconds(summary):
    throughput = summary["throughput"]
    rate = EPOCHS * 60_000 / 30
    assert throughput["images_per_second"]["plain"]["median"] == 6000
    assert throughput["images_per_second"]["convae"]["median"] == rate
    assert throughput["convae_over_plain"]["median"] == pytest.approx(rate / 6000, abs=1e-4)
    assert throughput["share_of_peak"]["one model"]["median"] == pytest.approx(
        rate * throughput["operations_per_image"] / 1e11, abs=1e-4)
    assert {way: gain["median"] for way, gain in summary["many"]["gain"].items()} == {
        "one after another, all cores": 1.5, "one after another, one core": 2.0}


def test_the_operations_are_those_of_the_layers():
    # multiplications of one image forward: 14²·4·16, 7²·16·64, 3²·64·144, then 576 for each of 2
    # means and 2 deviations; mirrored, with 2 × 576. Two operations each; three passes, of which
    # the first layer needs two.
    first = 14 ** 2 * 4 * 16
    forward = 2 * (first + 7 ** 2 * 16 * 64 + 9 * 64 * 144) + 6 * 576
    assert speed.operations(Recipe.from_name("conv_vae_2d")) == 2 * (3 * forward - first)


def test_the_peak_and_the_passes_are_measured():
    before = torch.get_num_threads()
    assert all(rate > 0 for rate in speed.peak(repeats=2).values())
    assert all(rate > 0 for rates in speed.passes(repeats=2).values() for rate in rates)
    assert torch.get_num_threads() == before


def test_what_was_measured_is_not_measured_again(tmp_path):
    assert speed._once(tmp_path, "a", lambda: {"seconds": 1}) == {"seconds": 1}
    assert speed._once(tmp_path, "a", lambda: pytest.fail("measured again")) == {"seconds": 1}


def test_the_table_has_a_row_for_every_peer_and_a_column_for_every_setting(summary):
    lines = list(report.table(summary))
    assert all(line.count("|") == len(quality.SETTINGS) + 2 for line in lines)
    for name in report.NAMES.values():
        assert sum(line.startswith(f"| {name} |") for line in lines) == 1


def test_the_chart_is_a_picture(summary):
    assert chart.draw(summary).startswith(b"\x89PNG")


def test_the_peers_versions_are_pinned():
    lines = (ROOT / "benchmarks" / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", pin) for pin in pins)


def test_the_readme_has_the_committed_results():
    results = json.loads(RESULTS.read_text())
    assert report.readme_changes(results) == {}
    assert results["settings"].keys() == quality.SETTINGS.keys()


def test_the_committed_results_are_of_the_present_recipe():
    for setting, measured in json.loads(RESULTS.read_text())["settings"].items():
        assert measured["convae_recipe"] == Recipe.from_dict(quality.SETTINGS[setting]).key


def test_the_other_peers_losses_fall_as_the_plain_loops():
    for measured in json.loads(RESULTS.read_text())["settings"].values():
        of_the_plain_loop = pytest.approx(measured["curve"][1], rel=0.03)
        for peer, numbers in measured["peers"].items():
            if peer != "convae":
                assert numbers["loss_after_two_epochs"]["median"] == of_the_plain_loop, peer


def test_every_loss_in_the_table_of_what_was_tried_is_on_record():
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    table = text[text.index("| tried | found |"):text.index("The share of 0.5 was taken")]
    record = json.loads((ROOT / "benchmarks" / "tried.json").read_text())
    names = ("held_out_loss", "best_held_out_loss")
    losses = {run[name] for run in record for name in names if name in run}
    quoted = [float(number) for number in re.findall(r"\b\d\d\.\d{2,3}\b", table)]
    assert len(quoted) > 20
    assert set(quoted) <= losses
    widths = {run.get("width_of_central_98_percent") for run in record}
    assert {5.32, 9.61, 13.82, 6.41, 13.33, 4.94} <= widths


@pytest.mark.parametrize("peer", ["plain", "in_memory", "convae"])
def test_a_peer_trains_and_shows_its_model(peer, monkeypatch):
    images, labels = (part[:512].clone() for part in load_mnist(train=True))
    for place in ("convae.load_mnist", "convae.training.load_mnist"):
        monkeypatch.setattr(place, lambda train: (images, labels))
    data = TensorDataset(images, labels)
    monkeypatch.setattr(peers, "_loader", lambda: DataLoader(data, peers.BATCH_SIZE))
    recipe, seen = Recipe.from_name("conv_vae_2d", epochs=2), []

    def see(model):
        seen.append(loss(model.train()(images), images).item())

    torch.manual_seed(recipe.seed)
    before = loss(recipe.build()(images), images).item()
    torch.manual_seed(recipe.seed)  # every peer starts from these weights
    peers.PEERS[peer](recipe, 2, see)
    assert len(seen) == (1 if peer == "convae" else 2)
    assert seen[-1] < before - 5


def test_the_tutorials_loader_gives_mnist_in_batches():
    x, y = next(iter(peers._loader()))
    assert x.shape == (peers.BATCH_SIZE, 1, 28, 28) and y.shape == (peers.BATCH_SIZE,)
    assert 0 <= x.min() < x.max() == 1


def test_the_benchmark_without_the_peers_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="the peers are not installed .*`make bench`"):
        command.main()


def test_what_many_machines_would_do_is_reckoned_from_what_was_measured():
    found = {
        "overhead": [0.01, 0.02, 0.03],
        "workers": {"1": [90.0, 100.0, 110.0], "2": [50.0, 50.0, 60.0]},
    }
    result = scaling.summarise(found, [40.0, 60.0])
    assert result["overhead_seconds"] == 0.02
    assert result["two_workers_times_as_fast"] == 2.0
    assert result["seconds_a_task"] == 50.0
    assert result["machines_that_one_scheduler_keeps_busy"] == 2_500
    # AEs have no KL weight, dense models no normalised layers; ten seeds
    tasks = (4 * 432 - 288 + 3 * 144 - 96) * 10
    assert result["tasks_of_every_combination"] == tasks
    assert result["days_on_two_cores"] == pytest.approx(tasks * 25 / 86_400)
    # a thousand machines, which the scheduler can feed
    assert result["minutes_on_many"] == pytest.approx(tasks * 0.05 / 60)
    texts = "20 ms a task", "2.00 times less", f"{tasks:,} different models"
    assert all(text in " ".join(scaling.report(result)) for text in texts)


def test_scoring_is_counted_once_it_runs():
    made_up = {
        "1000": [{"seconds": 3.0, "peak_mib": 500.0}] * 3,
        "10000": [{"seconds": 9.0, "peak_mib": 505.0}] * 3,
        "100000": [{"seconds": 69.0, "peak_mib": 520.0}],
    }
    text = " ".join(detect.report({"cores": 2, "files": made_up}))
    assert "1,500 PNG files" in text and "100,000 in 69 s" in text
    assert "500 MiB for 1,000 files and at 520 MiB" in text


def test_the_page_on_anomalies_says_what_was_measured():
    page = detect.PAGE.read_text(encoding="utf-8")
    found = json.loads((detect.HERE / "detect.json").read_text(encoding="utf-8"))
    assert replace_block(page, "benchmarks/detect.json", detect.report(found)) == page
