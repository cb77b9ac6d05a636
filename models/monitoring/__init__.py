"""What changed since a scorer was trained or scores were published.

Imports `population` and what it imports.
"""
