#!/bin/sh
# Installs mcp-tether for the current user: takes a release, checks its SHA-256 sum and its signature, and
# puts one file into a directory; or builds that file from source. Nothing runs before the last line, so a
# cut download does nothing.
#
# Plain POSIX sh; needs curl or wget, tar, and sha256sum, shasum or openssl. See `--help`.

# Filled in when a release is packed (packaging/pack). Empty in a checkout, which is built from source.
# The address of the repository, whose releases are below /releases.
repository=
# The release that this file belongs to.
release=
# Who signs releases: lines as in ssh's ALLOWED SIGNERS, for `mcp-tether`.
signers=

usage() {
    cat <<'USAGE'
Installs the mcp-tether command for the current user.

Usage: install.sh [OPTIONS]

  --version TAG      this release instead of the latest, for example 0.1.0
  --bin-dir DIR      install into DIR (default: MCP_TETHER_INSTALL_DIR, else ~/.local/bin);
                     --to is the same
  --extras           install manual pages, and completions for bash, zsh and fish, too
  --no-modify-path   do not add DIR to PATH in the shell's start file
                     (or set MCP_TETHER_NO_MODIFY_PATH=1)
  --uninstall        remove the command, what --extras installed, and the PATH line
  -h, --help         this text

Where it comes from:
  --base URL         where the releases are; files are taken from URL/latest/download/ or
                     URL/download/TAG/ (or set MCP_TETHER_DOWNLOAD_BASE)
  --from DIR         a folder with the files of a release, instead of downloading them
  --from-source      build with cargo: the checkout this script lies in, or the current
                     directory, else the tag of the release from the repository

Signatures:
  --signers FILE     whose signature to accept (an ssh allowed-signers file for mcp-tether)
  --require-signature  fail where the signature cannot be checked, instead of saying so; source is
                     then built in a checkout alone: that is yours, and nothing checks it
  --no-signature     do not look at signatures

Nothing is installed unless the archive's SHA-256 sum is the one in the release's SHA256SUMS.
If the signers are known, SHA256SUMS must have their signature; ssh-keygen checks it.
In a checkout, and where there is no release for this machine but cargo, it is built from source.
Nothing needs root, and nothing asks for it.
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

# Sets $triple to the target of this machine, or to nothing and $no_release to the reason. On Linux always
# musl: that binary runs everywhere.
find_target() {
    os=$(uname -s)
    cpu=$(uname -m)
    triple=
    # A shell under Rosetta sees x86_64 on an Apple processor.
    if [ "$os" = Darwin ] && [ "$cpu" = x86_64 ] \
        && [ "$(sysctl -n hw.optional.arm64 2>/dev/null || true)" = 1 ]; then
        cpu=arm64
    fi
    case $cpu in
        x86_64 | amd64) cpu=x86_64 ;;
        aarch64 | arm64) cpu=aarch64 ;;
        *)
            no_release="there is no release for the processor $cpu"
            return 0 ;;
    esac
    case $os in
        Linux) triple=$cpu-unknown-linux-musl ;;
        Darwin) triple=$cpu-apple-darwin ;;
        MINGW* | MSYS* | CYGWIN*)
            fail "on Windows, unpack mcp-tether-VERSION-$cpu-pc-windows-msvc.zip of a release by hand" ;;
        *) no_release="there is no release for $os" ;;
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

# try_download URL FILE: fails when there is no such file, or anything else goes wrong.
try_download() {
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
        fail "neither curl nor wget is installed; --from DIR takes files that are here already"
    fi
}

# get NAME FILE: one file of the release, from where $from says.
get() {
    case $from in
        /*) [ -f "$from/$1" ] && cp "$from/$1" "$2" ;;
        *) try_download "$from/$1" "$2" ;;
    esac
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

# Reads SHA256SUMS: sets $archive to the name of the archive for $triple, $found to its version and $expected to
# its sum; to nothing when it is not listed exactly once.
read_sums() {
    listed=$(awk -v triple="$triple" '
        { file = $2; sub(/^\*/, "", file) }
        NF == 2 && index(file, "mcp-tether-") == 1 {
            end = "-" triple ".tar.gz"
            version = substr(file, 12, length(file) - 11 - length(end))
            if (substr(file, length(file) - length(end) + 1) != end || version == "") next
            found++
            line = (length($1) == 64 && $1 !~ /[^0-9a-f]/ && version !~ /[^0-9A-Za-z.+-]/) \
                ? file " " version " " $1 : ""
        }
        END { if (found == 1) print line; else if (found == 0) print "none" }
    ' "$1")
    case $listed in
        none)
            archive=
            no_release="this release has nothing for $cpu-$os" ;;
        '') fail "SHA256SUMS has no valid sum for $triple; nothing was installed" ;;
        *)
            archive=${listed%% *}
            expected=${listed##* }
            found=${listed#* }
            found=${found%% *} ;;
    esac
}

# Checks the signature of $tmp/SHA256SUMS, or says that it was not checked, and why.
check_signature() {
    [ "$signature" != no ] || return 0
    if [ -n "$signers_file" ]; then
        cp "$signers_file" "$tmp/signers" || fail "cannot read $signers_file"
    elif [ -n "$signers" ]; then
        printf '%s\n' "$signers" >"$tmp/signers"
    else
        not_checked "this script does not know who signs (--signers FILE tells)"
        return 0
    fi
    if ! have ssh-keygen; then
        not_checked "ssh-keygen is not installed"
        return 0
    fi
    # Asked before ssh-keygen sees anything that was downloaded: its words about a signature may come from that.
    case $(ssh-keygen -Y check-novalidate -n x -s /dev/null </dev/null 2>&1 || true) in
        *'unknown option'* | *'illegal option'* | *'usage:'*)
            not_checked "this ssh-keygen is older than OpenSSH 8.2"
            return 0 ;;
    esac
    # Who knows the signers does not take an unsigned release for one of theirs.
    get SHA256SUMS.sig "$tmp/SHA256SUMS.sig" || fail "this release has no signature (SHA256SUMS.sig)," \
        "which it should have; nothing was installed (--no-signature does without)"
    said=$(ssh-keygen -Y verify -f "$tmp/signers" -I mcp-tether -n mcp-tether-release \
        -s "$tmp/SHA256SUMS.sig" <"$tmp/SHA256SUMS" 2>&1) \
        || fail "the signature of SHA256SUMS is not one of the signers': $said; nothing was installed"
    say "The signature is good."
}

not_checked() {
    [ "$signature" != required ] || fail "the signature cannot be checked: $1; nothing was installed"
    say "Signature NOT CHECKED: $1. The SHA-256 sum is checked."
}

# Takes, checks and unpacks a release; the command is $tmp/mcp-tether afterwards, unless there is none for this
# machine: then $no_release says why.
fetch_release() {
    have tar || fail "tar is not installed"
    find_target
    [ -n "$triple" ] || return 0
    if [ -n "$folder" ]; then
        from=$folder
    elif [ -n "$version" ]; then
        from=${base%/}/download/v${version#v}
    else
        from=${base%/}/latest/download
    fi
    say "Looking at $from"
    get SHA256SUMS "$tmp/SHA256SUMS" || fail "cannot get $from/SHA256SUMS"
    check_signature
    read_sums "$tmp/SHA256SUMS"
    if [ -z "$archive" ] && [ "$triple" != "${triple%-musl}" ]; then
        # Somebody's own release may have a program for glibc alone.
        triple=${triple%musl}gnu
        read_sums "$tmp/SHA256SUMS"
    fi
    [ -n "$archive" ] || return 0
    [ -z "$version" ] || [ "$found" = "${version#v}" ] || fail "this is release $found, not ${version#v}"
    # Not from latest/, which may be another release by now.
    [ -n "$folder" ] || from=${base%/}/download/v$found
    say "Taking $from/$archive"
    get "$archive" "$tmp/archive.tar.gz" || fail "cannot get $from/$archive"
    actual=$(sum_of "$tmp/archive.tar.gz")
    [ "$actual" = "$expected" ] || fail "the SHA-256 sum of $archive is $actual," \
        "but SHA256SUMS says $expected; nothing was installed"
    name=${archive%.tar.gz}
    mkdir "$tmp/unpacked"
    tar -xzf "$tmp/archive.tar.gz" -C "$tmp/unpacked" || fail "cannot unpack $archive"
    [ -f "$tmp/unpacked/$name/mcp-tether" ] || fail "$archive does not hold $name/mcp-tether"
    mv "$tmp/unpacked/$name/mcp-tether" "$tmp/mcp-tether"
}

# Builds; the command is $tmp/mcp-tether afterwards.
build_from_source() {
    have cargo || fail "cargo is not installed: https://rustup.rs installs it"
    if find_checkout; then
        [ -z "$version" ] || fail "--version is for releases: check the tag out instead"
        say "Building the checkout in $checkout"
        cargo install --path "$checkout" --locked --no-track --root "$tmp/built" || fail "the build failed"
    elif [ -n "$repository" ]; then
        tag=${version:-$release}
        tag=v${tag#v}
        [ "$signature" != required ] || fail "the source of $tag has no signature that is checked here:" \
            "run install.sh in a checkout of $repository that you trust, or without --require-signature;" \
            "nothing was installed"
        say "Building $tag of $repository"
        cargo install --git "$repository" --tag "$tag" --locked --no-track --root "$tmp/built" mcp-tether \
            || fail "the build failed"
    else
        fail "--from-source must be run inside a checkout of mcp-tether"
    fi
    mv "$tmp/built/bin/mcp-tether" "$tmp/mcp-tether"
}

# Sets $checkout to where this script lies, or to the current directory.
find_checkout() {
    checkout=$(dirname -- "$0")
    is_checkout "$checkout" || checkout=.
    is_checkout "$checkout"
}

is_checkout() {
    [ -f "$1/Cargo.toml" ] && grep -q '^name = "mcp-tether"$' "$1/Cargo.toml"
}

# A release, or else a build from source.
obtain() {
    if [ -n "$folder$base" ]; then
        fetch_release
        if [ -f "$tmp/mcp-tether" ]; then
            return 0
        elif find_checkout || { [ -n "$repository" ] && have cargo; }; then
            say "Building from source, because $no_release."
            build_from_source
        else
            fail "$no_release; with cargo, --from-source builds it in a checkout"
        fi
    elif find_checkout; then
        build_from_source
    else
        fail "no download address is known: give --base URL or set" \
            "MCP_TETHER_DOWNLOAD_BASE, or run it inside a checkout to build from source"
    fi
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

# Manual pages and completions, which the command writes itself, where man and the shells look for a user's.
install_extras() {
    mkdir -p "$data/man/man1" "${bash_completion%/*}" "${fish_completion%/*}" "${zsh_completion%/*}" \
        || fail "cannot create folders in $data"
    "$to/mcp-tether" man --dir "$data/man/man1" >/dev/null || fail "cannot write manual pages into $data/man/man1"
    say "Installed manual pages in $data/man/man1"
    for shell in bash fish zsh; do
        case $shell in
            bash) file=$bash_completion ;;
            fish) file=$fish_completion ;;
            zsh) file=$zsh_completion ;;
        esac
        "$to/mcp-tether" completions "$shell" >"$file" || fail "cannot write $file"
        say "Installed completions for $shell: $file"
    done
    say "zsh looks for them if this stands in front of compinit in .zshrc:"
    say "  fpath+=${zsh_completion%/*}"
}

remove_extras() {
    for file in "$bash_completion" "$fish_completion" "$zsh_completion" "$data/man/man1/mcp-tether.1" \
        "$data"/man/man1/mcp-tether-*.1; do
        [ -f "$file" ] || continue
        rm -f "$file" || fail "cannot remove $file"
        say "Removed $file"
        removed=yes
    done
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
    newline=
    # The last line may lack its end.
    if [ -s "$start_file" ] && [ -n "$(tail -c 1 "$start_file")" ]; then
        newline='
'
    fi
    if [ "$modify_path" = yes ] && LC_ALL=C grep -qsxF -e "$path_line $mark" "$start_file"; then
        say "$to is added to PATH in $start_file already; open a new terminal."
    elif [ "$modify_path" = yes ] && mkdir -p "$(dirname -- "$start_file")" \
        && printf '%s%s %s\n' "$newline" "$path_line" "$mark" >>"$start_file"; then
        say "Added to $start_file (open a new terminal, or run it in this one):"
        say "  $path_line"
    else
        say "$to is not in PATH. To change that, add this line to $start_file:"
        say "  $path_line"
    fi
    say "MCP clients often do not read that file: give them the full path as the command:"
    say "  $to/mcp-tether"
}

# Takes the lines $ours out of a start file, or leaves it as it is.
remove_path_line() {
    status=0
    # Bytes, not characters: grep does not print text of another encoding than the user's.
    LC_ALL=C grep -vxF -e "$ours" "$1" >"$tmp/start-file" || status=$?
    # With 1 no other line is left.
    [ "$status" -le 1 ] || fail "cannot read $1, or write to $tmp; $1 was not changed"
    # There are greps that do not notice a full disk, and that leave out lines which are not text. Nothing may be
    # missing; an end of the last line may have been added.
    left=$(wc -c <"$tmp/start-file")
    taken=$(LC_ALL=C grep -xF -e "$ours" "$1" | wc -c)
    size=$(wc -c <"$1")
    case $((left + taken - size)) in
        0 | 1) ;;
        *) fail "cannot take the PATH line out of $1, which was not changed: remove the line that ends in '$mark'" ;;
    esac
    if [ "$1" = "$fish_file" ] && [ "$status" -eq 1 ]; then
        rm -f "$1" || fail "cannot remove $1"
    else
        # Written through the file, which keeps its mode, owner and links.
        [ -w "$1" ] || fail "cannot write to $1"
        unwritten=$1
        cat "$tmp/start-file" >"$1" || exit 1
        unwritten=
    fi
}

uninstall() {
    removed=no
    if [ -e "$to/mcp-tether" ]; then
        rm -f "$to/mcp-tether" || fail "cannot remove $to/mcp-tether"
        say "Removed $to/mcp-tether"
        removed=yes
    fi
    remove_extras
    ours="$(posix_line) $mark
$(fish_line) $mark"
    for file in "$HOME/.profile" "$HOME/.bashrc" "$HOME/.bash_profile" "${ZDOTDIR:-$HOME}/.zshenv" "$fish_file"; do
        if LC_ALL=C grep -qsxF -e "$ours" "$file"; then
            remove_path_line "$file"
            say "Removed the PATH line from $file"
            removed=yes
        fi
    done
    [ "$removed" = yes ] || say "mcp-tether is not installed in $to"
}

clean_up() {
    if [ -n "$unwritten" ]; then
        printf 'install.sh: cannot write all of %s; what it should hold is in %s\n' "$unwritten" "$tmp/start-file" >&2
    else
        rm -rf "$tmp"
    fi
    [ -z "$staged" ] || rm -f "$staged"
}

# Makes a path absolute.
absolute() {
    case $1 in
        /*) say "$1" ;;
        *) say "$PWD/$1" ;;
    esac
}

main() {
    set -eu
    base=${MCP_TETHER_DOWNLOAD_BASE:-}
    [ -n "$base" ] || [ -z "$repository" ] || base=$repository/releases
    version=
    folder=
    to=${MCP_TETHER_INSTALL_DIR:-}
    modify_path=yes
    [ -z "${MCP_TETHER_NO_MODIFY_PATH:-}" ] || modify_path=no
    extras=no
    signature=yes
    signers_file=
    action=obtain
    while [ $# -gt 0 ]; do
        case $1 in
            --base | --version | --to | --bin-dir | --from | --signers)
                [ -n "${2:-}" ] || usage_error "$1 needs a value"
                case $1 in
                    --base) base=$2 ;;
                    --version) version=$2 ;;
                    --to | --bin-dir) to=$2 ;;
                    --from) folder=$(absolute "$2") ;;
                    --signers) signers_file=$2 ;;
                esac
                shift ;;
            --no-modify-path) modify_path=no ;;
            --extras) extras=yes ;;
            --require-signature) signature=required ;;
            --no-signature) signature=no ;;
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
    [ -z "$base" ] || check_base "$base" \
        || fail "the download address must be https:// (http:// only for this machine): $base"
    [ -n "${HOME:-}" ] || fail "HOME is not set"
    to=$(absolute "${to:-$HOME/.local/bin}")
    data=${XDG_DATA_HOME:-$HOME/.local/share}
    bash_completion=$data/bash-completion/completions/mcp-tether
    fish_completion=$data/fish/vendor_completions.d/mcp-tether.fish
    zsh_completion=$data/zsh/site-functions/_mcp-tether
    fish_file=${XDG_CONFIG_HOME:-$HOME/.config}/fish/conf.d/mcp-tether.fish

    staged=
    # A file of the user that is being written anew from $tmp/start-file.
    unwritten=
    tmp=$(mktemp -d) || fail "cannot create a temporary directory"
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM

    $action
    if [ "$action" != uninstall ]; then
        place
        [ "$extras" = no ] || install_extras
        add_to_path
    fi
}

main "$@"
