#!/usr/bin/env bash
# A real Apache Kafka for tests: installed from Maven Central, one KRaft node a broker, nothing left behind.
set -euo pipefail

version=4.3.1
eos_version=4.1.1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weir
home=$cache/kafka-$version
eos_home=$cache/kafka-eos-$eos_version

usage() {
  cat <<EOF
usage: kafka.sh <command>

  install                          put Kafka $version into $home
  install-eos                      put StreamsEosTest of $eos_version into $eos_home
  lib                              install if needed, print the folder of jars
  start [--txv 1|2] [--dir D]      start a broker on free ports; print WEIR_KAFKA= and WEIR_KAFKA_DIR=;
                                   the address stands in D/address too, and in D/sasl-address that of a listener
                                   for user weir, password weir, whom ACLs bind. A D that was started before
                                   keeps its data and its ports
  stop --dir D                     stop it; a folder that start made up itself is removed
  bounce --dir D [--kill]          stop (with --kill: SIGKILL) and start again, same data, same ports
  run [--no-txv1] -- command...    two brokers, transaction.version 2 (WEIR_KAFKA, WEIR_KAFKA_SASL, WEIR_KAFKA_DIR)
                                   and 1 (WEIR_KAFKA_TV1, WEIR_KAFKA_TV1_DIR); run the command; stop both
  java <class> [args...]           a class of the installed jars, e.g. org.apache.kafka.tools.TopicCommand
  java-eos <props> <cmd>           StreamsEosTest: run, verify, verify-complex
EOF
}

say() { echo "kafka.sh: $*" >&2; }
die() { say "$*"; exit 1; }

# ---- install ----

need_java() {
  if command -v java >/dev/null && command -v mvn >/dev/null; then return; fi
  if [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ]; then
    say "installing Java and Maven"
    apt-get update -q >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q openjdk-17-jdk-headless maven >&2
    return
  fi
  die "needs java (17 or newer) and mvn on PATH"
}

# installed <pom> <dest>: the folder appears by one rename, so it is whole if it exists; it is the right one
# if it was made from this very pom.
installed() { cmp -s "$1" "$2/pom.xml"; }

install_from() {
  local pom=$1 dest=$2
  if installed "$pom" "$dest"; then return; fi
  need_java
  mkdir -p "$cache"
  local tmp
  tmp=$(mktemp -d "$cache/install.XXXXXX")
  say "downloading into $dest"
  local copy=(mvn -q -B -Dstyle.color=never -f "$pom" dependency:copy-dependencies "-DoutputDirectory=$tmp/lib")
  "${copy[@]}" >&2 || "${copy[@]}" >&2 || { rm -rf "$tmp"; die "maven could not fetch the jars of $pom"; }
  cp "$pom" "$tmp/pom.xml"
  if [ -d "$dest" ] && ! installed "$pom" "$dest"; then mv "$dest" "$tmp/old"; fi
  # Another install may have won meanwhile: mv then puts ours inside its folder.
  mv "$tmp" "$dest"
  rm -rf "$dest/old" "$dest/$(basename "$tmp")"
  say "$(find "$dest/lib" -name '*.jar' | wc -l | tr -d ' ') jars in $dest"
}

install() { install_from "$here/kafka/pom.xml" "$home"; }
install_eos() { install_from "$here/kafka/eos/pom.xml" "$eos_home"; }

# ---- one broker ----

# free_port prints a port below the ephemeral range on which nobody answers.
free_port() {
  local port
  while :; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$port"; return; fi
  done
}

cluster_id() {
  head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '='
}

# configure <dir> writes the properties, and formats the data folder for a transaction.version.
configure() {
  local dir=$1 txv=$2 port controller sasl
  port=$(free_port)
  controller=$(free_port)
  sasl=$(free_port)
  [ "$port" != "$controller" ] || controller=$(free_port)
  {
    cat "$here/kafka/server.properties"
    echo "controller.quorum.bootstrap.servers=127.0.0.1:$controller"
    echo "listeners=PLAINTEXT://127.0.0.1:$port,SASL_PLAINTEXT://127.0.0.1:$sasl,CONTROLLER://127.0.0.1:$controller"
    echo "advertised.listeners=PLAINTEXT://127.0.0.1:$port,SASL_PLAINTEXT://127.0.0.1:$sasl"
    echo "log.dirs=$dir/data"
  } >"$dir/server.properties"
  rm -rf "$dir/data"
  if ! java -Xmx256m -XX:TieredStopAtLevel=1 "-Dweir.log=$dir/format.log" "-Dlog4j2.configurationFile=$here/kafka/log4j2.xml" -cp "$home/lib/*" \
    kafka.tools.StorageTool format -t "$(cluster_id)" -c "$dir/server.properties" --standalone \
    --feature "transaction.version=$txv" >"$dir/format.out" 2>&1; then
    cat "$dir/format.out" >&2
    die "could not format $dir"
  fi
  echo "127.0.0.1:$port" >"$dir/address"
  echo "127.0.0.1:$sasl" >"$dir/sasl-address"
  echo "$txv" >"$dir/txv"
}

# running <dir>: the process in <dir>/pid lives and is this folder's broker (a process id may be used again).
running() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) || return 1
  ps -p "$pid" -o args= 2>/dev/null | grep -qF -- "$1/server.properties"
}

launch() {
  local dir=$1 memory=1g
  [ "$(cat "$dir/txv")" = 2 ] || memory=512m
  : >"$dir/server.log"
  # Job control gives the broker a process group of its own: a Ctrl-C at the terminal reaches the script
  # alone, which then stops things in order.
  set -m
  nohup java "-Xmx$memory" "-Xms$memory" -XX:+UseG1GC "-Dweir.log=$dir/server.log" \
    "-Dlog4j2.configurationFile=$here/kafka/log4j2.xml" -cp "$home/lib/*" \
    kafka.Kafka "$dir/server.properties" </dev/null >"$dir/server.out" 2>&1 &
  echo $! >"$dir/pid"
  disown
  set +m
}

# ready <dir>: waits for the broker's own word that it has started; an open port comes before it can make topics.
ready() {
  local dir=$1 deadline=$((SECONDS + 120))
  until grep -q 'Kafka Server started' "$dir/server.log"; do
    running "$dir" || return 1
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.1
  done
}

# boot <dir> <txv>: a fresh broker whose ports were taken between the choice and the bind chooses again.
boot() {
  local dir=$1 txv=$2 attempt
  if [ -f "$dir/address" ]; then
    running "$dir" && die "a broker is running in $dir"
    launch "$dir"
    ready "$dir" || { halt "$dir" KILL; fail "$dir"; }
    return
  fi
  for attempt in 1 2 3; do
    configure "$dir" "$txv"
    launch "$dir"
    if ready "$dir"; then return; fi
    halt "$dir" KILL
    grep -qs 'Address already in use' "$dir/server.log" "$dir/server.out" || break
  done
  fail "$dir"
}

fail() {
  tail -n 40 "$1/server.out" "$1/server.log" >&2
  die "the broker in $1 did not start"
}

# halt <dir> <signal>: signals the broker and waits until it is gone; after 20 s it is killed.
halt() {
  local dir=$1 signal=$2 pid deadline=$((SECONDS + 20))
  if running "$dir"; then
    pid=$(cat "$dir/pid")
    kill "-$signal" "$pid" 2>/dev/null || true
    while running "$dir"; do
      if [ $SECONDS -ge $deadline ]; then kill -KILL "$pid" 2>/dev/null || true; fi
      sleep 0.1
    done
  fi
  rm -f "$dir/pid"
}

# discard <dir>: data that nobody will read again needs no orderly shutdown.
discard() { halt "$1" KILL; rm -rf "$1"; }

scratch() { mktemp -d "${TMPDIR:-/tmp}/weir-kafka.XXXXXX"; }

start() {
  local dir="" txv=2
  while [ $# -gt 0 ]; do
    case $1 in
      --txv) txv=$2; shift 2 ;;
      --dir) dir=$2; shift 2 ;;
      *) die "start: unknown argument $1" ;;
    esac
  done
  case $txv in 1 | 2) ;; *) die "start: --txv is 1 or 2, not $txv" ;; esac
  install
  if [ -z "$dir" ]; then
    dir=$(scratch)
    touch "$dir/throwaway"
  fi
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  boot "$dir" "$txv"
  echo "WEIR_KAFKA=$(cat "$dir/address")"
  echo "WEIR_KAFKA_DIR=$dir"
}

stop() {
  [ "${1:-}" = --dir ] && [ -n "${2:-}" ] || die "stop: which one? --dir D"
  local dir
  dir=$(cd "$2" && pwd)
  if [ -f "$dir/throwaway" ]; then discard "$dir"; else halt "$dir" TERM; fi
}

bounce() {
  [ "${1:-}" = --dir ] && [ -n "${2:-}" ] || die "bounce: which one? --dir D"
  local dir signal=TERM
  dir=$(cd "$2" && pwd)
  [ "${3:-}" != --kill ] || signal=KILL
  [ -f "$dir/address" ] || die "bounce: no broker was ever started in $dir"
  halt "$dir" "$signal"
  boot "$dir" "$(cat "$dir/txv")"
}

# ---- two brokers around a command ----

run_root="" run_guard="" run_boot=""

# run_cleanup ends what is left, in an order that starts nothing new: the one who boots before what it booted.
run_cleanup() {
  trap - EXIT INT TERM HUP
  [ -z "$run_guard" ] || kill -KILL -- "-$run_guard" 2>/dev/null || true
  [ -z "$run_boot" ] || kill -KILL "$run_boot" 2>/dev/null || true
  [ ! -f "$run_root/command" ] || kill -TERM -- "-$(cat "$run_root/command")" 2>/dev/null || true
  local dir
  for dir in "$run_root"/*/; do halt "${dir%/}" KILL; done
  rm -rf "$run_root"
}

# run_watch outlives a script that was killed outright, and then does its cleaning.
run_watch() {
  while kill -0 $$ 2>/dev/null; do sleep 1; done
  run_cleanup
}

run() {
  local two=yes
  if [ "${1:-}" = --no-txv1 ]; then two=""; shift; fi
  [ "${1:-}" = -- ] && [ $# -gt 1 ] || die "run: what? run [--no-txv1] -- command..."
  shift
  install
  run_root=$(scratch)
  trap run_cleanup EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  set -m
  run_watch </dev/null >/dev/null 2>&1 &
  run_guard=$!
  disown # so that its end is not announced
  set +m
  mkdir "$run_root/main"
  if [ -n "$two" ]; then
    mkdir "$run_root/txv1"
    boot "$run_root/txv1" 1 &
    run_boot=$!
    boot "$run_root/main" 2
    wait $run_boot
    run_boot=""
    WEIR_KAFKA_TV1=$(cat "$run_root/txv1/address")
    export WEIR_KAFKA_TV1 WEIR_KAFKA_TV1_DIR=$run_root/txv1
  else
    boot "$run_root/main" 2
  fi
  WEIR_KAFKA=$(cat "$run_root/main/address")
  WEIR_KAFKA_SASL=$(cat "$run_root/main/sasl-address")
  export WEIR_KAFKA WEIR_KAFKA_SASL WEIR_KAFKA_DIR=$run_root/main
  say "Kafka $version at $WEIR_KAFKA${WEIR_KAFKA_TV1:+, with transaction.version=1 at $WEIR_KAFKA_TV1}, after $SECONDS s"
  # In the background, so that a signal reaches the traps at once; in a group of its own, so that the
  # command's children can be ended with it.
  set -m
  "$@" </dev/null &
  local command=$! code=0
  set +m
  echo "$command" >"$run_root/command"
  wait "$command" || code=$?
  rm "$run_root/command"
  exit "$code"
}

# ---- Java programs ----

java_class() { install; exec java -cp "$home/lib/*" "-Dweir.log=/dev/stderr" "-Dlog4j2.configurationFile=$here/kafka/log4j2.xml" "$@"; }

java_eos() { install_eos; exec java -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$eos_home/lib/*" org.apache.kafka.streams.tests.StreamsEosTest "$@"; }

case ${1:-} in
  install) install ;;
  install-eos) install_eos ;;
  lib) install; echo "$home/lib" ;;
  start) shift; start "$@" ;;
  stop) shift; stop "$@" ;;
  bounce) shift; bounce "$@" ;;
  run) shift; run "$@" ;;
  java) shift; java_class "$@" ;;
  java-eos) shift; java_eos "$@" ;;
  -h | --help | help) usage ;;
  *) usage >&2; exit 2 ;;
esac
