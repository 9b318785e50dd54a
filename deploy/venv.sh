#!/usr/bin/env bash
# Makes the virtual environment with everything that running and developing need, or brings it up to date.
#   deploy/venv.sh PYTHON DIRECTORY
# An environment of the project's own, so that distributions which guard their Python (PEP 668) have nothing to object to.
set -euo pipefail
python=${1:-} venv=${2:?directory}

if [[ -z $python ]] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
	python=python3
	"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
		echo "setup: Python 3.11 or later is needed; here is $("$python" --version 2>&1)" >&2
		exit 1
	}
fi
if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
	"$python" -c 'import venv, ensurepip' 2>/dev/null || {
		echo "setup: $python has no venv module: install python3-venv (as root, make does that by itself)" >&2
		exit 1
	}
	echo "setup: making $venv with $("$python" --version)"
	"$python" -m venv --clear "$venv"
fi
echo "setup: installing the Python packages"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --editable '.[dev]'
