"""A local Apache Kafka without Docker, Java or Maven to install: for tests and for trying out.

`java` and `jars` are what it runs on (from the extra `broker`), `settings` how it is set up,
`folder` where, `process` is one broker, `cluster` one or three; `command` is `pricetime broker`.
"""

from pricetime.broker.cluster import Cluster
from pricetime.broker.errors import BrokerError
from pricetime.broker.jars import install

__all__ = ["BrokerError", "Cluster", "install"]
