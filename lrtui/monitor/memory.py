"""Memory: free on the host, used by this process."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import torch

MEMORY_SHARE = 0.25
"""Share of the host's free memory that the snapshots of all its ranks may take together."""

CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)
"""Files with the memory limit of a container or batch job, and with its usage."""


def free_memory() -> int | None:
    """Return the bytes free on this host and within the job's limit, ``None`` if unknown."""
    found = [left for limit, used in CGROUPS if (left := left_of(limit, used)) is not None]
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    except (OSError, ValueError):
        # Not Linux: assume a third of all memory, as nothing portable says how much is free.
        if "SC_PHYS_PAGES" in os.sysconf_names:
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 3)
    return min(found, default=None)


def free_bytes(device: torch.device) -> int | None:
    """Return the bytes free for this process where a tensor is, ``None`` if unknown."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + cached)
    free = free_memory() if device.type == "cpu" else None
    return None if free is None else free // ranks_of_this_host()


def left_of(limit: str, used: str) -> int | None:
    """Return the bytes that a control group has left, ``None`` without a limit."""
    try:
        return max(int(Path(limit).read_text()) - int(Path(used).read_text()), 0)
    except (OSError, ValueError):  # no such file, or "max"
        return None


def ranks_of_this_host() -> int:
    """Return how many ranks share this host's memory, according to their launcher."""
    found = os.environ.get("LOCAL_WORLD_SIZE", "")
    return max(int(found), 1) if found.isdigit() else 1


def memory_of_this_process() -> tuple[int | None, int | None]:
    """Return the resident bytes of this process, and those allocated on its GPU."""
    try:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):  # not Linux: only the peak is available
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        resident = peak * (1 if sys.platform == "darwin" else 1024)
    on_device = None
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        on_device = int(torch.cuda.memory_allocated())
    return resident, on_device
