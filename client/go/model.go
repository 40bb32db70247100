package xpstore

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
)

// Model is what others call a run or a trial: it has metrics, runs and artifacts.
type Model struct {
	client *Client

	ID           string
	ExperimentID string
	ProjectUID   string
	Hash         string // its identity in the experiment
	Name         string
	Description  string
	Step         int64
	Config       json.RawMessage // a JSON object
	Tags         []string
	Status       Status // of its newest run
	CreatedAt    time.Time
	CreatedBy    string
	Created      bool // of what creates: whether that made it, as opposed to finding it
}

// ModelOptions say what a new model is; of one that exists they are ignored, but for Hash.
type ModelOptions struct {
	Hash        string // its identity in the experiment; CreateModel makes a random one if it is empty
	Name        string
	Description string
	Config      any // becomes a JSON object; nil is an empty one
	Tags        []string
}

func (c *Client) models() pb.ModelServiceClient { return pb.NewModelServiceClient(c.conn) }

// OpenModel returns the model of a hash, or creates it.
func (e *Experiment) OpenModel(ctx context.Context, options ModelOptions) (*Model, error) {
	if options.Hash == "" {
		return nil, invalid("Hash", "", "is that of the model to open; CreateModel makes one of a random hash")
	}
	return e.makeModel(ctx, options, true)
}

// CreateModel creates a model; [AlreadyExists] if there is one of this hash.
func (e *Experiment) CreateModel(ctx context.Context, options ModelOptions) (*Model, error) {
	return e.makeModel(ctx, options, false)
}

func (e *Experiment) makeModel(ctx context.Context, o ModelOptions, allowExisting bool) (*Model, error) {
	config, err := jsonObject("Config", o.Config)
	if err != nil {
		return nil, err
	}
	id := NewID()
	answer, err := call(ctx, e.client, e.client.models().CreateModel, &pb.CreateModelRequest{
		ExperimentId: e.ID, ModelId: id, Hash: orElse(o.Hash, id), Name: optional(o.Name),
		Description: optional(o.Description), ConfigJson: config, Tags: o.Tags, AllowExisting: allowExisting,
	})
	if err != nil {
		return nil, err
	}
	model := e.client.model(answer.Model)
	model.Created = answer.Created
	return model, nil
}

// Model returns the model of this id, of whatever project; [NotFound] if there is none.
func (c *Client) Model(ctx context.Context, id string) (*Model, error) {
	answer, err := call(ctx, c, c.models().GetModel, &pb.GetModelRequest{Key: &pb.GetModelRequest_ModelId{ModelId: id}})
	return c.model(answer.GetModel()), err
}

// Model returns the model of this hash; [NotFound] if there is none.
func (e *Experiment) Model(ctx context.Context, hash string) (*Model, error) {
	answer, err := call(ctx, e.client, e.client.models().GetModel, &pb.GetModelRequest{
		Key: &pb.GetModelRequest_ModelHash{ModelHash: &pb.ModelHash{ExperimentId: e.ID, Hash: hash}},
	})
	return e.client.model(answer.GetModel()), err
}

// Models yields the models of the experiment, oldest first.
func (e *Experiment) Models(ctx context.Context) iter.Seq2[*Model, error] {
	return listed(ctx, e.client, e.client.models().ListModels,
		func(token string) *pb.ListModelsRequest {
			return &pb.ListModelsRequest{ExperimentId: e.ID, PageSize: e.client.pageSize, PageToken: token}
		},
		func(a *pb.ListModelsResponse) ([]*pb.Model, string) { return a.Models, a.NextPageToken },
		e.client.model)
}

// SearchModels yields the models of the project that a filter finds, such as "metrics.loss[train].min < 0.5 and
// config.lr <= 0.01", in an order such as "step desc". An empty filter finds all, an empty order is oldest first.
func (p *Project) SearchModels(ctx context.Context, filter, orderBy string) iter.Seq2[*Model, error] {
	return listed(ctx, p.client, p.client.models().SearchModels,
		func(token string) *pb.SearchModelsRequest {
			return &pb.SearchModelsRequest{
				Scope:  &pb.SearchModelsRequest_ProjectUid{ProjectUid: p.UID},
				Filter: filter, OrderBy: orderBy, PageSize: p.client.pageSize, PageToken: token,
			}
		},
		func(a *pb.SearchModelsResponse) ([]*pb.Model, string) { return a.Models, a.NextPageToken },
		p.client.model)
}

// Advance moves the step of the model on, exactly once, and returns where it is then.
func (m *Model) Advance(ctx context.Context, delta int64) (int64, error) {
	answer, err := call(ctx, m.client, m.client.models().AdvanceModel, &pb.AdvanceModelRequest{
		ModelId: m.ID, AdvanceId: NewID(), Delta: delta,
	})
	return answer.GetStep(), err
}

// AddTags adds tags at the end and returns all; those that it has stay where they are.
func (m *Model) AddTags(ctx context.Context, tags ...string) ([]string, error) {
	request := &pb.UpdateModelTagsRequest{ModelId: m.ID, Add: tags}
	answer, err := call(ctx, m.client, m.client.models().UpdateModelTags, request)
	return answer.GetTags(), err
}

// Delete deletes the model with its metrics and runs; artifacts stay.
func (m *Model) Delete(ctx context.Context) error {
	_, err := call(ctx, m.client, m.client.models().DeleteModel, &pb.DeleteModelRequest{ModelId: m.ID})
	return err
}

func (c *Client) model(wire *pb.Model) *Model {
	if wire == nil {
		return nil
	}
	return &Model{
		client: c, ID: wire.Id, ExperimentID: wire.ExperimentId, ProjectUID: wire.ProjectUid, Hash: wire.Hash,
		Name: wire.GetName(), Description: wire.GetDescription(), Step: wire.Step, Tags: wire.Tags,
		Config: json.RawMessage(wire.ConfigJson), Status: statusOf(wire.Status),
		CreatedAt: fromMicroseconds(wire.CreatedAtUs), CreatedBy: wire.CreatedBy,
	}
}

// optional is a text that is unset where it is empty.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func jsonObject(field string, value any) (string, error) {
	if value == nil {
		return "", nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "", invalid(field, value, err.Error())
	}
	if string(text) == "null" { // such as a map that is nil
		return "", nil
	}
	if text[0] != '{' {
		return "", invalid(field, value, "must become a JSON object")
	}
	return string(text), nil
}
