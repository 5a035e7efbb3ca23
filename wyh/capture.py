"""Collect footage or labelled sounds from the sources that `wyh.live` plays.

    python -m wyh.capture --source 0 --secs 60 --out room.mp4
    python -m wyh.capture --source 0 --sound mic --secs 60 --out room.mp4
    python -m wyh.capture --source mic --secs 1 --takes 20 --label clap --out sounds/

The last makes sounds/clap/clap-001.wav, -002, ...: a folder for each label. No file is written
over. Ctrl-C ends early and keeps what there is.
"""

import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from wyh.cli import run as run_command
from wyh.errors import WyhError, check_range
from wyh.media.encode import WavWriter
from wyh.media.footage import Heard, record
from wyh.media.microphone import Microphone, open_microphone
from wyh.media.sources import resolve_source
from wyh.media.take import free_name

FILMS = (".mp4", ".mkv", ".mov")
_BLOCK_SECS = 0.01


@dataclass(frozen=True)
class Config:
    """Collect footage from a camera, the screen, an address or a file; or sounds from a mic."""

    source: str  # a camera such as 0 or camera:NAME, screen, an address, a file; mic or mic:NAME
    out: Path  # .mp4, .mkv or .mov; of sounds a .wav, or with --label the folder of all labels
    secs: float  # of the footage, or of each sound, 0.05 to 86,400
    sound: str | None = None  # of footage: mic, mic:NAME, or none; the source's own unless given
    label: str | None = None  # of sounds: what they are, such as clap
    takes: int = 1  # sounds to record one after another, 1 to 10,000
    pause: float = 1.0  # seconds before each of several takes, 0 to 60
    sample_rate: int = 48000  # Hz, of a microphone, 4,000 to 192,000
    stereo: bool = False  # two channels of a microphone


def main(config: Config) -> None:
    """Collect, then print the files."""
    _check(config)
    stop = threading.Event()
    with _on_signals(stop.set):
        if _is_microphone(config.source):
            _sounds(config, stop)
        else:
            _footage(config, stop)


@contextmanager
def _on_signals(end: Callable[[], None]) -> Iterator[None]:
    """Within, Ctrl-C and SIGTERM call `end`."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda *_: end())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check(config: Config) -> None:
    check_range("--secs", config.secs, 0.05, 86_400, "s")
    check_range("--pause", config.pause, 0, 60, "s")
    check_range("--takes", config.takes, 1, 10_000)
    check_range("--sample-rate", config.sample_rate, 4000, 192_000, "Hz")
    suffix, label = config.out.suffix.lower(), config.label
    if _is_microphone(config.source):
        if config.sound is not None:
            raise WyhError(f"got --sound {config.sound}: --source {config.source} is sound already")
        if label is None and suffix != ".wav":
            raise WyhError(f"got --out {config.out}, wanted a .wav, or a folder with --label")
        if label is None and config.takes > 1:
            raise WyhError(f"got --takes {config.takes} for one file, wanted --label and a folder")
        if label is not None and (suffix == ".wav" or config.out.is_file()):
            raise WyhError(f"got --out {config.out} with --label, wanted a folder")
        if label is not None and not re.fullmatch(r"\w[\w .+-]*(?<![ .])", label):
            raise WyhError(f"got --label {label!r}, wanted a word that can name a folder")
        return
    if label is not None or config.takes > 1:
        raise WyhError("--label and --takes are for --source mic; footage is one file")
    if suffix not in FILMS:
        raise WyhError(f"got --out {config.out}, wanted a name in {', '.join(FILMS)}")
    if config.source == "-":
        raise WyhError("--source - is in your hands already: give a camera, screen, or address")
    if config.sound not in (None, "none") and not _is_microphone(config.sound):
        raise WyhError(f"got --sound {config.sound}, wanted mic, mic:NAME or none")


def _is_microphone(source: str) -> bool:
    return source.partition(":")[0] == "mic" and not Path(source).is_file()


def _open(config: Config, source: str) -> Microphone:
    return open_microphone(
        source.partition(":")[2] or None,
        sample_rate=config.sample_rate,
        channels=2 if config.stereo else 1,
        block=round(_BLOCK_SECS * config.sample_rate),
        note=_note,
    )


def _footage(config: Config, stop: threading.Event) -> None:
    source = resolve_source(config.source)
    out = _new(config.out)
    with ExitStack() as stack:
        heard = None
        if config.sound and config.sound != "none":
            microphone = stack.enter_context(_open(config, config.sound))
            heard = Heard(microphone, config.sample_rate, 2 if config.stereo else 1)
            _note(f"sound from {microphone.name}")
        _note(f"recording {source.name} for {config.secs:g} s into {out}; Ctrl-C ends")
        bar = stack.enter_context(_bar(out.name, config.secs))
        footage = record(
            source,
            out,
            config.secs,
            stop,
            heard=heard,
            own_sound=config.sound != "none",
            progress=lambda secs: _show(bar, secs),
        )
        _show(bar, footage.secs)
    _note(f"{footage.secs:.2f} s, {footage.pictures} pictures")
    print(out, flush=True)
    if footage.trouble:
        raise WyhError(f"{footage.trouble}; what came before is in {out}")


def _sounds(config: Config, stop: threading.Event) -> None:
    with _open(config, config.source) as microphone:
        _note(f"recording {microphone.name}; Ctrl-C ends")
        for take in range(1, config.takes + 1):
            out = _new(config.out) if config.label is None else _next(config.out, config.label)
            if config.takes > 1:
                _note(f"take {take} of {config.takes}: {out.name} in {config.pause:g} s")
                _wait(microphone, config.pause, stop)
            if stop.is_set():
                return
            secs = _take(config, microphone, out, stop)
            # Of a sound that was to be so long, a part is another sound.
            if secs is not None:
                _note(f"{secs:.2f} s")
                print(out, flush=True)


def _wait(microphone: Microphone, secs: float, stop: threading.Event) -> None:
    """Let what is heard now go by."""
    end = time.perf_counter() + secs
    while time.perf_counter() < end and not stop.is_set():
        microphone.read()


def _take(config: Config, microphone: Microphone, out: Path, stop: threading.Event) -> float | None:
    """Record one sound; its seconds, or None where nothing was kept of it."""
    left = total = round(config.secs * config.sample_rate)
    out.parent.mkdir(parents=True, exist_ok=True)
    channels = 2 if config.stereo else 1
    out.touch(exist_ok=False)  # ours from now on, whoever else records beside us
    try:
        writer = WavWriter(out, config.sample_rate, channels=channels)
    except BaseException:
        out.unlink()
        raise
    try:
        with _bar(out.name, config.secs) as bar:
            while left and not stop.is_set():
                block = microphone.read()[:left]
                writer.write(block)
                left -= len(block)
                _show(bar, (total - left) / config.sample_rate)
    except WyhError as error:
        if config.label is None and left < total:
            raise WyhError(f"{error}; what came before is in {out}") from None
        raise
    finally:
        kept = left == 0 or (config.label is None and left < total)
        try:
            writer.close(keep=kept)
        finally:
            if not kept or not out.stat().st_size:
                out.unlink(missing_ok=True)
    return (total - left) / config.sample_rate if kept else None


def _new(path: Path) -> Path:
    out = free_name(path)
    if out != path:
        _note(f"{path} is there already: this is {out.name}")
    return out


def _next(folder: Path, label: str) -> Path:
    """The file for the next sound of a label: a number above all that there are."""
    taken = [re.fullmatch(r".*-(\d+)", path.stem) for path in (folder / label).glob("*.wav")]
    number = max((int(match[1]) for match in taken if match), default=0) + 1
    return folder / label / f"{label}-{number:03d}.wav"


def _bar(name: str, secs: float) -> Any:
    return tqdm(desc=name, total=round(secs, 2), disable=None, leave=False, bar_format=_FORM)


_FORM = "{desc}: {percentage:3.0f}%|{bar}| {n:.1f}/{total_fmt} s"


def _show(bar: Any, secs: float) -> None:
    bar.update(max(0.0, secs - bar.n))


def _note(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
    sys.stderr.flush()


if __name__ == "__main__":
    run_command(main, Config, "wyh capture")
