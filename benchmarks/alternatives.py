"""Packages to compare with: one that is not installed is left out, and the reason printed, once."""

from functools import cache
from importlib import import_module
from types import ModuleType

__all__ = ["optional"]


@cache
def optional(module: str) -> ModuleType | None:
    """Return a module, or None."""
    try:
        return import_module(module)
    except ImportError as error:
        print(f"  without {module}: {error}")
        return None
