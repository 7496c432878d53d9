"""The MySQL 8 and MariaDB 10.6+ store; needs the extra `hydra-engine[mysql]`."""

from hydra.errors import ConfigError

try:
    import pymysql as _driver
except ImportError as error:
    raise ConfigError("a MySQL database needs a driver: `pip install 'hydra-engine[mysql]'`") from error

from hydra.stores.mysql.store import MysqlStore

del _driver

__all__ = ["MysqlStore"]
