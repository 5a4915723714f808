"""What an audit has found, for each instrument and for the file as a whole."""

from dataclasses import dataclass, field

__all__ = ["FINDINGS_MAX", "Findings"]

FINDINGS_MAX = 50
"""Most damages that are told of one instrument; more are counted."""


@dataclass
class Findings:
    """Of one instrument; of the file itself where it has no name."""

    name: str = ""
    damages: list[str] = field(default_factory=list)
    """what is damaged and from where, the first ones"""
    more: int = 0
    """damages that are not told"""
    notes: list[str] = field(default_factory=list)
    """what could not be checked, and is not damaged for all that is known"""
    good_commands: int | None = None
    """up to which position commands are good, if not all are"""
    good_events: int | None = None
    """up to which sequence events are good, if not all are"""
    commands: int = 0
    replayed: int = 0
    """commands that went through a book"""
    events: int = 0
    trades: int = 0
    checkpoints: int = 0
    """that are as the replayed book says"""
    digests: int = 0
    """that are those of the replayed book"""
    seconds: float = 0.0

    def damaged(self, text: str, *, commands: int | None = None, events: int | None = None) -> None:
        """Notes a damage; the position or the sequence behind which it lies."""
        if len(self.damages) < FINDINGS_MAX:
            self.damages.append(text)
        else:
            self.more += 1
        if commands is not None and (self.good_commands is None or commands < self.good_commands):
            self.good_commands = commands
        if events is not None and (self.good_events is None or events < self.good_events):
            self.good_events = events

    @property
    def good(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damages
