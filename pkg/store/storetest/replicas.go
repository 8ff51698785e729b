package storetest

import (
	"testing"

	"modelproviders/pkg/store"
)

// Replicas checks that stores on one database agree, however many ask at once.
func Replicas(t *testing.T, stores ...*store.Store) {
	t.Run("Processes", func(t *testing.T) { beatTogether(t, stores...) })
	t.Run("Repeatables", func(t *testing.T) { repeatablesTogether(t, stores...) })
	t.Run("Sealing", func(t *testing.T) { sealTogether(t, stores...) })
	t.Run("Changes", func(t *testing.T) { changeTogether(t, stores...) })
	t.Run("Links", func(t *testing.T) { linkTogether(t, stores...) })
}
