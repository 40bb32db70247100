package xpstore

import (
	"context"
	"iter"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
)

// Project has experiments, artifacts and a cache.
type Project struct {
	client *Client

	ID          string // the caller's own id
	UID         string // the server's UUID, unique for ever
	Name        string
	Description string
	Tags        []string
	CreatedAt   time.Time
	CreatedBy   string // name of the key
}

// ProjectOptions say what a new project is; of one that exists they are ignored.
type ProjectOptions struct {
	Name        string // default: its id
	Description string
	Tags        []string
}

func (c *Client) projects() pb.ProjectServiceClient { return pb.NewProjectServiceClient(c.conn) }

// OpenProject returns the project of this id, or creates it.
func (c *Client) OpenProject(ctx context.Context, id string, options ProjectOptions) (*Project, error) {
	return c.makeProject(ctx, id, options, true)
}

// CreateProject creates a project; [AlreadyExists] if there is one of this id.
func (c *Client) CreateProject(ctx context.Context, id string, options ProjectOptions) (*Project, error) {
	return c.makeProject(ctx, id, options, false)
}

func (c *Client) makeProject(ctx context.Context, id string, o ProjectOptions, allowExisting bool) (*Project, error) {
	answer, err := call(ctx, c, c.projects().CreateProject, &pb.CreateProjectRequest{
		ProjectId: id, Name: orElse(o.Name, id), Description: o.Description, Tags: o.Tags, CreationId: NewID(),
		AllowExisting: allowExisting,
	})
	return c.project(answer.GetProject()), err
}

// Project returns the project of this id; [NotFound] if there is none.
func (c *Client) Project(ctx context.Context, id string) (*Project, error) {
	answer, err := call(ctx, c, c.projects().GetProject, &pb.GetProjectRequest{
		Key: &pb.GetProjectRequest_ProjectId{ProjectId: id},
	})
	return c.project(answer.GetProject()), err
}

// Projects yields all projects, oldest first.
func (c *Client) Projects(ctx context.Context) iter.Seq2[*Project, error] {
	return listed(ctx, c, c.projects().ListProjects,
		func(token string) *pb.ListProjectsRequest {
			return &pb.ListProjectsRequest{PageSize: c.pageSize, PageToken: token}
		},
		func(a *pb.ListProjectsResponse) ([]*pb.Project, string) { return a.Projects, a.NextPageToken },
		c.project)
}

// Delete deletes the project with all that is in it; what is deleted already stays so.
func (p *Project) Delete(ctx context.Context) error {
	_, err := call(ctx, p.client, p.client.projects().DeleteProject, &pb.DeleteProjectRequest{ProjectUid: p.UID})
	return err
}

func (c *Client) project(wire *pb.Project) *Project {
	if wire == nil {
		return nil
	}
	return &Project{
		client: c, ID: wire.Id, UID: wire.Uid, Name: wire.Name, Description: wire.Description, Tags: wire.Tags,
		CreatedAt: fromMicroseconds(wire.CreatedAtUs), CreatedBy: wire.CreatedBy,
	}
}

// Experiment has models.
type Experiment struct {
	client *Client

	ID          string
	ProjectUID  string
	Name        string
	Description string
	Tags        []string
	CreatedAt   time.Time
	CreatedBy   string
	ModelCount  int64
}

// ExperimentOptions say what a new experiment is; of one that exists they are ignored.
type ExperimentOptions struct {
	Description string
	Tags        []string
}

func (c *Client) experiments() pb.ExperimentServiceClient {
	return pb.NewExperimentServiceClient(c.conn)
}

// OpenExperiment returns the experiment of this name, or creates it.
func (p *Project) OpenExperiment(ctx context.Context, name string, options ExperimentOptions) (*Experiment, error) {
	return p.makeExperiment(ctx, name, options, true)
}

// CreateExperiment creates an experiment; [AlreadyExists] if there is one of this name.
func (p *Project) CreateExperiment(ctx context.Context, name string, options ExperimentOptions) (*Experiment, error) {
	return p.makeExperiment(ctx, name, options, false)
}

func (p *Project) makeExperiment(
	ctx context.Context, name string, o ExperimentOptions, allowExisting bool,
) (*Experiment, error) {
	answer, err := call(ctx, p.client, p.client.experiments().CreateExperiment, &pb.CreateExperimentRequest{
		ProjectUid: p.UID, ExperimentId: NewID(), Name: name, Description: o.Description, Tags: o.Tags,
		AllowExisting: allowExisting,
	})
	return p.client.experiment(answer.GetExperiment()), err
}

// Experiment returns the experiment of this name; [NotFound] if there is none.
func (p *Project) Experiment(ctx context.Context, name string) (*Experiment, error) {
	answer, err := call(ctx, p.client, p.client.experiments().GetExperiment, &pb.GetExperimentRequest{
		Key: &pb.GetExperimentRequest_ExperimentName{
			ExperimentName: &pb.ExperimentName{ProjectUid: p.UID, Name: name},
		},
	})
	return p.client.experiment(answer.GetExperiment()), err
}

// Experiments yields the experiments of the project, oldest first.
func (p *Project) Experiments(ctx context.Context) iter.Seq2[*Experiment, error] {
	return listed(ctx, p.client, p.client.experiments().ListExperiments,
		func(token string) *pb.ListExperimentsRequest {
			return &pb.ListExperimentsRequest{ProjectUid: p.UID, PageSize: p.client.pageSize, PageToken: token}
		},
		func(a *pb.ListExperimentsResponse) ([]*pb.Experiment, string) { return a.Experiments, a.NextPageToken },
		p.client.experiment)
}

// Delete deletes the experiment with all its models; artifacts stay.
func (e *Experiment) Delete(ctx context.Context) error {
	request := &pb.DeleteExperimentRequest{ExperimentId: e.ID}
	_, err := call(ctx, e.client, e.client.experiments().DeleteExperiment, request)
	return err
}

func (c *Client) experiment(wire *pb.Experiment) *Experiment {
	if wire == nil {
		return nil
	}
	return &Experiment{
		client: c, ID: wire.Id, ProjectUID: wire.ProjectUid, Name: wire.Name, Description: wire.Description,
		Tags: wire.Tags, CreatedAt: fromMicroseconds(wire.CreatedAtUs), CreatedBy: wire.CreatedBy,
		ModelCount: wire.ModelCount,
	}
}
