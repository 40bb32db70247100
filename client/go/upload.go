package xpstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"github.com/zeebo/blake3"
)

const (
	// Only whole messages count: small ones first, larger ones where they get through.
	firstMessage = 64 << 10
	largest      = 1 << 20
	grownAfter   = 4 << 20
	quick        = 500 * time.Millisecond
	// Proxies end a stream that is silent for a minute.
	silence = 15 * time.Second
	// A stream that lasts longer is broken off, and goes on in another one.
	streamLimit = 15 * time.Minute
	// How fast a server reads a file again before it answers, at least, in bytes a second.
	leastReading = 100 << 20
)

// UploadFile uploads one file by a stream of plain bytes and publishes it as a version. It goes on where it was when the
// stream breaks.
//
// The source is read twice: first for its size and digest, which the server then verifies, so that a file that
// changes meanwhile is refused. Other ways to save are faster for what the server has already: see [Project.Save].
func (p *Project) UploadFile(ctx context.Context, draft Draft, path string, source io.ReadSeeker) (*Version, error) {
	return p.upload(ctx, NewID(), draft, path, source, true)
}

// ResumeUpload is UploadFile with an id of the caller's: a later call with the same id and the same content, of any
// process within 24 hours, goes on where an earlier one was. The id is that of the new version.
func (p *Project) ResumeUpload(
	ctx context.Context, id string, draft Draft, path string, source io.ReadSeeker,
) (*Version, error) {
	return p.upload(ctx, id, draft, path, source, false)
}

func (p *Project) upload(
	ctx context.Context, id string, draft Draft, path string, source io.ReadSeeker, isNew bool,
) (*Version, error) {
	size, digest, err := measure(source)
	if err != nil {
		return nil, err
	}
	wire, err := draft.wire()
	if err != nil {
		return nil, err
	}
	header := &pb.UploadFileHeader{
		UploadId: id, ProjectUid: p.UID, Draft: wire, Path: path, SizeBytes: &size, Blake3: digest[:],
	}
	tree := newTreeHash()
	tree.add(path, false, false, size, digest[:])
	var answer *pb.UploadFileResponse
	// STALE: another stream of this upload is ahead, or was; GetUpload says where to go on.
	err = p.client.repeatLong(ctx, Stale, func(state *attempt) error {
		if !isNew {
			known, err := p.client.uploaded(ctx, id)
			if err != nil {
				return err
			}
			if version := known.GetVersion(); version != nil {
				if version.Name != draft.Name || string(version.Digest) != string(tree.digest()) {
					return uploadTaken(id, version.Name)
				}
				answer = &pb.UploadFileResponse{Version: version, Created: version.Id == id}
				return nil
			}
			if known.GetOffset() > header.Offset {
				state.progress()
			}
			header.Offset = known.GetOffset()
		}
		isNew = false
		var err error
		answer, err = p.client.stream(ctx, header, source, size)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p.client.made(answer.Version, answer.Created, tree.digest())
}

func uploadTaken(id, name string) *Error {
	return &Error{
		Reason: AlreadyExists, Message: fmt.Sprintf("the upload %s was of another file, of %q", id, name),
		Metadata: map[string]string{"field": "header.upload_id", "value": id, "resource": "upload"}, isOurs: true,
	}
}

// uploaded says how far an upload is: nowhere, if the server does not know it.
func (c *Client) uploaded(ctx context.Context, id string) (*pb.GetUploadResponse, error) {
	answer, err := once(ctx, c, c.artifacts.GetUpload, &pb.GetUploadRequest{UploadId: id})
	if errors.Is(err, NotFound) {
		return nil, nil
	}
	return answer, err
}

// measure reads a source from its start to its end.
func measure(source io.ReadSeeker) (size int64, digest [32]byte, err error) {
	if _, err = source.Seek(0, io.SeekStart); err != nil {
		return 0, digest, err
	}
	whole := blake3.New()
	if size, err = io.CopyBuffer(struct{ io.Writer }{whole}, struct{ io.Reader }{source}, make([]byte, largest)); err != nil {
		return 0, digest, err
	}
	return size, [32]byte(whole.Sum(nil)), nil
}

// stream sends a file from an offset on, and returns the answer to its end.
func (c *Client) stream(
	ctx context.Context, header *pb.UploadFileHeader, source io.ReadSeeker, size int64,
) (*pb.UploadFileResponse, error) {
	limit := streamLimit + time.Duration(size/leastReading)*time.Second
	bounded, cancel := context.WithTimeout(ctx, limit)
	stream, err := c.artifacts.UploadFile(bounded)
	if err != nil {
		cancel()
		return nil, err
	}
	pieces := &pieces{found: make(chan piece, 1)}
	pieces.size.Store(firstMessage)
	go pieces.read(bounded, source, header.Offset, size)
	// The source is the caller's again when this returns: what reads it must have ended.
	defer func() {
		cancel()
		for range pieces.found {
		}
	}()
	if err := send(stream, header, pieces); err != nil {
		return nil, err
	}
	return stream.CloseAndRecv()
}

// send sends the header, the pieces and the end; nil also if the server answered before it read all.
func send(stream pb.ArtifactService_UploadFileClient, header *pb.UploadFileHeader, pieces *pieces) error {
	message := &pb.UploadFileRequest{Part: &pb.UploadFileRequest_Header{Header: header}}
	pace := pace{size: firstMessage}
	timer := time.NewTimer(silence)
	defer timer.Stop()
	for {
		began := time.Now()
		if err := stream.Send(message); err != nil {
			if err == io.EOF { // the answer, or the error, is there
				return nil
			}
			return err
		}
		if data := message.GetData(); len(data) > 0 {
			pace.took(len(data), time.Since(began))
			pieces.size.Store(int64(pace.size))
		}
		if message.Finish {
			return nil
		}
		timer.Reset(silence)
		select {
		case <-timer.C:
			message = &pb.UploadFileRequest{} // a sign of life
		case piece, more := <-pieces.found:
			if piece.err != nil {
				return piece.err
			}
			message = &pb.UploadFileRequest{Finish: !more}
			if more {
				message.Part = &pb.UploadFileRequest_Data{Data: piece.data}
			}
		}
	}
}

// pace says how large messages shall be.
type pace struct{ size, since int }

// took notes how long a message took.
func (p *pace) took(size int, duration time.Duration) {
	p.since += size
	if duration > quick {
		p.size, p.since = firstMessage, 0
	} else if p.since >= grownAfter && p.size < largest {
		p.size, p.since = 2*p.size, 0
	}
}

type piece struct {
	data []byte
	err  error
}

// pieces are read by a goroutine of their own, so that a slow source does not keep signs of life.
type pieces struct {
	found chan piece
	size  atomic.Int64
}

func (p *pieces) read(ctx context.Context, source io.ReadSeeker, offset, size int64) {
	defer close(p.found)
	_, err := source.Seek(offset, io.SeekStart)
	for err == nil && offset < size {
		data := make([]byte, min(p.size.Load(), size-offset))
		if _, err = io.ReadFull(source, data); err != nil {
			break
		}
		offset += int64(len(data))
		select {
		case p.found <- piece{data: data}:
		case <-ctx.Done():
			return
		}
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = fault(InvalidArgument, "the source has become shorter than %d bytes while it was read", size)
	}
	if err != nil {
		select {
		case p.found <- piece{err: err}:
		case <-ctx.Done():
		}
	}
}
