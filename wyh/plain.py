"""Config dataclasses to plain JSON values, and back by their type hints. Imports no JAX."""

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from wyh.errors import WyhError

T = TypeVar("T")


def to_plain(value: object) -> Any:
    """What JSON can hold of a config: dataclasses and dicts as dicts, tuples as lists.

    Fractions and paths become strings, enums their values.

    Raises:
      TypeError: for anything else (a function, an array).
    """
    match value:
        case None | bool() | int() | float() | str() if not isinstance(value, Enum):
            return value
        case Enum():
            return to_plain(value.value)
        case Fraction() | Path():
            return str(value)
        case np.generic():
            return value.item()
        case Mapping():
            return {str(name): to_plain(item) for name, item in value.items()}
        case list() | tuple():
            return [to_plain(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"got {type(value).__name__} in a config, wanted plain values")


def from_plain(wanted: type[T], value: object) -> T:
    """Read what `to_plain` wrote into the type `wanted`, a dataclass or part of one.

    A field that the value lacks takes its default, so that an older run still loads.

    Raises:
      WyhError: a field is unknown, missing, or not of its type.
    """
    return _read(wanted, value, wanted.__name__)


def _read(wanted: Any, value: Any, name: str) -> Any:
    origin, args = get_origin(wanted), get_args(wanted)
    if wanted is Any:
        return value
    if is_dataclass(wanted) and isinstance(value, Mapping):
        return _read_dataclass(wanted, value, name)
    if origin is Literal and value in args:
        return value
    if origin in (Union, types.UnionType):
        for choice in args:
            try:
                return _read(choice, value, name)
            except WyhError:
                continue
    if isinstance(value, Sequence) and not isinstance(value, str):
        if origin is list or (origin is tuple and args[1:] == (...,)):
            return origin(_read(args[0], item, f"{name}[]") for item in value)
        if origin is tuple and len(args) == len(value):
            return tuple(_read(a, v, f"{name}[]") for a, v in zip(args, value, strict=True))
    if origin is dict and isinstance(value, Mapping):
        return {_read(args[0], k, name): _read(args[1], v, f"{name}.{k}") for k, v in value.items()}
    if wanted is type(value):  # bool is no int here
        return value
    if wanted is float and type(value) is int:
        return float(value)
    if wanted in (Fraction, Path) or (isinstance(wanted, type) and issubclass(wanted, Enum)):
        try:
            return wanted(value)
        except (TypeError, ValueError, ZeroDivisionError):
            pass
    if wanted in (None, types.NoneType) and value is None:
        return None
    kind = getattr(wanted, "__name__", None) or str(wanted)
    raise WyhError(f"got {name} = {value!r}, wanted {kind if not args else wanted}")


def _read_dataclass(wanted: Any, value: Mapping[str, Any], name: str) -> Any:
    hints = get_type_hints(wanted)
    known = {field.name: field for field in fields(wanted) if field.init}
    for unknown in value.keys() - known.keys():
        raise WyhError(f"got the unknown setting {name}.{unknown}, wanted {', '.join(known)}")
    given = {}
    for field_name, field in known.items():
        if field_name in value:
            given[field_name] = _read(hints[field_name], value[field_name], f"{name}.{field_name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise WyhError(f"the setting {name}.{field_name} is missing")
    return wanted(**given)
