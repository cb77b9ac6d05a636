"""What comments speak of, in any language with spaces between words.

Imports `stats` and `scoring`.
"""
