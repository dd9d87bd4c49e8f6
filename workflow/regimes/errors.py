"""The errors that end a command with one clear line instead of a traceback."""

# Characters of an error, which may quote a file. Names of what is allowed fit.
LONGEST = 3000


class RegimesError(Exception):
    """Base of every error that a user can cause and cure. Its text is one line."""

    def __str__(self) -> str:
        """The text, its middle left out where it is very long.

        Line breaks, and whatever else a terminal would obey, are escaped: a name in the text must
        not write lines of its own.
        """
        text = super().__str__()
        if len(text) > LONGEST:
            text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
        return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class ConfigError(RegimesError):
    """The configuration is wrong: names the key, the value and what is allowed."""


class StoreError(RegimesError):
    """A file cannot be read: names the file and what to do about it."""


class DamagedError(StoreError):
    """A file is not as it was written."""


class ForeignError(StoreError):
    """A whole file is another one than its name says."""


class DataError(RegimesError):
    """A data set cannot be built, or is not the one that was asked for."""


class DeviceError(RegimesError):
    """The requested device is not there."""
