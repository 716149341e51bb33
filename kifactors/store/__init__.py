"""Where scores live: Delta Lake tables with versions, appended to by many writers (extra ``lake``)."""

from kifactors.store._store import ScoreStore, open_store

__all__ = ["ScoreStore", "open_store"]
