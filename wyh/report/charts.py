"""The drawings of a report, as PNG files. Matplotlib without a display."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure
from PIL import Image

from wyh.report.contenders import closest
from wyh.report.findings import Contender, Findings, Pictures
from wyh.signal.stft import stft_window

INK, PAPER, FAINT = "#e8e6e1", "#14161c", "#8d93a3"
OWN, OTHER, GRID = "#ffb347", "#6c7a99", "#2b303c"
STYLE: dict[Any, Any] = {
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "axes.edgecolor": GRID,
    "axes.labelcolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "text.color": INK,
    "font.size": 10,
    "font.family": "DejaVu Sans",
}
_DPI = 160
STRIP = 8  # pictures in the strip
SPECTRUM_SECS = 6.0


def draw(findings: Findings, folder: Path) -> dict[str, Path]:
    """Write all charts; returns them by name."""
    pictures = findings.pictures
    charts = {"strip": folder / "strip.png"}
    Image.fromarray(strip(pictures)).save(charts["strip"], optimize=True)
    with mpl.rc_context(STYLE):
        for name, figure in (
            ("spectrogram", spectrogram(findings)),
            ("code", code_histogram(pictures.codes)),
            ("pixels", jacobian(pictures)),
            ("baselines", bars(findings.contenders)),
        ):
            charts[name] = saved(figure, folder / f"{name}.png")
    return charts


def saved(figure: Figure, path: Path, *, photos: bool = False) -> Path:
    """Write a drawing, in few colours, as the page holds them all; in more where it has photos."""
    figure.savefig(path)
    drawn = Image.open(path).convert("RGB")
    (drawn if photos else drawn.quantize(255)).save(path, optimize=True)
    return path


def evenly(count: int, wanted: int) -> np.ndarray:
    """Numbers of so many pictures, evenly spread, none at the very ends."""
    return ((np.arange(min(wanted, count)) + 0.5) * count / min(wanted, count)).astype(int)


def as_bytes(pictures: Float[np.ndarray, "n height width channel"]) -> UInt8[np.ndarray, "..."]:
    """Pictures in [0, 1] as colour frames."""
    return coloured(np.rint(np.clip(pictures, 0, 1) * 255).astype(np.uint8))


def coloured(frames: UInt8[np.ndarray, "n height width channel"]) -> UInt8[np.ndarray, "..."]:
    """The same, grey ones as three equal channels."""
    return np.repeat(frames, 3, axis=-1) if frames.shape[-1] == 1 else frames


def strip(pictures: Pictures, tile: int = 160) -> UInt8[np.ndarray, "height width 3"]:
    """Originals above what the sound knows of them."""
    chosen = evenly(len(pictures.seen), STRIP)
    rows = [coloured(pictures.seen[chosen]), as_bytes(pictures.known[chosen])]
    height, width = rows[0].shape[1:3]
    size = (tile, max(1, round(tile * height / width)))
    gap = 6
    whole = np.zeros((2 * size[1] + gap, (tile + gap) * len(chosen) - gap, 3), np.uint8)
    whole[:] = tuple(bytes.fromhex(PAPER[1:]))
    for row, frames in enumerate(rows):
        for column, frame in enumerate(frames):
            top, left = row * (size[1] + gap), column * (tile + gap)
            large = Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)
            whole[top : top + size[1], left : left + tile] = np.asarray(large)
    return whole


def spectrogram(findings: Findings) -> Figure:
    """The sound of the first seconds, under the pictures that made it."""
    rate = findings.sample_rate
    sound = findings.pictures.sound[: round(SPECTRUM_SECS * rate)]
    level = levels_db(sound, rate)
    secs = len(sound) / rate
    figure = Figure(figsize=(7.2, 3.9), dpi=_DPI, layout="constrained")
    thumbs, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3.2))
    count = max(1, min(len(findings.pictures.seen), int(secs * findings.frame_rate)))
    thumbnails(thumbs, findings.pictures.seen[:count], secs)
    highest = min(rate / 2000, 1.06 * float(findings.pictures.band_hz[-1]) / 1000)
    within = level[: int(len(level) * highest * 2000 / rate)]
    floor, top = np.percentile(within, 12), np.percentile(within, 99.7)
    below.imshow(
        level,
        origin="lower",
        aspect="auto",
        extent=(0, secs, 0, rate / 2000),
        cmap="inferno",
        vmin=floor,
        vmax=top,
    )
    below.set(xlabel="seconds", ylabel="kHz", ylim=(0, highest))
    return figure


def levels_db(
    sound: Float[np.ndarray, " samples"], sample_rate: int
) -> Float[np.ndarray, "bins columns"]:
    """Levels of columns of 46 ms, about 700 of them, from 0 Hz to half the sample rate."""
    size = 2 ** round(np.log2(sample_rate * 0.046))
    hop = max(1, len(sound) // 700)
    cut = np.lib.stride_tricks.sliding_window_view(np.pad(sound, size // 2), size)[::hop]
    power = np.abs(np.fft.rfft(cut * stft_window("hann", size))) ** 2
    return 10 * np.log10(np.maximum(power.T, 1e-12))


def thumbnails(
    axes: Any, seen: UInt8[np.ndarray, "n height width channel"], secs: float, most: int = 8
) -> None:
    """Some pictures side by side along an axis of time, each where it is shown."""
    chosen = evenly(len(seen), most)
    edges = np.linspace(0, secs, len(chosen) + 1)
    for frame, left, right in zip(coloured(seen[chosen]), edges[:-1], edges[1:], strict=True):
        pad = 0.03 * (right - left)
        axes.imshow(frame, extent=(left + pad, right - pad, 0, 1), aspect="auto")
    axes.set(xlim=(0, secs), ylim=(0, 1))
    axes.set_axis_off()


def code_histogram(codes: Float[np.ndarray, "n code"]) -> Figure:
    """All held-out code values together, against the uniform distribution."""
    figure = Figure(figsize=(5, 4.26), dpi=_DPI, layout="constrained")
    axes: Any = figure.subplots()
    density, edges = np.histogram(codes, bins=32, range=(0, 1), density=True)
    axes.bar(edges[:-1], density, np.diff(edges) * 0.9, align="edge", color=OWN)
    axes.axhline(1, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), label="uniform")
    axes.legend(frameon=False, loc="upper center", labelcolor=INK)
    axes.set(xlim=(0, 1), xlabel="code value", ylabel="density")
    axes.set_ylim(0, max(1.5, 1.2 * density.max()))
    return figure


def jacobian(pictures: Pictures) -> Figure:
    """Which pixels move which band: warm ones raise it where they are brighter, cold ones lower."""
    slopes = pictures.slopes.sum(axis=-1)
    columns = 4
    rows = -(-len(slopes) // columns)
    figure = Figure(figsize=(5, 1.42 * rows), dpi=_DPI, layout="constrained")
    all_axes = np.atleast_2d(figure.subplots(rows, columns))
    for axes in all_axes.flat:
        axes.set_axis_off()
    for axes, slope, band in zip(all_axes.flat, slopes, pictures.slope_bands, strict=False):
        most = max(float(np.percentile(np.abs(slope), 99.5)), 1e-9)
        axes.imshow(slope, cmap="PuOr_r", vmin=-most, vmax=most, interpolation="bilinear")
        axes.set_title(_hertz(float(pictures.band_hz[band])), fontsize=9, color=FAINT, pad=3)
    return figure


def _hertz(hz: float) -> str:
    return f"{hz:.0f} Hz" if hz < 1000 else f"{hz / 1000:.1f} kHz"


def bars(contenders: list[Contender]) -> Figure:
    """Gain of each by the listener that suits it best, and by log-mel bands, with intervals."""
    order = sorted(contenders, key=lambda c: closest(c).gain_db.value)
    figure = Figure(figsize=(7.2, 0.62 + 0.46 * len(order)), dpi=_DPI, layout="constrained")
    axes: Any = figure.subplots()
    for place, contender in enumerate(order):
        colour = OWN if contender.own else OTHER
        for score, up, strong in (
            (closest(contender), 0.17, 1.0),
            (contender.scores["mel"], -0.17, 0.5),
        ):
            if up < 0 and score is closest(contender):
                continue
            value, low, high = score.gain_db
            axes.barh(place + up, value, 0.32, color=colour, alpha=strong)
            axes.plot([low, high], [place + up] * 2, color=INK, linewidth=1, alpha=0.8)
    axes.set_yticks(range(len(order)), [c.label for c in order])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_xlabel("gain over the mean picture, dB: best listener, and below it log-mel bands")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure
