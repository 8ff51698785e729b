#!/bin/sh
# Replaces a key in all providers that use it, for example because it leaked:
#
#   OLD_KEY=… NEW_KEY=… rotate-key.sh
#
# The new key is checked at the provider's service before it replaces the old one. Then
# the enabled models are tested with it. The token needs the role admin.
set -eu
. "$(dirname "$0")/api.sh"
: "${OLD_KEY:?is not set}" "${NEW_KEY:?is not set}"

# jq reads the keys from the environment, so that they are on no command line.
jq -n '{value: env.OLD_KEY}' | api POST /credentials/lookup -d @- > "$work/lookup" || die
jq -c '.data[]' "$work/lookup" > "$work/holders"
[ -s "$work/holders" ] || echo 'no provider has the old key' >&2

# change FIELD prints the edit of the provider in $work/old that replaces a key. Headers are
# edited as a whole list, in which what was answered keeps the value.
change() {
  jq --arg field "$1" '.credentials as $old | $field | capture("^(?<name>[^.]+)(\\.(?<entry>.+))?$") |
    {credentials: {(.name): (if .entry then $old[.name] + {(.entry): env.NEW_KEY} else env.NEW_KEY end)}}' "$work/old"
}

# rotate ID FIELD replaces one key. It sets result and detail.
rotate() {
  result=failed
  api GET "/providers/$1" > "$work/old" || return 1
  change "$2" | api POST "/providers/$1/check" -d @- > "$work/check" || return 1
  if [ "$(jq -r .status "$work/check")" != success ]; then
    result=kept detail="the new key: $(jq -r .error.message "$work/check")"
    return 1
  fi
  change "$2" | api PATCH "/providers/$1" -d @- > "$work/provider" || return 1
  result=replaced
  echo '{"prompt": "Say hello.", "max_output_tokens": 64}' | api POST "/providers/$1/test-models" -d @- > "$work/tests" || return 1
  detail=$(jq -r '.summary | "\(.succeeded) of \(.succeeded + .failed + .skipped) models answer"' "$work/tests")
  [ "$(jq '.summary.failed + .summary.skipped' "$work/tests")" = 0 ]
}

failed=0
if [ "$(jq .truncated "$work/lookup")" = true ]; then
  failed=1
  echo 'there are more providers than a lookup lists; run the command again' >&2
fi
line '%-30s %-20s %-9s %s\n' PROVIDER FIELD RESULT DETAIL
while IFS= read -r holder; do
  field=$(printf '%s' "$holder" | jq -r .field)
  detail=
  if ! rotate "$(printf '%s' "$holder" | jq -r .provider_id)" "$field"; then
    failed=1 detail=${detail:-$(problem)}
  fi
  line '%-30s %-20s %-9s %s\n' "$(printf '%s' "$holder" | jq -r .provider_name)" "$field" "$result" "$detail"
done < "$work/holders"
exit $failed
