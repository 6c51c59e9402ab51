"""What holds for all tests."""

import os

from hypothesis import settings

# How long an example takes says more about what else the machine does than about lrtui.
settings.register_profile("lrtui", deadline=None)
settings.load_profile("lrtui")

# Nobody's own settings.
os.environ["XDG_CONFIG_HOME"] = os.devnull
