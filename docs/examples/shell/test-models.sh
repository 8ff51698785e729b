#!/bin/sh
# Tests every model that is enabled, of enabled providers, and prints the results as a table.
set -eu
. "$(dirname "$0")/api.sh"

pages /models available=true > "$work/models" || die
failed=0
line '%-30s %-30s %-8s %8s  %s\n' PROVIDER MODEL RESULT MS DETAIL
while IFS= read -r model; do
  id=$(printf '%s' "$model" | jq -r .id)
  if echo '{"prompt": "Say hello.", "max_output_tokens": 64}' | api POST "/models/$id/test" -d @- > "$work/result"; then
    status=$(jq -r .status "$work/result") latency=$(jq .latency_ms "$work/result")
    detail=$(jq -r '.error | if . then "\(.kind): \(.message)" else "" end' "$work/result" | tr '\n' ' ')
  else
    status=refused latency=- detail=$(problem)
  fi
  [ "$status" = success ] || failed=1
  line '%-30s %-30s %-8s %8s  %s\n' "$(printf '%s' "$model" | jq -r .provider_name)" \
    "$(printf '%s' "$model" | jq -r .model_id)" "$status" "$latency" "$detail"
done < "$work/models"
exit $failed
