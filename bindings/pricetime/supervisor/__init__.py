"""Runs many pairs of a log on Kafka in one process, each a world of its own."""

from pricetime.supervisor.group import Chosen, Group, Share
from pricetime.supervisor.supervisor import Supervisor

__all__ = ["Chosen", "Group", "Share", "Supervisor"]
