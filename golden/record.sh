#!/usr/bin/env bash
# Records golden files from Kafka's own classes.
#
#   golden/record.sh                           writes golden/testdata
#   golden/record.sh --topologies [PREFIX...]  writes the topologies alone: those whose names begin with a PREFIX, and the manifest of all
#   golden/record.sh --check                   records the classes' answers and each topology's first run again, and compares, manifests too; exits 1 if
#                                              anything differs
#
# Needs a JDK of 17 or newer, and Maven for the first run, which puts the jars into the cache.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pom=$here/recorder/pom.xml
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weir
home=$cache/golden
jars=$home/lib

say() { echo "record.sh: $*" >&2; }
die() { say "$*"; exit 2; }
need() { command -v "$1" >/dev/null || die "needs $1 on PATH"; }

scratch=$(mktemp -d "${TMPDIR:-/tmp}/weir-golden.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# fetch_jars: the folder appears by one rename, so it is whole if it exists; it is the right one if it was made from this very pom. Another run may have
# won meanwhile: mv then puts ours inside its folder.
fetch_jars() {
  if cmp -s "$pom" "$home/pom.xml"; then return; fi
  need mvn
  mkdir -p "$cache"
  local whole
  whole=$(mktemp -d "$cache/install.XXXXXX")
  say "downloading into $home"
  local copy=(mvn -q -B -Dstyle.color=never -f "$pom" dependency:copy-dependencies "-DoutputDirectory=$whole/lib" -DincludeScope=runtime)
  "${copy[@]}" >&2 || "${copy[@]}" >&2 || { rm -rf "$whole"; die "maven could not fetch the jars of $pom"; }
  cp "$pom" "$whole/pom.xml"
  if [ -d "$home" ] && ! cmp -s "$pom" "$home/pom.xml"; then mv "$home" "$whole/old"; fi
  mv "$whole" "$home"
  rm -rf "$home/old" "${home:?}/$(basename "$whole")"
}

compile() {
  need javac
  fetch_jars
  find "$here/recorder/src/main/java" -name '*.java' >"$scratch/sources"
  javac --release 17 -encoding UTF-8 -Xlint:all -Werror -proc:none -cp "$jars/*" -d "$scratch/classes" "@$scratch/sources"
}

# run <class> <args...>
run() {
  java -Duser.language=en -Xmx512m -XX:TieredStopAtLevel=1 -cp "$scratch/classes:$jars/*" "$@" 2>"$scratch/err" || {
    code=$?
    cat "$scratch/err" >&2
    return "$code"
  }
}

# classes <dir>: what single classes answer
classes() {
  mkdir -p "$1"
  run weir.golden.Recorder "$1" || exit 2
}

# spoiled <sed script>: a manifest of topologies that was changed so must not pass
spoiled() {
  mkdir -p "$scratch/spoiled"
  sed "$1" "$here/testdata/topologies/manifest.json" >"$scratch/spoiled/manifest.json"
  if run weir.golden.topologies.TopologyRecorder manifest "$scratch/spoiled" >"$scratch/found" 2>"$scratch/err" || [ ! -s "$scratch/found" ]; then
    say "a manifest changed by $1 goes unnoticed"
    return 1
  fi
}

check() {
  local ok=0
  classes "$scratch/testdata"
  diff -ru -x topologies "$here/testdata" "$scratch/testdata" || ok=1
  run weir.golden.topologies.TopologyRecorder check "$here/testdata/topologies" 1 || ok=1
  spoiled 's/kafka-streams-/kafka-streamt-/' || ok=1
  spoiled 's/"seed" : 1/"seed" : 2/' || ok=1
  if [ "$ok" != 0 ]; then
    say "the committed files differ from what Kafka answers"
    exit 1
  fi
  say "$(find "$scratch/testdata" -type f | wc -l | tr -d ' ') files are as committed, and the first run of each topology"
}

case ${1:-} in
  "") compile; classes "$here/testdata"; run weir.golden.topologies.TopologyRecorder record "$here/testdata/topologies" ;;
  --topologies) compile; run weir.golden.topologies.TopologyRecorder record "$here/testdata/topologies" "${@:2}" ;;
  --check) compile; check ;;
  *) say "usage: record.sh [--check | --topologies [PREFIX...]]"; exit 2 ;;
esac
