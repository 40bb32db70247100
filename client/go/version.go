package xpstore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"iter"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
)

// Draft says what a new version of an artifact shall be, apart from its bytes.
type Draft struct {
	Name        string   // of the artifact, which is made if there is none
	Type        string   // lower-case letters, digits and "_"; default "artifact"
	Description string   // free text
	Metadata    any      // becomes a JSON object; nil is an empty one
	Aliases     []string // shall point to the version, wherever they pointed before
	Links       []Link   // what it belongs to
	Used        []string // ids of the versions that it was made from
	Force       bool     // make a new version even if the newest has this content

	isImplied bool
}

// Link says that a version belongs to a model, to a step of it if one is said.
type Link struct {
	ModelID string
	Step    *int64
}

func (d Draft) wire() (*pb.ArtifactDraft, error) {
	metadata, err := jsonObject("Metadata", d.Metadata)
	if err != nil {
		return nil, err
	}
	wire := &pb.ArtifactDraft{
		Name: d.Name, Type: orElse(d.Type, "artifact"), Description: optional(d.Description), MetadataJson: metadata,
		Aliases: d.Aliases, UsedVersionIds: d.Used, Force: d.Force,
		MetadataIsImplied: d.Metadata == nil || d.isImplied,
	}
	for _, link := range d.Links {
		wire.Links = append(wire.Links, &pb.ArtifactLink{ModelId: link.ModelID, Step: link.Step})
	}
	return wire, nil
}

// Version is an immutable tree of files.
type Version struct {
	client *Client

	ID          string
	ArtifactID  string
	ProjectUID  string
	Name        string
	Type        string
	Number      int64  // 1, 2, 3, ... of its artifact
	Digest      []byte // of its tree: the identity of its content
	Size        int64  // of all its files, in bytes
	FileCount   int64  // files and empty directories
	Description string
	Metadata    json.RawMessage // a JSON object
	Aliases     []string        // the first 100
	Used        []string        // ids of versions that it was made from, the first 100
	CreatedAt   time.Time
	CreatedBy   string
	Created     bool // of what saves: whether that made it, as opposed to finding it
}

func (c *Client) version(wire *pb.ArtifactVersion) *Version {
	if wire == nil {
		return nil
	}
	return &Version{
		client: c, ID: wire.Id, ArtifactID: wire.ArtifactId, ProjectUID: wire.ProjectUid, Name: wire.Name,
		Type: wire.Type, Number: wire.Version, Digest: wire.Digest, Size: wire.SizeBytes, FileCount: wire.FileCount,
		Description: wire.GetDescription(), Metadata: json.RawMessage(wire.MetadataJson), Aliases: wire.Aliases,
		Used: wire.UsedVersionIds, CreatedAt: fromMicroseconds(wire.CreatedAtUs), CreatedBy: wire.CreatedBy,
	}
}

// made is a version that was just saved; its digest is what the client computed, or something went wrong.
func (c *Client) made(wire *pb.ArtifactVersion, created bool, digest []byte) (*Version, error) {
	version := c.version(wire)
	if string(version.Digest) != string(digest) {
		return nil, fault(DataLoss, "the server says that it has %q with the tree digest %s, and %s was sent",
			version.Name, hex.EncodeToString(version.Digest), hex.EncodeToString(digest))
	}
	version.Created = created
	return version, nil
}

// Version returns the version of this id, of whatever project; [NotFound] if there is none.
func (c *Client) Version(ctx context.Context, id string) (*Version, error) {
	answer, err := call(ctx, c, c.artifacts.GetArtifactVersion, &pb.GetArtifactVersionRequest{
		Source: &pb.GetArtifactVersionRequest_VersionId{VersionId: id},
	})
	return c.version(answer.GetVersion()), err
}

// Latest returns the newest version of an artifact; [NotFound] if there is none.
func (p *Project) Latest(ctx context.Context, name string) (*Version, error) {
	return p.named(ctx, &pb.ArtifactName{ProjectId: p.ID, Name: name})
}

// VersionNumber returns a version of an artifact by its number.
func (p *Project) VersionNumber(ctx context.Context, name string, number int64) (*Version, error) {
	selector := &pb.ArtifactName_Version{Version: number}
	return p.named(ctx, &pb.ArtifactName{ProjectId: p.ID, Name: name, Selector: selector})
}

// VersionAlias returns the version of an artifact that an alias points to.
func (p *Project) VersionAlias(ctx context.Context, name, alias string) (*Version, error) {
	selector := &pb.ArtifactName_Alias{Alias: alias}
	return p.named(ctx, &pb.ArtifactName{ProjectId: p.ID, Name: name, Selector: selector})
}

func (p *Project) named(ctx context.Context, name *pb.ArtifactName) (*Version, error) {
	answer, err := call(ctx, p.client, p.client.artifacts.GetArtifactVersion, &pb.GetArtifactVersionRequest{
		Source: &pb.GetArtifactVersionRequest_ArtifactName{ArtifactName: name},
	})
	return p.client.version(answer.GetVersion()), err
}

// Versions yields the versions of the project, oldest first: all, or those of the artifact of a name.
func (p *Project) Versions(ctx context.Context, name string) iter.Seq2[*Version, error] {
	return listed(ctx, p.client, p.client.artifacts.ListArtifactVersions,
		func(token string) *pb.ListArtifactVersionsRequest {
			return &pb.ListArtifactVersionsRequest{
				ProjectUid: p.UID, Name: optional(name), PageSize: p.client.pageSize, PageToken: token,
			}
		},
		func(a *pb.ListArtifactVersionsResponse) ([]*pb.ArtifactVersion, string) {
			return a.Versions, a.NextPageToken
		},
		p.client.version)
}

// Artifacts yields the newest version of each artifact of the project, the oldest artifact first.
func (p *Project) Artifacts(ctx context.Context) iter.Seq2[*Version, error] {
	return listed(ctx, p.client, p.client.artifacts.ListArtifacts,
		func(token string) *pb.ListArtifactsRequest {
			return &pb.ListArtifactsRequest{ProjectUid: p.UID, PageSize: p.client.pageSize, PageToken: token}
		},
		func(a *pb.ListArtifactsResponse) ([]*pb.Artifact, string) { return a.Artifacts, a.NextPageToken },
		func(wire *pb.Artifact) *Version { return p.client.version(wire.GetLatest()) })
}

// File is one file of a version, or an empty directory.
type File struct {
	Path         string
	IsDirectory  bool
	IsExecutable bool
	Size         int64
	Digest       []byte // BLAKE3 of its bytes
}

// Files yields the files of the version in the order of the bytes of their paths.
func (v *Version) Files(ctx context.Context) iter.Seq2[File, error] {
	return listed(ctx, v.client, v.client.artifacts.ListArtifactFiles,
		func(token string) *pb.ListArtifactFilesRequest {
			return &pb.ListArtifactFilesRequest{VersionId: v.ID, PageSize: v.client.pageSize, PageToken: token}
		},
		func(a *pb.ListArtifactFilesResponse) ([]*pb.ArtifactFile, string) { return a.Files, a.NextPageToken },
		func(wire *pb.ArtifactFile) File {
			return File{
				Path: wire.Path, IsDirectory: wire.Type == pb.FileType_FILE_TYPE_DIRECTORY,
				IsExecutable: wire.Executable, Size: wire.SizeBytes, Digest: wire.Digest,
			}
		})
}

// SetAlias points an alias of the artifact to this version, wherever it pointed before.
func (v *Version) SetAlias(ctx context.Context, alias string) error {
	request := &pb.SetArtifactAliasRequest{VersionId: v.ID, Alias: alias}
	answer, err := call(ctx, v.client, v.client.artifacts.SetArtifactAlias, request)
	if err == nil {
		v.Aliases = answer.GetVersion().GetAliases()
	}
	return err
}

// Delete hides the version; what is deleted already stays so. [Conflict] while an alias points to it.
func (v *Version) Delete(ctx context.Context) error {
	request := &pb.DeleteArtifactVersionRequest{VersionId: v.ID}
	_, err := call(ctx, v.client, v.client.artifacts.DeleteArtifactVersion, request)
	return err
}
