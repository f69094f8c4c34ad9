"""From measurements to ratios, and from ratios to the README's table."""

import numpy as np

from benchmarks.peers import BATCH_SIZE
from benchmarks.quality import PLAIN_EPOCHS, SETTINGS
from benchmarks.speed import IMAGES, MANY_EPOCHS, operations
from convae import readme
from convae.recipes import Recipe

NAMES = {"plain": "plain PyTorch loop", "in_memory": "the same, data in memory", "pythae": "pythae", "lightning": "Lightning",
         "convae": "**convae**"}
METRICS = {"neighbour_accuracy": "1-NN score", "misrecognised": "misrecognised", "extent": "width of the central 98 %"}


def summarise(rounds: list[dict], runs: dict) -> dict:
    """Everything that the table, the chart and the README show, with medians and the range over rounds or seeds."""
    return {"protocol": {"plain_epochs": PLAIN_EPOCHS, "batch_size": BATCH_SIZE, "rounds": len(rounds),
                         "seeds": len(next(iter(runs.values()))["plain"])},
            "settings": {setting: _setting(setting, rounds, runs[setting]) for setting in SETTINGS},
            "throughput": _throughput(rounds), "many": _many(rounds), "memory": _memory(rounds)}


def _setting(setting, rounds, runs) -> dict:
    recipe = Recipe(**SETTINGS[setting])
    curves = np.array([run["losses"] for run in runs["plain"]])
    best = curves.min(1)
    target_epochs = 1 + curves.argmin(1)
    reached = np.array([run["losses"][-1] for run in runs["convae"]])
    peers = {}
    for peer in rounds[0]["peers"][setting]:
        seconds = [r["peers"][setting][peer]["seconds"] for r in rounds]
        if peer == "convae":
            total, epoch = [s[0] for s in seconds], [s[0] / recipe.epochs for s in seconds]
        else:  # the first epoch has the set-up in it
            epoch = [s[1] for s in seconds]
            total = [s[0] + (np.median(target_epochs) - 1) * s[1] for s in seconds]
        peers[peer] = {"epoch_seconds": _range(epoch), "seconds_to_quality": _range(total)}
    for peer in peers:
        ratios = [_total(r, setting, peer, target_epochs) / _total(r, setting, "convae", target_epochs) for r in rounds]
        peers[peer]["times_as_long_as_convae"] = _range(ratios)
    return {
        "target_loss": _range(best), "epochs_to_target": _range(target_epochs), "convae_loss": _range(reached),
        "convae_epochs": recipe.epochs, "convae_batch_size": recipe.batch_size,
        "curve": np.median(curves, 0).round(3).tolist(), "peers": peers,
        "metrics": {name: {way: _range([run[name] for run in runs[way]]) for way in runs} for name in METRICS}}


def _total(measured, setting, peer, target_epochs):
    seconds = measured["peers"][setting][peer]["seconds"]
    return seconds[0] if peer == "convae" else seconds[0] + (np.median(target_epochs) - 1) * seconds[1]


def _throughput(rounds) -> dict:
    setting = next(iter(SETTINGS))
    recipe = Recipe(**SETTINGS[setting])
    epochs = {"plain": 1, "convae": recipe.epochs}
    rates = {peer: [epochs[peer] * IMAGES / r["peers"][setting][peer]["seconds"][0 if peer == "convae" else 1] for r in rounds]
             for peer in epochs}
    flops = operations(recipe)
    threads = max(rounds[0]["peak"], key=lambda name: int(name.split()[0]))
    peaks = [r["peak"][threads] for r in rounds]
    many = [2 * MANY_EPOCHS * IMAGES / r["many"]["side by side"] for r in rounds]
    return {
        "operations_per_image": flops,
        "images_per_second": {peer: _range(values) for peer, values in rates.items()},
        "convae_over_plain": _range([c / p for c, p in zip(rates["convae"], rates["plain"], strict=True)]),
        "peak_of_convolutions": _range([p["convolutions"] for p in peaks]),
        "peak_of_matrix_product": _range([p["matrix product"] for p in peaks]),
        "share_of_peak": {
            "one model": _range([flops * c / p["convolutions"] for c, p in zip(rates["convae"], peaks, strict=True)]),
            "two models side by side": _range([flops * m / p["convolutions"] for m, p in zip(many, peaks, strict=True)])}}


def _many(rounds) -> dict:
    after, beside = ([r["many"][way] for r in rounds] for way in ("one after another", "side by side"))
    return {"one after another": _range(after), "side by side": _range(beside),
            "ratio": _range([a / b for a, b in zip(after, beside, strict=True)])}


def _memory(rounds) -> dict:
    peers = next(iter(rounds[0]["peers"].values()))
    return {peer: max(setting[peer]["peak_memory_mib"] for r in rounds for setting in r["peers"].values()) for peer in peers}


def _range(values) -> dict:
    return {"median": round(float(np.median(values)), 4), "low": round(float(np.min(values)), 4),
            "high": round(float(np.max(values)), 4)}


def table(results: dict):
    """The lines of the README's table."""
    settings = results["settings"]
    yield "| to the plain loop's best test loss, with | " + " | ".join(settings) + " |"
    yield "|---|" + "---|" * len(settings)
    for peer, name in NAMES.items():
        cells = [_cell(setting["peers"][peer], peer) for setting in settings.values()]
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield "| test loss: plain loop at its best, convae | " + " | ".join(
        f"{_text(s['target_loss'], 2)}, {_text(s['convae_loss'], 2)}" for s in settings.values()) + " |"
    for metric, name in METRICS.items():
        digits = 2 if metric == "extent" else 3
        yield f"| {name}: plain loop, convae | " + " | ".join(
            f"{_text(s['metrics'][metric]['plain'], digits)}, {_text(s['metrics'][metric]['convae'], digits)}"
            for s in settings.values()) + " |"


def _cell(peer, name):
    seconds = _text(peer["seconds_to_quality"], 0)
    return f"{seconds} s" if name == "convae" else f"{seconds} s: {_text(peer['times_as_long_as_convae'], 1)} ×"


def _text(value, digits):
    return f"{value['median']:.{digits}f} ({value['low']:.{digits}f} – {value['high']:.{digits}f})"


def readme_changes(results: dict) -> dict:
    """The README as it has to be with these results, if that differs from what it is."""
    old = readme.README.read_text(encoding="utf-8")
    new = readme.replace_block(old, "benchmarks/results.json", list(block(results)))
    return {} if new == old else {readme.README: new}


def block(results: dict):
    """What the README says of speed."""
    protocol, throughput, many = results["protocol"], results["throughput"], results["many"]
    first = next(iter(results["settings"].values()))
    rates, share = throughput["images_per_second"], throughput["share_of_peak"]
    yield (f"Time to the test loss that the loop of PyTorch's tutorials reaches at its best (Adam at 1e-3, batch "
           f"{protocol['batch_size']}, {protocol['plain_epochs']} epochs), on {results['machine']['cores']} cores, and how many times as "
           f"long as convae it takes:\n")
    yield from table(results)
    yield ""
    yield (f"Medians, with the range over {protocol['rounds']} rounds (times) and {protocol['seeds']} seeds (losses and metrics) in "
           f"brackets. convae trains {first['convae_epochs']} epochs; the others' losses fall alike, so the epochs to the "
           f"target are the plain loop's. A training step of the 2-D VAE takes {throughput['operations_per_image'] / 1e6:.2f} million "
           f"floating-point operations an image. convae trains {_text(rates['convae'], 0)} images a second, "
           f"{_text(throughput['convae_over_plain'], 1)} times as many as the plain loop; that is "
           f"{_percent(share['one model'])} of the peak, the rate of oneDNN's forward convolutions of these shapes "
           f"({throughput['peak_of_convolutions']['median'] / 1e9:.0f} billion a second). Two models side by side, one a core, reach "
           f"{_percent(share['two models side by side'])} and take {_text(many['ratio'], 2)} times less time than one after another. "
           f"Peak memory: {results['memory']['convae'] / 1024:.1f} GiB.")


def _percent(value):
    return f"{100 * value['median']:.0f} % ({100 * value['low']:.0f} – {100 * value['high']:.0f})"
