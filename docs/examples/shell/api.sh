# Functions for the other scripts, which source this file. MODELPROVIDERS_URL is the URL
# of the service, MODELPROVIDERS_TOKEN a token.

: "${MODELPROVIDERS_URL:?is not set}" "${MODELPROVIDERS_TOKEN:?is not set}"

# The token goes to curl in a file, because other users can see command lines.
work=$(umask 077 && mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'Authorization: Bearer %s\nContent-Type: application/json\n' "$MODELPROVIDERS_TOKEN" > "$work/headers"

# api METHOD PATH [OPTION…] sends a request with curl, and prints the answer. Pass a body
# on standard input with `-d @-`. curl repeats it after 429 and 503, when Retry-After says.
# If the service refuses the request, api fails, and $work/problem says why.
api() {
  api_method=$1
  api_path=$2
  shift 2
  api_status=$(curl -sS -X "$api_method" "$MODELPROVIDERS_URL$api_path" -H "@$work/headers" \
    --retry 4 --retry-max-time 120 -o "$work/answer" -w '%{http_code}' "$@" 2> "$work/problem") || return 1
  if [ "$api_status" -ge 300 ]; then
    jq -r '.detail + ([.errors[]? | " \(.field) \(.message)."] | add // "")' "$work/answer" > "$work/problem" 2> /dev/null ||
      echo "$api_method $api_path: status $api_status, and the answer is not from the service" > "$work/problem"
    return 1
  fi
  cat "$work/answer"
}

# pages PATH [QUERY] prints the entries of all pages of a list, each as a line of JSON.
pages() {
  pages_cursor=
  while :; do
    api GET "$1?limit=100${2:+&$2}$pages_cursor" > "$work/page" || return 1
    jq -c '.data[]' "$work/page"
    pages_cursor=$(jq -r '.next_cursor // empty | "&cursor=" + @uri' "$work/page")
    [ -n "$pages_cursor" ] || return 0
  done
}

# line FORMAT VALUE… prints a line of a table, without spaces at its end.
line() { printf "$@" | sed 's/ *$//'; }

# problem prints why the last request failed, in one line.
problem() { tr '\n' ' ' < "$work/problem"; }

# die ends the script with the problem of the last request.
die() {
  echo "$0: $(problem)" >&2
  exit 1
}
