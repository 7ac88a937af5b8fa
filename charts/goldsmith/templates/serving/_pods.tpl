{{/* Environment of every program of ours that serves. */}}
{{- define "goldsmith.serving.environment" -}}
- {name: HOME, value: /tmp}
- {name: GOLDSMITH_CLUSTER, value: ""}
- {name: GOLDSMITH_STORE, value: {{ .Values.store.url | quote }}}
- {name: GOLDSMITH_TRUSTED_KEY, value: /etc/goldsmith-trust/signing.pub}
{{ include "goldsmith.storeEnvironment" . }}
{{- end }}

{{/* What they mount: the configuration, the public key of models, and a place for temporary files. */}}
{{- define "goldsmith.serving.mounts" -}}
- {name: config, mountPath: /etc/goldsmith, readOnly: true}
- {name: trust, mountPath: /etc/goldsmith-trust, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "goldsmith.serving.volumes" -}}
- name: config
  configMap: {name: goldsmith-serving}
{{ include "goldsmith.serving.trust" . }}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- end }}

{{- define "goldsmith.serving.trust" -}}
- name: trust
  secret:
    secretName: {{ .Values.signing.secret | quote }}
    items: [{key: signing.pub, path: signing.pub}]
{{- end }}

{{/* `resources` of a container: (dict "cpu" 1 "memoryGib" 2 "gpus" 0). KServe would limit CPU to 1. */}}
{{- define "goldsmith.serving.resources" -}}
{{- $memory := printf "%.0fMi" (mulf 1024 .memoryGib) -}}
resources:
  requests:
    cpu: {{ printf "%.0fm" (mulf 1000 .cpu) }}
    memory: {{ $memory }}
    {{- with .gpus }}
    nvidia.com/gpu: {{ . | quote }}
    {{- end }}
  limits:
    cpu: {{ printf "%.0fm" (max 1000 (mulf 2000 .cpu | int)  | float64) }}
    memory: {{ $memory }}
    {{- with .gpus }}
    nvidia.com/gpu: {{ . | quote }}
    {{- end }}
{{- end }}

{{/* The same for a small helper. */}}
{{- define "goldsmith.serving.smallResources" -}}
resources:
  requests: {cpu: 20m, memory: 256Mi, ephemeral-storage: 64Mi}
  limits: {cpu: "1", memory: 512Mi, ephemeral-storage: 256Mi}
{{- end }}

{{/* Pods of one InferenceService on as many nodes as there are: its name. */}}
{{- define "goldsmith.serving.spread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector: {matchLabels: {app: isvc.{{ . }}-predictor}}
{{- end }}

{{/* Annotations of an InferenceService: (dict "scaler" "none"). */}}
{{- define "goldsmith.serving.mode" -}}
serving.kserve.io/deploymentMode: Standard
serving.kserve.io/autoscalerClass: {{ .scaler }}
{{- end }}

{{/* At most one pod of an InferenceService is taken away at a time: (dict "root" $ "name" "goldsmith-router" "component" "router"). */}}
{{- define "goldsmith.serving.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "goldsmith.labels" (dict "root" .root "component" .component) | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {app: isvc.{{ .name }}-predictor}
{{- end }}
