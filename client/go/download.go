package xpstore

import (
	"context"
	"errors"
	"hash"
	"io"
	"os"
	"path"
	"sync"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"github.com/zeebo/blake3"
)

const (
	// Raw bytes and chunks that are fetched together, and how many such windows are under way.
	fetchBytes  = 8 << 20
	fetchChunks = 4_096
	fetches     = 3
)

// Download brings all files of the version into a folder, which is made if there is none. Each file is whole and verified, or
// not there under its name; files that are there already are replaced. Links in the folder lead to nowhere outside.
func (v *Version) Download(ctx context.Context, folder string) error {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	limits, err := v.client.limits(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	d := &download{
		version: v, ctx: ctx, root: root, windows: make(chan *fetch, fetches-2), hasURLs: limits.GetDirect().GetReadUrls(),
	}
	d.group.Go(d.plan)
	err = d.write()
	cancel()
	for range d.windows { // what was planned meanwhile
	}
	d.group.Wait()
	if d.file != nil { // left by an error
		_ = d.file.Close()
		_ = root.Remove(d.partial)
	}
	return err
}

// step is what is done next in the folder: a directory, a file begins, a chunk of it, it ends.
type step struct {
	entry  *pb.ManifestEntry
	isLast bool     // the file ends
	digest [32]byte // of a chunk
	size   int32
}

// fetch are the steps that need chunks which are fetched together.
type fetch struct {
	steps  []step
	sizes  map[[32]byte]int32
	bytes  int64
	chunks map[[32]byte][]byte
	done   chan error
}

type download struct {
	version *Version
	ctx     context.Context
	root    *os.Root
	windows chan *fetch
	group   sync.WaitGroup
	planErr error // once windows is closed
	line    line
	hasURLs bool // the server says where chunks are

	file    *os.File
	partial string
	whole   hash.Hash
	written int64
}

// plan turns the manifest into windows, and begins to fetch each.
func (d *download) plan() {
	defer close(d.windows)
	now := newFetch()
	emit := func() bool {
		if len(now.steps) == 0 {
			return true
		}
		one := now
		now = newFetch()
		d.group.Go(func() { one.done <- d.fetch(one) })
		select {
		case d.windows <- one:
			return true
		case <-d.ctx.Done():
			return false
		}
	}
	d.planErr = d.version.manifest(d.ctx, func(entry *pb.ManifestEntry, isLast bool) error {
		now.steps = append(now.steps, step{entry: entry, isLast: isLast && len(entry.ChunkSizes) == 0})
		for i, size := range entry.ChunkSizes {
			digest := [32]byte(entry.ChunkDigests[32*i : 32*i+32])
			if _, is := now.sizes[digest]; !is {
				now.sizes[digest] = size
				now.bytes += int64(size)
			}
			isEnd := isLast && i == len(entry.ChunkSizes)-1
			now.steps = append(now.steps, step{entry: entry, digest: digest, size: size, isLast: isEnd})
			if now.isFull() && !emit() {
				return d.ctx.Err()
			}
		}
		if len(now.steps) >= fetchChunks && !emit() {
			return d.ctx.Err()
		}
		return nil
	})
	if d.planErr == nil {
		emit()
	}
}

func newFetch() *fetch {
	return &fetch{sizes: map[[32]byte]int32{}, chunks: map[[32]byte][]byte{}, done: make(chan error, 1)}
}

func (f *fetch) isFull() bool { return f.bytes >= fetchBytes || len(f.steps) >= fetchChunks }

// missing are the digests of the chunks that are not there yet.
func (f *fetch) missing() (digests [][]byte) {
	for digest := range f.sizes {
		if f.chunks[digest] == nil {
			digests = append(digests, digest[:])
		}
	}
	return digests
}

// write does the steps of all windows in their order.
func (d *download) write() error {
	for window := range d.windows {
		if err := <-window.done; err != nil {
			return err
		}
		for _, one := range window.steps {
			if err := d.do(one, window.chunks); err != nil {
				return err
			}
		}
	}
	if d.planErr == nil {
		return typed(d.ctx, d.ctx.Err())
	}
	return d.planErr
}

func (d *download) do(one step, chunks map[[32]byte][]byte) error {
	entry := one.entry
	if one.size == 0 { // an entry begins
		if entry.Type == pb.FileType_FILE_TYPE_DIRECTORY {
			return d.root.MkdirAll(entry.Path, 0o777)
		}
		if entry.Offset == 0 {
			if err := d.begin(entry); err != nil {
				return err
			}
		}
	} else {
		data := chunks[one.digest]
		if _, err := d.file.Write(data); err != nil {
			return err
		}
		_, _ = d.whole.Write(data)
		d.written += int64(len(data))
	}
	if one.isLast {
		return d.end(entry)
	}
	return nil
}

func (d *download) begin(entry *pb.ManifestEntry) error {
	folder := path.Dir(entry.Path)
	if folder != "." {
		if err := d.root.MkdirAll(folder, 0o777); err != nil {
			return err
		}
	}
	mode := os.FileMode(0o666)
	if entry.Executable {
		mode = 0o777
	}
	d.partial = path.Join(folder, ".xpstore-"+NewID())
	file, err := d.root.OpenFile(d.partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	d.file, d.whole, d.written = file, blake3.New(), 0
	return err
}

// end puts the file in its place, if it is what was saved.
func (d *download) end(entry *pb.ManifestEntry) error {
	file := d.file
	d.file = nil
	err := file.Close()
	if err == nil && (d.written != entry.SizeBytes || string(d.whole.Sum(nil)) != string(entry.Digest)) {
		err = fault(DataLoss, "%s came with other bytes than it was saved with", entry.Path)
	}
	if err == nil {
		err = d.root.Rename(d.partial, entry.Path)
	}
	if err != nil {
		_ = d.root.Remove(d.partial)
	}
	return err
}

// fetch gets the chunks of a window, each verified; one that is wrong is asked for once more.
func (d *download) fetch(window *fetch) error {
	wrong := map[[32]byte]bool{}
	return d.version.client.repeat(d.ctx, func(state *attempt) error {
		d.past(window, state)
		for {
			request := &pb.ReadChunksRequest{VersionId: d.version.ID, Digests: window.missing()}
			if len(request.Digests) == 0 {
				return nil
			}
			before := len(wrong)
			if err := d.receive(request, window, wrong, state); err != nil {
				return lostChunk(err)
			}
			if len(wrong) == before && len(window.chunks) < len(window.sizes) {
				return fault(DataLoss, "the server did not send all chunks that were asked for")
			}
		}
	})
}

// lostChunk is a chunk that the version needs and the server has not.
func lostChunk(err error) error {
	var found *Error
	if errors.As(err, &found) && found.Reason == NotFound && found.Resource() == "chunk" {
		return fault(DataLoss, "the server has lost the chunk %s of this version", found.Value())
	}
	return err
}

func (d *download) receive(
	request *pb.ReadChunksRequest, window *fetch, wrong map[[32]byte]bool, state *attempt,
) error {
	defer d.line.enter()()
	bounded, cancel := context.WithTimeout(d.ctx, streamLimit)
	defer cancel()
	stream, err := d.version.client.artifacts.ReadChunks(bounded, request)
	if err != nil {
		return err
	}
	for {
		message, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			d.line.breaks()
			return typed(d.ctx, err)
		}
		for _, one := range message.Chunks {
			if len(one.Digest) != 32 {
				return fault(DataLoss, "the server sent a chunk whose digest has %d bytes", len(one.Digest))
			}
			digest := [32]byte(one.Digest)
			size, is := window.sizes[digest]
			if !is || window.chunks[digest] != nil {
				return fault(DataLoss, "the server sent the chunk %x, which was not asked for", digest)
			}
			data, err := decoded(one, size)
			if err == nil {
				window.chunks[digest] = data
				state.progress()
			} else if wrong[digest] {
				return err
			} else {
				wrong[digest] = true // one bad read of the server's store: it is asked for once more
			}
		}
	}
}
