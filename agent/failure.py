"""The one error for what went wrong outside: a full disk, a lost file."""


class Failure(RuntimeError):
    """Something the agent needs failed it; the message is one line, the exit code 1."""
