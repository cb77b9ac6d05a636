"""The store's lock: one run at a time changes what is published, on one machine or on many that share a store.

Imports the store's place of `registry`, data, MLflow and SQLAlchemy.
"""
