# Runs a server no longer than the process that started it lives.
#
#   sh -c SCRIPT supervisor SIGNAL DATA FOLDER LOG POSTGRES ARGUMENT...
#
# Standard input is a pipe whose other end only the owner holds. When the owner closes the pipe or dies, this script
# sends SIGNAL to the server, waits for it, and removes FOLDER. A line in the pipe is the name of a signal to send;
# FOLDER then stays. When the server ends by itself, this script ends with its status.
#
# When DATA is no longer the folder that the server was started on, the server ends at once: it writes `pg_control` by
# its path, so its last checkpoint would destroy the data of the folder that has taken that path.
#
# Standard output and standard error are handles on locked folders: the locks are held as long as a process of the
# server has them. Nothing is written to them.

at_end=$1 data=$2 folder=$3 log=$4
shift 4
umask 077
exec 3>&1 4<&0 5>&2 </dev/null >/dev/null 2>&1
cd -- "$data" || exit

ended=
trap 'ended=yes' USR1

"$@" 4<&- >>"$log" 2>&1 &
server=$!

# Set only now: the server has to start with its signals unchanged.
trap : HUP INT TERM

{
    trap '' HUP INT TERM
    while read -r signal <&4; do
        kill -s "$signal" "$server"
    done
    kill -s USR1 $$
    [ . -ef "$data" ] || at_end=QUIT
    kill -s "$at_end" "$server"
    # A shell starts background programs with INT and QUIT ignored, and the server handles signals only a moment after
    # its start. TERM reaches it from the beginning, and changes nothing about a shutdown that is under way.
    kill -s TERM "$server"
} &
watcher=$!

# A trap ends `wait` early; a server that has really ended can no longer be signalled.
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
