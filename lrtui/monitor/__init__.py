"""Inside a person's own training: the rate, the socket, snapshots, ranks, ``lrtui run``."""
