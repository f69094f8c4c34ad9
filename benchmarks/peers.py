"""Ways to train one and the same model: convae's, and those that others use.

Each peer trains PyTorch's own layers, as everyone has them, with Adam at a constant 1e-3 and
batches of 128, on all the cores, and calls `on_epoch` with the model after each epoch.
"""

import logging
import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST

import convae
from convae._io import cache_dir
from convae.data.download import MD5
from convae.evaluation.inference import evaluate
from convae.losses import DIFFERENCES, kl_to_standard_normal, loss
from convae.recipes import Recipe
from convae.training import train

LEARNING_RATE, BATCH_SIZE = 1e-3, 128


def _loader():
    """The tutorials' way: torchvision's MNIST, each image made a tensor when it is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "MNIST" / "raw"  # where torchvision looks
        raw.mkdir(parents=True)
        for name in MD5:
            (raw / name).symlink_to(cache_dir() / name)
        images = MNIST(
            folder, train=True, transform=transforms.ToTensor()
        )  # reads all of them at once
    return DataLoader(images, BATCH_SIZE, shuffle=True)


def plain(recipe: Recipe, epochs: int, on_epoch):
    """The loop of PyTorch's tutorials."""
    loader = _loader()
    _loop(recipe.build(), recipe, epochs, lambda: (x for x, _ in loader), on_epoch)


def in_memory(recipe: Recipe, epochs: int, on_epoch, model: nn.Module | None = None):
    """The same loop with its obvious fix: all images are one tensor in memory."""
    images, _ = convae.load_mnist(train=True)
    _loop(
        model or recipe.build(),
        recipe,
        epochs,
        lambda: (images[b] for b in torch.randperm(len(images)).split(BATCH_SIZE)),
        on_epoch,
    )


def _loop(model, recipe, epochs, batches, on_epoch):
    """The training loop that everyone writes; `batches` gives an epoch's."""
    optimiser = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    for _ in range(epochs):
        model.train()
        total = 0.0
        for x in batches():
            optimiser.zero_grad()
            value = loss(model(x), x, recipe.difference)
            value.backward()
            optimiser.step()
            total += value.item()
        on_epoch(model)


def pythae(recipe: Recipe, epochs: int, on_epoch):
    """pythae's trainer, its data set in memory, with the same networks and the same objective."""
    logging.disable(logging.INFO)
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    network = recipe.build()

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            mu, sigma = self.network.posterior(x)
            return ModelOutput(embedding=mu, log_covariance=2 * sigma.log())

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.network = network.decoder

        def forward(self, z):
            return ModelOutput(reconstruction=self.network(z[:, :, None, None]))

    class Model(VAE):
        def loss_function(
            self, recon_x, x, mu, log_var, z
        ):  # pythae's own halves the squared error
            error = DIFFERENCES[recipe.difference](recon_x, x).mean()
            divergence = kl_to_standard_normal(mu, (log_var / 2).exp()).mean()
            return error + divergence, error, divergence

    class Watch(TrainingCallback):
        def on_epoch_end(self, training_config, **_):
            on_epoch(network)

    images, labels = convae.load_mnist(train=True)
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            learning_rate=LEARNING_RATE,
            no_cuda=True,
            per_device_train_batch_size=BATCH_SIZE,
            optimizer_cls="Adam",
            seed=recipe.seed,
        )
        model = Model(
            VAEConfig(input_dim=(1, 28, 28), latent_dim=recipe.latent_dim), Encoder(), Decoder()
        )
        BaseTrainer(
            model, BaseDataset(images, labels), training_config=config, callbacks=[Watch()]
        ).train()


def lightning(recipe: Recipe, epochs: int, on_epoch):
    """Lightning's trainer with the tutorials' data loader; logging and checkpoints switched off."""
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    import pytorch_lightning

    class Module(pytorch_lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = recipe.build()

        def training_step(self, batch, _):
            x, _ = batch
            return loss(self.network(x), x, recipe.difference)

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), LEARNING_RATE)

        def on_train_epoch_end(self):
            on_epoch(self.network)

    trainer = pytorch_lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(), _loader())


def ours(recipe: Recipe, epochs: int, on_epoch):
    """convae's recipe and layers; its schedule needs all its epochs, so the model is shown once, at
    the end."""
    on_epoch(train(recipe, progress=False, device="cpu", threads=torch.get_num_threads()).model)


PEERS = {
    "plain": plain,
    "in_memory": in_memory,
    "pythae": pythae,
    "lightning": lightning,
    "convae": ours,
}
IMPORTS = {
    "pythae": ("pythae.models", "pythae.trainers"),
    "lightning": ("pytorch_lightning",),
}  # what installing peers gives


def unseen_loss(model: nn.Module, recipe: Recipe, images: Tensor) -> float:
    """The objective on the unseen images, z sampled as in training; the model's mode is left as it
    was."""
    training = model.training
    value = evaluate(model.eval(), recipe, images)["loss"]
    model.train(training)
    return value
