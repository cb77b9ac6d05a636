"""The pages of the app, each a function from a visit to an answer.

Imports `reading`, the frame of `app`, and what these import.
"""
