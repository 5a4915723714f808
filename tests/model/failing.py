"""A log that fails when it is told to, whatever log is behind it, and counts its commits."""

__all__ = ["FailingLog"]


class FailingLog:
    """Passes everything on; `fail` makes the next call of one method raise."""

    def __init__(self, inner):
        self.inner = inner
        self.errors = {}
        self.commits = 0
        self.written = False

    def fail(self, where, error):
        """The next call of a method raises; "committed": a commit, but behind its happening."""
        self.errors[where] = error

    def now(self, where):
        """Raises what was asked for."""
        error = self.errors.pop(where, None)
        if error is not None:
            raise error

    def commit(self):
        if self.written:  # a venue commits nothing now and then, which nobody would hear of
            self.now("commit")
        self.inner.commit()
        if self.written:
            self.written = False
            self.commits += 1
            self.now("committed")

    def rollback(self):
        self.now("rollback")
        self.inner.rollback()
        self.written = False

    def add(self, name, definition):
        self.now("add")
        self.written = True
        self.inner.add(name, definition)

    def stream(self, name):
        return FailingStream(self, self.inner.stream(name))

    def __getattr__(self, name):
        return getattr(self.inner, name)


class FailingStream:
    """A stream of it."""

    def __init__(self, log, inner):
        self.log = log
        self.inner = inner

    def append(self, records, tokens):
        self.log.now("append")
        self.log.written = True
        self.inner.append(records, tokens)

    def publish(self, batch):
        self.log.now("publish")
        self.inner.publish(batch)

    def read(self, position):
        self.log.now("read")
        return self.inner.read(position)

    def store(self, position, parts, number, data):
        self.log.now("store")
        self.log.written = True
        self.inner.store(position, parts, number, data)

    def __getattr__(self, name):
        return getattr(self.inner, name)
