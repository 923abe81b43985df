"""The one error for input that its giver can mend."""


class BadInput(ValueError):
    """A file, message, setting or device that cannot be used.

    The message is one line that names the thing, the value found and the limit. The command line prints
    it and exits with code 2.
    """
