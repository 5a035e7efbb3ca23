"""Tiny recordings whose pictures tell their number and whose sound clicks at known times."""

import subprocess
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from wyh.media import ffmpeg
from wyh.media.decode import open_audio, open_video
from wyh.specs import VideoSpec

FRAMES, RATE, HEIGHT, WIDTH = 110, 25, 90, 160
SAMPLE_RATE = 48_000
# No two of them as far apart as two others, so that none can be taken for another.
CLICKS_SECS = np.array([0.31, 0.83, 1.30, 1.87, 2.34, 2.92, 3.37, 3.96])
READ = VideoSpec(Fraction(RATE), 8, 64, 1, "stretch")
_VFR_MS = (0, 40, 60, 140, 173)


def barcode(number: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A grey picture of eight stripes, the bits of `number`."""
    bits = [(number >> bit) & 1 for bit in range(8)]
    row = np.repeat(np.array(bits, np.uint8) * 200 + 28, -(-width // 8))[:width]
    return np.broadcast_to(row, (height, width))


def numbers_of(pixels: np.ndarray) -> np.ndarray:
    """The numbers of pictures `[n, h, w, c]`."""
    stripe = pixels.shape[2] // 8
    middle = pixels[..., :1].reshape(len(pixels), pixels.shape[1], 8, stripe)
    bits = middle[:, 2:-2, :, stripe // 4 : -stripe // 4].mean(axis=(1, 3)) > 128
    return bits @ (1 << np.arange(8))


def _burst(rate: int) -> np.ndarray:
    secs = (np.arange(-0.006 * rate, 0.006 * rate + 1)) / rate
    return np.exp(-((secs / 0.0015) ** 2) + 2j * np.pi * 2000 * secs)


def clicking(secs: float, clicks_secs: np.ndarray = CLICKS_SECS, rate: int = SAMPLE_RATE):
    """A sound with a short burst at each of `clicks_secs`."""
    wave = np.zeros(round(secs * rate))
    burst = _burst(rate).real * 0.8
    for click in clicks_secs:
        first = round(click * rate) - len(burst) // 2
        wave[first : first + len(burst)] += burst[: max(0, len(wave) - first)]
    return wave.astype(np.float32)


def clicks_in(wave: np.ndarray, rate: int = SAMPLE_RATE) -> np.ndarray:
    """The times of the bursts, in seconds from sample 0."""
    burst = _burst(rate)
    size = 1 << (len(wave) + len(burst)).bit_length()
    spectrum = np.fft.fft(wave, size) * np.conj(np.fft.fft(burst, size))
    # Index 0 of the correlation is a burst whose first sample is sample 0.
    strength = np.roll(np.abs(np.fft.ifft(spectrum)), len(burst) // 2)[: len(wave)]
    loud = np.flatnonzero(strength > 0.35 * strength.max())
    groups = np.split(loud, np.flatnonzero(np.diff(loud) > 0.02 * rate) + 1)
    return np.array([group[strength[group].argmax()] for group in groups]) / rate


def cfr_secs(number: np.ndarray) -> np.ndarray:
    return number / RATE


def vfr_secs(number: np.ndarray) -> np.ndarray:
    return (number // 5 * 220 + np.array(_VFR_MS)[number % 5]) / 1000


@dataclass
class Recipe:
    """How ffmpeg makes one recording from the numbered pictures and the clicking sound."""

    file: str
    vf: str = "null"
    af: str = "anull"
    video: str = "-c:v libx264 -preset veryfast -bf 0 -g 25"
    audio: str = "-c:a aac -b:a 96k"
    more: str = ""
    secs_of: object = staticmethod(cfr_secs)
    clicks: np.ndarray = field(default_factory=lambda: CLICKS_SECS)


_VFR = "settb=1/1000,setpts='220*floor(N/5)+" + "+".join(
    f"eq(mod(N,5),{k})*{ms}" for k, ms in enumerate(_VFR_MS)
) + "'"  # fmt: skip
_LATE, _HOLE = CLICKS_SECS[CLICKS_SECS > 0.52], "asetnsamples=1024,aselect='not(between(n,94,{}))'"
RECIPES = {
    "cfr_mp4": Recipe("cfr.mp4"),
    "vfr_mp4": Recipe("vfr.mp4", vf=_VFR, secs_of=vfr_secs),
    "vfr_mkv": Recipe("vfr.mkv", vf=_VFR, secs_of=vfr_secs),
    "b_frames": Recipe("b.mp4", video="-c:v libx264 -bf 3 -g 50"),
    "b_vfr_mkv": Recipe("b.mkv", vf=_VFR, video="-c:v libx264 -bf 3", secs_of=vfr_secs),
    "late_sound": Recipe("late_sound.mp4", af="atrim=start=0.5", clicks=_LATE),
    "late_sound_mkv": Recipe("late_sound.mkv", af="atrim=start=0.5", clicks=_LATE),
    "late_video": Recipe("late_video.mp4", vf="trim=start=0.7", clicks=_LATE),
    "late_video_ts": Recipe("late_video.ts", vf="trim=start=0.7", clicks=_LATE),
    "hole_64ms": Recipe("hole_64ms.mkv", af=_HOLE.format(96)),
    "hole_1493ms": Recipe(
        "hole_1493ms.mp4",
        af=_HOLE.format(163),
        clicks=CLICKS_SECS[(CLICKS_SECS < 2) | (CLICKS_SECS > 3.51)],
    ),
    "ts": Recipe("plain.ts", video="-c:v libx264 -bf 2 -g 25"),
    "mkv_opus": Recipe("opus.mkv", audio="-c:a libopus"),
    "webm": Recipe(
        "vp9.webm",
        video="-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 400k",
        audio="-c:a libopus",
    ),
    "mov": Recipe("pcm.mov", audio="-c:a pcm_s16le"),
    "far_mkv": Recipe("far.mkv", more="-output_ts_offset 80000"),
    "far_ts": Recipe("far.ts", more="-output_ts_offset 80000"),
    "raw_nut": Recipe("raw.nut", video="-c:v rawvideo", audio="-c:a pcm_s16le", vf="scale=64:16"),
}


def run_ffmpeg(*arguments: str) -> None:
    """Run ffmpeg; `check=True` shows its complaint."""
    command = [ffmpeg.executable(), "-hide_banner", "-v", "error", "-nostdin", "-y", *arguments]
    subprocess.run(command, check=True)


def raw_inputs(folder: Path) -> list[str]:
    """ffmpeg's inputs: the numbered pictures and the clicking sound."""
    pictures, sound = folder / "pictures.gray", folder / "sound.wav"
    if not sound.exists():
        pictures.write_bytes(b"".join(barcode(n).tobytes() for n in range(FRAMES)))
        soundfile.write(sound, clicking(FRAMES / RATE), SAMPLE_RATE)
    look = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE)]
    return [*look, "-i", str(pictures), "-i", str(sound)]


def make(folder: Path, recipe: Recipe) -> Path:
    """Make one recording."""
    path = folder / recipe.file
    arguments = [*raw_inputs(folder), "-map", "0:v", "-map", "1:a", "-vf", recipe.vf]
    arguments += ["-af", recipe.af, "-fps_mode", "passthrough", "-enc_time_base:v", "filter"]
    arguments += ["-pix_fmt", "yuv420p", *recipe.video.split(), *recipe.audio.split()]
    run_ffmpeg(*arguments, *recipe.more.split(), str(path))
    return path


def read_video(path, spec: VideoSpec = READ, **how):
    """All frames of a file: `(times_secs, pixels)`."""
    with open_video(str(path), spec, **how) as reader:
        chunks = list(reader)
    return np.concatenate([c.times_secs for c in chunks]), np.concatenate(
        [c.pixels for c in chunks]
    )


def read_audio(path, start_secs, rate: int = SAMPLE_RATE, **how) -> np.ndarray:
    """All sound of a file."""
    with open_audio(str(path), rate, start_secs=start_secs, **how) as reader:
        return np.concatenate(list(reader))


def shifts(path, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """How many seconds each picture and each click come after their time in the recipe."""
    times, pixels = read_video(path)
    wave = read_audio(path, times[0])
    heard = times[0] + clicks_in(wave)
    expected = recipe.clicks
    assert len(heard) == len(expected), (heard - times[0], expected)
    return times - recipe.secs_of(numbers_of(pixels)), heard - expected


def av_error_ms(path, recipe: Recipe) -> float:
    """The worst difference between a picture's shift and a click's."""
    picture, sound = shifts(path, recipe)
    return 1000 * float(max(sound.max() - picture.min(), picture.max() - sound.min()))
