package xpstore

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"github.com/zeebo/blake3"
	"google.golang.org/protobuf/proto"
)

const (
	// Raw bytes that are asked about together, and encoded bytes of one stream, which become one pack.
	windowBytes  = 16 << 20
	batchBytes   = 10 << 20
	messageBytes = 1 << 20
	streams      = 3
	// How often chunks that were swept between upload and commit are sent again.
	commitAttempts = 5
)

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

// chunk is a piece of a file, with how it travels.
type chunk struct {
	digest [32]byte
	raw    []byte
	wire   *pb.Chunk
}

// window are chunks that are asked about together.
type window struct {
	chunks []chunk
	size   int
	done   chan error // when it is known what is missing, and that is encoded
	wires  []*pb.Chunk
}

// uploader reads and cuts in the caller's goroutine, asks and encodes in another, and sends in three.
type uploader struct {
	client  *Client
	project string
	ctx     context.Context
	cancel  context.CancelCauseFunc
	limits  *pb.Limits
	cut     Chunking

	window window
	asked  *window
	taken  map[[32]byte]struct{}
	batch  []*pb.Chunk
	size   int
	turns  chan struct{}
	group  sync.WaitGroup
	line   line
}

// reason is what broke the upload off, if something did.
func (u *uploader) reason(err error) error {
	if cause := context.Cause(u.ctx); cause != nil {
		return cause
	}
	return err
}

// add reads a file and takes its chunks.
func (u *uploader) add(one source) (file cutFile, err error) {
	if one.open == nil {
		return u.addBytes(one.data)
	}
	opened, err := one.open()
	if err != nil {
		return file, err
	}
	defer func() { _ = opened.Close() }()
	before, err := opened.Stat()
	if err != nil {
		return file, err
	}
	whole := blake3.New()
	var carried []byte
	for isEnd := false; !isEnd; {
		// A new block each time: chunks are views of it until they are sent.
		room := min(int64(windowBytes), max(before.Size()-file.size, 0)+1)
		block := make([]byte, len(carried)+int(room))
		copy(block, carried)
		count, err := io.ReadFull(opened, block[len(carried):])
		isEnd = err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !isEnd {
			return file, err
		}
		data := block[:len(carried)+count]
		hashed := make(chan struct{}) // beside the cut: each takes as long as the other
		go func(fresh []byte) {
			_, _ = whole.Write(fresh)
			close(hashed)
		}(data[len(carried):])
		carried, err = u.cutUp(&file, data, isEnd)
		<-hashed
		if err != nil {
			return file, err
		}
	}
	file.digest = whole.Sum(nil)
	after, err := opened.Stat()
	if err == nil && (after.Size() != before.Size() || after.Size() != file.size || after.ModTime() != before.ModTime()) {
		err = invalid("source", one.path, "changes while it is read; save a copy, or when nothing writes to it")
	}
	return file, err
}

func (u *uploader) addBytes(data []byte) (file cutFile, err error) {
	sum := blake3.Sum256(data)
	_, err = u.cutUp(&file, data, true)
	file.digest = sum[:]
	return file, err
}

// cutUp takes the chunks of bytes that follow each other in a file; what may go on stays over.
func (u *uploader) cutUp(file *cutFile, data []byte, isEnd bool) ([]byte, error) {
	for len(data) > 0 && (isEnd || len(data) >= u.cut.Most) {
		size := u.cut.next(data)
		digest, err := u.take(data[:size])
		if err != nil {
			return nil, err
		}
		file.digests, file.sizes = append(file.digests, digest...), append(file.sizes, int32(size))
		file.size += int64(size)
		data = data[size:]
	}
	return data, nil
}

// take takes a chunk, and returns its digest.
func (u *uploader) take(data []byte) ([]byte, error) {
	digest := blake3.Sum256(data)
	if _, is := u.taken[digest]; is {
		return digest[:], nil
	}
	u.taken[digest] = struct{}{}
	u.window.chunks = append(u.window.chunks, chunk{digest: digest, raw: data})
	u.window.size += len(data)
	if u.window.size < windowBytes && len(u.window.chunks) < int(u.limits.MaxDigests) {
		return digest[:], nil
	}
	return digest[:], u.ask()
}

// ask asks what is missing of the window, and meanwhile settles the one before.
func (u *uploader) ask() error {
	now := u.window
	u.window = window{}
	if len(now.chunks) > 0 {
		now.done = make(chan error, 1)
		u.group.Go(func() { now.done <- u.encode(&now) })
	}
	before := u.asked
	u.asked = nil
	if len(now.chunks) > 0 {
		u.asked = &now
	}
	if before == nil {
		return u.ctx.Err()
	}
	return u.settle(before)
}

// settle hands on what is missing of a window.
func (u *uploader) settle(w *window) error {
	if err := <-w.done; err != nil {
		return err
	}
	for _, wire := range w.wires {
		if u.size > 0 && u.size+len(wire.Data) > batchBytes {
			u.sendBatch()
		}
		u.batch, u.size = append(u.batch, wire), u.size+len(wire.Data)
	}
	return u.ctx.Err()
}

// finish returns when all that was taken is durable.
func (u *uploader) finish() error {
	for range 2 { // the last window, and the one before
		if err := u.ask(); err != nil {
			return err
		}
	}
	u.sendBatch()
	u.group.Wait()
	return u.ctx.Err()
}

func (u *uploader) missing(digests [][]byte) ([]int32, error) {
	answer, err := call(u.ctx, u.client, u.client.artifacts.FindMissingChunks, &pb.FindMissingChunksRequest{
		ProjectUid: u.project, Digests: digests,
	})
	return answer.GetMissingPositions(), err
}

// encode finds out what is missing of a window, and encodes that.
func (u *uploader) encode(w *window) error {
	digests := make([][]byte, len(w.chunks))
	for i := range w.chunks {
		digests[i] = w.chunks[i].digest[:]
	}
	positions, err := u.missing(digests)
	if err != nil {
		return err
	}
	for _, position := range positions {
		if position < 0 || int(position) >= len(w.chunks) {
			return fault(DataLoss, "the server lacks chunk %d of %d", position, len(w.chunks))
		}
		one := &w.chunks[position]
		codec, data := encoded(one.raw)
		w.wires = append(w.wires, &pb.Chunk{
			Digest: one.digest[:], Codec: codec, RawSizeBytes: int64(len(one.raw)), Data: data,
		})
	}
	return nil
}

// sendBatch sends what there is in a goroutine, when it is its turn.
func (u *uploader) sendBatch() {
	batch := u.batch
	u.batch, u.size = nil, 0
	if len(batch) == 0 {
		return
	}
	select {
	case u.turns <- struct{}{}:
	case <-u.ctx.Done():
		return
	}
	u.group.Go(func() {
		defer func() { <-u.turns }()
		if err := u.deliver(batch); err != nil {
			u.cancel(typed(u.ctx, err))
		}
	})
}

// deliver sends chunks until all are durable, each time only what is not.
func (u *uploader) deliver(batch []*pb.Chunk) error {
	isAgain := false
	return u.client.repeatLong(u.ctx, "", func(state *attempt) error {
		if isAgain {
			digests := make([][]byte, len(batch))
			for i, one := range batch {
				digests[i] = one.Digest
			}
			positions, err := u.missing(digests)
			if err != nil {
				return err
			}
			if len(positions) < len(batch) {
				state.progress()
			}
			var left []*pb.Chunk
			for _, position := range positions {
				left = append(left, batch[position])
			}
			batch = left
		}
		isAgain = true
		if len(batch) == 0 {
			return nil
		}
		err := u.stream(batch)
		if err != nil {
			u.line.breaks()
		}
		return err
	})
}

func (u *uploader) stream(batch []*pb.Chunk) error {
	defer u.line.enter()()
	most := messageBytes
	if u.line.isThin.Load() {
		most = 0 // a chunk a message
	}
	bounded, cancel := context.WithTimeout(u.ctx, streamLimit)
	defer cancel()
	stream, err := u.client.artifacts.UploadChunks(bounded)
	if err != nil {
		return err
	}
	request := &pb.UploadChunksRequest{ProjectUid: u.project}
	size := 0
	flush := func() error {
		err := stream.Send(request)
		request, size = &pb.UploadChunksRequest{}, 0
		return err
	}
	for _, one := range batch {
		more := proto.Size(one)
		if size > 0 && (size+more > most || len(request.Chunks) >= int(u.limits.MaxChunks)) {
			if err = flush(); err != nil {
				break
			}
		}
		request.Chunks, size = append(request.Chunks, one), size+more
	}
	if err == nil {
		err = flush()
	}
	if err != nil && err != io.EOF { // io.EOF: the answer, or the error, is there
		return err
	}
	_, err = stream.CloseAndRecv()
	return err
}
