#!/usr/bin/env bash
# Make an environment, install the project with what its tests need, lint, test.
# VENV names the environment (default: .venv here); arguments go to pytest. Tests of one file run in one process,
# files side by side in as many processes as there are cores, the longest first (tests/conftest.py).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}  # the processes share the cores: one thread each
python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet -c requirements/constraints.txt -e '.[test]'
"$venv/bin/ruff" check .
exec "$venv/bin/python" -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --durations 30 "$@"
