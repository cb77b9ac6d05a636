"""The app: pages over the current scores in a browser, which read and change nothing.

Imports `reports`, `steps`, `settings` and what these import; never MLflow where the store is embedded.
"""
