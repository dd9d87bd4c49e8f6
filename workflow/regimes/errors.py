"""The errors that end a command with one clear line instead of a traceback."""


class RegimesError(Exception):
    """Base of every error that a user can cause and cure. Its text is one line."""


class ConfigError(RegimesError):
    """The configuration is wrong: names the key, the value and what is allowed."""


class StoreError(RegimesError):
    """A file cannot be read: names the file and what to do about it."""


class DataError(RegimesError):
    """A data set cannot be built, or is not the one that was asked for."""


class DeviceError(RegimesError):
    """The requested device is not there."""
