"""Which run is meant: the one given, the newest that fits, or the bundled one."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from wyh.errors import WyhError
from wyh.runs import Run, load_run
from wyh.specs import Direction

RUNS = Path("runs")
BUNDLED: dict[Direction, Path] = {
    "see-hear": Path(__file__).parent / "samples" / "demo_run",
    "hear-see": Path(__file__).parent / "samples" / "demo_pictures",
}
"""The small runs that come with the package."""

_TRAIN_ONE: dict[Direction, str] = {
    "see-hear": "python -m experiments.autoencoder --data YOUR_FILM.mp4",
    "hear-see": "python -m experiments.synesthesia --data YOUR_SONG.mp3",
}


def all_runs(root: Path = RUNS) -> Iterator[Run]:
    """The runs under `root` that can be played, in any order."""
    for path in root.iterdir() if root.is_dir() else ():
        if (path / "variables.safetensors").exists():
            with suppress(WyhError):
                yield load_run(path)


def newest_run(
    root: Path = RUNS, *, direction: Direction | None = None, kind: str | None = None
) -> Run | None:
    """The run created last that can be played; damaged and foreign directories are passed over.

    Args:
      root: where to look.
      direction: that it must have.
      kind: that it must be of; only then it may be a part of a model, which cannot be played.
    """
    fit = (
        run
        for run in all_runs(root)
        if kind in (None, run.kind)
        and (kind is not None or run.stream is not None)
        and (direction is None or (run.stream is not None and run.stream.direction == direction))
    )
    return max(fit, key=lambda run: (run.created, run.directory.name), default=None)


def bundled_run(direction: Direction = "see-hear") -> Run | None:
    """The small demonstration run that comes with the package."""
    path = BUNDLED.get(direction)
    return load_run(path) if path is not None and (path / "config.json").exists() else None


def choose_run(
    path: Path | None,
    root: Path = RUNS,
    direction: Direction | None = None,
    kind: str | None = None,
) -> tuple[Run, str]:
    """The run to play: the one given, else the newest, else the bundled one.

    Args:
      path: the one given.
      root: where the newest is looked for.
      direction: that the newest or bundled one must have, where what is to be played tells.
      kind: that the newest one must be of.

    Returns:
      The run, and a line to tell the user where the choice was ours ("" where it was theirs).

    Raises:
      WyhError: the given one is no run, or there is none at all.
    """
    if path is not None:
        return load_run(path), ""
    if run := newest_run(root, direction=direction, kind=kind):
        return run, f"playing the newest run, {run.directory}"
    train_one = f"train one with: {_TRAIN_ONE[direction or 'see-hear']}"
    if run := bundled_run(direction or "see-hear"):
        which = f"none under {root}/ fits" if newest_run(root) else f"no run under {root}/ yet"
        yours = "music" if direction == "hear-see" else "place"
        said = f"{which}: playing the bundled demonstration run; for your own {yours}, "
        return run, said + train_one
    raise WyhError(f"got no --run, and there is none under {root}/: {train_one}")


def default_run_dir(name: str, root: Path = RUNS) -> Path:
    """`runs/NAME-YYYYmmdd-HHMMSS` in local time, with `-2`, `-3`, ... where that is taken."""
    stem = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    path, number = root / stem, 1
    while path.exists():
        number += 1
        path = root / f"{stem}-{number}"
    return path
