"""What is kept of records one of which cannot be written: steps of other branches that ended after it. Pure.

    prefix │ the one that cannot be │ step of another branch │ its next value │ …
    kept   │ a crash, of a step's   │ kept, one number lower │ not            │

Nothing rests on what is left out: nothing starts before what its code was told is durable (G5). So what ended after
it had begun on the prefix alone, and a replay of the prefix comes to it again. What else was recorded after it is made
again, and with it what follows in its branch: a step there that ran elsewhere rests on it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.codec import encode
from hydra.execution import Record, RecordKind
from hydra.records.map_outcomes import CHUNK_PREFIX
from hydra.records.tries import ENDS_OF_TRIES


def kept_without(records: Sequence[Record], place: int, reason: str) -> list[Record]:
    """In their order, numbered without a gap. Of a step's end that is left out a crash says that it was there."""
    kept, lacking = list(records[:place]), records[place]
    if lacking.kind in ENDS_OF_TRIES:
        kept.append(msgspec.structs.replace(lacking, kind=str(RecordKind.CRASH), payload=encode(reason), due_at=0))
    cut = {lacking.branch}
    for record in records[place + 1 :]:
        if _tells_of_steps(record) and record.branch not in cut:
            kept.append(record)
        else:
            cut.add(record.branch)
    first = records[0].seq
    return [
        record if record.seq == first + number else msgspec.structs.replace(record, seq=first + number)
        for number, record in enumerate(kept)
    ]


def _tells_of_steps(record: Record) -> bool:
    return record.kind in ENDS_OF_TRIES or record.name.startswith(CHUNK_PREFIX)
