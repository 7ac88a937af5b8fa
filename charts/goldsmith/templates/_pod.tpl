{{/*
Spec of a pod that runs `goldsmith` once, under Pod Security "restricted":
(dict "root" $ "account" "goldsmith-reaper" "args" (list "operate" "reaper") "like" "step").

like   where the pod learns of the cluster. "step": through the API, as every step does. "trainer": from
       its environment, as a training pod does. "file": from a file, without a right in the API.
*/}}
{{- define "goldsmith.pod" -}}
restartPolicy: Never
serviceAccountName: {{ .account }}
automountServiceAccountToken: {{ eq .like "step" }}
{{ include "goldsmith.podSecurity" . }}
containers:
  - name: goldsmith
    image: {{ .root.Values.images.steps | quote }}
    imagePullPolicy: {{ .root.Values.images.pullPolicy }}
    command: [goldsmith]
    args: {{ toJson .args }}
    env:
      - {name: HOME, value: /tmp}
      - {name: GOLDSMITH_CLUSTER, value: {{ ternary "goldsmith-cluster" "" (eq .like "step") | quote }}}
      {{- if eq .like "trainer" }}
      {{- include "goldsmith.storeEnvironment" .root | nindent 6 }}
      {{- end }}
    resources:
      requests: {cpu: 50m, memory: 256Mi, ephemeral-storage: 64Mi}
      limits: {cpu: "1", memory: 512Mi, ephemeral-storage: 256Mi}
    terminationMessagePolicy: FallbackToLogsOnError
    {{- include "goldsmith.containerSecurity" . | nindent 4 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- if eq .like "file" }}
      - {name: cluster, mountPath: /etc/goldsmith, readOnly: true}
      {{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 128Mi}
  {{- if eq .like "file" }}
  - name: cluster
    configMap: {name: goldsmith-cluster}
  {{- end }}
{{- end }}

{{/*
Annotations of a Job that Helm runs and waits for: its log is printed if it fails, and nothing of it
stays behind.
*/}}
{{- define "goldsmith.hook" -}}
helm.sh/hook: {{ . }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
helm.sh/hook-output-log-policy: hook-failed
{{- end }}

{{/* How a pod without rights in the API finds the store. */}}
{{- define "goldsmith.storeEnvironment" -}}
- {name: AWS_REGION, value: {{ .Values.store.region | quote }}}
{{- with .Values.store.endpoint }}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
{{- with .Values.store.credentialsSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: AWS_ACCESS_KEY_ID}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: AWS_SECRET_ACCESS_KEY}}
{{- end }}
{{- end }}

{{/* Pod Security "restricted": of a pod, and of a container. */}}
{{- define "goldsmith.podSecurity" -}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "goldsmith.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}
