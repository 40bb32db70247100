package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	xpstore "github.com/xpstore/xpstore/client/go"
)

// notation is a value as docs/fingerprint.md writes it.
type notation struct {
	Type    string
	Value   json.RawMessage
	Bits    string
	Hex     string
	Times   *int
	UTF16   *string `json:"utf16_hex"`
	Items   []notation
	Entries [][2]notation
}

// UnmarshalJSON passes over members of types that are not known here.
func (n *notation) UnmarshalJSON(data []byte) error {
	type known notation
	var kind struct{ Type string }
	if err := json.Unmarshal(data, &kind); err != nil {
		return err
	}
	n.Type = kind.Type
	if slices.Contains([]string{"none", "bool", "int", "float", "str", "bytes", "list", "tuple", "dict"}, kind.Type) {
		return json.Unmarshal(data, (*known)(n))
	}
	return nil
}

func (n notation) value() (any, error) {
	var text string
	if n.Type == "int" || (n.Type == "str" && n.UTF16 == nil) {
		if err := json.Unmarshal(n.Value, &text); err != nil {
			return nil, err
		}
	}
	switch n.Type {
	case "none":
		return nil, nil
	case "bool":
		return string(n.Value) == "true", nil
	case "int":
		value, is := new(big.Int).SetString(text, 10)
		if !is {
			return nil, unsupported("int %q", text)
		}
		return value, nil
	case "float":
		bits, err := strconv.ParseUint(n.Bits, 16, 64)
		return math.Float64frombits(bits), err
	case "str":
		if n.UTF16 != nil {
			return nil, unsupported("text that is not Unicode")
		}
		return text, nil
	case "bytes":
		data, err := hex.DecodeString(n.Hex)
		if n.Times != nil {
			data = slices.Repeat(data, *n.Times)
		}
		return data, err
	case "list", "tuple":
		items := make([]any, len(n.Items))
		for i, item := range n.Items {
			var err error
			if items[i], err = item.value(); err != nil {
				return nil, err
			}
		}
		if n.Type == "tuple" {
			return xpstore.Tuple(items), nil
		}
		return items, nil
	case "dict":
		found := xpstore.Dict{}
		for _, pair := range n.Entries {
			key, err := pair[0].value()
			if err != nil {
				return nil, err
			}
			value, err := pair[1].value()
			if err != nil {
				return nil, err
			}
			found = append(found, xpstore.Entry{Key: key, Value: value})
		}
		return found, nil
	}
	return nil, unsupported("value of type %q", n.Type)
}

func fingerprint(_ context.Context, with struct {
	Value   *notation
	Process string
	Parts   []xpstore.Part
}) (answer, error) {
	if with.Value == nil {
		found, err := xpstore.FingerprintProcess(with.Process, with.Parts)
		return answer{"fingerprint": found}, err
	}
	value, err := with.Value.value()
	if err != nil {
		return nil, err
	}
	found, err := xpstore.Fingerprint(value)
	return answer{"fingerprint": found}, err
}

func getOrCompute(ctx context.Context, with struct {
	Project, Process, Version, Value string
	Parameters                       map[string]notation
	Seconds                          float64 `json:"compute_seconds"`
	Raises                           *string
}) (answer, error) {
	project, err := client.Project(ctx, with.Project)
	if err != nil {
		return nil, err
	}
	parameters := map[string]any{}
	for name, one := range with.Parameters {
		if parameters[name], err = one.value(); err != nil {
			return nil, err
		}
	}
	computation := xpstore.Computation{Name: with.Process, Version: with.Version, Parameters: parameters}
	result, err := xpstore.GetOrCompute(ctx, project, computation, func(context.Context) (xpstore.Node, error) {
		time.Sleep(time.Duration(with.Seconds * float64(time.Second)))
		if with.Raises != nil {
			return nil, &failure{"COMPUTATION", *with.Raises}
		}
		return xpstore.Node(with.Value), nil
	})
	if err = errors.Join(err, result.NotStored); err != nil {
		return nil, err
	}
	return answer{
		"hit": result.Hit, "value": string(result.Value), "fingerprint": result.Fingerprint, "version_id": result.Version.ID,
	}, nil
}
