"""Published figures to stand beside ours, each with where it was read.

All are areas under the ROC curve in per cent, digits 0 to 9, for MNIST with one digit normal and
all 10,000 test images scored, unless said otherwise. ``read`` means in the paper or in the authors'
logs; ``quoted``, in another paper only; ``unchecked``, as it is commonly quoted: no source could be
opened.
"""

PUBLISHED = {
    "one_class": [
        {"method": "Convolutional autoencoder (DCAE)", "source": "Ruff et al. 2018, Deep One-Class Classification, Table 1",
         "mean": 89.7, "checked": "unchecked", "autoencoder": True},
        {"method": "Deep SVDD", "source": "Ruff et al. 2018, Table 1", "mean": 94.8, "autoencoder": False,
         "by_class": [98.0, 99.7, 91.7, 91.9, 94.9, 88.5, 98.3, 94.6, 93.9, 96.5],
         "checked": "quoted: Perera et al. 2019, Table 2"},
        {"method": "VAE", "source": "Perera et al. 2019, OCGAN, Table 2", "mean": 97.0, "autoencoder": True,
         "by_class": [99.7, 99.9, 93.6, 95.9, 97.3, 96.4, 99.3, 97.6, 92.3, 97.6], "checked": "quoted: not said who ran it"},
        {"method": "LSA", "source": "Abati et al. 2019, Latent Space Autoregression, table on MNIST", "mean": 97.5,
         "checked": "unchecked", "autoencoder": True},
        {"method": "OCGAN", "source": "Perera et al. 2019, Table 2", "mean": 97.5, "autoencoder": True,
         "by_class": [99.8, 99.9, 94.2, 96.3, 97.5, 98.0, 99.1, 98.1, 93.9, 98.1], "checked": "read"},
        {"method": "ARAE", "source": "Salehi et al. 2020, the authors' logs, last epoch", "mean": 97.57, "autoencoder": True,
         "by_class": [99.09, 98.79, 95.33, 97.07, 97.79, 98.19, 99.21, 97.20, 95.90, 97.16],
         "checked": "read: rohban-lab/Salehi_submitted_2020; the best test epoch of each digit would give 98.3"},
        {"method": "GeoTrans", "source": "Cheng et al. 2020, of the method of Golan & El-Yaniv 2018", "mean": 98.0,
         "autoencoder": False,
         "by_class": [98.2, 91.6, 99.4, 99.0, 99.1, 99.6, 99.9, 96.3, 97.2, 99.2],
         "checked": "quoted: Adversarial Generative Anomaly Detection (AGAD)"},
        {"method": "ARNet", "source": "Ye et al. 2022, Attribute Restoration Framework", "mean": 98.3, "autoencoder": False,
         "by_class": [98.6, 99.9, 99.0, 99.1, 98.1, 98.1, 99.7, 99.0, 93.6, 97.8], "checked": "quoted: AGAD"},
    ],
    "one_class_fashion": [
        {"method": "GeoTrans", "source": "Golan & El-Yaniv 2018", "mean": 93.5, "autoencoder": False,
         "by_class": [99.4, 97.6, 91.1, 89.9, 92.1, 93.4, 83.3, 98.9, 90.8, 99.2], "checked": "quoted: AGAD"},
        {"method": "ARNet", "source": "Ye et al. 2022", "mean": 93.9, "autoencoder": False,
         "by_class": [92.7, 99.3, 89.1, 93.6, 90.8, 93.1, 85.0, 98.4, 97.8, 98.4], "checked": "quoted: AGAD"},
    ],
    "rest": [  # one digit anomalous; tested with about 6,000 more images of it, from the training half
        {"method": "VAE, 2-D, evidence lower bound", "source": "Tonnaer's thesis, Table 3.3", "checked": "read", "mean": 85.5,
         "by_class": [96, 73, 97, 94, 73, 92, 95, 77, 92, 66], "autoencoder": True},
        {"method": "VAE, 32-D, evidence lower bound", "source": "Tonnaer's thesis, Table 3.3", "checked": "read", "mean": 71.8,
         "by_class": [81, 9, 92, 87, 78, 86, 87, 51, 89, 58], "autoencoder": True},
    ],
}
