{{- define "modelproviders.name" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end }}
{{- $name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "modelproviders.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "modelproviders.labels" -}}
{{ include "modelproviders.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "modelproviders.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "modelproviders.name" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "modelproviders.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* The scheme of the API, as probes and ingress controllers write it. */}}
{{- define "modelproviders.scheme" -}}
{{ if .Values.tls.existingSecret }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{- /* A probe: list of the root context and the path. */}}
{{- define "modelproviders.probe" -}}
httpGet:
  path: {{ (index . 0).Values.basePath }}{{ index . 1 }}
  port: http
  scheme: {{ include "modelproviders.scheme" (index . 0) }}
{{- end }}

{{- /* A peer that is every pod of the namespace, unless the values name others. */}}
{{- define "modelproviders.from" -}}
{{ . | default (list (dict "podSelector" dict)) | toYaml }}
{{- end }}
