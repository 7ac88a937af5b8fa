{{/*
The `to` of an egress rule: pods of `namespace` if it is set, else addresses of `cidr`, but never the
link-local ones by 0.0.0.0/0, since the instance's own metadata and credentials are there.
*/}}
{{- define "goldsmith.peer" -}}
to:
  {{- if .namespace }}
  - namespaceSelector:
      matchLabels: {kubernetes.io/metadata.name: {{ .namespace | quote }}}
  {{- else }}
  - ipBlock:
      cidr: {{ .cidr | quote }}
      {{- if eq .cidr "0.0.0.0/0" }}
      except: [169.254.0.0/16]
      {{- end }}
  {{- end }}
{{- end }}

{{/* One egress rule to a destination of the values. */}}
{{- define "goldsmith.destination" -}}
- {{ include "goldsmith.peer" . | indent 2 | trim }}
  ports:
    - {protocol: TCP, port: {{ .port }}}
{{- end }}

{{/* Pods of ours with one of the components: (list "training" "reaper"). */}}
{{- define "goldsmith.podsOf" -}}
matchLabels:
  app.kubernetes.io/part-of: goldsmith
matchExpressions:
  - {key: app.kubernetes.io/component, operator: In, values: {{ toJson . }}}
{{- end }}

{{/* Egress rules to the store, and to what gives a pod its own identity. */}}
{{- define "goldsmith.storeDestination" -}}
{{ include "goldsmith.destination" .Values.networkPolicies.store }}
{{- if not .Values.store.credentialsSecret }}
# The agent that gives a pod its own identity (EKS Pod Identity).
- to:
    - ipBlock: {cidr: 169.254.170.23/32}
  ports:
    - {protocol: TCP, port: 80}
{{- end }}
{{- end }}
