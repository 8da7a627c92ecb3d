#!/usr/bin/env bash
# Brings an OpenVINO that still knows MYRIAD, the Movidius stick, to a 64-bit Raspberry Pi OS or Debian.
#
# OpenVINO dropped MYRIAD with 2023.0, and the runtimes that have it want Python 3.9 or 3.10, which
# neither bookworm nor trixie has. So the runtime lives in an interpreter of its own, away from the
# system's and from headcount's, and the edge talks to it through pipes:
#
#   PREFIX/bin/python      the interpreter that the edge starts; a link into the runtime in service
#   PREFIX/runtime-XXXXXX  one runtime: its venv, its libraries, its starter `python`
#   PREFIX/python          a standalone CPython, only where the machine has none that fits
#   PREFIX/checksums.txt   what each URL gave the first time
#   PREFIX/downloads       kept until a runtime works, so that the next run goes on from there
#
# A runtime is made and checked beside the one in service and takes its place by one rename: a run
# that fails, or is cut off, leaves what worked before.
#
# The functions can be sourced. Where one has a value to give, it leaves it in REPLY. One that
# returns 1 has said why, and another way may be tried; what no other way would mend ends the run.
set -euo pipefail

readonly RULE=97-headcount-ncs.rules
readonly NEEDED_MB=600 # a CPython, a runtime and NumPy, packed and unpacked
HERE=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")" && pwd)
readonly HERE

# Asks a runtime's interpreter for MYRIAD. get_versions() loads the plugin, also without a stick.
readonly QUESTION='
try:
    from openvino.runtime import Core
except ModuleNotFoundError:
    from openvino.inference_engine import IECore as Core
core = Core()
core.get_versions("MYRIAD")
print("seen" if any(name.startswith("MYRIAD") for name in core.available_devices) else "unseen")
'

# Sums of the standalone CPythons that are brought by default, from their publisher's list.
readonly PUBLISHED='
6112d46355857680b81849764a6cf9f38cc4cd0d1cf29d432bc12fe5aeedf9d0 cpython-3.9.25%2B20251031-aarch64-unknown-linux-gnu-install_only.tar.gz
42834f61eb6df43432c3dd6ab9ca3fdf8c06d10a404ebdb53d6902e6b9570b08 cpython-3.9.25%2B20251031-x86_64-unknown-linux-gnu-install_only.tar.gz'

usage() {
    cat <<'END'
usage: install-ncs.sh [options]

Installs an OpenVINO with MYRIAD for a Movidius stick, in an interpreter of its own, and the udev
rule that lets headcount use the stick. A second run goes on from what is done.

  --runtime FILE|URL  take this runtime: a wheel (.whl) or an archive of OpenVINO (.tgz)
  --prefix DIR        where it goes (/opt/headcount-ncs); the edge finds PREFIX/bin/python
  --python FILE       the Python 3.9 or 3.10 to build on; it is not changed
  --accept-new        believe a download whose checksum is not that of the first time
  --rule-only         the udev rule alone, for a stick that may come
  --dry-run           say what would be done, change nothing
  --uninstall         remove PREFIX and the udev rule
  --help              this

Without --runtime these are tried in order. Each can be set to a mirror, or to nothing to be left out:
  HEADCOUNT_NCS_WHEEL     a wheel of OpenVINO 2022.3.1 built with MYRIAD
  HEADCOUNT_NCS_ARCHIVES  Intel's archives of 2022.3.2 and 2022.3.1 (ARM), with blanks between
  HEADCOUNT_NCS_INDEX     openvino==2021.4.2 from the index of pip (x86-64)
  HEADCOUNT_NCS_CPYTHON   a standalone CPython 3.9, for a machine with no Python 3.9 or 3.10
  HEADCOUNT_NCS_RULES     folder of the udev rule (/etc/udev/rules.d)
pip's own settings (PIP_INDEX_URL, PIP_FIND_LINKS, PIP_NO_INDEX) say where NumPy comes from.

Exit codes: 0 done, 1 something here is wrong, 2 the call is.
END
}

main() {
    umask 022
    read_arguments "$@"
    if $uninstall; then
        remove_all
        return
    fi
    if $rule_only; then
        if $dry_run; then say "would install $rules/$RULE"; else install_rule; fi
        return
    fi
    know_machine
    if $dry_run; then
        tell_plan
        return
    fi
    open_prefix
    if already_there; then
        say "$prefix: already there ($(<"$(in_service)/source"))"
    else
        bring_runtime
    fi
    install_rule
    tell_stick
}

say() { printf 'install-ncs: %s\n' "$*"; }

warn() { printf 'install-ncs: %s\n' "$*" >&2; }

die() { # STEP REASON: ends the run
    warn "$1: $2"
    exit 1
}

misuse() {
    warn "$1 (see --help)"
    exit 2
}

# ---- the call and the machine

read_arguments() {
    runtime='' prefix=/opt/headcount-ncs python='' accept_new=false rule_only=false dry_run=false uninstall=false
    while (($#)); do
        case $1 in
        --runtime | --prefix | --python)
            [[ -n ${2:-} ]] || misuse "$1 needs a value"
            printf -v "${1#--}" %s "$2"
            shift
            ;;
        --accept-new) accept_new=true ;;
        --rule-only) rule_only=true ;;
        --dry-run) dry_run=true ;;
        --uninstall) uninstall=true ;;
        --help) usage && exit 0 ;;
        *) misuse "$1 is no option" ;;
        esac
        shift
    done
    # The path stands in scripts, in a search path and in shebangs: no character that one of them reads.
    [[ $prefix =~ ^/[A-Za-z0-9._/+-]+$ && ! $prefix =~ (^|/)\.\.(/|$) ]] ||
        misuse "--prefix $prefix: give an absolute path of letters, digits and . _ + -"
    prefix=${prefix%/}
    rules=${HEADCOUNT_NCS_RULES:-/etc/udev/rules.d}
    [[ -z $runtime ]] || check_source "$runtime"
}

check_source() { # FILE|URL
    [[ $(kind_of "$1") ]] || misuse "--runtime $1: neither a wheel (.whl) nor an archive (.tgz, .tar.gz)"
    [[ $1 == *://* || -s $1 ]] || die runtime "$1: no such file, or it is empty"
    [[ $1 == *://* ]] || runtime=$(realpath "$1")
}

kind_of() { # FILE|URL
    case ${1%%\?*} in
    *.whl) echo wheel ;;
    *.tgz | *.tar.gz) echo archive ;;
    esac
}

know_machine() { # machine, and the places that a runtime for it comes from
    local wheels=https://github.com/NateMeyer/openvino-wheels/releases/download/multi-arch_2022.3.1
    local intel=https://storage.openvinotoolkit.org/repositories/openvino/packages
    machine=$(uname -m)
    # A 64-bit kernel under a 32-bit system calls itself aarch64 too.
    case $machine-$(getconf LONG_BIT) in
    aarch64-64)
        wheel=${HEADCOUNT_NCS_WHEEL-$wheels/openvino-2022.3.1-1-cp39-cp39-linux_aarch64.whl}
        archives=${HEADCOUNT_NCS_ARCHIVES-$(
            echo "$intel/2022.3.2/linux/l_openvino_toolkit_debian9_2022.3.2.9279.e2c7e4d7b4d_arm64.tgz"
            echo "$intel/2022.3.1/linux/l_openvino_toolkit_debian9_2022.3.1.9227.cf2c7da5689_arm64.tgz"
        )}
        index=${HEADCOUNT_NCS_INDEX-} # the index has no ARM wheel with MYRIAD
        ;;
    x86_64-64)
        wheel=${HEADCOUNT_NCS_WHEEL-$wheels/openvino-2022.3.1-1-cp39-cp39-manylinux_2_31_x86_64.whl}
        archives=${HEADCOUNT_NCS_ARCHIVES-}
        index=${HEADCOUNT_NCS_INDEX-openvino==2021.4.2} # the last of the index that has MYRIAD
        ;;
    *) die machine "$machine, $(getconf LONG_BIT) bits: a 64-bit ARM or x86 system is needed; install the 64-bit Raspberry Pi OS" ;;
    esac
    local url
    for url in $wheel $archives; do
        [[ $(kind_of "$url") ]] || misuse "$url: neither a wheel (.whl) nor an archive (.tgz, .tar.gz)"
    done
    # A standalone CPython is one archive that runs wherever it is unpacked. The other ways in are
    # worse on a Pi: bookworm and trixie have no package of 3.9, a foreign package source changes the
    # system, and pyenv compiles for most of an hour with a compiler and ten -dev packages.
    cpython=${HEADCOUNT_NCS_CPYTHON-https://github.com/astral-sh/python-build-standalone/releases/download/20251031/cpython-3.9.25%2B20251031-$machine-unknown-linux-gnu-install_only.tar.gz}
}

ways() { # a line for each way, in order: its kind, and where it comes from
    local url
    if [[ -n $runtime ]]; then
        echo "$(kind_of "$runtime") $runtime"
        return
    fi
    for url in $wheel $archives; do
        echo "$(kind_of "$url") $url"
    done
    [[ -z $index ]] || echo "index $index"
}

tell_plan() {
    say "would install to $prefix ($machine), trying in this order:"
    ways | while IFS= read -r way; do say "  $way"; done
    if [[ -n $python ]] || find_python 3.9 3.10; then
        say "would build on ${python:-$REPLY}"
    else
        say "would bring a Python of its own: $cpython"
    fi
    say "would install $rules/$RULE"
}

# ---- the place

in_service() { # the folder of the runtime in service, or nothing
    [[ ! -L $prefix/bin/python ]] || dirname "$(readlink -m "$prefix/bin/python")"
}

open_prefix() { # makes the place ready, or says why it cannot be
    local reason free old kept
    if ! cmp -s "$HERE/udev/$RULE" "$rules/$RULE"; then
        { mkdir -p "$rules" && [[ -w $rules ]]; } 2>/dev/null || die rule "$rules cannot be written; run with sudo"
    fi
    reason=$(mkdir -p "$prefix" 2>&1) || die prefix "${reason##*mkdir: }; run with sudo, or choose another --prefix"
    [[ -f $prefix/README || -z $(ls -A "$prefix") ]] ||
        die prefix "$prefix is not empty and not from this script; choose another --prefix"
    [[ -w $prefix ]] || die prefix "$prefix cannot be written; run with sudo, or choose another --prefix"
    echo "An OpenVINO for Movidius sticks, brought by headcount's install-ncs.sh; --uninstall removes it." >"$prefix/README" ||
        die prefix "$prefix/README cannot be written; is the disk full?"
    exec 9>"$prefix/lock"
    flock -n 9 || die prefix "another run is at work in $prefix; wait for it"
    kept=$(in_service)
    for old in "$prefix"/runtime-* "$prefix/python.new"; do # of runs that were cut off
        [[ $old == "$kept" ]] || rm -rf "$old"
    done
    free=$(df -Pm "$prefix" | awk 'NR == 2 { print $4 }')
    ((free >= NEEDED_MB)) || [[ -n $kept ]] ||
        die prefix "$prefix has $free MB free, and $NEEDED_MB are needed; make room, or choose another --prefix"
}

already_there() {
    local folder
    folder=$(in_service)
    [[ -n $folder && -f $folder/source ]] || return 1
    [[ -z $runtime || $(named "$runtime") == "$(<"$folder/source")" ]] || return 1
    if ! works "$folder"; then
        warn "the runtime in $prefix does not work any more; it is brought again"
        return 1
    fi
}

named() { # FILE|URL: its name, for a file with its sum, so that another file of that name is seen
    if [[ -f $1 ]]; then echo "$1 $(sum_of "$1")"; else echo "$1"; fi
}

# ---- what comes over the wire

fetch() { # FILE|URL: REPLY, the file
    local url=$1 name file
    REPLY=$url
    if [[ $url != *://* ]]; then
        [[ -s $url ]] || warn "download: $url: no such file, or it is empty"
        [[ -s $url ]]
        return
    fi
    name=${url%%\?*}
    name=${name##*/}
    file=$prefix/downloads/${name//%2B/+}
    mkdir -p "$prefix/downloads"
    if [[ ! -s $file || $(sum_of "$file") != "$(known_sum "$url")" ]]; then
        say "downloads $url"
        if ! download "$url" "$file.part"; then
            warn "download: $url: ${REPLY##*$'\n'}"
            rm -f "$file.part"
            return 1
        fi
        believe "$url" "$file.part"
        mv "$file.part" "$file"
    fi
    REPLY=$file
}

download() { # URL FILE: REPLY, why not
    if command -v curl >/dev/null; then
        REPLY=$(curl --fail --location --silent --show-error --retry 3 --connect-timeout 20 \
            --speed-limit 1000 --speed-time 60 --output "$2" -- "$1" 2>&1) || return 1
    elif command -v wget >/dev/null; then
        REPLY=$(wget --no-verbose --tries=3 --timeout=60 --output-document="$2" -- "$1" 2>&1) || return 1
    else
        die download "neither curl nor wget is here: sudo apt-get install curl"
    fi
    REPLY="is empty"
    [[ -s $2 ]]
}

believe() { # URL FILE: ends the run where the file is not the one that this URL gave before
    local sum known
    sum=$(sum_of "$2")
    known=$(known_sum "$1")
    if [[ -n $known && $known != "$sum" ]] && ! $accept_new; then
        rm -f "$2"
        die checksum "$1 is not what it was: sha256 $sum, known is $known; if you trust it, run again with --accept-new"
    fi
    if [[ $known != "$sum" ]]; then
        { awk -v url="$1" '$2 != url' "$prefix/checksums.txt" 2>/dev/null || true; } >"$prefix/checksums.new"
        echo "$sum $1" >>"$prefix/checksums.new"
        mv "$prefix/checksums.new" "$prefix/checksums.txt"
    fi
}

known_sum() { # URL: what it gave the first time, else what its publisher says
    local sum
    sum=$(awk -v url="$1" '$2 == url { print $1 }' "$prefix/checksums.txt" 2>/dev/null || true)
    echo "${sum:-$(awk -v name="${1##*/}" '$2 == name { print $1 }' <<<"$PUBLISHED")}"
}

sum_of() { sha256sum -- "$1" | awk '{ sub(/^\\/, "", $1); print $1 }'; }

# ---- an interpreter

get_python() { # VERSION… (none: any): REPLY, an interpreter that fits, brought where there is none
    if [[ -n $python ]]; then
        fits "$python" "$@" || die python "$python is no Python ${*:-3} that can make a venv; give another by --python"
        in_home "$REPLY" && ! in_home "$prefix/" &&
            warn "python: $REPLY lies in a home, where a sandboxed service may not look"
    elif ! find_python "${@:-3.9}" && ! bring_python "$@"; then
        die python "no Python ${*:-3.9} here${passed:+ but $passed, in a home, where a sandboxed service may not look}, and none could be brought; give one by --python FILE, or the URL of a standalone one by HEADCOUNT_NCS_CPYTHON"
    fi
    say "builds on $REPLY"
}

find_python() { # VERSION…: REPLY, one on PATH or pyenv's, out of homes unless the prefix is in one
    local version place
    passed=''
    for version; do
        while IFS= read -r place; do
            fits "$place" "$version" || continue
            if ! in_home "$REPLY" || in_home "$prefix/"; then return 0; fi
            passed=$REPLY
        done < <(
            type -aP "python$version"
            ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python 2>/dev/null
        )
    done
    return 1
}

fits() { # FILE VERSION… (none: any): REPLY, its true name, where it can make a venv
    local found
    found=$("$1" -I -c 'import ensurepip, sys, venv; print("%d.%d" % sys.version_info[:2], sys.executable)' 2>/dev/null) || return 1
    REPLY=${found#* }
    (($# == 1)) || [[ " ${*:2} " == *" ${found%% *} "* ]]
}

in_home() {
    case $(realpath -m "$1") in /root/* | /home/*) ;; *) return 1 ;; esac
}

bring_python() { # VERSION…: REPLY, the standalone CPython below the prefix
    if ! fits "$prefix/python/bin/python3" "$@"; then
        [[ -n $cpython ]] && fetch "$cpython" || return 1
        mkdir -p "$prefix/python.new"
        unpack "$REPLY" "$prefix/python.new" || return 1
        if ! fits "$prefix/python.new/bin/python3" "$@"; then
            warn "python: $cpython holds no Python ${*:-3} for this machine"
            return 1
        fi
        rm -rf "$prefix/python"
        mv "$prefix/python.new" "$prefix/python"
        fits "$prefix/python/bin/python3" "$@"
    fi
}

unpack() { # FILE FOLDER: an archive's content, less its outermost folder
    local reason
    if ! reason=$(tar -xzf "$1" --strip-components=1 --no-same-owner -C "$2" 2>&1); then
        warn "unpack: $1: ${reason%%$'\n'*}"
        discard "$1"
    fi
}

discard() { # FILE: a download that is no good must not be found by the next run; always 1
    [[ $1 != "$prefix"/downloads/* ]] || rm -f "$1"
    return 1
}

# ---- a runtime

bring_runtime() { # by the first way that leads to one
    local kind source
    next=''
    trap '[[ -z $next ]] || rm -rf "$next"' EXIT
    while IFS=' ' read -r -u 3 kind source; do
        say "tries the $kind $source"
        next=$(mktemp -d "$prefix/runtime-XXXXXX")
        chmod 755 "$next"
        if "from_$kind" "$source" && works "$next"; then
            put_in_service "$source"
            return
        fi
        rm -rf "$next"
        next=''
    done 3< <(ways)
    die runtime "no way led to an OpenVINO with MYRIAD, as told above; fetch a wheel or an archive elsewhere and give it by --runtime FILE"
}

from_wheel() { # FILE|URL
    local versions
    fetch "$1" || return 1
    # openvino-2022.3.1-1-cp39-cp39-linux_aarch64.whl; py3 fits any Python
    versions=$(sed -nE 's/.*-cp3([0-9]+)-[^-]+-[^-]+\.whl$/3.\1/p' <<<"$REPLY")
    install_wheel "$REPLY" "$versions"
}

from_index() { # REQUIREMENT
    local name=${1//[^A-Za-z0-9.]/-} files
    make_venv 3.9
    mkdir -p "$prefix/downloads/$name"
    pip download --no-deps --only-binary=:all: --dest "$prefix/downloads/$name" "$1" || return 1
    files=("$prefix/downloads/$name"/*.whl)
    believe "index:$1" "${files[0]}"
    install_wheel "${files[0]}" 3.9
}

install_wheel() { # FILE VERSION
    local name=${1##*/}
    name=${name#*-}
    make_venv ${2:+"$2"}
    pip install --no-deps "$1" || discard "$1" || return 1
    pip install --only-binary=:all: "$(numpy_for "${name%%-*}")" || return 1
    write_starter ''
}

from_archive() { # FILE|URL: used where it is unpacked; its bindings say which Pythons they are for
    local version versions
    fetch "$1" || return 1
    mkdir "$next/openvino"
    unpack "$REPLY" "$next/openvino" || return 1
    has_files "$next" || return 1
    versions=("$next"/openvino/python/python3.*)
    if [[ ! -d ${versions[0]} ]]; then
        warn "archive: $1 holds no Python bindings"
        return 1
    fi
    make_venv "${versions[@]##*/python}"
    version=$("$next/venv/bin/python" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    pip install --only-binary=:all: "$(numpy_for 2022)" || return 1
    echo "$next/openvino/python/python$version" >"$next/venv/lib/python$version/site-packages/openvino.pth"
    write_starter "$(find "$next/openvino/runtime" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)"
}

make_venv() { # VERSION… (none: any)
    local reason
    [[ ! -x $next/venv/bin/python ]] || return 0
    get_python "$@"
    reason=$("$REPLY" -I -m venv "$next/venv" 2>&1) || die venv "$REPLY cannot make one: ${reason##*$'\n'}"
}

pip() { # the venv's own, with its last word where it fails
    local log
    log=$("$next/venv/bin/python" -I -m pip --disable-pip-version-check --no-cache-dir --no-input "$@" 2>&1) && return
    log=$(grep -E '^ERROR' <<<"$log" | tail -n 1) || true
    warn "pip $1: ${log:-failed without a word}"
    return 1
}

numpy_for() { # the newest NumPy that the runtimes of a year were made for, as their wheels demand it
    case $1 in
    2021.*) echo 'numpy==1.19.5' ;; # numpy<1.20
    *) echo 'numpy==1.23.5' ;;      # numpy<1.25; 1.24 dropped names that the old bindings use
    esac
}

write_starter() { # LIBRARIES: what bin/python leads to
    {
        echo '#!/bin/sh'
        echo '# The Python of the stick: written by install-ncs.sh'
        echo 'unset PYTHONHOME PYTHONPATH'
        [[ -z $1 ]] || echo "export LD_LIBRARY_PATH='$1'"
        echo "exec '$next/venv/bin/python' \"\$@\""
    } >"$next/python"
    chmod 755 "$next/python"
}

put_in_service() { # SOURCE
    named "$1" >"$next/source"
    mkdir -p "$prefix/bin"
    ln -sfn "../${next##*/}/python" "$prefix/bin/python.new"
    mv -T "$prefix/bin/python.new" "$prefix/bin/python"
    local old kept=$next
    next=''
    for old in "$prefix"/runtime-*; do
        [[ $old == "$kept" ]] || rm -rf "$old"
    done
    rm -rf "$prefix/downloads"
    say "$prefix/bin/python: its OpenVINO knows MYRIAD ($1)"
}

# ---- checks

works() { has_files "$1" && has_libraries "$1" && answers "$1"; } # FOLDER of a runtime

has_files() { # FOLDER: whether the plugin and the stick's firmware are in it
    local plugin firmware
    plugin=$(plugin_in "$1")
    firmware=$(find "$1" -name usb-ma2x8x.mvcmd -print -quit)
    if [[ -z $plugin ]]; then
        warn "plugin: this runtime has no MYRIAD plugin (libopenvino_intel_myriad_plugin.so or libmyriadPlugin.so)"
        return 1
    elif [[ -z $firmware ]]; then
        warn "firmware: this runtime has no firmware for the stick (usb-ma2x8x.mvcmd)"
        return 1
    fi
}

plugin_in() { find "$1" \( -name libopenvino_intel_myriad_plugin.so -o -name libmyriadPlugin.so \) -print -quit; }

has_libraries() { # FOLDER: whether all that the plugin links is here
    local missing
    missing=$(LD_LIBRARY_PATH=$(sed -n "s/^export LD_LIBRARY_PATH='\(.*\)'$/\1/p" "$1/python") \
        ldd "$(plugin_in "$1")" 2>/dev/null | awk '/not found/ { print $1 }' | sort -u | paste -sd' ') || true
    [[ $missing != *libusb-1.0* ]] ||
        die libraries "libusb-1.0.so.0 is missing, which MYRIAD links: sudo apt-get install libusb-1.0-0, then run again"
    if [[ -n $missing ]]; then
        warn "libraries: the MYRIAD plugin wants $missing, not here"
        return 1
    fi
}

answers() { # FOLDER: whether its interpreter loads MYRIAD; stick is then `seen` or `unseen`
    local said
    if ! said=$(timeout 60 "$1/python" -I -c "$QUESTION" 2>&1); then
        said=${said##*$'\n'}
        warn "MYRIAD: the runtime cannot load it: ${said:-no answer within 60 s}"
        return 1
    fi
    stick=${said##*$'\n'}
}

# ---- udev and the stick

install_rule() {
    if cmp -s "$HERE/udev/$RULE" "$rules/$RULE"; then
        say "$rules/$RULE: already there"
        return
    fi
    install -D -m 644 "$HERE/udev/$RULE" "$rules/$RULE" || die rule "$rules/$RULE cannot be written; run with sudo"
    say "$rules/$RULE: installed"
    reload_rules
}

reload_rules() {
    command -v udevadm >/dev/null || return 0
    { udevadm control --reload-rules && udevadm trigger --subsystem-match=usb --attr-match=idVendor=03e7; } 2>/dev/null ||
        say "udev could not be told of the rule; it holds from the next start on"
}

tell_stick() {
    if [[ $stick == seen ]]; then
        say "a stick is plugged in, and MYRIAD sees it"
    elif grep -qsx 03e7 "${HEADCOUNT_NCS_USB:-/sys/bus/usb/devices}"/*/idVendor; then
        say "a stick is plugged in, but MYRIAD does not see it: take it out and put it in again, then try headcount doctor"
    else
        say "no stick is plugged in; all else is there"
    fi
}

remove_all() {
    if [[ -e $prefix && ! -f $prefix/README ]]; then
        die uninstall "$prefix is not from this script; nothing was removed"
    fi
    local path
    for path in "$prefix" "$rules/$RULE"; do
        if [[ ! -e $path ]]; then
            say "$path: not there"
        elif $dry_run; then
            say "would remove $path"
        else
            rm -rf "$path" || die uninstall "$path cannot be removed; run with sudo"
            say "$path: removed"
        fi
    done
    $dry_run || reload_rules
}

if [[ ${BASH_SOURCE[0]:-$0} == "$0" ]]; then
    main "$@"
    exit # bash reads as it goes, and this file may be another by now
fi
