package xpstore

import (
	"context"
	"io"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"google.golang.org/protobuf/proto"
)

const messageBytes = 1 << 20

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
		if u.past(batch, state) {
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
