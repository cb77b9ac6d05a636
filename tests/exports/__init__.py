"""Twelve exports as shops get them, each made from the same simulated sales, with the totals that they hold.

Run it to write them into a folder: ``python -m tests.exports FOLDER``.
"""
