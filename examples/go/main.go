// Trains a little: logs a loss, saves what came out, reads it back, and does not compute again what was computed before.
//
//	XPSTORE_API_URL=localhost:50051 XPSTORE_API_KEY=... go run .
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"time"

	xpstore "github.com/xpstore/xpstore/client/go"
)

func main() {
	if err := train(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func train(ctx context.Context) error {
	client, err := xpstore.Connect(ctx, xpstore.Options{}) // address and key from the environment
	if err != nil {
		return err
	}
	defer client.Close()
	project, err := client.OpenProject(ctx, "campaign 7", xpstore.ProjectOptions{Name: "Seventh campaign"})
	if err != nil {
		return err
	}
	experiment, err := project.OpenExperiment(ctx, "descent", xpstore.ExperimentOptions{})
	if err != nil {
		return err
	}
	model, err := experiment.CreateModel(ctx, xpstore.ModelOptions{Config: map[string]any{"rate": 0.1}})
	if err != nil {
		return err
	}
	run, err := model.StartRun(ctx)
	if err != nil {
		return err
	}
	weights, err := descend(ctx, model)
	if err := run.Finish(ctx, err); err != nil {
		return err
	}

	draft := xpstore.Draft{Name: "weights", Aliases: []string{"good"}, Links: []xpstore.Link{{ModelID: model.ID}}}
	version, err := project.UploadFile(ctx, draft, "weights.bin", bytes.NewReader(weights))
	if err != nil {
		return err
	}
	read, err := version.ReadFile(ctx, "weights.bin") // verified against its digest
	if err != nil {
		return err
	}
	fmt.Printf("%s %d has %d bytes, as saved: %t\n", version.Name, version.Number, len(read), bytes.Equal(read, weights))
	for summary, err := range model.Summaries(ctx) {
		if err != nil {
			return err
		}
		fmt.Printf("%s: %d points, %.3g at best\n", summary.Name, summary.Count, summary.Min)
	}

	// Python finds what this computed: project.cache.get_or_compute("slow sum", {"n": 1000}, ..., version=1)
	sum := xpstore.Computation{Name: "slow sum", Version: "1", Parameters: map[string]any{"n": 1000}}
	result, err := xpstore.GetOrCompute(ctx, project, sum, func(context.Context) (int, error) {
		time.Sleep(time.Second)
		return 1000 * 1001 / 2, nil
	})
	fmt.Printf("the sum is %d, found: %t\n", result.Value, result.Hit)
	return err
}

// descend walks down a parabola, and returns where it got to.
func descend(ctx context.Context, model *xpstore.Model) ([]byte, error) {
	metrics, x := model.Metrics(), 10.0
	for step := range int64(100) {
		loss := xpstore.Point{Name: "loss", Value: x * x, Step: xpstore.At(step), Phase: "train"}
		if err := metrics.Log(ctx, loss); err != nil {
			return nil, err
		}
		x -= 0.1 * 2 * x
	}
	weights, err := binary.Append(nil, binary.LittleEndian, x)
	if err != nil {
		return nil, err
	}
	return weights, metrics.Flush(ctx)
}
