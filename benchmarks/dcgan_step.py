"""A training step of `experiments.dcgan` against the same networks and losses in PyTorch.

    python -m benchmarks.dcgan_step

Needs the extra `wyh[bench]`. The preset `default` for grey pictures of 32 pixels and ten classes.
Both begin with the same parameters; PyTorch has transposed layouts of the same kernels, lays
channels out in space itself, and leaves out the average and the variation of pictures, which are
small. Each framework is a process of its own with as many threads as there are cores, and they take
turns; the ratio is PyTorch's time over ours, in pairs.
"""

import functools
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.inputs import need_torch
from benchmarks.side_by_side import (
    Repeated,
    Row,
    compared,
    cores,
    interleave,
    processes,
    show,
)
from experiments.dcgan import PRESETS, SLOPES, Batch, Config, State, make_optimizer, train_step
from wyh.cli import run as run_command
from wyh.dreaming import VaryConfig
from wyh.errors import check_range
from wyh.models.dcgan import OF_MIXTURE, Gan, GanConfig

CLASSES = 10
CONFIG = replace(
    PRESETS["default"], model=GanConfig(size=32, channels=1), variation=VaryConfig(shift=0.0)
)
"""Nothing is moved: PyTorch would need the same random shifts."""


@dataclass(frozen=True)
class Options:
    """Time training steps in turn."""

    rounds: int = 9  # of measurements in turn
    steps: int = 10  # of each measurement

    def __post_init__(self) -> None:
        check_range("steps", self.steps, 1, 1_000_000)


def begun(config: Config) -> tuple[dict[str, Any], Batch]:
    """Parameters of both networks, and a batch of noise: speed does not depend on it."""
    import jax

    gan, rng = Gan(config.model, CLASSES), np.random.default_rng(0)
    variables = jax.device_get(jax.jit(gan.init)(jax.random.key(0)))
    side, channels = config.model.size, config.model.channels
    pictures = rng.integers(0, 256, (config.batch_size, side, side, channels), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, config.batch_size, dtype=np.int32)
    return {name: each["params"] for name, each in variables.items()}, Batch(pictures, labels)


def ours(config: Config) -> Repeated:
    """The experiment's own step."""
    import jax
    import jax.numpy as jnp

    from wyh.training import split_processor

    split_processor(config.cpu_devices, config.batch_size)
    mesh = jax.sharding.Mesh(jax.devices(), ("data",))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    shared = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
    params, batch = begun(config)
    nothing: dict[str, Any] = {name: {} for name in params}
    opt_state = make_optimizer(config).init(params)
    state = State(jnp.int32(0), params, nothing, params["generator"], opt_state)
    state = jax.device_put(jax.tree.map(jnp.array, state), everywhere)
    batch = jax.device_put(batch, shared)
    gan = Gan(config.model, CLASSES)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state: State, batch: Batch) -> Any:
        key = jax.random.fold_in(jax.random.key(0), state.step)
        return train_step(state, batch, key, gan=gan, config=config)

    def job(steps: int) -> None:
        nonlocal state
        for _ in range(steps):
            state, _ = step(state, batch)
        jax.block_until_ready(state)

    return job


class Theirs:
    """The same in PyTorch: networks, mixtures, losses with R1, Adam."""

    def __init__(self, config: Config, channels_last: bool) -> None:
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(cores())
        self.config, (params, batch) = config, begun(config)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.generator, self.discriminator = (
            _network(params[name]).to(memory_format=layout)
            for name in ("generator", "discriminator")
        )
        rates = config.generator_rate, config.discriminator_rate
        self.optimizers = [
            torch.optim.Adam(part.parameters(), rate, (config.momentum, 0.99), fused=True)
            for part, rate in zip((self.generator, self.discriminator), rates, strict=True)
        ]
        self.pictures = torch.from_numpy(batch.pictures).permute(0, 3, 1, 2).contiguous()
        self.labels = torch.from_numpy(batch.labels).long()

    def make(self, latent: Any, mixture: Any) -> Any:
        """Pictures, channels before height and width."""
        import torch
        from torch.nn import functional

        g, sides = self.generator, self.config.model.sides
        wanted = torch.cat([latent, g["told"](mixture)], -1)
        first = sides[0] // 2
        x = g["first"](wanted).reshape(len(latent), first, first, -1).permute(0, 3, 1, 2)
        style = functional.leaky_relu(g["style"](wanted), 0.2)
        for number in range(len(sides)):
            x = _to_space(g[f"level_{number}"](x))
            x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6)
            scale, offset = g[f"turn_{number}"](style)[..., None, None].chunk(2, 1)
            x = functional.leaky_relu(x * (1 + scale) + offset, 0.2)
        return torch.sigmoid(g["picture"](x))

    def judge(self, pictures: Any, mixture: Any) -> Any:
        """Log odds of being real, and of the classes."""
        import torch
        from torch.nn import functional

        d, x = self.discriminator, 2 * pictures - 1
        for number in range(len(self.config.model.sides)):
            x = functional.leaky_relu(d[f"level_{number}"](_to_depth(x)), 0.2)
        x = x.permute(0, 2, 3, 1).flatten(1)
        apart = (x.var(0, unbiased=False) + 1e-6).sqrt().mean()
        x = functional.leaky_relu(d["seen"](torch.cat([x, apart.expand(len(x), 1)], 1)), 0.2)
        real = d["real"](x)[:, 0] + OF_MIXTURE * (d["of_mixture"](mixture) * x).mean(-1)
        return real, d["classes"](x)

    def drawn(self) -> Any:
        """Latents, and mixtures, as `wyh.dreaming` draws them."""
        import torch
        from torch.nn import functional

        count, share = self.config.batch_size, self.config.mixed
        one, other = (
            functional.one_hot(torch.randint(CLASSES, (count,)), CLASSES).float() for _ in range(2)
        )
        part = (torch.rand(count, 1) < share) * (0.3 + 0.4 * torch.rand(count, 1))
        angles = 2 * torch.pi * torch.rand(count, self.config.model.angles)
        return 2**0.5 * torch.cat([angles.cos(), angles.sin()], -1), (1 - part) * one + part * other

    def __call__(self, steps: int) -> None:
        """Train for so many steps more."""
        import torch
        from torch.nn import functional

        config, is_of = self.config, functional.one_hot(self.labels, CLASSES).float()
        for _ in range(steps):
            latent, wanted = self.drawn()
            made = self.make(latent, wanted)
            real = self.pictures.float() / 255
            of_real, told = self.judge(real, is_of)
            of_made, _ = self.judge(made.detach(), wanted)
            few = max(1, len(real) // SLOPES)
            some = real[:few].clone().requires_grad_()
            of_some, _ = self.judge(some, is_of[:few])
            (slope,) = torch.autograd.grad(of_some.sum(), some, create_graph=True)
            of_one = (wanted.amax(-1) == 1).float()
            loss: Any = functional.softplus(-of_real).mean()
            loss = (
                loss
                + config.told_weight * functional.cross_entropy(told, is_of)
                + _mean(functional.softplus(of_made), of_one)
            )
            loss = loss + config.smoothness / 2 * slope.square().sum((1, 2, 3)).mean()
            opinion, classes = self.judge(made, wanted)
            missed = functional.kl_div(classes.log_softmax(-1), wanted, reduction="none").sum(-1)
            own = functional.softplus(-opinion).mean()
            own = own + config.classes_weight * _mean(missed, 1 - of_one)
            grads = torch.autograd.grad(own, list(self.generator.parameters()))
            self.optimizers[1].zero_grad()
            loss.backward()
            for parameter, grad in zip(self.generator.parameters(), grads, strict=True):
                parameter.grad = grad
            for optimizer in self.optimizers:
                optimizer.step()


def _network(params: Any) -> Any:
    """Layers of the same names and values."""
    import torch
    from torch import nn

    layers: dict[str, Any] = {}
    for name, values in params.items():
        kernel, bias = values["kernel"], values.get("bias")
        if kernel.ndim == 4:
            layer: Any = nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=1)
            kernel = kernel.transpose(3, 2, 0, 1)
        else:
            layer = nn.Linear(kernel.shape[0], kernel.shape[1], bias=bias is not None)
            kernel = kernel.T
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(kernel.copy()))
            if bias is not None:
                layer.bias.copy_(torch.tensor(bias))
        layers[name] = layer
    return nn.ModuleDict(layers)


def _mean(values: Any, weights: Any) -> Any:
    return (weights * values).sum() / weights.sum().clamp(min=1)


def _to_space(x: Any) -> Any:
    """As `wyh.models.layers.depth_to_space`, channels before height and width."""
    n, deep, height, width = x.shape
    x = x.reshape(n, 2, 2, deep // 4, height, width).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, deep // 4, 2 * height, 2 * width)


def _to_depth(x: Any) -> Any:
    n, channels, height, width = x.shape
    x = x.reshape(n, channels, height // 2, 2, width // 2, 2).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, 4 * channels, height // 2, width // 2)


def compare(options: Options) -> Row:
    """The ratio of the faster PyTorch layout to ours, pair by pair."""
    layouts = {"PyTorch": False, "PyTorch channels_last": True}
    makers: dict[str, Callable[[], Repeated]] = {"wyh": functools.partial(ours, CONFIG)}
    for name, last in layouts.items():
        makers[name] = functools.partial(Theirs, CONFIG, last)
    with processes(makers, options.steps) as jobs:
        took = interleave(jobs, options.rounds)
    each = {name: [secs / options.steps for secs in times] for name, times in took.items()}
    best = min(layouts, key=lambda name: statistics.median(each[name]))
    return compared("dcgan step, 32 pixels: speed", each["wyh"], each[best], best)


def main(options: Options) -> None:
    """Print the ratio."""
    need_torch()
    show(compare(options))


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks.dcgan_step")
