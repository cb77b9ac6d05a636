"""Simulated shops of known truth: customers, orders, events, answers.

Imports `data` alone.
"""
