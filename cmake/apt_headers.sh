#!/bin/sh
# Reads the machine's apt configuration, writes the unpacked libonnxruntime-dev under DIRECTORY/usr.
#
#     apt_headers.sh DIRECTORY
#
# Needs no root: apt keeps its lists and archives under DIRECTORY. Where the machine's own Debian suite has no such
# package, its sources are read once more with the suite replaced by the first that has it; the headers do not depend
# on the suite's libraries, nor on the architecture.
set -eu

directory=$(mkdir -p "$1" && cd "$1" && pwd)
package=libonnxruntime-dev
first_suite=trixie # the first Debian suite with the package

# apt-get with its own lists and cache. Arguments: sources file, sources directory, apt-get's own arguments.
apt_get() {
    list=$1 parts=$2
    shift 2
    apt-get -qq -o Dir::Etc::SourceList="$list" -o Dir::Etc::SourceParts="$parts" \
        -o Dir::State::Lists="$directory/lists" -o Dir::Cache="$directory/cache" \
        -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

# Downloads and unpacks the package from the given sources. A source that fails does not matter as long as another
# has the package, so only the download's exit status counts.
download() {
    apt_get "$1" "$2" update || true
    (cd "$directory" && apt_get "$1" "$2" download "$package") && dpkg-deb -x "$directory/$package"_*.deb "$directory"
}

# Copies the sources of this machine's suite to $1, with the suite replaced: both of deb822 stanzas and of one-line
# entries, those that name the suite itself, not its updates or security archive.
replace_suite() {
    awk -v old="$VERSION_CODENAME" -v new="$first_suite" '
        BEGIN { RS = ""; FS = "\n" }
        {
            stanza = ""
            matches = 0
            for (i = 1; i <= NF; i++) {
                line = $i
                if (line ~ /^Suites:/ && (line " ") ~ ("[ \t]" old "[ \t]")) {
                    matches = 1
                    line = "Suites: " new
                }
                stanza = stanza line "\n"
            }
            if (matches)
                print stanza
        }' $(find "$etc_parts" -name '*.sources') /dev/null >"$1/suite.sources"
    sed -n -E "s/^(deb[ \t]+(\[[^]]*\][ \t]+)?[^ \t]+[ \t]+)$VERSION_CODENAME([ \t].*)/\1$first_suite\3/p" \
        $(find "$etc_list" "$etc_parts" -name '*.list' 2>/dev/null) /dev/null >"$1/suite.list"
}

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null
eval "$(apt-config shell etc_list Dir::Etc::SourceList/f etc_parts Dir::Etc::SourceParts/d)"
mkdir -p "$directory/lists" "$directory/cache/archives/partial" "$directory/sources"

if ! download "$etc_list" "$etc_parts"; then
    . /etc/os-release
    [ "$ID" = debian ]
    replace_suite "$directory/sources"
    download /dev/null "$directory/sources"
fi
rm -rf "$directory/lists" "$directory/cache"
