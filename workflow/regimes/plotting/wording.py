"""How figures and claims put numbers into words."""


def pluralise(number: int, noun: str) -> str:
    """A number with its noun, such as '1 run' and '5 runs'; noun: in the singular."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
