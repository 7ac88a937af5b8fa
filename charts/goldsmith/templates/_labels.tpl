{{/*
Labels of an object and of its pods: (dict "root" $ "component" "reaper").
NetworkPolicies choose pods by them.
*/}}
{{- define "goldsmith.labels" -}}
app.kubernetes.io/name: goldsmith
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/part-of: goldsmith
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Name of what is not in a namespace, one for each release. */}}
{{- define "goldsmith.clusterWideName" -}}
goldsmith-{{ .Release.Namespace }}
{{- end }}
