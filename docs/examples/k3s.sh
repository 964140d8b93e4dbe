#!/bin/sh
# Prints what k3s and RKE2 apply by themselves from their `server/manifests`: the service account, and the DaemonSet on the
# control-plane nodes. Two variables as with kube-vip's one-liner; further words go to `vipcast manifest daemonset`:
#   vipAddress=10.88.0.40 vipInterface=lo sh k3s.sh --localAS 65000 --bgppeers 10.77.0.1:65001
set -eu
: "${vipAddress:?the virtual IP}" "${vipInterface:?the interface it is bound to, lo for example}"
rbac=$(vipcast manifest rbac)
daemonset=$(vipcast manifest daemonset --inCluster --taint --controlplane --bgp --leaderElection \
    --address "$vipAddress" --interface "$vipInterface" "$@")
printf '%s\n---\n%s\n' "$rbac" "$daemonset"
