"""Names of a package that are imported when they are used (PEP 562): a package costs what is used of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def imported_when_used(
    package: str, modules: Mapping[str, Sequence[str] | Mapping[str, str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: its ``__name__``.
        modules: relative name of each module, and the names that come from it; a mapping gives for each name of the
            package the one that the module has.
    """
    places: dict[str, tuple[str, str]] = {}
    for module, names in modules.items():
        own = names if isinstance(names, Mapping) else dict(zip(names, names))
        places |= {name: (module, its_name) for name, its_name in own.items()}

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, its_name = places[name]
        return getattr(import_module(module, package), its_name)

    def names_of_package() -> list[str]:
        return sorted({*vars(sys.modules[package]), *places})

    return get, names_of_package
