package xpstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math"
	"math/big"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"google.golang.org/protobuf/proto"
)

// Bytes of points in one request; a message may have 4 MiB.
const metricBytes = 1 << 20

// Point is one measured value.
type Point struct {
	Name  string
	Value any       // float64 or int64; what is read of other values is json.RawMessage
	Step  *int64    // training step; nil where none was given
	Phase string    // such as "train"; empty where none was given
	Time  time.Time // when it was measured; zero while logging is the time of logging
}

// Metrics logs points of one model in batches, each point exactly once.
type Metrics struct {
	model  *Model
	writer string

	lock  sync.Mutex
	wires []*pb.MetricPoint
	bytes int
	next  int64 // number of the first of wires
}

// Metrics begins to log. What was logged is durable after Flush.
func (m *Model) Metrics() *Metrics { return &Metrics{model: m, writer: NewID()} }

func (c *Client) metrics() pb.MetricServiceClient { return pb.NewMetricServiceClient(c.conn) }

// Log takes points, and sends them when there are enough for a batch. After an error they are kept, and sent with the next
// batch or by Flush; but for points that are refused at once, of which none is taken.
func (l *Metrics) Log(ctx context.Context, points ...Point) error {
	limits, err := l.model.client.limits(ctx)
	if err != nil {
		return err
	}
	wires := make([]*pb.MetricPoint, len(points))
	for i, point := range points { // all of them or none
		if wires[i], err = point.wire(); err == nil {
			err = checkPoint(wires[i], limits)
		}
		if err != nil {
			return err
		}
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	for _, wire := range wires {
		l.wires, l.bytes = append(l.wires, wire), l.bytes+proto.Size(wire)
	}
	if len(l.wires) >= int(limits.MaxPoints) || l.bytes >= metricBytes {
		return l.send(ctx, int(limits.MaxPoints))
	}
	return nil
}

// Flush sends what was logged; when it returns nil, all is durable.
func (l *Metrics) Flush(ctx context.Context) error {
	limits, err := l.model.client.limits(ctx)
	if err != nil {
		return err
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.send(ctx, int(limits.MaxPoints))
}

func (l *Metrics) send(ctx context.Context, most int) error {
	for len(l.wires) > 0 {
		count, size := 0, 0
		for count < len(l.wires) && count < most && (count == 0 || size+proto.Size(l.wires[count]) <= metricBytes) {
			size += proto.Size(l.wires[count])
			count++
		}
		answer, err := call(ctx, l.model.client, l.model.client.metrics().LogMetrics, &pb.LogMetricsRequest{
			ModelId: l.model.ID, WriterId: l.writer, FirstPoint: l.next, Points: l.wires[:count],
		})
		if err != nil {
			return err
		}
		stored := answer.NextPoint - l.next
		if stored <= 0 || stored > int64(len(l.wires)) {
			return fault(DataLoss, "the server expects point %d of a writer that sent points %d to %d",
				answer.NextPoint, l.next, l.next+int64(count)-1)
		}
		for _, wire := range l.wires[:stored] {
			l.bytes -= proto.Size(wire)
		}
		l.wires, l.next = l.wires[stored:], answer.NextPoint
	}
	return nil
}

// checkPoint refuses what the server would: with it a whole batch, and that again and again.
func checkPoint(wire *pb.MetricPoint, limits *pb.Limits) error {
	if why := checkName(wire.Name, limits); why != "" {
		return invalid("Name", wire.Name, why)
	}
	if wire.Phase != nil {
		if why := checkName(*wire.Phase, limits); why != "" {
			return invalid("Phase", *wire.Phase, why)
		}
	}
	if wire.Step != nil && (*wire.Step < 0 || *wire.Step > limits.MaxStep) {
		return invalid("Step", *wire.Step, fmt.Sprintf("must be 0 to %d", limits.MaxStep))
	}
	if size := len(wire.GetJsonValue()); size > int(limits.MaxJsonBytes) {
		return invalid("Value", wire.GetJsonValue(), fmt.Sprintf("has %d bytes, more than %d", size, limits.MaxJsonBytes))
	}
	return nil
}

func checkName(name string, limits *pb.Limits) string {
	switch {
	case name == "":
		return "must not be empty"
	case !utf8.ValidString(name):
		return "must be valid UTF-8"
	case utf8.RuneCountInString(name) > int(limits.MaxNameLength):
		return fmt.Sprintf("must have at most %d characters", limits.MaxNameLength)
	case strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return "must not have control characters"
	}
	return ""
}

// At is a step of a Point.
func At(step int64) *int64 { return &step }

func (p Point) wire() (*pb.MetricPoint, error) {
	when := p.Time
	if when.IsZero() {
		when = time.Now()
	}
	us := when.UnixMicro()
	wire := &pb.MetricPoint{Name: p.Name, Step: p.Step, Phase: optional(p.Phase), TimeUs: &us}
	if text, is := p.Value.(json.RawMessage); is {
		if !json.Valid(text) {
			return nil, invalid("Value", string(text), "is no JSON")
		}
		wire.Value = &pb.MetricPoint_JsonValue{JsonValue: string(text)}
		return wire, nil
	}
	value, err := plain(p.Value, p.Name)
	if err != nil {
		return nil, err
	}
	switch value := value.(type) {
	case float64:
		wire.Value = &pb.MetricPoint_FloatValue{FloatValue: value}
	case *big.Int:
		if value.IsInt64() {
			wire.Value = &pb.MetricPoint_IntValue{IntValue: value.Int64()}
		} else {
			wire.Value = &pb.MetricPoint_JsonValue{JsonValue: value.String()}
		}
	default:
		var text bytes.Buffer
		if !isJSON(value) {
			return nil, invalid("Value", p.Value, "is nothing that JSON has")
		}
		if err := new(nodeWriter).write(&text, value); err != nil {
			return nil, err
		}
		wire.Value = &pb.MetricPoint_JsonValue{JsonValue: text.String()}
	}
	return wire, nil
}

// isJSON says whether a plain value needs no tags.
func isJSON(value any) bool {
	switch value := value.(type) {
	case nil, bool, string, *big.Int:
		return true
	case float64:
		return !math.IsNaN(value) && !math.IsInf(value, 0)
	case []any:
		for _, item := range value {
			if !isJSON(item) {
				return false
			}
		}
		return true
	case Dict:
		for _, entry := range value {
			if key, isText := entry.Key.(string); !isText || strings.HasPrefix(key, "$") || !isJSON(entry.Value) {
				return false
			}
		}
		return true
	}
	return false
}

func pointOf(wire *pb.MetricPoint) Point {
	point := Point{
		Name: wire.GetName(), Step: wire.Step, Phase: wire.GetPhase(), Time: fromMicroseconds(wire.GetTimeUs()),
	}
	switch value := wire.GetValue().(type) {
	case *pb.MetricPoint_FloatValue:
		point.Value = value.FloatValue
	case *pb.MetricPoint_IntValue:
		point.Value = value.IntValue
	case *pb.MetricPoint_JsonValue:
		point.Value = json.RawMessage(value.JsonValue)
	}
	return point
}

// Points yields the points of the model in the order of logging: all, or those of one name.
func (m *Model) Points(ctx context.Context, name string) iter.Seq2[Point, error] {
	return listed(ctx, m.client, m.client.metrics().ListMetrics,
		func(token string) *pb.ListMetricsRequest {
			return &pb.ListMetricsRequest{ModelId: m.ID, Name: optional(name), PageSize: m.client.pageSize, PageToken: token}
		},
		func(a *pb.ListMetricsResponse) ([]*pb.Metric, string) { return a.Metrics, a.NextPageToken },
		func(wire *pb.Metric) Point { return pointOf(wire.GetPoint()) })
}

// Summary is what there is of one name and phase.
type Summary struct {
	Name  string
	Phase string
	Count int64
	Last  Point
	Min   float64 // of finite numbers; NaN where there is none
	Max   float64
}

// Summaries yields what there is of each name and phase of the model.
func (m *Model) Summaries(ctx context.Context) iter.Seq2[Summary, error] {
	return listed(ctx, m.client, m.client.metrics().ListSeries,
		func(token string) *pb.ListSeriesRequest {
			return &pb.ListSeriesRequest{ModelIds: []string{m.ID}, PageSize: m.client.pageSize, PageToken: token}
		},
		func(a *pb.ListSeriesResponse) ([]*pb.SeriesSummary, string) { return a.Series, a.NextPageToken },
		func(wire *pb.SeriesSummary) Summary {
			found := Summary{
				Name: wire.Name, Phase: wire.GetPhase(), Count: wire.Count, Last: pointOf(wire.GetLast().GetPoint()),
				Min: math.NaN(), Max: math.NaN(),
			}
			if wire.MinValue != nil {
				found.Min, found.Max = wire.GetMinValue(), wire.GetMaxValue()
			}
			return found
		})
}

// Series are the numbers of one name and phase as columns of the same length.
type Series struct {
	Steps  []int64 // -1 where none was given
	Values []float64
	Times  []time.Time
}

// ReadSeries reads all numbers of a name and phase; an empty phase are the points without one. A series with values that
// are no numbers is [InvalidArgument]: [Model.Points] yields them.
func (m *Model) ReadSeries(ctx context.Context, name, phase string) (Series, error) {
	var found Series
	since := int64(0)
	err := m.client.repeat(ctx, func(state *attempt) error {
		stream, err := m.client.metrics().ReadSeries(ctx, &pb.ReadSeriesRequest{
			Keys: []*pb.SeriesKey{{ModelId: m.ID, Name: name, Phase: &phase}}, Since: since,
		})
		if err != nil {
			return err
		}
		for {
			message, err := stream.Recv()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if since, err = found.add(message.GetPoints(), name, since); err != nil {
				return err
			}
			state.progress()
		}
	})
	return found, err
}

// add takes the points of a message, and returns the ordinal to go on from.
func (s *Series) add(points *pb.PackedPoints, name string, since int64) (int64, error) {
	values, err := numbersOf(points, name)
	if err != nil {
		return since, err
	}
	size := 8 * len(values)
	if len(points.Ordinals) != size || len(points.TimesUs) != size || (len(points.Steps) != size && len(points.Steps) != 0) {
		return since, fault(DataLoss, "the server sent columns of %q that differ in length", name)
	}
	for i, value := range values {
		at := func(column []byte) uint64 { return binary.LittleEndian.Uint64(column[8*i:]) }
		step := int64(-1)
		if len(points.Steps) > 0 {
			step = int64(at(points.Steps))
		}
		s.Steps = append(s.Steps, step)
		s.Values = append(s.Values, value)
		s.Times = append(s.Times, fromMicroseconds(int64(at(points.TimesUs))))
		since = max(since, int64(at(points.Ordinals))+1)
	}
	return since, nil
}

func numbersOf(points *pb.PackedPoints, name string) ([]float64, error) {
	var found []float64
	switch values := points.GetValues().(type) {
	case *pb.PackedPoints_FloatValues:
		for bits := range words(values.FloatValues) {
			found = append(found, math.Float64frombits(bits))
		}
	case *pb.PackedPoints_IntValues:
		for bits := range words(values.IntValues) {
			found = append(found, float64(int64(bits)))
		}
	case *pb.PackedPoints_MixedValues:
		for _, point := range values.MixedValues.GetPoints() {
			switch value := point.GetValue().(type) {
			case *pb.MetricPoint_FloatValue:
				found = append(found, value.FloatValue)
			case *pb.MetricPoint_IntValue:
				found = append(found, float64(value.IntValue))
			default:
				return nil, fault(InvalidArgument, "%q has values that are no numbers: read them by Points", name)
			}
		}
	}
	return found, nil
}

// words yields the little-endian numbers of 8 bytes in a column.
func words(column []byte) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for ; len(column) >= 8; column = column[8:] {
			if !yield(binary.LittleEndian.Uint64(column)) {
				return
			}
		}
	}
}
