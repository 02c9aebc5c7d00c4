{{- /* Labels that select the server's pods: the release may have any name. */ -}}
{{- define "berth.selector" -}}
app.kubernetes.io/name: berth
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "berth.labels" -}}
{{ include "berth.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* The file that the server reads: what the chart sets, and the configuration of the values. */ -}}
{{- define "berth.config" -}}
{{- $own := dict "listen" (list (printf "%s0.0.0.0:7411" (ternary "tls://" "" (ne .Values.tls.secret "")))) -}}
{{- $_ := set $own "http" "0.0.0.0:7412" -}}
{{- /* The kubelet asks at the pod's address, which the server would not listen at otherwise. */ -}}
{{- $_ := set $own "insecure" true -}}
{{- $_ := set $own "runtime" "kubernetes" -}}
{{- $_ := set $own "state_dir" "/run/berth" -}}
{{- if .Values.tls.secret -}}
{{- $tls := dict "certificate" "/etc/berth/tls/tls.crt" "key" "/etc/berth/tls/tls.key" -}}
{{- if .Values.tls.clientCA -}}{{- $_ := set $tls "client_ca" "/etc/berth/tls/ca.crt" -}}{{- end -}}
{{- $_ := set $own "tls" $tls -}}
{{- end -}}
{{- if .Values.tokens.secret -}}{{- $_ := set $own "tokens" "/etc/berth/tokens/tokens" -}}{{- end -}}
{{- $config := deepCopy .Values.config -}}
{{- $_ := set $config "kubernetes" (merge (dict "agent" .Values.agent) (default dict $config.kubernetes)) -}}
{{- toYaml (merge $own $config) -}}
{{- end -}}
