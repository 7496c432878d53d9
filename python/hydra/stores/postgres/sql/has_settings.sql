-- Index: none. Whether the session got what it asked for as it connected, or what the URL asked for in its place.
select s.source = 'client'
from pg_settings as s
where s.name = 'statement_timeout'
