"""Many rates at once: sweeps, grids, range tests."""
