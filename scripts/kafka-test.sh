#!/usr/bin/env bash
# kafka-test.sh [package] [regexp]: runs the tests of files with the build tag kafka between two real brokers.
# Only those: what the same packages test without a broker has its own target.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

package=${1:-.} only=${2:-}

tagged=$(grep -rlE --include='*_test.go' --exclude-dir=bench --exclude-dir=tools '^//go:build (.*[ (])?kafka($|[ )])' "$package" | sort) ||
  { echo "kafka-test: no test under $package has the build tag kafka" >&2; exit 1; }
# The packages' own tests of that tag, by name: -run would otherwise take all of them.
names=$(echo "$tagged" | xargs sed -nE 's/^func (Test[A-Za-z0-9_]*)\(.*testing\.T\).*/\1/p' | grep -v '^TestMain$' | sort -u | paste -sd '|' -)
[ -n "$names" ] || { echo "kafka-test: the files with the build tag kafka hold no test" >&2; exit 1; }
packages=$(echo "$tagged" | xargs -n1 dirname | sort -u | sed -E 's#^(\./)?#./#')

# shellcheck disable=SC2086 # one argument a package
exec scripts/kafka.sh run -- "${GO:-go}" test -tags kafka -count=1 -p 1 -timeout 6m -run "${only:-^($names)\$}" $packages
