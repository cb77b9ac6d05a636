"""What runs: retrain, score, publish; settings; the command."""
