{{/*
What the schema cannot say of what is served. Each mistake names the value, the reason and the remedy.
*/}}
{{- define "goldsmith.serving.checks" -}}
{{- $serving := .Values.serving -}}
{{- $config := $serving.config -}}
{{- if not $serving.tiers }}
  {{- fail "serving.tiers is empty: say how at least one tier is deployed; values-laptop-cluster-serving.yaml shows how" }}
{{- end }}
{{- if not .Values.signing.secret }}
  {{- fail "signing.secret is empty: tiers serve only models that its public half, signing.pub, vouches for; name the Secret" }}
{{- end }}
{{- $rules := $config.tiers | default dict }}
{{- range $tier := concat (keys $serving.tiers) (keys $rules) | uniq | sortAlpha }}
  {{- if not (hasKey $rules $tier) }}
    {{- fail (printf "serving.tiers.%s is deployed and serving.config.tiers.%s is missing: say its slo_ttft_ms and prices" $tier $tier) }}
  {{- else if not (hasKey $serving.tiers $tier) }}
    {{- fail (printf "serving.config.tiers.%s has rules and serving.tiers.%s is missing: say how it is deployed" $tier $tier) }}
  {{- end }}
{{- end }}
{{- range $tier, $deployed := $serving.tiers }}
  {{- include "goldsmith.serving.tierChecks" (dict "root" $ "tier" $tier "deployed" $deployed) }}
{{- end }}
{{- if and $config.policies (not (hasKey $config.policies "single")) }}
  {{- fail "serving.config.policies has no `single`, which requests get by default: add it, or leave policies out" }}
{{- end }}
{{- $credentials := $config.credentials | default dict }}
{{- if and $credentials.open (not .Values.images.allowTags) }}
  {{- fail "serving.config.credentials.open lets anybody in: list keys or a jwt; only a cluster that is thrown away (images.allowTags) may do without" }}
{{- else if not (or $credentials.open $credentials.keys $credentials.jwt) }}
  {{- fail "serving.config.credentials lets nobody in: list keys (sha256 and tenant) or a jwt" }}
{{- end }}
{{- end }}

{{/* Of one tier: (dict "root" $ "tier" "gold" "deployed" ...). */}}
{{- define "goldsmith.serving.tierChecks" -}}
{{- $at := printf "serving.tiers.%s" .tier -}}
{{- $deployed := .deployed -}}
{{- $values := .root.Values -}}
{{- $gpus := $deployed.gpus | default 0 | int -}}
{{- $nodes := $deployed.nodes | default 1 | int -}}
{{- $loras := include "goldsmith.serving.loras" (dict "root" .root "tier" .tier) | int -}}
{{- $names := dig "adapters" "names" .tier list $values.serving.config -}}
{{- $pools := keys $values.cluster.pools | sortAlpha -}}
{{- if not (has $deployed.pool $pools) }}
  {{- fail (printf "%s.pool is %q, and there is no such pool; there are: %s" $at $deployed.pool (join ", " $pools)) }}
{{- end }}
{{- if and (eq $deployed.engine "builtin") $gpus }}
  {{- fail (printf "%s.gpus is %d and its engine is builtin, which uses none: take vllm" $at $gpus) }}
{{- else if and (ne $deployed.engine "builtin") (not $gpus) }}
  {{- fail (printf "%s.engine is %s and gpus is 0: give it GPUs, or take builtin" $at $deployed.engine) }}
{{- end }}
{{- if ne $deployed.engine "builtin" }}
  {{- $name := ternary "vllm" "tensorrtLlm" (eq $deployed.engine "vllm") }}
  {{- $image := get $values.images $name }}
  {{- if not $image }}
    {{- fail (printf "images.%s is empty and %s.engine is %s: name an image" $name $at $deployed.engine) }}
  {{- else if not (or $values.images.allowTags (regexMatch "@sha256:[0-9a-f]{64}$" $image)) }}
    {{- fail (printf "images.%s is %q: not pinned by digest; mirror it into your registry and name it by the digest that it has there" $name $image) }}
  {{- end }}
{{- end }}
{{- if and (gt $nodes 1) (ne $deployed.engine "vllm") }}
  {{- fail (printf "%s.nodes is %d and its engine is %s: only vllm spans nodes" $at $nodes $deployed.engine) }}
{{- else if and (gt $nodes 1) (or (ne (dig "replicas" 2 $deployed | int) 1) $deployed.maxReplicas) }}
  {{- fail (printf "%s.nodes is %d: KServe runs one replica of what spans nodes; set replicas: 1 and no maxReplicas" $at $nodes) }}
{{- else if and (gt $nodes 1) $names }}
  {{- fail (printf "%s.nodes is %d and serving.config.adapters.names.%s is set: adapters are files of one node; serve a merged model" $at $nodes .tier) }}
{{- end }}
{{- if and $names (eq $deployed.engine "tensorrt-llm") }}
  {{- fail (printf "serving.config.adapters.names.%s is set and its engine is tensorrt-llm, which loads no adapters: take vllm, or serve a merged model" .tier) }}
{{- else if and $names (le $loras (len $names)) }}
  {{- fail (printf "serving.config.adapters.max_loaded is %d and tier %s has %d adapters: a swap holds two versions of one; set at least %d" $loras .tier (len $names) (add1 (len $names))) }}
{{- end }}
{{- if $deployed.maxReplicas }}
  {{- if lt (int $deployed.maxReplicas) (dig "replicas" 2 $deployed | int) }}
    {{- fail (printf "%s.maxReplicas is %d and below replicas; 0 means: always replicas" $at (int $deployed.maxReplicas)) }}
  {{- else if not $values.serving.prometheus }}
    {{- fail (printf "%s.maxReplicas is set and serving.prometheus is empty: KEDA asks Prometheus how busy the engines are" $at) }}
  {{- end }}
{{- end }}
{{- end }}
