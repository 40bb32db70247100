package xpstore

import (
	"context"
	"errors"
	"io"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
)

// past fetches chunks of a window past the server where that is known to work; else it is tried on one of them, while the
// window comes through the server. What is not there when it returns comes by ReadChunks.
func (d *download) past(window *fetch, state *attempt) {
	down := &d.version.client.down
	isOpen, isProven := down.state()
	switch {
	case !d.hasURLs || !isOpen || window.bytes < pastFrom:
	case isProven:
		err := d.version.locateChunks(d.ctx, window)
		down.took(d.ctx, err)
		if away := (*Error)(nil); !errors.As(err, &away) { // the server answered: what took its time was the host
			state.progress()
		}
	case window.isFull() && down.trial.TryLock(): // more are to come
		one := newFetch()
		for digest, size := range window.sizes {
			one.sizes[digest] = size
			break
		}
		d.group.Go(func() {
			defer down.trial.Unlock()
			down.took(d.ctx, d.version.locateChunks(d.ctx, one))
		})
	}
}

// locateChunks asks where the missing chunks of a window are, and fetches them there, each verified. It ends at the first
// that does not come so, with an [Error] where it is one of the server.
func (v *Version) locateChunks(ctx context.Context, window *fetch) error {
	digests := window.missing()
	answer, err := once(ctx, v.client, v.client.transfers.LocateChunks, &pb.LocateChunksRequest{
		VersionId: v.ID, Digests: digests, Way: pb.TransferWay_TRANSFER_WAY_URL, MaxExtentBytes: fetchBytes,
	})
	if err != nil {
		return err
	}
	end := time.Now().Add(time.UnixMicro(answer.ExpiresAtUs).Sub(time.UnixMicro(answer.NowUs)))
	for _, extent := range answer.Extents {
		if time.Now().After(end) { // a thin line: its URL would be refused
			return nil
		}
		if err := v.client.fetchExtent(ctx, extent, digests, window); err != nil {
			return err
		}
	}
	if len(window.chunks) < len(window.sizes) {
		return brokenf("the server says of fewer chunks where they are than it was asked for")
	}
	return nil
}

// fetchExtent fetches the chunks of an extent, one after the other. What is between them is passed over.
func (c *Client) fetchExtent(ctx context.Context, extent *pb.Extent, digests [][]byte, window *fetch) error {
	if extent.SizeBytes > fetchBytes || len(extent.Chunks) == 0 {
		return brokenf("the server names an extent that was not asked for")
	}
	body, err := c.hosts.get(ctx, extent)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	place := int64(0)
	for _, one := range extent.Chunks {
		if one.Position < 0 || int(one.Position) >= len(digests) {
			return brokenf("the server says where chunks are that it was not asked for")
		}
		digest := [32]byte(digests[one.Position])
		size, stored := window.sizes[digest], int64(one.StoredSizeBytes)
		if one.Offset < place || stored < 1 || stored > int64(size) || one.Offset+stored > extent.SizeBytes {
			return brokenf("the server says of chunks that they are where they cannot be")
		}
		if _, err = io.CopyN(io.Discard, body, one.Offset-place); err != nil {
			return brokenf("an extent broke off in the middle: %s", withoutURL(err))
		}
		data := make([]byte, stored)
		if _, err = io.ReadFull(body, data); err != nil {
			return brokenf("an extent broke off in the middle: %s", withoutURL(err))
		}
		raw, err := decoded(&pb.Chunk{Digest: digest[:], Codec: one.Codec, Data: data}, size)
		if err != nil {
			return brokenf("%s", err)
		}
		window.chunks[digest], place = raw, one.Offset+stored
	}
	return nil
}
