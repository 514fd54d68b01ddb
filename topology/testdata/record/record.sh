#!/bin/sh
# Records what Kafka Streams prints for the topologies in testdata/kafka: the outputs in the files are replaced, and "random" is made anew from
# its seed, with as many graphs as asked for. It needs Maven and Java 17.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r pom.xml src "$work"
mvn -q -B -f "$work" compile dependency:build-classpath -Dmdep.outputFile="$work/classpath"
java -cp "$work/target/classes:$(cat "$work/classpath")" Main "${2:-../kafka}" "${1:-30}"
