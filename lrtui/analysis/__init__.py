"""What a loss curve means. Needs numpy only."""
