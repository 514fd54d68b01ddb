#!/usr/bin/env bash
# fluent.sh: builds the module with the first Go that has generic methods, which fluent_go127.go is for, vets what is other to it, and runs the
# example in both spellings. The go command fetches that Go; where it cannot be had, this says so and succeeds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
go=${GO:-go}
export GOTOOLCHAIN=go1.27.1

GOTOOLCHAIN=local "$go" version >/dev/null || { echo "fluent.sh: GO=$go is no go command"; exit 1; }
if ! why=$("$go" version 2>&1); then
  echo "fluent.sh: $GOTOOLCHAIN cannot be had, fluent_go127.go was not built: $why"
  exit 0
fi
bad=$("$("$go" env GOROOT)/bin/gofmt" -l fluent_go127.go internal/fluent/*_go127_test.go)
[ -z "$bad" ] || { echo "fluent.sh: not formatted: $bad"; exit 1; }
"$go" build ./...
# To vet the other packages finds what the module's own Go finds, and compiles all tests once more.
"$go" vet . ./internal/fluent
ran=$("$go" test -count=1 -v -run '^Example_(functions|methods)$' ./internal/fluent)
for example in functions methods; do
  grep -q "^--- PASS: Example_$example " <<<"$ran" || { echo "fluent.sh: Example_$example did not run:"; echo "$ran"; exit 1; }
done
