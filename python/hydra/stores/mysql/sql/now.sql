-- Index: none. Microseconds since 1970 UTC on the server's clock.
select cast(unix_timestamp(now(6)) * 1000000 as signed)
