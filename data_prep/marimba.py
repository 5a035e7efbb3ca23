"""Films of a marimba being played, with sound and exact truth, as many as are wanted.

    python -m data_prep.marimba --out marimba

480 films of 10 s to learn from in `marimba/train`, sixteen others in `marimba/test`; a minute of
film takes some 7 s on one core and 2 MB. Beside each lies its truth, `NAME.truth.csv`: when which
note was struck and how hard. From there on they are like any footage:

    python -m experiments.marimba --data marimba/train

Each film has its own camera, light, player, tempo, score and room, those of `test` from seeds of
their own: many short films teach more than few long ones. Frame k shows the time from k to k + 1
frames; a stroke is seen and heard at the time in the truth. What was drawn is in `manifest.json`.
Run again, whole films are kept, and more can be asked for.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_prep import inputs
from data_prep.marimba_film import SAMPLE_RATE, SPLITS, Task, make_film, plan
from wyh.errors import WyhError, check_range
from wyh.parts import write_json
from wyh.specs import VideoSpec, as_rate

try:
    import fcntl
except ImportError:  # Windows: two runs into one directory at once are not kept apart there
    fcntl = None  # type: ignore[assignment]

MANIFEST = "manifest.json"
_FORMAT = 1


@dataclass(frozen=True)
class Config:
    """Render films of a marimba that is played, with their sound and their truth."""

    out: Path  # directory to write to
    recordings: int = 480  # films to learn from, 1 to 10,000
    secs: float = 10.0  # length of each film, 2 to 300
    frame_rate: str = "25"  # Hz, 10 to 240
    size: str = "160x120"  # WIDTHxHEIGHT of the films, pixels, 32 to 1920, both even
    test: int = 16  # more films, to test with, 0 to 10,000
    seed: int = 0  # fixes all that is drawn
    workers: int = 0  # films at a time; 0 = one a core


def prepare(config: Config) -> Path:
    """Make the films that are not there yet.

    Returns:
      `config.out`.

    Raises:
      WyhError: an option out of range, a place that cannot be written to, or one that holds
        something else.
    """
    tasks = _tasks(config)
    workers = config.workers or inputs.cores()
    with contextlib.ExitStack() as stack:
        try:
            for split in SPLITS:
                (config.out / split).mkdir(parents=True, exist_ok=True)
            stack.enter_context(_alone(config.out))
            write_json(config.out / MANIFEST, _manifest(config, tasks))
        except OSError as error:
            why = error.strerror or error
            raise WyhError(
                f"{config.out} cannot be written to: {why}; choose another --out"
            ) from None
        total = config.secs * len(tasks)
        for result in inputs.run_tasks(make_film, tasks, workers, total, "s of film", str):
            if isinstance(result, WyhError):
                raise result
    return config.out


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Within, no other run writes to the directory; no unfinished files are left before or after.

    Raises:
      WyhError: another one does.
    """
    place = os.open(out, os.O_RDONLY) if fcntl else None
    try:
        if place is not None:
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise WyhError(
                    f"{out} is being written to by another run; wait for it, or choose another "
                    f"--out"
                ) from None
        _sweep(out)
        try:
            yield
        finally:
            _sweep(out)
    finally:
        if place is not None:
            os.close(place)


def _sweep(out: Path) -> None:
    """Remove what interrupted workers have begun, and truths without a film."""
    for split in SPLITS:
        for part in (out / split).glob(".wyh-*.part"):
            part.unlink(missing_ok=True)
        for truth in (out / split).glob(f"{split}-*.truth.csv"):
            if not (truth.parent / truth.name.replace(".truth.csv", ".mp4")).exists():
                truth.unlink(missing_ok=True)


def _tasks(config: Config) -> list[Task]:
    """The films that are wanted, once all options are known to be good."""
    _check_whole("recordings", config.recordings, 1)
    _check_whole("test", config.test, 0)
    check_range("secs", config.secs, 2, 300, "s")
    if config.seed < 0:
        raise WyhError(f"got the seed {config.seed}, wanted 0 or more")
    if config.workers < 0:
        raise WyhError(f"got {config.workers} workers, wanted 1 or more, or 0 for one a core")
    rate = as_rate(config.frame_rate)
    check_range("frame rate", float(rate), 10, 240, "Hz")
    height, width = inputs.parse_size(config.size)
    for name, pixels in (("width", width), ("height", height)):
        if not 32 <= pixels <= 1920 or pixels % 2:
            raise WyhError(f"got the {name} {pixels}, wanted an even one of 32 to 1920 pixels")
    _check_place(config)
    video = VideoSpec(rate, height, width)
    return [
        Task(config.out, split, number, config.seed, config.secs, video)
        for split, count in (("train", config.recordings), ("test", config.test))
        for number in range(count)
    ]


def _check_whole(name: str, value: int, least: int) -> None:
    if not least <= value <= 10_000:
        raise WyhError(f"got --{name} {value}, wanted {least} to 10000 films")


def _settings(config: Config) -> dict[str, Any]:
    """What films of one directory have in common."""
    return {
        "secs": config.secs,
        "frame_rate": str(as_rate(config.frame_rate)),
        "size": "x".join(map(str, reversed(inputs.parse_size(config.size)))),
        "sample_rate": SAMPLE_RATE,
        "seed": config.seed,
    }


def _check_place(config: Config) -> None:
    """See that the directory is new, empty or holds films of the same settings."""
    out, manifest = config.out, config.out / MANIFEST
    if out.exists() and not out.is_dir():
        raise WyhError(f"{out} is a file, wanted a directory to write to; choose another --out")
    if not manifest.exists():
        if out.exists() and any(out.iterdir()):
            raise WyhError(
                f"{out} holds something else, wanted a new or empty directory; choose another --out"
            )
        return
    try:
        before = json.loads(manifest.read_text(encoding="utf-8"))["settings"]
        assert isinstance(before, dict)
    except (OSError, ValueError, KeyError, TypeError, AssertionError):
        raise WyhError(f"{manifest} is damaged; choose another --out") from None
    for name, value in _settings(config).items():
        if before.get(name) != value:
            raise WyhError(
                f"{out} holds films with {name} {before.get(name)}, got {value}; give the same "
                f"or choose another --out"
            )


def _manifest(config: Config, tasks: list[Task]) -> dict[str, Any]:
    """Settings and what was drawn; films of an earlier, larger wish stay in it."""
    about = []
    for task in tasks + _others(config, tasks):
        drawn = plan(task)
        about.append(
            {
                "name": task.film.relative_to(config.out).as_posix(),
                "seed": [task.seed, SPLITS.index(task.split), task.number],
                "tempo_bpm": drawn.score.tempo_bpm,
                "strikes": len(drawn.score.strikes),
                "camera": asdict(drawn.camera),
                "look": asdict(drawn.look),
                "room": asdict(drawn.room),
            }
        )
    return {"format": _FORMAT, "settings": _settings(config), "recordings": about}


def _others(config: Config, tasks: list[Task]) -> list[Task]:
    wanted = {task.film for task in tasks}
    return [
        tasks[0]._replace(split=split, number=int(film.stem.removeprefix(f"{split}-")))
        for split in SPLITS
        for film in sorted((config.out / split).glob(f"{split}-????.mp4"))
        if film not in wanted and film.stem.removeprefix(f"{split}-").isdecimal()
    ]


def main(config: Config) -> None:
    """Make the films and print the directory."""
    print(prepare(config))


if __name__ == "__main__":
    from wyh.cli import run

    run(main, Config, "python -m data_prep.marimba")
