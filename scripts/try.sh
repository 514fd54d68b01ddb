#!/usr/bin/env bash
# try.sh [README]: does what a new reader does. Takes the ```go block after the line <!-- first program --> into
# an empty folder, runs it against this checkout, and compares what it prints with the ```text block after it.
set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readme=${1:-$repo/README.md}
limit=120 # seconds, with the build

die() { echo "try.sh: $*" >&2; exit 1; }

# block <language> prints the first block of that language after the mark.
block() {
  awk -v open="\`\`\`$1" '
    /^<!-- first program -->$/ { marked = 1; next }
    marked && !inside && $0 == open { inside = 1; next }
    inside && $0 == "```" { exit }
    inside { print }' "$readme"
}

dir=$(mktemp -d "${TMPDIR:-/tmp}/weir-try.XXXXXX")
trap 'rm -rf "$dir"' EXIT
block go >"$dir/main.go"
block text >"$dir/want"
[ -s "$dir/main.go" ] || die "$readme has no \`\`\`go block after <!-- first program -->"
[ -s "$dir/want" ] || die "$readme has no \`\`\`text block after its first program"

# The versions are this checkout's own, so that nothing newer is fetched.
sed -E 's#^module .*#module example.com/try#' "$repo/go.mod" >"$dir/go.mod"
cp "$repo/go.sum" "$dir/go.sum"
cd "$dir"
go mod edit -require=github.com/weirstream/weir@v0.0.0 "-replace=github.com/weirstream/weir=$repo"
go build -mod=mod -o try . || die "the first program of $readme does not build"

./try >got 2>log &
pid=$!
(
  trap - EXIT
  for _ in $(seq "$limit"); do sleep 1; kill -0 $pid 2>/dev/null || exit 0; done
  echo "try.sh: stopped after $limit s" >>log
  kill "$pid"
) &
wait $pid || { cat got log >&2; die "the first program of $readme failed"; }
diff -u want got || { cat log >&2; die "the first program of $readme does not print what the README says"; }
echo "try.sh: the first program prints the $(wc -l <want | tr -d ' ') lines that $(basename "$readme") shows"
