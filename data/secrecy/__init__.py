"""What may be shown of what people give: of paths and URLs, of values that are wrong, of what libraries complain of.

Imports nothing of the project.
"""
