package xpstore

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
)

// How often chunks that were swept between upload and commit are sent again.
const commitAttempts = 5

// Save publishes the files of a file system as a version; of them only what the project lacks is sent.
//
// Links are followed; empty directories and executable bits are kept. What changes while it is read is refused.
//
//	project.Save(ctx, xpstore.Draft{Name: "notes"}, os.DirFS("notes"))
func (p *Project) Save(ctx context.Context, draft Draft, files fs.FS) (*Version, error) {
	sources, err := scan(ctx, files)
	if err != nil {
		return nil, err
	}
	return p.publish(ctx, NewID(), draft, sources, nil)
}

// SaveAs is Save with an id of the caller's for the new version: a repetition with the same content is answered with it.
func (p *Project) SaveAs(ctx context.Context, id string, draft Draft, files fs.FS) (*Version, error) {
	sources, err := scan(ctx, files)
	if err != nil {
		return nil, err
	}
	return p.publish(ctx, id, draft, sources, nil)
}

// SaveFile publishes one file of this machine under its own name; of it only what the project lacks is sent.
func (p *Project) SaveFile(ctx context.Context, draft Draft, file string) (*Version, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, invalid("file", file, "is no file; Save takes folders, as os.DirFS")
	}
	name := filepath.Base(file)
	if why := checkPath(name); why != "" {
		return nil, invalid("file", file, why)
	}
	return p.publish(ctx, NewID(), draft, []source{{
		path: name, isExecutable: info.Mode()&0o100 != 0, open: func() (fs.File, error) { return os.Open(file) },
	}}, nil)
}

// publish sends sources and commits them; with a completion it completes an entry of the cache, or is not published.
func (p *Project) publish(
	ctx context.Context, id string, draft Draft, sources []source, completion *pb.CacheCompletion,
) (*Version, error) {
	wire, err := draft.wire()
	if err != nil {
		return nil, err
	}
	for range commitAttempts {
		root, digest, err := p.send(ctx, sources)
		if err != nil {
			return nil, typed(ctx, err)
		}
		// The server reads every page of a large tree again.
		extra := time.Duration(len(root.Pages)) * time.Second
		answer, err := callFor(ctx, p.client, extra, p.client.artifacts.CommitArtifact, &pb.CommitArtifactRequest{
			ProjectUid: p.UID, VersionId: id, Draft: wire, Manifest: root, CacheCompletion: completion,
		})
		if err != nil {
			return nil, err
		}
		if answer.Version != nil {
			return p.client.made(answer.Version, answer.Created, digest)
		}
	}
	return nil, fault(Conflict, "%q: chunks were removed as fast as they were sent", draft.Name)
}

// send sends what the project lacks of sources, and returns their manifest and their tree digest.
func (p *Project) send(ctx context.Context, sources []source) (*pb.ManifestRoot, []byte, error) {
	limits, err := p.client.limits(ctx)
	if err != nil {
		return nil, nil, err
	}
	cut, err := chunkingOf(limits)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	u := &uploader{
		client: p.client, project: p.UID, ctx: ctx, cancel: cancel, limits: limits, cut: cut,
		taken: map[[32]byte]struct{}{}, turns: make(chan struct{}, streams),
	}
	// Whatever happens, nothing of it goes on when this returns.
	defer u.group.Wait()
	defer cancel(nil)
	tree := newTreeHash()
	pages := &manifest{root: &pb.ManifestRoot{}, take: func(page []byte) ([]byte, error) { return u.take(page) }}
	for _, one := range sources {
		var file cutFile
		if !one.isDirectory {
			if file, err = u.add(one); err != nil {
				return nil, nil, u.reason(err)
			}
		}
		tree.add(one.path, one.isDirectory, one.isExecutable, file.size, file.digest)
		for _, entry := range one.entries(file) {
			if err := pages.add(entry); err != nil {
				return nil, nil, u.reason(err)
			}
		}
	}
	if err := pages.finish(); err != nil {
		return nil, nil, u.reason(err)
	}
	if err := u.finish(); err != nil {
		return nil, nil, u.reason(err)
	}
	return pages.root, tree.digest(), nil
}
