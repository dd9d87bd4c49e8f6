"""Where engines are: the module that a name stands for."""


def engine_module(engine: str) -> str:
    """Module of an engine: `room` is regimes.engines.room.engine, `room.other` is that module."""
    return f"regimes.engines.{engine}" + ("" if "." in engine else ".engine")
