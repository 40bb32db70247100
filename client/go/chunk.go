package xpstore

import (
	"sync"

	"github.com/klauspost/compress/zstd"
	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"github.com/zeebo/blake3"
)

// A sample of a chunk says whether compressing pays: it is to save an eighth.
const (
	sampleBytes = 4 << 10
	leastBytes  = 256
)

var compressor = sync.OnceValue(func() *zstd.Encoder {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		panic(err) // of options that are constant
	}
	return encoder
})

// encoded compresses a chunk where a sample says that it saves an eighth.
func encoded(raw []byte) (pb.Codec, []byte) {
	if len(raw) < leastBytes {
		return pb.Codec_CODEC_NONE, raw
	}
	start := max(len(raw)-sampleBytes, 0) / 2
	sample := raw[start:min(start+sampleBytes, len(raw))]
	if 8*len(compressor().EncodeAll(sample, nil)) > 7*len(sample) {
		return pb.Codec_CODEC_NONE, raw
	}
	if data := compressor().EncodeAll(raw, nil); 8*len(data) <= 7*len(raw) {
		return pb.Codec_CODEC_ZSTD, data
	}
	return pb.Codec_CODEC_NONE, raw
}

var decompressor = sync.OnceValue(func() *zstd.Decoder {
	// No more than a chunk, whatever a frame says.
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(16<<20), zstd.WithDecoderConcurrency(2))
	if err != nil {
		panic(err) // of options that are constant
	}
	return decoder
})

// decoded are the raw bytes of a chunk, verified.
func decoded(one *pb.Chunk, size int32) ([]byte, error) {
	data := one.Data
	switch one.Codec {
	case pb.Codec_CODEC_NONE:
	case pb.Codec_CODEC_ZSTD:
		var err error
		if data, err = decompressor().DecodeAll(data, make([]byte, 0, size)); err != nil {
			return nil, fault(DataLoss, "the chunk %x came damaged: %v", one.Digest, err)
		}
	default:
		return nil, fault(DataLoss, "the chunk %x has the unknown codec %d: take a newer client", one.Digest, one.Codec)
	}
	if sum := blake3.Sum256(data); len(data) != int(size) || string(sum[:]) != string(one.Digest) {
		return nil, fault(DataLoss, "the chunk %x came with other bytes than it was saved with", one.Digest)
	}
	return data, nil
}
