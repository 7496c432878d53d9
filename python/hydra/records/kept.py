"""What is kept of records one of which cannot be written: how tries of steps ended that were told after it. Pure.

    prefix │ the one that cannot be │ a step's end           │ another record │ …
    kept   │ a crash, of a step's   │ kept, one number lower │ not            │

Nothing rests on what is left out: nothing starts before what its code was told is durable (G5). So a try that ended
after it had begun on the prefix alone, and a replay of the prefix comes to it again, whichever line of control awaits
it: a branch says where a step was called, which in an async body need not be where it is awaited. What else was
recorded after it is made again; the end of a step that ran elsewhere, too, since it rests on the event that told it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.codec import encode
from hydra.execution import ELSEWHERE, Record, RecordKind
from hydra.records.map_outcomes import CHUNK_PREFIX
from hydra.records.tries import ENDS_OF_TRIES


def kept_without(records: Sequence[Record], place: int, reason: str) -> list[Record]:
    """In their order, numbered without a gap. Of a step's end that is left out a crash says that it was there."""
    kept, lacking = list(records[:place]), records[place]
    if lacking.kind in ENDS_OF_TRIES:
        kept.append(msgspec.structs.replace(lacking, kind=str(RecordKind.CRASH), payload=encode(reason), due_at=0))
    kept += [record for record in records[place + 1 :] if _tells_of_steps(record, lacking)]
    first = records[0].seq
    return [
        record if record.seq == first + number else msgspec.structs.replace(record, seq=first + number)
        for number, record in enumerate(kept)
    ]


def _tells_of_steps(record: Record, lacking: Record) -> bool:
    if record.name.startswith(CHUNK_PREFIX):  # each counts on those of its map before it
        return (record.branch, record.name) != (lacking.branch, lacking.name)
    # guard G4: the end of each try of a step is kept, whatever was recorded in its branch before it
    return record.kind in ENDS_OF_TRIES and record.due_at != ELSEWHERE
