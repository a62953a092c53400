#!/usr/bin/env bash
# Gradescope runs this once, as root, when it makes the autograder's image. The image needs Ubuntu 22.04 or newer.
set -euo pipefail

# Write in here the address of torch for the CPU, which pytorch.org/get-started/locally shows for Linux, Pip and CPU.
# Without it torch brings several GB of CUDA libraries, for which Gradescope's containers have no device.
TORCH_INDEX=""

root="${AUTOGRADER_ROOT:-/autograder}"
source="$root/source"
export DEBIAN_FRONTEND=noninteractive

apt-get update
apt-get install -y bubblewrap libseccomp2
python=""
for version in 3.14 3.13 3.12 3.11; do
    if apt-get install -y "python$version" "python$version-venv"; then
        python="python$version"
        break
    fi
done
if [ -z "$python" ]; then
    echo "setup.sh: this image has no Python 3.11 to 3.14: choose Ubuntu 22.04 or newer for the autograder." >&2
    exit 1
fi

options=(--disable-pip-version-check --no-input --no-cache-dir --constraint "$source/requirements.lock")
if [ -n "$TORCH_INDEX" ]; then
    options+=(--extra-index-url "$TORCH_INDEX")
else
    echo "setup.sh: TORCH_INDEX is empty, so torch brings several GB of CUDA libraries; see the top of setup.sh."
fi
"$python" -m venv "$root/venv"
"$root/venv/bin/python" -m pip install "${options[@]}" pip flit_core
"$root/venv/bin/python" -m pip install "${options[@]}" --no-build-isolation --editable "$source[grading]"

# The student's code may run as another user, who needs Python and the package; run_autograder closes the rest.
chmod go+rx "$root" "$source"
chmod -R go+rX "$root/venv" "$source/course_utils" "$source/data"
