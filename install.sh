#!/bin/sh
# Installs mcp-tether for the current user: downloads a release, checks its SHA-256 sum, and puts
# one file into a directory. Nothing runs before the last line, so a cut download does nothing.
#
# Plain POSIX sh; needs curl or wget, tar, and sha256sum, shasum or openssl. See `--help`.

usage() {
    cat <<'USAGE'
Installs the mcp-tether command for the current user.

Usage: install.sh [OPTIONS]

  --base URL         where the releases are; files are taken from URL/latest/download/ or
                     URL/download/TAG/ (or set MCP_TETHER_DOWNLOAD_BASE)
  --version TAG      this release instead of the latest, for example 0.1.0
  --to DIR           install into DIR (default: MCP_TETHER_INSTALL_DIR, else ~/.local/bin)
  --no-modify-path   do not add DIR to PATH in the shell's start file
                     (or set MCP_TETHER_NO_MODIFY_PATH=1)
  --from-source      build with cargo from the checkout this script lies in, or the current
                     directory, instead of downloading
  --uninstall        remove the command from DIR, and the PATH line that was added
  -h, --help         this text

Nothing is installed unless the archive's SHA-256 sum is the one in the release's SHA256SUMS.
USAGE
}

say() {
    printf '%s\n' "$*"
}

fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

usage_error() {
    printf 'install.sh: %s\nTry install.sh --help.\n' "$*" >&2
    exit 2
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# Prints the target triple of this machine. On Linux always musl: that binary runs everywhere.
target() {
    os=$(uname -s)
    cpu=$(uname -m)
    # A shell under Rosetta sees x86_64 on an Apple processor.
    if [ "$os" = Darwin ] && [ "$cpu" = x86_64 ] \
        && [ "$(sysctl -n hw.optional.arm64 2>/dev/null || true)" = 1 ]; then
        cpu=arm64
    fi
    case $cpu in
        x86_64 | amd64) cpu=x86_64 ;;
        aarch64 | arm64) cpu=aarch64 ;;
        *) fail "there is no release for the processor $cpu; use --from-source" ;;
    esac
    case $os in
        Linux) say "$cpu-unknown-linux-musl" ;;
        Darwin) say "$cpu-apple-darwin" ;;
        MINGW* | MSYS* | CYGWIN*)
            fail "on Windows, unpack mcp-tether-$cpu-pc-windows-msvc.zip of a release by hand" ;;
        *) fail "there is no release for $os; use --from-source" ;;
    esac
}

# Succeeds for https, and for http to this machine.
check_base() {
    case $1 in
        https://?*) return 0 ;;
        http://127.0.0.1 | http://localhost | 'http://[::1]') return 0 ;;
        http://127.0.0.1[:/]* | http://localhost[:/]* | 'http://[::1]'[:/]*)
            # user@host would make another host of it
            case ${1#http://} in *@*) return 1 ;; *) return 0 ;; esac ;;
        *) return 1 ;;
    esac
}

# download URL FILE
download() {
    if have curl; then
        case $1 in
            https:*) curl --proto '=https' --tlsv1.2 -fsSL --retry 2 --connect-timeout 30 -o "$2" "$1" ;;
            *) curl --proto '=http,https' -fsSL --connect-timeout 30 -o "$2" "$1" ;;
        esac
    elif have wget; then
        # Busybox's wget knows few options, and its -T crashes in some builds.
        if wget --version 2>/dev/null | grep -q 'GNU Wget'; then
            wget -q -t 3 --waitretry=1 -T 60 -O "$2" "$1"
        else
            wget -q -O "$2" "$1"
        fi
    else
        fail "neither curl nor wget is installed"
    fi || fail "cannot download $1"
}

# Prints the SHA-256 sum of a file.
sum_of() {
    if have sha256sum; then
        sum=$(sha256sum <"$1")
    elif have shasum; then
        sum=$(shasum -a 256 <"$1")
    elif have openssl; then
        sum=$(openssl dgst -sha256 -r <"$1")
    else
        fail "none of sha256sum, shasum and openssl is installed: the download cannot be checked"
    fi || fail "cannot compute the SHA-256 sum of the download"
    say "${sum%% *}"
}

# expected_sum SUMS NAME: prints the sum of NAME, empty when it is not listed exactly once.
expected_sum() {
    awk -v name="$2" '
        { file = $2; sub(/^\*/, "", file) }
        NF == 2 && file == name { found++; sum = $1 }
        END { if (found == 1 && length(sum) == 64 && sum !~ /[^0-9a-f]/) print sum }
    ' "$1"
}

# Downloads, checks and unpacks a release; the command is $tmp/mcp-tether afterwards.
fetch_release() {
    [ -n "$base" ] || fail "no download address is known: give --base URL or set" \
        "MCP_TETHER_DOWNLOAD_BASE, or run --from-source inside a checkout"
    check_base "$base" || fail "the download address must be https:// (http:// only for this machine): $base"
    have tar || fail "tar is not installed"
    triple=$(target)
    name=mcp-tether-$triple
    if [ -n "$version" ]; then
        from=${base%/}/download/v${version#v}
    else
        from=${base%/}/latest/download
    fi
    say "Downloading $from/$name.tar.gz"
    download "$from/SHA256SUMS" "$tmp/SHA256SUMS"
    expected=$(expected_sum "$tmp/SHA256SUMS" "$name.tar.gz")
    [ -n "$expected" ] || fail "SHA256SUMS has no valid sum for $name.tar.gz; nothing was installed"
    download "$from/$name.tar.gz" "$tmp/archive.tar.gz"
    actual=$(sum_of "$tmp/archive.tar.gz")
    [ "$actual" = "$expected" ] || fail "the SHA-256 sum of $name.tar.gz is $actual," \
        "but SHA256SUMS says $expected; nothing was installed"
    mkdir "$tmp/unpacked"
    tar -xzf "$tmp/archive.tar.gz" -C "$tmp/unpacked" || fail "cannot unpack $name.tar.gz"
    [ -f "$tmp/unpacked/$name/mcp-tether" ] || fail "$name.tar.gz does not hold $name/mcp-tether"
    mv "$tmp/unpacked/$name/mcp-tether" "$tmp/mcp-tether"
}

# Builds from the checkout; the command is $tmp/mcp-tether afterwards.
build_from_source() {
    have cargo || fail "cargo is not installed: https://rustup.rs installs it"
    checkout=$(dirname -- "$0")
    is_checkout "$checkout" || checkout=.
    is_checkout "$checkout" || fail "--from-source must be run inside a checkout of mcp-tether"
    cargo install --path "$checkout" --locked --no-track --root "$tmp/built" || fail "the build failed"
    mv "$tmp/built/bin/mcp-tether" "$tmp/mcp-tether"
}

is_checkout() {
    [ -f "$1/Cargo.toml" ] && grep -q '^name = "mcp-tether"$' "$1/Cargo.toml"
}

# Puts $tmp/mcp-tether into $to. The last step is a rename within $to, so that a running or a
# half-written command is never overwritten.
place() {
    mkdir -p "$to" || fail "cannot create $to"
    [ ! -d "$to/mcp-tether" ] || fail "$to/mcp-tether is a directory"
    staged=$to/.mcp-tether.$$
    cp "$tmp/mcp-tether" "$staged" || fail "cannot write to $to"
    chmod 755 "$staged"
    installed=$("$staged" --version) || fail "the new command does not run here; nothing was installed"
    mv -f "$staged" "$to/mcp-tether" || fail "cannot replace $to/mcp-tether"
    staged=
    say "Installed $installed: $to/mcp-tether"
}

# Ends every line that we add to a file of the user, so that --uninstall finds it again.
mark='# added by the installer of mcp-tether'

posix_line() {
    # shellcheck disable=SC2016 # $PATH is for the user's shell.
    printf 'export PATH="%s:$PATH"' "$to"
}

fish_line() {
    printf 'fish_add_path --path "%s"' "$to"
}

# Sets $start_file to the file that the user's shell reads, and $path_line to the line for it.
find_start_file() {
    path_line=$(posix_line)
    case ${SHELL:-} in
        */zsh) start_file=${ZDOTDIR:-$HOME}/.zshenv ;;
        */fish)
            start_file=$fish_file
            path_line=$(fish_line) ;;
        */bash)
            start_file=$HOME/.bashrc
            # A terminal on macOS starts a login shell.
            [ "$(uname -s)" != Darwin ] || start_file=$HOME/.bash_profile ;;
        *) start_file=$HOME/.profile ;;
    esac
}

add_to_path() {
    case :$PATH: in
        *":$to:"*) return 0 ;;
    esac
    find_start_file
    case $to in
        # Characters that mean something between double quotes.
        *[\"\$\`\\]*) modify_path=no ;;
    esac
    if [ "$modify_path" = yes ] && grep -qsF "$path_line $mark" "$start_file"; then
        say "$to is added to PATH in $start_file already; open a new terminal."
    elif [ "$modify_path" = yes ] && mkdir -p "$(dirname -- "$start_file")" \
        && printf '%s %s\n' "$path_line" "$mark" >>"$start_file"; then
        say "Added to $start_file (open a new terminal, or run it in this one):"
        say "  $path_line"
    else
        say "$to is not in PATH. To change that, add this line to $start_file:"
        say "  $path_line"
    fi
    say "MCP clients often do not read that file: give them the full path as the command:"
    say "  $to/mcp-tether"
}

uninstall() {
    removed=no
    if [ -e "$to/mcp-tether" ]; then
        rm -f "$to/mcp-tether" || fail "cannot remove $to/mcp-tether"
        say "Removed $to/mcp-tether"
        removed=yes
    fi
    for file in "$HOME/.profile" "$HOME/.bashrc" "$HOME/.bash_profile" "${ZDOTDIR:-$HOME}/.zshenv" "$fish_file"; do
        if grep -qsxF -e "$(posix_line) $mark" -e "$(fish_line) $mark" "$file"; then
            # grep fails when no other line is left.
            grep -vxF -e "$(posix_line) $mark" -e "$(fish_line) $mark" "$file" >"$tmp/start-file" || true
            if [ "$file" = "$fish_file" ]; then
                rm -f "$file"
            else
                # Written through the file, which keeps its mode, owner and links.
                cat "$tmp/start-file" >"$file"
            fi || fail "cannot change $file"
            say "Removed the PATH line from $file"
            removed=yes
        fi
    done
    [ "$removed" = yes ] || say "mcp-tether is not installed in $to"
}

clean_up() {
    rm -rf "$tmp"
    [ -z "$staged" ] || rm -f "$staged"
}

main() {
    set -eu
    base=${MCP_TETHER_DOWNLOAD_BASE:-}
    version=
    to=${MCP_TETHER_INSTALL_DIR:-}
    modify_path=yes
    [ -z "${MCP_TETHER_NO_MODIFY_PATH:-}" ] || modify_path=no
    action=fetch_release
    while [ $# -gt 0 ]; do
        case $1 in
            --base | --version | --to)
                [ -n "${2:-}" ] || usage_error "$1 needs a value"
                case $1 in
                    --base) base=$2 ;;
                    --version) version=$2 ;;
                    --to) to=$2 ;;
                esac
                shift ;;
            --no-modify-path) modify_path=no ;;
            --from-source) action=build_from_source ;;
            --uninstall) action=uninstall ;;
            -h | --help)
                usage
                return 0 ;;
            *) usage_error "unknown option $1" ;;
        esac
        shift
    done
    case $version in
        *[!0-9A-Za-z.+-]*) usage_error "$version is not a version" ;;
    esac
    [ -n "${HOME:-}" ] || fail "HOME is not set"
    case ${to:=$HOME/.local/bin} in
        /*) ;;
        *) to=$PWD/$to ;;
    esac
    fish_file=${XDG_CONFIG_HOME:-$HOME/.config}/fish/conf.d/mcp-tether.fish

    staged=
    tmp=$(mktemp -d) || fail "cannot create a temporary directory"
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM

    $action
    if [ "$action" != uninstall ]; then
        place
        add_to_path
    fi
}

main "$@"
