# shellcheck shell=bash
# What the testbed stands on and how it comes about: root, namespaces, Debian packages, the pinned Go programs.
# Read by gobgp-testbed/run, which brings say, die, quiet, $repo, $cargo, $bin and $logs.

readonly RUST_MIN=1.95 GO_MIN=1.26
readonly GOBGP=v4.8.0 KUBERNETES=v1.36.3 CARGO_DENY=0.20.2 CARGO_FUZZ=0.13.2

# Debian package, then a file or command that proves it is there.
readonly PACKAGES="
bird2           /usr/sbin/bird
frr             /usr/lib/frr/bgpd
openbgpd        /usr/sbin/bgpd
exabgp          /usr/sbin/exabgp
etcd-server     etcd
etcd-client     etcdctl
iproute2        ip
iputils-ping    ping
tcpdump         tcpdump
tshark          tshark
nftables        nft
curl            curl
git             git
procps          ps
openssl         openssl
ca-certificates /etc/ssl/certs/ca-certificates.crt
gcc             cc
libc6-dev       /usr/include/unistd.h
"
# The services that packages of the list bring; none of them may run on this machine because of us.
readonly SERVICES="bird2:bird frr:frr openbgpd:openbgpd exabgp:exabgp etcd-server:etcd nftables:nftables keepalived:keepalived"
# Compared with in `bench failover`, and needed by nothing else.
readonly RIVALS="
keepalived      /usr/sbin/keepalived
"

# ---- what must be there --------------------------------------------------------------------------------------------

require_root() {
    [ "$(id -u)" -eq 0 ] || die "root is needed to make network namespaces: run it again with sudo, or as root"
}

require_rust() {
    local have hint="install it from https://rustup.rs (rustup toolchain install stable)"
    have=$("$cargo" --version 2>/dev/null | awk '{ print $2 }') || have=
    [ -n "$have" ] || die "Rust $RUST_MIN or newer is needed, cargo was not found: $hint"
    at_least "$RUST_MIN" "$have" || die "Rust $RUST_MIN or newer is needed, $(type -P cargo) is $have: $hint"
}

require_go() {
    local have hint="install it from https://go.dev/dl"
    have=$(cd / && GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || have=
    [ -n "$have" ] || die "Go $GO_MIN or newer is needed, go was not found: $hint"
    at_least "$GO_MIN" "${have#go}" || die "Go $GO_MIN or newer is needed, $(type -P go) is ${have#go}: $hint"
}

# Tries what the testbed will do: a namespace, a veth pair and a bridge in it.
require_namespaces() {
    local name="vipcast-try-$$" answer able=yes
    answer=$(try_namespace "$name" 2>&1) || able=
    ip netns delete "$name" 2>/dev/null || true
    [ -n "$able" ] || die "network namespaces with veth pairs and bridges are needed, the kernel says: $answer
Run it on the host or in a virtual machine; in a container it takes one started with --privileged."
}

try_namespace() {
    ip netns add "$1" &&
        ip -n "$1" link add name try0 type veth peer name try1 &&
        ip -n "$1" link add name try2 type bridge
}

# install_packages [LIST]: what of it, of PACKAGES where none is given, is missing.
install_packages() {
    local package proof missing=()
    while read -r package proof; do
        [ -z "$package" ] || present "$proof" || missing+=("$package")
    done <<<"${1:-$PACKAGES}"
    [ ${#missing[@]} -gt 0 ] || return 0
    type -P apt-get >/dev/null || die "these Debian packages, or what they hold, are missing: ${missing[*]}"
    [ "$(id -u)" -eq 0 ] || die "root is needed to install these Debian packages: ${missing[*]}"
    quiet "reading Debian's package lists" apt-get update
    forbid_services
    quiet "installing ${missing[*]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${missing[@]}"
    disable_services "${missing[@]}"
}

present() {
    case $1 in
        /*) [ -e "$1" ] ;;
        *) type -P "$1" >/dev/null ;;
    esac
}

# Debian starts a service when its package is installed, unless this file says no. One that is there already stays.
policy=/usr/sbin/policy-rc.d
forbid_services() {
    [ ! -e $policy ] || return 0
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    remove_policy=yes
}

allow_services() {
    [ -z "${remove_policy:-}" ] || rm -f $policy
    remove_policy=
}

disable_services() {
    allow_services
    local entry
    for entry in $SERVICES; do
        [[ " $* " == *" ${entry%%:*} "* ]] || continue
        if [ -d /run/systemd/system ]; then
            systemctl disable --now "${entry#*:}" >>"$logs/services.log" 2>&1 || true
        elif type -P update-rc.d >/dev/null && [ -e "/etc/init.d/${entry#*:}" ]; then
            update-rc.d "${entry#*:}" disable >>"$logs/services.log" 2>&1 || true
        fi
    done
}

# ---- the Go parts: built once, kept in the cache ---------------------------------------------------------------------

build_parts() {
    if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
        [ -x "$KUBEBUILDER_ASSETS/kube-apiserver" ] ||
            die "KUBEBUILDER_ASSETS is set, but $KUBEBUILDER_ASSETS/kube-apiserver is no program: unset it or fill it"
    else
        local version=k8s.io/component-base/version plain=${KUBERNETES#v}
        local major=${plain%%.*} rest=${plain#*.}
        local flags="-s -w -X $version.gitVersion=$KUBERNETES -X $version.gitMajor=$major -X $version.gitMinor=${rest%%.*}"
        go_part kube-apiserver "about 4 minutes" apiserver go.mod -ldflags "$flags"
    fi
    go_tool gobgpd
    go_tool gobgp
}

# Candidates on the real client-go: a current one and an old one.
build_contenders() {
    go_part contend "half a minute" clientgo go.mod -ldflags '-s -w'
    go_part contend-old "half a minute" clientgo old.mod -ldflags '-s -w'
}

# go_part NAME DURATION DIRECTORY MODFILE FLAG..: builds DIRECTORY unless NAME was built from the very same input.
go_part() {
    local name=$1 duration=$2 directory=$repo/gobgp-testbed/$3 modfile=$4
    shift 4
    local stamp
    stamp=$(cd "$directory" && { go env GOVERSION && echo "$@" && sha256sum ./*.go "$modfile" "${modfile%.mod}.sum"; })
    ! up_to_date "$name" "$stamp" || return 0
    quiet "building $name ($duration)" env CGO_ENABLED=0 \
        go build -C "$directory" -modfile="$modfile" -trimpath -buildvcs=false "$@" -o "$bin/$name.new" .
    mv "$bin/$name.new" "$bin/$name"
    echo "$stamp" >"$bin/.$name.stamp"
}

go_tool() {
    local name=$1 stamp
    stamp="$(cd / && go env GOVERSION) $GOBGP"
    ! up_to_date "$name" "$stamp" || return 0
    quiet "building $name $GOBGP (up to a minute)" env -C / CGO_ENABLED=0 GOBIN="$bin" \
        go install -trimpath -buildvcs=false "github.com/osrg/gobgp/v4/cmd/$name@$GOBGP"
    echo "$stamp" >"$bin/.$name.stamp"
}

up_to_date() {
    [ -x "$bin/$1" ] && [ -f "$bin/.$1.stamp" ] && [ "$(<"$bin/.$1.stamp")" = "$2" ]
}
