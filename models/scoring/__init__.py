"""The served scorer and its formulas; a consumer runs it without the project.

Imports nothing of the project.
"""
