// The command of the client in Go: see the README of tests/conformance.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	xpstore "github.com/xpstore/xpstore/client/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// answer is what a command says.
type answer map[string]any

// client connects at the first use: hello needs no server.
var client *xpstore.Client

type command func(ctx context.Context, with json.RawMessage) (answer, error)

// on makes a command of a function that takes its parameters as a struct; others are refused.
func on[With any](do func(context.Context, With) (answer, error)) command {
	return func(ctx context.Context, text json.RawMessage) (answer, error) {
		var with With
		if len(text) > 0 {
			if err := json.Unmarshal(text, &with); err != nil {
				return nil, &failure{"UNSUPPORTED", err.Error()}
			}
		}
		if client == nil {
			var err error
			if client, err = xpstore.Connect(ctx, xpstore.Options{}); err != nil {
				return nil, err
			}
		}
		return do(ctx, with)
	}
}

// failure is an error of this program.
type failure struct{ reason, message string }

func (f *failure) Error() string { return f.message }

func unsupported(format string, arguments ...any) error {
	return &failure{"UNSUPPORTED", fmt.Sprintf(format, arguments...)}
}

var commands = map[string]command{}

func init() {
	commands = map[string]command{
		"hello": hello, "limits": on(limits), "project": on(project), "model": on(model), "run": on(run),
		"log_metrics": on(logMetrics), "series": on(series), "list_all": on(listAll), "upload_file": on(uploadFile),
		"download": on(download), "read_range": on(readRange), "get": on(get), "alias": on(alias), "ingest": on(ingest),
		"upload_tree": on(uploadTree), "cut": on(cut), "tree_digest": on(treeDigest), "fingerprint": on(fingerprint),
		"get_or_compute": on(getOrCompute), "bye": bye,
	}
}

func hello(context.Context, json.RawMessage) (answer, error) {
	return answer{
		"language": "go", "sdk": xpstore.ModuleVersion, "contract": xpstore.ContractVersion, "profile": "full",
		"commands": slices.Sorted(maps.Keys(commands)),
	}, nil
}

func bye(context.Context, json.RawMessage) (answer, error) {
	if client != nil {
		return answer{}, client.Close()
	}
	return answer{}, nil
}

func main() {
	reader, out := bufio.NewReaderSize(os.Stdin, 1<<16), json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for {
		line, err := reader.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		var request struct {
			ID   json.RawMessage
			Do   string
			With json.RawMessage
		}
		said := answer{}
		if err := json.Unmarshal(line, &request); err != nil {
			said["error"] = failed(err)
		} else if do, is := commands[request.Do]; !is {
			said["error"] = failed(unsupported("there is no command %q", request.Do))
		} else if found, err := do(context.Background(), request.With); err != nil {
			said["error"] = failed(err)
		} else {
			said["ok"] = found
		}
		said["id"] = request.ID
		if err := out.Encode(said); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if request.Do == "bye" {
			return
		}
	}
}

func failed(err error) answer {
	var own *failure
	if errors.As(err, &own) {
		return answer{"reason": own.reason, "metadata": answer{}, "message": own.message}
	}
	var found *xpstore.Error
	if !errors.As(err, &found) {
		return answer{"reason": "INTERNAL", "metadata": answer{}, "message": err.Error()}
	}
	reason := string(found.Reason)
	if found.Reason == xpstore.ComputationFailed {
		reason = "COMPUTATION"
	} else if found.Reason == xpstore.Internal && status.Code(errors.Unwrap(found)) == codes.Unknown {
		reason = "UNKNOWN"
	}
	metadata := maps.Clone(found.Metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	if found.RequestID != "" {
		metadata["request_id"] = found.RequestID
	}
	return answer{"reason": reason, "metadata": metadata, "message": found.Message}
}

// seconds is how long something took, for answers.
func seconds(began time.Time) float64 { return time.Since(began).Seconds() }
