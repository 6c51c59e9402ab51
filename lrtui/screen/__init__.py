"""The app one sees: textual and plotext, never torch."""

import os

# Read by textual as it is imported. Its 60 updates a second would let a key that meets a frame
# wait for the next of them (25 ms at the 95th percentile, against 8); our own frames are what
# limits the output. Animations would run at that rate, and a slow line has no use for them.
os.environ.setdefault("TEXTUAL_FPS", "1000")
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
