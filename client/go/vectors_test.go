package xpstore

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"github.com/zeebo/blake3"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

type protocolVectors struct {
	Trees []struct {
		Name    string
		Entries []struct {
			Path       string
			Type       string
			Executable bool
			Size       int64 `json:"size_bytes"`
			Blake3     string
		}
		Digest string
	}
	Chunks []struct {
		Codec, Blake3 string
		Raw           string `json:"raw_hex"`
		Stored        string `json:"stored_hex"`
	}
	Packs []struct {
		ProjectUID string `json:"project_uid"`
		Chunks     []struct {
			Codec, Blake3 string
			Stored        int   `json:"stored_size_bytes"`
			Raw           int64 `json:"raw_size_bytes"`
		}
		Pack string `json:"pack_hex"`
	}
	Cuts []struct {
		Name    string
		Content content
		Sizes   []int  `json:"chunk_sizes"`
		Digests string `json:"chunk_digests_blake3"`
	}
}

func TestTreesHaveTheirDigests(t *testing.T) {
	var all protocolVectors
	vectors(t, "protocol-vectors.json", &all)
	for _, one := range all.Trees {
		var files []File
		for _, entry := range one.Entries {
			files = append(files, File{
				Path: entry.Path, IsDirectory: entry.Type == "directory", IsExecutable: entry.Executable,
				Size: entry.Size, Digest: unhex(t, entry.Blake3),
			})
		}
		slices.Reverse(files) // in any order
		if got := hex.EncodeToString(TreeDigest(files)); got != one.Digest {
			t.Errorf("%s: %s, not %s", one.Name, got, one.Digest)
		}
	}
}

func TestFilesAreCutAsDocumented(t *testing.T) {
	var all protocolVectors
	vectors(t, "protocol-vectors.json", &all)
	chunking := Chunking{Least: 96 << 10, Average: 192 << 10, Most: 1 << 20}
	for _, one := range all.Cuts {
		sizes, digests := []int{}, []byte{}
		for chunk := range chunking.Cut(one.Content.bytes()) {
			sum := blake3.Sum256(chunk)
			sizes, digests = append(sizes, len(chunk)), append(digests, sum[:]...)
		}
		sum := blake3.Sum256(digests)
		if !slices.Equal(sizes, one.Sizes) || hex.EncodeToString(sum[:]) != one.Digests {
			t.Errorf("%s: %v, not %v", one.Name, sizes, one.Sizes)
		}
	}
}

func TestChunksAreDecodedAndVerified(t *testing.T) {
	var all protocolVectors
	vectors(t, "protocol-vectors.json", &all)
	codecs := map[string]pb.Codec{"none": pb.Codec_CODEC_NONE, "zstd": pb.Codec_CODEC_ZSTD}
	for _, one := range all.Chunks {
		raw := unhex(t, one.Raw)
		wire := &pb.Chunk{Digest: unhex(t, one.Blake3), Codec: codecs[one.Codec], Data: unhex(t, one.Stored)}
		if data, err := decoded(wire, int32(len(raw))); err != nil || !bytes.Equal(data, raw) {
			t.Errorf("%s: %v", one.Codec, err)
		}
		wire.Data[len(wire.Data)-1] ^= 1
		if _, err := decoded(wire, int32(len(raw))); !errors.Is(err, DataLoss) {
			t.Errorf("%s, damaged: %v", one.Codec, err)
		}
	}
	text := bytes.Repeat([]byte("xpstore "), 10_000)
	if codec, data := encoded(text); codec != pb.Codec_CODEC_ZSTD || len(data) > len(text)/8 {
		t.Errorf("text is not compressed: %v, %d bytes", codec, len(data))
	}
	noise := content{{"noise", 100_000}}.bytes()
	if codec, data := encoded(noise); codec != pb.Codec_CODEC_NONE || !bytes.Equal(data, noise) {
		t.Errorf("noise is compressed: %v", codec)
	}
}

func TestPacksAreWrittenAsDocumented(t *testing.T) {
	var all protocolVectors
	vectors(t, "protocol-vectors.json", &all)
	codecs := map[string]pb.Codec{"none": pb.Codec_CODEC_NONE, "zstd": pb.Codec_CODEC_ZSTD}
	for _, one := range all.Packs {
		pack := unhex(t, one.Pack)
		var chunks []*pb.Chunk
		left := pack
		for _, chunk := range one.Chunks {
			chunks = append(chunks, &pb.Chunk{
				Digest: unhex(t, chunk.Blake3), Codec: codecs[chunk.Codec], Data: left[:chunk.Stored], RawSizeBytes: chunk.Raw,
			})
			left = left[chunk.Stored:]
		}
		parts, err := packOf(one.ProjectUID, chunks)
		if got := bytes.Join(parts, nil); err != nil || !bytes.Equal(got, pack) {
			t.Errorf("%x, %v", got, err)
		}
	}
	if _, err := packOf("no uid", nil); err == nil {
		t.Error("a project without a uid has a pack")
	}
}

func TestFingerprintsAreThoseOfAllLanguages(t *testing.T) {
	var all struct {
		Values []struct {
			Name, Fingerprint string
			Value             notation
			Encoding          string `json:"encoding_hex"`
		}
		Processes []struct {
			Name, Process, Fingerprint string
			Parts                      []Part
		}
		Refused []struct {
			Name, Process, Error string
			Parts                []Part
		} `json:"refused_processes"`
	}
	vectors(t, "fingerprint-vectors.json", &all)
	checked := 0
	for _, one := range all.Values {
		value, is := one.Value.value(t)
		if !is {
			continue
		}
		checked++
		known, err := plain(value, "value")
		if err != nil {
			t.Errorf("%s: %v", one.Name, err)
			continue
		}
		encoding, err := encodeValue(known, "value")
		if err != nil || hex.EncodeToString(encoding) != one.Encoding {
			t.Errorf("%s: %x, %v, not %s", one.Name, encoding, err, one.Encoding)
		}
		if got, err := Fingerprint(value); err != nil || got != one.Fingerprint {
			t.Errorf("%s: %s, %v, not %s", one.Name, got, err, one.Fingerprint)
		}
	}
	if checked < 30 {
		t.Errorf("only %d of %d values are of a type that Go has", checked, len(all.Values))
	}
	for _, one := range all.Processes {
		if got, err := FingerprintProcess(one.Process, one.Parts); err != nil || got != one.Fingerprint {
			t.Errorf("%s: %s, %v, not %s", one.Name, got, err, one.Fingerprint)
		}
	}
	for _, one := range all.Refused {
		if _, err := FingerprintProcess(one.Process, one.Parts); !errors.Is(err, InvalidArgument) {
			t.Errorf("%s: %v", one.Name, err)
		}
	}
}

func TestValuesAreWrittenAndReadAsDocumented(t *testing.T) {
	type vector struct {
		Name  string
		Value notation
		Node  json.RawMessage
		Text  string
		Files map[string]struct {
			Hex   string
			Times *int
		}
	}
	var all struct{ Values, Read []vector }
	vectors(t, "value-vectors.json", &all)
	checked := 0
	for i, one := range append(all.Values, all.Read...) {
		value, is := one.Value.value(t)
		if !is {
			continue
		}
		checked++
		if i < len(all.Values) {
			files, _, err := writeValue(value)
			if err != nil {
				t.Errorf("%s: %v", one.Name, err)
				continue
			}
			node, err := valueNode(files[len(files)-1].data)
			if err != nil || !sameJSON(t, node, one.Node) || len(files) != 1+len(one.Files) {
				t.Errorf("%s: %s, %v, not %s", one.Name, node, err, one.Node)
			}
		}
		text := []byte(one.Node)
		if one.Text != "" {
			text = []byte(one.Text)
		}
		read, err := parse(text, func(path string) ([]byte, error) {
			data := unhex(t, one.Files[path].Hex)
			if times := one.Files[path].Times; times != nil {
				data = bytes.Repeat(data, *times)
			}
			return data, nil
		})
		if err != nil {
			t.Errorf("%s: %v", one.Name, err)
			continue
		}
		meant, err := Fingerprint(value)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Fingerprint(read); err != nil || got != meant {
			t.Errorf("%s is read as %#v, %v", one.Name, read, err)
		}
	}
	if checked < 25 {
		t.Errorf("only %d values are of a type that Go has", checked)
	}
}

// sameJSON tells 1 from 1.0, and the order of keys.
func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	one, err := parse(a, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := parse(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	left, _ := Fingerprint(one)
	right, _ := Fingerprint(other)
	return left == right
}
