package xpstore

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"iter"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
)

// Masks of FastCDC (2020) for an average of 192 KiB at normalization 2: below the average a cut is rarer than above.
// Where a server says other numbers its clients may cut otherwise, and then do not share chunks with this one.
const (
	maskBelow = 0x0000d91747537000
	maskAbove = 0x0000d90303537000
)

// gear has random numbers, the same for all: the first 8 bytes of the MD5 of 64 bytes of each value.
var gear = func() (table [256]uint64) {
	for value := range table {
		var same [64]byte
		for i := range same {
			same[i] = byte(value)
		}
		sum := md5.Sum(same[:])
		table[value] = binary.BigEndian.Uint64(sum[:])
	}
	return table
}()

// Chunking says how files are cut into chunks, where their content says: no chunk but the last is smaller than Least, none
// larger than Most. Those who cut alike share chunks.
type Chunking struct{ Least, Average, Most int }

// Chunking is how the server wants files to be cut.
func (c *Client) Chunking(ctx context.Context) (Chunking, error) {
	limits, err := c.limits(ctx)
	if err != nil {
		return Chunking{}, err
	}
	return chunkingOf(limits)
}

func chunkingOf(limits *pb.Limits) (Chunking, error) {
	said := limits.GetChunking()
	c := Chunking{int(said.GetMinSizeBytes()), int(said.GetAverageSizeBytes()), int(said.GetMaxSizeBytes())}
	if c.Least < 2 || c.Average < c.Least || c.Most < c.Average || int64(c.Most) > limits.GetMaxChunkBytes() {
		return c, fault(DataLoss, "the server wants files to be cut in a way that cannot be: %v", said)
	}
	return c, nil
}

// Cut yields the chunks of a file, which are views of it.
func (c Chunking) Cut(data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(data) > 0 {
			size := c.next(data)
			if !yield(data[:size]) {
				return
			}
			data = data[size:]
		}
	}
}

// next is the size of the first chunk of the bytes that are left. They must be all of them, or at least Most.
func (c Chunking) next(left []byte) int {
	if len(left) <= c.Least {
		return len(left)
	}
	all := min(c.Most, len(left))
	end, average := all&^1, c.Average&^1
	var hash uint64
	position := c.Least &^ 1
	for ; position < min(average, end); position++ {
		if hash = hash<<1 + gear[left[position]]; hash&maskBelow == 0 {
			return position
		}
	}
	for ; position < end; position++ {
		if hash = hash<<1 + gear[left[position]]; hash&maskAbove == 0 {
			return position
		}
	}
	return all
}
