"""The measures of the field over windows and groups, each with its interval. Imports `features` and `data`."""
