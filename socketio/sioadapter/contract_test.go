package sioadapter_test

import (
	"testing"

	"github.com/siogo/sio/socketio/sioadapter"
	"github.com/siogo/sio/socketio/sioadapter/adaptertest"
)

func TestContractLocal(t *testing.T) {
	single(sioadapter.InMemory).Run(t)
}

func TestContractSessionAware(t *testing.T) {
	single(sioadapter.Recoverable(nil)).Run(t)
}

func single(f sioadapter.Factory) adaptertest.Suite {
	return adaptertest.Suite{
		Sizes:   []int{1},
		Virtual: true,
		Open: func(*testing.T, int) *adaptertest.Cluster {
			return &adaptertest.Cluster{Factories: []sioadapter.Factory{f}}
		},
	}
}

func TestContractCluster(t *testing.T) {
	adaptertest.Suite{Virtual: true, Open: onHub(nil)}.Run(t)
}

// The members of each node can be recovered there.
func TestContractClusterWithRecovery(t *testing.T) {
	adaptertest.Suite{Virtual: true, Open: onHub(&sioadapter.ClusterOptions{Local: sioadapter.Recoverable(nil)})}.Run(t)
}

// onHub opens clusters on a hub.
func onHub(o *sioadapter.ClusterOptions) func(*testing.T, int) *adaptertest.Cluster {
	return func(_ *testing.T, nodes int) *adaptertest.Cluster {
		hub := sioadapter.NewHub(nil)
		c := &adaptertest.Cluster{}
		names := make([][]string, nodes) // of each node, one for each namespace
		for i := range nodes {
			c.Factories = append(c.Factories, sioadapter.FactoryFunc(func(ns sioadapter.Namespace) sioadapter.Adapter {
				a := sioadapter.NewCluster(ns, hub, o)
				names[i] = append(names[i], a.Node())
				return a
			}))
		}
		c.Kill = func(i int) {
			for _, name := range names[i] {
				hub.Cut(name, "")
			}
		}
		return c
	}
}
