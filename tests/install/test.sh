#!/bin/sh
# Tests install.sh against a release server on loopback, in every POSIX shell that is installed
# (dash, busybox, bash) and with every downloader (curl, GNU wget, busybox wget).
#
# Usage: tests/install/test.sh            needs python3; no network, no cargo
# The command in the tested releases is a script; the installer does not care.

set -eu
cd "$(dirname -- "$0")/../.."
root=$PWD
work=$(mktemp -d)
server=
clean_up() {
    [ -z "$server" ] || kill "$server"
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# --- the releases

triple=$(uname -m | sed 's/^amd64$/x86_64/; s/^arm64$/aarch64/')
case $(uname -s) in
    Darwin) triple=$triple-apple-darwin ;;
    *) triple=$triple-unknown-linux-musl ;;
esac

# make_release NAME VERSION: the release with this version below NAME, and as the latest of NAME. Sets $at to its
# folder, and $archive to the name of its archive.
make_release() {
    name=mcp-tether-$2-$triple
    archive=$name.tar.gz
    at=$work/www/$1/download/v$2
    mkdir -p "$at" "$work/www/$1/latest/download" "$work/build/$name"
    cat >"$work/build/$name/mcp-tether" <<COMMAND
#!/bin/sh
case \$1 in
    --version) echo mcp-tether $2 ;;
    completions) echo "completions for \$2" ;;
    man)
        echo page >"\$3/mcp-tether.1"
        echo page >"\$3/mcp-tether-call.1" ;;
esac
COMMAND
    chmod 644 "$work/build/$name/mcp-tether"
    # Bulk that does not compress, so that half of the archive is far from the whole.
    head -c 200000 /dev/urandom >"$work/build/$name/README.md"
    pack_release "$1"
}

# pack_release NAME [SEPARATOR]: packs $name anew; SEPARATOR stands between sum and name.
pack_release() {
    tar -czf "$at/$archive" -C "$work/build" "$name"
    (cd "$at" && python3 -c '
import hashlib, sys
print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest() + sys.argv[2] + sys.argv[1])
' "$archive" "${2:-  }" >SHA256SUMS)
    cp "$at/SHA256SUMS" "$work/www/$1/latest/download/"
}

# change_sums NAME COMMAND...: COMMAND filters the sums.
change_sums() {
    of=$1
    shift
    "$@" <"$at/SHA256SUMS" >"$work/sums"
    cp "$work/sums" "$at/SHA256SUMS"
    mv "$work/sums" "$work/www/$of/latest/download/SHA256SUMS"
}

make_release good 1.0.0
make_release good 2.0.0
make_release cut 2.0.0
make_release changed 2.0.0
printf x >>"$at/$archive"
make_release unlisted 2.0.0
change_sums unlisted sed "s/$name/other/"
make_release elsewhere 2.0.0
change_sums elsewhere sed "s/$triple/sparc-unknown-plan9/"
make_release glibc 2.0.0
case $triple in
    *-musl)
        mv "$at/$archive" "$at/${archive%musl.tar.gz}gnu.tar.gz"
        mv "$work/build/$name" "$work/build/${name%musl}gnu"
        name=${name%musl}gnu
        archive=$name.tar.gz
        pack_release glibc ;;
esac
make_release twice 2.0.0
change_sums twice sed p
make_release short-sum 2.0.0
change_sums short-sum sed 's/^.//'
make_release no-sums 2.0.0
rm "$at/SHA256SUMS" "$work/www/no-sums/latest/download/SHA256SUMS"
make_release no-archive 2.0.0
rm "$at/$archive"
make_release broken 2.0.0
printf '#!/bin/sh\nexit 3\n' >"$work/build/$name/mcp-tether"
pack_release broken ' *'

# Releases with signatures, if they can be made here: good ones, and one by somebody else.
sign() {
    ssh-keygen -q -Y sign -f "$work/$2" -n "${3:-mcp-tether-release}" "$at/SHA256SUMS" 2>"$work/out"
    cp "$at/SHA256SUMS.sig" "$work/www/$1/latest/download/"
}
signatures=no
if command -v ssh-keygen >/dev/null; then
    signatures=yes
    for key in owner other; do
        ssh-keygen -q -t ed25519 -N '' -C "$key@example.invalid" -f "$work/$key"
    done
    printf 'mcp-tether namespaces="mcp-tether-release" %s\n' "$(cat "$work/owner.pub")" >"$work/signers"
    make_release signed 2.0.0
    sign signed owner
    make_release forged 2.0.0
    sign forged other
    make_release other-purpose 2.0.0
    sign other-purpose owner git
    make_release signed-before 2.0.0
    sign signed-before owner
    printf '\n' >>"$at/SHA256SUMS"
    cp "$at/SHA256SUMS" "$work/www/signed-before/latest/download/"
    # ssh-keygen repeats the name of the hash algorithm, which says here what an old ssh-keygen says of -Y.
    make_release crafted 2.0.0
    python3 -c '
import base64, struct
def string(of):
    return struct.pack(">I", len(of)) + of
key = string(b"ssh-ed25519") + string(bytes(32))
signature = string(b"ssh-ed25519") + string(bytes(64))
blob = b"SSHSIG" + struct.pack(">I", 1) + string(key) + string(b"mcp-tether-release") + string(b"")
blob += string(b"usage: unknown option, illegal option") + string(signature)
print("-----BEGIN SSH SIGNATURE-----", base64.encodebytes(blob).decode().strip(), "-----END SSH SIGNATURE-----", sep="\n")
' >"$at/SHA256SUMS.sig"
    cp "$at/SHA256SUMS.sig" "$work/www/crafted/latest/download/"
fi

mkfifo "$work/port"
: >"$work/requests"
python3 tests/install/server.py "$work/www" "$work/requests" >"$work/port" &
server=$!
read -r port <"$work/port"
address=http://127.0.0.1:$port

# --- the surroundings of one run

# The installer, away from the checkout; and as it is released, with one of the releases as its own.
mkdir "$work/alone" "$work/released"
cp install.sh "$work/alone/"
sed -e "s|^repository=\$|repository='$address'|" -e "s|^release=\$|release='2.0.0'|" install.sh >"$work/released/install.sh"
installer=

# make_tools DIR TOOL...: a directory for PATH that has these tools, and no others.
make_tools() {
    tools=$work/tools/$1
    shift
    mkdir -p "$tools"
    for tool in awk cat chmod cp dirname grep gzip head mkdir mktemp mv rm sed sh tail tar uname wc "$@"; do
        path=$(command -v "$tool") || return 1
        ln -sf "$path" "$tools/$tool"
    done
}

failures=0
cases=0
# check DESCRIPTION COMMAND...
check() {
    description=$1
    shift
    cases=$((cases + 1))
    if ! "$@"; then
        failures=$((failures + 1))
        printf 'FAILED (%s): %s\n' "$surroundings" "$description"
        sed 's/^/    /' "$work/out"
    fi
}

# run STATUS ARGUMENT...: runs $installer in a fresh home, outside of a checkout; checks its exit status.
run() {
    rm -rf "${work:?}/home"
    mkdir "$work/home"
    run_again "$@"
}

run_again() {
    expected=$1
    shift
    start "$@"
    check "exit status of install.sh $*: $status instead of $expected" [ "$status" -eq "$expected" ]
    check "no temporary files are left" [ -z "$(ls -A "$work/tmp")" ]
    check "no staged files are left" [ -z "$(find "$work/home" -name '.mcp-tether.*')" ]
}

# start ARGUMENT...: runs $installer, and sets $status.
start() {
    status=0
    # $shell is two words for busybox.
    # shellcheck disable=SC2086
    (cd "$work/alone" && env -i HOME="$work/home" PATH="$tools" SHELL="${user_shell:-/bin/sh}" TMPDIR="$work/tmp" \
        LC_ALL="${locale:-C}" $shell "${installer:-$work/alone/install.sh}" "$@") >"$work/out" 2>&1 </dev/null || status=$?
}

said() {
    check "it says: $1" grep -qF -- "$1" "$work/out"
}

bin=$work/home/.local/bin/mcp-tether
installed() {
    check "$1 is in $bin" [ "$("$bin" --version 2>&1)" = "mcp-tether $1" ]
}
not_installed() {
    check "nothing is installed" [ ! -e "$bin" ]
}

# --- the tests

test_downloads() {
    run 0 --base "$address/good"
    installed 2.0.0
    said "Installed mcp-tether 2.0.0: $bin"
    said "PATH=\"$work/home/.local/bin:\$PATH\""

    run_again 0 --base "$address/good/" --version 1.0.0
    installed 1.0.0

    for bad in changed cut unlisted elsewhere twice short-sum no-sums no-archive broken absent; do
        run 1 --base "$address/$bad"
        not_installed
        check "$bad: the reason is given" grep -q '^install.sh: ' "$work/out"
        check "$bad: no PATH line" [ ! -e "$work/home/.profile" ]
    done
    run 1 --base "$address/changed"
    said "nothing was installed"

    # A release that has a program for glibc alone.
    run 0 --base "$address/glibc"
    installed 2.0.0

    # An older command stays as it was.
    run 0 --base "$address/good" --version v1.0.0
    run_again 1 --base "$address/changed"
    installed 1.0.0
    run_again 1 --base "$address/broken"
    installed 1.0.0
}

test_options() {
    run 1
    not_installed
    said "MCP_TETHER_DOWNLOAD_BASE"
    said "inside a checkout"
    run 0 --help
    said "Usage:"
    run 2 --frobnicate
    run 2 --bin-dir
    run 2 --base "$address/good" --version '../1'
    for base in http://example.invalid/x "http://127.0.0.1@example.invalid/" ftp://127.0.0.1/ \
        http://127.0.0.1.example.invalid/; do
        run 1 --base "$base"
        said "must be https"
    done

    for option in --to --bin-dir; do
        run 0 --base "$address/good" "$option" "$work/home/my tools"
        check "$option is obeyed" [ -x "$work/home/my tools/mcp-tether" ]
        run_again 0 "$option" "$work/home/my tools" --uninstall
        check "--uninstall removes it" [ ! -e "$work/home/my tools/mcp-tether" ]
    done

    # From a folder, whichever release it is.
    run 0 --from "$work/www/good/download/v1.0.0"
    installed 1.0.0
    run_again 0 --from ../www/good/download/v2.0.0 --version 2.0.0
    installed 2.0.0
    run 1 --from "$work/www/good/download/v1.0.0" --version 2.0.0
    said "this is release 1.0.0, not 2.0.0"
    not_installed
    run 1 --from "$work/www/changed/download/v2.0.0"
    said "nothing was installed"
    not_installed
    run 1 --from "$work/absent"
    said "cannot get $work/absent/SHA256SUMS"
    not_installed
}

test_extras() {
    share=$work/home/.local/share
    run 0 --base "$address/good" --extras
    for file in man/man1/mcp-tether.1 man/man1/mcp-tether-call.1 bash-completion/completions/mcp-tether \
        fish/vendor_completions.d/mcp-tether.fish zsh/site-functions/_mcp-tether; do
        check "$file is installed" [ -s "$share/$file" ]
    done
    : >"$share/man/man1/other.1"
    run_again 0 --uninstall
    check "--uninstall leaves what is not ours, and nothing else" [ "$(find "$share" -type f)" = "$share/man/man1/other.1" ]
    run 0 --base "$address/good"
    check "without --extras there are none" [ ! -e "$share" ]
}

test_signatures() {
    run 0 --base "$address/good"
    said "Signature NOT CHECKED: this script does not know who signs"
    run 1 --base "$address/good" --require-signature
    said "the signature cannot be checked"
    not_installed
    [ "$signatures" = yes ] || return 0
    ln -sf "$(command -v ssh-keygen)" "$tools/ssh-keygen"
    run 0 --base "$address/signed" --signers "$work/signers" --require-signature
    said "The signature is good."
    installed 2.0.0
    for bad in good forged other-purpose signed-before crafted; do
        run 1 --base "$address/$bad" --signers "$work/signers"
        said "nothing was installed"
        not_installed
    done
    run 0 --base "$address/forged" --signers "$work/signers" --no-signature
    installed 2.0.0
    run 1 --base "$address/signed" --signers "$work/absent"
    not_installed
    run 0 --from "$work/www/signed/download/v2.0.0" --signers "$work/signers" --require-signature
    said "The signature is good."

    # As released, with the signers in it.
    mkdir -p "$work/released-signed"
    sed "s|^signers=\$|signers='$(cat "$work/signers")'|" install.sh >"$work/released-signed/install.sh"
    installer=$work/released-signed/install.sh
    run 0 --base "$address/signed"
    said "The signature is good."
    run 1 --base "$address/good"
    said "this release has no signature"
    not_installed
    rm "$tools/ssh-keygen"
    run 0 --base "$address/signed"
    said "Signature NOT CHECKED: ssh-keygen is not installed"
    run 1 --base "$address/signed" --require-signature
    not_installed
    # One that is too old to know -Y.
    printf '#!/bin/sh\necho "unknown option -- Y" >&2\nexit 1\n' >"$tools/ssh-keygen"
    chmod +x "$tools/ssh-keygen"
    run 0 --base "$address/signed"
    said "NOT CHECKED: this ssh-keygen is older"
    rm "$tools/ssh-keygen"
    installer=
}

test_path() {
    run 0 --base "$address/good" --no-modify-path
    check "--no-modify-path is obeyed" [ ! -e "$work/home/.profile" ]
    said "add this line"

    for pair in sh:.profile bash:.bashrc zsh:.zshenv fish:.config/fish/conf.d/mcp-tether.fish; do
        user_shell=/bin/${pair%%:*}
        file=$work/home/${pair#*:}
        [ "$(uname -s)/$user_shell" != Darwin//bin/bash ] || file=$work/home/.bash_profile
        run 0 --base "$address/good"
        run_again 0 --base "$address/good"
        check "$user_shell: one line in $file" [ "$(grep -cF '.local/bin' "$file")" -eq 1 ]
    done
    user_shell=

    rm -rf "${work:?}/home"
    mkdir "$work/home"
    printf 'first\n' >"$work/home/.profile"
    printf 'first\n' >"$work/expected"
    run_again 0 --base "$address/good"
    printf 'last\n' >>"$work/home/.profile"
    printf 'last\n' >>"$work/expected"
    # shellcheck disable=SC2016 # The inner shell expands it.
    check "the line works" [ "$(env -i HOME="$work/home" PATH="$tools" sh -c \
        'first() { :; }; last() { :; }; . "$HOME/.profile"; command -v mcp-tether')" = "$bin" ]
    run_again 0 --uninstall
    not_installed
    said "Removed $bin"
    check "--uninstall leaves the rest of .profile" cmp -s "$work/home/.profile" "$work/expected"
    run_again 0 --uninstall
    said "is not installed"

    # A last line without its end, and text that is not of the user's encoding.
    rm -rf "${work:?}/home"
    mkdir "$work/home"
    printf 'if :; then :; fi # caf\351' >"$work/home/.profile"
    printf 'if :; then :; fi # caf\351\n' >"$work/expected"
    run_again 0 --base "$address/good"
    # shellcheck disable=SC2016 # The inner shell expands it.
    check "the line works after one without its end" [ "$(env -i HOME="$work/home" PATH="$tools" sh -c \
        '. "$HOME/.profile"; command -v mcp-tether')" = "$bin" ]
    locale=C.UTF-8
    run_again 0 --uninstall
    locale=
    check "--uninstall leaves the line without its end" cmp -s "$work/home/.profile" "$work/expected"

    test_path_unwritten
}

# A grep that fails when the disk is full, one that does not notice, and a start file that cannot be written.
test_path_unwritten() {
    grep=$(command -v grep)
    for status_of_grep in 2 0; do
        rm -rf "${work:?}/home"
        mkdir "$work/home"
        printf 'first\nsecond\n' >"$work/home/.profile"
        run_again 0 --base "$address/good"
        cp "$work/home/.profile" "$work/expected"
        rm "$tools/grep"
        # shellcheck disable=SC2016 # The script expands it.
        printf '#!/bin/sh\ncase $1 in -v*) echo first; exit %s ;; esac\nexec "%s" "$@"\n' "$status_of_grep" "$grep" \
            >"$tools/grep"
        chmod +x "$tools/grep"
        run_again 1 --uninstall
        case $status_of_grep in
            2) said "or write to $work/tmp/" ;;
            0) said "cannot take the PATH line out of $work/home/.profile, which was not changed" ;;
        esac
        check "grep exits with $status_of_grep: .profile is as it was" cmp -s "$work/home/.profile" "$work/expected"
        ln -sf "$grep" "$tools/grep"
    done

    printf 'first\nsecond\n' >"$work/expected"
    cat=$(readlink "$tools/cat")
    rm "$tools/cat"
    printf '#!/bin/sh\nexit 1\n' >"$tools/cat"
    chmod +x "$tools/cat"
    start --uninstall
    ln -sf "$cat" "$tools/cat"
    check "a start file that cannot be written is a failure" [ "$status" -eq 1 ]
    said "what it should hold is in"
    check "what it should hold is kept" cmp -s "$work"/tmp/*/start-file "$work/expected"
    rm -rf "${work:?}"/tmp/*
}

test_cut_script() {
    size=$(wc -c <install.sh)
    : >"$work/requests"
    rm -rf "${work:?}/home"
    mkdir "$work/home"
    cut=100
    # Up to the call of main in the last line.
    while [ "$cut" -lt $((size - 11)) ]; do
        # shellcheck disable=SC2086
        head -c "$cut" install.sh | env -i HOME="$work/home" PATH="$tools" MCP_TETHER_DOWNLOAD_BASE="$address/good" \
            $shell >"$work/out" 2>&1 || true
        cut=$((cut + 397))
    done
    check "a cut script does nothing" [ -z "$(ls -A "$work/home")" ]
    check "a cut script asks for nothing" [ ! -s "$work/requests" ]

    # shellcheck disable=SC2086
    env -i HOME="$work/home" PATH="$tools" TMPDIR="$work/tmp" $shell -s -- --base "$address/good" \
        <install.sh >"$work/out" 2>&1 || true
    installed 2.0.0
}

test_source() {
    in_checkout=$root/install.sh
    printf '#!/bin/sh\nexit 1\n' >"$tools/cargo"
    chmod +x "$tools/cargo"
    installer=$in_checkout
    run 1 --from-source
    said "the build failed"
    # A stand-in for cargo: what it must be asked for, and what it must leave behind.
    cat >"$tools/cargo" <<'CARGO'
#!/bin/sh
case "$*" in
    "install --path "*" --locked --no-track --root "*)
        what=$3
        into=$7 ;;
    "install --git "*" --tag "*" --locked --no-track --root "*" mcp-tether")
        what="$3 $5"
        into=$9 ;;
    *) exit 9 ;;
esac
mkdir -p "$into/bin"
printf '#!/bin/sh\necho mcp-tether built from %s\n' "$what" >"$into/bin/mcp-tether"
chmod +x "$into/bin/mcp-tether"
CARGO
    run 0 --from-source
    installed "built from $root"
    # A checkout is the user's own.
    run 0 --from-source --require-signature
    installed "built from $root"
    run 0
    installed "built from $root"
    run 1 --from-source --version 1.0.0
    said "--version is for releases"
    # A release is taken where one is asked for, and it is built where there is none for this machine.
    run 0 --base "$address/good"
    installed 2.0.0
    run 0 --base "$address/elsewhere"
    said "Building from source, because this release has nothing for $(uname -m)-$(uname -s)."
    installed "built from $root"
    mv "$tools/uname" "$work/uname"
    printf '#!/bin/sh\necho Plan9\n' >"$tools/uname"
    chmod +x "$tools/uname"
    run 0 --base "$address/good"
    said "Building from source, because there is no release for"
    installed "built from $root"

    # Outside of a checkout the repository is built.
    installer=$work/released/install.sh
    run 0
    installed "built from $address v2.0.0"
    run 0 --version 1.0.0
    installed "built from $address v1.0.0"
    run 0 --from-source --version v1.0.0
    installed "built from $address v1.0.0"
    for option in --from-source --extras; do
        run 1 "$option" --require-signature
        said "run install.sh in a checkout of $address that you trust, or without --require-signature"
        not_installed
    done
    installer=
    run 1 --base "$address/good"
    said "there is no release for"
    said "--from-source builds it"
    run 1 --from-source
    said "must be run inside a checkout"
    mv "$work/uname" "$tools/uname"

    rm "$tools/cargo"
    installer=$work/released/install.sh
    run 1 --from-source
    said "cargo is not installed"
    installer=$in_checkout
    run 1
    said "cargo is not installed"
    installer=
}

mkdir "$work/tmp"
for shell in dash 'busybox sh' 'bash --posix'; do
    command -v "${shell%% *}" >/dev/null || continue
    shell="$(command -v "${shell%% *}")${shell#"${shell%% *}"}"
    for downloader in curl wget 'busybox wget'; do
        surroundings="$shell, $downloader"
        case $downloader in
            busybox*)
                make_tools busybox-wget sha256sum busybox || continue
                ln -sf "$(command -v busybox)" "$tools/wget" ;;
            *) make_tools "$downloader" sha256sum "$downloader" || continue ;;
        esac
        printf '%s\n' "$surroundings"
        test_downloads
    done
    surroundings="$shell, no downloader"
    make_tools none sha256sum
    run 1 --base "$address/good"
    said "neither curl nor wget"

    for summer in shasum openssl; do
        surroundings="$shell, $summer"
        make_tools "$summer" curl "$summer" perl || continue
        run 0 --base "$address/good"
        installed 2.0.0
        run 1 --base "$address/changed"
        not_installed
    done
    surroundings="$shell, no checksum tool"
    make_tools no-sum curl
    run 1 --base "$address/good"
    not_installed
    said "cannot be checked"

    surroundings=$shell
    make_tools all sha256sum curl
    test_options
    test_extras
    test_signatures
    test_path
    test_cut_script
    test_source
done

printf '%s checks, %s failed\n' "$cases" "$failures"
[ "$cases" -gt 0 ] && [ "$failures" -eq 0 ]
