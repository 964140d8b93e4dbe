// Contend stands for a Lease with client-go's own leader election, as kube-vip and every Kubernetes controller does, and
// prints what it learns: unix milliseconds, then "started leading", "stopped leading" or "new leader NAME", a line each.
//
// It stands again after a loss. SIGTERM makes it release the lease and exit 0; "stopped leading" then follows the release.
// It is built twice: go.mod pins a current client-go, old.mod (go build -modfile=old.mod) one of 2022 whose candidates wait
// by their own configuration instead of the duration in the record (that came with v0.27).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "path of the kubeconfig (required)")
	server := flag.String("server", "", "API server URL in place of the kubeconfig's")
	identity := flag.String("identity", "", "name to hold the lease under (required)")
	lease := flag.String("lease", "plndr-cp-lock", "name of the Lease")
	namespace := flag.String("namespace", "kube-system", "namespace of the Lease")
	leaseDuration := flag.Duration("lease-duration", 15*time.Second, "how long others wait for a silent holder")
	renewDeadline := flag.Duration("renew-deadline", 10*time.Second, "how long a holder tries to renew before it gives up")
	retryPeriod := flag.Duration("retry-period", 2*time.Second, "pause between two attempts")
	flag.Parse()
	if *kubeconfig == "" || *identity == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}

	config, err := clientcmd.BuildConfigFromFlags(*server, *kubeconfig)
	exitOn(err)
	config.Timeout = *renewDeadline / 2 // as kube-controller-manager: one dead connection must not cost the lease
	client, err := coordinationv1.NewForConfig(config)
	exitOn(err)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var leading atomic.Bool // client-go reports the end of a candidacy that never led, too
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Name: *lease, Namespace: *namespace},
			Client:     client,
			LockConfig: resourcelock.ResourceLockConfig{Identity: *identity},
		},
		LeaseDuration:   *leaseDuration,
		RenewDeadline:   *renewDeadline,
		RetryPeriod:     *retryPeriod,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { leading.Store(true); say("started leading") },
			OnStoppedLeading: func() {
				if leading.Swap(false) {
					say("stopped leading")
				}
			},
			OnNewLeader: func(name string) { say("new leader " + name) },
		},
	})
	exitOn(err)
	for ctx.Err() == nil {
		elector.Run(ctx)
	}
}

// say writes straight to the descriptor: a line is out before the next thing happens.
func say(event string) {
	fmt.Fprintf(os.Stdout, "%d %s\n", time.Now().UnixMilli(), event)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "contend: failed to", err)
		os.Exit(1)
	}
}
