package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"strconv"
	"time"

	xpstore "github.com/xpstore/xpstore/client/go"
	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
)

func limits(ctx context.Context, _ struct{}) (answer, error) {
	said, err := client.Limits(ctx)
	if err != nil {
		return nil, err
	}
	return answer{
		"contract_version": said.ContractVersion, "server_version": said.ServerVersion,
		"max_message_bytes": said.MaxMessageBytes, "max_points": said.MaxPoints, "max_page_size": said.MaxPageSize,
	}, nil
}

func project(ctx context.Context, with struct{ Project, Name string }) (answer, error) {
	found, err := client.OpenProject(ctx, with.Project, xpstore.ProjectOptions{Name: with.Name})
	if err != nil {
		return nil, err
	}
	return answer{"uid": found.UID}, nil
}

func model(ctx context.Context, with struct {
	Project, Experiment, Hash, Config string
	Tags                              []string
}) (answer, error) {
	project, err := client.Project(ctx, with.Project)
	if err != nil {
		return nil, err
	}
	experiment, err := project.OpenExperiment(ctx, with.Experiment, xpstore.ExperimentOptions{})
	if err != nil {
		return nil, err
	}
	options := xpstore.ModelOptions{Hash: with.Hash, Tags: with.Tags}
	if with.Config != "" {
		options.Config = json.RawMessage(with.Config)
	}
	made, err := experiment.OpenModel(ctx, options)
	if err != nil {
		return nil, err
	}
	return answer{"model_id": made.ID, "created": made.Created}, nil
}

func run(ctx context.Context, with struct {
	ModelID string `json:"model_id"`
	Status  string
	Error   string
}) (answer, error) {
	model, err := client.Model(ctx, with.ModelID)
	if err != nil {
		return nil, err
	}
	run, err := model.StartRun(ctx)
	if err != nil {
		return nil, err
	}
	var failure error
	if with.Status == "failed" {
		failure = errors.New(with.Error)
	}
	if err := run.Finish(ctx, failure); err != nil {
		return nil, err
	}
	return answer{"run_id": run.ID, "status": run.Status}, nil
}

// point is one of log_metrics, which may stand for many.
type point struct {
	Name, Kind, Value string
	Step              *string
	Phase             string
	TimeUs            *string `json:"time_us"`
	Count             int
}

func integer(text *string) (*int64, error) {
	if text == nil {
		return nil, nil
	}
	number, err := strconv.ParseInt(*text, 10, 64)
	return &number, err
}

func (p point) all() ([]xpstore.Point, error) {
	step, err := integer(p.Step)
	if err != nil {
		return nil, err
	}
	us, err := integer(p.TimeUs)
	if err != nil {
		return nil, err
	}
	found := make([]xpstore.Point, max(p.Count, 1))
	for i := range found {
		one := xpstore.Point{Name: p.Name, Phase: p.Phase}
		if step != nil {
			one.Step = xpstore.At(*step + int64(i))
		}
		if us != nil {
			one.Time = time.UnixMicro(*us)
		}
		switch p.Kind {
		case "float":
			value, err := strconv.ParseFloat(p.Value, 64)
			if err != nil {
				return nil, err
			}
			one.Value = value + float64(i)
		case "int":
			value, is := new(big.Int).SetString(p.Value, 10)
			if !is {
				return nil, unsupported("value %q", p.Value)
			}
			one.Value = value.Add(value, big.NewInt(int64(i)))
		case "json":
			one.Value = json.RawMessage(p.Value)
		default:
			return nil, unsupported("kind %q", p.Kind)
		}
		found[i] = one
	}
	return found, nil
}

func all(points []point) (found []xpstore.Point, err error) {
	for _, one := range points {
		some, err := one.all()
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	return found, nil
}

func logMetrics(ctx context.Context, with struct {
	ModelID string `json:"model_id"`
	Points  []point
	Writer  *string
	First   int64
}) (answer, error) {
	points, err := all(with.Points)
	if err != nil {
		return nil, err
	}
	if with.Writer != nil {
		request := &pb.LogMetricsRequest{ModelId: with.ModelID, WriterId: *with.Writer, FirstPoint: with.First}
		for _, one := range points {
			request.Points = append(request.Points, wire(one))
		}
		found, err := pb.NewMetricServiceClient(client.Conn()).LogMetrics(ctx, request)
		if err != nil {
			return nil, xpstore.AsError(ctx, err)
		}
		return answer{"stored": found.StoredCount, "next": found.NextPoint}, nil
	}
	model, err := client.Model(ctx, with.ModelID)
	if err != nil {
		return nil, err
	}
	metrics := model.Metrics()
	if err := metrics.Log(ctx, points...); err != nil {
		return nil, err
	}
	if err := metrics.Flush(ctx); err != nil {
		return nil, err
	}
	return answer{"stored": len(points)}, nil
}

// wire is a point of the contract itself.
func wire(one xpstore.Point) *pb.MetricPoint {
	made := &pb.MetricPoint{Name: one.Name, Step: one.Step}
	if one.Phase != "" {
		made.Phase = &one.Phase
	}
	if !one.Time.IsZero() {
		us := one.Time.UnixMicro()
		made.TimeUs = &us
	}
	switch value := one.Value.(type) {
	case float64:
		made.Value = &pb.MetricPoint_FloatValue{FloatValue: value}
	case *big.Int:
		made.Value = &pb.MetricPoint_IntValue{IntValue: value.Int64()}
	case json.RawMessage:
		made.Value = &pb.MetricPoint_JsonValue{JsonValue: string(value)}
	}
	return made
}

func ingest(ctx context.Context, with struct {
	Project, Writer string
	First           int64
	Models          []struct {
		ModelID string `json:"model_id"`
		Points  []point
		Step    *string
	}
}) (answer, error) {
	project, err := client.Project(ctx, with.Project)
	if err != nil {
		return nil, err
	}
	request := &pb.IngestRequest{
		ProjectUid: project.UID, WriterId: with.Writer, FirstRecord: with.First, RecordCount: int64(len(with.Models)),
	}
	models := map[string]*pb.ModelRecords{} // a request names each once
	for i, entry := range with.Models {
		records := models[entry.ModelID]
		if records == nil {
			records = &pb.ModelRecords{ModelId: entry.ModelID}
			models[entry.ModelID], request.Models = records, append(request.Models, records)
		}
		points, err := all(entry.Points)
		if err != nil {
			return nil, err
		}
		for _, one := range points {
			records.Points = append(records.Points, &pb.PointRecord{Record: uint32(i), Point: wire(one)})
		}
		step, err := integer(entry.Step)
		if err != nil {
			return nil, err
		}
		if step != nil {
			event := &pb.EventRecord_Step{Step: *step}
			records.Events = append(records.Events, &pb.EventRecord{Record: uint32(i), Event: event})
		}
	}
	found, err := pb.NewIngestServiceClient(client.Conn()).Ingest(ctx, request)
	if err != nil {
		return nil, xpstore.AsError(ctx, err)
	}
	return answer{"next": found.NextRecord}, nil
}

func series(ctx context.Context, with struct {
	ModelID     string `json:"model_id"`
	Name, Phase string
}) (answer, error) {
	model, err := client.Model(ctx, with.ModelID)
	if err != nil {
		return nil, err
	}
	values, kinds, steps := []string{}, []string{}, []*string{}
	for point, err := range model.Points(ctx, with.Name) {
		if err != nil {
			return nil, err
		}
		if point.Phase != with.Phase {
			continue
		}
		switch value := point.Value.(type) {
		case float64:
			kinds, values = append(kinds, "float"), append(values, strconv.FormatFloat(value, 'g', -1, 64))
		case int64:
			kinds, values = append(kinds, "int"), append(values, strconv.FormatInt(value, 10))
		case json.RawMessage:
			kinds, values = append(kinds, "json"), append(values, string(value))
		}
		var step *string
		if point.Step != nil {
			text := strconv.FormatInt(*point.Step, 10)
			step = &text
		}
		steps = append(steps, step)
	}
	return answer{"count": len(values), "values": values, "kinds": kinds, "steps": steps}, nil
}

func names[Item any](list iter.Seq2[Item, error], name func(Item) string) (answer, error) {
	found := []string{}
	for item, err := range list {
		if err != nil {
			return nil, err
		}
		found = append(found, name(item))
	}
	return answer{"items": found, "count": len(found)}, nil
}

func listAll(ctx context.Context, with struct {
	Of, Project, Experiment, Name string
	VersionID                     string `json:"version_id"`
	ModelID                       string `json:"model_id"`
	PageSize                      int    `json:"page_size"`
}) (answer, error) {
	paged, err := xpstore.Connect(ctx, xpstore.Options{PageSize: with.PageSize})
	if err != nil {
		return nil, err
	}
	defer paged.Close()
	switch with.Of {
	case "projects":
		return names(paged.Projects(ctx), func(p *xpstore.Project) string { return p.ID })
	case "files":
		version, err := paged.Version(ctx, with.VersionID)
		if err != nil {
			return nil, err
		}
		return names(version.Files(ctx), func(f xpstore.File) string { return f.Path })
	case "series":
		model, err := paged.Model(ctx, with.ModelID)
		if err != nil {
			return nil, err
		}
		return names(model.Summaries(ctx), func(s xpstore.Summary) string {
			if s.Phase == "" {
				return s.Name
			}
			return s.Name + "/" + s.Phase
		})
	}
	project, err := paged.Project(ctx, with.Project)
	if err != nil {
		return nil, err
	}
	switch with.Of {
	case "experiments":
		return names(project.Experiments(ctx), func(e *xpstore.Experiment) string { return e.Name })
	case "models":
		experiment, err := project.Experiment(ctx, with.Experiment)
		if err != nil {
			return nil, err
		}
		return names(experiment.Models(ctx), func(m *xpstore.Model) string { return m.Hash })
	case "artifacts":
		return names(project.Artifacts(ctx), func(v *xpstore.Version) string { return v.Name })
	case "versions":
		return names(project.Versions(ctx, with.Name), func(v *xpstore.Version) string { return v.ID })
	}
	return nil, unsupported("list of %q", with.Of)
}

func get(ctx context.Context, with struct {
	Of, Experiment, Hash string
	which
}) (answer, error) {
	if with.Of == "version" {
		version, err := with.version(ctx)
		if err != nil {
			return nil, err
		}
		aliases := version.Aliases
		if aliases == nil {
			aliases = []string{}
		}
		return answer{
			"version_id": version.ID, "version": version.Number, "name": version.Name, "type": version.Type,
			"digest": fmt.Sprintf("%x", version.Digest), "size_bytes": version.Size, "file_count": version.FileCount,
			"aliases": aliases, "metadata": string(version.Metadata),
		}, nil
	}
	project, err := client.Project(ctx, with.Project)
	if err != nil {
		return nil, err
	}
	if with.Of == "project" {
		return answer{"uid": project.UID, "name": project.Name}, nil
	}
	if with.Of != "model" {
		return nil, unsupported("get of %q", with.Of)
	}
	experiment, err := project.Experiment(ctx, with.Experiment)
	if err != nil {
		return nil, err
	}
	model, err := experiment.Model(ctx, with.Hash)
	if err != nil {
		return nil, err
	}
	tags := model.Tags
	if tags == nil {
		tags = []string{}
	}
	return answer{
		"model_id": model.ID, "step": strconv.FormatInt(model.Step, 10), "config": string(model.Config), "tags": tags,
		"status": model.Status,
	}, nil
}
