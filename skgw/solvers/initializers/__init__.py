"""Where a solve starts: named starts, plans and states, and isometry invariants."""
