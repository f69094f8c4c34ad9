"""``python -m convae COMMAND``, the same as ``convae COMMAND``: the commands are in cli.py."""

import sys


def main():
    """Run a command, or say in one line which package it lacks."""
    try:
        from convae.cli import convae
        convae(prog_name="convae")
    except ModuleNotFoundError as error:
        if error.name.startswith("convae"):
            raise
        sys.exit(f"convae: {sys.executable} has no package {error.name}: use .venv, which make "
                 "setup makes, or install this checkout with pip install --editable '.[sweep]'")


if __name__ == "__main__":
    main()
