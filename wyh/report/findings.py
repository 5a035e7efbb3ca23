"""What a report says, before it is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from wyh.metrics.intervals import Interval
from wyh.report.decode import Score
from wyh.report.playing import Smoothness


@dataclass(frozen=True)
class Figure:
    """One row of the table, and one metric of `report.json`.

    Attributes:
      name: in `report.json`.
      label: for people.
      value: the run's.
      unit: of all values; "" where there is none.
      better: which way is better.
      interval: of 95 %, where examples were drawn.
      baselines: what others reach.
      about: how it is measured, in a sentence.
      wanted: what it should reach; None where nothing is asked.
      group: what it is about, the same for neighbouring rows.
      headline: what to call it among the few in large print; "" elsewhere.
    """

    name: str
    label: str
    value: float
    unit: str
    better: Literal["higher", "lower"]
    interval: Interval | None = None
    baselines: dict[str, float] = field(default_factory=dict)
    about: str = ""
    wanted: float | None = None
    headline: str = ""
    group: str = ""

    @property
    def met(self) -> bool:
        """Whether it is as wanted."""
        if self.wanted is None:
            return True
        short = self.wanted - self.value if self.better == "higher" else self.value - self.wanted
        return short < 5e-4  # what rounding would hide is no miss


@dataclass(frozen=True)
class Contender:
    """One way to turn pictures into sound, and what is left of them.

    Attributes:
      name: in `report.json`.
      label: for people.
      scores: by listener: `listener`, `bands`, `mel`.
      ks: pooled distance of its held-out codes to uniform; None where it has no code.
      spearman: of picture and sound distances.
      own: whether it is the run itself.
    """

    name: str
    label: str
    scores: dict[str, Score]
    ks: float | None = None
    spearman: float | None = None
    own: bool = False


@dataclass(frozen=True)
class Measured:
    """All that figures are made of."""

    own: Contender
    clean: Score
    silent: dict[str, float]  # gain of pictures decoded from codes, before any sound; "run" is own
    contenders: list[Contender]
    codes: np.ndarray
    moved_codes: np.ndarray
    smooth: dict[str, Smoothness]  # by phase policy
    offset_ms: float
    latency_ms: float
    compute_ms: np.ndarray
    budget_ms: float
    sound: np.ndarray
    sample_rate: int
    count: int  # held-out pictures


@dataclass(frozen=True)
class Variation:
    """One setting of the knobs: what it keeps, how loud it is, and how it sounds."""

    label: str
    knobs: dict[str, float | str]
    gain_db: float
    mel_gain_db: float
    loudness_lufs: float
    sound: np.ndarray  # some seconds


@dataclass(frozen=True)
class Pictures:
    """What is drawn: arrays of the held-out part, or of typical pictures."""

    seen: np.ndarray  # uint8 [n height width channel]
    known: np.ndarray  # the same, as heard
    sound: np.ndarray  # of these
    codes: np.ndarray  # [n code]
    slopes: np.ndarray  # [bands height width channel]: which pixels move which band
    slope_bands: np.ndarray  # which bands these are
    band_hz: np.ndarray  # the middle of each band


@dataclass(frozen=True)
class Findings:
    """All of a report."""

    title: str
    sentence: str
    source: str
    sample_rate: int
    frame_rate: float
    figures: list[Figure]
    contenders: list[Contender]
    phases: dict[str, dict[str, Score]]  # by policy, then by listener
    variations: list[Variation]
    pictures: Pictures
    latency: list[tuple[str, float]]  # its parts, in ms
    method: list[str]  # sentences
    run: dict[str, Any] = field(default_factory=dict)  # facts for the foot of the page


def report_json(figures: Sequence[Figure], run: str, kind: str) -> dict[str, Any]:
    """`report.json`, as the contract has it."""
    metrics = {
        figure.name: {
            "value": _plain(figure.value),
            "unit": figure.unit,
            "better": figure.better,
            "baselines": {name: _plain(value) for name, value in figure.baselines.items()},
        }
        for figure in figures
    }
    return {"run": run, "kind": kind, "metrics": metrics}


def _plain(value: float) -> float:
    """Rounded to what a reader can use, so that a repetition differs in nothing but what counts."""
    return float(f"{float(value):.6g}")
