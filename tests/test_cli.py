import os
import subprocess
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from tests import conftest
from wyh import cli
from wyh.__main__ import COMMANDS
from wyh.errors import WyhError


@dataclass(frozen=True)
class Inner:
    """A part of the configuration."""

    depth: int = 3  # how deep


@dataclass(frozen=True)
class Config:
    """Do the thing."""

    out: Path  # where it goes
    preset: str = "small"  # small or big
    times: int = 1  # how often
    kind: Literal["mp4", "wav"] = "mp4"  # of the file
    inner: Inner = field(default_factory=Inner)


PRESETS = {"small": Config(Path("s")), "big": Config(Path("b"), "big", 9, inner=Inner(7))}


def ended(capsys, main, *argv, presets=None):
    return conftest.ended(capsys, main, Config, "wyh thing", *argv, presets=presets)


def test_success_returns(capsys):
    status, out, err = ended(capsys, lambda config: print(config.times), "--out", "x", "--times=4")
    assert (status, out, err) == (0, "4\n", "")


def test_arguments_are_those_of_the_program_unless_given(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["thing", "--out", "x", "--times", "2"])
    cli.run(lambda config: print(config.times), Config, "wyh thing")
    assert capsys.readouterr().out == "2\n"


def test_help_lists_all_options_with_their_comments(capsys):
    status, out, err = ended(capsys, print, "--help")
    assert (status, err) == (0, "")
    assert "usage: wyh thing" in out and "Do the thing." in out
    for words in ("--out", "where it goes", "--inner.depth", "how deep", "(default: 3)"):
        assert words in out


@pytest.mark.parametrize("width", ["20", "40", "300"])
@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--out", "x", "--tims", "3"], "Unrecognized options: --tims"),
        (["--out", "x", "more"], "Unrecognized options: more"),
        ([], "--out PATH where it goes (required)"),
        (["--tims", "3"], "--out PATH where it goes (required); Unrecognized options: --tims"),
        (["--out"], "Missing value for argument '--out'. Expected 1 value"),
        (["--out", "x", "--times", "often"], "Error parsing --times: invalid literal for int()"),
        (["--out", "x", "--kind", "ogg"], "invalid choice 'ogg' for argument '--kind'"),
    ],
)
def test_a_bad_command_line_is_one_line_that_names_the_option(
    capsys, monkeypatch, argv, told, width
):
    monkeypatch.setenv("COLUMNS", width)
    status, out, err = ended(capsys, print, *argv)
    assert (status, out) == (2, "")
    assert err.startswith("wyh thing: ") and err.endswith(" (see --help)\n")
    assert err.count("\n") == 1
    joined = err if width == "300" else err.replace(" ", "")
    assert (told if width == "300" else told.replace(" ", "")) in joined
    assert not set("│╭╰─") & set(err) and "For full helptext" not in err


def test_a_preset_sets_the_defaults_and_options_change_them(capsys):
    def show(config):
        print(config.preset, config.times, config.inner.depth, config.out)

    for argv, told in [
        ([], "small 1 3 s"),
        (["--preset", "big"], "big 9 7 b"),
        (["--preset=big", "--times", "2"], "big 2 7 b"),
        (["--times", "2", "--preset", "big", "--inner.depth", "1"], "big 2 1 b"),
        (["--preset", "big", "--preset", "small"], "small 1 3 s"),
    ]:
        assert ended(capsys, show, *argv, presets=PRESETS) == (0, told + "\n", "")


@pytest.mark.parametrize("argv", [["--preset", "huge"], ["--preset=huge"], ["--preset="]])
def test_an_unknown_preset(capsys, argv):
    status, out, err = ended(capsys, print, *argv, presets=PRESETS)
    assert (status, out) == (2, "")
    assert "wanted one of small, big\n" in err and err.count("\n") == 1


def test_a_preset_without_a_name(capsys):
    status, _, err = ended(capsys, print, "--preset", presets=PRESETS)
    assert status == 2 and "Missing value for argument '--preset'" in err


def raising(error):
    def main(config):
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (WyhError("got tea, wanted\n  coffee"), 2, "got tea, wanted coffee"),
        (OSError(28, "No space left on device", "runs/a"), 2, "runs/a: No space left on device"),
        (OSError(28, "No space left on device"), 2, "No space left on device"),
        (OSError("odd"), 2, "odd"),
        (PermissionError(13, "Permission denied", "out.wav"), 2, "out.wav: Permission denied"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_what_ends_a_command_is_one_line(capsys, error, status, told):
    assert ended(capsys, raising(error), "--out", "x") == (status, "", f"wyh thing: {told}\n")


def test_a_configuration_refused_by_itself_is_one_line(capsys):
    @dataclass(frozen=True)
    class Picky:
        """Wants much."""

        size: int = 1

        def __post_init__(self):
            if self.size > 5:
                raise WyhError(f"got size {self.size}, wanted 1 to 5")

    with pytest.raises(SystemExit) as stop:
        cli.run(print, Picky, "wyh picky", argv=["--size", "9"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == "wyh picky: got size 9, wanted 1 to 5\n"


def test_a_fault_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run(raising(ZeroDivisionError()), Config, "wyh thing", argv=["--out", "x"])


def test_a_status_of_the_command_itself_stands(capsys):
    assert ended(capsys, raising(SystemExit(7)), "--out", "x")[0] == 7


def test_a_warning_is_one_line_and_no_end(capsys):
    def main(config):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("the sound\n may be late", UserWarning, stacklevel=1)
        print("done")

    told = "wyh thing: the sound may be late\n"
    assert ended(capsys, main, "--out", "x") == (0, "done\n", told)
    assert warnings.showwarning.__module__ != "wyh.cli"


def wyh(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "wyh", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        **{"stdout": subprocess.PIPE, **options},
    )


def test_a_reader_that_went_away_is_no_error(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        process = wyh("info", stdout=pipe, cwd=tmp_path)
    assert process.communicate()[1] == ""
    assert process.returncode == 0


@pytest.mark.parametrize("arguments", [["info"], ["--help"]])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout_is_one_line(arguments, tmp_path):
    with open("/dev/full", "wb") as full:
        process = wyh(*arguments, stdout=full, cwd=tmp_path)
    name = " info" if arguments == ["info"] else ""
    assert process.communicate()[1] == f"wyh{name}: No space left on device\n"
    assert process.returncode == 2


def test_the_commands_are_listed_and_called(tmp_path):
    for arguments, status, told in [
        ([], 0, "render"),
        (["-h"], 0, "python -m experiments.autoencoder"),
        (["--help"], 0, "python -m experiments.dbn"),
        (["--version"], 0, "wyh 0."),
        (["info"], 0, "no runs under runs/: train one with python -m experiments.autoencoder"),
        (["info", "--help"], 0, "usage: wyh info"),
    ]:
        process = wyh(*arguments, cwd=tmp_path)
        out, err = process.communicate()
        assert (process.returncode, err) == (status, "")
        assert told in out


def test_an_unknown_command(tmp_path):
    process = wyh("sing", cwd=tmp_path)
    told = f"wyh: got 'sing', wanted one of {', '.join(COMMANDS)}\n"
    assert process.communicate()[1] == told
    assert process.returncode == 2


def test_every_command_named_is_there():
    folder = Path(cli.__file__).parent
    for name in COMMANDS:
        assert (folder / f"{name}.py").exists() or (folder / name / "__main__.py").exists()
