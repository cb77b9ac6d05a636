"""Every picture, as figures that no screen is needed for. Imports `population` and what it imports."""
