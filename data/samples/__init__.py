"""Real public shops, taken into our tables: CDNOW and Olist.

Imports `data` alone.
"""
