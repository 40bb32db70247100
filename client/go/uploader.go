package xpstore

import (
	"context"
	"io"
	"sync"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"github.com/zeebo/blake3"
)

const (
	// Raw bytes that are asked about together, and encoded bytes of one stream, which become one pack.
	windowBytes = 16 << 20
	batchBytes  = 10 << 20
	streams     = 3
)

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
