// Command routing keeps a table of the models that a router may use, and prints it at the
// start and whenever it has changed: by stage, those that are available and have passed the
// check of the stage.
//
//	MODELPROVIDERS_URL=… MODELPROVIDERS_TOKEN=… routing
//
// It keeps nothing on disk: when it starts, it reads the list of models, and then the
// changes. If the service restarts, it keeps the table and continues. The token needs the
// role viewer.
package main

import (
	"context"
	"errors"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"modelproviders/pkg/client"
)

func main() {
	log.SetFlags(0)
	c, err := client.New(os.Getenv("MODELPROVIDERS_URL"), os.Getenv("MODELPROVIDERS_TOKEN"))
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	t := table{client: c, out: os.Stdout, models: map[string]client.Model{}}
	err = keep(ctx, &t)
	interrupted := ctx.Err() != nil
	stop()
	if !interrupted {
		log.Fatal(err)
	}
}

// keep keeps a table until the context ends, or the token is refused.
func keep(ctx context.Context, t *table) error {
	for {
		err := t.follow(ctx)
		if ctx.Err() != nil || errors.Is(err, client.ProblemCodeUnauthenticated) || errors.Is(err, client.ProblemCodeForbidden) {
			return err
		}
		log.Print("reading all models again: ", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
