"""A copy of a run that holds only what playing needs, at half the size: to share it.

    python -m wyh.pack --run RUN --out shared/my_room

The best variables are stored in half precision (of some 11 bits: no difference that could be
heard), beside `config.json`, the figures of its training and its assets. It plays like any run,
but training cannot go on with it. The copy's path is printed last.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from wyh.arrays import encode_tree
from wyh.cli import run as run_command
from wyh.errors import WyhError
from wyh.run_choice import choose_run
from wyh.runs import Run, cannot_write, load_variables, replace_file

_FIGURES = "metrics.jsonl"
_ASSETS = "assets"


@dataclass(frozen=True)
class Config:
    """Copy what playing needs of a run, at half the size."""

    out: Path  # the directory to make
    run: Path | None = None  # the run to copy; the newest under runs/ unless given


def main(config: Config) -> None:
    """Copy, and print where."""
    run, said = choose_run(config.run)
    if said:
        print(said.replace("playing", "packing"), file=sys.stderr)
    pack(run, config.out)
    print(config.out)


def pack(run: Run, out: Path) -> None:
    """Copy a run's config, best variables, figures and assets.

    Args:
      run: the run.
      out: a directory with nothing of these in it, which is made where there is none.

    Raises:
      WyhError: the run is damaged, `out` holds a run, or it cannot be written.
    """
    if (out / "config.json").exists():
        raise WyhError(f"{out} holds a run already: remove it, or choose another --out")
    variables = encode_tree(load_variables(run), half=True)
    try:
        out.mkdir(parents=True, exist_ok=True)
        replace_file(out / "variables.safetensors", variables)
        if (run.directory / _FIGURES).exists():
            replace_file(out / _FIGURES, (run.directory / _FIGURES).read_bytes())
        if (run.directory / _ASSETS).is_dir():
            shutil.copytree(run.directory / _ASSETS, out / _ASSETS, dirs_exist_ok=True)
        # Last: what has a config.json is a run.
        replace_file(out / "config.json", (run.directory / "config.json").read_bytes())
    except OSError as error:
        raise cannot_write(out, error) from None


if __name__ == "__main__":
    run_command(main, Config, "wyh pack")
