{{/*
Parts of a tier's InferenceService; each takes (dict "root" $ "tier" "gold" "deployed" ... "rules" ...).

The version that a pod serves is an annotation, which the rollout controller sets when the tier's alias
moves. So the version is no value of the chart, and an upgrade leaves it alone.
*/}}

{{/* Environment of the engine and of what fetches its files. */}}
{{- define "goldsmith.serving.version" -}}
- name: GOLDSMITH_VERSION
  valueFrom: {fieldRef: {fieldPath: "metadata.annotations['goldsmith.dev/version']"}}
{{- end }}

{{/* Fetches the version into /mnt/models/<version>, each file checked against the signed manifest. */}}
{{- define "goldsmith.serving.fetch" -}}
- name: model
  image: {{ .root.Values.images.steps | quote }}
  imagePullPolicy: {{ .root.Values.images.pullPolicy }}
  command: [python, -m, goldsmith.cluster.model_files]
  args: [{{ .tier }}, $(GOLDSMITH_VERSION), /mnt/models]
  env:
    {{- include "goldsmith.serving.environment" .root | nindent 4 }}
    {{- include "goldsmith.serving.version" . | nindent 4 }}
  {{- include "goldsmith.serving.smallResources" . | nindent 2 }}
  terminationMessagePolicy: FallbackToLogsOnError
  {{- include "goldsmith.containerSecurity" . | nindent 2 }}
  volumeMounts:
    {{- include "goldsmith.serving.mounts" .root | nindent 4 }}
    - {name: models, mountPath: /mnt/models}
{{- end }}

{{/* Fetches adapters to where the engine beside it reads them; the adapter controller tells it which. */}}
{{- define "goldsmith.serving.agent" -}}
- name: adapter-agent
  image: {{ .Values.images.steps | quote }}
  imagePullPolicy: {{ .Values.images.pullPolicy }}
  command: [goldsmith]
  args: [operate, adapter-agent, --root, /mnt/adapters, --engine, "http://127.0.0.1:8080", --port, "8090"]
  env:
    {{- include "goldsmith.serving.environment" . | nindent 4 }}
  {{- include "goldsmith.serving.smallResources" . | nindent 2 }}
  terminationMessagePolicy: FallbackToLogsOnError
  {{- include "goldsmith.containerSecurity" . | nindent 2 }}
  volumeMounts:
    {{- include "goldsmith.serving.mounts" . | nindent 4 }}
    - {name: adapters, mountPath: /mnt/adapters}
{{- end }}

{{/*
Probes of an engine: (dict "startS" 300 "agent" true). It says that it is not well as soon as it is told to
end. The agent beside it asks it in our place, and says no when the engine is to be started anew.
*/}}
{{- define "goldsmith.serving.probes" -}}
startupProbe:
  httpGet: {path: /health, port: 8080}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: {{ div .startS 2 }}
readinessProbe:
  httpGet: {path: /health, port: 8080}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
livenessProbe:
  {{- if .agent }}
  httpGet: {path: /alive, port: 8090}
  {{- else }}
  tcpSocket: {port: 8080}
  {{- end }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{/* Mounts of an engine. */}}
{{- define "goldsmith.serving.engineMounts" -}}
- {name: models, mountPath: /mnt/models, readOnly: true}
- {name: adapters, mountPath: /mnt/adapters, readOnly: true}
- {name: config, mountPath: /etc/goldsmith, readOnly: true}
- {name: tmp, mountPath: /tmp}
- {name: shm, mountPath: /dev/shm}
{{- end }}

{{/* Volumes of a tier's pods. */}}
{{- define "goldsmith.serving.tierVolumes" -}}
{{- $hasGpus := gt (int .deployed.gpus) 0 -}}
- name: config
  configMap: {name: goldsmith-serving}
{{ include "goldsmith.serving.trust" .root }}
- name: tmp # compiled kernels too, where there are GPUs
  emptyDir: {sizeLimit: {{ ternary "16Gi" "256Mi" $hasGpus }}}
- name: shm
  emptyDir: {medium: Memory, sizeLimit: {{ ternary "8Gi" "256Mi" $hasGpus }}}
- name: adapters
  emptyDir: {sizeLimit: 4Gi}
- name: models
  {{- if gt (int .deployed.nodes) 1 }}
  persistentVolumeClaim: {claimName: goldsmith-{{ .tier }}-models}
  {{- else }}
  emptyDir: {sizeLimit: {{ dig "diskGib" 2 .deployed }}Gi}
  {{- end }}
{{- end }}

{{/* Nodes of the tier's pool and capacity, as training jobs choose them; a plain CPU pool is any node. */}}
{{- define "goldsmith.serving.placement" -}}
{{- $pool := get .root.Values.cluster.pools .deployed.pool -}}
{{- $capacity := dig "capacity" (list "on-demand") .deployed | uniq -}}
{{- if or $pool.node_selector (and $pool.accelerators $capacity) }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            {{- range $label, $value := $pool.node_selector }}
            - {key: {{ $label | quote }}, operator: In, values: [{{ $value | quote }}]}
            {{- end }}
            {{- with $capacity }}
            - {key: karpenter.sh/capacity-type, operator: In, values: {{ toJson . }}}
            {{- end }}
{{- end }}
{{- with $pool.tolerations }}
tolerations:
  {{- range . }}
  - {{ toJson (pick . "key" "operator" "value" "effect") }}
  {{- end }}
{{- end }}
{{- if le (int .deployed.nodes) 1 }}
topologySpreadConstraints:
  {{- include "goldsmith.serving.spread" (printf "goldsmith-%s" .tier) | nindent 2 }}
  {{- if and (gt (len $capacity) 1) (or $pool.accelerators $pool.node_selector) }}
  # What the spot market takes is never all.
  - maxSkew: 1
    topologyKey: karpenter.sh/capacity-type
    whenUnsatisfiable: DoNotSchedule
    labelSelector: {matchLabels: {app: isvc.goldsmith-{{ .tier }}-predictor}}
  {{- end }}
{{- end }}
{{- end }}

{{/* Arguments of the engine that differ by tier, as JSON. */}}
{{- define "goldsmith.serving.arguments" -}}
{{- $names := list .tier "$(GOLDSMITH_VERSION)" -}}
{{- $slots := dig "slots" 16 .rules | int | toString -}}
{{- $context := dig "context" 8192 .rules | int | toString -}}
{{- $loras := include "goldsmith.serving.loras" . | int -}}
{{- $rank := dig "maxLoraRank" 16 .deployed | int | toString -}}
{{- $args := list -}}
{{- if eq .deployed.engine "builtin" }}
  {{- $args = list "/mnt/models/$(GOLDSMITH_VERSION)" "--host" "0.0.0.0" "--port" "8080" "--slots" $slots "--context" $context -}}
  {{- range $names }}{{ $args = concat $args (list "--served-model-name" .) }}{{ end -}}
  {{- if $loras }}
    {{- $args = concat $args (list "--adapters-root" "/mnt/adapters" "--max-loras" (toString $loras) "--max-lora-rank" $rank) -}}
  {{- end }}
{{- else if eq .deployed.engine "vllm" }}
  {{- $args = concat (list "--served-model-name") $names (list "--max-model-len" $context "--max-num-seqs" $slots) -}}
  {{- if $loras }}
    {{- $args = concat $args (list "--enable-lora" "--max-loras" (toString $loras) "--max-cpu-loras" (toString $loras) "--max-lora-rank" $rank) -}}
  {{- end }}
  {{- if and (gt (int .deployed.gpus) 1) (le (int .deployed.nodes) 1) }}
    {{- $args = concat $args (list "--tensor-parallel-size" (toString (int .deployed.gpus))) -}}
  {{- end }}
{{- else }}
  {{- $args = list "--max_batch_size" $slots "--max_seq_len" $context "--served_model_name" .tier -}}
  {{- if gt (int .deployed.gpus) 1 }}
    {{- $args = concat $args (list "--tp_size" (toString (int .deployed.gpus))) -}}
  {{- end }}
{{- end }}
{{- toJson $args -}}
{{- end }}

{{/* Replicas and their scaling. */}}
{{- define "goldsmith.serving.scaling" -}}
{{- $replicas := dig "replicas" 2 .deployed | int -}}
minReplicas: {{ $replicas }}
maxReplicas: {{ max (int .deployed.maxReplicas) $replicas 1 }}
{{- if .deployed.maxReplicas }}
{{- $pods := printf "{namespace=%q,pod=~\"goldsmith-%s-predictor-.*\"}" .root.Release.Namespace .tier }}
autoScaling:
  metrics:
    - type: External
      external:
        metric:
          backend: prometheus
          serverAddress: {{ .root.Values.serving.prometheus | quote }}
          query: {{ printf "sum(vllm:num_requests_running%s) + sum(vllm:num_requests_waiting%s)" $pods $pods | quote }}
        target:
          # Of the slots of a replica, three quarters in use.
          type: AverageValue
          averageValue: {{ div (mul 3 (dig "slots" 16 .rules | int)) 4 | max 1 | toString | quote }}
          value: {{ div (mul 3 (dig "slots" 16 .rules | int)) 4 | max 1 | toString | quote }}
{{- end }}
{{- end }}

{{/* Environment of an engine that is not ours: it writes below /tmp and asks nobody outside. */}}
{{- define "goldsmith.serving.engineEnvironment" -}}
- {name: HOME, value: /tmp}
- {name: USER, value: goldsmith} # its image does not know the user 1000
- {name: HF_HUB_OFFLINE, value: "1"}
- {name: HF_HUB_DISABLE_TELEMETRY, value: "1"}
{{ include "goldsmith.serving.version" . }}
{{- end }}

{{- define "goldsmith.serving.vllmEnvironment" -}}
{{ include "goldsmith.serving.engineEnvironment" . }}
- {name: VLLM_NO_USAGE_STATS, value: "1"}
- {name: VLLM_MEDIA_URL_ALLOW_REDIRECTS, value: "0"}
- {name: VLLM_MAX_N_SEQUENCES, value: "1"}
{{- end }}
