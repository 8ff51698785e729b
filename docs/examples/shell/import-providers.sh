#!/bin/sh
# Creates a provider for each row of a CSV file:
#
#   import-providers.sh providers.csv
#
# The first row names the columns: name, type, models and stages (both separated by
# spaces), credentials.FIELD and config.FIELD. Values may be quoted, but must not contain
# line breaks. A provider whose name is taken is left as it is, so that the script can be
# repeated.
set -eu
. "$(dirname "$0")/api.sh"

# Each row becomes a request as a line of JSON.
jq -Rcn '
  def words: split(" ") | map(select(. != ""));
  # A comma is appended to the line, so that each value ends with one.
  def values: rtrimstr("\r") + "," |
    [scan("(?:\"((?:[^\"]|\"\")*)\"|([^,]*)),") | (.[0] // .[1] // "") | gsub("\"\""; "\"")];

  (input | ltrimstr("\ufeff") | values) as $columns
  | inputs | select(. != "") | values as $values
  | reduce range($columns | length) as $i ({};
      if ($values[$i] // "") == "" then . else setpath($columns[$i] / "."; $values[$i]) end)
  | .stages as $stages
  | .models |= [(. // "" | words[]) | {model_id: ., supported_stages: ($stages // "planning" | words)}]
  | del(.stages)
' "${1:?the CSV file is missing}" > "$work/requests"

failed=0
row=0
line '%-30s %-14s %-8s %s\n' NAME TYPE RESULT DETAIL
while IFS= read -r request; do
  row=$((row + 1))
  # The key makes it safe to repeat the request: it creates at most one provider.
  key="import-$$-$(date +%s)-$row"
  result=failed detail=
  if printf '%s' "$request" | api POST /providers -d @- -H "Idempotency-Key: $key" > "$work/provider"; then
    result=created detail="models: $(jq .model_count "$work/provider")"
  elif [ "$(jq -r .code "$work/answer" 2> /dev/null)" = name_taken ]; then
    result=exists
  else
    detail=$(problem) failed=1
  fi
  line '%-30s %-14s %-8s %s\n' "$(printf '%s' "$request" | jq -r .name)" \
    "$(printf '%s' "$request" | jq -r .type)" "$result" "$detail"
done < "$work/requests"
exit $failed
