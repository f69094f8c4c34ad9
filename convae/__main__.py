"""The command line: ``python -m convae COMMAND``, or ``convae COMMAND``."""

import argparse
import sys
from pathlib import Path

FALSE_ALARMS = "share of normal images that may be called anomalous (0.01)"


def main():
    """Run a command; the exit status is 0 if it succeeded, 1 if not, 2 if it was called wrongly,
    130 if interrupted."""
    arguments = _parser().parse_args()
    try:
        sys.exit(_run(arguments))
    except KeyboardInterrupt:
        print(f"\nconvae: interrupted; {arguments.interrupted}", file=sys.stderr)
        sys.exit(130)


def _run(arguments):
    from convae.data.download import DataError
    from convae.reproduce.parameters import ParameterError
    from convae.reproduce.runner import RunError

    try:
        return arguments.run(arguments)
    except (DataError, ParameterError, RunError, ValueError, OSError) as error:
        return f"convae: {error}"


def _parser():
    parser = argparse.ArgumentParser("convae", description="Figures, models and checks of the paper's companion.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name, run, help, interrupted="what was there before is as it was"):
        command = commands.add_parser(name, help=help, description=help)
        command.set_defaults(run=run, interrupted=interrupted)
        return command

    figures = add("figures", _figures, "run the notebooks and draw the paper's figures")
    figures.add_argument("--only", metavar="02,05", help="these notebooks only")
    figures.add_argument("-p", dest="values", action="append", default=[], metavar="NAME=VALUE",
                         help="a parameter of the notebooks; may be repeated; needs --out")
    figures.add_argument("--out", type=Path, metavar="DIR", help="put notebooks and figures there, not in their places")
    add("reproduce", _reproduce, "train every shipped model from scratch, then draw every figure")
    verify = add("verify", _verify, "run the notebooks again and compare with the committed figures")
    verify.add_argument("--only", metavar="02,05", help="these notebooks only")
    train = add("train", _train, "train shipped models again, from scratch")
    train.add_argument("names", nargs="+", metavar="NAME", help="such as conv_vae_64d")
    sweep = add("sweep", _sweep, "train and measure all models that verdicts and tables rest on; hours")
    sweep.add_argument("studies", nargs="*", metavar="STUDY", help="seeds, universes (of the claims); one-class, "
                       "one-class-rest, false-alarms, defects, textures (of anomaly detection); all if none is named")
    sweep.add_argument("--scheduler", metavar="ADDRESS", help="of a running Dask scheduler, such as tcp://head:8786")
    sweep.add_argument("--workers", type=int, metavar="N", help="processes on this machine; one a core if not given")
    sweep.add_argument("--records", type=Path, metavar="DIR", help="where finished tasks are kept until all are")
    add("claims", _claims, "draw the claims' verdicts from the records, anew")
    fit = add("fit", _fit, "learn from a folder of normal images what is normal")
    fit.add_argument("folder", type=Path, metavar="NORMAL_DIR", help="PNG, JPEG, BMP, TIFF, .npy or .npz; subfolders too")
    fit.add_argument("--model", type=Path, required=True, metavar="FILE", help="the file to write, such as parts.safetensors")
    fit.add_argument("--false-alarms", type=float, default=0.01, metavar="SHARE", help=FALSE_ALARMS)
    fit.add_argument("--view", choices=("auto", "whole", "tiles", "both"), default="auto",
                     help="images as a whole, resized to 28 × 28 pixels, or in tiles of that size, or both; auto: whole up to 56 "
                          "pixels, both above")
    fit.add_argument("--latent-dim", type=int, default=16, metavar="D", help="latent variables of each autoencoder (16)")
    fit.add_argument("--members", type=int, default=1, metavar="N", help="autoencoders whose scores are averaged (1)")
    fit.add_argument("--epochs", type=int, metavar="N", help="of training; about 540,000 / images, 5 to 400, if not given")
    fit.add_argument("--seed", type=int, default=0, metavar="N", help="of training, and of which images are held out")
    detect = add("detect", _detect, "find the anomalous among a folder's images",
                 "the same command goes on where it was")
    detect.add_argument("folder", type=Path, metavar="IMAGES_DIR", help="as for fit")
    detect.add_argument("--model", type=Path, required=True, metavar="FILE", help="the file that fit wrote")
    detect.add_argument("--out", type=Path, required=True, metavar="DIR", help="for scores.csv, scores.json and report.html")
    detect.add_argument("--false-alarms", type=float, default=0.01, metavar="SHARE", help=FALSE_ALARMS)
    detect.add_argument("--show", type=int, default=60, metavar="N", help="images that the report shows (60)")
    add("data", _data, "fetch MNIST, if it is not there, and check it")
    return parser


def _figures(arguments):
    from convae.reproduce import runner

    wrong = [item for item in arguments.values if not item.partition("=")[0].isidentifier() or "=" not in item]
    if wrong:
        raise runner.RunError(f"-p takes NAME=VALUE, got {wrong[0]!r}")
    values = dict(item.split("=", 1) for item in arguments.values)
    _report(runner.figures(arguments.only, values, arguments.out))


def _reproduce(arguments):
    from convae.anomaly import demo
    from convae.reproduce import runner

    _report([*demo.renew_model(), *runner.reproduce()])


def _verify(arguments):
    from convae.reproduce import runner

    if differences := runner.verify(arguments.only):
        print("\n".join(differences))
        return 1
    print("All is as committed: numbers within their tolerances, images alike.")


def _train(arguments):
    from convae.pretrained import shipped_recipe, train_side_by_side, weights_dir

    train_side_by_side([(shipped_recipe(name), weights_dir(), name) for name in arguments.names])


def _sweep(arguments):
    from convae.anomaly.study import tables
    from convae.claims import design, records

    owners = dict.fromkeys(design.STUDIES, records) | dict.fromkeys(tables.STUDIES, tables)
    if unknown := [name for name in arguments.studies if name not in owners]:
        raise ValueError(f"no study {', '.join(unknown)}; there are {', '.join(owners)}")
    for owner in (records, tables):
        if names := [name for name in arguments.studies or owners if owners[name] is owner]:
            _report(owner.sweep_and_publish(names, arguments.records, arguments.scheduler, arguments.workers))


def _claims(arguments):
    from convae.claims import records

    _report(records.publish())


def _fit(arguments):
    from convae.anomaly import folders, report

    inspector = folders.fit(arguments.folder, arguments.model, arguments.false_alarms, view=arguments.view, seed=arguments.seed,
                            latent_dim=arguments.latent_dim, members=arguments.members, epochs=arguments.epochs)
    print(f"Each image will be {report.how(inspector.view, inspector.in_place)}.")
    print(report.advice(len(inspector.calibration), arguments.false_alarms))
    _report([arguments.model])


def _detect(arguments):
    from convae.anomaly import folders

    found = folders.detect(arguments.folder, arguments.model, arguments.out, arguments.false_alarms, arguments.show)
    print(found.advice)
    print(f"{sum(row['anomalous'] for row in found.scores)} of {len(found.scores)} images are anomalous; "
          f"files that could not be read: {len(found.unreadable)}.")
    _report(found.written)


def _data(arguments):
    from convae._io import cache_dir
    from convae.data.download import fetch_mnist

    fetch_mnist()
    print(f"MNIST is in {cache_dir()}, and whole.")


def _report(written):
    print("\n".join(["Written:", *(f"  {path}" for path in written)]) if written else
          "Nothing to write: all is as it was, within the tolerances.")


if __name__ == "__main__":
    main()
