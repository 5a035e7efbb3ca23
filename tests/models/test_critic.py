import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from wyh.models.critic import Critic, hinge_losses, init_critic


def stripes(rng, n):
    """Pictures of upright stripes, anywhere."""
    phases = rng.uniform(0, 2 * np.pi, (n, 1, 1, 1))
    across = np.arange(16)[None, None, :, None] * np.pi / 4
    return jnp.asarray(np.broadcast_to(0.5 + 0.5 * np.sin(across + phases), (n, 16, 16, 3)), "f4")


def noise(rng, n):
    return jnp.asarray(rng.uniform(0, 1, (n, 16, 16, 3)), jnp.float32)


@pytest.fixture(scope="module")
def params():
    return jax.jit(init_critic, static_argnums=(1, 2))(jax.random.key(0), 16, 16)


def test_losses_are_hinges(params, rng):
    made, real = noise(rng, 2), stripes(rng, 3)
    judged = [np.asarray(Critic().apply({"params": params}, x)) for x in (made, real)]
    assert judged[0].shape == (2, 4) and judged[1].shape == (3, 4)
    for_generator, for_critic = hinge_losses(params, made, real)
    assert for_generator == pytest.approx(-judged[0].mean(), rel=1e-4)
    wanted = np.maximum(1 + judged[0], 0).mean() + np.maximum(1 - judged[1], 0).mean()
    assert for_critic == pytest.approx(wanted, rel=1e-4)


def test_each_loss_moves_its_own_side_alone(params, rng):
    made, real = noise(rng, 2), stripes(rng, 2)

    @jax.jit
    def gradients(params, made):
        sides = jax.jacrev(lambda p, m: jnp.stack(hinge_losses(p, m, real)), argnums=(0, 1))
        return sides(params, made)

    of_params, of_made = gradients(params, made)
    assert not any(np.any(leaf[0]) for leaf in jax.tree.leaves(of_params))
    kernels = [layer["kernel"] for layer in of_params.values()]
    assert len(kernels) == 4 and all(np.any(kernel[1]) for kernel in kernels)
    assert np.any(of_made[0]) and not np.any(of_made[1])


def test_a_short_training_tells_stripes_from_noise(params, rng):
    optimizer = optax.adam(1e-3)

    @jax.jit
    def step(params, state, made, real):
        grads = jax.grad(lambda p: hinge_losses(p, made, real)[1])(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for _ in range(25):
        params, state = step(params, state, noise(rng, 8), stripes(rng, 8))
    made, real = (Critic().apply({"params": params}, x(rng, 16)) for x in (noise, stripes))
    assert real.min() > 0.3 and made.max() < -0.3


@pytest.mark.parametrize(("height", "width"), [(9, 16), (33, 20)])
def test_pictures_of_any_shape_are_judged(params, height, width):
    judged = Critic().apply({"params": params}, jnp.zeros((2, height, width, 3)))
    assert judged.shape == (2, -(-height // 8) * -(-width // 8))
