// A client in Go that knows nothing but what was generated from the contract: of today, or of 0.1.
//
//	client put PROJECT_UID NAME TYPE METADATA FOLDER FILE...   stores files, prints the id of the version
//	client get VERSION_ID PATH                                 prints a file
//	client tour                                                does a little of everything, prints what it saw as JSON
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"time"

	pb "github.com/xpstore/xpstore/client/go/xpstorev1"
	"github.com/zeebo/blake3"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const piece = 1 << 20

var (
	ctx  context.Context
	conn *grpc.ClientConn
)

func must[T any](value T, err error) T {
	if err != nil {
		fail(err)
	}
	return value
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func newId() string {
	b := make([]byte, 16)
	must(rand.Read(b))
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func digest(data []byte) []byte {
	sum := blake3.Sum256(data)
	return sum[:]
}

// publish uploads files by chunks and commits them.
func publish(project, name, kind, meta string, files map[string][]byte) *pb.ArtifactVersion {
	artifacts := pb.NewArtifactServiceClient(conn)
	paths, chunks, page := []string{}, map[string][]byte{}, &pb.ManifestPage{}
	for path := range files {
		paths = append(paths, path)
	}
	sort.Strings(paths)
	for _, path := range paths {
		data := files[path]
		entry := &pb.ManifestEntry{Path: path, Type: pb.FileType_FILE_TYPE_FILE, SizeBytes: int64(len(data)), Digest: digest(data)}
		for start := 0; start < len(data); start += piece {
			part := data[start:min(start+piece, len(data))]
			chunks[string(digest(part))] = part
			entry.ChunkDigests = append(entry.ChunkDigests, digest(part)...)
			entry.ChunkSizes = append(entry.ChunkSizes, int32(len(part)))
		}
		page.Entries = append(page.Entries, entry)
	}
	serialized := must(proto.Marshal(page))
	chunks[string(digest(serialized))] = serialized
	stream := must(artifacts.UploadChunks(ctx))
	request := &pb.UploadChunksRequest{ProjectUid: project}
	for key, data := range chunks {
		request.Chunks = []*pb.Chunk{{Digest: []byte(key), Codec: pb.Codec_CODEC_NONE, RawSizeBytes: int64(len(data)), Data: data}}
		if err := stream.Send(request); err != nil && err != io.EOF { // io.EOF: the answer is there already
			fail(err)
		}
		request = &pb.UploadChunksRequest{}
	}
	must(stream.CloseAndRecv())
	return must(artifacts.CommitArtifact(ctx, &pb.CommitArtifactRequest{
		ProjectUid: project,
		VersionId:  newId(),
		Draft:      &pb.ArtifactDraft{Name: name, Type: kind, MetadataJson: meta},
		Manifest: &pb.ManifestRoot{Pages: []*pb.ManifestPageRef{{
			Digest: digest(serialized), SizeBytes: int32(len(serialized)), FirstPath: paths[0],
		}}},
	})).Version
}

func read(version, path string) []byte {
	stream := must(pb.NewArtifactServiceClient(conn).ReadFile(ctx, &pb.ReadFileRequest{
		Source: &pb.ReadFileRequest_VersionId{VersionId: version}, Path: path,
	}))
	data, sum := []byte{}, []byte{}
	for {
		message, err := stream.Recv()
		if err == io.EOF {
			break
		}
		must(message, err)
		if header := message.GetHeader(); header != nil {
			sum = header.Digest
		}
		data = append(data, message.GetData()...)
	}
	if string(digest(data)) != string(sum) {
		fail(fmt.Errorf("%s is damaged", path))
	}
	return data
}

func tour() map[string]any {
	project := must(pb.NewProjectServiceClient(conn).CreateProject(ctx, &pb.CreateProjectRequest{
		ProjectId: "go " + newId(), Name: "go", CreationId: newId(),
	})).Project
	experiment := must(pb.NewExperimentServiceClient(conn).CreateExperiment(ctx, &pb.CreateExperimentRequest{
		ProjectUid: project.Uid, ExperimentId: newId(), Name: "e",
	})).Experiment
	models := pb.NewModelServiceClient(conn)
	model := must(models.CreateModel(ctx, &pb.CreateModelRequest{ExperimentId: experiment.Id, ModelId: newId(), Hash: "h"})).Model
	run := must(pb.NewRunServiceClient(conn).CreateRun(ctx, &pb.CreateRunRequest{ModelId: model.Id, RunId: newId()})).Run
	metrics := pb.NewMetricServiceClient(conn)
	step := int64(1)
	must(metrics.LogMetrics(ctx, &pb.LogMetricsRequest{ModelId: model.Id, WriterId: newId(), Points: []*pb.MetricPoint{
		{Name: "loss", Value: &pb.MetricPoint_FloatValue{FloatValue: 0.5}, Step: &step},
	}}))
	values := make([]byte, 24)
	for i, value := range []float64{1, math.Inf(1), 3} {
		binary.LittleEndian.PutUint64(values[8*i:], math.Float64bits(value))
	}
	ingested := must(pb.NewIngestServiceClient(conn).Ingest(ctx, &pb.IngestRequest{
		ProjectUid: project.Uid, WriterId: newId(), RecordCount: 1, Models: []*pb.ModelRecords{{
			ModelId: model.Id, Series: []*pb.PackedSeries{{Name: "x", Values: &pb.PackedSeries_FloatValues{FloatValues: values}}},
		}},
	}))
	counts := map[string]int64{}
	for _, series := range must(metrics.ListSeries(ctx, &pb.ListSeriesRequest{ModelIds: []string{model.Id}})).Series {
		counts[series.Name] = series.Count
	}
	found := must(models.SearchModels(ctx, &pb.SearchModelsRequest{
		Scope: &pb.SearchModelsRequest_ProjectUid{ProjectUid: project.Uid}, Filter: "metrics.loss.last < 1",
	})).Models
	files := map[string][]byte{"a/b.bin": make([]byte, 3*piece/2), "c.txt": []byte("text")}
	version := publish(project.Uid, "tree", "directory", "", files)
	same := string(read(version.Id, "a/b.bin")) == string(files["a/b.bin"]) && string(read(version.Id, "c.txt")) == "text"
	_, err := models.GetModel(ctx, &pb.GetModelRequest{Key: &pb.GetModelRequest_ModelId{ModelId: newId()}})
	reason := ""
	for _, detail := range status.Convert(err).Details() {
		if info, is := detail.(*errdetails.ErrorInfo); is {
			reason = info.Reason + " " + info.Metadata["resource"]
		}
	}
	return map[string]any{
		"run": run.Status.String(), "next_record": ingested.NextRecord, "counts": counts, "found": len(found),
		"same": same, "version": version.Version, "error": reason,
	}
}

func main() {
	key := metadata.Pairs("authorization", "Bearer "+os.Getenv("XPSTORE_API_KEY"))
	deadline, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ctx = metadata.NewOutgoingContext(deadline, key)
	conn = must(grpc.NewClient(os.Getenv("XPSTORE_API_URL"), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy()))
	words := os.Args[1:]
	switch words[0] {
	case "put":
		files := map[string][]byte{}
		for _, path := range words[6:] {
			files[path] = must(os.ReadFile(filepath.Join(words[5], path)))
		}
		fmt.Println(publish(words[1], words[2], words[3], words[4], files).Id)
	case "get":
		must(os.Stdout.Write(read(words[1], words[2])))
	case "tour":
		fmt.Println(string(must(json.Marshal(tour()))))
	}
}
