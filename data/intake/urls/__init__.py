"""Files that URLs name: fetched within limits of size and time, and not from where a server has no business to lead.

Imports `data.secrecy`.
"""
