package xpstore

import (
	"context"
	"iter"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
)

// Status is the state of a run.
type Status string

// The states of a run; of a model without runs it is empty.
const (
	Running  Status = "running"
	Finished Status = "finished"
	Failed   Status = "failed"
	Lost     Status = "lost" // neither ended nor heard of for five minutes
)

var statuses = map[pb.RunStatus]Status{
	pb.RunStatus_RUN_STATUS_RUNNING: Running, pb.RunStatus_RUN_STATUS_FINISHED: Finished,
	pb.RunStatus_RUN_STATUS_FAILED: Failed, pb.RunStatus_RUN_STATUS_LOST: Lost,
}

func statusOf(wire pb.RunStatus) Status { return statuses[wire] }

// How often a run says that it is alive, of five minutes after which it counts as lost.
const heartbeatEvery = time.Minute

// Longest error of a run, in characters.
const runErrorLength = 16_384

// Run is one attempt at training a model.
type Run struct {
	client *Client
	stop   func()

	ID        string
	ModelID   string
	Status    Status
	StartedAt time.Time
	EndedAt   time.Time // zero while it has not ended
	Host      string
	User      string
	Command   string
	Error     string // of a failed run
}

func (c *Client) runs() pb.RunServiceClient { return pb.NewRunServiceClient(c.conn) }

// StartRun starts a run of the model, which says by itself that it is alive until [Run.Finish].
//
// It records host, user, version of Go, and the name of the program without its arguments, which may hold secrets; nothing of
// this where XPSTORE_RECORD is 0.
func (m *Model) StartRun(ctx context.Context) (*Run, error) {
	started := time.Now().UnixMicro()
	answer, err := call(ctx, m.client, m.client.runs().CreateRun, &pb.CreateRunRequest{
		ModelId: m.ID, RunId: NewID(), Environment: environment(), StartedAtUs: &started,
	})
	if err != nil {
		return nil, err
	}
	run := m.client.run(answer.Run)
	alive, cancel := context.WithCancel(context.WithoutCancel(ctx))
	run.stop = sync.OnceFunc(cancel)
	go run.beat(alive)
	return run, nil
}

func environment() *pb.RunEnvironment {
	if os.Getenv("XPSTORE_RECORD") == "0" {
		return &pb.RunEnvironment{}
	}
	found := &pb.RunEnvironment{Command: shortened(filepath.Base(os.Args[0]), 256), Python: runtime.Version()}
	if host, err := os.Hostname(); err == nil {
		found.Host = host
	}
	if who, err := user.Current(); err == nil {
		found.User = who.Username
	}
	return found
}

func (r *Run) beat(ctx context.Context) {
	ticker := time.NewTicker(heartbeatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C: // one that fails is followed by the next
			_, _ = call(ctx, r.client, r.client.runs().HeartbeatRun, &pb.HeartbeatRunRequest{RunId: r.ID})
		}
	}
}

// Finish ends the run: well, or with an error. The first end counts.
func (r *Run) Finish(ctx context.Context, failure error) error {
	if r.stop != nil {
		r.stop()
	}
	ended := time.Now().UnixMicro()
	request := &pb.FinishRunRequest{
		RunId: r.ID, Status: pb.RunStatus_RUN_STATUS_FINISHED, EndedAtUs: &ended,
	}
	if failure != nil {
		request.Status = pb.RunStatus_RUN_STATUS_FAILED
		request.Error = shortened(failure.Error(), runErrorLength)
	}
	answer, err := call(ctx, r.client, r.client.runs().FinishRun, request)
	if err != nil {
		return err
	}
	now := r.client.run(answer.Run)
	r.Status, r.EndedAt, r.Error = now.Status, now.EndedAt, now.Error
	return nil
}

// Runs yields the runs of the model, oldest first.
func (m *Model) Runs(ctx context.Context) iter.Seq2[*Run, error] {
	return listed(ctx, m.client, m.client.runs().ListRuns,
		func(token string) *pb.ListRunsRequest {
			return &pb.ListRunsRequest{ModelId: m.ID, PageSize: m.client.pageSize, PageToken: token}
		},
		func(a *pb.ListRunsResponse) ([]*pb.Run, string) { return a.Runs, a.NextPageToken },
		m.client.run)
}

func (c *Client) run(wire *pb.Run) *Run {
	if wire == nil {
		return nil
	}
	said := wire.GetEnvironment()
	run := &Run{
		client: c, ID: wire.Id, ModelID: wire.ModelId, Status: statusOf(wire.Status),
		StartedAt: fromMicroseconds(wire.StartedAtUs), Host: said.GetHost(), User: said.GetUser(),
		Command: said.GetCommand(), Error: wire.Error,
	}
	if wire.EndedAtUs != nil {
		run.EndedAt = fromMicroseconds(*wire.EndedAtUs)
	}
	return run
}

// shortened is text that the contract takes: valid, without NUL, of at most so many characters.
func shortened(text string, most int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\\0")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
