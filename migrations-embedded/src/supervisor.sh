# Keeps a server no longer than the process that wanted it.
#
#   sh -c SCRIPT supervisor SIGNAL DATA FOLDER LOG POSTGRES ARGUMENT...
#
# Standard input is a pipe whose other end only the owner holds. Its end, by the owner's will or by the owner's death,
# sends SIGNAL to the server, waits for it, and removes FOLDER. A line in the pipe is the name of a signal to send, after
# which FOLDER stays. A server that ends by itself ends this script with its status.
#
# Where DATA is no longer the folder that the server was started on, the server ends at once: it writes `pg_control` by its
# path, so that its last checkpoint would destroy the data of whoever has put another folder there.
#
# Standard output and standard error are handles on locked folders: as long as a process of the server has them, the
# locks are held. Nothing is written to them.

at_end=$1 data=$2 folder=$3 log=$4
shift 4
umask 077
exec 3>&1 4<&0 5>&2 </dev/null >/dev/null 2>&1
cd -- "$data" || exit

ended=
trap 'ended=yes' USR1

"$@" 4<&- >>"$log" 2>&1 &
server=$!

# Set only now: the server is to start with every signal as it was.
trap : HUP INT TERM

{
    trap '' HUP INT TERM
    while read -r signal <&4; do
        kill -s "$signal" "$server"
    done
    kill -s USR1 $$
    [ . -ef "$data" ] || at_end=QUIT
    kill -s "$at_end" "$server"
    # A shell starts background programs deaf to INT and QUIT, and the server listens to signals a moment after its start
    # only. TERM reaches it from the beginning, and adds nothing to a shutdown that is under way.
    kill -s TERM "$server"
} &
watcher=$!

# A trap ends `wait` early; a server that is really gone can no longer be signalled.
while :; do
    wait "$server"
    status=$?
    kill -s 0 "$server" || break
done

kill -s KILL "$watcher"
wait "$watcher"
if [ -n "$ended" ]; then
    rm -rf -- "$folder"
fi
exit "$status"
