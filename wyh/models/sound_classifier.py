"""Sound -> how likely each class is, tick after tick, with a memory of what was heard before.

Levels of mel bands go through convolutions in time, over the past alone, and then into a recurrent
layer; one class more than there are names stands for nothing of them all. Whatever is remembered is
in the carry, so that sound heard block by block gives the same as all of it at once.
Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 1997; Cho et al.,
"Learning phrase representations using RNN encoder-decoder", EMNLP 2014.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from wyh.errors import WyhError, check_range
from wyh.signal.features import Extractor, FeatureConfig, decibels

Cell = Literal["gru", "lstm"]

SLOWEST_SECS = 0.05
"""From one estimate to the next, at most."""


@dataclass(frozen=True)
class ClassifierConfig:
    """What is heard of sound, and the sizes of the network that names it."""

    features: FeatureConfig = field(
        default_factory=lambda: FeatureConfig(
            sample_rate=16000, win_length=480, hop_length=160, n_fft=1024, low_hz=60.0
        )
    )  # at the rate of other sounds the same times
    channels: tuple[int, ...] = (64, 128)  # of each convolution, 1 to 4096
    reach: int = 5  # columns that a convolution sees, the newest and those before, 1 to 64
    stride: int = 2  # columns of which each convolution makes one, 1 to reach
    cell: Cell = "gru"  # of the memory: gru or lstm
    memory: int = 128  # values that are remembered, 1 to 4096
    dropout: float = 0.3  # share of values left out around the memory in training, 0 to 0.9

    def __post_init__(self) -> None:
        if self.features.kind == "raw":
            raise WyhError("got raw features, wanted fbank or fft")
        if not self.channels:
            raise WyhError("got no convolutions, wanted channels of one or more")
        for channels in self.channels:
            check_range("a layer's channels", channels, 1, 4096)
        check_range("reach", self.reach, 1, 64, "columns")
        check_range("stride", self.stride, 1, self.reach, "columns")
        check_range("memory", self.memory, 1, 4096)
        check_range("dropout", self.dropout, 0, 0.9)
        if self.tick_secs > SLOWEST_SECS:
            raise WyhError(
                f"got an estimate every {1000 * self.tick_secs:.3g} ms, wanted one every "
                f"{1000 * SLOWEST_SECS:g} ms or less: lower features.hop_length or stride"
            )

    @property
    def block(self) -> int:
        """Samples from one estimate to the next."""
        return self.features.hop_length * self.stride ** len(self.channels)

    @property
    def tick_secs(self) -> float:
        """From one estimate to the next."""
        return self.block / self.features.sample_rate

    def at_rate(self, sample_rate: int) -> "ClassifierConfig":
        """The same for sound of another rate in Hz: windows as long in seconds."""
        old = self.features
        if old.sample_rate == sample_rate:
            return self
        part = sample_rate / old.sample_rate
        hop_length, win_length = round(old.hop_length * part), round(old.win_length * part)
        points = round(old.n_fft * part)
        features = replace(
            old,
            sample_rate=sample_rate,
            hop_length=hop_length,
            win_length=max(win_length, hop_length),
            n_fft=max(1 << (points - 1).bit_length(), win_length),
        )
        return replace(self, features=features)


class Remembered(NamedTuple):
    """What the network remembers."""

    before: tuple[Float[Array, "batch before values"], ...]  # that each convolution sees again
    memory: tuple[Float[Array, "batch memory"], ...]


class ClassifierCarry(NamedTuple):
    """What is remembered from tick to tick."""

    sound: Float[Array, "batch before"]
    network: Remembered


class SoundClassifier(nn.Module):
    """Features -> log odds of each class, the last one being nothing of them all."""

    config: ClassifierConfig
    classes: int

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch columns features"],
        remembered: Remembered,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Remembered, Float[Array, "batch ticks classes_and_nothing"]]:
        """Look at columns in a row; with a key, values are left out at random.

        Args:
          x: normalised, of whole ticks.
          remembered: from `blank`, or of the columns before.
          key: of the dropout, for training.
        """
        c, kept = self.config, []
        for number, (channels, before) in enumerate(
            zip(c.channels, remembered.before, strict=True)
        ):
            joined = jnp.concatenate([before, x], axis=1)
            kept.append(joined[:, x.shape[1] :])
            layer = nn.Conv(channels, (c.reach,), c.stride, "VALID", name=f"convolution_{number}")
            x = nn.relu(nn.LayerNorm(name=f"norm_{number}")(layer(joined)))
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        x = _left_out(x, keys[0], c.dropout)
        gates = nn.Dense((3 if c.cell == "gru" else 4) * c.memory, name="gates")(x)
        shape = c.memory, gates.shape[-1]
        again = jnp.asarray(self.param("again", nn.initializers.orthogonal(), shape))
        step = _gru if c.cell == "gru" else _lstm

        def tick(memory: tuple[Array, ...], gates: Array) -> tuple[tuple[Array, ...], Array]:
            memory = step(memory, gates, again)
            return memory, memory[0]

        memory, values = jax.lax.scan(tick, remembered.memory, gates.swapaxes(0, 1))
        values = _left_out(values.swapaxes(0, 1), keys[1], c.dropout)
        logits = nn.Dense(self.classes + 1, name="classes")(values)
        return Remembered(tuple(kept), memory), logits


def blank(config: ClassifierConfig, batch_size: int) -> Remembered:
    """What the network remembers before the first column."""
    c = config
    widths = (c.features.size, *c.channels[:-1])
    before = tuple(jnp.zeros((batch_size, c.reach - c.stride, width)) for width in widths)
    return Remembered(before, (jnp.zeros((batch_size, c.memory)),) * (2 if c.cell == "lstm" else 1))


class Recogniser:
    """From sound to probabilities; holds constants only.

    Variables: `{"params", "mean", "std", "temperature"}`: of the network; of each feature, float32
    [features]; what log odds are divided by, so that probabilities are as often true as they say.

    Raises:
      WyhError: features that cannot be made.
    """

    def __init__(self, config: ClassifierConfig, classes: int) -> None:
        self.config, self.extractor = config, Extractor(config.features)
        self.model = SoundClassifier(config, classes)

    def init(self, batch_size: int) -> ClassifierCarry:
        """The carry before the first block: silence, and nothing to remember."""
        return ClassifierCarry(self.extractor.init(batch_size), blank(self.config, batch_size))

    def features(
        self, before: Float[Array, "batch before"], sound: Float[Array, "batch samples"]
    ) -> tuple[Float[Array, "batch before"], Float[Array, "batch columns features"]]:
        """Levels in dB of whole blocks of sound, and the sound to remember."""
        after, windows = self.extractor.windows(before, sound)
        whole = self.extractor.whole(before, sound)
        return after, self.extractor.vectors(self.extractor.power(windows), whole)

    def logits(
        self,
        variables: Mapping[str, Any],
        carry: ClassifierCarry,
        sound: Float[Array, "batch samples"],
    ) -> tuple[ClassifierCarry, Float[Array, "batch ticks classes_and_nothing"]]:
        """Log odds after each block, as they are trained."""
        before, columns = self.features(carry.sound, sound)
        values = normalised(columns, variables["mean"], variables["std"])
        found: Any = self.model.apply({"params": variables["params"]}, values, carry.network)
        return ClassifierCarry(before, Remembered(*found[0])), found[1]

    def __call__(
        self,
        variables: Mapping[str, Any],
        carry: ClassifierCarry,
        sound: Float[Array, "batch samples"],
    ) -> tuple[ClassifierCarry, Float[Array, "batch ticks classes"]]:
        """Probabilities of the classes after each block; the rest to 1 is that of nothing.

        Args:
          variables: see above.
          carry: from `init`, or of the blocks before.
          sound: whole blocks of `config.block` samples, mono.
        """
        carry, logits = self.logits(variables, carry, sound)
        return carry, jax.nn.softmax(logits / variables["temperature"], axis=-1)[..., :-1]


def normalised(
    columns: Float[Array, "batch columns features"],
    mean: Float[Array | np.ndarray, " features"],
    std: Float[Array | np.ndarray, " features"],
) -> Float[Array, "batch columns features"]:
    """Features with the mean 0 and the standard deviation 1."""
    return (columns - jnp.asarray(mean)[None, None]) / jnp.asarray(std)[None, None]


def level_db(sound: Float[Array, "*lead samples"], block: int) -> Float[Array, "*lead ticks"]:
    """Level of each block, against a sine of full scale."""
    blocks = sound.reshape(*sound.shape[:-1], -1, block)
    return decibels(2 * jnp.mean(jnp.square(blocks), axis=-1))


def _gru(memory: tuple[Array, ...], gates: Array, again: Array) -> tuple[Array, ...]:
    (hidden,) = memory
    old = hidden @ again
    size = hidden.shape[-1]
    update, reset = jnp.split(nn.sigmoid(gates[:, : 2 * size] + old[:, : 2 * size]), 2, axis=-1)
    new = jnp.tanh(gates[:, 2 * size :] + reset * old[:, 2 * size :])
    return ((1 - update) * new + update * hidden,)


def _lstm(memory: tuple[Array, ...], gates: Array, again: Array) -> tuple[Array, ...]:
    hidden, cell = memory
    take, keep, show, new = jnp.split(gates + hidden @ again, 4, axis=-1)
    # One more: at first it remembers.
    cell = nn.sigmoid(keep + 1) * cell + nn.sigmoid(take) * jnp.tanh(new)
    return nn.sigmoid(show) * jnp.tanh(cell), cell


def _left_out(x: Array, key: PRNGKeyArray | None, share: float) -> Array:
    if key is None or not share:
        return x
    return jnp.where(jax.random.bernoulli(key, 1 - share, x.shape), x / (1 - share), 0.0)
