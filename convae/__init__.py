"""Companion to a paper on convolutional autoencoders: clustering, correction, anomaly detection.

Public names are imported when first used: torch takes two seconds, the command line's help none.
"""

from importlib import import_module

_MODULE_OF = {
    "ConvAE": "models", "ConvVAE": "models", "Output": "models",
    "DenseAE": "dense", "DenseVAE": "dense",
    "cross_entropy": "losses", "discrete_kl": "losses", "kl_to_standard_normal": "losses",
    "loss": "losses", "squared_error": "losses",
    "Recipe": "recipes", "train": "training", "load_mnist": "data",
    "load_or_train": "pretrained", "load_pretrained": "pretrained",
}
__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name in _MODULE_OF:
        return getattr(import_module(f"convae.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'convae' has no attribute {name!r}")
