#!/usr/bin/env bash
# From a 64-bit Raspberry Pi OS or Debian to a service that counts at a door.
#
#   /opt/headcount/venv-XXXXXX   a program; `source` in it says which, `ready` that the service counted with it
#   /opt/headcount/bin           a link into the program in service; its `headcount` runs from there, while
#                                a `python` called through a link does not know its environment
#   /etc/headcount               the configuration, and the broker's password
#   /etc/headcount/trusted       the keys (*.pub) whose models this door takes
#   headcount.service            the unit, from the program in service; headcount-update.path and .service
#                                beside it fetch new models
#
# Every step looks at what is there and brings what is missing, so the next run mends one that was cut
# off at any moment, by a power cut too. What others read is written beside its place and synced, and
# takes its place by one rename. No step needs to know what an earlier run did, but for one thing: the
# program that counted last keeps its `ready` and stays until the service counts with the new one.
#
# The functions can be sourced. HEADCOUNT_ROOT, for tests, stands before every path. Where a function
# has a value to give, it leaves it in REPLY. `die` ends the run, and says how to go on.
set -euo pipefail

readonly UNIT=headcount.service
readonly WATCH=headcount-update.path
readonly MORE_UNITS=("$WATCH" headcount-update.service)
readonly RULE=97-headcount-ncs.rules
readonly LOCAL=mqtt://localhost:1883
readonly CREDENTIAL=/run/credentials/$UNIT/mqtt-password
readonly NEEDED_MB=700 # a program, and the packed wheels it is made from
readonly PARTS=(pyproject.toml README.md LICENSE edge training deploy systemd) # of a checkout: the program
readonly ANSWERS=(id name source line in-side broker user)
readonly FIT='install the 64-bit Raspberry Pi OS or Debian, bookworm or trixie'
HERE=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")" && pwd)
readonly HERE

root=${HEADCOUNT_ROOT:-}
prefix=$root/opt/headcount
command=$root/usr/local/bin/headcount
folder=$root/etc/headcount
config=$folder/headcount.toml
password_file=$folder/mqtt-password
units=$root/etc/systemd/system
override=$root/run/systemd/system/$UNIT.d/zzz-headcount-doctor.conf
findings=$root/run/headcount-doctor.txt
python=$root/usr/bin/python3

declare -A given=() answer=() found=() # from the call; that hold; in the configuration that is there
new_watch=false step='' told=false ours=false next='' resume=false password=''

# Prints, each ended by a NUL, what a configuration holds of ANSWERS and of [mqtt] password_file.
readonly READ='
import sys, tomllib
def told(*path):
    value = document
    for name in path:
        value = value.get(name, "") if isinstance(value, dict) else ""
    return str(value)
def numbers(*lists):
    every = [number for points in lists if isinstance(points, list) for number in points]
    return ",".join(map(str, every))
try:
    document = tomllib.loads(open(sys.argv[1], "rb").read().decode())
except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
    sys.exit(f"is not TOML: {error}")
lines = document.get("line")
line = lines[0] if isinstance(lines, list) and lines and isinstance(lines[0], dict) else {}
held = [told("device", "id"), told("device", "name"), told("source", "uri")]
held += [numbers(line.get("a"), line.get("b")), numbers(line.get("in_side"))]
held += [told("mqtt", "url"), told("mqtt", "user"), told("mqtt", "password_file")]
sys.stdout.write("".join(f"{value}\0" for value in held))
'

# Lets the program itself judge a configuration.
readonly JUDGE='
import pathlib, sys
from edge.config import read_config
from edge.errors import HeadcountError
try:
    read_config(pathlib.Path(sys.argv[1]))
except HeadcountError as error:
    sys.exit(str(error))
'

usage() {
    cat <<'END'
usage: sudo bash install.sh [options]

Installs headcount as a service that counts at a door, on a 64-bit Raspberry Pi OS or Debian (bookworm
or trixie). Asks what is not given, where there is a terminal. A second run goes on from what is done.

  --source URI        the camera: picamera2:, v4l2:0, rtsp://..., or scene:1, a simulated door
  --line x1,y1,x2,y2  the line to count at, each from 0 to 1 from the upper left (0,0.5,1,0.5)
  --in-side x,y       a point beside the line: who ends on its side went in (0.5,0.9)
  --id NAME           the device in MQTT topics: letters, digits, _ and - (the host's name)
  --name TEXT         its name for people
  --broker URL        mqtt://host[:port] or mqtts://...; without one, mosquitto on this machine
  --user NAME         at the broker
  --password-file F   a file whose first line is the password at the broker; it is copied
  --program WHAT      a wheel, or what pip is to install (the checkout or the package of this script)
  --yes               ask nothing, take what is proposed
  --reconfigure       write the configuration anew; the old one is kept beside it
  --no-start          all but what needs a running system and a camera: for images
  --dry-run           say what would be done, change nothing
  --uninstall         remove the service and the program; keep the counts and the configuration
  --purge             with --uninstall: remove these, too
  --help              this

pip's own settings (PIP_INDEX_URL, PIP_FIND_LINKS, PIP_NO_INDEX) say where the program comes from; give
them behind sudo: sudo PIP_NO_INDEX=1 PIP_FIND_LINKS=wheels bash install.sh

Exit codes: 0 done, 1 something here is wrong, 2 the call or the configuration is.
END
}

main() {
    umask 022
    export LC_ALL=C.UTF-8 # messages of tools are read here, and text is UTF-8
    read_arguments "$@"
    trap leave EXIT
    trap 'exit 130' INT TERM HUP
    if $uninstall; then
        remove_all
        return
    fi
    know_machine
    settle_answers
    bring_packages
    bring_program
    write_configuration
    bring_stick
    install_unit
    start_broker
    check
    start_service
    tell_end
}

say() { printf 'install: %s%s\n' "$step" "$*"; }

warn() { printf 'install: %s%s\n' "$step" "$*" >&2; }

begin() { # NUMBER STEP
    step="[$1/9] $2: "
}

die() { # REASON, and how to go on: ends the run
    told=true
    warn "$1"
    exit "${2:-1}"
}

misuse() {
    step=''
    die "$1 (see --help)" 2
}

leave() { # whatever ended the run
    local code=$?
    set +e
    ((code == 0)) || $told || warn "stopped here (code $code); run this again, it goes on from there"
    $ours || return
    [[ -z $next ]] || rm -rf "$next"
    [[ ! -e $override ]] || put_doctor_away
    ((code == 0)) || $uninstall || go_back
    if $resume && systemctl start --no-block "$UNIT"; then
        warn "$UNIT is started again as it was, and tries by itself"
    fi
}

last_line() { # TEXT: REPLY, its last line, or what else to say
    REPLY=${1%$'\n'}
    REPLY=${REPLY##*$'\n'}
    REPLY=${REPLY:-no message}
}

# ---- the call

read_arguments() {
    program='' yes=false reconfigure=false start=true dry_run=false uninstall=false purge=false
    while (($#)); do
        case $1 in
        --id | --name | --source | --line | --in-side | --broker | --user | --password-file | --program)
            [[ -n ${2:-} ]] || misuse "$1 needs a value"
            [[ ! -v given[${1#--}] ]] || misuse "$1 is given twice"
            check_answer "${1#--}" "$2" || misuse "$1 $2: $REPLY"
            given[${1#--}]=$2
            shift
            ;;
        --yes) yes=true ;;
        --reconfigure) reconfigure=true ;;
        --no-start) start=false ;;
        --dry-run) dry_run=true ;;
        --uninstall) uninstall=true ;;
        --purge) purge=true ;;
        --help) usage && exit 0 ;;
        *) misuse "$1 is no option" ;;
        esac
        shift
    done
    ! $purge || $uninstall || misuse "--purge goes with --uninstall"
    $uninstall || choose_program
    if [[ -v given[password-file] ]]; then
        read_password "${given[password-file]}"
    fi
}

check_answer() { # ANSWER VALUE: whether it can be meant; REPLY, what it must be
    local number='(0(\.[0-9]+)?|1(\.0+)?)'
    REPLY='give text on one line'
    [[ $2 != *[[:cntrl:]]* ]] || return 1
    case $1 in
    id) REPLY='give letters, digits, _ and -, at most 64' && [[ $2 =~ ^[A-Za-z0-9_-]{1,64}$ ]] ;;
    line) REPLY='give four numbers from 0 to 1 with commas between, as 0,0.5,1,0.5' && [[ $2 =~ ^$number(,$number){3}$ ]] ;;
    in-side) REPLY='give two numbers from 0 to 1 with a comma between, as 0.5,0.9' && [[ $2 =~ ^$number,$number$ ]] ;;
    broker) REPLY='give mqtt://host[:port] or mqtts://host[:port]' && [[ -z $2 || $2 =~ ^mqtts?://[^/@[:space:]]+$ ]] ;;
    source) REPLY='give picamera2:, v4l2:N, rtsp://..., scene:N or the path of a video' && [[ $2 =~ ^(picamera2:|v4l2:|rtsps?://|scene:|/) ]] ;;
    program) REPLY='give a wheel, or a requirement as headcount==1.2' && [[ $2 != -* ]] ;;
    *) ;;
    esac
}

choose_program() { # program: a wheel, a checkout, or a requirement
    local version
    program=${given[program]:-}
    if [[ $program == *.whl && $program != *://* && $program != *' @ '* ]]; then
        [[ -s $program ]] || die "--program $program: no such file, or it is empty"
        program=$(realpath "$program")
    elif [[ -z $program && -f $HERE/../pyproject.toml ]]; then
        program=$(realpath "$HERE/..")
    elif [[ -z $program ]]; then
        version=$(sed -nE 's/^__version__ = "(.*)"$/\1/p' "$HERE/../edge/__init__.py" 2>/dev/null) || true
        [[ -n $version ]] || misuse "this script lies neither in a checkout nor in a package: give --program"
        program=headcount==$version
    fi
}

read_password() { # FILE: password
    IFS= read -r password 2>/dev/null <"$1" || [[ -n $password ]] ||
        die "--password-file $1: no password can be read from its first line"
}

# ---- 1: the machine

know_machine() {
    local architecture python_version systemd_version
    begin 1 machine
    $dry_run || take_turn
    know_release
    architecture=$(dpkg --print-architecture 2>/dev/null) || die "there is no dpkg here; $FIT"
    # A 64-bit kernel under a 32-bit Raspberry Pi OS calls itself aarch64, too; dpkg is not mistaken.
    [[ $architecture == arm64 || $architecture == amd64 ]] || die "this is a system for $architecture; $FIT"
    python_version=$("$python" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
        die "there is no Python: sudo apt-get install python3, then run this again"
    [[ $python_version =~ ^3\.(1[1-9]|[2-9][0-9])$ ]] || die "Python is $python_version, and 3.11 is needed; $FIT"
    systemd_version=$(systemctl --version 2>/dev/null | awk 'NR == 1 { print $2 }') || true
    ((${systemd_version:-0} >= 252)) || die "systemd is ${systemd_version:-missing}, and 252 is needed; $FIT"
    ! $start || $dry_run || [[ -d $root/run/systemd/system ]] ||
        die "systemd does not run here; for an image or a chroot say --no-start"
    say "$release, $architecture, Python $python_version, systemd $systemd_version"
}

take_turn() { # as root, and as the only run
    [[ $(id -u) == 0 ]] || die "only root may do this; run it with sudo"
    # The folder itself is locked: no lock file is left behind. Children hold the lock, too: while the
    # pip or apt-get of a killed run is still at work, nothing else is.
    exec 9<"$root/etc"
    flock -n 9 || die "another run is at work, or its apt-get still is; wait for it, then run this again"
    ours=true
}

know_release() { # release, its name
    local id number
    # shellcheck disable=SC1091 # the machine's
    { read -r id && read -r number && read -r release; } < <(
        . "$root/etc/os-release" && printf '%s\n%s\n%s\n' "${ID:-}" "${VERSION_ID:-99}" "${PRETTY_NAME:-}"
    ) || die "/etc/os-release cannot be read; $FIT"
    case $id-$number in
    debian-12 | debian-13) ;;
    debian-1[4-9] | debian-[2-9][0-9]) warn "$release is newer than all that this was tried on; it goes on" ;;
    *) die "this is $release; $FIT" ;;
    esac
}

# ---- what is to be counted, and who is told

settle_answers() { # answer, from the configuration that is there, from the call, from the terminal
    local name
    step='answers: '
    new_config=true own_broker=false
    [[ ! -e $config ]] || read_configuration
    if [[ -e $config ]] && ! $reconfigure; then
        new_config=false
        insist_on_nothing_else
        for name in "${ANSWERS[@]}"; do answer[$name]=${found[$name]}; done
    else
        ask_all
    fi
    if $new_config && [[ -z ${answer[broker]} ]]; then
        answer[broker]=$LOCAL
        own_broker=true
    elif [[ ${answer[broker]} == "$LOCAL" && ! -v given[broker] ]]; then
        # This may be another's broker; mosquitto is meant where it starts with the machine.
        ! systemctl is-enabled -q mosquitto 2>/dev/null || own_broker=true
    fi
}

read_configuration() { # found
    local values=() name
    mapfile -d '' -t values < <("$python" -I -c "$READ" "$config" 2>&1)
    if wait $!; then
        for name in "${ANSWERS[@]}" password; do
            found[$name]=${values[0]}
            values=("${values[@]:1}")
        done
    elif ! $reconfigure; then
        last_line "${values[0]:-}"
        die "$config: $REPLY; mend it, or give --reconfigure for a new one" 2
    fi
}

insist_on_nothing_else() { # a configuration that is there is its owner's: flags do not change it
    local name was
    for name in "${ANSWERS[@]}"; do
        [[ -v given[$name] ]] || continue
        was=${found[$name]}
        if [[ $name == line || $name == in-side ]]; then
            same_numbers "${given[$name]}" "$was" && continue
        fi
        [[ ${given[$name]} == "$was" ]] ||
            die "--$name ${given[$name]}: $config has ${was:-none}; edit that file, or give --reconfigure for a new one" 2
    done
    [[ -z $password || ${found[password]} == "$CREDENTIAL" ]] ||
        die "--password-file: $config names no password_file = \"$CREDENTIAL\" below [mqtt]; add that line, or give --reconfigure" 2
}

same_numbers() { # TEXT TEXT: as 0.50,1 and 0.5,1.0
    [[ $(awk -F, '{ for (i = 1; i <= NF; i++) printf "%g ", $i }' <<<"$1") == \
        "$(awk -F, '{ for (i = 1; i <= NF; i++) printf "%g ", $i }' <<<"$2")" ]]
}

ask_all() {
    local host='' side=0.5,0.9
    IFS=. read -r host _ 2>/dev/null <"$root/etc/hostname" || true
    host=${host//[^A-Za-z0-9_-]/}
    host=${host:0:64}
    take id "${found[id]:-${host:-door}}" 'the name of this door in MQTT topics'
    answer[name]=${given[name]:-${found[name]:-}}
    [[ ! -v given[source] ]] && find_camera || REPLY=''
    take source "${found[source]:-$REPLY}" 'the camera: picamera2:, v4l2:N, rtsp://..., or scene:1, a simulated door'
    take line "${found[line]:-0,0.5,1,0.5}" 'the line, x1,y1,x2,y2 from the upper left, 0 to 1'
    # The proposed side belongs to the proposed line.
    same_numbers "${answer[line]}" "${found[line]:-0,0.5,1,0.5}" && side=${found[in-side]:-$side} || side=''
    take in-side "$side" 'a point x,y on the side that is in'
    take broker "${found[broker]:-}" 'the broker, mqtt://host; empty for one on this machine' empty
    answer[user]=''
    if [[ -n ${answer[broker]} ]]; then
        take user "${found[user]:-}" 'the user name there; empty for none' empty
        ask_password
    elif [[ -v given[user] || -n $password ]]; then
        misuse "--user and --password-file are for a --broker"
    fi
    [[ -z $password || -n ${answer[user]} ]] || misuse "--password-file goes with --user"
    [[ ${answer[source]} != rtsp*://*:*@* ]] ||
        warn "the camera's password will stand in $config, which all users of this machine can read"
}

take() { # ANSWER DEFAULT QUESTION [empty, where that is an answer]: answer
    local value=${given[$1]:-$2}
    if [[ ! -v given[$1] ]] && asks; then
        while true; do
            read -r -e -p "$3${2:+ [$2]}: " value || die "no answer; give --$1" 2
            value=${value:-$2}
            [[ -n $value || ${4:-} != empty ]] || break
            ! check_answer "$1" "$value" || break
            printf '  %s\n' "$REPLY"
        done
    fi
    [[ -n $value || ${4:-} == empty ]] || misuse "--$1 is needed: $3"
    answer[$1]=$value
}

asks() { ! $yes && [[ -t 0 ]]; }

ask_password() {
    [[ -n ${answer[user]} && -z $password ]] && asks || return 0
    read -r -s -p 'the password there; empty for none: ' password || true
    echo
}

find_camera() { # REPLY, a source that is plugged in
    local nodes=("$root"/sys/class/video4linux/video*) node listed
    REPLY=picamera2:
    # libcamera lists the Pi's cameras; without it, their receivers are there with a sensor only.
    listed=$(timeout 20 rpicam-hello --list-cameras 2>&1) || true
    if grep -qE '^ *[0-9]+ : ' <<<"$listed"; then return; fi
    for node in "${nodes[@]}"; do
        case $(cat "$node/name" 2>/dev/null) in unicam* | rp1-cfe*) return ;; esac
    done
    for node in "${nodes[@]}"; do # of a USB camera's nodes the first gives pictures, others tell of them
        REPLY=v4l2:${node##*/video}
        if [[ $(realpath -q "$node/device/subsystem") == */bus/usb && $(cat "$node/index" 2>/dev/null) == 0 ]]; then return; fi
    done
    return 1
}

# ---- 2: packages of the system

bring_packages() {
    local wanted=(python3-venv) missing=() name
    begin 2 packages
    [[ ${answer[source]} != picamera2:* ]] || wanted+=(python3-picamera2)
    ! $own_broker || wanted+=(mosquitto)
    if stick_is_there; then
        wanted+=(libusb-1.0-0)
        command -v curl wget >/dev/null || wanted+=(curl ca-certificates)
    fi
    for name in "${wanted[@]}"; do has_package "$name" || missing+=("$name"); done
    if ((${#missing[@]} == 0)); then
        say "${wanted[*]}: already there"
    elif $dry_run; then
        say "would install ${missing[*]}"
    else
        say "installs ${missing[*]}"
        install_packages "${missing[@]}"
    fi
}

has_package() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

stick_is_there() { grep -qsx 03e7 "$root"/sys/bus/usb/devices/*/idVendor; }

install_packages() { # NAME…: from what is known of the mirror, then, where that fails, from its newest list
    local hint=''
    apt_get install "$@" && return
    # One that was cut off must be brought to its end first.
    dpkg --configure -a >/dev/null 2>&1 || apt_get install --fix-broken || true
    apt_get install "$@" && return
    say "asks the mirror for its newest list"
    update_packages || warn "apt-get update: $REPLY"
    apt_get install "$@" && return
    [[ " $* " != *' python3-picamera2 '* ]] || hint=' (python3-picamera2 comes with Raspberry Pi OS alone)'
    die "apt-get install $*: $REPLY$hint; mend that, then run this again"
}

update_packages() { # a young system does this by itself, and then holds a lock for which apt-get does not wait
    local attempt
    for attempt in {1..60}; do
        apt_get update && return
        [[ $REPLY == *lock* ]] || return 1
        ((attempt > 1)) || say "waits for another apt-get"
        sleep 10
    done
}

apt_get() { # VERB …: REPLY, its last word
    local log
    if log=$(DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=600 "$@" 2>&1); then return; fi
    last_line "$(grep '^E:' <<<"$log" || echo "$log")"
    return 1
}

# ---- 3: the program

bring_program() {
    local now
    begin 3 program
    identify
    now=$(in_service)
    if [[ -n $now && -n $identity && $(cat "$now/source" 2>/dev/null) == "$identity" ]] && answers "$now"; then
        say "$REPLY from ${program##*/}: already there"
    elif $dry_run; then
        say "would install $program to $prefix"
    else
        open_prefix
        make_program
        now=$next
        next='' # from here on it is not to be removed by whatever ends this run
        put_in_service "$now"
        say "$version"
    fi
    $dry_run || link_command
}

identify() { # identity: of what the program is made from; empty where nobody can know
    if [[ -d $program ]]; then
        identity="checkout $(cd "$program" && find "${PARTS[@]}" -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum | sha256sum)"
    elif [[ -f $program ]]; then
        identity="${program##*/} $(sha256sum <"$program")"
    elif [[ $program == *==* ]]; then
        identity=$program
    else
        identity=''
    fi
}

in_service() { # the folder of the program in service, or nothing
    local link
    link=$(readlink "$prefix/bin") || return 0
    [[ ! -d $prefix/$link ]] || echo "$prefix/${link%/bin}"
}

counted_before() { # the program that counted before the one in service was put there, or nothing
    local now old
    now=$(in_service)
    [[ ! -e $now/ready ]] || return 0
    for old in "$prefix"/venv-*/ready; do
        if [[ -e $old ]]; then
            echo "${old%/ready}"
            return
        fi
    done
}

open_prefix() { # makes the place ready, or says why it cannot be
    local reason free
    reason=$(mkdir -p "$prefix" 2>&1) || die "${reason##*mkdir: }; mend that, then run this again"
    [[ -f $prefix/README || -z $(ls -A "$prefix") ]] ||
        die "$prefix is not empty and not from this script; move it away, then run this again"
    echo "headcount's program, brought by its install.sh; --uninstall removes it." >"$prefix/README" ||
        die "$prefix/README cannot be written; is the disk full?"
    sweep
    free=$(df -Pm "$prefix" | awk 'NR == 2 { print $4 }')
    ((free >= NEEDED_MB)) ||
        die "$prefix has $free MB free, and $NEEDED_MB are needed; make room, then run this again"
}

sweep() { # what runs that were cut off have left, and the program before one that counts
    local now old
    now=$(in_service)
    for old in "$prefix"/venv-*; do
        [[ $old == "$now" || (-e $old/ready && ! -e $now/ready) ]] || rm -rf "$old"
    done
    rm -f "$prefix/bin.new"
}

make_program() { # next, version
    local reason
    next=$(mktemp -d "$prefix/venv-XXXXXX")
    chmod 755 "$next"
    reason=$("$python" -I -m venv "$next" 2>&1) || {
        last_line "$reason"
        die "no virtual environment can be made: $REPLY; mend that, then run this again"
    }
    say "installs $program; this takes some minutes"
    mkdir "$next/tmp" # on the card: /tmp may be memory, and small
    if [[ -d $program ]]; then # a build writes beside its sources, and these are another's
        mkdir "$next/tmp/checkout"
        (cd "$program" && tar -c --exclude=__pycache__ "${PARTS[@]}") | tar -x --no-same-owner -C "$next/tmp/checkout"
        pip_install "$next/tmp/checkout"
    else
        pip_install "$program"
    fi
    rm -rf "$next/tmp"
    answers "$next" || die "the program does not start: $REPLY; give another --program"
    version=$REPLY
    [[ -z $identity ]] || echo "$identity" >"$next/source"
}

pip_install() { # WHAT
    local log
    log=$(TMPDIR=$next/tmp "$next/bin/python" -I -m pip --disable-pip-version-check --no-cache-dir --no-input \
        install "$1" 2>&1) && return
    last_line "$(grep '^ERROR' <<<"$log" || echo "$log")"
    die "pip install ${1##*/}: $REPLY; mend that (without a network: PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER), then run this again"
}

answers() { # FOLDER of a program: whether it starts; REPLY, its version or its last word
    local log code=0
    log=$(timeout 300 "$1/bin/headcount" --version 2>&1) || code=$?
    last_line "$log"
    return "$code"
}

put_in_service() { # FOLDER of a program
    # pip does not sync: after a power cut the link could be there, and what it leads to empty.
    sync -f "$prefix"
    ln -sfn "${1##*/}/bin" "$prefix/bin.new"
    mv -T "$prefix/bin.new" "$prefix/bin"
    sync -f "$prefix"
}

link_command() {
    if [[ $(readlink "$command") == "$prefix/bin/headcount" ]]; then
        return
    elif [[ -e $command || -L $command ]]; then
        warn "$command is not from this script and stays; the program is $prefix/bin/headcount"
    else
        mkdir -p "${command%/*}"
        ln -sfn "$prefix/bin/headcount" "$command"
    fi
}

# ---- 4: the configuration

write_configuration() {
    begin 4 configuration
    $dry_run || rm -f "$folder"/*.new # of runs that were cut off
    if ! $new_config; then
        $dry_run || judge "$config"
        say "$config: already there, and stays"
    elif $dry_run; then
        say "would write $config:" && print_configuration
    else
        install -d -m 755 "$folder" "$folder/trusted"
        [[ -n $password ]] || password_stays
        print_configuration >"$config.new" || die "$config.new cannot be written; is the disk full?"
        judge "$config.new"
        if cmp -s "$config.new" "$config"; then
            rm "$config.new"
            say "$config: already so"
        else
            [[ ! -e $config ]] || keep_old
            put "$config.new" 644 "$config"
            say "$config: written"
        fi
    fi
    if [[ -n $password ]] && ! $dry_run; then
        install -m 600 /dev/null "$password_file.new"
        printf '%s\n' "$password" >"$password_file.new"
        cmp -s "$password_file.new" "$password_file" || put "$password_file.new" 600 "$password_file"
        rm -f "$password_file.new"
    fi
}

password_stays() { # a new configuration for the same user goes on with the password that is there
    [[ ! -f $password_file || ${answer[user]} != "${found[user]}" || -z ${answer[user]} ]] ||
        IFS= read -r password <"$password_file" || true
}

print_configuration() {
    echo '# What this door counts; written by install.sh, and yours now. After a change:'
    echo '#   sudo systemctl restart headcount'
    echo '[device]'
    echo "id = $(quoted "${answer[id]}")"
    [[ -z ${answer[name]} ]] || echo "name = $(quoted "${answer[name]}")"
    printf '\n[source]\n'
    echo "uri = $(quoted "${answer[source]}")"
    printf '\n[[line]]\n'
    echo 'name = "door"'
    awk -F, '{ printf "a = [%s, %s]\nb = [%s, %s]\n", $1, $2, $3, $4 }' <<<"${answer[line]}"
    echo "in_side = [${answer[in-side]/,/, }]"
    printf '\n[mqtt]\n'
    echo "url = $(quoted "${answer[broker]}")"
    if ! [[ ${answer[broker]} =~ ^(mqtts://|mqtt://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?/?$) ]]; then
        echo 'plain_text = true # whoever is on the way can read counts and password; mqtts:// is for that'
    fi
    [[ -z ${answer[user]} ]] || echo "user = $(quoted "${answer[user]}")"
    [[ -z $password ]] || echo "password_file = \"$CREDENTIAL\""
}

quoted() { # TEXT: as a string of TOML
    local text=${1//\\/\\\\} code sign
    text=${text//\"/\\\"}
    for code in {1..31} 127; do
        printf -v sign '\\x%x' "$code"
        printf -v sign %b "$sign"
        if [[ $text == *"$sign"* ]]; then
            printf -v code '\\u%04X' "$code"
            text=${text//"$sign"/"$code"}
        fi
    done
    printf '"%s"\n' "$text"
}

judge() { # FILE: ends the run where the program does not take it
    local said
    if ! said=$("$(in_service)/bin/python" -I -c "$JUDGE" "$1" 2>&1); then
        [[ $1 == "$config" ]] || rm -f "$1"
        last_line "$said"
        die "${REPLY//.toml.new/.toml}; mend that, then run this again" 2
    fi
}

keep_old() {
    local number=1
    while [[ -e $config.bak-$number ]]; do number=$((number + 1)); done
    cp -p "$config" "$config.bak-$number"
    say "the old one is kept as $config.bak-$number"
}

put() { # FILE MODE PLACE: the file's place is never empty or half full, also after a power cut
    chmod "$2" "$1"
    sync "$1"
    mv -T "$1" "$3"
    sync "${3%/*}"
}

# ---- 5: the stick

bring_stick() {
    local options=(--prefix "$root/opt/headcount-ncs")
    begin 5 stick
    if stick_is_there && $start; then
        say "one is plugged in: its runtime is brought"
    else
        say "none is plugged in; the udev rule for one"
        options+=(--rule-only)
    fi
    ! $dry_run || options+=(--dry-run)
    HEADCOUNT_NCS_RULES=$root/etc/udev/rules.d HEADCOUNT_NCS_USB=$root/sys/bus/usb/devices \
        bash "$HERE/install-ncs.sh" "${options[@]}" ||
        warn "a stick cannot be used yet, for the reason above; the CPU counts. Then: sudo bash $HERE/install-ncs.sh"
}

# ---- 6: the unit

install_unit() {
    local from unit
    begin 6 unit
    if $dry_run; then
        say "would install $units/$UNIT"
        return
    fi
    from=$("$(in_service)/bin/python" -I -c 'import deploy; print(deploy.__path__[0])')/systemd
    [[ -s $from/$UNIT ]] || die "the program has no $UNIT; give another --program"
    for unit in "$UNIT" "${MORE_UNITS[@]}"; do
        if [[ ! -s $from/$unit ]]; then
            [[ ! -e $units/$unit ]] || remove_unit "$unit" # of a newer program
        elif cmp -s "$from/$unit" "$units/$unit"; then
            say "$units/$unit: already there"
        else
            mkdir -p "$units"
            cp "$from/$unit" "$units/$unit.new" || die "$units/$unit.new cannot be written; is the disk full?"
            put "$units/$unit.new" 644 "$units/$unit"
            say "$units/$unit: installed"
            [[ $unit != "$WATCH" ]] || new_watch=true
        fi
    done
    ! $start || systemctl daemon-reload
}

remove_unit() { # UNIT: stops it, and takes it away
    systemctl disable -q "$1" 2>/dev/null || true
    ! $start || systemctl stop "$1" 2>/dev/null || true
    rm -f "$units/$1"
}

# ---- 7: the broker

start_broker() {
    begin 7 broker
    if ! $own_broker; then
        say "${answer[broker]:-none} is used as it is"
    elif $dry_run; then
        say "would start mosquitto on this machine, for this machine alone"
    elif ! $start; then
        systemctl enable -q mosquitto
        say "mosquitto starts with the machine"
    elif systemctl is-active -q mosquitto && systemctl is-enabled -q mosquitto; then
        say "mosquitto runs already"
    else
        systemctl enable -q --now mosquitto 2>/dev/null ||
            die "mosquitto does not start: $(journal mosquitto 1); mend that, or name another by --broker and --reconfigure, then run this again"
        say "mosquitto runs, for this machine alone"
    fi
}

journal() { journalctl -u "$1" -n "$2" -o cat --no-pager 2>/dev/null || true; } # UNIT LINES

# ---- 8: the check

check() { # by headcount doctor, inside the service's own sandbox
    begin 8 check
    if $dry_run; then
        say "would run headcount doctor as the service"
    elif ! $start; then
        say "left out; on the machine itself run this again"
    elif counts_with_all_this; then
        say "headcount counts with all this already"
    else
        ! systemctl is-enabled -q "$UNIT" 2>/dev/null || resume=true
        systemctl stop "$UNIT" # camera and stick are its
        say "headcount doctor, as the service:"
        run_doctor || die "$REPLY, then run this again"
        put_doctor_away
    fi
}

counts_with_all_this() { # whether the service runs, and nothing of it is newer than that
    local ready parts=("$folder" "$units/$UNIT" "$units/$UNIT.d" "$root/opt/headcount-ncs/bin")
    ready=$(in_service)/ready
    systemctl is-active -q "$UNIT" && [[ -e $ready ]] &&
        [[ -z $(find "${parts[@]}" ! -type d -newer "$ready" -print -quit 2>/dev/null) ]]
}

# The service itself, with another command for a while: so its user, its sandbox, its credentials and
# its owner's drop-ins are those of the check. Below /run, where a power cut takes it away.
run_doctor() { # whether nothing vital is wrong; REPLY, what to mend
    mkdir -p "${override%/*}"
    cat >"$override" <<END
[Unit]
Description=headcount doctor, as the service
[Service]
Type=oneshot
ExecStart=
ExecStart=/opt/headcount/bin/headcount doctor -c /etc/headcount/headcount.toml
Restart=no
WatchdogSec=0
TimeoutStartSec=300
StandardOutput=truncate:/run/headcount-doctor.txt
StandardError=inherit
END
    systemctl daemon-reload
    if systemctl start "$UNIT" 2>/dev/null; then
        show_findings
        return
    fi
    show_findings
    case $(systemctl show -p ExecMainStatus -p Result --value "$UNIT" | sort | paste -sd' ') in
    '1 exit-code') REPLY="mend what is marked FAIL" ;;
    '2 exit-code') REPLY="mend $config" ;;
    *) REPLY="it did not come to its end: $(journal "$UNIT" 3 | paste -sd' '); mend that" ;;
    esac
    return 1
}

show_findings() {
    sed 's/^/    /' "$findings" 2>/dev/null || true
    rm -f "$findings"
}

put_doctor_away() {
    rm -f "$override" "$findings"
    rmdir "${override%/*}" 2>/dev/null || true
    systemctl daemon-reload
    systemctl reset-failed "$UNIT" 2>/dev/null || true
}

go_back() { # to the program that counted before the one in service, where there is one
    local old failed
    old=$(counted_before)
    [[ -n $old ]] || return 0
    failed=$(in_service)
    put_in_service "$old"
    (install_unit >/dev/null) || warn "the unit could not be put back; run this again"
    answers "$old"
    if ! $start; then
        warn "$REPLY is in service again, as before"
    elif resume=false && systemctl start "$UNIT" 2>/dev/null; then
        warn "$REPLY counts again, as before"
    else
        warn "$REPLY is in service again, as before, and is started again and again: journalctl -u headcount"
    fi
    [[ $failed == "$old" ]] || rm -rf "$failed"
}

# ---- 9: the service

start_service() {
    begin 9 service
    if $dry_run; then
        say "would start $UNIT, now and with the machine"
        return
    fi
    systemctl enable -q "$UNIT"
    if [[ -e $units/$WATCH ]]; then
        systemctl enable -q "$WATCH"
        if $start && { $new_watch || ! systemctl is-active -q "$WATCH"; }; then
            systemctl restart "$WATCH" 2>/dev/null || warn "$WATCH does not start: offered models are not fetched"
        fi
    fi
    if ! $start; then
        say "$UNIT starts with the machine"
    elif counts_with_all_this; then
        say "$UNIT counts already"
        sweep
    else
        say "$UNIT starts; it is ready when it has counted a first picture"
        if ! systemctl restart "$UNIT" 2>/dev/null; then
            journal "$UNIT" 8 | sed 's/^/    /' >&2
            die "$UNIT does not start, for the reason above; mend that, then run this again"
        fi
        keep_only_this
        say "$UNIT counts"
    fi
}

keep_only_this() { # the program in service has counted: there is no way back any more
    local ready
    ready=$(in_service)/ready
    touch "$ready"
    sync -f "$ready" "$units" # nor by a power cut right now
    resume=false
    sweep
}

tell_end() {
    local place=${answer[source]}
    step=''
    $start && ! $dry_run || return 0
    cat <<END

headcount counts at ${place/\/\/*@/\/\/...@}, as headcount/${answer[id]} at ${answer[broker]:-no broker}.

The counts:             headcount watch${answer[broker]:+ --broker ${answer[broker]}}
What it says:           journalctl -fu headcount
To change something:    sudoedit /etc/headcount/headcount.toml
                        sudo systemctl restart headcount
A picture, for aiming:  sudo systemctl stop headcount
                        headcount doctor -c /etc/headcount/headcount.toml --camera door.jpg
                        sudo systemctl start headcount
END
}

# ---- away with it

remove_all() {
    step='uninstall: '
    $dry_run || take_turn
    if [[ -e $prefix && ! -f $prefix/README && -n $(ls -A "$prefix") ]]; then
        die "$prefix is not from this script; nothing was removed"
    fi
    if ! $dry_run; then
        local unit
        for unit in "${MORE_UNITS[@]}" "$UNIT"; do
            [[ -e $units/$unit ]] || continue
            systemctl disable -q "$unit" 2>/dev/null || true
            systemctl stop "$unit" 2>/dev/null || true
        done
    fi
    if [[ -e $root/opt/headcount-ncs || -e $root/etc/udev/rules.d/$RULE ]]; then
        local options=(--prefix "$root/opt/headcount-ncs" --uninstall)
        ! $dry_run || options+=(--dry-run)
        HEADCOUNT_NCS_RULES=$root/etc/udev/rules.d bash "$HERE/install-ncs.sh" "${options[@]}" ||
            die "the stick's runtime stays, for the reason above; mend that, then run this again"
    fi
    [[ $(readlink "$command") != "$prefix/bin/headcount" ]] || remove "$command"
    # The README goes last: without it a second run would take the rest for another's.
    $dry_run || rm -rf "$prefix"/venv-* "$prefix"/bin*
    remove "$units/$UNIT" "${MORE_UNITS[@]/#/$units/}" "$prefix"
    if $purge; then
        # private/: where systemd keeps the files of a user that exists while its service runs.
        remove "$units/$UNIT.d" "$folder" "$root/var/lib/headcount" "$root/var/lib/private/headcount"
    else
        say "kept: the configuration ($folder) and the counts ($root/var/lib/private/headcount); --purge removes them"
    fi
    if ! $dry_run && [[ -d $root/run/systemd/system ]]; then
        systemctl daemon-reload
        systemctl reset-failed "$UNIT" 2>/dev/null || true
    fi
    say "Debian's packages stay, as others may use them: python3-venv, python3-picamera2, mosquitto"
}

remove() { # PATH…
    local path
    for path; do
        if [[ ! -e $path && ! -L $path ]]; then
            say "$path: not there"
        elif $dry_run; then
            say "would remove $path"
        else
            rm -rf "$path" || die "$path cannot be removed; mend that, then run this again"
            say "$path: removed"
        fi
    done
}

if [[ ${BASH_SOURCE[0]:-$0} == "$0" ]]; then
    main "$@"
    exit # bash reads as it goes, and this file may be another by now
fi
