"""Companion to a paper on convolutional (variational) autoencoders: clustering, correction, anomaly
detection.

The public names below are imported when first used, so that ``import convae`` costs nothing and
works before torch is installed.
"""

import importlib

_MODULE_OF = {
    "ConvAE": "models", "ConvVAE": "models", "DenseAE": "dense", "DenseVAE": "dense", "Output": "models",
    "difference": "losses", "discrete_kl": "losses", "kl_to_standard_normal": "losses", "loss": "losses",
    "load_mnist": "data",
    "Recipe": "recipes",
    "train": "training",
    "load_pretrained": "pretrained", "load_or_train": "pretrained",
}
__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"convae.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'convae' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
