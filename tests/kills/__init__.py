"""Real venues that really die: by signals, at system calls, on full disks; and who looks after."""
