"""A nested dict of arrays as one safetensors file with a checksum: no code, read in milliseconds.

Names are joined with "/": `{"params": {"mix": {"kernel": ...}}}` is stored as `params/mix/kernel`.
"""

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from wyh.errors import WyhError

Tree = Mapping[str, Any]
"""A nested dict whose leaves are arrays. Empty branches are not stored."""


def encode_tree(tree: Tree, *, half: bool = False) -> bytes:
    """The content of a safetensors file; half precision is stored as float32.

    Args:
      tree: what to store.
      half: store float32 matrices, and what has more axes, as float16, where its range suffices.
        They are read back as float32.

    Raises:
      ValueError: a name is no string without "/".
    """
    arrays = dict(_flat(tree))
    if half:
        arrays = {name: _halved(array) for name, array in arrays.items()}
    return safetensors.numpy.save(arrays, metadata={"crc32": str(_checksum(arrays))})


def read_tree(path: Path) -> dict[str, Any]:
    """Read what `encode_tree` made (or any safetensors file, then without a checksum).

    Half precision comes back as float32.

    Raises:
      FileNotFoundError: there is no such file.
      WyhError: it is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            checksum = (file.metadata() or {}).get("crc32")
    except FileNotFoundError:
        raise
    except (OSError, safetensors.SafetensorError) as error:
        raise WyhError(f"{path} is damaged: {error}; copy the run again") from None
    if checksum is not None and checksum != str(_checksum(arrays)):
        raise WyhError(f"{path} is damaged: its checksum is wrong; copy the run again")
    nested: dict[str, Any] = {}
    for name, array in arrays.items():
        *parents, leaf = name.split("/")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise WyhError(f"{path} is foreign: {name!r} lies under an array")
        place[leaf] = array.astype(np.float32) if array.dtype == np.float16 else array
    return nested


def _flat(tree: Tree, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    for name, value in tree.items():
        if not isinstance(name, str) or "/" in name:
            raise ValueError(f"got the variable name {name!r}, wanted a string without '/'")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            # safetensors takes the memory as it lies: any order but C would be scrambled.
            array = np.asarray(value, order="C")
            known = array.dtype.kind in "fiub" and array.dtype != np.float16
            yield prefix + name, array if known else array.astype(np.float32)


def _halved(array: np.ndarray) -> np.ndarray:
    fits = array.ndim > 1 and np.max(np.abs(array), initial=0) <= np.finfo(np.float16).max
    return array.astype(np.float16) if array.dtype == np.float32 and fits else array


def _checksum(arrays: Mapping[str, np.ndarray]) -> int:
    total = 0
    for name in sorted(arrays):
        array = arrays[name]
        total = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), total)
        total = zlib.crc32(array.tobytes(), total)
    return total
