import io.github.xpstore.Client;
import io.github.xpstore.Experiment;
import io.github.xpstore.MetricLog;
import io.github.xpstore.Model;
import io.github.xpstore.Point;
import io.github.xpstore.Project;
import io.github.xpstore.Run;
import io.github.xpstore.Version;
import io.github.xpstore.XpstoreException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Fits a line to points by steps down the gradient, and keeps how it went and what came out. */
public final class Train {
    private static final double[] X = {0, 1, 2, 3, 4, 5};
    private static final double[] Y = {1, 3, 5, 7, 9, 11};

    public static void main(String[] arguments) throws Exception {
        try (Client client = Client.connect()) {
            Project project = client.project("example-java", options -> options.setName("Lines"));
            Experiment experiment = project.experiment("gradient");
            Model model = experiment.model("rate=0.05", options -> options.setConfigJson("{\"rate\": 0.05}").addTags("line"));
            double[] line;
            try (Run run = model.run()) {
                line = fit(model);
                run.finish();
            }
            byte[] json = ("{\"slope\": %.3f, \"offset\": %.3f}".formatted(line[0], line[1])).getBytes(StandardCharsets.UTF_8);
            Version saved = project.upload("line").path("line.json").aliases("best").link(model).send(json);
            System.out.println(saved + " has " + saved.sizeBytes() + " bytes, digest " + saved.digest());

            Path file = Files.createTempFile("line", ".json");
            project.artifact("line", "best").download("line.json", file);
            System.out.println("read back: " + Files.readString(file));
            Files.delete(file);

            for (Model one : experiment.search("metrics.loss.last < 1", "metrics.loss.last")) {
                System.out.println(one + " has " + one.points("loss").stream().count() + " points of loss");
            }
            try {
                project.artifact("circle");
            } catch (XpstoreException.NotFound expected) {
                System.out.println("no circle: " + expected.metadata());
            }
        }
    }

    private static double[] fit(Model model) {
        double slope = 0;
        double offset = 0;
        try (MetricLog log = model.metrics()) {
            for (int step = 0; step < 500; step++) {
                double loss = 0;
                double slopeGradient = 0;
                double offsetGradient = 0;
                for (int i = 0; i < X.length; i++) {
                    double error = slope * X[i] + offset - Y[i];
                    loss += error * error / X.length;
                    slopeGradient += 2 * error * X[i] / X.length;
                    offsetGradient += 2 * error / X.length;
                }
                log.log(Point.of("loss", loss).withStep(step).withPhase("train"));
                slope -= 0.05 * slopeGradient;
                offset -= 0.05 * offsetGradient;
            }
        }
        return new double[] {slope, offset};
    }
}
