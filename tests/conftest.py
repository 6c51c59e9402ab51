"""What holds for all tests."""

import os

from hypothesis import settings

# How long an example takes says more about what else the machine does than about lrtui.
settings.register_profile("lrtui", deadline=None)
settings.load_profile("lrtui")

# Tests run beside each other; torch's threads would take turns on the same cores.
os.environ["OMP_NUM_THREADS"] = "1"

# Nobody's own settings.
os.environ["XDG_CONFIG_HOME"] = os.devnull
