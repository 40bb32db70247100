import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.xpstore.Client;
import io.github.xpstore.Experiment;
import io.github.xpstore.Listing;
import io.github.xpstore.MetricLog;
import io.github.xpstore.Model;
import io.github.xpstore.Point;
import io.github.xpstore.Project;
import io.github.xpstore.Run;
import io.github.xpstore.Source;
import io.github.xpstore.Upload;
import io.github.xpstore.Version;
import io.github.xpstore.XpstoreException;
import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.commons.codec.digest.Blake3;

/** The client for Java as a command of the conformance suite: tests/conformance/README.md says what is asked and answered. */
public final class Command {
    private interface Act {
        JsonObject on(JsonObject with) throws Exception;
    }

    private final Map<String, Act> acts = new LinkedHashMap<>();
    private Client client;

    private Command() {
        acts.put("hello", this::hello);
        acts.put("limits", this::limits);
        acts.put("project", this::project);
        acts.put("model", this::model);
        acts.put("run", this::run);
        acts.put("log_metrics", this::logMetrics);
        acts.put("series", this::series);
        acts.put("list_all", this::listAll);
        acts.put("upload_file", this::uploadFile);
        acts.put("download", this::download);
        acts.put("read_range", this::readRange);
        acts.put("get", this::get);
        acts.put("alias", this::alias);
        acts.put("bye", with -> new JsonObject());
    }

    public static void main(String[] arguments) throws Exception {
        Command command = new Command();
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonObject request = JsonParser.parseString(line).getAsJsonObject();
            JsonObject answer = command.answer(request);
            answer.add("id", request.get("id"));
            out.println(answer);
            if (request.get("do").getAsString().equals("bye")) {
                break;
            }
        }
        if (command.client != null) {
            command.client.close();
        }
    }

    private JsonObject answer(JsonObject request) {
        JsonObject answer = new JsonObject();
        try {
            Act act = acts.get(request.get("do").getAsString());
            if (act == null) {
                throw new UnsupportedOperationException("no such command");
            }
            answer.add("ok", act.on(request.getAsJsonObject("with")));
        } catch (XpstoreException error) {
            boolean isOtherContract = error.metadata().containsKey("contract_version");
            answer.add("error", error(isOtherContract ? "CONTRACT" : error.reason(), error));
            error.metadata().forEach(answer.getAsJsonObject("error").getAsJsonObject("metadata")::addProperty);
        } catch (UnsupportedOperationException error) {
            answer.add("error", error("UNSUPPORTED", error));
        } catch (Exception error) {
            error.printStackTrace();
            answer.add("error", error("INTERNAL", error));
        }
        return answer;
    }

    private static JsonObject error(String reason, Exception error) {
        JsonObject answer = object("reason", reason, "message", String.valueOf(error.getMessage()));
        answer.add("metadata", new JsonObject());
        return answer;
    }

    private Client client() {
        if (client == null) {
            client = Client.connect();
        }
        return client;
    }

    private JsonObject hello(JsonObject with) {
        JsonObject answer = object("language", "java", "sdk", "0.1.0", "contract", "1.0", "profile", "core");
        answer.add("commands", texts(acts.keySet().stream()));
        return answer;
    }

    private JsonObject limits(JsonObject with) {
        var request = io.github.xpstore.v1.GetLimitsRequest.getDefaultInstance();
        var limits = client().call(io.github.xpstore.v1.LimitsServiceGrpc::newBlockingStub, s -> s.getLimits(request)).getLimits();
        return object(
                "contract_version", limits.getContractVersion(),
                "server_version", limits.getServerVersion(),
                "max_message_bytes", limits.getMaxMessageBytes(),
                "max_points", limits.getMaxPoints(),
                "max_page_size", limits.getMaxPageSize());
    }

    private JsonObject project(JsonObject with) {
        String id = text(with, "project");
        return object("uid", client().project(id, options -> options.setName(or(with, "name", id))).uid());
    }

    private Project found(JsonObject with) {
        return client().findProject(text(with, "project"));
    }

    private Experiment experiment(JsonObject with) {
        return found(with).findExperiment(text(with, "experiment"));
    }

    private JsonObject model(JsonObject with) {
        Model model = found(with).experiment(text(with, "experiment")).model(text(with, "hash"), options -> {
            options.setConfigJson(or(with, "config", ""));
            strings(with, "tags").forEach(options::addTags);
        });
        return object("model_id", model.id(), "created", model.isCreated());
    }

    private Model modelOf(JsonObject with) {
        return client().model(text(with, "model_id"));
    }

    private JsonObject run(JsonObject with) {
        Run run = modelOf(with).run();
        if (text(with, "status").equals("finished")) {
            run.finish();
        } else {
            run.fail(or(with, "error", ""));
        }
        return object("run_id", run.id(), "status", run.status());
    }

    private JsonObject logMetrics(JsonObject with) {
        Stream<Point> points = stream(with, "points").flatMap(point -> points(point.getAsJsonObject()));
        if (with.has("writer")) {
            return logOnce(with, points);
        }
        long[] stored = {0};
        try (MetricLog log = modelOf(with).metrics()) {
            points.forEach(point -> {
                log.log(point);
                stored[0]++;
            });
        }
        return object("stored", stored[0]);
    }

    private JsonObject logOnce(JsonObject with, Stream<Point> points) {
        var request = io.github.xpstore.v1.LogMetricsRequest.newBuilder()
                .setModelId(text(with, "model_id"))
                .setWriterId(text(with, "writer"))
                .setFirstPoint(with.get("first").getAsLong())
                .addAllPoints(points.map(Point::message).toList())
                .build();
        var answer = client().call(io.github.xpstore.v1.MetricServiceGrpc::newBlockingStub, s -> s.logMetrics(request));
        return object("stored", answer.getStoredCount(), "next", answer.getNextPoint());
    }

    private static Stream<Point> points(JsonObject said) {
        long count = said.has("count") ? said.get("count").getAsLong() : 1;
        return Stream.iterate(0L, i -> i < count, i -> i + 1).map(i -> point(said, i));
    }

    private static Point point(JsonObject said, long i) {
        String name = text(said, "name");
        String value = text(said, "value");
        Point point =
                switch (text(said, "kind")) {
                    case "float" -> Point.of(name, number(value) + i);
                    case "int" -> Point.of(name, Long.parseLong(value) + i);
                    default -> Point.ofJson(name, value);
                };
        point = said.has("step") ? point.withStep(Long.parseLong(text(said, "step")) + i) : point;
        point = said.has("phase") ? point.withPhase(text(said, "phase")) : point;
        return said.has("time_us") ? point.withTimeUs(Long.parseLong(text(said, "time_us"))) : point;
    }

    private static double number(String text) {
        return switch (text) {
            case "nan" -> Double.NaN;
            case "inf" -> Double.POSITIVE_INFINITY;
            case "-inf" -> Double.NEGATIVE_INFINITY;
            default -> Double.parseDouble(text);
        };
    }

    private JsonObject series(JsonObject with) {
        Optional<String> phase = with.has("phase") ? Optional.of(text(with, "phase")) : Optional.empty();
        JsonArray values = new JsonArray();
        JsonArray kinds = new JsonArray();
        JsonArray steps = new JsonArray();
        for (Point point : modelOf(with).points(text(with, "name")).withPageSize(1000)) {
            if (point.phase().equals(phase)) {
                values.add(point.value().toString());
                kinds.add(point.value() instanceof Double ? "float" : point.value() instanceof Long ? "int" : "json");
                steps.add(point.step().isPresent() ? "" + point.step().getAsLong() : null);
            }
        }
        JsonObject answer = object("count", values.size());
        answer.add("values", values);
        answer.add("kinds", kinds);
        answer.add("steps", steps);
        return answer;
    }

    private JsonObject listAll(JsonObject with) {
        JsonArray items =
                switch (text(with, "of")) {
                    case "projects" -> texts(all(with, client().projects()).map(Project::id));
                    case "experiments" -> texts(all(with, found(with).experiments()).map(Experiment::name));
                    case "models" -> texts(all(with, experiment(with).models()).map(Model::hash));
                    case "artifacts" -> texts(all(with, found(with).artifacts()).map(Version::name));
                    case "versions" -> texts(all(with, found(with).versions(text(with, "name"))).map(Version::id));
                    case "files" -> texts(all(with, version(with).files()).map(Version.Entry::path));
                    case "series" -> texts(all(with, modelOf(with).series())
                            .map(one -> one.hasPhase() ? one.getName() + "/" + one.getPhase() : one.getName()));
                    default -> throw new UnsupportedOperationException("list_all of " + text(with, "of"));
                };
        JsonObject answer = object("count", items.size());
        answer.add("items", items);
        return answer;
    }

    private static <T> Stream<T> all(JsonObject with, Listing<T> listing) {
        return (with.has("page_size") ? listing.withPageSize(with.get("page_size").getAsInt()) : listing).stream();
    }

    private JsonObject uploadFile(JsonObject with) throws Exception {
        Upload upload = found(with)
                .upload(text(with, "name"))
                .path(text(with, "path"))
                .type(or(with, "type", "directory"))
                .metadataJson(or(with, "metadata", ""))
                .aliases(strings(with, "aliases").toArray(String[]::new));
        if (with.has("upload_id")) {
            upload.id(UUID.fromString(text(with, "upload_id")));
        }
        if (with.has("blake3")) {
            upload.blake3(HexFormat.of().parseHex(text(with, "blake3")));
        }
        Source source = Source.of(Content.make(with.getAsJsonArray("content")));
        if (with.has("pause_after_bytes")) {
            // A source that pauses is not read beforehand.
            upload.blake3(Content.digest(source.open(0)));
            source = Content.paused(source, with.get("pause_after_bytes").getAsLong(), with.get("pause_seconds").getAsDouble());
        }
        long began = System.nanoTime();
        Version version = upload.send(source);
        JsonObject answer = of(version);
        answer.addProperty("created", version.isCreated());
        answer.addProperty("seconds", (System.nanoTime() - began) / 1e9);
        return answer;
    }

    private Version version(JsonObject with) {
        if (with.has("version_id")) {
            return client().version(text(with, "version_id"));
        }
        Project project = found(with);
        if (with.has("version")) {
            return project.artifact(text(with, "name"), with.get("version").getAsLong());
        }
        return with.has("alias")
                ? project.artifact(text(with, "name"), text(with, "alias"))
                : project.artifact(text(with, "name"));
    }

    private JsonObject download(JsonObject with) throws Exception {
        Path folder = Files.createTempDirectory(Path.of(System.getenv("CONFORMANCE_DIR")).toAbsolutePath(), "download");
        long began = System.nanoTime();
        Version version = version(with);
        version.downloadAll(folder);
        double seconds = (System.nanoTime() - began) / 1e9;
        return object("version_id", version.id(), "folder", folder.toString(), "seconds", seconds);
    }

    private JsonObject readRange(JsonObject with) throws Exception {
        Version version = client().version(text(with, "version_id"));
        String path = text(with, "path");
        long length = with.has("length") ? with.get("length").getAsLong() : Long.MAX_VALUE;
        Blake3 hash = Blake3.initHash();
        long size = 0;
        try (InputStream stream = version.open(path, with.get("offset").getAsLong(), length)) {
            byte[] block = new byte[1 << 20];
            for (int count = stream.read(block); count >= 0; count = stream.read(block)) {
                hash.update(block, 0, count);
                size += count;
            }
        }
        long whole = version.files().stream().filter(file -> file.path().equals(path)).findFirst().orElseThrow().sizeBytes();
        return object("size_bytes", size, "blake3", HexFormat.of().formatHex(hash.doFinalize(32)), "file_size_bytes", whole);
    }

    private JsonObject get(JsonObject with) {
        switch (text(with, "of")) {
            case "project":
                return object("uid", found(with).uid(), "name", found(with).name());
            case "model":
                Model model = experiment(with).findModel(text(with, "hash"));
                JsonObject answer = object(
                        "model_id", model.id(), "step", "" + model.step(), "config", model.configJson(), "status", model.status());
                answer.add("tags", texts(model.tags().stream()));
                return answer;
            case "version":
                return of(version(with));
            default:
                throw new UnsupportedOperationException("get of " + text(with, "of"));
        }
    }

    private JsonObject alias(JsonObject with) {
        return of(client().version(text(with, "version_id")).setAlias(text(with, "alias")));
    }

    private static JsonObject of(Version version) {
        JsonObject answer = object(
                "version_id", version.id(),
                "version", version.number(),
                "name", version.name(),
                "type", version.type(),
                "digest", version.digest(),
                "size_bytes", version.sizeBytes(),
                "file_count", version.message().getFileCount(),
                "metadata", version.metadataJson());
        answer.add("aliases", texts(version.aliases().stream()));
        return answer;
    }

    private static JsonObject object(Object... pairs) {
        JsonObject object = new JsonObject();
        for (int i = 0; i < pairs.length; i += 2) {
            String name = (String) pairs[i];
            if (pairs[i + 1] instanceof Number number) {
                object.addProperty(name, number);
            } else if (pairs[i + 1] instanceof Boolean bool) {
                object.addProperty(name, bool);
            } else {
                object.addProperty(name, (String) pairs[i + 1]);
            }
        }
        return object;
    }

    private static JsonArray texts(Stream<String> all) {
        JsonArray array = new JsonArray();
        all.forEach(array::add);
        return array;
    }

    private static Stream<JsonElement> stream(JsonObject with, String name) {
        return with.has(name) ? with.getAsJsonArray(name).asList().stream() : Stream.empty();
    }

    private static Stream<String> strings(JsonObject with, String name) {
        return stream(with, name).map(JsonElement::getAsString);
    }

    private static String text(JsonObject with, String name) {
        return with.get(name).getAsString();
    }

    private static String or(JsonObject with, String name, String otherwise) {
        return with.has(name) ? text(with, name) : otherwise;
    }
}
