"""The naive twin of the engine, the tapes that try both, and an auditor of events."""
