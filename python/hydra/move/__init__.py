"""`hydra move`: a namespace, or a whole database, from one store to another, whatever the two are.

    quiet ──► fence both ──► copy in batches ──► compare ──► open the target
              (the source for good, the target until it is complete)

`tables` says what there is and what becomes of it, a `Side` reads and writes one database, `moving` is the order of it
all: `way` says whether it may go, then `filling` and `comparing`. `abandoning` takes back what is not complete. Nothing
here knows what an execution does.
"""

from hydra.move.abandoning import abandon
from hydra.move.moving import MoveReport, move
from hydra.move.opening import namespaces_of
from hydra.move.unmoved import refuse_unmoved

__all__ = ["MoveReport", "abandon", "move", "namespaces_of", "refuse_unmoved"]
