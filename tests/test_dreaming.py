import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.dreams import drawn
from tests.models.test_dcgan import TINY
from wyh.dreaming import Dreaming, VaryConfig, drawn_mixtures, started_from, varied
from wyh.errors import WyhError
from wyh.models.dcgan import Gan, GanConfig
from wyh.runs import BestMetric, create_run, save_variables

pytestmark = pytest.mark.usefixtures("quickly")

KEY = jax.random.key(0)


def variables_of(gan, seed=0):
    return drawn(jax.eval_shape(gan.init, KEY), seed)


def run_of(out, variables, classes, kind="dcgan"):
    run = create_run(
        out,
        kind=kind,
        preset="default",
        config={},
        stream=None,
        data={"classes": classes},
        best_metric=BestMetric("val_distance", "lower"),
    )
    save_variables(run, jax.device_get(variables))
    return out


@pytest.fixture(scope="module")
def blank():
    """Compared with pictures on which there is nothing."""
    nothing = np.zeros((2, 32, 32, 1), np.uint8)
    return Dreaming(Gan(TINY, 3), nothing, nothing, np.zeros(2, int))


def pictures(rng, count=64, side=32):
    return jnp.asarray(rng.uniform(0, 1, (count, side, side, 1)), jnp.float32)


def test_a_shift_moves_whole_pixels_and_draws_edges_out(rng):
    before = pictures(rng)
    after = np.asarray(varied(before, KEY, VaryConfig(shift=2 / 32)))
    shifts = set()
    for old, new in zip(np.asarray(before), after, strict=True):
        wide = np.pad(old, ((2, 2), (2, 2), (0, 0)), mode="edge")
        places = [(y, x) for y in range(5) for x in range(5)]
        fits = [p for p in places if np.array_equal(wide[p[0] :, p[1] :][:32, :32], new)]
        assert len(fits) == 1
        shifts.add(fits[0])
    assert len(shifts) > 15


def test_mirrors_about_every_other(rng):
    before = pictures(rng)
    after = np.asarray(varied(before, KEY, VaryConfig(shift=0, mirror=True)))
    turned = [np.array_equal(new, old[:, ::-1]) for old, new in zip(before, after, strict=True)]
    same = [np.array_equal(new, old) for old, new in zip(before, after, strict=True)]
    assert np.array_equal(turned, ~np.array(same))
    assert 20 < sum(turned) < 44


def test_nothing_is_varied_where_nothing_is_asked_for(rng):
    before = pictures(rng, 2)
    np.testing.assert_array_equal(varied(before, KEY, VaryConfig(shift=0)), before)


def test_mixtures_are_of_one_class_or_of_two():
    found = np.asarray(drawn_mixtures(KEY, 4000, 5, 0.25))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    parts = (found > 0).sum(axis=1)
    assert set(parts) == {1, 2}
    assert 0.17 < np.mean(parts == 2) < 0.23  # a fifth of a quarter is of twice the same
    assert found[parts == 2].max() <= 0.7 + 1e-6
    np.testing.assert_allclose(found.mean(axis=0), 0.2, atol=0.02)


def test_the_distance_of_pictures_of_its_own_is_that_of_real_ones(rng, blank):
    gan, variables = blank.gan, variables_of(blank.gan)
    labels = np.arange(120) % 4 // 2  # twice as many of the first two, none of the third
    mixtures = np.eye(3, dtype=np.float32)[labels]
    own = [
        np.rint(255 * blank.made(variables, jax.random.key(seed), mixtures)).astype(np.uint8)
        for seed in (5, 6)
    ]
    near = Dreaming(gan, *own, labels).figures_of(variables)
    assert near.keys() == {"val_distance", "val_form", "val_detail"}
    assert near["val_distance"] == pytest.approx((near["val_form"] + near["val_detail"]) / 2)
    assert 0.5 < near["val_form"] < 2
    assert 0.8 < near["val_detail"] < 1.25
    others = Dreaming(gan, *own, np.full(120, 2)).figures_of(variables)
    assert others["val_form"] > 1.3 * near["val_form"]
    rough = [np.clip(x + rng.normal(0, 20, x.shape), 0, 255).astype(np.uint8) for x in own]
    far = Dreaming(gan, *rough, labels).figures_of(variables)
    assert far["val_detail"] > 3 * near["val_detail"]


def test_real_pictures_that_are_all_the_same_are_compared_with_too(blank):
    variables = variables_of(blank.gan)
    assert 0 < blank.figures_of(variables)["val_distance"] < np.inf


def test_sheets_have_a_row_for_each_class(blank):
    variables = variables_of(blank.gan)
    sheets = blank.sheets(variables)
    shapes = {name: sheet.shape for name, sheet in sheets.items()}
    assert set(shapes.values()) == {(3 * 32, 10 * 32, 1)}
    first = sheets["a class a row"][:32, :32] / np.float32(255)
    latent = blank.made(
        variables, jax.random.key(1), np.eye(3, dtype=np.float32)[np.repeat([0, 1, 2], 10)]
    )
    np.testing.assert_allclose(first, latent[0], atol=0.003)


def test_classes_that_a_run_knows_are_taken_over(tmp_path):
    old, new = Gan(TINY, 2), Gan(TINY, 3)
    before, fresh = variables_of(old), variables_of(new, 1)
    path = run_of(tmp_path / "run", before, ["cat", "dog"])
    begun = started_from(path, fresh, ["ape", "dog", "cat"])
    told = begun["generator"]["params"]["told"]["kernel"]
    np.testing.assert_array_equal(told[1:], before["generator"]["params"]["told"]["kernel"][::-1])
    np.testing.assert_array_equal(told[0], fresh["generator"]["params"]["told"]["kernel"][0])
    classes = begun["discriminator"]["params"]["classes"]["kernel"]
    was = before["discriminator"]["params"]["classes"]["kernel"]
    np.testing.assert_array_equal(classes[:, 1:], was[:, ::-1])
    for name in ("first", "style", "picture"):
        np.testing.assert_array_equal(
            begun["generator"]["params"][name]["kernel"],
            before["generator"]["params"][name]["kernel"],
        )


def test_a_run_of_other_sizes_cannot_be_started_from(tmp_path):
    small, large = Gan(TINY, 2), Gan(GanConfig(size=32, channels=3, angles=2, width=1), 2)
    path = run_of(tmp_path / "run", variables_of(small), ["cat", "dog"])
    with pytest.raises(WyhError, match="has other sizes: train with its preset"):
        started_from(path, variables_of(large), ["cat", "dog"])


def test_a_run_of_another_kind_cannot_be_started_from(tmp_path):
    gan = Gan(TINY, 2)
    path = run_of(tmp_path / "run", variables_of(gan), ["cat"], kind="dbn")
    with pytest.raises(WyhError, match="is a run of dbn, wanted dcgan"):
        started_from(path, variables_of(gan), ["cat", "dog"])


@pytest.mark.parametrize("changes", [{"shift": 0.6}, {"light": 2.0}])
def test_variation_out_of_range(changes):
    with pytest.raises(WyhError, match=next(iter(changes))):
        VaryConfig(**changes)
