"""The jars of Kafka: fetched once from Maven Central, by jgo, into a folder of the user's cache."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pricetime.broker.errors import BrokerError
from pricetime.broker.java import java
from pricetime.broker.settings import LOGGING_FILE

if TYPE_CHECKING:
    from jgo.maven import Artifact, MavenContext

__all__ = ["KAFKA", "SIZE", "folder", "install", "program"]

KAFKA = "4.4.0"
"""The version of Kafka."""

BROKER = f"org.apache.kafka:kafka_2.13:{KAFKA}"
LOGGER = "org.apache.logging.log4j:log4j-slf4j-impl"  # the version: that of the broker's log4j
SIZE = "45 MB"


def folder() -> Path:
    """Where the jars are, or will be."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache) / "pricetime" / f"kafka-{KAFKA}"


def install(progress: Callable[[str, float], None] = lambda stage, fraction: None) -> Path:
    """The folder of the jars; fetches them unless they are there. Raises BrokerError.

    The folder is whole or not there, so that two may fetch at once and both may be interrupted.
    """
    target = folder()
    if target.is_dir():
        return target
    try:
        from jgo.maven import MavenContext
    except ImportError:
        raise BrokerError(
            "a local broker needs jgo, which is not installed: pip install 'pricetime[broker]'"
        ) from None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as part:
            # A repository of our own: in the user's, jgo takes what an interrupted download left
            # for a jar.
            jars = _fetch(MavenContext(repo_cache=Path(part, "repository")), progress)
            whole = Path(part, "jars")
            whole.mkdir()
            for jar in jars:
                jar.rename(whole / jar.name)
            _put(whole, target)
    except (OSError, RuntimeError) as error:  # RuntimeError: what jgo could not find
        raise BrokerError(
            f"the jars of Kafka {KAFKA} could not be fetched from Maven Central into {target}: "
            f"{error}; this is needed once ({SIZE}): try again with a network, or copy that folder "
            "from a machine that has it"
        ) from None
    return target


def _fetch(maven: "MavenContext", progress: Callable[[str, float], None]) -> list[Path]:
    """Downloads the jars into the repository of `maven`."""
    progress("resolving", 0)
    # One by one: asked for together, each is resolved under the other's dependency management.
    broker = _resolved(maven, BROKER)
    log4j = next(jar.version for jar in broker if jar.artifactId == "log4j-core")
    jars = broker + _resolved(maven, f"{LOGGER}:{log4j}")
    paths = []
    for i, jar in enumerate(jars):
        progress("fetching", i / len(jars))
        paths.append(jar.resolve())
    return sorted(set(paths))


def _resolved(maven: "MavenContext", coordinate: str) -> "list[Artifact]":
    """An artifact, and all that it needs to run."""
    asked, needed = maven.resolver.resolve([maven.create_dependency(coordinate)])
    return [each.artifact for each in asked + needed if each.scope in (None, "compile", "runtime")]


def _put(whole: Path, target: Path) -> None:
    """Moves the folder to its place, unless another process was first."""
    try:
        whole.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def program(*command: str) -> list[str]:
    """The command line of one of Kafka's programs, to be run in the folder of a broker."""
    logging = f"-Dlog4j2.configurationFile=../{LOGGING_FILE}"
    return [java(), "-cp", f"{install()}/*", "-Djava.awt.headless=true", logging, *command]
