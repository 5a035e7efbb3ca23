"""The same seconds of sound as runs that were trained otherwise paint them."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from wyh.report import hear_see_charts as charts
from wyh.report.album import TILE, tile
from wyh.report.beside import Other, table
from wyh.report.document import inlined
from wyh.report.findings import Figure
from wyh.report.painter import SoundPainter
from wyh.report.sample import Sample
from wyh.runs import load_run

COLUMNS = 10  # pictures of each run


def section(
    painter: SoundPainter,
    sample: Sample,
    figures: Sequence[Figure],
    beside: Sequence[tuple[Path, Other]],
    out: Path,
) -> str:
    """A section of the page, or nothing where there is none to compare with.

    Args:
      painter: of the run that is reported on.
      sample: the seconds that all paint.
      figures: of this run.
      beside: runs, and what their reports say.
      out: where the strips go.
    """
    if not beside:
        return ""
    rows = [("this run", strip(painter, sample.waveform, painter.sample_rate))]
    for path, other in beside:
        one = SoundPainter(load_run(path), "best")
        rows.append((other.changes, strip(one, sample.waveform, painter.sample_rate)))
    shown = []
    for number, (changes, pictures) in enumerate(rows):
        file = charts.save(pictures, out / f"beside-{number}.png")
        shown.append(
            f'<figure class="wide strip"><img src="{inlined(file)}" alt="{escape(changes)}">'
            f"<figcaption><b>{escape(changes)}</b></figcaption></figure><p></p>"
        )
    return (
        "<h2>The same seconds, trained otherwise</h2><p>The sample above as each run paints it, "
        f"from left to right.</p>{''.join(shown)}" + table(figures, [other for _, other in beside])
    )


def strip(
    painter: SoundPainter, waveform: Float32[np.ndarray, " samples"], sample_rate: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Pictures of a sound, evenly spread over it, in a row."""
    heard = resampled(waveform, sample_rate, painter.sample_rate)
    pictures = np.concatenate(list(painter.paint(heard, painter.sized(TILE))))
    chosen = ((np.arange(COLUMNS) + 0.5) * len(pictures) / COLUMNS).astype(int)
    return charts.mosaic([tile(pictures[number]) for number in chosen], COLUMNS)


def resampled(
    waveform: Float32[np.ndarray, " samples"], rate: int, wanted: int
) -> Float32[np.ndarray, " others"]:
    """A sound at another sample rate."""
    if rate == wanted:
        return waveform
    from scipy.signal import resample_poly  # 0.8 s, and mostly rates are the same

    common = int(np.gcd(rate, wanted))
    made = resample_poly(waveform.astype(np.float64), wanted // common, rate // common)
    return np.clip(made, -1, 1).astype(np.float32)
