"""What is timed of `experiments.dcgan` is the same in both frameworks."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from benchmarks import dcgan_step
from experiments.dcgan import PRESETS, Batch
from tests.dreams import drawn
from wyh.models.dcgan import Gan, GanConfig, drawn_latent

CONFIG = replace(dcgan_step.CONFIG, model=GanConfig(size=32, channels=1, width=2), batch_size=4)


def begun(config):
    """As `dcgan_step.begun`, but parameters need not be compiled."""
    rng, gan = np.random.default_rng(0), Gan(config.model, dcgan_step.CLASSES)
    variables = drawn(jax.eval_shape(gan.init, jax.random.key(0)))
    pictures = rng.integers(0, 256, (config.batch_size, 32, 32, 1), np.uint8)
    labels = rng.integers(0, dcgan_step.CLASSES, config.batch_size, np.int32)
    params = {name: each["params"] for name, each in variables.items()}
    return params, Batch(pictures, labels)


def test_the_network_is_that_of_the_preset():
    config = dcgan_step.CONFIG
    model, variation = GanConfig(size=32, channels=1), replace(config.variation, shift=0.0)
    assert config == replace(PRESETS["default"], model=model, variation=variation)


@pytest.mark.parametrize("channels_last", [False, True])
def test_both_compute_the_same(channels_last, monkeypatch, key):
    torch = pytest.importorskip("torch", reason="needs the extra wyh[bench]: PyTorch")
    monkeypatch.setattr(dcgan_step, "begun", begun)
    theirs = dcgan_step.Theirs(CONFIG, channels_last)
    gan, (params, _) = Gan(CONFIG.model, dcgan_step.CLASSES), begun(CONFIG)
    variables = {name: {"params": each} for name, each in params.items()}
    latent = np.array(drawn_latent(key, 4, CONFIG.model))
    mixture = np.random.default_rng(1).dirichlet(np.ones(10), 4).astype(np.float32)
    made = np.array(jax.jit(gan.pictures)(variables, latent, mixture))
    also = theirs.make(torch.from_numpy(latent), torch.from_numpy(mixture))
    np.testing.assert_allclose(also.detach().permute(0, 2, 3, 1).numpy(), made, atol=1e-5)
    opinion = jax.jit(gan.opinion)(variables, made, mixture)
    real, classes = theirs.judge(also, torch.from_numpy(mixture))
    np.testing.assert_allclose(real.detach().numpy(), opinion.real, atol=1e-4)
    np.testing.assert_allclose(classes.detach().numpy(), opinion.classes, atol=1e-4)


def test_its_steps_move_both_networks(monkeypatch):
    pytest.importorskip("torch", reason="needs the extra wyh[bench]: PyTorch")
    monkeypatch.setattr(dcgan_step, "begun", begun)
    theirs = dcgan_step.Theirs(CONFIG, False)
    parts = theirs.generator, theirs.discriminator
    before = [[p.detach().clone() for p in part.parameters()] for part in parts]
    theirs(1)
    for part, values in zip(parts, before, strict=True):
        moved = [
            not np.array_equal(new.detach().numpy(), old.numpy())
            for new, old in zip(part.parameters(), values, strict=True)
        ]
        assert np.mean(moved) > 0.8
