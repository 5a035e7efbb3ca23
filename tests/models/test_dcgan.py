import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.dreams import drawn
from wyh.errors import WyhError
from wyh.models.dcgan import Gan, GanConfig, _space_to_depth, drawn_latent, latent_at
from wyh.models.layers import depth_to_space

pytestmark = pytest.mark.usefixtures("quickly")

TINY = GanConfig(size=32, channels=1, angles=2, width=1)
PAPER = GanConfig("dcgan", size=32, channels=3, angles=2, width=2)


@pytest.fixture(scope="module", params=[TINY, PAPER], ids=["default", "dcgan"])
def pair(request):
    gan = Gan(request.param, 3)
    return gan, variables_of(gan)


def variables_of(gan):
    """As they begin, but for parameters, which are any: `init` takes long to compile."""
    shapes = jax.eval_shape(gan.init, jax.random.key(0))
    found = jax.tree.map(lambda leaf: 4 * leaf, drawn(shapes))
    for part in found.values():
        stats = part.get("batch_stats", {})
        for name, of_layer in stats.items():
            stats[name] = {"mean": of_layer["mean"], "var": np.ones_like(of_layer["var"])}
    return found


def inputs(gan, count=4, seed=1):
    key = jax.random.key(seed)
    return drawn_latent(key, count, gan.config), jax.nn.one_hot(jnp.arange(count) % 3, 3)


def test_pictures_of_the_size_that_is_asked_for(pair):
    gan, variables = pair
    pictures = jax.jit(gan.pictures)(variables, *inputs(gan))
    assert pictures.shape == (4, 32, 32, gan.config.channels)
    assert 0 <= pictures.min() < pictures.max() <= 1


def test_a_picture_is_the_same_whatever_is_made_beside_it(pair):
    gan, variables = pair
    latent, mixture = inputs(gan)
    together = jax.jit(gan.pictures)(variables, latent, mixture)
    alone = jax.jit(gan.pictures)(variables, latent[2:3], mixture[2:3])
    np.testing.assert_allclose(together[2:3], alone, atol=1e-5)


def test_half_of_two_classes_is_between_them(pair):
    gan, variables = pair
    latent = jnp.tile(drawn_latent(jax.random.key(2), 1, gan.config), (5, 1))
    along = jnp.linspace(0, 1, 5)[:, None]
    mixture = jnp.concatenate([1 - along, along, 0 * along], axis=-1)
    pictures = np.asarray(jax.jit(gan.pictures)(variables, latent, mixture))
    steps = np.abs(np.diff(pictures, axis=0)).mean((1, 2, 3))
    whole = np.abs(pictures[-1] - pictures[0]).mean()
    assert (steps > 0).all()
    assert steps.max() < 0.6 * whole


def test_each_class_has_a_part_in_the_opinion(pair):
    gan, variables = pair
    pictures = jax.jit(gan.pictures)(variables, *inputs(gan))
    judge = jax.jit(gan.opinion)
    each = [judge(variables, pictures, jnp.tile(row[None], (4, 1))) for row in jnp.eye(3)]
    assert each[0].real.shape == (4,)
    assert each[0].classes.shape == (4, 3)
    np.testing.assert_allclose(each[0].classes, each[1].classes, atol=1e-5)
    half = judge(variables, pictures, jnp.tile(jnp.array([[0.5, 0.5, 0]]), (4, 1)))
    large = np.abs(each[0].real).max()
    np.testing.assert_allclose(half.real, (each[0].real + each[1].real) / 2, atol=1e-4 * large)
    assert np.abs(each[0].real - each[1].real).max() > 1e-3 * large


def test_in_training_the_papers_normalisation_is_by_the_batch():
    gan = Gan(PAPER, 3)
    variables = variables_of(gan)
    parts = variables["generator"]
    latent, mixture = inputs(gan, 8)
    stats = {"batch_stats": parts["batch_stats"]}
    _, after = jax.jit(gan.made)(parts["params"], stats, latent, mixture)
    before = parts["batch_stats"]["norm_0"]
    x = jnp.concatenate([latent, mixture @ parts["params"]["told"]["kernel"]], axis=-1)
    first = parts["params"]["first"]
    x = (x @ first["kernel"] + first["bias"][None]).reshape(8 * 4 * 4, -1)
    wanted = 0.9 * before["mean"] + 0.1 * x.mean(axis=0)
    np.testing.assert_allclose(after["batch_stats"]["norm_0"]["mean"], wanted, atol=1e-5)


def test_the_design_of_the_paper():
    # Figure 1 of the paper: 4x4x1024, then 512, 256, 128 channels, and 64x64x3.
    config = GanConfig("dcgan", 64, 3, 50, 128)
    variables = jax.eval_shape(Gan(config, 10).init, jax.random.key(0))
    generator = variables["generator"]["params"]
    kernels = [generator[f"level_{number}"]["kernel"].shape for number in range(4)]
    assert kernels == [(5, 5, 1024, 512), (5, 5, 512, 256), (5, 5, 256, 128), (5, 5, 128, 3)]
    assert generator["first"]["kernel"].shape[1] == 4 * 4 * 1024
    judge = variables["discriminator"]["params"]
    kernels = [judge[f"level_{number}"]["kernel"].shape for number in range(4)]
    assert kernels == [(5, 5, 3, 128), (5, 5, 128, 256), (5, 5, 256, 512), (5, 5, 512, 1024)]


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("design", ["default", "dcgan"])
def test_every_size(size, design):
    gan = Gan(GanConfig(design, size, 3, 2, 2), 2)
    variables = jax.eval_shape(gan.init, jax.random.key(0))
    latent, mixture = jnp.zeros((1, 4)), jnp.zeros((1, 2))
    made = jax.eval_shape(gan.pictures, variables, latent, mixture)
    assert made.shape == (1, size, size, 3)
    assert jax.eval_shape(gan.opinion, variables, made, mixture).real.shape == (1,)


def test_a_latent_is_of_variance_1_at_any_angle(rng):
    latent = latent_at(jnp.asarray(rng.uniform(0, 7, (5, 8)), jnp.float32))
    np.testing.assert_allclose(np.mean(np.square(latent), axis=-1), 1, rtol=1e-5)


def test_depth_and_space_are_inverse(rng):
    x = jnp.asarray(rng.standard_normal((2, 4, 6, 3)), jnp.float32)
    np.testing.assert_array_equal(depth_to_space(_space_to_depth(x), 2), x)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 48}, "got pictures of 48 pixels, wanted 32, 64, 128"),
        ({"angles": 0}, "angles"),
        ({"width": 0}, "width"),
    ],
)
def test_impossible_sizes(changes, message):
    with pytest.raises(WyhError, match=message):
        GanConfig(**changes)
