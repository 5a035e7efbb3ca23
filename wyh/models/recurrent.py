"""Pictures in a row -> the notes that are played in them, with a memory of those before.

Three networks of seed 004, with the memory that it lacked (its sequences were one picture long):
features into LSTMs, convolutions into LSTMs, and LSTMs whose own products are convolutions. And one
of ours: what `wyh.models.gaze` finds of each note goes into an LSTM that all notes share, with what
another one remembers of the picture as a whole.
Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 1997; Shi et al.,
"Convolutional LSTM network", NIPS 2015.

Whatever needs no memory is computed for all pictures together; only the memory goes step by step.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from wyh.errors import WyhError, check_range
from wyh.models.gaze import Gaze, GazeConfig
from wyh.specs import LUMA

Kind = Literal["gaze_lstm", "fc_lstm", "cnn_lstm", "conv_lstm"]
View = Literal["motion", "grey"]
"""The middle one of three pictures and how it differs from both others; or all three as they are.
"""

Memory = tuple[Any, ...]
"""What each recurrent layer remembers, from picture to picture."""


@dataclass(frozen=True)
class Filters:
    """A layer of convolutions."""

    channels: int  # 1 to 4096
    size: int  # pixels a side, 1 to 32
    stride: int = 1  # 1 to 32

    def __post_init__(self) -> None:
        check_range("a layer's channels", self.channels, 1, 4096)
        check_range("a filter's size", self.size, 1, 32, "pixels")
        check_range("a layer's stride", self.stride, 1, 32, "pixels")


@dataclass(frozen=True)
class RecurrentConfig:
    """Sizes of a network that watches and remembers."""

    kind: Kind = "gaze_lstm"
    view: View = "motion"
    gaze: GazeConfig = field(default_factory=GazeConfig)  # of gaze_lstm
    filters: tuple[Filters, ...] = (
        Filters(32, 16, 8),
        Filters(64, 8, 4),
        Filters(128, 4, 2),
        Filters(256, 2, 1),
    )  # of cnn_lstm; with conv_lstm each remembers
    dense: tuple[int, ...] = (1024, 512)  # of both, before memory; with conv_lstm after it
    memory: tuple[int, ...] = (48,)  # LSTM layers; conv_lstm has its own
    remembers: bool = True  # else each picture is seen as if it were the first
    onsets: bool = True  # also predicted: which notes are struck, and when within the frame
    dropout: float = 0.0  # share of values left out before each recurrent layer, 0 to 0.9

    def __post_init__(self) -> None:
        for width in (*self.dense, *self.memory):
            check_range("a layer's width", width, 1, 65536)
        check_range("dropout", self.dropout, 0, 0.9)
        if self.kind != "conv_lstm" and not self.memory:
            raise WyhError(f"got {self.kind} without memory, wanted one recurrent layer at least")
        if self.kind in ("cnn_lstm", "conv_lstm") and not self.filters:
            raise WyhError(f"got {self.kind} without filters, wanted one layer at least")


class Notes(NamedTuple):
    """What is predicted of each note in the middle one of three pictures."""

    amplitude: Float[Array, "*lead notes"]
    onset: Float[Array, "*lead notes"]  # log odds that it is struck in this frame's time
    offset: Float[Array, "*lead notes"]  # and when, in frame periods from its middle, -0.5 to 0.5


class Recurrent(nn.Module):
    """Pictures `[batch, time, height, width, channel]`, or features, -> notes."""

    config: RecurrentConfig
    notes: int

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch time *picture"],
        memory: Memory,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Notes, Memory]:
        """Predict the notes of pictures in a row; with a key, values are left out at random.

        Args:
          x: as `in_threes` gives it.
          memory: from `blank`, or of the picture before.
          key: of the dropout, for training.
        """
        c, after = self.config, []
        if c.kind == "conv_lstm":
            for number, (filters, before) in enumerate(zip(c.filters, memory, strict=True)):
                x = self._dropped(x, key, number)
                x = _shrunk(x, filters.stride)
                cell = nn.ConvLSTMCell(
                    filters.channels, (filters.size, filters.size), name=f"memory_{number}"
                )
                last, x = nn.RNN(cell, return_carry=True)(x, initial_carry=before)
                x = nn.LayerNorm(name=f"norm_{number}")(x)
                after.append(last)
            x = self._dense(x.reshape(*x.shape[:2], -1))
            return self._told(x), tuple(after)
        if c.kind == "cnn_lstm":
            x = self._dense(self._seen(x))
        elif c.kind == "gaze_lstm":  # each note is an example of its own from here on
            x, last = self._of_each_note(x, memory[0])
            after, memory = [last], memory[1:]
        first = x
        for number, (width, before) in enumerate(zip(c.memory, memory, strict=True)):
            x = self._dropped(x, key, number)
            lstm = nn.OptimizedLSTMCell(width, name=f"memory_{number}")
            last, x = nn.RNN(lstm, return_carry=True)(x, initial_carry=before)
            after.append(last)
        if c.kind != "gaze_lstm":
            return self._told(x), tuple(after)
        notes = self._told(jnp.concatenate([first, x], axis=-1), 1)
        return Notes(*(self._side_by_side(value) for value in notes)), tuple(after)

    def _of_each_note(
        self, x: Array, memory: Any
    ) -> tuple[Float[Array, "batch_and_notes time values"], Any]:
        """What is seen of each note, and remembered of the whole; and what to remember."""
        batch, time, *picture = x.shape
        gaze = Gaze(self.config.gaze, self.notes, name="gaze")
        found, scene = gaze(x.reshape(batch * time, *picture))
        lstm = nn.OptimizedLSTMCell(self.config.gaze.scene, name="memory_scene")
        scene = scene.reshape(batch, time, -1)
        last, scene = nn.RNN(lstm, return_carry=True)(scene, initial_carry=memory)
        found = found.reshape(batch, time, self.notes, -1).swapaxes(1, 2)
        shape = (batch, self.notes, time, scene.shape[-1])
        found = jnp.concatenate([found, jnp.broadcast_to(scene[:, None], shape)], axis=-1)
        return found.reshape(batch * self.notes, time, -1), last

    def _side_by_side(
        self, values: Float[Array, "batch_and_notes time 1"]
    ) -> Float[Array, "batch time notes"]:
        """Notes that were examples of their own as values of one."""
        return values.reshape(-1, self.notes, values.shape[1]).swapaxes(1, 2)

    def _seen(self, x: Array) -> Float[Array, "batch time values"]:
        """Pictures through the filters, each by itself."""
        batch, time, *picture = x.shape
        x = x.reshape(batch * time, *picture)
        for number, filters in enumerate(self.config.filters):
            size, stride = (filters.size, filters.size), (filters.stride, filters.stride)
            x = nn.relu(nn.Conv(filters.channels, size, stride, name=f"filters_{number}")(x))
        return x.reshape(batch, time, -1)

    def _dense(self, x: Array) -> Array:
        for number, width in enumerate(self.config.dense):
            x = nn.relu(nn.Dense(width, name=f"dense_{number}")(x))
        return x

    def _dropped(self, x: Array, key: PRNGKeyArray | None, number: int) -> Array:
        if key is None or not self.config.dropout:
            return x
        keep = 1 - self.config.dropout
        kept = jax.random.bernoulli(jax.random.fold_in(key, number), keep, x.shape)
        return jnp.where(kept, x / keep, 0.0)

    def _told(self, x: Array, notes: int | None = None) -> Notes:
        notes = self.notes if notes is None else notes
        amplitude = nn.Dense(notes, name="amplitude")(x)
        if not self.config.onsets:
            return Notes(amplitude, jnp.full_like(amplitude, -jnp.inf), jnp.zeros_like(amplitude))
        onset = nn.Dense(notes, name="onset", bias_init=_SELDOM)(x)
        offset = nn.Dense(notes, name="offset")(x)
        return Notes(amplitude, onset, 0.5 * jnp.tanh(offset))


def _shrunk(x: Float[Array, "batch time height width channel"], stride: int) -> Array:
    """Means over squares of `stride` pixels a side; what fills no square is left out."""
    if stride == 1:
        return x
    batch, time, height, width, channels = x.shape
    rows, columns = height // stride, width // stride
    x = x[:, :, : rows * stride, : columns * stride]
    tiles = x.reshape(batch, time, rows, stride, columns, stride, channels)
    return tiles.mean(axis=(3, 5))


_FAINT = 0.02  # contrast of a picture that shows nothing
_MOVED = 3.0
_SELDOM = nn.initializers.constant(-3.0)  # log odds: most of the time nothing is struck


def blank(config: RecurrentConfig, notes: int, batch_size: int, height: int, width: int) -> Memory:
    """What is remembered before the first picture: nothing.

    Args:
      config: of the network.
      notes: that it tells of.
      batch_size: of the pictures.
      height: of the pictures, of no use but for `conv_lstm`.
      width: of the pictures, likewise.

    Raises:
      WyhError: pictures too small for the strides of a `conv_lstm`.
    """
    if config.kind != "conv_lstm":
        shapes = [(batch_size, width) for width in config.memory]
        if config.kind == "gaze_lstm":
            shapes = [(batch_size * notes, width) for width in config.memory]
            shapes.insert(0, (batch_size, config.gaze.scene))
        return tuple((jnp.zeros(shape), jnp.zeros(shape)) for shape in shapes)
    memory, rows, columns = [], height, width
    for filters in config.filters:
        rows, columns = rows // filters.stride, columns // filters.stride
        if not rows or not columns:
            raise WyhError(
                f"got pictures of {width}x{height}, which the strides leave nothing of: wanted "
                f"larger pictures, or smaller strides"
            )
        shape = (batch_size, rows, columns, filters.channels)
        memory.append((jnp.zeros(shape), jnp.zeros(shape)))
    return tuple(memory)


def in_threes(
    x: Float[Array, "batch time_and_two *picture"], config: RecurrentConfig
) -> Float[Array, "batch time *seen"]:
    """Each picture but the first and last together with its neighbours, as a network takes them.

    Args:
      x: pictures `[height, width, channel]` in [0, 1], or features `[value]`.
      config: of the network. Features are put one after the other, pictures are made grey.
    """
    if x.ndim > 3:
        x = x if x.shape[-1] == 1 else (x @ jnp.asarray(LUMA))[..., None]
    before, middle, after = x[:, :-2], x[:, 1:-1], x[:, 2:]
    if config.view == "motion" and x.ndim > 3:  # about as large as one another, in any light
        mean = middle.mean(axis=(2, 3, 4), keepdims=True)
        contrast = middle.std(axis=(2, 3, 4), keepdims=True) + _FAINT
        now, past, soon = middle - mean, _MOVED * (middle - before), _MOVED * (after - middle)
        return jnp.concatenate([now, soon, past], axis=-1) / contrast
    return jnp.concatenate([before, middle, after], axis=-1)


def watch(
    model: Recurrent,
    params: Any,
    x: Float[Array, "batch time *picture"],
    memory: Memory,
    key: PRNGKeyArray | None = None,
) -> tuple[Notes, Memory]:
    """The notes of pictures in a row, and what to remember of them: nothing, without memory."""
    if model.config.remembers:
        found: Any = model.apply({"params": params}, x, memory, key)
        return Notes(*found[0]), found[1]
    batch, time, *picture = x.shape
    size = (picture[0], picture[1]) if len(picture) > 1 else (0, 0)
    nothing = blank(model.config, model.notes, batch * time, *size)
    alone = x.reshape(batch * time, 1, *picture)
    found = model.apply({"params": params}, alone, nothing, key)
    return Notes(*(value.reshape(batch, time, -1) for value in found[0])), memory
