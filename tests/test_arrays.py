import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from wyh.arrays import encode_tree, read_tree
from wyh.errors import WyhError


@pytest.fixture
def tree():
    rng = np.random.default_rng(0)
    return {
        "params": {
            "mix": {"kernel": rng.normal(size=(3, 5)).astype(np.float32), "bias": np.zeros(5)},
            "scale": np.float32(2.5),
        },
        "counts": {"seen": np.arange(4, dtype=np.int32), "on": np.array([True, False])},
    }


def assert_equal(got, want):
    assert got.keys() == want.keys()
    for name, value in want.items():
        if isinstance(value, dict):
            assert_equal(got[name], value)
        else:
            np.testing.assert_array_equal(got[name], value, strict=True)


def test_a_tree_comes_back_as_it_was(tmp_path, tree):
    path = tmp_path / "a.safetensors"
    path.write_bytes(encode_tree(tree))
    assert_equal(
        read_tree(path), tree | {"params": tree["params"] | {"scale": np.array(2.5, "f4")}}
    )


def test_names_are_joined_by_slashes(tmp_path, tree):
    names = safetensors.numpy.load(encode_tree(tree))
    assert "params/mix/kernel" in names


def test_the_order_in_memory_does_not_matter(tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    path = tmp_path / "a.safetensors"
    path.write_bytes(encode_tree({"f": np.asfortranarray(array), "t": array.T, "s": array[:, ::2]}))
    got = read_tree(path)
    np.testing.assert_array_equal(got["f"], array)
    np.testing.assert_array_equal(got["t"], array.T)
    np.testing.assert_array_equal(got["s"], array[:, ::2])


def test_half_precision_is_stored_as_float32(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(encode_tree({"h": jnp.array([1.5, -2], jnp.bfloat16)}))
    assert read_tree(path)["h"].dtype == np.float32


def test_a_file_without_checksum_is_read_too(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors.numpy.save({"a/b": np.ones(2)}))
    np.testing.assert_array_equal(read_tree(path)["a"]["b"], np.ones(2))


def test_every_truncation_is_noticed(tmp_path, tree):
    path, whole = tmp_path / "a.safetensors", encode_tree(tree)
    for length in (0, 4, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(WyhError, match=r"a\.safetensors is damaged.*copy the run again"):
            read_tree(path)


def test_a_flipped_bit_is_noticed(tmp_path, tree):
    path, whole = tmp_path / "a.safetensors", bytearray(encode_tree(tree))
    whole[-3] ^= 4
    path.write_bytes(whole)
    with pytest.raises(WyhError, match=r"a\.safetensors is damaged: its checksum is wrong"):
        read_tree(path)


def test_an_array_below_an_array_is_foreign(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors.numpy.save({"a": np.ones(2), "a/b": np.ones(2)}))
    with pytest.raises(WyhError, match="foreign: 'a/b' lies under an array"):
        read_tree(path)


def test_a_name_with_a_slash_is_refused():
    with pytest.raises(ValueError, match="'a/b', wanted a string without '/'"):
        encode_tree({"a/b": np.ones(1)})


def test_halves_are_read_back_as_float32(tmp_path, tree):
    path = tmp_path / "a.safetensors"
    path.write_bytes(encode_tree(tree, half=True))
    stored = safetensors.numpy.load_file(path)
    assert {name for name, array in stored.items() if array.dtype == np.float16} == {
        "params/mix/kernel"  # no scalars and vectors: little would be won
    }
    got = read_tree(path)
    kernel = tree["params"]["mix"]["kernel"]
    assert got["params"]["mix"]["kernel"].dtype == np.float32
    np.testing.assert_array_equal(got["params"]["mix"]["kernel"], kernel.astype(np.float16))
    assert_equal(got["counts"], tree["counts"])


def test_what_halves_cannot_hold_stays_whole(tmp_path):
    path, large = tmp_path / "a.safetensors", np.array([[70_000.0, 1e-3]], np.float32)
    path.write_bytes(encode_tree({"large": large, "none": np.zeros((0, 3), "f4")}, half=True))
    np.testing.assert_array_equal(read_tree(path)["large"], large, strict=True)


def test_float16_is_stored_as_float32(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(encode_tree({"h": np.array([1.5, -2], np.float16)}))
    assert safetensors.numpy.load_file(path)["h"].dtype == np.float32
