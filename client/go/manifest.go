package xpstore

import (
	"context"
	"io"
	"strings"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"google.golang.org/protobuf/proto"
)

// Chunks in one entry of a manifest, and bytes of one page: half of what the service takes.
const (
	entryChunks = 12_000
	pageBytes   = 512 << 10
)

// cutFile is how a file was cut.
type cutFile struct {
	digest  []byte
	size    int64
	digests []byte // of its chunks, end to end
	sizes   []int32
}

// entries are a file as entries of a manifest: one, or several for a huge file.
func (s source) entries(file cutFile) []*pb.ManifestEntry {
	if s.isDirectory {
		return []*pb.ManifestEntry{{Path: s.path, Type: pb.FileType_FILE_TYPE_DIRECTORY}}
	}
	var found []*pb.ManifestEntry
	offset := int64(0)
	for start := 0; start == 0 || start < len(file.sizes); start += entryChunks {
		end := min(start+entryChunks, len(file.sizes))
		found = append(found, &pb.ManifestEntry{
			Path: s.path, Type: pb.FileType_FILE_TYPE_FILE, Executable: s.isExecutable, SizeBytes: file.size,
			Digest: file.digest, Offset: offset, ChunkDigests: file.digests[32*start : 32*end],
			ChunkSizes: file.sizes[start:end],
		})
		for _, size := range file.sizes[start:end] {
			offset += int64(size)
		}
	}
	return found
}

// manifest collects entries into pages.
type manifest struct {
	root     *pb.ManifestRoot
	page     pb.ManifestPage
	size     int
	lastPath string
	take     func(page []byte) ([]byte, error) // stores a page, and returns its digest
}

func (m *manifest) add(entry *pb.ManifestEntry) error {
	size := proto.Size(entry) + 8
	if m.size+size > pageBytes && len(m.page.Entries) > 0 {
		if err := m.finish(); err != nil {
			return err
		}
	}
	m.page.Entries = append(m.page.Entries, entry)
	m.size += size
	return nil
}

// finish ends the page.
func (m *manifest) finish() error {
	if len(m.page.Entries) == 0 {
		return nil
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(&m.page)
	if err != nil {
		return err
	}
	digest, err := m.take(data)
	if err != nil {
		return err
	}
	first := m.page.Entries[0]
	ref := &pb.ManifestPageRef{Digest: digest, SizeBytes: int32(len(data)), FirstOffset: first.Offset}
	if first.Path != m.lastPath {
		ref.FirstPath = first.Path
	}
	m.root.Pages = append(m.root.Pages, ref)
	m.lastPath, m.size = first.Path, 0
	m.page.Entries = nil
	return nil
}

// manifest hands on the entries of the version, each as soon as it is known to be sound, and whether it is the last of
// its file; in the end the tree is that of the version, or something is wrong.
func (v *Version) manifest(ctx context.Context, take func(entry *pb.ManifestEntry, isLast bool) error) error {
	check := manifestCheck{version: v, tree: newTreeHash()}
	err := v.client.repeat(ctx, func(state *attempt) error {
		stream, err := v.client.artifacts.ReadManifest(ctx, &pb.ReadManifestRequest{VersionId: v.ID})
		if err != nil {
			return err
		}
		for {
			message, err := stream.Recv()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			for _, entry := range message.Entries {
				if check.has(entry) { // after a broken connection all comes again
					continue
				}
				isLast, err := check.add(entry)
				if err == nil {
					err = take(entry, isLast)
				}
				if err != nil {
					return err
				}
			}
			state.progress()
		}
	})
	if err != nil {
		return err
	}
	return check.finish()
}

// manifestCheck holds what a server sends to what the version says.
type manifestCheck struct {
	version *Version
	tree    treeHash
	last    *pb.ManifestEntry
	covered int64 // of the last file
	count   int64
	above   []string // files and directories that the last path is in or at
}

func (c *manifestCheck) has(entry *pb.ManifestEntry) bool {
	return c.last != nil && (entry.Path < c.last.Path || (entry.Path == c.last.Path && entry.Offset <= c.last.Offset))
}

// add takes the next entry, and says whether it is the last of its file.
func (c *manifestCheck) add(entry *pb.ManifestEntry) (bool, error) {
	wrong := func(what string) (bool, error) {
		return false, fault(DataLoss, "the server's manifest is not that of this version: %q %s", entry.Path, what)
	}
	isDirectory := entry.Type == pb.FileType_FILE_TYPE_DIRECTORY
	if c.last != nil && entry.Path == c.last.Path {
		if entry.Offset != c.covered || entry.SizeBytes != c.last.SizeBytes || len(entry.ChunkSizes) == 0 ||
			entry.Type != c.last.Type || entry.Executable != c.last.Executable || string(entry.Digest) != string(c.last.Digest) {
			return wrong("does not go on where it was")
		}
	} else {
		if c.last != nil && c.covered != c.last.SizeBytes {
			return wrong("comes before the end of the file before")
		}
		if why := checkPath(entry.Path); why != "" {
			return wrong(why)
		}
		for len(c.above) > 0 && !strings.HasPrefix(entry.Path, c.above[len(c.above)-1]) {
			c.above = c.above[:len(c.above)-1]
		}
		for _, above := range c.above {
			if entry.Path[len(above)] == '/' {
				return wrong("lies below a file or an empty directory")
			}
		}
		c.above = append(c.above, entry.Path)
		isBare := entry.SizeBytes == 0 && len(entry.Digest) == 0 && !entry.Executable && len(entry.ChunkSizes) == 0
		isFile := entry.Type == pb.FileType_FILE_TYPE_FILE && len(entry.Digest) == 32 && entry.SizeBytes >= 0
		if entry.Offset != 0 || (isDirectory && !isBare) || (!isDirectory && !isFile) {
			return wrong("is neither a file nor an empty directory")
		}
		c.covered = 0
		c.count++
		c.tree.add(entry.Path, isDirectory, entry.Executable, entry.SizeBytes, entry.Digest)
	}
	if len(entry.ChunkDigests) != 32*len(entry.ChunkSizes) {
		return wrong("has not a digest for each chunk")
	}
	for _, size := range entry.ChunkSizes {
		if size < 1 || size > largest {
			return wrong("has a chunk that is empty or too large")
		}
		c.covered += int64(size)
	}
	if c.covered > entry.SizeBytes || c.count > c.version.FileCount {
		return wrong("is more than there is")
	}
	c.last = entry
	return c.covered == entry.SizeBytes, nil
}

func (c *manifestCheck) finish() error {
	isWhole := c.last == nil || c.covered == c.last.SizeBytes
	if !isWhole || c.count != c.version.FileCount || string(c.tree.digest()) != string(c.version.Digest) {
		return fault(DataLoss, "the server's manifest is not that of this version: it has another tree digest")
	}
	return nil
}
