"""What a training run tells while it learns: `metrics.jsonl`, TensorBoard events, the terminal."""

import json
import math
import os
import sys
import time
from contextlib import closing
from types import TracebackType
from typing import IO, Any, NamedTuple

import numpy as np
from tensorboardX import summary
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import RecordWriter
from tqdm import tqdm

from wyh.runs import Run, cannot_write, replace_file

TELL_SECS = 10.0
"""Between two lines on a terminal that is none, and between two flushes of the events."""


class Summaries(NamedTuple):
    """What TensorBoard is to show and play."""

    pictures: dict[str, np.ndarray]  # uint8 [height, width, channel]
    sounds: dict[str, tuple[np.ndarray, int]]  # waveform float32 [samples], sample_rate in Hz


class Journal:
    """Writes the journal of one session; use as a context.

    `metrics.jsonl` has one object a line: `step`, `secs` of training, and the figures (null where
    one is not finite). Lines after `step`, of a session that was killed, are cut away first.

    Args:
      run: the run that is trained.
      step: the step where this session begins.
      steps: the step where it is to end.
      writes: False in all processes but the first: then every method does nothing.
    """

    def __init__(self, run: Run, step: int, steps: int, writes: bool = True) -> None:
        self._writes = writes
        if not writes:
            return
        self._run = run
        self._first, self._steps = step, steps
        self._began = self._told = self._flushed = time.monotonic()
        self._news = ""
        self._bar: tqdm | None = None
        path = run.directory / "metrics.jsonl"
        try:
            old = path.read_bytes() if path.exists() else b""
            replace_file(path, _up_to(old, step))
            self._lines: IO[str] = path.open("a", encoding="utf-8")
            folder = run.directory / "tensorboard"
            folder.mkdir(exist_ok=True)
            # Not tensorboardX's SummaryWriter: its thread waits for ever once a disk is full.
            name = f"events.out.tfevents.{time.time():.0f}.wyh.{os.getpid()}.{step}"
            self._events = RecordWriter(str(folder / name))
            self._event(file_version="brain.Event:2")
            # TensorBoard drops what a killed session left from here on.
            self._event(step=step + 1, session_log=SessionLog(status=SessionLog.START))
        except OSError as error:
            raise cannot_write(run.directory, error) from None
        if sys.stderr.isatty():
            self._bar = tqdm(initial=step, total=steps, unit="step", dynamic_ncols=True)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._writes:
            return
        if self._bar is not None:
            self._bar.close()
        try:
            with closing(self._lines), closing(self._events):
                pass
        except OSError as failure:
            if error is None:  # else the first failure is the one to report
                raise cannot_write(self._run.directory, failure) from None

    def tick(self, step: int) -> None:
        """Count a step that was dispatched; tell how it goes from time to time."""
        if not self._writes:
            return
        now = time.monotonic()
        if step == self._first + 1:
            self._began = now  # the first step compiles: it says nothing about the others
        if self._bar is not None:
            self._bar.update(1)
        elif now - self._told > TELL_SECS:
            self._tell(step)

    def line(
        self, step: int, secs: float, figures: dict[str, float], summaries: Summaries | None = None
    ) -> None:
        """Write the figures of a step, and what there is to see and hear.

        Raises:
          WyhError: the disk is full.
        """
        if not self._writes:
            return
        self._news = "".join(f", {name} {figures[name]:.4g}" for name in list(figures)[:4])
        if self._bar is not None:
            self._bar.set_postfix_str(self._news[2:], refresh=False)
        plain = {n: float(v) if math.isfinite(v) else None for n, v in figures.items()}
        values = [summary.scalar(name, value).value[0] for name, value in figures.items()]
        for name, picture in (summaries.pictures if summaries else {}).items():
            values.append(summary.image(name, picture, dataformats="HWC").value[0])
        for name, (waveform, rate) in (summaries.sounds if summaries else {}).items():
            values.append(summary.audio(name, np.clip(waveform, -1, 1), rate).value[0])
        try:
            self._lines.write(json.dumps({"step": step, "secs": round(secs, 3), **plain}) + "\n")
            self._lines.flush()
            self._event(step=step, summary=summary.Summary(value=values))
            if summaries or time.monotonic() - self._flushed > TELL_SECS:
                self._events.flush()
                self._flushed = time.monotonic()
        except OSError as error:
            raise cannot_write(self._run.directory, error) from None
        if self._bar is None and step == self._steps:
            self._tell(step)

    def _event(self, **content: Any) -> None:
        self._events.write(Event(wall_time=time.time(), **content).SerializeToString())

    def _tell(self, step: int) -> None:
        self._told = time.monotonic()
        rate = (step - self._first - 1) / max(self._told - self._began, 1e-9)
        left = f", {(self._steps - step) / rate:.0f} s left" if rate and step < self._steps else ""
        self.say(f"step {step}/{self._steps}{self._news}, {rate:.3g} steps/s{left}")

    def say(self, text: str) -> None:
        """One line for the user, on stderr."""
        if self._writes:
            tqdm.write(text, file=sys.stderr)


def _up_to(lines: bytes, step: int) -> bytes:
    """The lines of `metrics.jsonl` that are whole and not after `step`."""
    kept = []
    for line in lines.splitlines(keepends=True):
        try:
            entry: Any = json.loads(line)
        except ValueError:
            break  # cut off by a kill: nothing whole follows
        if line.endswith(b"\n") and entry["step"] <= step:
            kept.append(line)
    return b"".join(kept)
