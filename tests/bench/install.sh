#!/usr/bin/env bash
# The programs that the router is compared with or mounted on, each in an environment of its own:
# .tools/references/{vllm-router,kserve,litellm}. The versions are those of tests/bench/references.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
uv=$(command -v uv || echo .tools/bin/uv)
home=.tools/references

install() { # NAME PACKAGE...
  "$uv" venv --quiet --clear --python 3.11 "$home/$1"
  "$uv" pip install --quiet --python "$home/$1/bin/python" "${@:2}"
}
install vllm-router vllm-router==0.1.17
install kserve kserve==0.21.0 --editable '.[serve]'
install litellm 'litellm[proxy]==1.106.2' # 1.107.0 was compromised
touch "$home/ready"
