"""What every command shares: options from a dataclass, and errors as one line with exit code 2."""

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn, TypeVar

import tyro

from wyh.errors import WyhError

ConfigT = TypeVar("ConfigT")


def run(
    main: Callable[[ConfigT], None],
    config_type: type[ConfigT],
    prog: str,
    presets: Mapping[str, ConfigT] | None = None,
    argv: Sequence[str] | None = None,
) -> None:
    """Parse the command line into `config_type`, call `main`, exit with the contract's status.

    Args:
      main: the command.
      config_type: a frozen dataclass; its docstring and field comments are the help.
      prog: how the command is called, for messages.
      presets: named configurations. `--preset` chooses the one whose values are the defaults.
      argv: the arguments, `sys.argv[1:]` unless given.

    Raises:
      SystemExit: 0 on success and for `--help`, 2 for bad input with one line on stderr,
        130 after Ctrl-C.
    """
    with statuses(prog):
        main(parse(config_type, prog, presets, sys.argv[1:] if argv is None else argv))


@contextlib.contextmanager
def statuses(prog: str) -> Iterator[None]:
    """Within, errors end the program with the contract's status; they and warnings are a line."""

    def warned(message: Warning | str, *about: object, **more: object) -> None:
        _tell(prog, str(message))

    try:
        with warnings.catch_warnings():
            warnings.showwarning = warned
            yield
        sys.stdout.flush()  # else a full disk or a closed pipe would show only after the end
    except WyhError as error:
        _stop(prog, str(error))
    except BrokenPipeError:
        # The reader of our output went away: nothing more to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _stop(prog, f"{where}{error.strerror or error}")
    except KeyboardInterrupt:
        _tell(prog, "stopped")
        sys.exit(130)


def parse(
    config_type: type[ConfigT],
    prog: str,
    presets: Mapping[str, ConfigT] | None,
    argv: Sequence[str],
) -> ConfigT:
    """The configuration of a command line.

    Raises:
      WyhError: unknown option, unparsable or unknown value.
      SystemExit: 0 after `--help`.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            if presets is None:
                return tyro.cli(config_type, args=argv, prog=prog)
            default = presets[_preset_of(argv, presets)]
            return tyro.cli(config_type, args=argv, prog=prog, default=default)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise WyhError(f"{_sections(said.getvalue())} (see --help)") from None


def _preset_of(argv: Sequence[str], presets: Mapping[str, object]) -> str:
    """The value of `--preset` in `argv`, else the first preset."""
    name = next(iter(presets))
    for at, word in enumerate(argv):
        if word == "--preset" and at + 1 < len(argv):
            name = argv[at + 1]
        elif word.startswith("--preset="):
            name = word.partition("=")[2]
    if name not in presets:
        raise WyhError(f"got the preset {name!r}, wanted one of {', '.join(presets)}")
    return name


def _sections(box: str) -> str:
    """The words of a boxed message on one line, without the last part, which points to --help."""
    parts: list[list[str]] = [[]]
    for line in box.splitlines():
        text = line.strip(" │|")
        if set(text) <= set("─╰╯+-"):
            parts.append([])
        elif not text.startswith(("╭", "+-")):
            parts[-1] += text.split()
    told = [" ".join(words).rstrip(".") for words in parts if words]
    return "; ".join(part for part in told if not part.startswith("For full helptext"))


def _stop(prog: str, message: str) -> NoReturn:
    _tell(prog, message)
    sys.exit(2)


def _tell(prog: str, message: str) -> None:
    print(f"{prog}: {' '.join(message.split())}", file=sys.stderr)
