"""Sentences that runs write in English, told in the other languages of the page.

Imports `language` of the room above, and what that imports.
"""
