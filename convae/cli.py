"""The command line. What a command needs is imported when it runs, so that ``--help`` is quick."""

import sys
from pathlib import Path

import click

from convae._io import UserError

HEADINGS = {
    "Paper": ("figures", "reproduce", "verify", "train", "sweep", "claims", "data"),
    "Detector": ("fit", "detect"),
}
UNCHANGED = "what was there before is as it was"
PATH = click.Path(path_type=Path)
ONLY = click.option("--only", metavar="02,05", help="These notebooks only.")
RATE = click.option("--false-alarms", default=0.01, metavar="SHARE", show_default=True,
                    help="Share of normal images that may be called anomalous.")


class Group(click.Group):
    """Commands by heading. Status: 1 after an error, 2 if called wrongly, 130 if interrupted."""

    def format_commands(self, context, formatter):
        for heading, names in HEADINGS.items():
            rows = [(name, self.commands[name].get_short_help_str(90)) for name in names]
            with formatter.section(heading):
                formatter.write_dl(rows)

    def invoke(self, context):
        try:
            return super().invoke(context)
        except (OSError, UserError, ValueError) as error:
            sys.exit(f"convae: {error}")
        except KeyboardInterrupt:
            resumes = context.invoked_subcommand == "detect"
            after = "the same command goes on where it was" if resumes else UNCHANGED
            print("\nconvae: interrupted;", after, file=sys.stderr)
            sys.exit(130)


@click.group(cls=Group)
def convae():
    """Figures, models and checks of the paper's companion, and its detector of anomalies."""


@convae.command()
@ONLY
@click.option("-p", "values", multiple=True, metavar="NAME=VALUE", help="A parameter; needs --out.")
@click.option("--out", type=PATH, metavar="DIR", help="Put all there, not in the committed places.")
def figures(only, values, out):
    """Run the notebooks and draw the paper's figures."""
    from convae.reproduce import runner
    _report(runner.figures(only, runner.parse(values), out))


@convae.command()
def reproduce():
    """Train every shipped model from scratch, then draw every figure."""
    from convae.anomaly import demo
    from convae.reproduce import runner
    _report([*demo.renew_model(), *runner.reproduce()])


@convae.command()
@ONLY
def verify(only):
    """Run the notebooks again and compare with the committed figures."""
    from convae.reproduce import runner
    differences = runner.verify(only)
    as_committed = "All is as committed: numbers within their tolerances, images alike."
    print("\n".join(differences) or as_committed)
    sys.exit(1 if differences else 0)


@convae.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def train(names):
    """Train shipped models, such as conv_vae_64d, again from scratch."""
    from convae.pretrained import shipped_recipe, train_side_by_side, weights_dir
    train_side_by_side([(shipped_recipe(name), weights_dir(), name) for name in names])


@convae.command()
@click.argument("studies", nargs=-1, metavar="[STUDY]...")
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask scheduler, as tcp://head:8786.")
@click.option("--workers", type=int, metavar="N", help="Processes here; one a core if not given.")
@click.option("--records", "folder", type=PATH, metavar="DIR", help="Of finished tasks.")
def sweep(studies, scheduler, workers, folder):
    """Train and measure all that verdicts and tables rest on; hours.

    A STUDY is seeds or universes (of the claims), one-class, one-class-rest, false-alarms, defects
    or textures (of anomaly detection); all are done if none is named.
    """
    from convae.anomaly.study import tables
    from convae.claims import design, records
    owners = dict.fromkeys(design.STUDIES, records) | dict.fromkeys(tables.STUDIES, tables)
    if unknown := [name for name in studies if name not in owners]:
        raise ValueError(f"no study {', '.join(unknown)}; there are {', '.join(owners)}")
    for owner in (records, tables):
        if chosen := [name for name in studies or owners if owners[name] is owner]:
            _report(owner.sweep_and_publish(chosen, folder, scheduler, workers))


@convae.command()
def claims():
    """Draw the claims' verdicts anew from the records."""
    from convae.claims import records
    _report(records.publish())


@convae.command()
def data():
    """Fetch MNIST, if it is not there, and check it."""
    from convae._io import cache_dir
    from convae.data.download import fetch_mnist
    fetch_mnist()
    print(f"MNIST is in {cache_dir()}, and whole.")


@convae.command()
@click.argument("folder", type=PATH, metavar="NORMAL_DIR")
@click.option("--model", type=PATH, required=True, metavar="FILE", help="To write: X.safetensors.")
@RATE
@click.option("--view", type=click.Choice(["auto", "whole", "tiles", "both"]), default="auto",
              help="Whole images resized to 28 × 28 pixels, tiles of that size, both; or by size.")
@click.option("--latent-dim", default=16, metavar="D", help="Of each autoencoder (16).")
@click.option("--members", default=1, metavar="N", help="Autoencoders that are averaged (1).")
@click.option("--epochs", type=int, metavar="N", help="Of training; 5 to 400 if not given.")
@click.option("--seed", default=0, metavar="N", help="Of training and of what is held out (0).")
def fit(folder, model, false_alarms, **options):
    """Learn what is normal from a folder of PNG, JPEG, BMP, TIFF, .npy or .npz; subfolders too."""
    from convae.anomaly import folders, report
    inspector = folders.fit(folder, model, false_alarms, **options)
    print(f"Each image will be {report.how(inspector.view, inspector.in_place)}.")
    print(report.advice(len(inspector.calibration), false_alarms))
    _report([model])


@convae.command()
@click.argument("folder", type=PATH, metavar="IMAGES_DIR")
@click.option("--model", type=PATH, required=True, metavar="FILE", help="The file that fit wrote.")
@click.option("--out", type=PATH, required=True, metavar="DIR", help="For the scores and a report.")
@RATE
@click.option("--show", default=60, metavar="N", help="Images that the report shows (60).")
def detect(folder, model, out, false_alarms, show):
    """Find the anomalous among a folder's images, which are as for fit."""
    from convae.anomaly import folders
    found = folders.detect(folder, model, out, false_alarms, show)
    anomalous = sum(row["anomalous"] for row in found.scores)
    print(found.advice)
    print(f"{anomalous} of {len(found.scores)} images are anomalous; "
          f"files that could not be read: {len(found.unreadable)}.")
    _report(found.written)


def _report(written):
    nothing = "Nothing to write: all is as it was, within the tolerances."
    print("\n  ".join(["Written:", *map(str, written)]) if written else nothing)
