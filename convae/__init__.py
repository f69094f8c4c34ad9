"""Companion to a paper on convolutional autoencoders: clustering, correction, anomaly detection.

The public names are imported when first used: torch takes two seconds, the command line's help none.
"""

import importlib

_MODULES = {
    "models": ("ConvAE", "ConvVAE", "Output"),
    "dense": ("DenseAE", "DenseVAE"),
    "losses": ("cross_entropy", "discrete_kl", "kl_to_standard_normal", "loss", "squared_error"),
    "data": ("load_mnist",),
    "recipes": ("Recipe",),
    "training": ("train",),
    "pretrained": ("load_or_train", "load_pretrained"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name in _MODULE_OF:
        return getattr(importlib.import_module(f"convae.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 'convae' has no attribute {name!r}")
