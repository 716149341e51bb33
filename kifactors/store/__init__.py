"""Where scores live: Delta Lake tables with versions, appended to by many writers (extra ``lake``)."""

from kifactors.store._store import ScoreStore, open_store
from kifactors.store._update import Updated, update_store

__all__ = ["ScoreStore", "Updated", "open_store", "update_store"]
