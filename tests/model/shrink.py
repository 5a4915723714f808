"""A failing list of commands made short, so that what is left can be pasted as a scenario."""

import os

import numpy as np
from pricetime.records import EVENT

from .batches import LEAST
from .pair import Pair

PLAINER = ("timestamp", "expires", "stp", "account")  # fields that are tried as 0


def failure(commands, **parameters):
    """What goes wrong when book and twin hear the commands, one by one; None where nothing does.

    They hear them in a process of its own, as the book may crash or never end.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # Neither exit handlers nor what a test runner wraps around them may run twice.
        try:
            tell(commands, parameters)
            text = ""
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"[-4000:]
        os.write(writer, b"." + text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    status = os.waitpid(child, 0)[1]
    if not said:
        return f"the book ended its process: status {status}"
    return said[1:] or None


def tell(commands, parameters):
    """Plainly, through the smallest buffer, and with a checkpoint now and then."""
    for out, often in ((None, 0), (np.empty(LEAST, EVENT), 0), (None, 3)):
        pair = Pair(**parameters)
        for number in range(len(commands)):
            pair.process(commands[number : number + 1], out)
            pair.check()
            if often and number % often == 0:
                pair.save_and_restore()


def shrink(commands, fails):
    """As few of the commands as still make it fail, and these as plain as may be.

    `fails` takes an array of commands; it holds for the given ones.
    """
    size = len(commands)
    while size > 0:
        begin = 0
        while begin < len(commands):
            fewer = np.delete(commands, np.s_[begin : begin + size])
            if fails(fewer):
                commands = fewer
            else:
                begin += size
        size //= 2
    for at in range(len(commands)):
        for name in PLAINER:
            plain = commands.copy()
            plain[name][at] = 0
            if commands[name][at] != 0 and fails(plain):
                commands = plain
    return commands
