package xpstore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"github.com/zeebo/blake3"
)

// fingerprintFormat is that of docs/fingerprint.md: entries of another format are no hits.
const fingerprintFormat = 2

// Tags of nodes.
const (
	tagNone     = 0x01
	tagBool     = 0x02
	tagInt      = 0x03
	tagFloat    = 0x04
	tagText     = 0x06
	tagBytes    = 0x07
	tagList     = 0x10
	tagTuple    = 0x11
	tagDict     = 0x14
	tagDatetime = 0x21
	tagDuration = 0x23
	tagVersion  = 0x28
	tagZone     = 0x2c
)

// seal is how a node stands in its parent: itself if it is short, else its digest.
func seal(tag byte, bodies ...[]byte) []byte {
	node := append([]byte{tag}, slices.Concat(bodies...)...)
	if len(node) <= 64 {
		return append([]byte{byte(len(node))}, node...)
	}
	sum := blake3.Sum256(node)
	return append([]byte{0}, sum[:]...)
}

// twosComplement is an int of any size, little-endian, with room for its sign.
func twosComplement(value *big.Int) []byte {
	size := value.BitLen()/8 + 1
	if value.Sign() < 0 {
		value = new(big.Int).Add(value, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	data := value.FillBytes(make([]byte, size))
	slices.Reverse(data)
	return data
}

func sealInt(value int64) []byte    { return seal(tagInt, twosComplement(big.NewInt(value))) }
func sealText(value string) []byte  { return seal(tagText, []byte(value)) }
func sealBytes(value []byte) []byte { return seal(tagBytes, value) }

// encodeValue is enc of docs/fingerprint.md, of a plain value.
func encodeValue(value any, name string) ([]byte, error) {
	switch value := value.(type) {
	case nil:
		return seal(tagNone), nil
	case bool:
		if value {
			return seal(tagBool, []byte{1}), nil
		}
		return seal(tagBool, []byte{0}), nil
	case *big.Int:
		return seal(tagInt, twosComplement(value)), nil
	case float64:
		bits := math.Float64bits(value)
		if math.IsNaN(value) {
			bits = 0x7ff8000000000000
		}
		return seal(tagFloat, binary.LittleEndian.AppendUint64(nil, bits)), nil
	case string:
		return sealText(value), nil
	case []byte:
		return sealBytes(value), nil
	case []any:
		return encodeItems(tagList, value, name)
	case Tuple:
		return encodeItems(tagTuple, value, name)
	case Dict:
		var items []any
		for _, entry := range value {
			items = append(items, entry.Key, entry.Value)
		}
		return encodeItems(tagDict, items, name)
	case time.Time:
		zone := seal(tagZone, sealText("datetime.timezone"), sealText("UTC"), sealInt(0))
		return seal(tagDatetime, sealInt(value.UnixMicro()), sealInt(0), zone, sealInt(0)), nil
	case time.Duration:
		return seal(tagDuration, twosComplement(big.NewInt(value.Microseconds()))), nil
	case *Version:
		return seal(tagVersion, value.Digest), nil
	}
	return nil, invalid(name, value, "has no fingerprint")
}

func encodeItems(tag byte, items []any, name string) ([]byte, error) {
	bodies := make([][]byte, len(items))
	for i, item := range items {
		var err error
		if bodies[i], err = encodeValue(item, name); err != nil {
			return nil, err
		}
	}
	return seal(tag, bodies...), nil
}

// Fingerprint is that of a value, the same in every language: docs/fingerprint.md has the rules. 64 hexadecimal digits.
//
// What there is: nil, bool, integers, floats, text, []byte, slices (lists), [Tuple], maps with keys of text (in the order of
// the keys), [Dict], structs (dictionaries of their fields, named as in JSON), time.Time in UTC, time.Duration, *[Version] by
// its content, and json.RawMessage as what it says. All else is refused.
func Fingerprint(value any) (string, error) { return fingerprintOf(value, "value") }

func fingerprintOf(value any, name string) (string, error) {
	known, err := plain(value, name)
	if err != nil {
		return "", err
	}
	encoded, err := encodeValue(known, name)
	if err != nil {
		return "", err
	}
	sum := blake3.Sum256(append([]byte("xpstore value v2\n"), encoded...))
	return hex.EncodeToString(sum[:]), nil
}

// Part is one part of a process: what its fingerprint is made of.
type Part struct {
	Kind        PartKind
	Name        string // unique in its kind
	Fingerprint string // 64 hexadecimal digits
	Text        string // for people; it does not count
}

// PartKind is what a part of a process is; the numbers are those of the contract.
type PartKind int32

// The kinds of parts.
const (
	PartParameter PartKind = iota + 1
	PartVersion
	PartCode
	PartValue
	PartLibrary
)

var digits = regexp.MustCompile(`^[0-9a-f]{64}$`)

// FingerprintProcess is that of a process with its parts, in any order: the key of an entry of the cache.
func FingerprintProcess(name string, parts []Part) (string, error) {
	if name == "" {
		return "", invalid("process", name, "is empty")
	}
	parts = slices.Clone(parts)
	slices.SortFunc(parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	var whole bytes.Buffer
	whole.WriteString("xpstore process v2\n")
	whole.Write(sealText(name))
	for i, part := range parts {
		if !digits.MatchString(part.Fingerprint) {
			return "", invalid("fingerprint", part.Fingerprint, "must be 64 lower-case hexadecimal digits")
		}
		if i > 0 && parts[i-1].Kind == part.Kind && parts[i-1].Name == part.Name {
			return "", invalid("parts", part.Name, "is there twice in the same kind")
		}
		sum, err := hex.DecodeString(part.Fingerprint)
		if err != nil {
			return "", invalid("fingerprint", part.Fingerprint, err.Error())
		}
		whole.Write(seal(tagTuple, sealInt(int64(part.Kind)), sealText(part.Name), sealBytes(sum)))
	}
	sum := blake3.Sum256(whole.Bytes())
	return hex.EncodeToString(sum[:]), nil
}

func processOf(name string, parts []Part) *pb.ArtifactProcess {
	wire := &pb.ArtifactProcess{Name: name}
	for _, part := range parts {
		wire.Parts = append(wire.Parts, &pb.ArtifactProcessPart{
			Kind: pb.ArtifactProcessPartKind(part.Kind), Name: part.Name, Fingerprint: part.Fingerprint,
			Text: shortened(part.Text, 256),
		})
	}
	return wire
}
