{{/* The ClusterConfig of this release: what a user set under `cluster`, and what the chart knows. */}}
{{- define "goldsmith.cluster" -}}
{{- $chart := dict
  "namespace" .Release.Namespace
  "store" (dict
    "url" .Values.store.url
    "endpoint" .Values.store.endpoint
    "region" .Values.store.region
    "credentials_secret" .Values.store.credentialsSecret)
  "signing_secret" .Values.signing.secret
  "images" (dict
    "steps" .Values.images.steps
    "torch" .Values.images.torch
    "pull_policy" .Values.images.pullPolicy)
  "service_accounts" (dict "pipeline" "goldsmith-pipeline" "trainer" "goldsmith-trainer")
  "kfp" (dict "endpoint" .Values.kfp.endpoint "server" .Values.kfp.server)
  "queue" (include "goldsmith.queue" .)
  "priority_class" (include "goldsmith.priorityClass" .) -}}
{{- toYaml (merge $chart .Values.cluster) }}
{{- end }}

{{/* Kueue's LocalQueue of the jobs, or nothing. */}}
{{- define "goldsmith.queue" -}}
{{- .Values.kueue.queue | default (ternary "goldsmith" "" .Values.kueue.enabled) -}}
{{- end }}

{{/* PriorityClass of training pods, or nothing. */}}
{{- define "goldsmith.priorityClass" -}}
{{- if .Values.priorityClass.enabled }}{{ include "goldsmith.clusterWideName" . }}{{ end -}}
{{- end }}
