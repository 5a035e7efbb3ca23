import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH, untrained
from wyh import knobs
from wyh.specs import VideoSpec, as_rate
from wyh.transducers.autoencoder import SonifierConfig, sonifier
from wyh.transducers.compile import cache_dir, compile_transducer, traced


@pytest.mark.parametrize(
    ("platform", "given", "expected"),
    [
        ("linux", {"WYH_CACHE": "/c"}, "/c"),
        ("darwin", {"WYH_CACHE": "/c"}, "/c"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/wyh"),
        ("linux", {"XDG_CACHE_HOME": ""}, "/home/me/.cache/wyh"),
        ("linux", {}, "/home/me/.cache/wyh"),
        ("darwin", {}, "/home/me/Library/Caches/wyh"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/wyh"),
    ],
)
def test_the_cache_lies_where_the_system_has_caches(monkeypatch, platform, given, expected):
    for name in ("WYH_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **given}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_dir() == Path(expected)


@pytest.mark.parametrize("chosen", ["", "elsewhere"])
def test_compiled_functions_are_kept_unless_the_user_keeps_them_elsewhere(tmp_path, chosen):
    code = """
import jax
from wyh.transducers.compile import use_compilation_cache
use_compilation_cache()
jax.jit(lambda x: x * 2 + 1)(3.0)
"""
    env = os.environ | {"WYH_CACHE": str(tmp_path / "mine"), "JAX_COMPILATION_CACHE_DIR": ""}
    if chosen:
        env["JAX_COMPILATION_CACHE_DIR"] = str(tmp_path / chosen)
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert any((tmp_path / (chosen or "mine/xla")).iterdir())
    assert bool(chosen) != (tmp_path / "mine").exists()


def test_knob_values_are_scalars_of_one_type():
    values = traced(knobs.defaults(phase="random"))
    assert values.keys() == knobs.KNOBS.keys()
    assert all(type(value) is np.float32 for value in values.values())


def test_carries_are_donated_and_the_batch_is_as_asked(rng):
    config, video = SonifierConfig(TINY_MODEL, TINY_SYNTH), VideoSpec(as_rate(10), 16, 16)
    variables = untrained(config, video)
    compiled = compile_transducer(
        sonifier(config, video), variables, knobs.defaults(), seed=0, batch_size=3
    )
    seen = rng.integers(0, 256, (3, 1, 16, 16, 3), dtype=np.uint8)
    values, carry = traced(knobs.defaults()), compiled.carry_out
    _, control = compiled.observe(variables, compiled.carry_in, seen, values, np.int32(0))
    for tick in range(3):
        spent = carry
        carry, sound = compiled.emit(
            variables, carry, control, np.zeros(1, np.float32), values, np.int32(tick)
        )
        assert sound.shape == (3, 64)
        assert spent.noise_tail.is_deleted() and not carry.noise_tail.is_deleted()
    assert jax.tree.structure(carry) == jax.tree.structure(compiled.carry_out)
