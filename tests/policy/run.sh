#!/usr/bin/env bash
# checkov over the rendered manifests, in an environment of its own: it pins what others pin differently.
# Checks that do not apply:
#   CKV_K8S_38  a pod that talks to the API has its token; tests/render/test_chart.py says which may
#   CKV_K8S_40  a user id above 10000: the images have user 1000, and our pods mount nothing of the node
# and on a cluster that is thrown away, whose images have tags and whose store has keys:
#   CKV_K8S_15  pull always   CKV_K8S_35  secrets as files   CKV_K8S_43  image by digest
set -euo pipefail
cd "$(dirname "$0")/../.."
uv=$(command -v uv || echo .tools/bin/uv)
home=.tools/checkov
version=3.3.30

if [ ! -e "$home/$version" ]; then
  "$uv" venv --quiet --clear --python 3.11 "$home"
  "$uv" pip install --quiet --compile-bytecode --python "$home/bin/python" "checkov==$version"
  touch "$home/$version"
fi
for manifest in manifests/rendered/*.yaml; do
  not=CKV_K8S_38,CKV_K8S_40
  case $manifest in *laptop*) not=$not,CKV_K8S_15,CKV_K8S_35,CKV_K8S_43 ;; esac
  "$home/bin/checkov" --framework kubernetes --file "$manifest" --skip-check "$not" \
    --skip-download --compact --quiet
  echo "checkov: $manifest is clean"
done
