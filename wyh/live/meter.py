"""How long each stage of a live stream takes, in bounded memory however long it plays."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

STAGES = ("grab", "wait", "observe", "emit", "ring", "device", "total")
"""Where the time goes between a picture and its sound:

- grab: the picture is there to be taken (a paced source: is due) -> it is ours
- wait: it is ours -> the model looks at it, at its own next tick
- observe: looking at it
- emit: making one block of sound
- ring: the block is made -> the sink takes it
- device: the sink takes it -> it is out: written, or heard
- total: the picture was there to be taken -> the first block that knows of it is out

`total` and `offset_ms` leave out pictures that the model saw before.

Where sound becomes pictures, between a block of sound and its picture:

- grab: the block was heard (a file: is due, ahead by the declared latency) -> it is ours
- wait: it is ours -> the model listens to it
- observe: listening to it
- ring: that is done -> a picture is made of it, when one is due
- emit: making one picture
- device: the picture is made -> its tick has come, and it is painted or written
- total: the block was heard -> the first picture that knows of it is painted or written

`offset_ms` is then by how much the middle of a picture is later than the middle of its sound.
"""

_LEAST_SECS = 1e-6
_GROWTH = math.log(1.01)  # from one bin to the next: figures are exact to 0.5 %
_BINS = 2048  # up to 700 s


class Histogram:
    """Durations in bins that grow by 1 %; the last also holds all that is longer."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)

    def add(self, secs: float) -> None:
        """Count a duration; less than a microsecond is one."""
        at = math.log(max(secs, _LEAST_SECS) / _LEAST_SECS) / _GROWTH
        self._counts[min(round(at), _BINS - 1)] += 1

    def percentile_secs(self, percent: float) -> float | None:
        """The duration that `percent` of all do not exceed; None where there are none."""
        total = int(self._counts.sum())
        if not total:
            return None
        rank = max(1, math.ceil(total * percent / 100))
        at = int(np.searchsorted(np.cumsum(self._counts), rank))
        return _LEAST_SECS * math.exp(at * _GROWTH)


class Meter:
    """A histogram for each stage, and one of the offset between picture and sound.

    A stage is added to by one thread alone.
    """

    def __init__(self) -> None:
        self._stages = {name: Histogram() for name in STAGES}
        self._offset = Histogram()

    def add(self, stage: str, secs: float) -> None:
        """Count how long a stage took once."""
        self._stages[stage].add(secs)

    def add_offset(self, secs: float) -> None:
        """Count by how much the centre of a picture's sound was later than the picture."""
        self._offset.add(secs)

    def median_ms(self, stage: str) -> float | None:
        """The median of a stage so far."""
        return _ms(self._stages[stage].percentile_secs(50))

    @property
    def offset_ms(self) -> float | None:
        """The median of the offset so far."""
        return _ms(self._offset.percentile_secs(50))

    def summary(
        self, *, frames: int, secs: float, underruns: int, first_sound_secs: float | None
    ) -> dict[str, Any]:
        """What `live --json` prints; `summary.schema.json` describes it.

        Args:
          frames: pictures that the model looked at.
          secs: of sound that went out.
          underruns: blocks that were not there when they were due.
          first_sound_secs: from the start of the program to the first block that went out.

        Returns:
          The above; `offset_ms`, the median over pictures of the time when the centre of its sound
          is heard less the time when the picture was there, the declared latency included: what a
          player feels; and `stages_ms`. What was never measured is None.
        """
        return {
            "frames": frames,
            "secs": round(secs, 3),
            "underruns": underruns,
            "first_sound_secs": None if first_sound_secs is None else round(first_sound_secs, 3),
            "offset_ms": self.offset_ms,
            "stages_ms": self.latencies_ms(),
        }

    def latencies_ms(self) -> dict[str, dict[str, float | None]]:
        """Of each stage `{"p50", "p95", "p99"}`, None where it was never measured."""
        return {
            name: {f"p{p}": _ms(stage.percentile_secs(p)) for p in (50, 95, 99)}
            for name, stage in self._stages.items()
        }


def as_text(summary: dict[str, Any], lines: Iterable[str] = ()) -> str:
    """The summary for people."""
    made = "first_picture_secs" in summary
    first, other = ("picture", "sound") if made else ("sound", "picture")
    left_out = f" ({summary['left_out']} left out)" if made else ""
    shown = [
        f"{summary['frames']} pictures{left_out}, {summary['secs']:.1f} s of sound, "
        f"{summary['underruns']} underruns, first {first} after "
        f"{_or_dash(summary[f'first_{first}_secs'])} s, {first} behind {other} "
        f"{_or_dash(summary['offset_ms'])} ms",
        *lines,
        f"{'ms':<8} {'p50':>8} {'p95':>8} {'p99':>8}",
    ]
    for name, stage in summary["stages_ms"].items():
        shown.append(f"{name:<8} " + " ".join(f"{_or_dash(v):>8}" for v in stage.values()))
    return "\n".join(shown)


def _ms(secs: float | None) -> float | None:
    return None if secs is None else float(f"{secs * 1000:.4g}")


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
