from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.models.layers import averaged, spread
from wyh.models.painter import COLOURS, FRAME, Painter, PainterConfig, _palette, coloured

TINY = PainterConfig(grid=16, width=8, hidden=16, colours=4)


def painted(config, height, width, n=2, seed=0):
    """Fields and palette of a painter with new parameters, and these."""
    cells, rng = config.cells(height, width), np.random.default_rng(seed)
    model = Painter(config, cells)
    inputs = [
        jnp.asarray(rng.standard_normal((n, 5)), jnp.float32),
        jnp.asarray(rng.uniform(-1, 1, (n, 16)), jnp.float32),
        jnp.asarray(rng.uniform(0, 1, (n, *cells, 3)), jnp.float32),
    ]
    params = jax.jit(model.init)(jax.random.key(seed), *inputs)
    fields, palette = jax.jit(model.apply)(params, *inputs)
    return fields, palette, params["params"]


@pytest.fixture(scope="module")
def tiny():
    return painted(TINY, 64, 64)


def grid_noise(fields=4, cells=(16, 24)):
    """Fields of white noise: more texture than any painter makes."""
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.standard_normal((2, *cells, fields)), jnp.float32)


@pytest.mark.parametrize(
    ("height", "width", "cells"),
    [
        (64, 64, (16, 16)),
        (256, 256, (16, 16)),
        (64, 96, (16, 24)),
        (1080, 1920, (16, 32)),
        (1920, 1080, (32, 16)),
        (8, 64, (16, 128)),
        (30, 17, (32, 16)),
    ],
)
def test_the_grid_has_the_aspect_of_the_picture(height, width, cells):
    assert TINY.cells(height, width) == cells


@pytest.mark.parametrize("grid", [8, 12, 32, 128])
def test_a_grid_is_rounded_to_eights(grid):
    rows, columns = PainterConfig(grid=grid).cells(64, 100)
    assert rows % 8 == columns % 8 == 0
    assert abs(rows - grid) <= 4 and abs(columns - grid * 100 / 64) <= 4


@pytest.mark.parametrize(("height", "width"), [(32, 80), (80, 32)])
def test_any_aspect_is_painted(height, width):
    fields, palette, _ = painted(TINY, height, width)
    rows, columns = TINY.cells(height, width)
    assert fields.shape == (2, rows - 2 * FRAME, columns - 2 * FRAME, 5)
    picture = np.asarray(coloured(fields, palette, TINY.edges, height, width))
    assert picture.shape == (2, height, width, 3)
    assert picture.min() >= 0 and picture.max() <= 1 and picture.std() > 0.02
    assert np.abs(picture[0] - picture[1]).mean() > 0.01  # of other sounds, other pictures


@pytest.mark.parametrize("colours", [2, 6, 12])
def test_palettes_go_through_the_known_colours_from_dark_to_light(colours, key):
    palette = np.asarray(_palette(key, (colours, 3)))
    assert palette.shape == (colours, 3) and palette.min() >= 0 and palette.max() <= 1
    for place, colour in ((0, COLOURS[0]), (-1, COLOURS[-1])):
        np.testing.assert_array_equal(np.rint(255 * palette[place]), list(bytes.fromhex(colour)))
    assert len(np.unique(np.rint(255 * palette), axis=0)) == colours
    if colours == 6:
        known = [list(bytes.fromhex(colour)) for colour in COLOURS]
        np.testing.assert_array_equal(np.rint(255 * palette), known)


def test_pictures_are_the_palette_shared_out(tiny):
    fields, palette, _ = tiny
    smooth = np.asarray(spread(fields, 40, 24), np.float64)
    found = coloured(fields, palette, 2.5, 40, 24)
    powers = np.exp(2.5 * smooth[..., :-1])
    share = powers / powers.sum(axis=-1, keepdims=True)
    light = 1 + 0.3 * np.tanh(smooth[..., -1:])
    wanted = np.clip(share @ np.asarray(palette) * light, 0, 1)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_hard_edges_leave_one_colour_at_each_place():
    fields = grid_noise().at[..., -1].set(0)
    palette = jnp.asarray([[0, 0, 0], [1, 0, 0], [0, 1, 1]], jnp.float32)
    soft, hard = (np.asarray(coloured(fields, palette, edges, 64, 96)) for edges in (0.1, 20))
    assert hard.std() > 2 * soft.std()
    assert (
        np.abs(hard[..., None, :] - np.asarray(palette)).max(axis=-1).min(axis=-1) < 0.05
    ).mean() > 0.5


def test_a_picture_of_any_size_is_the_same_picture():
    fields, palette = grid_noise(), jnp.asarray(np.eye(3), jnp.float32)
    small = averaged(coloured(fields, palette, 1.0, 64, 96), 16, 24)
    # As small as the grid itself, too.
    assert np.abs(coloured(fields, palette, 1.0, 16, 24) - small).mean() < 0.03
    small = coloured(fields, palette, 1.0, 64, 96)
    for factor in (2, 4):
        large = averaged(coloured(fields, palette, 1.0, 64 * factor, 96 * factor), 64, 96)
        assert np.abs(small - large).mean() < 0.01
    odd = averaged(coloured(fields, palette, 1.0, 111, 150), 16, 24)
    assert np.abs(averaged(small, 16, 24) - odd).mean() < 0.01


def test_fields_hold_no_texture():
    """White noise on the grid: 1 % of its energy is above what the grid can hold, and none far."""
    smooth = np.asarray(spread(grid_noise(), 128, 192))
    window = np.hanning(128)[:, None, None] * np.hanning(192)[None, :, None]
    energy = np.abs(np.fft.fft2(smooth * window, axes=(1, 2))) ** 2
    down, right = np.abs(np.fft.fftfreq(128)) * 2, np.abs(np.fft.fftfreq(192)) * 2
    highest = np.maximum(down[:, None], right[None]) * 8  # in the grid's own Nyquist frequency
    total = energy.sum(axis=(0, 3))
    assert total[highest > 1.1].sum() < 0.015 * total.sum()
    assert total[highest > 2.1].sum() < 1e-4 * total.sum()


def test_the_palette_is_chosen_and_all_else_is_learned(tiny):
    _, _, params = tiny
    model, rng = Painter(TINY, (16, 16)), np.random.default_rng(1)
    features = jnp.asarray(rng.standard_normal((3, 5)), jnp.float32)
    latent, base = jnp.zeros((3, 16)), jnp.full((3, 16, 16, 3), 0.3)

    @jax.jit
    @jax.grad
    def gradient(params):
        fields, palette = model.apply({"params": params}, features, latent, base)
        return jnp.sum(jnp.square(coloured(fields, palette, 2.5, 16, 16)))

    grads = dict(gradient(params))
    assert not np.any(grads.pop("palette"))
    assert all(
        np.isfinite(leaf).all() and np.any(leaf) for leaf in jax.tree.leaves(grads["Conv_0"])
    )


def test_parameters_may_be_numpys(tiny):
    """As they are read from a run."""
    fields, _, params = tiny
    assert fields.shape == (2, 16 - 2 * FRAME, 16 - 2 * FRAME, 5)
    model = Painter(TINY, (16, 16))
    play = partial(model.apply, {"params": jax.tree.map(np.array, params)})
    inputs = jnp.zeros((1, 5)), jnp.zeros((1, 16)), jnp.zeros((1, 16, 16, 3))
    again, palette = play(*inputs)
    assert again.shape == (1, 16 - 2 * FRAME, 16 - 2 * FRAME, 5) and isinstance(palette, jax.Array)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("grid", 4, "got grid 4 cells, wanted 8 to 128 cells"),
        ("width", 2, "got width 2, wanted 4 to 512"),
        ("hidden", 4, "got hidden 4, wanted 8 to 4096"),
        ("colours", 1, "got colours 1, wanted 2 to 32"),
        ("edges", 0.0, "got edges 0, wanted 0.1 to 20"),
    ],
)
def test_sizes_out_of_range(name, value, told):
    with pytest.raises(WyhError) as error:
        PainterConfig(**{name: value})
    assert str(error.value) == told
