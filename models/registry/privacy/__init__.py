"""The privacy of customers in a store: its key, the forgotten, what is past its retention.

Imports the store, tracking, publication and upkeep of `registry`, and MLflow.
"""
