"""What all tests share: strict shapes, no user's cache, seeded randomness, tiny runs and sets."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping

os.environ.setdefault("WYH_CACHE", tempfile.mkdtemp(prefix="wyh-tests-"))
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# NumPy's threads and those of JAX, or of other processes, wait for one another for seconds.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from fractions import Fraction
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from data_prep.marimba_film import Task, make_film
from wyh import cli, parts, shards
from wyh.dataset import Dataset, DataSpec, Recording, encode_window, open_dataset
from wyh.models.autoencoder import Autoencoder, AutoencoderConfig, encode
from wyh.runs import BestMetric, Run, create_run, save_variables
from wyh.specs import AudioSpec, VideoSpec
from wyh.synths.noise import NoiseConfig
from wyh.transducers.autoencoder import SonifierConfig, stream_spec
from wyh.transducers.compile import use_compilation_cache

use_compilation_cache()  # in WYH_CACHE: what several tests play is compiled once
jax.config.update("jax_numpy_rank_promotion", "raise")

TINY_MODEL = AutoencoderConfig(
    code_size=8, smoothing=1, widths=(4, 8, 8), strides=(4, 2, 2), hidden=16
)
TINY_SYNTH = NoiseConfig(
    sample_rate=8000, n_fft=256, hop_length=64, layout="linear", low_hz=100.0, high_hz=3500.0
)


@pytest.fixture
def rng() -> np.random.Generator:
    """NumPy's generator, the same in every test."""
    return np.random.default_rng(0)


@pytest.fixture
def key() -> jax.Array:
    """A JAX key, the same in every test."""
    return jax.random.key(0)


@pytest.fixture(scope="module")
def quickly() -> Iterator[None]:
    """Where compiling, each test its own, is nearly all of the time: with less care."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def ended(
    capsys: pytest.CaptureFixture[str],
    main: Callable[[Any], None],
    config: type,
    name: str,
    *words: object,
    presets: Mapping[str, Any] | None = None,
    **options: object,
) -> tuple[Any, str, str]:
    """`(status, stdout, stderr)` of a command; the status is 0 where it simply returned."""
    argv = list(map(str, words))
    for option, value in options.items():
        argv += [f"--{option}", str(value)]
    status: Any = 0
    try:
        cli.run(main, config, name, presets, argv)
    except SystemExit as stop:
        status = stop.code
    said = capsys.readouterr()
    return status, said.out, said.err


def untrained(config: SonifierConfig, video: VideoSpec, seed: int = 0) -> dict[str, Any]:
    """Variables of a sonifier with small random parameters, drawn without compiling `init`."""
    model, rng = Autoencoder(config.model, video.shape), np.random.default_rng(seed)
    shapes = jax.eval_shape(model.init, jax.random.key(0), np.zeros((1, *video.shape), np.float32))
    params = jax.tree.map(
        lambda leaf: (0.1 * rng.standard_normal(leaf.shape)).astype(np.float32), shapes["params"]
    )
    return {"params": params, "gain_db": np.float32(-10.0)}


def brightness_follower(config: SonifierConfig, video: VideoSpec) -> dict[str, Any]:
    """Variables that make every value of the code the picture's mean: black 0, white 1.

    The linear path alone is used, so `config.model.linear` must be set.
    """
    variables = jax.tree.map(np.zeros_like, untrained(config, video))
    encoder = variables["params"]["encoder"]
    kernel, bias = encoder["linear"]["kernel"], encoder["last"]["bias"]
    kernel[:] = 1 / np.prod(video.shape)
    black = np.zeros((1, *video.shape), np.float32)
    code = encode(Autoencoder(config.model, video.shape), variables["params"], black)
    begin = float(jax.scipy.special.logit(code[0, 0]))  # one less than white's
    kernel *= 30
    bias[:] = -15 - 30 * begin
    return variables | {"gain_db": np.float32(-20.0)}


def left_to_right(config: SonifierConfig, video: VideoSpec) -> dict[str, Any]:
    """Variables that make each value of the code the brightness of a strip of the picture.

    Value 0 is the leftmost strip. The linear path alone is used, and no smoothing.
    """
    assert config.model.linear and not config.model.smoothing
    variables = jax.tree.map(np.zeros_like, untrained(config, video))
    encoder, size = variables["params"]["encoder"], config.model.code_size
    strip = np.arange(video.width) * size // video.width == np.arange(size)[:, None]
    kernel = np.zeros((*video.shape, size), np.float32)
    kernel[:] = 12 * (strip / strip.sum(axis=1, keepdims=True)).T[None, :, None]
    kernel /= video.height * video.channels
    encoder["linear"]["kernel"][:] = kernel.reshape(-1, size)
    return variables | {"gain_db": np.float32(-10.0)}


def make_run(
    directory: Path,
    *,
    frame_rate: Fraction = Fraction(10),
    height: int = 16,
    width: int = 16,
    sound: SonifierConfig | None = None,
    bright_is_loud: bool = False,
    kind: str = "autoencoder",
) -> Run:
    """A run that can be played: tiny, and untrained.

    Args:
      directory: where to make it.
      frame_rate: of its pictures, in Hz.
      height: of its pictures, a multiple of 16 pixels.
      width: as `height`.
      sound: its model and synth; tiny ones unless given.
      bright_is_loud: its sound is as loud as the picture is bright; black is silent.
      kind: what `config.json` calls it.
    """
    sound = sound or SonifierConfig(
        TINY_MODEL, TINY_SYNTH, loudness="linear" if bright_is_loud else "db"
    )
    video = VideoSpec(frame_rate, height, width)
    run = create_run(
        directory,
        kind=kind,
        preset="tiny",
        config={"sound": sound},
        stream=stream_spec(sound, video),
        data={"fingerprint": "none", "recordings": ["film.mp4"]},
        best_metric=BestMetric("val_gain_db", "higher"),
    )
    variables = (brightness_follower if bright_is_loud else untrained)(sound, video)
    save_variables(run, variables, "variables")
    save_variables(run, variables, "variables_latest")
    return run


def make_dataset(
    directory: Path,
    recordings: Mapping[str, np.ndarray],
    *,
    frame_rate: Fraction = Fraction(10),
    sample_rate: int = 8000,
    frames_per_window: int = 1,
    kept: Callable[[float], bool] = lambda start_secs: True,
) -> Dataset:
    """A data set of made-up recordings, all of it for training.

    Args:
      directory: where to make it.
      recordings: frames `uint8 [time, height, width, channel]` by name.
      frame_rate: of the frames, in Hz.
      sample_rate: of its silent sound, in Hz.
      frames_per_window: in one example.
      kept: whether a window that starts at so many seconds is in it.
    """
    first = next(iter(recordings.values()))
    video = VideoSpec(frame_rate, *first.shape[1:])
    spec = DataSpec(video, AudioSpec(sample_rate), frames_per_window)
    silence = np.zeros(spec.window.window_samples, np.float32)
    counts = []

    def entries() -> Iterator[parts.Entry]:
        for name, frames in recordings.items():
            before = len(counts)
            for at in range(0, len(frames) - frames_per_window + 1, frames_per_window):
                start_secs = at / float(frame_rate)
                if kept(start_secs):
                    window = frames[at : at + frames_per_window]
                    data = encode_window(window, silence, start_secs, name)
                    counts.append(name)
                    yield parts.Entry("train", len(counts), data)
            assert len(counts) > before

    with parts.work_folder(directory, "made up") as work:
        assert work is not None
        written = parts.write_parts(work, "all", entries())
        about = [Recording(name, counts.count(name), 0) for name in recordings]
        shards.finish(directory, work, "made up", spec, written, about)
    return open_dataset(directory)


@pytest.fixture(scope="session")
def marimba_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three tiny films of a marimba, 4 s each, and their truth files."""
    out = tmp_path_factory.mktemp("marimba")
    (out / "train").mkdir()
    for number in range(3):
        make_film(Task(out, "train", number, 0, 4.0, VideoSpec(Fraction(25), 24, 32)))
    return out / "train"
