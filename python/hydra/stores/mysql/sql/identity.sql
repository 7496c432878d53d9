-- Index: none. A database's name says little: a server for tests may have one of the same name.
select database(), @@hostname, @@port, @@datadir
