"""From measurements to ratios, and from ratios to the README's table."""

import numpy as np

from benchmarks.peers import BATCH_SIZE
from benchmarks.quality import PLAIN_EPOCHS, SETTINGS
from benchmarks.speed import IMAGES, MANY, MANY_EPOCHS, operations
from convae.recipes import Recipe
from convae.reproduce import readme

NAMES = {
    "plain": "plain PyTorch loop",
    "in_memory": "the same, data in memory",
    "pythae": "pythae",
    "lightning": "Lightning",
    "convae": "**convae**",
}
METRICS = {
    "neighbour_accuracy": "1-NN score",
    "misrecognised": "misrecognised",
    "extent": "width of the central 98 %",
}


def summarise(rounds: list[dict], runs: dict) -> dict:
    """Everything that the table, the chart and the README show, with medians and the range over
    rounds or seeds."""
    return {
        "protocol": {
            "plain_epochs": PLAIN_EPOCHS,
            "batch_size": BATCH_SIZE,
            "rounds": len(rounds),
            "seeds": len(next(iter(runs.values()))["plain"]),
        },
        "settings": {setting: _setting(setting, rounds, runs[setting]) for setting in SETTINGS},
        "throughput": _throughput(rounds),
        "many": _many(rounds),
        "memory": _memory(rounds),
    }


def _setting(setting, rounds, runs) -> dict:
    recipe = Recipe.from_dict(SETTINGS[setting])
    curves = np.array([run["losses"] for run in runs["plain"]])
    target, epochs = curves.min(1), 1 + curves.argmin(1)
    reached = np.array([run["losses"][-1] for run in runs["convae"]])

    def to_quality(measured, peer):
        seconds = measured["peers"][setting][peer]["seconds"]
        return seconds[0] if peer == "convae" else seconds[0] + (np.median(epochs) - 1) * seconds[1]

    peers = {}
    for peer in rounds[0]["peers"][setting]:
        runs_of_peer = [r["peers"][setting][peer] for r in rounds]
        peers[peer] = {
            "seconds_to_quality": _range([to_quality(r, peer) for r in rounds]),
            "times_as_long_as_convae": _range(
                [to_quality(r, peer) / to_quality(r, "convae") for r in rounds]
            ),
        }
        if peer != "convae":  # the first epoch has the set-up in it
            peers[peer] |= {
                "first_epoch_seconds": _range([run["seconds"][0] for run in runs_of_peer]),
                "epoch_seconds": _range([run["seconds"][1] for run in runs_of_peer]),
                "loss_after_two_epochs": _range([run["losses"][1] for run in runs_of_peer]),
            }
    return {
        "target_loss": _range(target),
        "epochs_to_target": _range(epochs),
        "convae_loss": _range(reached),
        "seeds_that_reach_the_median_target": int((reached <= np.median(target)).sum()),
        "convae_recipe": recipe.key,
        "convae_epochs": recipe.epochs,
        "curve": np.median(curves, 0).round(3).tolist(),
        "peers": peers,
        "metrics": {
            name: {way: _range([run[name] for run in runs[way]]) for way in runs}
            for name in METRICS
        },
    }


def _throughput(rounds) -> dict:
    setting = next(iter(SETTINGS))
    recipe = Recipe.from_dict(SETTINGS[setting])
    epochs = {"plain": 1, "convae": recipe.epochs}
    rates = {
        peer: [
            epochs[peer]
            * IMAGES
            / r["peers"][setting][peer]["seconds"][0 if peer == "convae" else 1]
            for r in rounds
        ]
        for peer in epochs
    }
    flops = operations(recipe)
    peaks = [r["peak"] for r in rounds]
    many = [MANY * MANY_EPOCHS * IMAGES / r["many"]["side by side"] for r in rounds]
    return {
        "operations_per_image": flops,
        "images_per_second": {peer: _range(values) for peer, values in rates.items()},
        "convae_over_plain": _range(
            [c / p for c, p in zip(rates["convae"], rates["plain"], strict=True)]
        ),
        "peak_of_convolutions": _range([p["convolutions"] for p in peaks]),
        "peak_of_matrix_product": _range([p["matrix product"] for p in peaks]),
        "share_of_peak": {
            "one model": _range(
                [flops * c / p["convolutions"] for c, p in zip(rates["convae"], peaks, strict=True)]
            ),
            "many models": _range(
                [flops * m / p["convolutions"] for m, p in zip(many, peaks, strict=True)]
            ),
        },
        "passes": {
            name: [
                float(np.median(rates))
                for rates in zip(*(r["passes"][name] for r in rounds), strict=True)
            ]
            for name in rounds[0]["passes"]
        },
    }


def _many(rounds) -> dict:
    """How many times less time models take side by side than one after another."""
    ways = {way: [r["many"][way] for r in rounds] for way in rounds[0]["many"]}
    return {
        "models": MANY,
        "seconds": {way: _range(seconds) for way, seconds in ways.items()},
        "gain": {
            way: _range([a / b for a, b in zip(seconds, ways["side by side"], strict=True)])
            for way, seconds in ways.items()
            if way != "side by side"
        },
    }


def _memory(rounds) -> dict:
    """The most that each peer ever had, in MiB."""
    found = [
        (peer, one["peak_memory_mib"])
        for r in rounds
        for peers in r["peers"].values()
        for peer, one in peers.items()
    ]
    return {peer: max(mib for name, mib in found if name == peer) for peer in NAMES}


def _range(values) -> dict:
    return {
        "median": round(float(np.median(values)), 4),
        "low": round(float(np.min(values)), 4),
        "high": round(float(np.max(values)), 4),
    }


def table(results: dict):
    """The lines of the README's table."""
    settings = results["settings"].values()

    def row(title, cells):
        return f"| {title} | {' | '.join(cells)} |"

    yield row("", results["settings"])
    yield "|---|" + "---|" * len(settings)
    for peer, name in NAMES.items():
        yield row(
            name, (_cell(s["peers"][peer], peer) if peer in s["peers"] else "–" for s in settings)
        )
    yield row(
        "epochs: plain loop to its best, convae",
        (f"{_text(s['epochs_to_target'], 0)}, {s['convae_epochs']}" for s in settings),
    )
    yield row(
        "test loss: plain loop at its best, convae",
        (f"{_text(s['target_loss'], 2)}, {_text(s['convae_loss'], 2)}" for s in settings),
    )
    yield row(
        "seeds of convae that reach the plain loop's median",
        (
            f"{s['seeds_that_reach_the_median_target']} of {results['protocol']['seeds']}"
            for s in settings
        ),
    )
    for metric, name in METRICS.items():
        digits = 2 if metric == "extent" else 3
        yield row(
            f"{name}: plain loop after its last epoch, convae",
            (
                f"{_text(s['metrics'][metric]['plain'], digits)}, "
                f"{_text(s['metrics'][metric]['convae'], digits)}"
                for s in settings
            ),
        )


def _cell(peer, name):
    seconds = _text(peer["seconds_to_quality"], 0)
    return (
        f"{seconds} s"
        if name == "convae"
        else f"{seconds} s: {_text(peer['times_as_long_as_convae'], 1)} ×"
    )


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
    rates, share = throughput["images_per_second"], throughput["share_of_peak"]
    yield (
        "The seconds to the best test loss of the loop in PyTorch's tutorials (Adam at 1e-3, "
        "batch "
        f"{protocol['batch_size']}, {protocol['plain_epochs']} epochs), on "
        f"{results['machine']['cores']} cores; behind the "
        "colon, how many times as long as convae. Medians, with the range over "
        f"{protocol['rounds']} rounds (times) or "
        f"{protocol['seeds']} seeds (the rest).\n"
    )
    yield from table(results)
    yield ""
    yield (
        f"- **One model:** convae trains {_text(rates['convae'], 0)} images a second, "
        f"{_text(throughput['convae_over_plain'], 1)} times as many as the plain loop. At "
        f"{throughput['operations_per_image'] / 1e6:.2f} million floating-point operations an "
        "image that is "
        f"{_percent(share['one model'])} of what oneDNN's forward convolutions of these shapes "
        "reach, "
        f"{_billions([throughput['peak_of_convolutions']['median']])} billion a second (a large "
        "matrix product: "
        f"{_billions([throughput['peak_of_matrix_product']['median']])})."
    )
    yield (
        f"- **Many models:** {many['models']}, one a core side by side, take "
        f"{_text(many['gain']['one after another, all cores'], 2)} times less time than one after "
        "another on all cores, "
        f"{_text(many['gain']['one after another, one core'], 2)} times less than on one core, and "
        "reach "
        f"{_percent(share['many models'])} of that rate. Each comes out as if trained alone on one "
        "core."
    )
    passes = throughput["passes"]
    yield (
        "- **Why:** on one core, PyTorch's forward convolutions of the paper's shapes reach "
        f"{_billions(passes['forward'])} "
        "billion operations a second, its transposed ones "
        f"{_billions(passes['transposed, PyTorch'])}, convae's transposed "
        f"ones {_billions(passes['transposed, convae'])} (layers 2, 3, 4)."
    )
    yield f"- **Memory:** at most {results['memory']['convae'] / 1024:.1f} GiB."


def _billions(rates):
    return ", ".join(f"{rate / 1e9:.0f}" if rate >= 3e9 else f"{rate / 1e9:.1f}" for rate in rates)


def _percent(value):
    return f"{100 * value['median']:.0f} % ({100 * value['low']:.0f} – {100 * value['high']:.0f})"
