{{/*
What the schema of the values cannot say. Each mistake names the value, the reason and the remedy.
*/}}
{{- define "goldsmith.checks" -}}
{{- if not .Values.store.url }}
  {{- fail "store.url is empty: runs keep everything in a bucket; set it to s3://bucket/prefix" }}
{{- end }}
{{- range $name := list "steps" "torch" }}
  {{- $image := get $.Values.images $name }}
  {{- if not (or $.Values.images.allowTags (regexMatch "@sha256:[0-9a-f]{64}$" $image)) }}
    {{- fail (printf "images.%s is %q: not pinned by digest; run `make lock-images` and install with the file that it writes" $name $image) }}
  {{- else if not $image }}
    {{- fail (printf "images.%s is empty: name an image; `make images` builds it" $name) }}
  {{- end }}
{{- end }}
{{- $pools := keys .Values.cluster.pools | sortAlpha }}
{{- if not $pools }}
  {{- fail "cluster.pools is empty: describe at least one kind of node; values-eks.yaml shows how" }}
{{- else if not .Values.cluster.hardware }}
  {{- fail "cluster.hardware is empty: say what jobs of at least one tier ask for; values-eks.yaml shows how" }}
{{- end }}
{{- range $name, $pool := .Values.cluster.pools }}
  {{- if and $pool.accelerators (not $pool.accelerator_memory_gib) }}
    {{- fail (printf "cluster.pools.%s has accelerators and no accelerator_memory_gib: set the memory of one GPU" $name) }}
  {{- end }}
{{- end }}
{{- range $tier, $hardware := .Values.cluster.hardware }}
  {{- if not (has $hardware.pool $pools) }}
    {{- fail (printf "cluster.hardware.%s.pool is %q, and there is no such pool; there are: %s" $tier $hardware.pool (join ", " $pools)) }}
  {{- end }}
  {{- if ge (float64 (dig "shared_memory_gib" 1 $hardware)) (float64 $hardware.memory_gib) }}
    {{- fail (printf "cluster.hardware.%s.shared_memory_gib is not below memory_gib: /dev/shm is part of a pod's memory" $tier) }}
  {{- end }}
  {{- if and $.Values.kueue.enabled $hardware.topology_key }}
    {{- fail (printf "cluster.hardware.%s.topology_key is set and kueue.enabled: Kueue places by topology only where the nodes are already, so the chart's queues have none; empty one of them" $tier) }}
  {{- end }}
{{- end }}
{{- if and .Values.quota.hard (not .Values.priorityClass.enabled) }}
  {{- fail "quota.hard is set and priorityClass.enabled is false: the quota counts the pods of that class; enable it or empty quota.hard" }}
{{- end }}
{{- end }}
