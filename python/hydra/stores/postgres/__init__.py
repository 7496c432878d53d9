"""hydra on PostgreSQL 14 and later: psycopg 3, one writer connection per store, several hosts."""

from hydra.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
