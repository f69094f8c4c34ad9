"""Constants of the detector that records depend on, for the keys of their tasks."""

from convae.anomaly import detector, gaussian, register, tiles, views
from convae.recipes import ConvRecipe


def detector_constants() -> list:
    """All that decides on the scores of 28 × 28 images beside :meth:`Detector.fit`'s arguments."""
    return [detector.FLOOR, detector.AXES, detector.NEIGHBOURS, detector.MEMORY, detector.SEEN,
            detector.EPOCHS, detector.BLUR, detector.USUAL, ConvRecipe("vae", 16).to_dict()]


def large_image_constants() -> list:
    """All that decides on the scores of larger images."""
    of_template = [register.REACH, register.ROUNDS, register.APART, register.AGREE,
                   register.SMALLEST]
    of_views = [views.TILES, views.REFERENCES, views.PIXELS, views.FEWEST, views.SMALLEST]
    return [detector_constants(), gaussian.FLOOR, tiles.STRIDE, of_template, of_views]
