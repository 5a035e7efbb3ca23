"""One training step of each autoencoder preset against the same network in PyTorch.

    python -m benchmarks.training_step

Needs the extra `wyh[bench]`. Two processes, one a framework, take turns with equal numbers of
threads; the ratio is PyTorch's time over ours, in pairs, so that a noisy machine cancels out.
PyTorch runs in both memory layouts and the faster counts.
"""

import functools
import json
import math
import multiprocessing
import statistics
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import tyro

from experiments.autoencoder import PRESETS, Config


@dataclass(frozen=True)
class Options:
    """Time training steps in turn."""

    rounds: int = 9  # pairs of measurements
    steps: int = 10  # of each measurement
    batch_size: int = 64


def ours(config: Config) -> Any:
    """A function that runs n steps and waits for them."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from experiments import autoencoder as experiment
    from wyh.models.autoencoder import Autoencoder
    from wyh.training import split_processor

    split_processor(config.cpu_devices, config.batch_size)
    mesh = jax.sharding.Mesh(jax.devices(), ("data",))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    shared = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    model = Autoencoder(config.sound.model, (64, 64, 3))
    shape = (config.batch_size, 64, 64, 3)
    drawn = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    frames = jax.device_put(drawn, shared)
    params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 64, 64, 3)))["params"]
    state = experiment.State(jnp.int32(0), params, experiment.make_optimizer(config).init(params))
    state = jax.device_put(state, everywhere)

    @functools.partial(jax.jit, out_shardings=everywhere)
    def step(state: Any, frames: Any) -> Any:
        key = jax.random.fold_in(jax.random.key(0), state.step)
        return experiment.train_step(state, frames, key, model=model, config=config)

    def run(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state, metrics = step(state, frames)
        jax.block_until_ready(metrics)

    return run


def theirs(config: Config, channels_last: bool) -> Any:
    """The same in PyTorch: network, smoothing, losses, augmentation by a crop, Adam."""
    import torch
    from torch import nn
    from torch.nn import functional

    sizes = config.sound.model
    torch.manual_seed(0)
    shrink = math.prod(sizes.strides)
    low = 64 // shrink
    padded = sizes.code_size + 2 * sizes.smoothing

    class Network(nn.Module):
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

    network = Network()
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
        if config.camera:
            scale = 1 / (1 + config.camera * torch.rand(batch))
            theta = torch.zeros(batch, 2, 3)
            theta[:, 0, 0] = theta[:, 1, 1] = scale
            theta[:, :, 2] = (1 - scale)[:, None] * (2 * torch.rand(batch, 2) - 1)
            grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
            x = functional.grid_sample(x, grid, "bilinear", "border", align_corners=False)
        if config.light:
            light = config.light * (2 * torch.rand(batch, 1, 1, 1) - 1)
            tint = config.light * (2 * torch.rand(batch, 3, 1, 1) - 1)
            x = (x * (1 + light + tint / 2)).clamp(0, 1)
        return x

    def run(steps: int) -> None:
        for _ in range(steps):
            x = augmented()
            code = network.encode(x)
            spread = functional.mse_loss(code.flatten().sort().values, ideal)
            heard = code + config.code_noise * torch.randn_like(code) if config.code_noise else code
            loss = functional.mse_loss(network.decode(heard), x) + config.uniformity * spread
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


def worker(pipe: Connection, framework: str, config: Config) -> None:
    """Time as many steps as asked for, until told 0."""
    run = ours(config) if framework == "wyh" else theirs(config, framework.endswith("last"))
    run(3)
    pipe.send(0.0)
    while steps := pipe.recv():
        start = time.perf_counter()
        run(steps)
        pipe.send((time.perf_counter() - start) / steps)


def compare(preset: str, options: Options) -> dict[str, Any]:
    """Medians in ms, and the ratio of the faster PyTorch layout to ours, pair by pair."""
    config = PRESETS[preset]
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for name in ("wyh", "torch", "torch channels_last"):
        pipe, end = context.Pipe()
        context.Process(target=worker, args=(end, name, config), daemon=True).start()
        pipe.recv()
        pipes[name] = pipe
    took: dict[str, list[float]] = {name: [] for name in pipes}
    for _ in range(options.rounds):
        for name, pipe in pipes.items():
            pipe.send(options.steps)
            took[name].append(1000 * pipe.recv())
    for pipe in pipes.values():
        pipe.send(0)
    best = min(("torch", "torch channels_last"), key=lambda name: statistics.median(took[name]))
    ratios = [other / own for other, own in zip(took[best], took["wyh"], strict=True)]
    return {
        "preset": preset,
        **{f"{name}_ms": round(statistics.median(times), 2) for name, times in took.items()},
        "ratio": round(statistics.median(ratios), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
    }


def main(options: Options) -> None:
    """Print one JSON object a preset."""
    for preset in PRESETS:
        print(json.dumps(compare(preset, options)), flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options))
