"""What a flow does, step by step, as plain functions. Imports `models`, `features`, `data` and the settings."""
