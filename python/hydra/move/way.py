"""Whether a namespace may go from one database to another: the lines of the moves that both have had decide."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.errors import ConfigError, HydraError, IllegalMove
from hydra.move.returning import comes_back, is_closed_whole
from hydra.move.side import Side, State
from hydra.stores.moved import ABANDONED, DONE, FILLING, SOURCE, TARGET


class Way:
    """From one side to the other."""

    def __init__(self, source: Side, target: Side) -> None:
        self._source = source
        self._target = target

    def check(self, name: str) -> None:
        """Raises where it may not go there; of one that is on its way already, where it goes elsewhere than before."""
        here, there = self._source.state(SOURCE, name), self._target.state(TARGET, name)
        if here is not None:
            if there is None or there.id != here.id:
                message = f"namespace `{name}` of `{self._source.place}` goes to `{here.other}`, not here"
                raise IllegalMove(f"{message}; name that database, or take the move back with `--abandon`")
            return
        try:
            self._check_begin(name, there)
        except (ConfigError, IllegalMove):
            if self._source.state(SOURCE, name) is not None:
                raise self.overtaken(name) from None
            raise

    def _check_begin(self, name: str, there: State | None) -> None:
        """`there` is what the target has of moves to there."""
        unfinished = self._source.state(TARGET, name)
        if unfinished is not None and unfinished.state != DONE:
            message = f"namespace `{name}` of `{self._source.place}` is being moved there from `{unfinished.other}`"
            raise IllegalMove(f"{message}; end that move first")
        if self._source.occupied(name) is None:
            raise ConfigError(f"the database `{self._source.place}` has nothing in namespace `{name}`; name another")
        if (there is None or there.state != FILLING) and comes_back(self._source, self._target, name):
            return
        if there is not None and there.state == ABANDONED:
            message = f"a move of namespace `{name}` to `{self._target.place}` from `{there.other}` was taken back"
            raise IllegalMove(f"{message}, and what it left there stays closed; name an empty database")
        if there is not None and (there.state != FILLING or there.other != self._source.place):
            message = f"namespace `{name}` of `{self._target.place}` was moved there from `{there.other}`"
            raise IllegalMove(f"{message}; name an empty database")
        if there is None and (table := self._target.occupied(name)) is not None:
            message = f"the database `{self._target.place}` has something of namespace `{name}` (in `{table}`)"
            left = self._target.state(SOURCE, name)
            if left is not None:
                message += f", closed since it was moved to `{left.other}`; only from there it can come back"
            raise IllegalMove(f"{message}; name an empty one")

    def check_whole(self, fresh: Sequence[str], *, is_all: bool) -> None:
        """A database that was closed as one opens again only where all that went comes back."""
        if not is_closed_whole(self._target):
            return
        if is_all and any(comes_back(self._source, self._target, name) for name in fresh):
            return
        message = f"`{self._target.place}` was moved as a whole, and takes nothing more, of whatever namespace"
        raise IllegalMove(f"{message}; move all of it back, without a namespace, or name an empty database")

    def overtaken(self, name: str) -> HydraError:
        here, there = self._source.state(SOURCE, name), self._target.state(TARGET, name)
        came = "" if there is None or there.state == DONE else there.id
        return self._target.overtaken(name, came if here is None else here.id)
