"""Defects of large images are measured as they should be."""

from convae.anomaly import views
from convae.anomaly.study import large_images


def test_clear_stain_is_found_and_located(monkeypatch):
    monkeypatch.setattr(views, "TILES", 500)
    stains = ("faint stain", "clear stain")
    record = large_images.run("studs", 1, normal=16, unseen=5, chosen=stains, epochs=2)
    assert tuple(record["defects"]) == stains
    faint, clear = record["defects"].values()
    assert list(clear["image_auroc"]) == [
        "squared_error", "gaussian_averaged", "gaussian_in_place", "combined"]
    assert clear["image_auroc"]["combined"] > 0.9 and clear["pixel_auroc"] > 0.7
    assert clear["region_overlap"] > 0.2
    assert faint["image_auroc"]["combined"] <= clear["image_auroc"]["combined"]
