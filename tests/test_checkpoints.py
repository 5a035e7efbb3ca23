from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from wyh.checkpoints import Checkpoints
from wyh.runs import BestMetric, create_run


class Partly(NamedTuple):
    """A state some arrays of which may be without elements."""

    step: Any
    chains: Any
    early: tuple[Any, ...]


def state(fill):
    return Partly(
        jnp.int32(fill), jnp.zeros((0, 3)), ({"kernel": jnp.full((2, 2), fill)}, {}, jnp.zeros(0))
    )


def test_arrays_without_elements_come_back(tmp_path):
    """Orbax itself refuses them: such are the chains of a machine that has none."""
    run = create_run(
        tmp_path / "run",
        kind="dbn",
        preset="tiny",
        config={},
        stream=None,
        data={},
        best_metric=BestMetric("loss", "lower"),
    )
    with Checkpoints(run) as checkpoints:
        checkpoints.save(4, state(4.0), {"params": jnp.ones(2)}, {"secs": 1.5})
        assert checkpoints.wait() == 4
    with Checkpoints(run) as checkpoints:
        found, progress = checkpoints.restore(state(0.0))
    assert progress == {"secs": 1.5}
    wanted = state(4.0)
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    for mine, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert mine.dtype == other.dtype
        np.testing.assert_array_equal(mine, other)
