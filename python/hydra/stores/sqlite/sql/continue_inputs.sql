-- Index: primary key of hydra_submission. The digest stays: it is the key's, and says what was first asked for.
update hydra_submission
set input = row.column1
from (values (?, ?)) as row
where execution_id = row.column2
