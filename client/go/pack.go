package xpstore

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"strings"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
)

// packOf are the parts of a pack that follow each other, as docs/protocol.md has it: chunks, and what describes them.
func packOf(projectUID string, chunks []*pb.Chunk) ([][]byte, error) {
	pool, err := hex.DecodeString(strings.ReplaceAll(projectUID, "-", ""))
	if err != nil || len(pool) != 16 {
		return nil, brokenf("the uid of the project is no UUID: %q", shortened(projectUID, 40))
	}
	little := binary.LittleEndian
	parts := make([][]byte, 0, len(chunks)+1)
	footer, offset := little.AppendUint32(pool, uint32(len(chunks))), 0
	for _, one := range chunks {
		parts = append(parts, one.Data)
		footer = append(append(footer, one.Digest...), byte(one.Codec))
		footer = little.AppendUint32(footer, uint32(offset))
		footer = little.AppendUint32(footer, uint32(len(one.Data)))
		footer = little.AppendUint32(footer, uint32(one.RawSizeBytes))
		offset += len(one.Data)
	}
	trailer := little.AppendUint16([]byte("XPAK"), 1)
	trailer = little.AppendUint32(trailer, uint32(len(footer)))
	trailer = little.AppendUint32(trailer, crc32.ChecksumIEEE(footer))
	return append(parts, append(footer, trailer...)), nil
}

// past stores a batch as a pack past the server, and says whether it is durable. If not it is sent through it. Until it is
// known where that leads one batch is tried, and others do not wait for it.
func (u *uploader) past(batch []*pb.Chunk, state *attempt) bool {
	size := 0
	for _, one := range batch {
		size += len(one.Data)
	}
	up := &u.client.up
	isOpen, isProven := up.state()
	if !u.limits.GetDirect().GetWriteUrls() || !isOpen || size < pastFrom || len(batch) > int(u.limits.MaxDigests) {
		return false
	}
	if !isProven {
		if !up.trial.TryLock() {
			return false
		}
		defer up.trial.Unlock()
	}
	err := u.putPack(batch)
	up.took(u.ctx, err)
	if away := (*Error)(nil); !errors.As(err, &away) { // the server answered: what took its time was the host
		state.progress()
	}
	return err == nil
}

// putPack writes a batch as a pack, and has the server take it into its index.
func (u *uploader) putPack(batch []*pb.Chunk) error {
	parts, err := packOf(u.project, batch)
	if err != nil {
		return err
	}
	pack := &pb.NewPack{PackId: NewID()}
	for _, part := range parts {
		pack.SizeBytes += int64(len(part))
		pack.Crc32 = crc32.Update(pack.Crc32, crc32.IEEETable, part)
	}
	opened, err := once(u.ctx, u.client, u.client.transfers.OpenPacks, &pb.OpenPacksRequest{
		ProjectUid: u.project, Packs: []*pb.NewPack{pack}, Way: pb.TransferWay_TRANSFER_WAY_URL,
	})
	if err != nil {
		return err
	}
	if len(opened.Places) != 1 {
		return brokenf("the server names %d places for one pack", len(opened.Places))
	}
	if err := u.client.hosts.put(u.ctx, opened.Places[0], parts); err != nil {
		return err
	}
	// Again while the server is away: all that was to be sent is there.
	closed, err := call(u.ctx, u.client, u.client.transfers.ClosePacks, &pb.ClosePacksRequest{
		ProjectUid: u.project, PackIds: []string{pack.PackId},
	})
	if err != nil {
		return err
	}
	if len(closed.Stored) != 1 || !closed.Stored[0] {
		return brokenf("the server does not take what was written")
	}
	return nil
}
