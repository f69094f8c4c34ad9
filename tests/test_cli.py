"""The command line itself: its lists, its exit statuses, and what it needs to say them."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from convae import cli
from convae._io import ROOT, UserError
from convae.claims import records

PAPER = ["figures", "reproduce", "verify", "train", "sweep", "claims", "data"]


def invoke(*arguments):
    return CliRunner().invoke(cli.convae, arguments)


def python(code, *arguments):
    """What a new interpreter says that has this checkout's modules first."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def listed(help_text, heading):
    _, _, rest = help_text.partition(f"\n{heading}:\n")
    section = rest.partition("\n\n")[0]
    return [line.split()[0] for line in section.splitlines() if line[2] != " "]


def test_help_lists_each_command_under_one_of_two_headings():
    result = invoke("--help")
    assert result.exit_code == 0
    assert listed(result.output, "Paper") == PAPER
    assert listed(result.output, "Detector") == ["fit", "detect"]
    assert {*PAPER, "fit", "detect"} == set(cli.convae.commands)


@pytest.mark.parametrize("name", cli.convae.commands)
def test_every_command_explains_itself_and_its_options(name):
    command = cli.convae.commands[name]
    assert command.help
    assert all(option.help for option in command.params if option.param_type_name == "option")
    assert invoke(name, "--help").exit_code == 0


def test_help_imports_no_package_but_click():
    heavy = ("dask", "IPython", "matplotlib", "nbformat", "numpy", "scipy", "sklearn", "torch")
    code = ("import sys, convae.cli\n"
            "try: convae.cli.convae(['--help'])\n"
            f"finally: sys.exit(' '.join({{*sys.modules}} & {{*{heavy}}}))")
    done = python(code)
    assert done.stderr == "\n" and "Usage:" in done.stdout


@pytest.mark.parametrize("arguments, says", [
    (["draw"], "No such command 'draw'"),
    (["fit", "somewhere"], "Missing option '--model'"),
    (["fit", "somewhere", "--model", "m", "--view", "half"], "'half' is not one of"),
    (["detect", "somewhere", "--model", "m", "--out", "R", "--show", "all"],
     "'all' is not a valid integer"),
    (["train"], "Missing argument"),
])
def test_a_wrong_call_ends_with_2_and_says_why(arguments, says):
    result = invoke(*arguments)
    assert result.exit_code == 2 and says in result.output


@pytest.mark.parametrize("error", [
    UserError("no network"), OSError("no network"), ValueError("no network"),
])
def test_an_error_the_user_can_mend_ends_with_1_and_is_told_in_a_line(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(records, "publish", fail)
    with pytest.raises(SystemExit) as stopped:
        cli.convae(["claims"])
    assert stopped.value.code == "convae: no network"


def test_a_mistake_of_the_program_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(records, "publish", lambda: 1 / 0)
    assert isinstance(invoke("claims").exception, ZeroDivisionError)


def test_an_interruption_ends_with_130_and_says_what_became_of_the_files(monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(records, "publish", interrupt)
    with pytest.raises(SystemExit) as stopped:
        cli.convae(["claims"])
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "\nconvae: interrupted; what was there before is as it was\n"


def test_a_study_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(SystemExit) as stopped:
        cli.convae(["sweep", "textures", "seed"])
    assert "no study seed; there are seeds, universes, one-class" in stopped.value.code


@pytest.mark.parametrize("package", ["click", "torch"])
def test_an_environment_that_lacks_a_package_is_told_so_in_one_line(package):
    code = (f"import sys; sys.modules[{package!r}] = None; sys.argv = ['convae', 'data']\n"
            "from convae.__main__ import main; main()")
    done = python(code)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and f"has no package {package}: use .venv" in line
