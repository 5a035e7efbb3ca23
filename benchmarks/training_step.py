"""One training step of each preset's autoencoder against the same network in PyTorch.

    python -m benchmarks.training_step

Needs the extra `wyh[bench]`. The pictures are decoded from the code, not from its sound: encoder,
decoder, losses, augmentation and Adam, of the preset's own sizes. Each framework is a process of
its own with as many threads as there are cores, and they take turns; the ratio is PyTorch's time
over ours, in pairs. PyTorch runs in both memory layouts and the faster counts.
"""

import functools
import math
import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.inputs import need_torch
from benchmarks.side_by_side import Repeated, Row, compared, cores, interleave, processes, show
from experiments.autoencoder import PRESETS, Config
from wyh.cli import run as run_command

LAYOUTS = ("PyTorch", "PyTorch channels_last")


@dataclass(frozen=True)
class Options:
    """Time training steps in turn."""

    rounds: int = 9  # of measurements in turn
    steps: int = 10  # of each measurement


def ours(config: Config) -> Repeated:
    """Steps on the parts of `wyh` that the experiment is made of."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    from wyh.augment import move_camera, turn_light
    from wyh.losses import mean_squared_error, uniformity
    from wyh.models.autoencoder import Autoencoder, as_picture, decode, encode
    from wyh.training import split_processor

    split_processor(config.cpu_devices, config.batch_size)
    mesh = jax.sharding.Mesh(jax.devices(), ("data",))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    shared = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    model, optimizer = (
        Autoencoder(config.sound.model, (64, 64, 3)),
        optax.adam(config.learning_rate),
    )
    shape = (config.batch_size, 64, 64, 3)
    drawn = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    frames = jax.device_put(drawn, shared)
    params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 64, 64, 3)))["params"]
    state = jax.device_put((jnp.int32(0), params, optimizer.init(params)), everywhere)

    def loss_fn(params: Any, pictures: Any, key: Any) -> Any:
        code = encode(model, params, pictures)
        heard = code
        if config.code_noise:
            heard = code + config.code_noise * jax.random.normal(key, code.shape)
        missed = mean_squared_error(decode(model, params, heard), pictures)
        return missed + config.uniformity * uniformity(code)

    @functools.partial(jax.jit, out_shardings=everywhere)
    def step(state: Any, frames: Any) -> Any:
        number, params, opt_state = state
        keys = jax.random.split(jax.random.fold_in(jax.random.key(0), number), 3)
        pictures = as_picture(frames)
        if config.augment.camera:
            pictures = move_camera(pictures, keys[0], config.augment.camera)
        if config.augment.light:
            pictures = turn_light(pictures, keys[1], config.augment.light)
        grads = jax.grad(loss_fn)(params, pictures, keys[2])
        updates, opt_state = optimizer.update(grads, opt_state)
        return number + 1, optax.apply_updates(params, updates), opt_state

    def run(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state = step(state, frames)
        jax.block_until_ready(state)

    return run


def theirs(config: Config, channels_last: bool) -> Repeated:
    """The same in PyTorch: network, smoothing, losses, augmentation by a crop, Adam."""
    import torch
    from torch import nn
    from torch.nn import functional

    sizes = config.sound.model
    torch.manual_seed(0)
    torch.set_num_threads(cores())
    shrink = math.prod(sizes.strides)
    low = 64 // shrink
    padded = sizes.code_size + 2 * sizes.smoothing

    class Network(nn.Module):
        taps: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            widths = (3, *sizes.widths)
            self.down = nn.ModuleList(
                nn.Conv2d(a, b, 4, s, (4 - s) // 2)
                for a, b, s in zip(widths, widths[1:], sizes.strides, strict=False)
            )
            flat = low * low * widths[-1]
            self.hidden = nn.Linear(flat, sizes.hidden)
            self.code = nn.Linear(sizes.hidden, padded)
            self.first = nn.Linear(sizes.code_size, sizes.hidden)
            self.spread = nn.Linear(sizes.hidden, flat) if low > 1 else None
            ups = (widths[-1] if low > 1 else sizes.hidden, *widths[-2::-1])
            self.up = nn.ModuleList(
                nn.ConvTranspose2d(a, b, 4, s, (4 - s) // 2)
                for a, b, s in zip(ups, ups[1:], sizes.strides[::-1], strict=False)
            )
            if sizes.linear:
                self.linear_in = nn.Linear(3 * 64 * 64, padded, bias=False)
                self.linear_out = nn.Linear(sizes.code_size, 3 * 64 * 64)
            taps = 1 - torch.arange(-sizes.smoothing, sizes.smoothing + 1).abs() / (
                sizes.smoothing + 1
            )
            self.register_buffer("taps", (taps / taps.sum())[None, None])

        def encode(self, x: Any) -> Any:
            y = x
            for layer in self.down:
                y = functional.leaky_relu(layer(y), sizes.negative_slope)
            y = functional.leaky_relu(self.hidden(y.flatten(1)), sizes.negative_slope)
            y = self.code(y)
            if sizes.linear:
                y = y + self.linear_in(x.flatten(1))
            return torch.sigmoid(functional.conv1d(y[:, None], self.taps)[:, 0])

        def decode(self, code: Any) -> Any:
            logits = torch.logit(code.clamp(0.003, 0.997)) if sizes.linear else code
            y = functional.leaky_relu(self.first(logits), sizes.negative_slope)
            if self.spread is not None:
                y = functional.leaky_relu(self.spread(y), sizes.negative_slope)
            y = y.reshape(len(code), -1, low, low)
            for layer in self.up[:-1]:
                y = functional.leaky_relu(layer(y), sizes.negative_slope)
            y = self.up[-1](y)
            if sizes.linear:
                y = y + self.linear_out(logits).reshape(y.shape)
            return y

    network: Any = Network()
    frames = torch.randint(0, 256, (config.batch_size, 3, 64, 64), dtype=torch.uint8)
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
        frames = frames.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), config.learning_rate, fused=True)
    count = config.batch_size * sizes.code_size
    ideal = torch.arange(1, count + 1) / (count + 1)

    def augmented() -> Any:
        x = frames.float() / 255
        batch = config.batch_size
        if config.augment.camera:
            scale = 1 / (1 + config.augment.camera * torch.rand(batch))
            theta = torch.zeros(batch, 2, 3)
            theta[:, 0, 0] = theta[:, 1, 1] = scale
            theta[:, :, 2] = (1 - scale)[:, None] * (2 * torch.rand(batch, 2) - 1)
            grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
            x = functional.grid_sample(x, grid, "bilinear", "border", align_corners=False)
        if config.augment.light:
            light = config.augment.light * (2 * torch.rand(batch, 1, 1, 1) - 1)
            tint = config.augment.light * (2 * torch.rand(batch, 3, 1, 1) - 1)
            x = (x * (1 + light + tint / 2)).clamp(0, 1)
        return x

    def run(steps: int) -> None:
        for _ in range(steps):
            x = augmented()
            code = network.encode(x)
            spread = functional.mse_loss(code.flatten().sort().values, ideal)
            heard = code + config.code_noise * torch.randn_like(code) if config.code_noise else code
            loss: Any = functional.mse_loss(network.decode(heard), x) + config.uniformity * spread
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def compare(preset: str, options: Options) -> Row:
    """The ratio of the faster PyTorch layout to ours, pair by pair."""
    config = PRESETS[preset]
    makers = {"wyh": functools.partial(ours, config)}
    for layout in LAYOUTS:
        makers[layout] = functools.partial(theirs, config, layout.endswith("last"))
    with processes(makers, options.steps) as jobs:
        took = interleave(jobs, options.rounds)
    each = {name: [secs / options.steps for secs in times] for name, times in took.items()}
    best = min(LAYOUTS, key=lambda name: statistics.median(each[name]))
    what = f"training step of the network, {preset}, {config.batch_size} pictures"
    return compared(what, each["wyh"], each[best], best, wanted=1.0)


def main(options: Options) -> None:
    """Print one row a preset."""
    need_torch()
    for preset in PRESETS:
        show(compare(preset, options))


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks.training_step")
