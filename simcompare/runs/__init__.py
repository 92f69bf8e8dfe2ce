"""What a run folder needs: lock, ledger, whole files, tasks, time limit, progress."""
