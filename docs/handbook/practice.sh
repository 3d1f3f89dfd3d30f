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

# configure FOLDER STATION PORT: writes FOLDER/cbm.toml; you are the officer on duty.
configure() {
    cat > "$1/cbm.toml" <<END
[station]
name = "$2"
[paths]
data = "data"
keys = "keys"
documents = "documents"
socket = "cbm.sock"
[mesh]
listen = ["/ip4/127.0.0.1/udp/$3/quic-v1"]
[officers.$(id -un)]
officer = "Officer on duty"
office = "duty"
END
}

# station FOLDER STATION PORT: keys, certificate, contact record and configuration of a station,
# by the documents in FOLDER/documents and the authority in FOLDER/authority.
station() {
    cbm keygen station --station "$2" --out "$1/keys" &&
    cbm accord certify --documents "$1/documents" --card "$1/keys/station.toml" \
        --authority "$1/authority" &&
    cbm accord announce --documents "$1/documents" --keys "$1/keys" --station "$2" \
        --address "/ip4/127.0.0.1/udp/$3/quic-v1" &&
    configure "$1" "$2" "$3"
} > /dev/null

# two_ministries: everything of the chapter Founding in one word, up to two running nodes.
two_ministries() {
    local folder
    mkdir -p alderland/documents brekkia/documents courier &&
    cbm keygen authority --party AAA --out alderland/authority > /dev/null &&
    cbm keygen authority --party BBB --out brekkia/authority > /dev/null &&
    cp alderland/authority/authority.toml courier/AAA.toml &&
    cp brekkia/authority/authority.toml courier/BBB.toml &&
    cat > courier/accord.toml <<'END' &&
name = "Two states, one line"
[[parties]]
name = "Alderland"
role = "STATE"
card = "AAA.toml"
[[parties]]
name = "Brekkia"
role = "STATE"
card = "BBB.toml"
END
    cbm accord new --description courier/accord.toml --out courier/accord-1.cbm > /dev/null &&
    for folder in alderland brekkia; do
        cbm accord sign courier/accord-1.cbm --authority $folder/authority > /dev/null || return
    done &&
    cp courier/accord-1.cbm alderland/documents/ &&
    cp courier/accord-1.cbm brekkia/documents/ &&
    station alderland AAA/mfa 4100 &&
    station brekkia BBB/mfa 4101 &&
    cp alderland/documents/AAA-*.cbm brekkia/documents/ &&
    cp brekkia/documents/BBB-*.cbm alderland/documents/ &&
    start alderland &&
    start brekkia &&
    await "BBB/mfa  STATE  up" cbm peers --config alderland/cbm.toml > /dev/null &&
    cbm template incident-alert > alert.json
}
