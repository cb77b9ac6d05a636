"""Quoting for SQL that is put together from names and texts. Imports nothing."""


def quote(text: str) -> str:
    """Write an SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Write the name of a column or table, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'
