package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing/fstest"
	"time"

	xpstore "github.com/xpstore/xpstore/client/go"
	"github.com/zeebo/blake3"
)

// content is made of seeds.
type content []struct {
	Seed string
	Size int64 `json:"size_bytes"`
}

func (c content) bytes() []byte {
	found := []byte{}
	for _, part := range c {
		data := make([]byte, part.Size)
		if part.Seed != "zeros" {
			seed := blake3.New()
			_, _ = seed.WriteString(part.Seed)
			_, _ = seed.Digest().Read(data)
		}
		found = append(found, data...)
	}
	return found
}

// which names a version.
type which struct {
	VersionID string `json:"version_id"`
	Project   string
	Name      string
	Version   int64
	Alias     string
}

func (w which) version(ctx context.Context) (*xpstore.Version, error) {
	if w.VersionID != "" {
		return client.Version(ctx, w.VersionID)
	}
	project, err := client.Project(ctx, w.Project)
	if err != nil {
		return nil, err
	}
	switch {
	case w.Version != 0:
		return project.VersionNumber(ctx, w.Name, w.Version)
	case w.Alias != "":
		return project.VersionAlias(ctx, w.Name, w.Alias)
	}
	return project.Latest(ctx, w.Name)
}

func saved(version *xpstore.Version, began time.Time) answer {
	return answer{
		"version_id": version.ID, "version": version.Number, "digest": hex.EncodeToString(version.Digest),
		"created": version.Created, "seconds": seconds(began),
	}
}

// slow has nothing for a while, once, when it is read for sending: the client reads a source twice.
type slow struct {
	*bytes.Reader
	after int64
	pause time.Duration
	turn  int
}

func (s *slow) Seek(offset int64, whence int) (int64, error) {
	s.turn++
	return s.Reader.Seek(offset, whence)
}

func (s *slow) Read(data []byte) (int, error) {
	place := s.Size() - int64(s.Len())
	if s.turn > 1 && s.pause > 0 && place >= s.after {
		time.Sleep(s.pause)
		s.pause = 0
	}
	return s.Reader.Read(data)
}

func uploadFile(ctx context.Context, with struct {
	Project, Name, Path, Type, Metadata string
	Content                             content
	Aliases                             []string
	UploadID                            string  `json:"upload_id"`
	Blake3                              *string `json:"blake3"`
	PauseAfter                          int64   `json:"pause_after_bytes"`
	PauseSeconds                        float64 `json:"pause_seconds"`
}) (answer, error) {
	if with.Blake3 != nil {
		return nil, unsupported("the client makes the digest itself")
	}
	source := &slow{
		Reader: bytes.NewReader(with.Content.bytes()), after: with.PauseAfter,
		pause: time.Duration(with.PauseSeconds * float64(time.Second)),
	}
	project, err := client.Project(ctx, with.Project)
	if err != nil {
		return nil, err
	}
	draft := xpstore.Draft{Name: with.Name, Type: or(with.Type, "directory"), Aliases: with.Aliases}
	if with.Metadata != "" {
		draft.Metadata = json.RawMessage(with.Metadata)
	}
	began := time.Now()
	var version *xpstore.Version
	if with.UploadID == "" {
		version, err = project.UploadFile(ctx, draft, with.Path, source)
	} else {
		version, err = project.ResumeUpload(ctx, with.UploadID, draft, with.Path, source)
	}
	if err != nil {
		return nil, err
	}
	return saved(version, began), nil
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func uploadTree(ctx context.Context, with struct {
	Project, Name, Type string
	Files               map[string]content
	EmptyDirectories    []string `json:"empty_directories"`
	Executables         []string
	Aliases             []string
	VersionID           string `json:"version_id"`
	Force               bool
}) (answer, error) {
	tree := fstest.MapFS{}
	for path, content := range with.Files {
		tree[path] = &fstest.MapFile{Data: content.bytes(), Mode: 0o644}
	}
	for _, path := range with.Executables {
		tree[path].Mode = 0o755
	}
	for _, path := range with.EmptyDirectories {
		tree[path] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
	}
	project, err := client.Project(ctx, with.Project)
	if err != nil {
		return nil, err
	}
	draft := xpstore.Draft{
		Name: with.Name, Type: or(with.Type, "directory"), Aliases: with.Aliases, Force: with.Force,
	}
	began := time.Now()
	version, err := project.SaveAs(ctx, or(with.VersionID, xpstore.NewID()), draft, tree)
	if err != nil {
		return nil, err
	}
	return saved(version, began), nil
}

func download(ctx context.Context, with which) (answer, error) {
	version, err := with.version(ctx)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(os.Getenv("CONFORMANCE_DIR"), "download-")
	if err != nil {
		return nil, err
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := version.Download(ctx, folder); err != nil {
		return nil, err
	}
	return answer{"version_id": version.ID, "folder": folder, "seconds": seconds(began)}, nil
}

func readRange(ctx context.Context, with struct {
	VersionID string `json:"version_id"`
	Path      string
	Offset    int64
	Length    *int64
}) (answer, error) {
	version, err := client.Version(ctx, with.VersionID)
	if err != nil {
		return nil, err
	}
	length := int64(1) << 62 // cut at the end of the file
	if with.Length != nil {
		length = *with.Length
	}
	reader, err := version.OpenRange(ctx, with.Path, with.Offset, length)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	whole := blake3.New()
	size, err := io.Copy(whole, reader)
	if err != nil {
		return nil, err
	}
	return answer{"size_bytes": size, "blake3": hex.EncodeToString(whole.Sum(nil)), "file_size_bytes": reader.Size}, nil
}

func alias(ctx context.Context, with struct {
	VersionID string `json:"version_id"`
	Alias     string
}) (answer, error) {
	version, err := client.Version(ctx, with.VersionID)
	if err != nil {
		return nil, err
	}
	if err := version.SetAlias(ctx, with.Alias); err != nil {
		return nil, err
	}
	return answer{"aliases": version.Aliases}, nil
}

func cut(ctx context.Context, with struct{ Content content }) (answer, error) {
	chunking, err := client.Chunking(ctx)
	if err != nil {
		return nil, err
	}
	sizes, digests := []int{}, blake3.New()
	for chunk := range chunking.Cut(with.Content.bytes()) {
		sum := blake3.Sum256(chunk)
		sizes = append(sizes, len(chunk))
		_, _ = digests.Write(sum[:])
	}
	return answer{"chunk_sizes": sizes, "chunk_digests_blake3": hex.EncodeToString(digests.Sum(nil))}, nil
}

func treeDigest(_ context.Context, with struct {
	Entries []struct {
		Path, Type, Blake3 string
		Executable         bool
		Size               int64 `json:"size_bytes"`
	}
}) (answer, error) {
	var files []xpstore.File
	for _, entry := range with.Entries {
		digest, err := hex.DecodeString(entry.Blake3)
		if err != nil {
			return nil, err
		}
		files = append(files, xpstore.File{
			Path: entry.Path, IsDirectory: entry.Type == "directory", IsExecutable: entry.Executable, Size: entry.Size,
			Digest: digest,
		})
	}
	return answer{"digest": fmt.Sprintf("%x", xpstore.TreeDigest(files))}, nil
}
