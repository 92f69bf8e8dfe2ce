"""What a run folder needs: lock, ledger, whole files, tasks, time limit, progress."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "files": ["atomic_path", "sha256"],
        "folder": ["open_run"],
        "lock": ["lock_folder"],
        "tasks": ["run_tasks"],
    },
)
