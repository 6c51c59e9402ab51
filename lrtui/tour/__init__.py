"""Scripts of scenes, and what plays them."""
