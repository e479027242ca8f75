"""The one error that a user's mistake may raise."""


class InputError(ValueError):
    """A file, field or option that cannot be used.

    Its message is one line that names the thing, says what is wrong with it and what is accepted;
    the command line prints that line and exits with code 2.
    """
