#!/bin/sh
# Runs a program that nobody is connected to: `start PROGRAM ARGS...` prints where, `poll` what it has printed since and
# its exit code, `kill` ends it, `reap` takes away what was kept. Needs a POSIX shell, setsid, tail, wc and base64.
quota=
case $1 in --time-quota=*) quota=${1#--time-quota=}; shift ;; esac
verb=$1; shift
case $verb in
start)
    dir=$(mktemp -d /tmp/exec_async_XXXXXX) || exit 1
    : > "$dir/out"; : > "$dir/err"; echo 0 > "$dir/out.at"; echo 0 > "$dir/err.at"
    DIR=$dir QUOTA=$quota setsid sh -c '
        echo $$ > "$DIR/pid"
        dir=$DIR quota=$QUOTA; unset DIR QUOTA
        if [ -n "$quota" ]; then
            (sleep "$quota"; echo "time quota of $quota s is over" > "$dir/error"; kill -KILL -$$) \
                > /dev/null 2>&1 < /dev/null &
        fi
        "$@" > "$dir/out" 2> "$dir/err" < /dev/null
        echo $? > "$dir/code.new" && mv "$dir/code.new" "$dir/code"
        kill -KILL -$$
    ' agent "$@" > /dev/null 2>&1 < /dev/null &
    while [ ! -s "$dir/pid" ]; do sleep 0.05; done
    printf '{"sid":"%s"}\n' "$dir"
    ;;
poll)
    dir=$1
    # The end before the output: what is printed before the end is then all there.
    code=null; error=
    [ -f "$dir/code" ] && code=$(cat "$dir/code")
    [ -f "$dir/error" ] && error=$(cat "$dir/error")
    if [ "$code" = null ] && [ -z "$error" ] && ! kill -0 "$(cat "$dir/pid")" 2> /dev/null; then
        # It may have ended between the two looks.
        if [ -f "$dir/code" ]; then code=$(cat "$dir/code"); else error='the program was killed'; fi
    fi
    for stream in out err; do
        at=$(cat "$dir/$stream.at")
        size=$(wc -c < "$dir/$stream")
        # A part at a time, so that an answer never grows beyond what is taken.
        more=$((size - at))
        if [ "$more" -gt 4194304 ]; then more=4194304; code=null; error=; fi
        eval "$stream=\$(tail -c +$((at + 1)) \"\$dir/$stream\" | head -c $more | base64 | tr -d '\n')"
        echo $((at + more)) > "$dir/$stream.at"
    done
    printf '{"stdout64":"%s","stderr64":"%s","exitcode":%s,"error":"%s"}\n' "$out" "$err" "$code" "$error"
    ;;
kill) kill -KILL "-$(cat "$1/pid")" ;;
reap) rm -rf -- "$1" ;;
*) echo "unknown verb: $verb" >&2; exit 2 ;;
esac
