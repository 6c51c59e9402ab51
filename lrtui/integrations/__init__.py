"""Monitor callbacks for other frameworks, each imported on use."""
