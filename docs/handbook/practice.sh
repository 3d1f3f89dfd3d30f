# Helpers for whoever types a chapter of the handbook along: in an empty folder,
#
#     . /path/to/docs/handbook/practice.sh
#
# In life a service manager starts the node (deploy/README.md), and a person waits.

# start FOLDER: runs the station whose configuration is FOLDER/cbm.toml, until it is ready.
start() {
    : > "$1/ready"
    cbm run --config "$1/cbm.toml" > "$1/ready" 2>> "$1/log" &
    echo $! > "$1/pid"
    local end=$((SECONDS + 60))
    until [ -s "$1/ready" ]; do
        if [ $SECONDS -ge $end ] || ! kill -0 "$(cat "$1/pid")" 2> /dev/null; then
            echo "$1 is not ready:"
            tail -n 5 "$1/log"
            return 1
        fi
        sleep 0.05
    done
}

# stop FOLDER: ends it in order, and waits until it has ended.
stop() {
    kill "$(cat "$1/pid")"
    wait "$(cat "$1/pid")"
}

# await TEXT COMMAND...: repeats a command until it says TEXT, then shows what it said.
await() {
    local text=$1 said end=$((SECONDS + 60))
    shift
    until said=$("$@" 2>&1); grep -qF -e "$text" <<< "$said"; do
        if [ $SECONDS -ge $end ]; then
            echo "waited in vain for '$text'; last said:"
            echo "$said"
            return 1
        fi
        sleep 0.1
    done
    echo "$said"
}
