"""The store: runs, versions of the scorer, published scores.

Imports every other room of `models`; with `scoring.entry` alone it imports MLflow.
"""
