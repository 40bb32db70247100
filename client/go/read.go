package xpstore

import (
	"context"
	"encoding/hex"
	"hash"
	"io"
	"os"
	"path/filepath"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"github.com/zeebo/blake3"
)

// FileReader reads a file of a version, and goes on where it was when the stream breaks.
//
// A whole file is verified: where its bytes are not those that were saved, Read returns [DataLoss] in place of io.EOF. A
// range of it is not. It is not for several goroutines at once.
type FileReader struct {
	Path   string
	Size   int64  // of the whole file
	Digest []byte // BLAKE3 of the whole file

	client   *Client
	ctx      context.Context
	cancel   context.CancelFunc
	request  *pb.ReadFileRequest
	stream   pb.ArtifactService_ReadFileClient
	left     []byte
	position int64
	end      int64
	whole    hash.Hash // nil for a range
	err      error
}

// Open begins to read a file. The path may be empty where the version has exactly one file.
func (v *Version) Open(ctx context.Context, path string) (*FileReader, error) {
	reader, err := v.open(ctx, &pb.ReadFileRequest{Path: path})
	if err == nil {
		reader.whole = blake3.New()
	}
	return reader, err
}

// OpenRange begins to read a range of a file; one that reaches beyond the end is cut there.
func (v *Version) OpenRange(ctx context.Context, path string, offset, length int64) (*FileReader, error) {
	return v.open(ctx, &pb.ReadFileRequest{Path: path, Offset: offset, Length: &length})
}

func (v *Version) open(ctx context.Context, request *pb.ReadFileRequest) (*FileReader, error) {
	request.Source = &pb.ReadFileRequest_VersionId{VersionId: v.ID}
	bounded, cancel := context.WithCancel(ctx)
	r := &FileReader{
		client: v.client, ctx: bounded, cancel: cancel, request: request, position: request.Offset, end: -1,
	}
	if err := v.client.repeat(bounded, func(*attempt) error { return r.begin() }); err != nil {
		cancel()
		return nil, err
	}
	return r, nil
}

// begin opens a stream at the position, and reads its header.
func (r *FileReader) begin() error {
	if r.end >= 0 {
		length := r.end - r.position
		r.request.Offset, r.request.Length = r.position, &length
	}
	stream, err := r.client.artifacts.ReadFile(r.ctx, r.request)
	if err != nil {
		return err
	}
	message, err := stream.Recv()
	if err != nil {
		return err
	}
	header := message.GetHeader()
	if header == nil || header.Offset != r.position || header.Length < 0 || header.Offset+header.Length > header.SizeBytes {
		return fault(DataLoss, "the server sent no header, or that of another range")
	}
	if r.end < 0 {
		r.Path, r.Size, r.Digest, r.end = header.Path, header.SizeBytes, header.Digest, header.Offset+header.Length
	} else if string(header.Digest) != string(r.Digest) || header.Offset+header.Length != r.end {
		return fault(DataLoss, "%s has become another file while it was read", r.Path)
	}
	r.stream = stream
	return nil
}

// next gets the next bytes into left.
func (r *FileReader) next() error {
	return r.client.repeat(r.ctx, func(*attempt) error {
		if r.stream == nil {
			if err := r.begin(); err != nil {
				return err
			}
		}
		message, err := r.stream.Recv()
		if err == io.EOF {
			return fault(DataLoss, "%s ends after %d bytes of %d", r.Path, r.position, r.end)
		}
		if err != nil {
			r.stream = nil
			return err
		}
		r.left = message.GetData()
		r.position += int64(len(r.left))
		if r.position > r.end {
			return fault(DataLoss, "the server sent more of %s than there is", r.Path)
		}
		return nil
	})
}

// fill has bytes in left, or an error.
func (r *FileReader) fill() error {
	for r.err == nil && len(r.left) == 0 {
		if r.position < r.end {
			if r.err = r.next(); r.err == nil && r.whole != nil {
				_, _ = r.whole.Write(r.left)
			}
			continue
		}
		r.err = io.EOF
		if r.whole != nil && string(r.whole.Sum(nil)) != string(r.Digest) {
			r.err = fault(DataLoss, "%s came with other bytes than it was saved with: its digest is not %s",
				r.Path, hex.EncodeToString(r.Digest))
		}
		r.cancel()
	}
	if len(r.left) > 0 {
		return nil
	}
	return r.err
}

// Read reads the next bytes.
func (r *FileReader) Read(data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	if err := r.fill(); err != nil {
		return 0, err
	}
	count := copy(data, r.left)
	r.left = r.left[count:]
	return count, nil
}

// WriteTo writes all that is left.
func (r *FileReader) WriteTo(target io.Writer) (written int64, err error) {
	for {
		if err := r.fill(); err == io.EOF {
			return written, nil
		} else if err != nil {
			return written, err
		}
		count, err := target.Write(r.left)
		written += int64(count)
		r.left = r.left[count:]
		if err != nil {
			return written, err
		}
	}
}

// Close ends reading.
func (r *FileReader) Close() error {
	r.cancel()
	if r.err == nil {
		r.err = os.ErrClosed
	}
	r.left = nil
	return nil
}

// ReadFile returns the verified bytes of a file.
func (v *Version) ReadFile(ctx context.Context, path string) ([]byte, error) {
	reader, err := v.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = reader.Close() }()
	return io.ReadAll(reader)
}

// DownloadFile writes a file to a path of this machine: whole and verified, or not at all.
func (v *Version) DownloadFile(ctx context.Context, path, target string) (err error) {
	reader, err := v.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	partial, err := os.CreateTemp(filepath.Dir(target), ".xpstore-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = partial.Close()
			_ = os.Remove(partial.Name())
		}
	}()
	if _, err = reader.WriteTo(partial); err != nil {
		return err
	}
	if err = partial.Chmod(0o644); err != nil {
		return err
	}
	if err = partial.Close(); err != nil {
		return err
	}
	return os.Rename(partial.Name(), target)
}
