"""What is learned: purchases, spend, NPS category, NPS of the base; the scorer; the registry."""
