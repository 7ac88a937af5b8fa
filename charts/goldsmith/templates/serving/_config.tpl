{{/* The ServingConfig of this release: what a user set under `serving.config`, and what the chart knows. */}}
{{- define "goldsmith.serving.config" -}}
{{- include "goldsmith.serving.checks" . -}}
{{- $given := deepCopy .Values.serving.config -}}
{{- if not $given.policies }}{{ $given = omit $given "policies" }}{{ end -}}
{{- $tiers := dict -}}
{{- range $tier, $deployed := .Values.serving.tiers -}}
  {{- $endpoints := list (printf "dns://goldsmith-%s-replicas:8080" $tier) -}}
  {{- $_ := set $tiers $tier (merge (dict "endpoints" $endpoints "engine" $deployed.engine) (get $given.tiers $tier)) -}}
{{- end -}}
{{- $router := dict "host" "0.0.0.0" "port" 8080 "admin_port" 8081 "jobs" .Values.store.url -}}
{{- $traces := dict
  "collector" "http://goldsmith-traces:8080"
  "directory" "/var/lib/goldsmith/traces"
  "max_disk_bytes" (mul .Values.serving.traces.volumeGib 858993459) -}}
{{- $adapters := dict "routers" (list "dns://goldsmith-router-admin:8081") "agent_port" 8090 -}}
{{- $known := dict
  "tiers" $tiers
  "adapters" (merge $adapters ($given.adapters | default dict))
  "router" (merge $router ($given.router | default dict))
  "traces" (merge $traces ($given.traces | default dict)) -}}
{{- toYaml (merge $known (omit $given "tiers" "adapters" "router" "traces")) }}
{{- end }}

{{/* How many adapters a tier's engine holds at once; 0: it has none. (dict "root" $ "tier" "gold") */}}
{{- define "goldsmith.serving.loras" -}}
{{- $adapters := .root.Values.serving.config.adapters | default dict -}}
{{- ternary (dig "max_loaded" 4 $adapters | int) 0 (not (empty (dig "names" .tier list $adapters))) -}}
{{- end }}

{{/* Changes whenever the ServingConfig does: pods read it once, when they start. */}}
{{- define "goldsmith.serving.configHash" -}}
{{ include "goldsmith.serving.config" . | sha256sum | trunc 16 }}
{{- end }}

{{/* How long a router may take to end its last requests. */}}
{{- define "goldsmith.serving.drainS" -}}
{{ dig "router" "drain_s" 30.0 .Values.serving.config | ceil | int }}
{{- end }}
