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
name=mcp-tether-$triple
archive=$name.tar.gz

# make_release DIR VERSION
make_release() {
    mkdir -p "$work/www/$1" "$work/build/$name"
    printf '#!/bin/sh\necho mcp-tether %s\n' "$2" >"$work/build/$name/mcp-tether"
    chmod 644 "$work/build/$name/mcp-tether"
    # Bulk that does not compress, so that half of the archive is far from the whole.
    head -c 200000 /dev/urandom >"$work/build/$name/README.md"
    tar -czf "$work/www/$1/$archive" -C "$work/build" "$name"
    (cd "$work/www/$1" && python3 -c '
import hashlib, sys
for name in sys.argv[1:]:
    print(hashlib.sha256(open(name, "rb").read()).hexdigest() + "  " + name)
' "$archive" >SHA256SUMS)
}

make_release good/latest/download 2.0.0
make_release good/download/v1.0.0 1.0.0
make_release cut/latest/download 2.0.0
make_release changed/latest/download 2.0.0
printf x >>"$work/www/changed/latest/download/$archive"
make_release unlisted/latest/download 2.0.0
sed "s/$name/other/" "$work/www/unlisted/latest/download/SHA256SUMS" >"$work/sums"
mv "$work/sums" "$work/www/unlisted/latest/download/SHA256SUMS"
make_release twice/latest/download 2.0.0
cat "$work/www/twice/latest/download/SHA256SUMS" "$work/www/good/latest/download/SHA256SUMS" >"$work/sums"
mv "$work/sums" "$work/www/twice/latest/download/SHA256SUMS"
make_release short-sum/latest/download 2.0.0
sed 's/^.//' "$work/www/short-sum/latest/download/SHA256SUMS" >"$work/sums"
mv "$work/sums" "$work/www/short-sum/latest/download/SHA256SUMS"
make_release no-sums/latest/download 2.0.0
rm "$work/www/no-sums/latest/download/SHA256SUMS"
make_release broken/latest/download 2.0.0
printf '#!/bin/sh\nexit 3\n' >"$work/build/$name/mcp-tether"
tar -czf "$work/www/broken/latest/download/$archive" -C "$work/build" "$name"
(cd "$work/www/broken/latest/download" && python3 -c '
import hashlib, sys
print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest() + " *" + sys.argv[1])
' "$archive" >SHA256SUMS)

mkfifo "$work/port"
: >"$work/requests"
python3 tests/install/server.py "$work/www" "$work/requests" >"$work/port" &
server=$!
read -r port <"$work/port"
address=http://127.0.0.1:$port

# --- the surroundings of one run

# make_tools DIR TOOL...: a directory for PATH that has these tools, and no others.
make_tools() {
    tools=$work/tools/$1
    shift
    mkdir -p "$tools"
    for tool in awk cat chmod cp dirname grep gzip head mkdir mktemp mv rm sed sh tar uname "$@"; do
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

# run STATUS ARGUMENT...: runs the installer in a fresh home; checks its exit status.
run() {
    rm -rf "${work:?}/home"
    mkdir "$work/home"
    run_again "$@"
}

run_again() {
    expected=$1
    shift
    status=0
    # $shell is two words for busybox.
    # shellcheck disable=SC2086
    env -i HOME="$work/home" PATH="$tools" SHELL="${user_shell:-/bin/sh}" TMPDIR="$work/tmp" $shell \
        "$root/install.sh" "$@" >"$work/out" 2>&1 </dev/null || status=$?
    check "exit status of install.sh $*: $status instead of $expected" [ "$status" -eq "$expected" ]
    check "no temporary files are left" [ -z "$(ls -A "$work/tmp")" ]
    check "no staged files are left" [ -z "$(find "$work/home" -name '.mcp-tether.*')" ]
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

    for bad in changed cut unlisted twice short-sum no-sums broken absent; do
        run 1 --base "$address/$bad"
        not_installed
        check "$bad: the reason is given" grep -q '^install.sh: ' "$work/out"
        check "$bad: no PATH line" [ ! -e "$work/home/.profile" ]
    done
    run 1 --base "$address/changed"
    said "nothing was installed"

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
    said "--from-source"
    run 0 --help
    said "Usage:"
    run 2 --frobnicate
    run 2 --to
    run 2 --base "$address/good" --version '../1'
    for base in http://example.invalid/x "http://127.0.0.1@example.invalid/" ftp://127.0.0.1/ \
        http://127.0.0.1.example.invalid/; do
        run 1 --base "$base"
        said "must be https"
    done

    run 0 --base "$address/good" --to "$work/home/my tools"
    check "--to is obeyed" [ -x "$work/home/my tools/mcp-tether" ]
    run_again 0 --to "$work/home/my tools" --uninstall
    check "--uninstall removes it" [ ! -e "$work/home/my tools/mcp-tether" ]
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
    mkdir -p "$work/elsewhere"
    cp install.sh "$work/elsewhere/"
    printf '#!/bin/sh\nexit 1\n' >"$tools/cargo"
    chmod +x "$tools/cargo"
    run 1 --from-source
    said "the build failed"
    # A stand-in for cargo: what it must be asked for, and what it must leave behind.
    cat >"$tools/cargo" <<'CARGO'
#!/bin/sh
[ "$1 $2 $4 $5 $6" = "install --path --locked --no-track --root" ] || exit 9
mkdir -p "$7/bin"
printf '#!/bin/sh\necho mcp-tether built in %s\n' "$3" >"$7/bin/mcp-tether"
chmod +x "$7/bin/mcp-tether"
CARGO
    run 0 --from-source
    installed "built in $root"
    rm "$tools/cargo"
    run 1 --from-source
    said "cargo is not installed"
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
    test_path
    test_cut_script
    test_source
done

printf '%s checks, %s failed\n' "$cases" "$failures"
[ "$cases" -gt 0 ] && [ "$failures" -eq 0 ]
