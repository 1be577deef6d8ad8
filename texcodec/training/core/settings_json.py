"""Settings as dataclasses with a JSON form: partial changes, and what differs between two forms."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ...errors import ParameterError, check

OLD_NAMES = {
    "rate": "learning_rate",
    "last_rate": "last_learning_rate",
    "linear_rate": "linear_learning_rate",
}
"""Settings as they were called before version 0.4.0, in files and checkpoints."""
T = TypeVar("T")


def to_json(settings: Any) -> dict[str, Any]:
    """A settings dataclass as what JSON can hold: dictionaries, lists, numbers, strings."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings)))
    return plain


def from_json(base: T, changes: Mapping[str, Any], where: str = "") -> T:
    """The settings ``base`` with the changes that a (partial) JSON form asks for.

    Raises:
        ParameterError: an unknown key, or a value of the wrong type or out of its range.
    """
    place = where or "the settings"
    check(isinstance(changes, Mapping), f"{place} must be an object with names and values.")
    hints, values = get_type_hints(type(base)), {}
    for key, value in changes.items():
        key = OLD_NAMES.get(key, key)
        check(
            key in hints,
            f"{key!r} is not a setting of {place}; those that exist are: {', '.join(hints)}.",
        )
        name = f"{where}.{key}" if where else key
        if dataclasses.is_dataclass(hints[key]):
            values[key] = from_json(getattr(base, key), value, name)
        else:
            values[key] = _value(value, hints[key], name)
    try:
        return dataclasses.replace(base, **values)  # type: ignore[type-var]
    except ParameterError as error:
        raise ParameterError(f"{place}: {error}" if where else str(error)) from None


def _value(value: Any, kind: Any, name: str) -> Any:
    if get_origin(kind) is tuple:
        check(isinstance(value, list | tuple), f"{name} must be a list.")
        return tuple(_value(v, get_args(kind)[0], f"An entry of {name}") for v in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    check(
        isinstance(value, kind) and not (kind is int and isinstance(value, bool)),
        f"{name} must be {words[kind]}.",
    )
    return value


def read_json_file(file: Path, what: str) -> Any:
    """The JSON object in a file.

    Args:
        what: the file is, for messages.
    Raises:
        ParameterError: it cannot be read, or is something else.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ParameterError(
            f"The {what} {file} cannot be read ({error.strerror}); check the name."
        ) from None
    except ValueError as error:
        raise ParameterError(f"The {what} {file} is not JSON ({error}); correct it.") from None
    check(isinstance(found, dict), f"The {what} {file} must be an object with names and values.")
    return found


def read_settings(file: Path, base: T) -> T:
    """``base`` with the changes in a JSON file.

    Raises:
        ParameterError: it cannot be read, is not JSON, or holds what ``from_json`` refuses.
    """
    changes = read_json_file(file, "settings file")
    try:
        return from_json(base, changes)
    except ParameterError as error:
        raise ParameterError(f"The settings file {file} is wrong: {error}") from None


def differences(before: Mapping[str, Any], now: Mapping[str, Any], ignored: frozenset[str]) -> list[str]:
    """What differs between two JSON forms: "crop: 128 before, 256 now" and so on; nested names have dots."""
    old, new = _flat(before), _flat(now)
    return [
        f"{key}: {old.get(key, 'nothing')} before, {new.get(key, 'nothing')} now"
        for key in [*old, *(k for k in new if k not in old)]
        if old.get(key) != new.get(key) and key.rsplit(".", 1)[-1] not in ignored
    ]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in tree.items():
        name = prefix + OLD_NAMES.get(key, key)
        out |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return out
